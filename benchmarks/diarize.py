"""B12: `speechcli diarize` against turns that somebody marked, next to other ways to use the same weights.

    python benchmarks/diarize.py --data FOLDER [--row short,long,words] [--sides ours,rough,stock] [--sets NAME,...]
    python benchmarks/diarize.py --row long --hours 4 [--data FOLDER]

short: each recording by itself, whole, overlapped speech scored, errors pooled by seconds. long: hours of made
conversation in which speakers come and go. words: `speechcli transcribe --diarize` against who said what. FOLDER has a
manifest.jsonl whose entries name `audio`, `rttm` and `duration_s`; `set` may be there, and for row words an STM file
beside the RTTM. Without one, conversations are made of clips that ship: see conversations.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import scoring_speakers as scoring
from common import HERE, MB, SPEECHCLI, Line, Run, anew, arguments, begin, measure, publish
from recordings import linked
from scoring_speakers import COLLARS, Scored, pooled

ROWS = ("short", "long", "words")
SIDES = ("ours", "rough", "stock")  # moonshine takes longer than all of them together
_DER = {0.0: 8.0, 0.25: 3.2}  # percent, by collar
_RIGHT = 80.0  # percent of the recordings whose number of speakers is found
_COST = 0.055  # CPU-seconds a second of sound
_LARGEST = 1000  # MB
_JUDGED = 600.0  # seconds of sound from which on errors are judged
_DOES = {"rough": "the rough hybrid", "stock": "the stock recipe", "moonshine": "moonshine-voice"}


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recording and who speaks when in it. seconds: its length; stm: who says what, where somebody knows."""

    name: str
    group: str
    sound: Path
    rttm: Path
    seconds: float
    stm: Path | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a side made of recordings. folder: an RTTM of each, named like its sound."""

    run: Run
    folder: Path
    scored: list[Scored]


def main() -> int:
    """Runs the rows; 1 when a line of one does not pass."""
    parser = arguments(__doc__)
    parser.add_argument("--row", default=",".join(ROWS), help="some of %(default)s")
    parser.add_argument("--sides", default=",".join(SIDES), help="some of %(default)s, or moonshine")
    parser.add_argument("--sets", default="", help="sets of the manifest to take (all)")
    parser.add_argument("--hours", type=int, default=1, help="row long (%(default)s)")
    parser.add_argument("--model", default="embedded", help="the diarizer (%(default)s)")
    parser.add_argument("--listener", default="", metavar="MODEL", help="row words: the model that transcribes")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="leave recordings and answers there")
    args = begin(parser)
    args.data = Path(args.data) if args.data and Path(args.data, "manifest.jsonl").is_file() else None
    status = 0
    if args.work is not None:
        args.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        for row in args.row.split(","):
            scratch = anew((args.work or Path(temporary)).absolute() / row)
            status |= {"short": short, "long": long, "words": words}[row](args, scratch)
    return status


# --- recordings ---


def listed(folder: Path, sets: Sequence[str], scratch: Path) -> list[Spoken]:
    """The recordings of a manifest, linked under names that no two share."""
    out = list[Spoken]()
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        group = one.get("set", "all")
        if not one.get("rttm") or (sets and group not in sets):
            continue
        source, rttm = folder / one["audio"], folder / one["rttm"]
        sound = scratch / f"{len(out):04d}{source.suffix}"
        linked(source, sound)
        stm = rttm.with_suffix(".stm")
        out.append(Spoken(one["id"], group, sound, rttm, one["duration_s"], stm if stm.is_file() else None))
    return out


def made(args: Namespace, scratch: Path, *options: str) -> list[Spoken]:
    """Conversations made of clips; see conversations.py."""
    folder = anew(scratch / "made")
    given = ["--data", str(args.data)] if args.data else []
    subprocess.run([sys.executable, str(HERE / "conversations.py"), str(folder), *given, *options], check=True)
    return listed(folder, [], scratch)


# --- what is run ---


def diarized(args: Namespace, side: str, recordings: Sequence[Spoken], scratch: Path, watch: bool = False) -> Outcome:
    """A side on the recordings, in one call."""
    folder = anew(scratch / side)
    inputs = [str(one.sound) for one in recordings]
    if side == "ours":
        options = ["-f", "rttm", "--output-dir", str(folder), "--quiet", "--model", args.model]
        run = measure([*SPEECHCLI, "diarize", *inputs, *options], watch=watch, may_fail=True)
    else:
        program = HERE / "peers" / f"diarize_{side}.py"
        options = ["--output-dir", str(folder), "--threads", str(args.cores)]
        run = measure([sys.executable, program, *inputs, *options], watch=watch)
    scored = scoring.scores([(one.rttm, folder / f"{one.sound.stem}.rttm", one.seconds) for one in recordings])
    seconds = sum(one.seconds for one in recordings)
    costs = f"{run.cpu:.0f} CPU-s ({run.cpu / seconds:.3f} a second), {run.wall:.0f} s, {run.rss / MB:.0f} MB"
    print(f"{side}: {costs}", flush=True)
    for one, score in zip(recordings, scored, strict=True):
        print(f"  {one.name:32} {score}", flush=True)
    print(f"  {'all':32} {pooled(scored)}", flush=True)
    return Outcome(run, folder, scored)


# --- rows ---


def short(args: Namespace, scratch: Path) -> int:
    """Each recording by itself."""
    sets = [name for name in args.sets.split(",") if name]
    recordings = listed(args.data, sets, scratch) if args.data else made(args, scratch)
    seconds = sum(one.seconds for one in recordings)
    sides = {side: diarized(args, side, recordings, scratch) for side in args.sides.split(",")}
    if "ours" not in sides:
        return 0
    judged = args.data is not None and seconds >= _JUDGED
    lines = _errors("all", recordings, sides, judged)
    for group in sorted({one.group for one in recordings}):
        lines += _errors(group, recordings, sides)
    lines += _costs("all", sides, seconds)
    raw = {
        side: {
            "run": outcome.run,
            "pooled": pooled(outcome.scored).summary(),
            "recordings": {one.name: s.summary() for one, s in zip(recordings, outcome.scored, strict=True)},
        }
        for side, outcome in sides.items()
    }
    about = (
        f"{len(recordings)} recordings, {seconds:.0f} s, in one call; diarization error rates by pyannote.metrics, "
        "whole files, overlapped speech scored, pooled by seconds; collar: seconds before and after each edge that are "
        "not scored. Peer: the same weights, windows of 1.5 s put together by VBx (rough), or pyannote.audio's recipe "
        "(stock)."
    )
    return publish(args, "B12: diarize, recordings", about, lines, raw, "diarize_short")


def _errors(
    what: str, recordings: Sequence[Spoken], sides: Mapping[str, Outcome], judged: bool | None = None
) -> list[Line]:
    """Error rates and counts of speakers of one set, or of all.

    judged: whether there is enough to compare with fixed bounds; None: nothing is compared with any.
    """
    scores = {
        side: pooled(s for one, s in zip(recordings, outcome.scored, strict=True) if what in ("all", one.group))
        for side, outcome in sides.items()
    }
    ours, rough, out = scores["ours"], scores.get("rough"), list[Line]()
    for i, collar in enumerate(COLLARS):
        mine, name = ours.errors[i].der, f"{what}: DER, collar {collar:g}"
        if judged or len(scores) == 1:
            out.append(Line(name, "%", mine, passes=_DER[collar] if judged else None))
        for side, score in scores.items():
            if side != "ours":
                limit = 0.0 if side == "rough" and judged is not None else None
                told = f"{name}, {_DOES[side]}"
                out.append(Line(told, "%", mine, score.errors[i].der, bound="difference", passes=limit))
    for kind in ("missed", "invented", "confused") if judged is not None else ():
        share, other = (
            None if score is None else 100 * getattr(score.errors[0], kind) / (score.errors[0].total or 1)
            for score in (ours, rough)
        )
        out.append(Line(f"{what}: {kind}, collar 0", "%", share or 0.0, other))
    limit = 100 - _RIGHT if judged else None
    off = f"{what}: recordings with a wrong number of speakers"
    out.append(Line(off, "%", 100 - ours.right, None if rough is None else 100 - rough.right, passes=limit))
    return out


def _costs(what: str, sides: Mapping[str, Outcome], seconds: float, largest: float | None = None) -> list[Line]:
    """Time and memory: ours, and next to each of the others."""
    us = sides["ours"].run
    out = [
        Line(f"{what}: cost", "CPU-s a second", us.cpu / seconds, passes=_COST),
        Line(f"{what}: time of an hour", "wall s", us.wall * 3600 / seconds),
        Line(f"{what}: largest process", "MB", us.rss / MB, passes=largest),
    ]
    for side, outcome in sides.items():
        if side != "ours":
            them, name = outcome.run, _DOES[side]
            cost = f"{what}: cost, {name}"
            out += [
                Line(cost, "CPU-s a second", us.cpu / seconds, them.cpu / seconds, us.cpu / them.cpu),
                Line(f"{what}: time, {name}", "wall s", us.wall, them.wall, us.wall / them.wall),
                Line(f"{what}: largest process, {name}", "MB", us.rss / MB, them.rss / MB, us.rss / them.rss),
            ]
    return out


def long(args: Namespace, scratch: Path) -> int:
    """Hours of conversation."""
    recordings = made(args, scratch, "--hours", str(args.hours))
    one, title = recordings[0], "an hour" if args.hours == 1 else f"{args.hours} hours"
    sides = {side: diarized(args, side, recordings, scratch, watch=True) for side in args.sides.split(",")}
    jobs = {side: (one.rttm, outcome.folder / f"{one.sound.stem}.rttm", one.seconds) for side, outcome in sides.items()}
    moved = dict(zip(jobs, scoring.drifts(list(jobs.values()), 900.0), strict=True))
    if "ours" not in sides:
        return 0
    lines, ours, rough = list[Line](), sides["ours"].scored[0], sides.get("rough")
    for i, collar in enumerate(COLLARS):
        theirs = None if rough is None else rough.scored[0].errors[i].der
        lines.append(Line(f"{title}: DER, collar {collar:g}", "%", ours.errors[i].der, theirs))
    share, other = (100 * moved[side] / (ours.errors[0].total or 1) if side in moved else None for side in SIDES[:2])
    name = f"{title}: under another label than in its quarter of an hour"
    lines.append(Line(name, "%", share or 0.0, other, passes=1.0))
    there = None if rough is None else rough.scored[0].counts[0]
    lines.append(Line(f"{title}: speakers found, less those there are", "speakers", ours.counts[0], there))
    lines += _costs(title, sides, one.seconds, _LARGEST)
    about = (
        f"Made of clips: conversations of ten minutes, four speakers each, two of them in all and two of the others; "
        f"one to three minutes of silence or music after each. {one.seconds:.0f} s."
    )
    raw = {
        side: {"run": outcome.run, "scored": outcome.scored[0].summary(), "moved": round(moved[side], 2)}
        for side, outcome in sides.items()
    }
    return publish(args, f"B12: diarize, {title}", about, lines, raw, f"diarize_hours_{args.hours}")


def words(args: Namespace, scratch: Path) -> int:
    """Who said what."""
    if args.data is None:
        print("row words: no recordings with an STM file (--data)")
        return 0
    sets = [name for name in args.sets.split(",") if name]
    known = [(one, one.stm) for one in listed(args.data, sets, scratch) if one.stm is not None]
    recordings = [one for one, _ in known]
    plain, named = anew(scratch / "plain"), anew(scratch / "named")
    inputs = [str(one.sound) for one in recordings]
    common = [*SPEECHCLI, "transcribe", *inputs, "--quiet", *(["--model", args.listener] if args.listener else [])]
    alone = measure([*common, "-f", "json", "--output-dir", plain], may_fail=True)
    ours = measure([*common, "--diarize", "-f", "json,rttm", "--output-dir", named], may_fail=True)
    each = scoring.attributions([(stm, named / f"{one.sound.stem}.json", None) for one, stm in known])
    whole = scoring.attributions(
        [(stm, plain / f"{one.sound.stem}.json", named / f"{one.sound.stem}.rttm") for one, stm in known]
    )
    lines, raw = list[Line](), dict[str, Any]({"plain": alone, "ours": ours})
    for group in ("all", *sorted({one.group for one in recordings})):
        mine, theirs = (
            sum(
                (r for one, r in zip(recordings, rows, strict=True) if group in ("all", one.group)),
                scoring.Attributed(),
            )
            for rows in (each, whole)
        )
        bound = 0.0 if group == "all" else None
        lines.append(Line(f"{group}: cpWER", "%", mine.cpwer, theirs.cpwer, bound="difference", passes=bound))
        raw[group] = {"words": mine.words, "errors": mine.errors, "errors_by_segments": theirs.errors}
    for one, mine, theirs in zip(recordings, each, whole, strict=True):
        print(
            f"  {one.name:32} {mine.cpwer:5.1f} % of {mine.words} words; by segments {theirs.cpwer:5.1f} %", flush=True
        )
    seconds = sum(one.seconds for one in recordings)
    lines.append(Line("cost, against without --diarize", "CPU-s a second", ours.cpu / seconds, alone.cpu / seconds))
    about = (
        f"`speechcli transcribe --diarize` of {len(recordings)} recordings, {seconds:.0f} s: cpWER by meeteval after "
        "Whisper's English normalizer, errors summed over words. Peer: the same words and turns, each segment given to "
        "whoever talks longest in it."
    )
    return publish(args, "B12: diarize, words", about, lines, raw, "diarize_words")


if __name__ == "__main__":
    sys.exit(main())
