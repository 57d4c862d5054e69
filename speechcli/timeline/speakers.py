"""Speakers of windows to speakers of the recording: the same voice keeps its name to the end.

A model that hears an hour in one pass numbers its speakers anew in the next. Who is who is told, first, by the sound
that both windows have heard (`Rules.overlap`), then by how the voices sound: by their prints, which are directions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from speechcli.core.span import Seconds
from speechcli.core.transcript import Heard, Segment, Turn, Voice
from speechcli.core.turns import speaker_name
from speechcli.timeline.stitch import Answer, shifted

SHARED: Seconds = 0.5  # of the same talk make the same speaker


@dataclass(slots=True)
class Known:
    """A voice that is known. sum: of its prints, each as heavy as its seconds of speech; empty where none was heard."""

    label: str
    sum: tuple[float, ...] = ()
    seconds: Seconds = 0.0

    def hear(self, voice: Voice) -> None:
        """Takes in what was heard of it elsewhere."""
        weighted = tuple(voice.seconds * x for x in voice.print)
        self.sum = tuple(a + b for a, b in zip(self.sum, weighted, strict=True)) if self.sum else weighted
        self.seconds += voice.seconds


def link(groups: Iterable[Sequence[Answer]], alike: float) -> Iterator[tuple[Answer, ...]]:
    """The groups with the recording's speakers, SPEAKER_00 and on by first appearance; each as soon as it comes.

    Answers without speakers come back as they are. alike: the cosine of two prints that makes them one voice's.
    """
    known: list[Known] = []
    before: list[Segment] = []  # of the last group, in recording time, with the recording's speakers
    for group in groups:
        linked: list[Answer] = []
        here: list[Segment] = []
        for answer in group:
            names = _names(answer, [*before, *here], known, alike)
            named = Answer(answer.window, _renamed(answer.heard, names))
            linked.append(named)
            here += [s for s in shifted(named).segments if s.speaker is not None]
        before = here or before
        yield tuple(linked)


def likenesses(voices: Iterable[Voice], known: Iterable[Known], alike: float) -> dict[tuple[str, str], float]:
    """Speaker and known voice, and the cosine of their prints where that is `alike` or more."""
    known = [one for one in known if one.sum]
    return {
        (voice.speaker, one.label): likeness
        for voice in voices
        for one in known
        if (likeness := cosine(voice.print, one.sum)) >= alike
    }


def matched(scores: Mapping[tuple[str, str], float], names: Mapping[str, str]) -> dict[str, str]:
    """`names` and more of them: best scores first, each speaker once on either side.

    >>> matched({("a", "Anna"): 0.7, ("a", "Bert"): 0.6, ("b", "Anna"): 0.8}, {})
    {'b': 'Anna', 'a': 'Bert'}
    """
    found = dict(names)
    for local, label in sorted(scores, key=lambda pair: (-scores[pair], pair)):
        if local not in found and label not in found.values():
            found[local] = label
    return found


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    """Of the angle between two directions; 0 when one has no length.

    >>> cosine((3.0, 4.0), (6.0, 8.0))
    1.0
    """
    norm = sum(x * x for x in a) * sum(y * y for y in b)
    return sum(x * y for x, y in zip(a, b, strict=True)) / norm**0.5 if norm else 0.0


def unit(direction: Sequence[float]) -> tuple[float, ...]:
    """The direction with a length of 1; as it is where it has none.

    >>> unit((3.0, 4.0))
    (0.6, 0.8)
    """
    length = sum(x * x for x in direction) ** 0.5
    return tuple(x / length for x in direction) if length else tuple(direction)


def _names(answer: Answer, before: Sequence[Segment], known: list[Known], alike: float) -> dict[str, str]:
    """The recording's name of each of the window's speakers; new ones are added to `known`."""
    heard = shifted(answer)
    segments = [s for s in heard.segments if s.speaker is not None]
    turns: list[Segment | Turn] = sorted((*segments, *heard.turns), key=lambda s: s.start)
    locals_ = list(dict.fromkeys(s.speaker for s in turns if s.speaker is not None))
    voices = {voice.speaker: voice for voice in heard.voices}
    talk: dict[tuple[str, str], Seconds] = defaultdict(float)
    for segment in segments:
        for other in before:
            talk[segment.speaker or "", other.speaker or ""] += segment.overlap(other)
    names = matched({pair: seconds for pair, seconds in talk.items() if seconds >= SHARED}, {})
    names = matched(likenesses(voices.values(), known, alike), names)
    for local in locals_:
        if local not in names:
            names[local] = speaker_name(len(known))
            known.append(Known(names[local]))
    for one in known:
        for local, name in names.items():
            if name == one.label and local in voices:
                one.hear(voices[local])
    return names


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
