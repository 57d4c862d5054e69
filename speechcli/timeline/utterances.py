"""Speech probabilities, as they come, to utterances: where one begins, pauses and ends."""

from __future__ import annotations

from dataclasses import dataclass

from speechcli.core.span import Seconds


@dataclass(frozen=True, slots=True)
class Endpoints:
    """How a stream of speech is parted.

    silence: after which an utterance has ended. longest: after which it is cut where the speech is weakest. pad: kept
    before its first speech. onset, offset: hysteresis of the speech detector. shortest: speech that makes one.
    """

    silence: Seconds = 0.8
    longest: Seconds = 20.0
    pad: Seconds = 0.3
    onset: float = 0.5
    offset: float = 0.35
    shortest: Seconds = 0.1


class Utterance:
    """What is being said: its frames so far, in seconds from the start of the stream."""

    def __init__(self, start: Seconds, frame: Seconds) -> None:
        self.start = start  # of its sound, before the first speech
        self.spoken: list[tuple[Seconds, Seconds]] = []  # stretches of speech
        self._frame = frame
        self._frames: list[tuple[Seconds, float, bool]] = []  # (end, probability, whether somebody speaks)

    def hear(self, end: Seconds, probability: float, speaking: bool) -> None:
        """One more frame, which ends there."""
        self._frames.append((end, probability, speaking))
        if not speaking:
            return
        start = end - self._frame
        if self.spoken and start - self.spoken[-1][1] < self._frame / 2:
            self.spoken[-1] = (self.spoken[-1][0], end)
        else:
            self.spoken.append((start, end))

    @property
    def end(self) -> Seconds:
        """Of the last speech."""
        return self.spoken[-1][1] if self.spoken else self.start

    @property
    def speech(self) -> Seconds:
        return sum(end - start for start, end in self.spoken)

    def after(self, start: Seconds) -> Utterance:
        """What of it comes after a cut."""
        rest = Utterance(start, self._frame)
        for end, probability, speaking in self._frames:
            if end > start:
                rest.hear(end, probability, speaking)
        return rest

    def weakest(self) -> Seconds:
        """Where it is best cut: in the quietest quarter of a second of its last third."""
        last = self._frames[-1][0]
        around = max(1, round(0.125 / self._frame))
        best, least = last, float("inf")
        for i, (end, *_) in enumerate(self._frames):
            if end < last - (last - self.start) / 3 or i + around >= len(self._frames):
                continue
            level = sum(p for _, p, _ in self._frames[max(0, i - around) : i + around + 1])
            if level < least:
                best, least = end, level
        return best
