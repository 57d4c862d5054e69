"""What a speed counts next to: the words of ours and of the peers on the same recordings, as lines of a row's table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from common import D, Line, anew, measure, ours, peer
from recordings import numbered, recording, sounds, words
from scoring import counts, normal, pooled, spoken

MARGIN = 0.3  # points


def accuracy(files: Sequence[Path], scratch: Path, sides: Sequence[str]) -> tuple[list[Line], dict[str, str]]:
    """Word error rates and coverage, pooled, of the SRT files in scratch/SIDE, "ours" and the peers of `sides`.

    Coverage: words written over words of the reference. Nothing where nobody knows the words of a recording.
    """
    said = [words(path) for path in files]
    if None in said:
        return [], {}
    found = {
        side: pooled(
            counts(text or "", spoken(scratch / side / f"{path.stem}.srt"))
            for path, text in zip(files, said, strict=True)
        )
        for side in ("ours", *sides)
    }
    lines = []
    for side in sides:
        a, b = found["ours"], found[side]
        lines += [
            Line(f"word error rate, {side}", "%", a.wer, b.wer, None, "difference", MARGIN),
            Line(f"coverage, {side}", "%", a.coverage, b.coverage, None, "shortfall", MARGIN),
            Line(f"words left out, {side}", "%", a.left_out, b.left_out),
        ]
    for side, errors in found.items():
        print(f"  {side:<4} {errors}", flush=True)
    return lines, {side: str(errors) for side, errors in found.items()}


def on_no_speech(args: argparse.Namespace, scratch: Path) -> tuple[list[Line], dict[str, dict[str, int]]]:
    """Words written where nobody speaks, next to those of D with its VAD: in made sounds, and in those of --data.

    What a manifest calls `empty_transcript` has none to hear and is judged with what is made; `transcribe_or_empty`
    is music, tones, and words here and there that nobody wrote down: shown.
    """
    made = sounds(recording("no_speech", args))
    groups = {
        "where nobody speaks": [*made, *_expected(args, "empty_transcript")],
        "in odd media, some with words": _expected(args, "transcribe_or_empty"),
    }
    lines, raw = [], {}
    for what, files in groups.items():
        if not files:
            continue
        named = numbered(files, anew(scratch / "in"))
        a, b = anew(scratch / "ours"), anew(scratch / "D")
        measure(ours(named, a), may_fail=True)
        measure(peer(D, named, b, "--vad"), may_fail=True)
        written = {"ours": _n_words(a), "D": _n_words(b)}
        limit = float(written["D"]) if not lines else None
        lines.append(
            Line(
                f"words {what}, {len(files)} files, D --vad",
                "words",
                written["ours"],
                written["D"],
                None,
                "ours",
                limit,
            )
        )
        raw[what] = written
        print(f"  words {what}: {written}", flush=True)
    return lines, raw


def _expected(args: argparse.Namespace, what: str) -> list[Path]:
    """The recordings of --data of which its manifest expects this."""
    if args.data is None or not (manifest := args.data / "manifest.jsonl").is_file():
        return []
    entries = map(json.loads, manifest.read_text(encoding="utf-8").splitlines())
    return [args.data / entry["audio"] for entry in entries if entry.get("expect") == what]


def _n_words(folder: Path) -> int:
    """Words of the SRT files that were written."""
    return sum(len(normal(spoken(srt)).split()) for srt in folder.glob("*.srt"))
