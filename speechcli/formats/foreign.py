"""The JSON of other tools to a transcript.

Known are openai/whisper, whisperX, faster-whisper's tools, stable-ts, whisper-timestamped, OpenAI's `verbose_json` and
`diarized_json` (all: a list of `segments`), whisper.cpp (`transcription`), insanely-fast-whisper and transformers
(`chunks`), pyannote (`diarization`), SegLST, the lists of VibeVoice, and plain lists of words with their times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from speechcli.core.languages import code_of
from speechcli.core.span import Seconds, tidy
from speechcli.core.transcript import Segment, Transcript, Turn, Word
from speechcli.core.turns import speaker_name
from speechcli.errors import DataError
from speechcli.formats.rows import following, one_recording, segments_of, transcript_of
from speechcli.formats.words import Row, name, number, with_words


def transcript(data: Any, source: str) -> Transcript:
    """Raises DataError for what nobody writes; KeyError, TypeError and the like for what is broken inside."""
    match data:
        case {"segments": [*segments]}:
            spoken = [_segment(row) for row in segments]
            language = code_of(data.get("language"))
            return transcript_of(source, _said(spoken), duration=_seconds(data.get("duration")), language=language)
        case {"transcription": [*rows]}:
            language = code_of((data.get("result") or {}).get("language"))
            return transcript_of(source, _said(map(_whisper_cpp, rows)), language=language)
        case {"chunks": [*rows]}:
            return transcript_of(source, _said(_chunks(rows)))
        case {"diarization": [*rows]}:
            return transcript_of(source, (), [Turn(*_span(row), str(row["speaker"])) for row in rows])
        case [{"start_time": _, "words": _}, *_]:
            one_recording((str(row.get("session_id", "")) for row in data), source)
            return transcript_of(source, _said(map(_seglst, data)))
        case [({"Content": _} | {"content": _}), *_]:
            return transcript_of(source, _said(map(_vibevoice, data)))
        case [{"word": str(), "start": _, "end": _}, *_]:
            return transcript_of(source, _of_words(data))
        case []:
            return transcript_of(source, ())
    raise DataError(
        f"{source} is JSON of a kind we do not know", "ours, Whisper's and whisperX's among others are read"
    )


def _said(segments: Iterable[Segment]) -> list[Segment]:
    return [segment for segment in segments if segment.text]


def _segment(row: Mapping[str, Any]) -> Segment:
    start, end = _span(row)
    speaker = name(row.get("speaker"))
    segment = Segment(
        start,
        end,
        str(row.get("text") or "").strip(),
        speaker=speaker or None,
        language=code_of(row.get("language")),
        avg_logprob=number(row.get("avg_logprob")),
    )
    rows = [_word(word) for word in row.get("words") or ()]
    rows = [word for word in rows if word.bare]
    if not segment.text and rows:  # tools that give words alone
        segment = Segment(start, end, " ".join(word.bare for word in rows), speaker=segment.speaker)
    return with_words(segment, rows) if rows else segment


def _word(row: Mapping[str, Any]) -> Row:
    """Whisper: word, probability; whisperX: word, score; whisper-timestamped: text, confidence."""
    score = next((row[key] for key in ("score", "probability", "confidence") if row.get(key) is not None), None)
    sure = number(score)
    return Row(
        bare=str(row["word"] if "word" in row else row["text"]).strip(),
        start=_time(row.get("start")),
        end=_time(row.get("end")),
        confidence=sure if sure is not None and 0 <= sure <= 1 else None,
        speaker=name(row.get("speaker")),
    )


def _whisper_cpp(row: Mapping[str, Any]) -> Segment:
    offsets = row["offsets"]
    start = max(int(offsets["from"]), 0)
    text = str(row["text"]).strip()
    return Segment(start / 1000, max(int(offsets["to"]), start) / 1000, text, speaker=name(row.get("speaker")) or None)


def _chunks(rows: Sequence[Mapping[str, Any]]) -> Iterable[Segment]:
    """A chunk whose end is not known lasts to the next one."""
    for row, after in pairwise((*rows, None)):
        if row is None:
            continue
        start, end = row["timestamp"]
        begin = _seconds(start)
        until = _time(end)
        if until is None:
            until = _seconds(after["timestamp"][0]) if after is not None else begin
        text = str(row["text"]).strip()
        yield Segment(begin, max(begin, until), text, speaker=name(row.get("speaker")) or None)


def _seglst(row: Mapping[str, Any]) -> Segment:
    speaker = name(row.get("speaker"))
    start = _seconds(row["start_time"])
    end = max(start, _seconds(row["end_time"]))
    return Segment(start, end, str(row["words"]).strip(), speaker=None if speaker in ("unknown", "") else speaker)


def _of_words(rows: Iterable[Mapping[str, Any]]) -> list[Segment]:
    """Segments by the pauses of each speaker, as of a CTM."""
    words: dict[str | None, list[Word]] = {}
    for row in rows:
        start, end = _span(row)
        own = words.setdefault(name(row.get("speaker")) or None, [])
        own.append(Word(start, end, str(row["word"]).strip()))
    return [segment for speaker, own in words.items() for segment in _parted(own, speaker)]


def _parted(words: Iterable[Word], speaker: str | None) -> list[Segment]:
    out: list[Word] = []
    for word in sorted(words, key=lambda w: (w.start, w.end)):
        if word.text:
            out.append(replace(word, text=following(word.text, out[-1].text if out else "")))
    return segments_of(out, speaker)


def _vibevoice(row: Mapping[str, Any]) -> Segment:
    """Speakers are whole numbers; noises have none, or "N/A"."""
    low = {str(key).lower(): value for key, value in row.items()}
    start = _seconds(low.get("start", low.get("start time")))
    end = _seconds(low.get("end", low.get("end time")))
    who = low.get("speaker", low.get("speaker id"))
    speaker = speaker_name(who) if isinstance(who, int) else None
    return Segment(start, max(start, end), str(low.get("content") or "").strip(), speaker=speaker)


def _span(row: Mapping[str, Any]) -> tuple[Seconds, Seconds]:
    start = _seconds(row["start"])
    return start, max(start, _seconds(row["end"]))


def _seconds(value: object) -> Seconds:
    return _time(value) or 0.0


def _time(value: object) -> Seconds | None:
    """A time on the grid, not negative; None where there is none."""
    found = number(value)
    if found is not None and found > 1e9:
        raise ValueError(f"{value!r} is no time in seconds")
    return None if found is None else tidy(max(found, 0.0))
