"""B17: `speechcli stream-mic` on recordings played at real speed, against what is said in them, and when.

    python benchmarks/live.py [--data FOLDER] [--minutes 10] [--model NAME] [--peer whisperlivekit]
    python benchmarks/live.py --audio TALK.mp3 --reference TALK.txt [--words TALK.words.json]
    python benchmarks/live.py --hour

The sound is given to the command as a microphone would give it: raw PCM on its stdin, in blocks of 20 ms, each when its
last sample is due. What it writes gets the time at which it arrived here, so a delay holds all there is: waiting,
computing, a pipe, and being late. Some seconds of silence go first, in which models are loaded. A peer is a program of
peers/ that is given the same blocks at the same pace, after ours. The reference is a text (min10.txt beside min10.mp3
by default) whose words get their times from `speechcli align`, or from FILE where somebody measured them: a JSON list
of `{"word", "start", "end"}`, of all words or some. --hour plays the recording again and again until an hour is full.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import recordings
import scoring
import scoring_live
from common import HERE, MB, SPEECHCLI, Line, arguments, begin, busy, cpu_so_far, measure, publish
from scoring_live import Changes, Delay, Look, Said

RATE = 16_000  # Hz
BLOCK = 320  # samples, 20 ms
_PART = 600.0  # seconds: a part of an hour whose delays are compared with another's
_PATIENCE = 120.0  # seconds a program may take after the sound is over
_DRIFT = 0.25  # seconds a median may be longer in the last ten minutes of an hour than in the first: noise
_LABELLED = 100  # words from which on delays by hand-made labels are shown by themselves

PEERS = {
    "whisperlivekit": (
        *("whisperlivekit==0.2.26", "librosa", "lazy_loader", "audioread", "pooch", "msgpack", "decorator"),
        *("numba", "llvmlite", "tiktoken"),
    )
}
"""What each needs beside `speechcli[bench]`, installed by itself, so that nothing else changes."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What is played. wav: for programs that take a file; pcm: the same samples, s16le, without a header.

    text: what is said, as it was written.
    """

    wav: Path
    pcm: Path
    seconds: float
    said: list[Said]
    text: str


@dataclass(frozen=True, slots=True)
class Played:
    """What a program wrote while the sound was played to it.

    lines: the time each arrived at, seconds since the first sample of the recording, and its JSON. cores: CPU-seconds a
    second, of the program and its children, from the first block to its end. rss: bytes, peak of the program. late:
    seconds by which a block was given too late at worst (the program did not take them, or this machine is too busy).
    others: cores that the rest of the machine was using meanwhile. after: seconds from the last block to its end; it is
    ended when it takes longer than _PATIENCE.
    """

    lines: list[tuple[float, dict[str, Any]]]
    cores: float
    rss: int
    late: float
    others: float
    after: float


@dataclass(frozen=True, slots=True)
class Judged:
    """What it is worth. missed: seconds it says it dropped; None when it has no word for that."""

    played: Played
    delays: list[Delay]
    changes: Changes
    errors: scoring.Counts
    missed: float | None
    n_finals: int


def main() -> int:
    """Plays, judges, shows; 1 when a line does not pass."""
    parser = arguments(__doc__)
    parser.add_argument("--audio", type=Path, help="the recording (min10.mp3 of --data, or built)")
    parser.add_argument("--reference", type=Path, help="its text (the .txt beside it)")
    parser.add_argument("--words", type=Path, help="its words' times, of all of them or some (as aligned)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how much of it (%(default)g)")
    parser.add_argument("--hour", action="store_true", help="again and again, until an hour is full")
    parser.add_argument("--speed", type=float, default=1.0, help="times real time (%(default)g)")
    parser.add_argument("--lead", type=float, default=5.0, help="seconds of silence before it (%(default)g)")
    parser.add_argument("--model", default="", help="that of stream-mic and of transcribe (their default)")
    parser.add_argument("--options", default="", help="more of them for stream-mic, in one string")
    parser.add_argument("--peer", action="append", default=[], choices=list(PEERS), help="may be repeated")
    parser.add_argument("--only-peers", action="store_true", help="without ours")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave what each side wrote, and when, there")
    parser.add_argument("--name", default="", help="of the file of results (live, or live_hour)")
    args = begin(parser)
    with tempfile.TemporaryDirectory() as temporary:
        return row(args, Path(temporary))


def row(args: Namespace, scratch: Path) -> int:
    """All sides on the same sound, one after the other, and then their scores."""
    sound, source = prepared(args, scratch)
    model = ["--model", args.model] if args.model else []
    played = dict[str, Played]()
    if not args.only_peers:
        options = ["--input-rate", str(RATE), "--input-format", "s16le", "--events", *model, *args.options.split()]
        played["ours"] = replay([*SPEECHCLI, "stream-mic", "-", *options], sound, args)
    for name in args.peer:
        command = [sys.executable, str(HERE / "peers" / f"live_{name}.py")]
        played[name] = replay(command, sound, args, env=installed(name, args), waits=True)
    if args.keep is not None:
        args.keep.mkdir(parents=True, exist_ok=True)
        for name, one in played.items():
            lines = (json.dumps({"at": round(at, 3), **line}) + "\n" for at, line in one.lines)
            (args.keep / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    whole = scratch / "whole.srt"
    measure([*SPEECHCLI, "transcribe", sound.wav, "-f", "srt", "-o", whole, "--quiet", *model])
    sides = {name: judged(name, one, sound) for name, one in played.items()}
    file = scoring.counts(sound.text, scoring.spoken(whole))
    about = (
        f"{sound.seconds:.0f} s, {len(sound.said)} words, played at {args.speed:g} x real speed through stdin in "
        f"blocks of 20 ms; times of words: {source}. Delays: from the end of a word to when it could first be read, "
        "and to when it was first final, by the clock of who gives the sound; what was never recognized is apart. "
        f"Peer: {args.peer[0] if args.peer else 'none'}, the same sound afterwards, with the weights that ship."
    )
    shown = list(sides)[:2]
    rows = table(sides[shown[0]], sides[shown[1]] if shown[1:] else None, file, args)
    raw = {name: summary(one) for name, one in sides.items()} | {"file": asdict(file)}
    title = "B17: stream-mic, an hour" if args.hour else "B17: stream-mic"
    return publish(args, title, about, rows, raw, args.name or ("live_hour" if args.hour else "live"))


def table(ours: Judged, peer: Judged | None, file: scoring.Counts, args: Namespace) -> list[Line]:
    """What is judged. file: the errors of the same model that has the whole recording."""
    us, them = numbers(ours.delays), {} if peer is None else numbers(peer.delays)
    lines = list[Line]()
    for what, name, passes, stretch in (
        ("end of a word to its first partial, median", "shown_median", 1.0, None),
        ("end of a word to its first partial, p95", "shown_p95", 2.0, None),
        ("end of a word to its final, median", "final_median", None, None),
        ("end of a word to its final, p95", "final_p95", 3.0, 1.5),
    ):
        if (value := us[name]) is not None:
            lines.append(Line(what, "s", value, them.get(name), passes=passes, stretch=stretch))
    for what, name in (("never shown", "never_shown"), ("never final", "never_final")):
        share, other = (100 * (one.get(name) or 0) / (one.get("words") or 1) if one else None for one in (us, them))
        lines.append(Line(f"words {what} as they were said", "%", share or 0.0, other))
    hand = [numbers(d for d in one.delays if d.said.labelled) for one in (ours, peer) if one is not None]
    if (hand[0]["timed"] or 0) >= _LABELLED:
        for name in ("shown_p95", "final_p95"):
            values = [one[name] for one in hand]
            if values[0] is not None:
                what = f"by {hand[0]['timed']} hand-made labels alone: {name.replace('_', ', ')}"
                lines.append(Line(what, "s", values[0], values[1] if values[1:] else None))
    share = ours.changes.share
    lines += [
        Line("words shown before they were final, later changed", "%", share, _of(peer, "changes", "share"), passes=10),
        Line("words taken back, for each final one", "words", ours.changes.erasure, _of(peer, "changes", "erasure")),
        Line("word error rate of finals", "%", ours.errors.wer, _of(peer, "errors", "wer")),
        Line("the same, next to the model on the file", "%", ours.errors.wer, file.wer, bound="difference", passes=2),
        Line("end of the sound to the end of the program", "s", ours.played.after, _of(peer, "played", "after")),
        Line("cores busy", "cores", ours.played.cores, _of(peer, "played", "cores"), passes=1.0, stretch=0.5),
        Line("peak memory", "MB", ours.played.rss / MB, None if peer is None else peer.played.rss / MB),
    ]
    if ours.missed is not None:
        lines.append(Line("dropped", "s", ours.missed, passes=0))
    if args.hour:
        for name in ("shown_median", "final_median"):
            drifts = [_drift(one.delays, name) for one in (ours, peer) if one is not None]
            what = f"last ten minutes less the first: {name.replace('_', ', ')}"
            lines.append(Line(what, "s", drifts[0], drifts[1] if drifts[1:] else None, passes=_DRIFT))
    return lines


def summary(one: Judged) -> dict[str, Any]:
    """The numbers that are kept."""
    return {
        "numbers": numbers(one.delays),
        "parts": [numbers(part) for part in parts(one.delays)],
        "labelled": numbers(delay for delay in one.delays if delay.said.labelled),
        "changes": asdict(one.changes),
        "errors": asdict(one.errors),
        "missed": one.missed,
        "finals": one.n_finals,
        "own_latency": own_latency(one.played),
        "lines": len(one.played.lines),
        **{name: round(getattr(one.played, name), 3) for name in ("cores", "others", "late", "after", "rss")},
    }


def _of(side: Judged | None, part: str, name: str) -> float | None:
    return None if side is None else float(getattr(getattr(side, part), name))


def _drift(delays: Sequence[Delay], name: str) -> float:
    """Seconds; a part without words makes it no number."""
    values = [numbers(part)[name] for part in parts(delays)]
    first, last = values[0], values[-1]
    return float("nan") if first is None or last is None else last - first


# --- the sound and its words ---


def prepared(args: Namespace, scratch: Path) -> tuple[Sound, str]:
    """What is to be played, cut at a pause near its end, and where the times of its words are from."""
    audio = args.audio or recordings.recording("min10.mp3", args)
    found = aligned(audio, args.reference or audio.with_suffix(".txt"), args)
    said, source = scoring_live.reference(found), "`speechcli align`"
    if args.words is not None:
        labelled = scoring_live.reference(json.loads(args.words.read_text(encoding="utf-8")), labelled=True)
        said = scoring_live.better(said, labelled)
    seconds = cut(said, min(args.minutes * 60, recordings.duration(audio)))
    said = [one for one in said if one.end <= seconds]
    if n := sum(one.labelled for one in said):
        source = "labelled by hand" if n == len(said) else f"{source}, {n} of them labelled by hand"
    times = max(1, round(3600 / seconds)) if args.hour else 1
    wav, pcm = scratch / "sound.wav", scratch / "sound.s16le"
    given = [
        recordings.ffmpeg(),
        "-v",
        "error",
        "-y",
        "-i",
        audio,
        "-t",
        f"{seconds:.3f}",
        "-ac",
        "1",
        "-ar",
        str(RATE),
    ]
    subprocess.run([*given, "-ac", "1", "-ar", str(RATE), "-f", "s16le", pcm], check=True, stdin=subprocess.DEVNULL)
    once = pcm.stat().st_size // 2 / RATE
    if times > 1:
        one = pcm.read_bytes()
        with pcm.open("wb") as out:
            out.writelines(one for _ in range(times))
    as_pcm = ["-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", str(pcm)]
    subprocess.run([recordings.ffmpeg(), "-v", "error", "-y", *as_pcm, str(wav)], check=True, stdin=subprocess.DEVNULL)
    text = " ".join(one["word"].strip() for one in found if one["end"] <= seconds)
    return Sound(wav, pcm, once * times, scoring_live.repeated(said, times, once), " ".join([text] * times)), source


def cut(said: Sequence[Said], limit: float, reach: float = 10.0) -> float:
    """The middle of the longest pause in the last `reach` seconds before the limit; the limit when all ends before."""
    if not said or said[-1].end <= limit:
        return limit
    ends = [one.end for one in said if one.end <= limit]
    pauses = [
        (b - a, (a + b) / 2)
        for a, b in zip(ends, [one.start for one in said[1 : len(ends) + 1]], strict=False)
        if limit - reach <= a < b <= limit
    ]
    return max(pauses)[1] if pauses else limit


def aligned(audio: Path, text: Path, args: Namespace) -> list[dict[str, Any]]:
    """The words of a text with their times; kept in the cache, so that the next run need not find them again."""
    from platformdirs import user_cache_path

    key = hashlib.sha256(audio.read_bytes() + text.read_bytes()).hexdigest()[:12]
    folder: Path = args.cache or user_cache_path("speechcli") / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{audio.stem}.{key}.aligned.json"
    if not path.exists():
        print(f"  aligning {text.name} ...", flush=True)
        draft = path.with_suffix(".part.json")
        measure([*SPEECHCLI, "align", audio, text, "-f", "json", "-o", draft, "--overwrite", "--quiet"])
        draft.replace(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    return [word for segment in document["segments"] for word in segment["words"]]


def installed(name: str, args: Namespace) -> dict[str, str]:
    """The environment in which a peer runs, its packages put into a folder of their own the first time.

    As many threads as it may use cores: with more, which is what CTranslate2 takes unasked, it would only be slower.
    """
    from platformdirs import user_cache_path

    folder: Path = (args.cache or user_cache_path("speechcli") / "benchmarks") / PEERS[name][0].replace("==", "-")
    if not folder.exists():
        print(f"  installing {name} ...", flush=True)
        draft = folder.with_name(f"{folder.name}.part")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(draft)]
        subprocess.run([*pip, *PEERS[name]], check=True)
        draft.rename(folder)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": str(args.cores)}


# --- playing ---


def replay(
    command: Sequence[str], sound: Sound, args: Namespace, env: dict[str, str] | None = None, waits: bool = False
) -> Played:
    """Plays the sound to a program. waits: until its first line, `{"ready": true}`, nothing is played."""
    arrived = list[tuple[float, bytes]]()
    ready = threading.Event()

    def listen() -> None:
        for line in stdout:
            arrived.append((time.monotonic(), line))
            ready.set()
        ready.set()

    with tempfile.TemporaryFile() as told, sound.pcm.open("rb") as pcm:
        child = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told)
        assert child.stdin is not None
        assert child.stdout is not None
        stdin, stdout = child.stdin, child.stdout
        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        if waits:
            ready.wait()
        used, before, began = cpu_so_far(child.pid), busy(), time.monotonic()
        n_lead = round(args.lead * RATE / BLOCK)
        blocks = (bytes(2 * BLOCK) if i < n_lead else pcm.read(2 * BLOCK) for i in range(10**9))
        late = 0.0
        with contextlib.suppress(BrokenPipeError):  # it ended before the sound did: its status says why
            for i, block in enumerate(blocks):
                if not block:
                    break
                due = began + (i + 1) * BLOCK / RATE / args.speed
                time.sleep(max(0.0, due - time.monotonic()))
                stdin.write(block)
                stdin.flush()
                late = max(late, time.monotonic() - due)
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
        over = time.monotonic()
        listener.join(_PATIENCE)
        if too_slow := listener.is_alive():
            child.kill()
            listener.join()
        stdout.close()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        ended = time.monotonic()
        if child.returncode and not too_slow:
            told.seek(0)
            sys.exit(f"status {child.returncode}: {' '.join(command)}\n{told.read()[-3000:].decode(errors='replace')}")
    cpu = usage.ru_utime + usage.ru_stime - used
    others = max(0.0, busy() - before - cpu) / (ended - began)
    lead = n_lead * BLOCK / RATE
    lines = [((at - began) * args.speed - lead, json.loads(line)) for at, line in arrived if line.endswith(b"\n")]
    rss = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Played(lines, cpu / (ended - began), rss, late, others, ended - over)


# --- judging ---


def judged(name: str, played: Played, sound: Sound) -> Judged:
    """The scores of what a program wrote."""
    if name == "ours":
        written = list(scoring_live.written(played.lines))
        missed = sum(line["end"] - line["start"] for _, line in played.lines if line["type"] == "missed")
    else:
        written = [
            Look(at, line["kept"], tuple(line["text"].split()), line["settled"])
            for at, line in played.lines
            if "kept" in line
        ]
        missed = None
    looks = scoring_live.normalized(written)
    heard = " ".join(scoring_live.final_words(written))
    return Judged(
        played,
        scoring_live.delays(looks, sound.said),
        scoring_live.changes(looks),
        scoring.counts(sound.text, heard),
        missed,
        sum(line.get("type") == "final" for _, line in played.lines),
    )


def parts(delays: Sequence[Delay]) -> list[list[Delay]]:
    """The delays of each ten minutes of the recording."""
    last = max((int(one.said.end // _PART) for one in delays), default=0)
    return [[one for one in delays if int(one.said.end // _PART) == i] for i in range(last + 1)]


def numbers(delays: Iterable[Delay]) -> dict[str, float | int | None]:
    """Medians and 95th percentiles, seconds; how many words there are, are measured, and never came."""
    every = list(delays)
    there = [one for one in every if one.said.timed]
    shown = [one.shown for one in there if one.shown is not None]
    final = [one.final for one in there if one.final is not None]
    found = {
        "shown_median": scoring_live.percentile(shown, 50),
        "shown_p95": scoring_live.percentile(shown, 95),
        "final_median": scoring_live.percentile(final, 50),
        "final_p95": scoring_live.percentile(final, 95),
    }
    return {
        **{name: None if value is None else round(value, 3) for name, value in found.items()},
        "words": len(every),
        "timed": len(there),
        "never_shown": sum(one.shown is None for one in every),
        "never_final": sum(one.final is None for one in every),
    }


def own_latency(played: Played) -> dict[str, float | None]:
    """Medians of what the program itself says of its latency, seconds."""
    return {
        kind: scoring_live.percentile(
            (
                line["latency_ms"] / 1000
                for _, line in played.lines
                if line.get("type") == kind and line.get("latency_ms") is not None
            ),
            50,
        )
        for kind in ("partial", "final")
    }


if __name__ == "__main__":
    sys.exit(main())
