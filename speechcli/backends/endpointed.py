"""Any Transcriber made live.

A speech detector finds utterances. While one goes on, the model hears it again and again, each time with what was said
since; words that two hypotheses agree on are final (Machacek et al. 2023, arXiv:2307.14743), the others are shown as
they may still become. A pause ends it: then the model has heard all of it, and the rest is final too.

The model is asked at most once for what is fed at once: when it is slow, more comes at once and it is asked less often,
so that it falls behind only where one hearing takes longer than the sound that came since the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from speechcli.backends.base import Hints, SpeechDetector, Traits, Transcriber
from speechcli.core.audio import Audio, Samples
from speechcli.core.live import Final, Partial
from speechcli.core.span import Seconds, Span, to_samples
from speechcli.core.transcript import Stage, Word
from speechcli.errors import UsageError
from speechcli.timeline.agreement import agreed, beyond
from speechcli.timeline.polish import polish
from speechcli.timeline.spread import spread
from speechcli.timeline.utterances import Endpoints, Utterance

_LEAD: Seconds = 0.3  # of sound before the first speech that the model hears
_AFTER: Seconds = 0.15  # of sound after the last speech, with which a hypothesis has heard all of it
_SEAM: Seconds = 1.0  # of speech at the start of a window, by which it is matched with what was heard before
_NEW = 0.7  # of a window may be new; the rest was heard before, so that the words of both can be matched


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the model hears an utterance that goes on, and which of its words are believed.

    step: new sound that is worth it. first: sound of an utterance before the first time. pause: silence after which it
    does at once. window: sound that it hears, with what was said before where that is shorter; gap: silence in which it
    may begin. hold: a word that ended this shortly ago may not be all there yet, and is not shown; settle: nor is it
    final, though the model said it twice. For words whose confidence is below `doubt` that is unsure_hold and
    unsure_settle. context: characters of what was said before the window, that the model is told.
    """

    step: Seconds = 0.5
    first: Seconds = 0.8
    pause: Seconds = 0.25
    window: Seconds = 12.0
    gap: Seconds = 0.3
    hold: Seconds = 0.1
    settle: Seconds = 0.4
    doubt: float = 0.6
    unsure_hold: Seconds = 0.6
    unsure_settle: Seconds = 1.4
    context: int = 200


class Endpointed:
    """A `StreamingTranscriber`. detector: its streams each take a fresh one."""

    def __init__(
        self,
        transcriber: Transcriber,
        detector: SpeechDetector,
        endpoints: Endpoints = Endpoints(),
        pace: Pace = Pace(),
    ) -> None:
        if detector.rate != transcriber.traits.rate:
            raise ValueError(f"the detector hears {detector.rate} Hz and the model {transcriber.traits.rate}")
        self._transcriber, self._detector, self._endpoints, self._pace = transcriber, detector, endpoints, pace

    @property
    def traits(self) -> Traits:
        return self._transcriber.traits

    @property
    def stage(self) -> Stage:
        return self._transcriber.stage

    def listen(self, hints: Hints) -> Stream:
        """A new stream. Raises UsageError for languages that the model does not know."""
        known = self.traits.languages
        if known and (strange := [code for code in hints.languages if code not in known]):
            raise UsageError(f"{self.stage.model} does not know {', '.join(strange)}", "see: speechcli models")
        return Stream(self._transcriber, self._detector.fresh(), hints, self._endpoints, self._pace)

    def close(self) -> None:
        self._transcriber.close()


class Stream:
    """A `Session`."""

    def __init__(
        self, transcriber: Transcriber, detector: SpeechDetector, hints: Hints, endpoints: Endpoints, pace: Pace
    ) -> None:
        self._transcriber, self._detector, self._hints = transcriber, detector, hints
        self._endpoints, self._pace = endpoints, pace
        self._rate = transcriber.traits.rate
        self._window = min(pace.window, transcriber.traits.longest - 0.01)
        self._frame = detector.frame / self._rate
        self._tape: Samples = np.zeros(0, np.float32)
        self._first = 0  # index of the tape's first sample in the stream
        self._judged = 0  # samples the detector has heard
        self._utterance: Utterance | None = None
        self._until: Seconds = 0.0  # what the model has heard
        self._done: list[Word] = []  # final words of this utterance
        self._tail: list[Word] = []  # the words after those, as last heard
        self._said = ""  # what was said before this utterance
        self._stretches: list[tuple[Seconds, Seconds]] = []  # of speech that the model may hear again
        self._id = 0
        self._free: Seconds = 0.0  # where the next word may begin

    def feed(self, samples: Samples) -> Iterator[Partial | Final]:
        """See `Session`."""
        self._tape = np.concatenate([self._tape, samples])
        for end, probability in self._judge():
            yield from self._hear_frame(end, probability)
        if self._utterance is not None and self._worth_hearing(self._utterance):
            yield from self._listen(self._utterance, self._now)
        self._forget()

    def skip(self, n_samples: int) -> Iterator[Partial | Final]:
        """See `Session`."""
        yield from self.finish()
        self._tape, self._first = np.zeros(0, np.float32), self._first + len(self._tape) + n_samples
        self._judged = self._first
        self._stretches = []
        self._detector = self._detector.fresh()

    def finish(self) -> Iterator[Partial | Final]:
        """See `Session`."""
        if self._utterance is not None:
            yield from self._end(self._utterance, self._now)

    @property
    def _now(self) -> Seconds:
        return (self._first + len(self._tape)) / self._rate

    def _judge(self) -> Iterator[tuple[Seconds, float]]:
        """(end, probability of speech) of each new frame."""
        size = self._detector.frame
        begin = self._judged - self._first
        n_frames = (len(self._tape) - begin) // size
        if not n_frames:
            return
        sound = Audio(self._tape[begin : begin + n_frames * size], self._rate, self._judged)
        for probability in self._detector(sound).tolist():
            self._judged += size
            yield self._judged / self._rate, probability

    def _hear_frame(self, end: Seconds, probability: float) -> Iterator[Partial | Final]:
        rules = self._endpoints
        if self._utterance is None:
            if probability < rules.onset:
                return
            start = max(self._first / self._rate, self._free, end - self._frame - rules.pad)
            self._utterance, self._until = Utterance(start, self._frame), start
        utterance = self._utterance
        speaking = probability >= rules.offset
        utterance.hear(end, probability, speaking)
        if speaking:
            self._spoke(end - self._frame, end)
        if end - utterance.end >= rules.silence:
            yield from self._end(utterance, end)
        elif end - utterance.start >= rules.longest:
            yield from self._end(utterance, end, utterance.weakest())
        elif end - self._until >= _NEW * self._window:
            yield from self._listen(utterance, end)

    def _worth_hearing(self, utterance: Utterance) -> bool:
        pace, now = self._pace, self._now
        if self._until >= utterance.end + _AFTER or utterance.speech < self._endpoints.shortest:
            return False  # nobody has spoken since
        first = self._until <= utterance.start
        paused = now - utterance.end >= pace.pause
        return paused or now - self._until >= (pace.first if first else pace.step)

    def _listen(self, utterance: Utterance, until: Seconds) -> Iterator[Partial | Final]:
        """The model hears the utterance; what it says again is final, and the rest is shown."""
        begin = self._begin(until)
        yield from self._leave(begin)
        before, self._tail = self._tail, self._heard(begin, until)
        self._until = until
        pace = self._pace
        settled = self._until_doubt(self._tail[:-1], until, pace.settle, pace.unsure_settle)
        n = agreed(before, settled)
        if n:
            yield self._final(self._tail[:n])
            self._tail = self._tail[n:]
        shown = self._tail
        if until - utterance.end < pace.pause:
            shown = self._until_doubt(shown[:-1], until, pace.hold, pace.unsure_hold)
        if shown:
            shown = self._placed(shown)
            yield Partial(shown[0].start, shown[-1].end, self._id, tuple(shown))

    def _until_doubt(self, words: Sequence[Word], until: Seconds, sure: Seconds, unsure: Seconds) -> list[Word]:
        """The words up to the first that ended too shortly ago. sure, unsure: how long they wait."""

        def waited(word: Word) -> bool:
            doubtful = word.confidence is not None and word.confidence < self._pace.doubt
            return word.end <= until - (unsure if doubtful else sure)

        return list(takewhile(waited, words))

    def _end(self, utterance: Utterance, until: Seconds, cut: Seconds | None = None) -> Iterator[Partial | Final]:
        """All that was said until then is final, or until the cut, behind which it goes on."""
        if cut is not None and cut >= utterance.end:
            cut = None  # nobody has spoken since
        enough = utterance.speech >= self._endpoints.shortest
        if enough and not self._until >= min(until, utterance.end + _AFTER):
            begin = self._begin(until)
            yield from self._leave(begin)
            self._tail, self._until = self._heard(begin, until), until
        n = len(self._tail) if cut is None else max(1, sum(word.middle < cut for word in self._tail))
        if self._tail:
            yield self._final(self._tail[:n], ends=True)
        self._tail = self._tail[n:]
        self._utterance = None if cut is None else utterance.after(cut)
        self._free = max(self._free, min(until if cut is None else cut, utterance.end))

    def _spoke(self, start: Seconds, end: Seconds) -> None:
        if self._stretches and start - self._stretches[-1][1] < self._pace.gap:
            self._stretches[-1] = (self._stretches[-1][0], end)
        else:
            self._stretches.append((start, end))

    def _begin(self, until: Seconds) -> Seconds:
        """Where the sound begins that the model hears: as far back as it may, after a pause where it has heard that."""
        earliest = until - self._window
        silent = 0.0
        while (
            len(self._stretches) > 1
            and self._stretches[0][0] - _LEAD < earliest
            and self._stretches[0][1] + _AFTER <= self._until
        ):
            silent = self._stretches.pop(0)[1]
        return max(self._stretches[0][0] - _LEAD, silent, earliest, self._first / self._rate)

    def _leave(self, begin: Seconds) -> Iterator[Final]:
        """What the model will not hear whole any more is final, and more where it begins in the middle of speech."""
        kept = begin + _SEAM if begin > self._stretches[0][0] else begin
        n = sum(word.start < kept for word in self._tail)
        if n:
            yield self._final(self._tail[:n])
            self._tail = self._tail[n:]
        gone = [word for word in self._done if word.end <= begin]
        self._said = (self._said + "".join(word.text for word in gone))[-self._pace.context :]
        self._done = self._done[len(gone) :]

    def _heard(self, begin: Seconds, until: Seconds) -> list[Word]:
        """What the model hears of an utterance, without what is final; times of the stream."""
        span = Span(begin, max(until, begin))
        audio = Audio(self._tape, self._rate, self._first).cut(span)
        sound = Audio(audio.samples, self._rate)
        speech = tuple(
            Span(max(0.0, start - audio.start), min(end, until) - audio.start)
            for start, end in self._stretches
            if start < until
        )
        hints = replace(self._hints, speech=speech, context=self._context())
        (heard,) = self._transcriber.transcribe([sound], [hints])
        if not self._transcriber.traits.gives_words:
            heard = spread(heard, speech, sound.duration)
        words = [word for segment in polish(heard, sound.duration, speech).segments for word in segment.words]
        moved = [word.moved(word.start + audio.start, word.end + audio.start) for word in words]
        return moved[beyond(self._done, moved) :]

    def _context(self) -> str:
        told = self._pace.context and self._transcriber.traits.takes_prompt
        return f"{self._hints.context} {self._said.strip()}".strip() if told else self._hints.context

    def _final(self, words: Sequence[Word], ends: bool = False) -> Final:
        """Words that will not change any more."""
        placed = self._placed(words)
        self._free = placed[-1].end
        final = Final(placed[0].start, placed[-1].end, self._id, tuple(placed), ends=ends)
        self._done += placed
        self._id += 1
        return final

    def _placed(self, words: Sequence[Word]) -> list[Word]:
        """The words in order, after all that are final."""
        placed: list[Word] = []
        free = self._free
        for word in words:
            start = max(word.start, free)
            placed.append(word.moved(start, max(word.end, start)))
            free = placed[-1].end
        return placed

    def _forget(self) -> None:
        """Lets go of sound that nobody needs again."""
        keep = self._now - max(self._endpoints.longest, self._window) - 2 * _LEAD
        n = min(to_samples(keep, self._rate), self._judged) - self._first
        if n > self._rate:
            self._tape, self._first = self._tape[n:].copy(), self._first + n
