"""One page for one recording: player, waveform, a lane a speaker, the words; to be searched, corrected and saved again.

The page holds three data blocks. "document": the transcript as `jsondoc` writes it, but its words only once. "page":
what is shown beside it (see `_page`). "media-bytes": the recording in base64, where embedded. The scripts of `assets/`
make all the rest of it; there is no library in them, and nothing is fetched.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final

from speechcli.core.languages import NAMES
from speechcli.core.span import tidy, to_ms
from speechcli.core.transcript import Transcript
from speechcli.formats import jsondoc
from speechcli.formats.clock import short
from speechcli.formats.html.beside import NOTHING, Beside, Media
from speechcli.formats.html.captions import captions
from speechcli.formats.html.flagged import UNSURE, flags
from speechcli.formats.html.shell import asset, block, escaped, isolated, shell
from speechcli.timeline.cues import Style
from speechcli.timeline.text import clean

SCRIPTS: Final = tuple("writing edit captions save player timeline view search flags editing keys main".split())

_SLOT = re.compile(r"\{\{(\w+)\}\}")
_TURNED = re.compile("[\u202a-\u202e\u2066-\u2069]")  # makes "gpj.exe" look like "exe.jpg"
_LANGUAGE = re.compile("[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")  # BCP 47, as far as we need it
_PIECE = 3 * 2**16  # bytes of a recording at a time: a multiple of 3, which base64 needs


def page(transcript: Transcript, style: Style = Style(), beside: Beside = NOTHING) -> Iterator[str]:
    """The page, piece by piece; the same bytes for the same transcript. style: of the captions it can save."""
    name = _TURNED.sub("\ufffd", clean(transcript.source)) or "recording"
    data = {
        "document": jsondoc.document(transcript, words_again=False),
        "page": block(_page(transcript, style, beside)),
    }
    if beside.media.data:
        data["media-bytes"] = _embedded(beside.media.data)
    yield from shell(
        f"{name}: transcript",
        _body(transcript, beside, name),
        (asset("page.css"),),
        tuple(asset(f"{script}.js") for script in SCRIPTS),
        data,
    )


def _page(transcript: Transcript, style: Style, beside: Beside) -> dict[str, Any]:
    """What the scripts need beside the document.

    stem: of the files to save. cure: the command for a recording that does not play. peaks: values in base64, rate a
    second. cues: what `captions` makes. marks: [kind, segment, first, last, reference] or null. flags: by start.
    unsure: confidence below which a word is shaded.
    """
    stem = PurePath(clean(transcript.source).replace("\\", "/")).stem or "transcript"
    peaks = beside.peaks
    return {
        "stem": stem,
        "cure": f"speechcli convert {shlex.quote(stem + '.json')} -f html --embed-media",
        "peaks": {"rate": peaks.rate, "values": base64.b64encode(peaks.values).decode()} if peaks else None,
        "cues": captions(transcript, style),
        "marks": None
        if beside.marks is None
        else [[m.kind, m.segment, m.first, m.last, m.reference] for m in beside.marks],
        "flags": [
            {"start": tidy(f.start), "end": tidy(f.end), "kind": f.kind, "text": f.text, "why": f.why, "in": f.segment}
            for f in flags(transcript, beside.marks)
        ],
        "unsure": UNSURE,
        "mime": beside.media.mime,
        "problem": beside.media.problem,
    }


def _embedded(data: bytes) -> Iterator[str]:
    """Bytes as a JSON string of base64."""
    yield '"'
    for at in range(0, len(data), _PIECE):
        yield base64.b64encode(data[at : at + _PIECE]).decode()
    yield '"'


def _body(transcript: Transcript, beside: Beside, name: str) -> str:
    parts = {
        "home": f'<a id="home" class="button" href="{escaped(beside.home)}">All recordings</a>' if beside.home else "",
        "name": f'<bdi dir="ltr">{escaped(name)}</bdi>',  # so that its suffix stays its end
        "facts": " · ".join(_facts(transcript)),
        "notes": "".join(_notes(transcript, beside)),
        "media": _media(beside.media),
        "language": f' lang="{language}"' if _LANGUAGE.fullmatch(language := transcript.language or "") else "",
    }
    return _SLOT.sub(lambda slot: parts[slot[1]], asset("page.html"))


def _media(media: Media) -> str:
    """The element that plays; what the page holds itself is given to it by the script."""
    if not (media.link or media.data):
        return ""
    kind = "video" if media.video else "audio"
    src = "" if media.data else f' src="{escaped(media.link)}"'
    return f'<{kind} id="media" preload="metadata"{" playsinline" if media.video else ""}{src}></{kind}>'


def _facts(transcript: Transcript) -> Iterator[str]:
    yield escaped(short(to_ms(transcript.duration)))
    if transcript.language:
        yield escaped(NAMES.get(transcript.language, transcript.language))
    if n := len(transcript.speakers):
        yield f"{n} speaker{'s' * (n > 1)}"
    if n := len(transcript.words):
        yield f"{n} word{'s' * (n > 1)}"
    engines = dict.fromkeys(stage.model or stage.engine for stage in transcript.made_by)
    if models := [isolated(engine) for engine in engines if engine]:
        yield "made with " + ", ".join(models)


def _notes(transcript: Transcript, beside: Beside) -> Iterator[str]:
    """What is to be known before it is read: how far it can be trusted, and how far it was from a reference."""
    verdict = transcript.verdict
    if verdict.status != "ok":
        told = [clean(note) for note in verdict.notes]
        if verdict.coverage is not None:
            told.insert(0, f"{verdict.coverage:.0%} of the speech that was heard has text")
        if verdict.fit is not None:
            told.insert(0, f"{verdict.fit.placed:.0%} of the text was found in the recording")
        if not verdict.complete:
            told.append("the file is cut short")
        bad = " bad" if verdict.status == "failed" else ""
        lead = "Not to be trusted" if bad else "To be checked"
        items = "".join(f"<li>{isolated(line)}</li>" for line in told)
        yield f'<div class="note{bad}"><strong>{lead}</strong><ul>{items}</ul></div>'
    if not (beside.media.link or beside.media.data):
        yield '<p class="muted">There is no recording in this page: speechcli convert -f html --media gives it one.</p>'
    if beside.media.problem:
        yield f'<p class="muted">Not every browser plays this recording: {isolated(clean(beside.media.problem))}</p>'
    if beside.marks is not None:
        counts = {kind: sum(m.kind == kind for m in beside.marks) for kind in ("substituted", "inserted", "deleted")}
        words = {"substituted": "wrong", "inserted": "too many", "deleted": "missing"}
        kinds = ", ".join(f"{n} {words[kind]}" for kind, n in counts.items() if n)
        places = f"{len(beside.marks)} place{'s' * (len(beside.marks) > 1)} ({kinds})" if kinds else "no errors"
        scored = f"{isolated(clean(beside.scored))}; " if beside.scored else ""
        yield f'<p id="scored">Against the reference: {scored}{places}.</p>'
