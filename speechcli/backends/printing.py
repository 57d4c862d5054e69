"""Prints of the voices of a stretch of sound: by the best `VoicePrinter` that there is, or by any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import soxr

from speechcli.backends import diarizers
from speechcli.backends.base import VoicePrinter
from speechcli.backends.cepstra import Cepstra
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, Span, merged, to_samples, total, uncovered
from speechcli.core.transcript import Voice

PIECE: Seconds = 10.0  # looked at together
MOST: Seconds = 120.0  # of a voice that are looked at: more of it changes nothing
ALONE: Seconds = 3.0  # of talk in which nobody else talks are enough to go by


def opened(tells_speakers: bool, model_dir: Path | None = None) -> VoicePrinter:
    """What knows the voices of a transcriber's windows again: community-1's model, where it is on this machine.

    Without it, and for transcribers that do not tell speakers, what needs no weights. Raises DataError.
    """
    return (diarizers.open_printer(model_dir) if tells_speakers else None) or Cepstra()


def voices(printer: VoicePrinter, audio: Audio, talk: Mapping[str, Sequence[Span]]) -> tuple[Voice, ...]:
    """How each of these speakers sounds, by where they talk alone; those who say too little are left out.

    talk: per speaker, from the start of the audio, which may have any rate.
    """
    found: list[Voice] = []
    for speaker, own in talk.items():
        others = [span for other, spans in talk.items() if other != speaker for span in spans]
        print_ = printer.voice(*_excerpt(audio, telling(own, others), printer.rate))
        if print_ is not None:
            found.append(Voice(speaker, total(own), print_))
    return tuple(found)


def telling(own: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """The stretches of somebody's talk to know the voice by: in which nobody else talks, if that is enough of them.

    In pieces of at most `PIECE` seconds; of more than `MOST` seconds some, evenly chosen.
    """
    whole = merged(own)
    alone = uncovered(whole, others)
    spans = alone if total(alone) >= ALONE else whole
    pieces = [piece for span in spans for piece in _pieces(span)]
    seconds = total(pieces)
    if seconds <= MOST:
        return pieces
    n_chosen = max(1, round(len(pieces) * MOST / seconds))
    return [pieces[i * len(pieces) // n_chosen] for i in range(n_chosen)]


def _excerpt(audio: Audio, spans: Sequence[Span], rate: int) -> tuple[Audio, list[Span]]:
    """These stretches at another rate, one after the other, and where they lie now."""
    parts = [audio.samples[to_samples(max(0.0, s.start), audio.rate) : to_samples(s.end, audio.rate)] for s in spans]
    if audio.rate != rate:
        parts = [soxr.resample(part, audio.rate, rate) for part in parts]
    where: list[Span] = []
    at: Seconds = 0.0
    for part in parts:
        where.append(Span(at, at + len(part) / rate))
        at = where[-1].end
    samples = np.concatenate([*parts, np.zeros(0, np.float32)])
    return Audio(np.ascontiguousarray(samples, np.float32), rate), where


def _pieces(span: Span) -> Iterator[Span]:
    at = span.start
    while at < span.end:
        yield Span(at, min(at + PIECE, span.end))
        at += PIECE
