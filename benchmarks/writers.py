"""B9: writing 100,000 captions, segments or words in every format, and reading them back where we read it.

    python benchmarks/writers.py --pairs 3

Captions are written from ready cues (laying them out has a line of its own), the words of CTM as segments of ten words.
The peers get the same cues and build their own objects of them, as a program that uses them has to.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from common import Line, arguments, begin, publish

from speechcli.core.span import to_ms
from speechcli.core.transcript import Segment, Transcript, Turn, Word
from speechcli.formats import table
from speechcli.timeline.cues import Cue, cues

N = 100_000
TEXT = "and so, my fellow Americans, number {}"
SOURCE = "long.mp3"


def main() -> int:
    """Runs the row."""
    args = begin(arguments(__doc__, pairs=3))
    segments, spoken = _segments(), _words()
    shown = tuple(cues(segments.segments))
    lines, raw = [], {}
    gc.freeze()  # what was made so far is not gone through again and again by everybody's collections
    with tempfile.TemporaryDirectory() as scratch:
        for name, form in table.FORMATS.items():
            module = import_module(f"speechcli.formats.{form.module}")
            transcript = spoken if form.needs == "words" else segments
            pieces = _writer(form, module, transcript, shown)
            path = Path(scratch, f"long{form.suffix}")
            peers = {
                peer: _later(write, path.with_name(f"{peer}{form.suffix}"), shown)
                for peer, write in WRITE.get(name, {}).items()
            }
            raw[f"write {name}"] = times = _timed({"ours": _later(_written, path, pieces), **peers}, args.pairs)
            lines.append(_line(f"write {name}", times))
            if form.reads:
                peers = {peer: _later(read, path) for peer, read in READ.get(name, {}).items()}
                raw[f"read {name}"] = times = _timed({"ours": _later(table.read, path), **peers}, args.pairs)
                lines.append(_line(f"read {name}", times))
        layout = _timed({"ours": lambda: list(cues(segments.segments))}, args.pairs)
        lines.append(Line("lay out 100,000 cues", "s", layout["ours"]))
    about = f"{N:,} cues, segments or words to a file and back; CPU-seconds, best of {args.pairs}."
    return publish(args, "B9: writers and readers", about, lines, raw)


def _line(what: str, times: dict[str, float]) -> Line:
    """Ours against the fastest peer."""
    peers = {name: taken for name, taken in times.items() if name != "ours"}
    best = min(peers, key=lambda name: peers[name]) if peers else None
    shown = f"{what} (peer: {best})" if best else what
    writes = what.startswith("write")
    gain = times["ours"] / peers[best] if best else None
    limits = (0.3, 0.2) if writes else (None, None)
    return Line(shown, "s", times["ours"], peers[best] if best else None, gain, "ours", *limits)


def _writer(
    form: table.Format, module: Any, transcript: Transcript, shown: tuple[Cue, ...]
) -> Callable[[], Iterable[str]]:
    if form.kind == "captions":
        return lambda: module.captions(shown)
    return lambda: table.pieces(form.name, transcript)


def _written(path: Path, pieces: Callable[[], Iterable[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        out.writelines(pieces())


def _later(work: Callable[..., object], *given: object) -> Callable[[], object]:
    return lambda: work(*given)


def _timed(sides: dict[str, Callable[[], object]], times: int) -> dict[str, float]:
    """CPU-seconds of each, the best of so many turns."""
    best = dict.fromkeys(sides, float("inf"))
    for _ in range(times):
        for name, work in sides.items():
            gc.collect()
            began = time.process_time()
            work()
            best[name] = min(best[name], time.process_time() - began)
    return best


def _segments() -> Transcript:
    row = tuple(
        Segment(3.0 * i, 3.0 * i + 2.5, TEXT.format(i), speaker=f"SPEAKER_{i // 10 % 2:02d}", language="en")
        for i in range(N)
    )
    turns = tuple(Turn(s.start, s.end, s.speaker or "") for s in row)
    return Transcript(SOURCE, 3.0 * N, row, turns, "en")


def _words() -> Transcript:
    each = tuple(Word(0.3 * i, 0.3 * i + 0.25, f" word{i}", 0.9) for i in range(N))
    tens = [each[i : i + 10] for i in range(0, N, 10)]
    row = tuple(Segment(ten[0].start, ten[-1].end, "".join(w.text for w in ten).strip(), ten) for ten in tens)
    return Transcript(SOURCE, 0.3 * N, row, (), "en")


# --- peers ---


def _write_pysrt(path: Path, shown: Iterable[Cue]) -> None:
    import pysrt

    time_of = pysrt.SubRipTime.from_ordinal
    items = [
        pysrt.SubRipItem(i, time_of(to_ms(c.start)), time_of(to_ms(c.end)), "\n".join(c.lines))
        for i, c in enumerate(shown, 1)
    ]
    pysrt.SubRipFile(items).save(str(path), encoding="utf-8")


def _write_pysubs2(path: Path, shown: Iterable[Cue]) -> None:
    import pysubs2

    file = pysubs2.SSAFile()
    file.events = [pysubs2.SSAEvent(to_ms(c.start), to_ms(c.end), "\\N".join(c.lines)) for c in shown]
    file.save(str(path))


def _write_webvtt(path: Path, shown: Iterable[Cue]) -> None:
    import webvtt

    file = webvtt.WebVTT()
    file.captions.extend(webvtt.Caption(_clock(c.start), _clock(c.end), list(c.lines)) for c in shown)
    file.save(str(path))


def _clock(seconds: float) -> str:
    ms = to_ms(seconds)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def _read_pysrt(path: Path) -> object:
    import pysrt

    return pysrt.open(str(path))


def _read_pysubs2(path: Path) -> object:
    import pysubs2

    return pysubs2.load(str(path))


def _read_webvtt(path: Path) -> object:
    import webvtt

    return webvtt.read(str(path))


WRITE: dict[str, dict[str, Callable[..., object]]] = {
    "srt": {"pysrt": _write_pysrt, "pysubs2": _write_pysubs2},
    "vtt": {"webvtt-py": _write_webvtt, "pysubs2": _write_pysubs2},
    "ass": {"pysubs2": _write_pysubs2},
}
READ: dict[str, dict[str, Callable[..., object]]] = {
    "srt": {"pysrt": _read_pysrt, "pysubs2": _read_pysubs2},
    "vtt": {"webvtt-py": _read_webvtt, "pysubs2": _read_pysubs2},
}


if __name__ == "__main__":
    sys.exit(main())
