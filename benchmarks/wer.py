"""Word error rates of ours and of faster-whisper with the same weights, pooled over recordings with known words.

    python benchmarks/wer.py --data FOLDER [--peers batched,sequential,vad,float32] [--exclude ID ...]

FOLDER has a manifest.jsonl, or audio files with a .txt beside them; without one, the clips that ship are taken. The
mark is the sequential decoding (beam 5) in int8, without VAD as it comes and with it; ours may be 0.3 points above.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from common import Line, anew, arguments, begin, measure, ours, peer, publish
from recordings import Clip, clips, numbered, recording, words
from scoring import Counts, counts, pooled, spoken

PEERS = {
    "sequential": ("faster_whisper_sequential",),
    "vad": ("faster_whisper_sequential", "--vad"),
    "float32": ("faster_whisper_sequential", "--compute-type", "float32"),
    "batched": ("faster_whisper_batched",),
}


def main() -> int:
    """Runs the row."""
    parser = arguments(__doc__)
    parser.add_argument("--peers", default=",".join(PEERS), help="some of %(default)s")
    parser.add_argument("--exclude", action="append", default=[], metavar="ID", help="leave a recording out")
    parser.add_argument("--built", action="append", default=[], metavar="NAME", help="score this too: hour.mp3, short")
    args = begin(parser)
    chosen = [clip for clip in clips(args.data and Path(args.data)) if clip.name not in args.exclude]
    chosen += [clip for name in args.built for clip in _built(recording(name, args))]
    names = [name for name in PEERS if name in args.peers.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        files = numbered([clip.path for clip in chosen], anew(Path(scratch, "in")))
        commands = {"ours": ours(files, Path(scratch, "ours"))}
        commands |= {name: peer(PEERS[name][0], files, Path(scratch, name), *PEERS[name][1:]) for name in names}
        heard: dict[str, list[str]] = {}
        for name, command in commands.items():
            anew(Path(scratch, name))
            run = measure(command)
            print(f"  {name}: {run.cpu:.0f} CPU-s", flush=True)
            heard[name] = [spoken(Path(scratch, name, f"{path.stem}.srt")) for path in files]
    errors = {
        name: [counts(clip.text, text) for clip, text in zip(chosen, texts, strict=True)]
        for name, texts in heard.items()
    }
    total = {name: pooled(rows) for name, rows in errors.items()}
    _show(chosen, errors)
    lines = []
    for name in names:
        limit = 0.3 if name in ("sequential", "vad") else None
        lines.append(Line(f"against {name}", "WER %", total["ours"].wer, total[name].wer, None, "difference", limit))
    about = f"{len(chosen)} recordings, {total['ours'].n} words: " + "; ".join(f"{k} {v}" for k, v in total.items())
    raw = [
        {"name": clip.name, "set": clip.group} | {k: _quad(errors[k][i]) for k in errors}
        for i, clip in enumerate(chosen)
    ]
    return publish(args, "Accuracy", about + ".", lines, raw)


def _built(path: Path) -> list[Clip]:
    files = sorted(path.glob("*.mp3")) if path.is_dir() else [path]
    return [Clip(one.name, one, text, path.name) for one in files if (text := words(one)) is not None]


def _show(chosen: list[Clip], errors: dict[str, list[Counts]]) -> None:
    """Errors by set, and the recordings where ours are the most above the first peer's."""
    for name, rows in errors.items():
        groups: dict[str, list[Counts]] = defaultdict(list)
        for clip, row in zip(chosen, rows, strict=True):
            groups[clip.group].append(row)
        for group, members in [*sorted(groups.items()), ("all", rows)]:
            print(f"  {name:<11} {group:<20} {pooled(members)}")
    mark = next((rows for name, rows in errors.items() if name != "ours"), None)
    if mark is None:
        return
    worse = [
        (sum(_quad(a)[:3]) - sum(_quad(b)[:3]), i) for i, (a, b) in enumerate(zip(errors["ours"], mark, strict=True))
    ]
    for extra, i in sorted(worse, reverse=True)[:8]:
        if extra > 1:
            print(f"  {extra:+d} {chosen[i].name}: ours {errors['ours'][i]}; peer {mark[i]}")


def _quad(errors: Counts) -> list[int]:
    return [errors.s, errors.d, errors.i, errors.n]


if __name__ == "__main__":
    sys.exit(main())
