"""Text without times over the speech it was heard in: a guess, and said to be one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from speechcli.core.span import Seconds, Span, clipped, merged, total
from speechcli.core.transcript import Heard, Segment, Word, joined
from speechcli.timeline.text import ends_sentence, pieces

_SHORT: Seconds = 0.01


def tokens(text: str) -> list[str]:
    """Words with the blank before them; in writing without blanks, its characters. Joined they are the text.

    Blanks are one each, and a line break where one is among them: the lines of a caption are somebody's work.

    >>> tokens("Well, 今日は\\nso  be it")
    ['Well,', ' 今', '日', 'は', '\\nso', ' be', ' it']
    """
    out: list[str] = []
    for blank, token in re.findall(r"(\s*)(\S+)", text.strip()):
        first, *more = pieces(token)
        out += [("\n" if "\n" in blank else blank[:1] and " ") + first, *more]
    return out


def spread(heard: Heard, speech: Sequence[Span], duration: Seconds) -> Heard:
    """`heard` with times for the words of segments that have none, and a segment a sentence.

    speech: where some was heard, in the same time; anywhere when empty. Each character takes the same share of it.
    """
    segments: list[Segment] = []
    for segment in heard.segments:
        placed = segment if segment.words else _placed(segment, speech, duration)
        segments += sentences(placed)
    return replace(heard, segments=tuple(segments))


def sentences(segment: Segment) -> list[Segment]:
    """The segment cut where its sentences end."""
    out: list[Segment] = []
    run: list[Word] = []
    for i, word in enumerate(segment.words):
        run.append(word)
        if ends_sentence(word.text) or i + 1 == len(segment.words):
            if text := joined(tuple(run)):
                out.append(replace(segment, start=run[0].start, end=run[-1].end, text=text, words=tuple(run)))
            run = []
    return out or [segment]


def _placed(segment: Segment, speech: Sequence[Span], duration: Seconds) -> Segment:
    bounds = Span(segment.start, max(segment.end, segment.start + _SHORT))
    spoken = clipped(merged(speech), bounds) or [
        Span(bounds.start, min(bounds.end, max(duration, bounds.start + _SHORT)))
    ]
    texts = tokens(segment.text)
    weights = [len(text.strip()) + 1 for text in texts]
    scale = total(spoken) / sum(weights) if weights else 0.0
    words: list[Word] = []
    done = 0
    for text, weight in zip(texts, weights, strict=True):
        start = _at(spoken, done * scale, begins=True)
        done += weight
        words.append(Word(start, max(start, _at(spoken, done * scale)), text, placed="interpolated"))
    return replace(segment, text=joined(tuple(words)), words=tuple(words)) if words else segment


def _at(spans: Sequence[Span], seconds: Seconds, begins: bool = False) -> Seconds:
    """The moment after so many seconds of `spans`; where two meet, the end of the first unless something `begins`."""
    for span in spans:
        if seconds < span.duration or (not begins and seconds <= span.duration + 1e-9) or span is spans[-1]:
            return min(span.start + seconds, span.end)
        seconds -= span.duration
    return spans[-1].end
