"""Speakers of windows to speakers of the recording: the same voice keeps its name to the end.

A model that hears an hour in one pass numbers its speakers anew in the next. Who is who is told, first, by the sound
that both windows have heard (`Rules.overlap`), then by how the voices sound.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from speechcli.core.span import Seconds
from speechcli.core.transcript import Heard, Segment, Turn, Voice
from speechcli.timeline.stitch import Answer, shifted

SHARED: Seconds = 0.5  # of the same talk make the same speaker
ALIKE = 0.65  # cosine of two prints of one voice: of pairs with 10 s of speech each 0.5 takes 23 % of the wrong ones
# for one voice, 0.7 leaves out 6 % of the right ones (10 recordings with 32 speakers, numerics/voice.py)


@dataclass(slots=True)
class _Known:
    """A speaker of the recording. total: sum of the prints, each as heavy as its seconds."""

    label: str
    total: list[float] = field(default_factory=list)

    def hear(self, voice: Voice) -> None:
        weighted = [voice.seconds * x for x in voice.print]
        self.total = [a + b for a, b in zip(self.total, weighted, strict=True)] if self.total else weighted


def link(groups: Iterable[Sequence[Answer]]) -> Iterator[tuple[Answer, ...]]:
    """The groups with the recording's speakers, SPEAKER_00 and on by first appearance; each as soon as it comes.

    Answers without speakers come back as they are.
    """
    known: list[_Known] = []
    before: list[Segment] = []  # of the last group, in recording time, with the recording's speakers
    for group in groups:
        linked: list[Answer] = []
        here: list[Segment] = []
        for answer in group:
            names = _names(answer, [*before, *here], known)
            named = Answer(answer.window, _renamed(answer.heard, names))
            linked.append(named)
            here += [s for s in shifted(named).segments if s.speaker is not None]
        before = here or before
        yield tuple(linked)


def _names(answer: Answer, before: Sequence[Segment], known: list[_Known]) -> dict[str, str]:
    """The recording's name of each of the window's speakers; new ones are added to `known`."""
    segments = [s for s in shifted(answer).segments if s.speaker is not None]
    turns: list[Segment | Turn] = sorted((*segments, *shifted(answer).turns), key=lambda s: s.start)
    locals_ = list(dict.fromkeys(s.speaker for s in turns if s.speaker is not None))
    voices = {voice.speaker: voice for voice in answer.heard.voices}
    talk: dict[tuple[str, str], Seconds] = defaultdict(float)
    for segment in segments:
        for other in before:
            talk[segment.speaker or "", other.speaker or ""] += segment.overlap(other)
    names = _matched({pair: seconds for pair, seconds in talk.items() if seconds >= SHARED}, {})
    alike = {
        (voice.speaker, one.label): likeness
        for voice in voices.values()
        for one in known
        if one.total and (likeness := cosine(voice.print, one.total)) >= ALIKE
    }
    names = _matched(alike, names)
    for local in locals_:
        if local not in names:
            names[local] = f"SPEAKER_{len(known):02d}"
            known.append(_Known(names[local]))
    for one in known:
        for local, name in names.items():
            if name == one.label and local in voices:
                one.hear(voices[local])
    return names


def _matched(scores: Mapping[tuple[str, str], float], names: Mapping[str, str]) -> dict[str, str]:
    """`names` and more of them: best scores first, each speaker once on either side."""
    found = dict(names)
    for local, label in sorted(scores, key=lambda pair: (-scores[pair], pair)):
        if local not in found and label not in found.values():
            found[local] = label
    return found


def _renamed(heard: Heard, names: Mapping[str, str]) -> Heard:
    def segment(s: Segment) -> Segment:
        words = tuple(replace(w, speaker=names.get(w.speaker or "")) for w in s.words)
        return replace(s, speaker=names.get(s.speaker or ""), words=words)

    return replace(
        heard,
        segments=tuple(map(segment, heard.segments)),
        turns=tuple(replace(t, speaker=names[t.speaker]) for t in heard.turns),
        voices=tuple(replace(v, speaker=names[v.speaker]) for v in heard.voices if v.speaker in names),
    )


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    """Of the angle between two directions; 0 when one has no length.

    >>> cosine((3.0, 4.0), (6.0, 8.0))
    1.0
    """
    norm = sum(x * x for x in a) * sum(y * y for y in b)
    return sum(x * y for x, y in zip(a, b, strict=True)) / norm**0.5 if norm else 0.0
