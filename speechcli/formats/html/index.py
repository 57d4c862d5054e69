"""The page above the pages of a folder: its recordings in a table, and a search over what is said in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from speechcli.core.languages import NAMES
from speechcli.core.span import tidy, to_ms
from speechcli.core.transcript import Transcript
from speechcli.formats.clock import short
from speechcli.formats.html.shell import asset, block, escaped, isolated, shell
from speechcli.timeline.text import clean

BLOCK: Final = "recordings"
"""The data block that the search reads, and by which a list is known for one."""
_SPEAKERS = 6  # that are named
_TRUST = {"ok": "ok", "warning": "to be checked", "failed": "not to be trusted"}
_TONE = {"ok": "good", "warning": "warn", "failed": "bad"}


@dataclass(frozen=True, slots=True)
class Row:
    """A recording. address: of its page, relative and percent-encoded. place: folder of its page, "" for the list's."""

    address: str
    place: str
    transcript: Transcript

    @property
    def name(self) -> str:
        name = clean(self.transcript.source) or "recording"
        return f"{clean(self.place)}/{name}" if self.place else name


def index(folder: str, rows: Sequence[Row]) -> Iterator[str]:
    """The page, piece by piece; the same bytes for the same rows. folder: its name, for the title."""
    title = clean(folder) or "Recordings"
    yield from shell(
        f"{title}: recordings",
        _body(title, rows),
        (asset("index.css"),),
        (asset("index.js"),),
        {BLOCK: _data(rows)},
    )


def _data(rows: Sequence[Row]) -> Iterator[str]:
    """What is searched: [address, name, [[start, speaker or null, text], ...]] of each recording, in order."""
    yield "["
    for number, row in enumerate(rows):
        said = [[tidy(s.start), s.speaker, s.text] for s in row.transcript.segments if s.text.strip()]
        value: list[Any] = [row.address, row.name, said]
        yield "," if number else ""
        yield from block(value)
    yield "]"


def _body(title: str, rows: Sequence[Row]) -> Iterator[str]:
    length = sum(row.transcript.duration for row in rows)
    count = f"{len(rows)} recording{'s' * (len(rows) != 1)}, {short(to_ms(length))}"
    yield (
        '<a class="skip" href="#list">Skip to the recordings</a>\n'
        f'<header>\n<div id="title"><h1>{isolated(title)}</h1>\n'
        '<button id="theme" type="button">Light / dark</button></div>\n'
        f'<p class="muted">{count}</p>\n'
        '<form id="finder" role="search"><label for="query">Search all transcripts</label>\n'
        '<input id="query" type="search" dir="auto" autocomplete="off" spellcheck="false" placeholder="( / )">\n'
        '<p id="count" class="muted" role="status"></p></form>\n</header>\n'
        '<main>\n<section id="found" aria-label="Found" hidden></section>\n'
        '<div id="list" class="scroll" tabindex="-1">\n<table>\n<thead><tr><th scope="col">Recording</th>'
        '<th scope="col" class="number">Length</th><th scope="col">Speakers</th><th scope="col">Language</th>'
        '<th scope="col">Transcript</th></tr></thead>\n<tbody>\n'
    )
    for row in rows:
        yield _row(row)
    yield "</tbody>\n</table>\n</div>\n</main>\n"


def _row(row: Row) -> str:
    transcript = row.transcript
    status = transcript.verdict.status
    names = [isolated(clean(name)) for name in transcript.speakers]
    who = ", ".join(names[:_SPEAKERS]) + (f" and {len(names) - _SPEAKERS} more" if len(names) > _SPEAKERS else "")
    language = NAMES.get(transcript.language or "", transcript.language or "")
    trust = f'<span class="{_TONE[status]}">{_TRUST[status]}</span>'
    return (
        f'<tr><th scope="row"><a href="{escaped(row.address)}">{isolated(row.name)}</a></th>'
        f'<td class="number">{escaped(short(to_ms(transcript.duration)))}</td><td>{who}</td>'
        f"<td>{escaped(language.capitalize())}</td><td>{trust}</td></tr>\n"
    )
