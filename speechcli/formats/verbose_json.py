"""OpenAI's `verbose_json`, what its transcription API answers; words at the top, where the transcript has some.

Its clients demand keys that only Whisper can fill; what we do not know of them is neutral: no tokens, temperature,
seek and no_speech_prob 0, avg_logprob 0 where the model tells none.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator

from speechcli.core.languages import name_of
from speechcli.core.span import tidy
from speechcli.core.transcript import Segment, Transcript, Word
from speechcli.timeline.text import clean

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def document(transcript: Transcript) -> Iterator[str]:
    """One segment or word a line."""
    task = "translate" if any(("task", "translate") in stage.settings for stage in transcript.made_by) else "transcribe"
    language = transcript.language or ""
    yield f'{{\n"task": {_encode(task)},\n"language": {_encode(name_of(language).lower())},\n'
    segments = [(s, text) for s in transcript.segments if (text := clean(s.text))]
    yield f'"duration": {_encode(tidy(transcript.duration))},\n'
    yield f'"text": {_encode(" ".join(text for _, text in segments))},\n'
    yield from _list("segments", (_segment(i, s, text) for i, (s, text) in enumerate(segments)))
    if transcript.words:
        yield from _list("words", (_word(word) for word in transcript.words if clean(word.text)))
    yield f'"usage": {{"type": "duration", "seconds": {math.ceil(transcript.duration)}}}\n}}\n'


def _list(key: str, rows: Iterator[str]) -> Iterator[str]:
    before = f'"{key}": ['
    for row in rows:
        yield f"{before}\n{row}"
        before = ","
    yield "\n],\n" if before == "," else f"{before}],\n"


def _segment(place: int, segment: Segment, text: str) -> str:
    """Put together by hand, like the words, because there may be very many. Whisper's texts begin with their blank."""
    raw = text.encode()
    return (
        f'{{"id": {place}, "seek": 0, "start": {tidy(segment.start)}, "end": {tidy(segment.end)}, '
        f'"text": {_encode(" " + text)}, "tokens": [], "temperature": 0.0, '
        f'"avg_logprob": {_encode(segment.avg_logprob) if segment.avg_logprob else "0.0"}, '
        f'"compression_ratio": {round(len(raw) / _compressed(raw), 3)}, "no_speech_prob": 0.0}}'
    )


def _word(word: Word) -> str:
    return f'{{"word": {_encode(clean(word.text))}, "start": {tidy(word.start)}, "end": {tidy(word.end)}}}'


def _compressed(raw: bytes) -> int:
    """Length after zlib, as Whisper counts it, with the small tables that a segment needs: a tenth of the time."""
    squeezer = zlib.compressobj(wbits=12, memLevel=1)
    return len(squeezer.compress(raw)) + len(squeezer.flush())
