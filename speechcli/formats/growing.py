"""A file that grows while people speak, and is a whole file of its format at every moment.

What can still change is its end: the sentence that is being said, and in JSON all that follows the segments. That end
is put in place by one write at its offset, longer than the one before or filled up with blank lines to its length, so
that a process killed between two system calls leaves a file that can be read, up to the last final. Captions are
broken by `timeline.cues`: the finished file is what `convert` makes of the same segments.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from speechcli.core.live import Final, Missed
from speechcli.core.span import Seconds, Span, merged
from speechcli.core.transcript import Segment, Stage, Transcript, Verdict, Word, joined
from speechcli.errors import UsageError, from_os
from speechcli.formats import jsondoc, srt, txt, vtt
from speechcli.formats.table import named
from speechcli.media.places import check_free, put
from speechcli.timeline.cues import LONGEST, Cue, Style, cues, units
from speechcli.timeline.text import ends_sentence
from speechcli.timeline.verdict import language_of

_NEW = ".speechcli-new-"  # of the name a file has until its first bytes are in it


class Growing:
    """A transcript on disk that finals are added to. To be used by one thread."""

    def __init__(
        self,
        path: Path,
        name: str,
        style: Style = Style(),
        source: str = "",
        made_by: Sequence[Stage] = (),
        overwrite: bool = False,
    ) -> None:
        """Makes the file, valid and without speech. name: of its format. source: what is heard, for JSON.

        Raises UsageError for a format that cannot grow or is not known, OutputError where something stands already
        (unless overwrite) or nothing can be made, DeniedError, DiskError.
        """
        self.path = path
        self._way = _WAYS[checked(name)](style)
        self._so_far = Transcript(source, 0.0, verdict=Verdict(complete=False), made_by=tuple(made_by))
        self._segments: list[Segment] = []  # that are complete
        self._news: list[Segment] = []  # of these and of gaps, what the file has only as its end, if at all
        self._words: list[Word] = []  # of the one that goes on
        self._language: str | None = None
        self._missed: list[Missed] = []
        self._at: Seconds = 0.0  # up to where is told
        fixed, rest = self._way.parts([], None, self._so_far, None)
        self._file = _Tailed(path, fixed.encode(), rest.encode(), overwrite)

    def add(self, final: Final) -> None:
        """Takes words in; when this returns, the file has them. Finals and gaps come in the order of time.

        Raises DiskError and its like; the file is then as it was, and the next call tries these words again.
        """
        if self._words and final.language != self._language:
            self._cut()
        self._language = final.language
        for word in final.words:
            if self._words and word.end - self._words[0].start > LONGEST:
                self._cut()
            self._words.append(word)
            self._at = max(self._at, word.end)
            if ends_sentence(joined(tuple(self._words))):
                self._cut()
        if final.ends:
            self._cut()
        self._write()

    def missed(self, missed: Missed) -> None:
        """Marks sound that nobody transcribed: a caption or line of its own, a gap and a note in JSON."""
        self._cut()
        self._missed.append(missed)
        start = max(missed.start, self._at)
        self._at = max(start, missed.end)
        self._news.append(Segment(start, self._at, gap(missed)))
        self._write()

    def close(self, duration: Seconds, complete: bool = True) -> Transcript:
        """Finishes the file: nothing goes on, and nothing follows. duration: of all that was heard.

        complete: False where that was cut short. A second call does nothing. Raises as `add`; the file then lacks what
        is written at the end alone.
        """
        self._cut()
        self._so_far = replace(self._so_far, verdict=replace(self._so_far.verdict, complete=complete))
        transcript = self._transcript(None, max(duration, self._at))
        if not self._file.closed:
            try:
                self._write(transcript)
            finally:
                self._file.close()
        return transcript

    def _cut(self) -> None:
        """What goes on ends here."""
        if (segment := self._going()) is not None:
            self._segments.append(segment)
            self._news.append(segment)
        self._words = []

    def _going(self) -> Segment | None:
        words = tuple(self._words)
        if not (text := joined(words)):
            return None
        return Segment(words[0].start, max(w.end for w in words), text, words, language=self._language)

    def _write(self, whole: Transcript | None = None) -> None:
        """whole: the finished transcript, at the end."""
        going = self._going()
        so_far = whole or self._transcript(going, self._at)
        fixed, rest = self._way.parts(self._news, going, so_far, whole.duration if whole else None)
        self._news = []
        self._file.put(fixed.encode("utf-8", "replace"), rest.encode("utf-8", "replace"))

    def _transcript(self, going: Segment | None, duration: Seconds) -> Transcript:
        segments = (*self._segments, going) if going else tuple(self._segments)
        why: dict[str, Seconds] = {}
        for missed in self._missed:
            why[missed.reason] = why.get(missed.reason, 0.0) + missed.duration
        verdict = replace(
            self._so_far.verdict,
            gaps=tuple(merged(Span(m.start, m.end) for m in self._missed)),
            notes=tuple(f"{_seconds(n)} not transcribed: {reason}" for reason, n in why.items()),
        )
        return replace(
            self._so_far, duration=duration, segments=segments, language=language_of(segments), verdict=verdict
        )


def gap(missed: Missed) -> str:
    """What stands where nothing was transcribed.

    >>> gap(Missed(1.0, 4.0, "the model is too slow"))
    '[3 s not transcribed]'
    """
    return f"[{_seconds(missed.duration)} not transcribed]"


def _seconds(duration: Seconds) -> str:
    """Tenths below ten seconds, where they say something."""
    return f"{round(max(duration, 0.1), 1):g} s" if duration < 10 else f"{duration:.0f} s"


class _Way(Protocol):
    """How a format grows."""

    def parts(
        self, news: Sequence[Segment], going: Segment | None, so_far: Transcript, duration: Seconds | None
    ) -> tuple[str, str]:
        """What is added for good after what was so before, and what stands behind it for now.

        news: segments that are complete since the last call, gaps among them (which have no words); going: the one
        that goes on. so_far: all that is known. duration: at the end alone.
        """
        ...


class _Captions:
    """Captions: for good but for the last unit of breaking; when one ends depends on when the next one begins."""

    def __init__(self, style: Style, begin: str, written: Callable[[Iterable[Cue], int], Iterator[str]]) -> None:
        """written: the captions of cues, with the number of the first."""
        self._style = style
        self._begin = begin
        self._written = written
        self._open: list[Segment] = []
        self._n_captions = 0

    def parts(
        self, news: Sequence[Segment], going: Segment | None, so_far: Transcript, duration: Seconds | None
    ) -> tuple[str, str]:
        self._open += news
        row = [*self._open, going] if going else self._open
        shown = list(cues(row, self._style, None if duration is None else lambda: duration))
        n_segments = self._n_fixed(row)
        n_cues = sum(1 for _ in cues(row[:n_segments], self._style))
        fixed = list(self._written(shown[:n_cues], self._n_captions + 1))
        self._n_captions += len(fixed)
        rest = self._written(shown[n_cues:], self._n_captions + 1)
        self._open = self._open[n_segments:]
        begin, self._begin = self._begin, ""
        return begin + "".join(fixed), "".join(rest)

    def _n_fixed(self, row: Sequence[Segment]) -> int:
        """How many segments have captions that nothing to come can change."""
        n = sum(map(len, list(units(row))[:-1]))
        starts = [word.start for segment in row[:n] for word in segment.words or (segment,)]
        return n if n and max(starts) < row[n].start else 0


class _Lines:
    """A line a segment."""

    def parts(
        self, news: Sequence[Segment], going: Segment | None, so_far: Transcript, duration: Seconds | None
    ) -> tuple[str, str]:
        return "".join(txt.lines(news)), "".join(txt.lines([going] if going else []))


class _Document:
    """Our JSON: its segments first, and behind them what changes with each.

    The list of all words, which would make it twice as long every time, is empty until the end.
    """

    def __init__(self) -> None:
        self._begin = jsondoc.opening()
        self._n_segments = 0

    def parts(
        self, news: Sequence[Segment], going: Segment | None, so_far: Transcript, duration: Seconds | None
    ) -> tuple[str, str]:
        fixed, self._begin = self._begin, ""
        for segment in news:
            if segment.words:
                fixed += jsondoc.row(self._n_segments, segment)
                self._n_segments += 1
        rest = jsondoc.row(self._n_segments, going) if going else ""
        return fixed, rest + "".join(jsondoc.closing(so_far, words=duration is not None))


def _srt(style: Style) -> _Way:
    return _Captions(style, "", lambda shown, first: srt.captions(shown, style, first))


def _vtt(style: Style) -> _Way:
    style = replace(style, labels=False)  # as `table.stream` has it
    header, *_ = vtt.captions([], style)

    def written(shown: Iterable[Cue], first: int) -> Iterator[str]:
        pieces = vtt.captions(shown, style)
        next(pieces)
        return pieces

    return _Captions(style, header, written)


_WAYS: Mapping[str, Callable[[Style], _Way]] = {
    "srt": _srt,
    "vtt": _vtt,
    "json": lambda style: _Document(),
    "txt": lambda style: _Lines(),
}


NAMES = tuple(_WAYS)


def checked(name: str) -> str:
    """The one name of a format that can grow. Raises UsageError."""
    form = named(name)
    if form.name not in _WAYS:
        raise UsageError(
            f"{form.name} cannot grow while people speak",
            f"{', '.join(NAMES)} can; speechcli convert makes the others of the json",
        )
    return form.name


class _Tailed:
    """A file with an end that is replaced as it grows."""

    def __init__(self, path: Path, fixed: bytes, tail: bytes, overwrite: bool) -> None:
        self._name = path.name
        self._handle = _made(path, fixed + tail, overwrite)
        self._offset = len(fixed)
        self._tail = tail
        self._owed = b""  # what is fixed and could not be written

    @property
    def closed(self) -> bool:
        return self._handle < 0

    def put(self, fixed: bytes, tail: bytes) -> None:
        """Adds for good, and puts another end behind it. Raises with the file as it was."""
        self._owed += fixed
        data = self._owed + tail
        n_stale = len(self._tail) - len(data)
        try:
            self._replace(data + b"\n" * n_stale)
            if n_stale > 0:
                os.ftruncate(self._handle, self._offset + len(data))
            self._offset += len(self._owed)
            self._tail, self._owed = tail, b""
            if fixed:  # what was said last is only in the system's hands: a power cut may take it, no kill can
                os.fsync(self._handle)
        except OSError as error:
            raise from_os(error, f"writing {self._name}") from error

    def close(self) -> None:
        handle, self._handle = self._handle, -1
        with contextlib.suppress(OSError):
            os.fsync(handle)
        os.close(handle)

    def _replace(self, data: bytes) -> None:
        try:
            put(self._handle, data, self._offset)
        except OSError:
            with contextlib.suppress(OSError):
                os.pwrite(self._handle, self._tail, self._offset)
                os.ftruncate(self._handle, self._offset + len(self._tail))
            raise


def _made(path: Path, data: bytes, overwrite: bool) -> int:
    """A new file that has these bytes from its first moment on, open for writing."""
    check_free(path, overwrite)
    target = Path(os.path.realpath(path))
    part = target.with_name(f"{_NEW}{os.getpid()}")
    handle = -1
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
        if os.write(handle, data) < len(data):
            raise OSError(28, "No space left on device")
        os.fsync(handle)
        os.replace(part, target)
    except OSError as error:
        if handle >= 0:
            os.close(handle)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise from_os(error, f"writing {path.name}") from error
    return handle
