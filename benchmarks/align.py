"""B13: `speechcli align` against word times that somebody measured, over utterances and over hours.

    python benchmarks/align.py --data FOLDER [--row short,long,hour] [--sets NAME,...] [--noise 10] [--minutes 30]
    python benchmarks/align.py --row hour --hours 3

short: each recording by itself, clean and with white noise, next to faster-whisper's times of the same words. long:
the recordings one after the other, and texts that are not quite what is said. hour: with music, minutes of silence, a
paragraph that is missing and one that nobody says. FOLDER has a manifest.jsonl, see labelled.py; without one, two
clips that ship are taken, whose errors are shown and not judged.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import labelled
from common import HERE, MB, SPEECHCLI, Line, Run, anew, arguments, begin, measure, publish
from labelled import Errors, Labelled, Placed, Token, pooled
from recordings import SEED, linked

ROWS = ("short", "long", "hour")
ENOUGH = 500  # labelled words of a set that is judged
COST = 0.06  # CPU-seconds a second of sound
LARGEST = 600  # MB
_CLEAN = (24.0, 14.0, 10.0)  # mean and median ms, percent of the edges 50 ms off
_NOISY = (40.0, None, None)
_LINE = 12  # words a line of the texts
_MOST = 30  # lines of a recording's worst words that are shown
_N_UNSAID, _N_UNWRITTEN, _PARAGRAPH = 100, 200, 120  # words


def main() -> int:
    """Runs the rows; 1 when a line of one does not pass."""
    parser = arguments(__doc__)
    parser.add_argument("--row", default=",".join(ROWS), help="some of %(default)s")
    parser.add_argument("--sets", default="", help="sets of the manifest to take (all that are labelled by hand)")
    parser.add_argument("--noise", type=float, default=10.0, metavar="DB", help="row short (%(default)g)")
    parser.add_argument("--minutes", type=float, default=30.0, help="row long (%(default)g)")
    parser.add_argument("--hours", type=int, default=1, help="row hour (%(default)s)")
    parser.add_argument("--conditions", default="", help="row long: some of exact,missing,changed,unsaid,unwritten")
    parser.add_argument("--model", default="embedded", help="the aligner (%(default)s)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave recordings, texts and answers there")
    args = begin(parser)
    args.data = Path(args.data) if args.data and Path(args.data, "manifest.jsonl").is_file() else None
    found = labelled.labelled(args.data, [name for name in args.sets.split(",") if name])
    if not found:
        sys.exit("no recording has words labelled by hand")
    print(f"{len(found)} recordings, {sum(len(one.tokens) for one in found)} words", flush=True)
    status = 0
    if args.keep is not None:
        args.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        for row in args.row.split(","):
            scratch = anew((args.keep or Path(temporary)).absolute() / row)
            status |= {"short": short, "long": long, "hour": hour}[row](args, found, scratch)
    return status


# --- what is run ---


@dataclass(frozen=True, slots=True)
class Pair:
    """A recording and its text. sound: the file that is aligned; duration: seconds."""

    name: str
    group: str
    sound: Path
    duration: float
    tokens: Sequence[Token]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command made of pairs."""

    run: Run
    answers: list[list[Placed] | None]
    errors: list[Errors]


def aligned(args: Namespace, pairs: Sequence[Pair], scratch: Path) -> Outcome:
    """`speechcli align` of the pairs, in one call."""
    listed, folder = _listed(pairs, scratch), anew(scratch / "ours")
    options = ["-f", "json", "--output-dir", str(folder), "--quiet", "--model", args.model]
    return _outcome(measure([*SPEECHCLI, "align", "--pairs", listed, *options], may_fail=True), pairs, folder)


def peers(args: Namespace, pairs: Sequence[Pair], scratch: Path) -> Outcome:
    """faster-whisper's times of the same words."""
    listed, folder = _listed(pairs, scratch), anew(scratch / "peer")
    program = HERE / "peers" / "faster_whisper_align.py"
    return _outcome(measure([sys.executable, program, listed, "--output-dir", folder]), pairs, folder)


def _listed(pairs: Sequence[Pair], scratch: Path) -> Path:
    """The texts beside the recordings, and the list of both."""
    lines = []
    for pair in pairs:
        text = scratch / f"{pair.sound.stem}.txt"
        rows = [pair.tokens[i : i + _LINE] for i in range(0, len(pair.tokens), _LINE)]
        written = "\n".join(" ".join(token.text for token in row) for row in rows)
        text.write_text(written + "\n", encoding="utf-8")
        lines.append(f"{pair.sound}\t{text}\n")
    path = scratch / "pairs.tsv"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _outcome(run: Run, pairs: Sequence[Pair], folder: Path) -> Outcome:
    answers = [labelled.answer(folder / f"{pair.sound.stem}.json") for pair in pairs]
    return Outcome(run, answers, [labelled.errors(p.tokens, a) for p, a in zip(pairs, answers, strict=True)])


def stitched(plan: Sequence[dict[str, Any]], scratch: Path) -> list[list[float]]:
    """Builds recordings; when their pieces begin, and where they end. See stitch.py."""
    path = scratch / "plan.json"
    path.write_text(json.dumps(plan, default=str), encoding="utf-8")
    subprocess.run([sys.executable, str(HERE / "stitch.py"), str(path)], check=True)
    return [json.loads(Path(job["out"]).with_suffix(".json").read_text()) for job in plan]


# --- rows ---


def short(args: Namespace, found: Sequence[Labelled], scratch: Path) -> int:
    """Each recording by itself."""
    lines, raw = list[Line](), dict[str, Any]()
    for title, noise, bars in (("clean", None, _CLEAN), (f"{args.noise:g} dB", args.noise, _NOISY)):
        folder = anew(scratch / title.replace(" ", ""))
        pairs = _utterances(found, noise, folder)
        seconds = sum(pair.duration for pair in pairs)
        us, them = aligned(args, pairs, folder), peers(args, pairs, folder)
        for group in sorted({pair.group for pair in pairs}):
            mine, theirs = (
                pooled(one for one, pair in zip(outcome.errors, pairs, strict=True) if pair.group == group)
                for outcome in (us, them)
            )
            enough = args.data is not None and len(mine.starts) >= ENOUGH
            lines += _short_lines(f"{group}, {title}", mine, theirs, bars if enough else (None, None, None))
            raw[f"{group}, {title}"] = {"ours": mine.summary(), "peer": theirs.summary()}
        lines.append(_cost(title, us.run, seconds, them.run))
        raw[f"runs, {title}"] = {"seconds": seconds, "ours": us.run, "peer": them.run}
        _show(pairs, us, 0.1)
    about = (
        f"{_of(found)}, each by itself in one call; noise: white, below the mean power of each. Starts and ends are "
        "pooled. Failed: recordings without an answer, or with a word interpolated. Peer: how faster-whisper reads the "
        "cross-attention for the same words with the same weights."
    )
    return publish(args, "B13: align, utterances", about, lines, raw, "align_short")


def _utterances(found: Sequence[Labelled], noise: float | None, folder: Path) -> list[Pair]:
    """The recordings under names that no two share, as they are or with noise."""
    files = [folder / f"{i:04d}{one.path.suffix if noise is None else '.wav'}" for i, one in enumerate(found)]
    if noise is not None:
        plan = [
            {"out": file, "pieces": [{"clip": one.path}], "snr": noise, "seed": SEED + i}
            for i, (one, file) in enumerate(zip(found, files, strict=True))
        ]
        stitched(plan, folder)
    else:
        for one, file in zip(found, files, strict=True):
            linked(one.path, file)
    return [Pair(one.name, one.group, file, one.duration, one.tokens) for one, file in zip(found, files, strict=True)]


def _short_lines(what: str, us: Errors, them: Errors, bars: Sequence[float | None]) -> list[Line]:
    mean, median, off = bars
    biases = [1000 * sum(edges) / (len(edges) or 1) for e in (us, them) for edges in (e.starts, e.ends)]
    return [
        Line(f"{what}: mean error", "ms", us.mean, them.mean, passes=mean),
        Line(f"{what}: median error", "ms", us.median, them.median, passes=median),
        *(
            Line(
                f"{what}: {limit * 1000:.0f} ms off or more",
                "%",
                us.off(limit),
                them.off(limit),
                passes=off if limit == 0.05 else None,
            )
            for limit in labelled.CLOSE
        ),
        Line(f"{what}: bias of starts", "ms", biases[0], biases[2]),
        Line(f"{what}: bias of ends", "ms", biases[1], biases[3]),
        Line(f"{what}: failed", "recordings", us.n_failed, them.n_failed, passes=0),
    ]


def long(args: Namespace, found: Sequence[Labelled], scratch: Path) -> int:
    """The recordings one after the other, and texts that differ from what is said."""
    pieces = _talk(found, args.minutes * 60, random.Random(SEED))
    sound = scratch / "long.wav"
    times = stitched([{"out": sound, "pieces": [p for p, _ in pieces], "snr": None, "seed": SEED}], scratch)[0]
    tokens = _tokens(pieces, times)
    half, dice = len(tokens) // 2, random.Random(SEED + 1)
    texts = {
        "exact": tokens,
        "missing": labelled.without_some(tokens, 0.05, dice),
        "changed": labelled.changed(tokens, dice),
        "unsaid": labelled.with_others(tokens, half, labelled.unsaid(_N_UNSAID)),
        "unwritten": tokens[:half] + tokens[half + _N_UNWRITTEN :],
    }
    titles = {
        "exact": "exact text",
        "missing": "5 % of the words missing",
        "changed": "3 % put in, 3 % exchanged",
        "unsaid": f"{_N_UNSAID} words that nobody says",
        "unwritten": f"{_N_UNWRITTEN} words not written",
    }
    lines, raw = list[Line](), dict[str, Any]()
    for name in args.conditions.split(",") if args.conditions else texts:
        pair = Pair(name, "long", sound, times[-1], texts[name])
        outcome = aligned(args, [pair], anew(scratch / name))
        lines += _long_lines(titles[name], outcome, times[-1], args.data is not None)
        raw[name] = {"seconds": times[-1], "run": outcome.run, **outcome.errors[0].summary()}
        _show([pair], outcome, 0.1)
    about = (
        f"{_of(found)}, in a seeded order until {args.minutes:g} minutes are full, 0.3 to 1.5 s of faint noise after "
        "each. Errors of the words that are said and written; lost: said and written, and interpolated; invented: "
        "written, said by nobody, and placed."
    )
    return publish(args, "B13: align, long", about, lines, raw, "align_long")


def hour(args: Namespace, found: Sequence[Labelled], scratch: Path) -> int:
    """Music, silence, a paragraph too few and one too many, in each hour."""
    parts = [part for i in range(args.hours) for part in _programme(found, random.Random(SEED + i))]
    pieces = [piece for part, _ in parts for piece in part]
    sound = scratch / "hour.wav"
    times = stitched([{"out": sound, "pieces": [p for p, _ in pieces], "snr": None, "seed": SEED}], scratch)[0]
    tokens, at = list[Token](), 0
    for part, what in parts:
        said = _tokens(part, times[at:])
        at += len(part)
        half = len(said) // 2
        if what == "skipped":
            said = said[:half] + said[half + _PARAGRAPH :]
        elif what == "unsaid":
            said = labelled.with_others(said, half, labelled.unsaid(_PARAGRAPH))
        tokens += said
    pair = Pair("hour", "hour", sound, times[-1], tokens)
    outcome = aligned(args, [pair], scratch)
    _show([pair], outcome, 0.1)
    title = "an hour" if args.hours == 1 else f"{args.hours} hours"
    lines = _long_lines(title, outcome, times[-1], args.data is not None)
    lines.append(Line(f"{title}: time of an hour", "wall s", outcome.run.wall * 3600 / times[-1]))
    raw = {"seconds": times[-1], "run": outcome.run, **outcome.errors[0].summary()}
    about = (
        f"{_of(found)}, over and over, with 110 s of music, 430 s of silence, a paragraph of {_PARAGRAPH} words that "
        "is not written and one that nobody says, in each hour."
    )
    return publish(args, f"B13: align, {title}", about, lines, raw, "align_hour" if args.hours == 1 else "align_hours")


_Piece: TypeAlias = tuple[dict[str, Any], tuple[Token, ...]]
"""A piece for stitch.py, and what is said in it, timed from its own start."""


def _programme(found: Sequence[Labelled], dice: random.Random) -> list[tuple[list[_Piece], str]]:
    """An hour in parts, and what is amiss with their texts."""
    speech = (3600.0 - 540.0) / 4
    return [
        ([_rest("music", 20.0), *_talk(found, speech, dice)], ""),
        ([_rest("pause", 150.0), *_talk(found, speech, dice)], "skipped"),
        ([_rest("music", 60.0), *_talk(found, speech, dice)], "unsaid"),
        ([_rest("pause", 240.0), _rest("music", 30.0), *_talk(found, speech, dice), _rest("pause", 40.0)], ""),
    ]


def _rest(kind: str, seconds: float) -> _Piece:
    return {kind: seconds}, ()


def _talk(found: Sequence[Labelled], length: float, dice: random.Random) -> list[_Piece]:
    """Recordings in random order, a pause after each, until they fill `length` seconds."""
    out, seconds = list[_Piece](), 0.0
    while True:
        for one in dice.sample(found, len(found)):
            pause = dice.uniform(0.3, 1.5)
            out += [({"clip": one.path}, one.tokens), _rest("pause", pause)]
            seconds += one.duration + pause
            if seconds >= length:
                return out


def _tokens(pieces: Sequence[_Piece], begins: Sequence[float]) -> list[Token]:
    """What is said in the pieces. begins: the seconds at which they do; there may be more."""
    return [token.later(begin) for (_, tokens), begin in zip(pieces, begins, strict=False) for token in tokens]


def _long_lines(what: str, outcome: Outcome, seconds: float, judged: bool) -> list[Line]:
    found = outcome.errors[0]
    return [
        Line(f"{what}: mean error", "ms", found.mean),
        Line(f"{what}: median error", "ms", found.median),
        Line(f"{what}: 100 ms off or more", "%", found.off(0.1), passes=3.0 if judged else None),
        Line(f"{what}: lost", "words", len(found.lost), passes=0 if judged else None),
        *([Line(f"{what}: invented", f"of {found.n_unsaid}", len(found.invented))] if found.n_unsaid else []),
        _cost(what, outcome.run, seconds, passes=COST),
        Line(f"{what}: largest process", "MB", outcome.run.rss / MB, passes=LARGEST),
    ]


def _cost(what: str, run: Run, seconds: float, peer: Run | None = None, passes: float | None = None) -> Line:
    theirs = None if peer is None else peer.cpu / seconds
    return Line(f"{what}: cost", "CPU-s a second", run.cpu / seconds, theirs, passes=passes)


def _of(found: Sequence[Labelled]) -> str:
    """What the recordings are."""
    groups = sorted({one.group for one in found})
    return f"{len(found)} recordings labelled by hand, {sum(one.duration for one in found):.0f} s ({', '.join(groups)})"


def _show(pairs: Sequence[Pair], outcome: Outcome, limit: float) -> None:
    """The words that are the furthest off, and those that are on the wrong side of lost and found."""
    print(f"  {outcome.run.cpu:.1f} CPU-s, {outcome.run.wall:.0f} s, {outcome.run.rss / MB:.0f} MB", flush=True)
    for pair, answer, found in zip(pairs, outcome.answers, outcome.errors, strict=True):
        if found.n_failed and not found.starts:
            print(f"  {pair.name}: no answer, or other words than were written")
        for line in labelled.worst(pair.tokens, answer, limit)[:_MOST]:
            print(f"  {pair.name}: {line}")


if __name__ == "__main__":
    sys.exit(main())
