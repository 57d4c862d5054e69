"""OpenAI's `verbose_json`, what its transcription API answers; words at the top, where the transcript has some.

Its clients demand keys that only Whisper can fill; what we do not know of them is neutral: no tokens, temperature,
seek and no_speech_prob 0, avg_logprob 0 where the model tells none.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator
from typing import Any

from speechcli.core.span import tidy
from speechcli.core.transcript import Segment, Transcript, Word
from speechcli.formats.languages import NAMES
from speechcli.timeline.text import clean

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def document(transcript: Transcript) -> Iterator[str]:
    """One segment or word a line."""
    task = "translate" if any(("task", "translate") in stage.settings for stage in transcript.made_by) else "transcribe"
    language = transcript.language or ""
    yield f'{{\n"task": {_encode(task)},\n"language": {_encode(NAMES.get(language, language))},\n'
    segments = [(s, text) for s in transcript.segments if (text := clean(s.text))]
    yield f'"duration": {_encode(tidy(transcript.duration))},\n'
    yield f'"text": {_encode(" ".join(text for _, text in segments))},\n'
    yield from _list("segments", (_segment(i, s, text) for i, (s, text) in enumerate(segments)))
    if transcript.words:
        yield from _list("words", (_word(word) for word in transcript.words if clean(word.text)))
    yield f'"usage": {{"type": "duration", "seconds": {math.ceil(transcript.duration)}}}\n}}\n'


def _list(key: str, rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    before = f'"{key}": ['
    for row in rows:
        yield f"{before}\n{_encode(row)}"
        before = ","
    yield "\n],\n" if before == "," else f"{before}],\n"


def _segment(number: int, segment: Segment, text: str) -> dict[str, Any]:
    raw = text.encode()
    return {
        "id": number,
        "seek": 0,
        "start": tidy(segment.start),
        "end": tidy(segment.end),
        "text": f" {text}",  # Whisper's texts begin with their blank
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": segment.avg_logprob or 0.0,
        "compression_ratio": round(len(raw) / _compressed(raw), 3),
        "no_speech_prob": 0.0,
    }


def _compressed(raw: bytes) -> int:
    """Length after zlib, as Whisper counts it, with the small tables that a segment needs: a tenth of the time."""
    squeezer = zlib.compressobj(wbits=12, memLevel=1)
    return len(squeezer.compress(raw)) + len(squeezer.flush())


def _word(word: Word) -> dict[str, Any]:
    return {"word": clean(word.text), "start": tidy(word.start), "end": tidy(word.end)}
