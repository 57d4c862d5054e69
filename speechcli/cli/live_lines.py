"""Live text where nobody looks at a terminal: words as they become final, or every event as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from speechcli.cli import show
from speechcli.core.live import Event, Final, Missed
from speechcli.core.span import Seconds, tidy, to_ms
from speechcli.core.transcript import Word
from speechcli.formats.clock import short
from speechcli.formats.growing import gap
from speechcli.timeline.text import breakable, clean, ends_sentence, width

COLUMNS = 84  # of a line: two lines of a caption

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class _Calm:
    """What lines and events have in common: nothing to prepare, nothing to take away, remarks on stderr."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def status(self, text: str) -> None:
        """How it goes at this moment: nothing for a log."""

    def note(self, text: str) -> None:
        """Something that happened: a line on stderr."""
        show.tell(show.safe(text))


class Lines(_Calm):
    """Finals as text, written word by word and never again.

    A line ends with a sentence or an utterance, or where the next word would make it too wide.
    """

    def __init__(self, columns: int = COLUMNS, clock: bool = False) -> None:
        """clock: whether a line begins with its time."""
        self._columns = columns
        self._clock = clock
        self._line = ""

    def event(self, event: Event, latency: Seconds | None = None) -> None:
        if isinstance(event, Missed):
            show.out([self._broken() + gap(event) + "\n"])
            self.note(f"{gap(event)[1:-1]}: {event.reason}")
        elif isinstance(event, Final):
            text = "".join(map(self._added, event.words))
            show.out([text + (self._broken() if event.ends else "")])

    def end(self, duration: Seconds) -> None:
        """duration: of all that was heard."""
        show.out([self._broken()])

    def _added(self, word: Word) -> str:
        """What a word adds to the output."""
        if not (text := clean(word.text)):
            return ""
        blank = " " if self._line and word.text[0].isspace() else ""
        parted = blank or (self._line and breakable(self._line[-1], text[0]))
        before = ""
        if parted and width(self._line + blank + text) > self._columns:
            before, blank = self._broken(), ""
        if self._clock and not self._line:
            before += f"{short(to_ms(word.start))} "
        self._line += blank + text
        after = self._broken() if ends_sentence(self._line) else ""
        return before + blank + text + after

    def _broken(self) -> str:
        """What ends the line, where there is one."""
        line, self._line = self._line, ""
        return "\n" if line else ""


class Events(_Calm):
    """Every event as one line of JSON."""

    def __init__(self) -> None:
        self._n_finals = 0
        self._ended = True  # whether the last final ended an utterance

    def event(self, event: Event, latency: Seconds | None = None) -> None:
        """latency: seconds from the end of what is told, as it was said, to now."""
        if isinstance(event, Missed):
            self._put("missed", None, event.start, event.end, "", latency, {"reason": event.reason})
            return
        final = isinstance(event, Final)
        more: dict[str, Any] = {}
        if not self._ended and not event.words[0].text[:1].isspace():
            more["joined"] = True  # no blank between it and the final before
        if isinstance(event, Final):
            self._n_finals = event.id + 1
            self._ended = event.ends
            if event.language is not None:
                more["language"] = event.language
            more["ends"] = event.ends
            more["words"] = [
                {"word": word.text.strip(), "start": tidy(word.start), "end": tidy(word.end)} for word in event.words
            ]
        self._put("final" if final else "partial", event.id, event.start, event.end, event.text, latency, more)

    def end(self, duration: Seconds) -> None:
        """The last line: how much was heard, and as its id, how many finals there were."""
        self._put("end", self._n_finals, 0.0, duration, "", 0.0, {})

    def _put(
        self,
        kind: str,
        number: int | None,
        start: Seconds,
        end: Seconds,
        text: str,
        latency: Seconds | None,
        more: Mapping[str, Any],
    ) -> None:
        row: dict[str, Any] = {"type": kind} if number is None else {"type": kind, "id": number}
        row |= {"start": tidy(start), "end": tidy(end), "text": text}
        row |= {"latency_ms": None if latency is None else to_ms(latency), **more}
        show.out([_encode(row) + "\n"])
