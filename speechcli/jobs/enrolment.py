"""Voices with names: how a person sounds in clips that somebody says are of them (`--enroll Anna=anna.wav`)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from speechcli import pipeline
from speechcli.backends.base import SpeechDetector, VoicePrinter
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, Span, clipped, to_samples
from speechcli.core.transcript import Voice
from speechcli.errors import MediaError, UsageError
from speechcli.jobs.recording import BLOCK
from speechcli.jobs.roster import CAREFUL, Enrolled
from speechcli.media import probe
from speechcli.media.decode import Take, decode
from speechcli.timeline.speakers import Known, cosine, unit
from speechcli.timeline.windows import Rules

LEAST: Seconds = 3.0  # of speech that a clip must hold
MOST: Seconds = 60.0  # of speech that are listened to
PARTS = 4  # of a clip that are compared with each other
UNLIKE = 0.25  # cosine of parts below which they are taken for two people's: by prints of 3 s (as in `roster`), 93 % of
# pairs of two people are below it and none of 14 of one


def enrolled(
    clips: Mapping[str, Sequence[Path]], printer: VoicePrinter, detector: SpeechDetector, program: Path
) -> tuple[tuple[Enrolled, ...], tuple[str, ...]]:
    """The voices, and sentences for people about what is strange. clips: per name, at least one.

    detector: hears at the printer's rate. program: ffmpeg. Raises UsageError for a name that recordings' speakers may
    have, NoInputError, and MediaError for a clip that cannot be decoded or in which too little is said.
    """
    voices: list[Enrolled] = []
    notes: list[str] = []
    for name, paths in clips.items():
        if re.fullmatch(r"SPEAKER_\d+", name):
            raise UsageError(f"--enroll {name}: recordings give this name to others", "--enroll Anna=anna.wav")
        known = Known(name)
        for path in paths:
            speech = _speech(path, printer.rate, detector.fresh(), program)
            prints = _prints(speech, printer)
            if speech.duration < LEAST or not prints:
                few = f"{speech.duration:.1f} seconds" if speech.duration else "nothing"
                raise MediaError(
                    f"{path.name}: {few} of speech to know {name} by", f"{LEAST:g} seconds or more, better 10 to 30"
                )
            if len(prints) > 1 and min(cosine(a, b) for a, b in combinations(prints[1:], 2)) < UNLIKE:
                notes.append(f"{path.name}: parts of it sound like different people; is only {name} heard in it?")
            known.hear(Voice(name, speech.duration, prints[0]))
        voices.append(Enrolled(name, known.seconds, unit(known.sum)))
    notes += [
        f"{a.name} and {b.name} sound alike: recordings may take the one for the other"
        for a, b in combinations(voices, 2)
        if cosine(a.print, b.print) >= printer.alike + CAREFUL
    ]
    return tuple(voices), tuple(notes)


def _speech(path: Path, rate: int, detector: SpeechDetector, program: Path) -> Audio:
    """What is said in a clip, without the silence; no more than `MOST` seconds of it."""
    parts: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = []
    seconds: Seconds = 0.0
    with decode(path, probe.probe(path, program), program, Take(rate, block=to_samples(BLOCK, rate))) as blocks:
        for window, audio in pipeline.windows(blocks, detector, Rules(context=0.0)):
            for span in clipped(window.speech, window.own):
                parts.append(audio.cut(span).samples[: to_samples(MOST - seconds, rate)])
                seconds += len(parts[-1]) / rate
            if seconds >= MOST:
                break
    return Audio(np.concatenate([*parts, np.zeros(0, np.float32)]), rate)


def _prints(speech: Audio, printer: VoicePrinter) -> list[tuple[float, ...]]:
    """The print of the whole, and those of its parts, where they are long enough to have one; none without any."""
    n_parts = min(PARTS, int(speech.duration // LEAST))
    length = speech.duration / max(1, n_parts)
    parts = [Span(i * length, (i + 1) * length) for i in range(n_parts)] if n_parts > 1 else []
    found = [printer.voice(speech, [span]) for span in (Span(0.0, speech.duration), *parts)]
    return [] if found[0] is None else [one for one in found if one is not None]
