"""Our JSON: everything a transcript holds, in a strict superset of whisperX's.

Times are seconds with three decimals and never absent; what is not known has no key, or is null where a script would
miss the key. `transcript.schema.json` beside this file describes it. Other tools' JSON is read by `foreign`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from itertools import repeat
from typing import Any, Final

from speechcli.core.span import Seconds, Span, tidy
from speechcli.core.transcript import (
    Dropped,
    Fit,
    Mismatch,
    Placed,
    Raw,
    Segment,
    Stage,
    Transcript,
    Turn,
    Verdict,
    Word,
)
from speechcli.errors import DataError
from speechcli.formats import foreign
from speechcli.formats.words import Row, name, number, restored, with_words
from speechcli.timeline.attribution import overlapped
from speechcli.timeline.turns import overlaps

SCHEMA: Final = "speechcli/1"
_BYTES = "_bytes"  # after a key: its value in base64, because it was no UTF-8
_HALF = re.compile("[\ud800-\udfff]")
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # not what os.fsdecode makes of a byte
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_quoted: Callable[[str], str] = json.encoder.encode_basestring


def document(transcript: Transcript, words_again: bool = True) -> Iterator[str]:
    """One segment, word or turn a line. words_again: whether `word_segments` holds the words of the segments, too."""
    yield f'{{\n"schema": {_encode(SCHEMA)},\n"text": {_encode(_valid(transcript.text))},\n'
    yield f'"language": {_encode(transcript.language)},\n"duration": {_encode(tidy(transcript.duration))},\n'
    segments, words = [], []
    crowded = _overlapped(transcript)
    for i, segment in enumerate(transcript.segments):
        spoken = _words(segment, crowded)
        segments.append(_segment(i, segment, spoken, not segment.words and next(crowded)))
        words += spoken if words_again else []
    yield from _list("segments", segments)
    yield from _list("word_segments", words)
    yield from _rest(transcript)


def opening() -> str:
    """How a document begins that grows: its segments come first."""
    return f'{{\n"schema": {_encode(SCHEMA)},\n"segments": ['


def row(place: int, segment: Segment) -> str:
    """A segment of a document that grows, where nobody else talks at the same time."""
    return ("," if place else "") + "\n" + _segment(place, segment, _words(segment, repeat(False)), False)


def closing(transcript: Transcript, words: bool) -> Iterator[str]:
    """All that follows the segments of a document that grows. words: whether the words are written once more."""
    yield f'\n],\n"text": {_encode(_valid(transcript.text))},\n'
    yield f'"language": {_encode(transcript.language)},\n"duration": {_encode(tidy(transcript.duration))},\n'
    spoken = (word for segment in transcript.segments if words for word in _words(segment, repeat(False)))
    yield from _list("word_segments", list(spoken))
    yield from _rest(transcript)


def _rest(transcript: Transcript) -> Iterator[str]:
    yield from _list("turns", [_turn(turn) for turn in transcript.turns])
    if transcript.raw:
        yield from _list("raw", [_raw(raw) for raw in transcript.raw])
    yield f'"quality": {_encode(_quality(transcript.verdict))},\n'
    yield f'"provenance": {_encode(_provenance(transcript))}\n}}\n'


def read(text: str, source: str) -> Transcript:
    """The transcript of any JSON we know. Raises DataError with the line, or the place, that is wrong."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{source}, line {error.lineno}: no JSON ({error.msg})", "was it cut short?") from error
    except (RecursionError, ValueError) as error:  # nested too deep, a number of thousands of digits
        raise DataError(f"{source} is no transcript: {error}") from error
    schema = data.get("schema") if isinstance(data, dict) else None
    try:
        if schema == SCHEMA:
            return _transcript(data)
        if isinstance(schema, str) and schema.startswith("speechcli/"):
            raise DataError(f"{source} is of a newer speechcli ({schema}, this one reads {SCHEMA})", "update speechcli")
        return foreign.transcript(data, source)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{source} is not the transcript it seems to be: {what[:200]}") from error


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `document` writes."""
    loaded: dict[str, Any] = json.loads(
        resources.files("speechcli.formats").joinpath("transcript.schema.json").read_text("utf-8")
    )
    return loaded


def _list(key: str, rows: list[str]) -> Iterator[str]:
    if not rows:
        yield f'"{key}": [],\n'
        return
    yield f'"{key}": [\n'
    for row in rows[:-1]:
        yield f"{row},\n"
    yield f"{rows[-1]}\n],\n"


# Segments and words are put together by hand: there are a hundred thousand of them, and each word is written twice.


def _overlapped(transcript: Transcript) -> Iterator[bool]:
    """For each word, and each segment without words, whether somebody else talks at the same time."""
    spans: list[Span] = []
    for segment in transcript.segments:
        spans += segment.words or (segment,)
    return iter(overlapped(spans, overlaps(transcript.turns)))


def _segment(place: int, segment: Segment, words: list[str], crowded: bool) -> str:
    row = f'{{"id": {place}, "start": {tidy(segment.start)}, "end": {tidy(segment.end)}, '
    row += f'"text": {_quoted(_valid(segment.text))}'
    if segment.speaker is not None:
        row += f', "speaker": {_quoted(_valid(segment.speaker))}'
    if segment.language is not None:
        row += f', "language": {_quoted(segment.language)}'
    if segment.avg_logprob is not None:
        row += f', "avg_logprob": {_encode(segment.avg_logprob)}'
    if crowded:
        row += ', "overlapped": true'
    if words:
        row += f', "words": [{", ".join(words)}]'
    return row + "}"


def _turn(turn: Turn) -> str:
    return f'{{"start": {tidy(turn.start)}, "end": {tidy(turn.end)}, "speaker": {_quoted(_valid(turn.speaker))}}}'


def _raw(raw: Raw) -> str:
    return f'{{"start": {tidy(raw.start)}, "end": {tidy(raw.end)}, "text": {_quoted(_valid(raw.text))}}}'


def _words(segment: Segment, crowded: Iterator[bool]) -> list[str]:
    if not segment.words:
        return []
    texts = [_valid(word.text) for word in segment.words]
    guessed: Sequence[str | None] = restored(_valid(segment.text), [t.strip() for t in texts]) or [None] * len(texts)
    return [
        _word(word, text, text != guess, next(crowded))
        for word, text, guess in zip(segment.words, texts, guessed, strict=True)
    ]


def _word(word: Word, text: str, odd: bool, crowded: bool) -> str:
    """odd: its blanks cannot be told from the text of the segment, and are written out."""
    row = f'{{"word": {_quoted(text.strip())}, "start": {tidy(word.start)}, "end": {tidy(word.end)}'
    if word.confidence is not None:
        row += f', "score": {_encode(word.confidence)}'
    if word.speaker is not None:
        row += f', "speaker": {_quoted(_valid(word.speaker))}'
    if crowded:
        row += ', "overlapped": true'
    if word.placed == "interpolated":
        row += ', "interpolated": true'
    elif word.placed != "model":
        row += f', "placed": {_quoted(word.placed)}'
    if odd:
        row += f', "text": {_quoted(text)}'
    return row + "}"


def _quality(verdict: Verdict) -> dict[str, Any]:
    return {
        "status": verdict.status,
        "coverage": verdict.coverage,
        "speech_seconds": verdict.speech,
        "gaps": [_span(gap) for gap in verdict.gaps],
        "loops": verdict.loops,
        "guessed_words": verdict.guessed,
        "complete": verdict.complete,
        "notes": [_valid(note) for note in verdict.notes],
        "dropped": [{**_span(d), "text": _valid(d.text), "reason": _valid(d.reason)} for d in verdict.dropped],
        **({"fit": _fit(verdict.fit)} if verdict.fit is not None else {}),
    }


def _fit(fit: Fit) -> dict[str, Any]:
    mismatches = [{**_span(m), "text": _valid(m.text), "kind": m.kind} for m in fit.mismatches]
    return {"placed": fit.placed, "confidence": fit.confidence, "mismatches": mismatches}


def _provenance(transcript: Transcript) -> dict[str, Any]:
    return {
        **_named("source", transcript.source),
        "recording": {k: v for key, value in transcript.recording for k, v in _named(key, value).items()},
        "made_by": [
            {
                "stage": stage.stage,
                "engine": stage.engine,
                "model": _valid(stage.model),
                "revision": stage.revision,
                "settings": {key: _valid(value) for key, value in stage.settings},
            }
            for stage in transcript.made_by
        ],
    }


def _span(span: Span) -> dict[str, Any]:
    return {"start": tidy(span.start), "end": tidy(span.end)}


def _valid(text: str) -> str:
    """Text that is UTF-8: half a surrogate pair becomes U+FFFD."""
    return text if text.isascii() else _HALF.sub("\ufffd", text)


def _named(key: str, value: str) -> dict[str, str]:
    """A name of the file system: what is no UTF-8 in it is kept beside it as bytes (os.fsencode)."""
    if value == (valid := _valid(value)):
        return {key: value}
    raw = value.encode("utf-8", "surrogateescape") if not _NO_BYTE.search(value) else valid.encode()
    return {key: valid, key + _BYTES: base64.b64encode(raw).decode("ascii")}


def _transcript(data: Mapping[str, Any]) -> Transcript:
    quality, provenance = data["quality"], data["provenance"]
    return Transcript(
        source=_names({k: v for k, v in provenance.items() if k.startswith("source")})["source"],
        duration=float(data["duration"]),
        segments=tuple(map(_segment_of, data["segments"])),
        turns=tuple(Turn(*_times(r), str(r["speaker"])) for r in data["turns"]),
        language=name(data["language"]),
        verdict=Verdict(
            coverage=number(quality["coverage"]),
            speech=number(quality["speech_seconds"]),
            gaps=tuple(Span(*_times(r)) for r in quality["gaps"]),
            loops=int(quality["loops"]),
            guessed=int(quality["guessed_words"]),
            complete=bool(quality["complete"]),
            notes=tuple(map(str, quality["notes"])),
            dropped=tuple(Dropped(*_times(r), str(r["text"]), str(r["reason"])) for r in quality["dropped"]),
            fit=_fit_of(quality["fit"]) if quality.get("fit") is not None else None,
        ),
        made_by=tuple(
            Stage(r["stage"], r["engine"], r["model"], r["revision"], tuple(r["settings"].items()))
            for r in provenance["made_by"]
        ),
        recording=tuple(_names(provenance["recording"]).items()),
        raw=tuple(Raw(*_times(r), str(r["text"])) for r in data.get("raw", ())),
    )


def _fit_of(row: Mapping[str, Any]) -> Fit:
    mismatches = tuple(
        Mismatch(*_times(r), str(r["text"]), "unspoken" if r["kind"] == "unspoken" else "unwritten")
        for r in row["mismatches"]
    )
    return Fit(float(row["placed"]), number(row["confidence"]), mismatches)


def _segment_of(row: Mapping[str, Any]) -> Segment:
    segment = Segment(
        *_times(row),
        str(row["text"]),
        speaker=name(row.get("speaker")),
        language=name(row.get("language")),
        avg_logprob=number(row.get("avg_logprob")),
    )
    return with_words(segment, [_row(word) for word in row["words"]]) if row.get("words") else segment


def _row(word: Mapping[str, Any]) -> Row:
    start, end = _times(word)
    placed: Placed = "aligner" if word.get("placed") == "aligner" else "model"
    return Row(
        bare=str(word["word"]),
        start=start,
        end=end,
        confidence=number(word.get("score")),
        speaker=name(word.get("speaker")),
        placed="interpolated" if word.get("interpolated") else placed,
        text=name(word.get("text")),
    )


def _times(row: Mapping[str, Any]) -> tuple[Seconds, Seconds]:
    return float(row["start"]), float(row["end"])


def _names(row: Mapping[str, str]) -> dict[str, str]:
    """Names as they were, those that are no UTF-8 from their bytes."""
    return {
        key: base64.b64decode(row[key + _BYTES]).decode("utf-8", "surrogateescape") if key + _BYTES in row else value
        for key, value in row.items()
        if not (key.endswith(_BYTES) and key.removesuffix(_BYTES) in row)
    }
