"""Speech probabilities along a recording to the windows a model is to hear. Numbers only, streaming."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from speechcli.core.span import Seconds, Span, clipped


@dataclass(frozen=True, slots=True)
class Rules:
    """How a recording is cut. All in seconds but the two thresholds (probability of speech).

    longest: what the model hears in one pass. gap: a silence this long ends a window. pad: silence kept on either
    side of speech. context: what both sides of a cut inside speech hear. reach: how far back from `longest` a
    longer pause is preferred to a later one. overlap: what a window hears once more of the one before, where that had
    to end for its length: it is told apart there who is who. onset, offset: hysteresis of the speech detector.
    """

    longest: Seconds = 30.0
    gap: Seconds = 4.0
    pad: Seconds = 0.4
    context: Seconds = 1.5
    reach: Seconds = 0.0
    overlap: Seconds = 0.0
    onset: float = 0.5
    offset: float = 0.35
    min_silence: Seconds = 0.1
    min_speech: Seconds = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.offset <= self.onset <= 1:
            raise ValueError("thresholds must be 0 < offset <= onset <= 1")
        if self.longest <= 4 * (max(self.context, self.overlap) + self.pad):
            raise ValueError("windows must be longer than four times their padding and context")


def listening_to_all(rules: Rules) -> Rules:
    """The rules for a detector that takes everything for speech."""
    return replace(rules, onset=0.01, offset=0.01)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of recording that a model hears in one pass.

    own: its share; the shares of a plan tile the recording. heard: own without outer silence, plus context where
    it was cut inside speech, plus the overlap with the window before. speech: what the detector heard in it. index:
    place in the plan; a window that is heard again gets a number more: (5,) then (5, 0). channel: that it is of, where
    each is heard by itself.
    """

    index: tuple[int, ...]
    own: Span
    heard: Span
    speech: tuple[Span, ...]
    channel: int = 0

    @property
    def silent(self) -> bool:
        return not self.speech


def plan(blocks: Iterable[tuple[Seconds, Iterable[float]]], frame: Seconds, rules: Rules = Rules()) -> Iterator[Window]:
    """The windows of a recording, each as soon as nothing that follows can change it.

    blocks: per block of sound, where it ends and the speech probability of each of its frames of `frame` seconds;
    only the last block may end inside a frame. Outer silence is in a window's `own` and not in its `heard`; long
    silences are windows of their own, without speech. A recording of no length has no windows.
    """
    speech = _Speech(rules, frame)
    at, lead, n_windows, end = 0.0, None, 0, 0.0
    shared: tuple[Span, ...] = ()  # speech of the last window that the next one hears too

    def settled(end: Seconds, final: bool) -> Iterator[Window]:
        nonlocal at, lead, n_windows, shared
        while (share := _share(speech, at, lead, end, final)) is not None:
            yield Window(
                (n_windows,), Span(at, share.own_end), share.heard, (*clipped(shared, share.heard), *share.speech)
            )
            at, lead, n_windows = share.own_end, share.lead, n_windows + 1
            shared = tuple(clipped(share.speech, Span(lead, at))) if lead is not None and rules.overlap else ()
            speech.forget(at)

    for end, probabilities in blocks:
        speech.hear(probabilities)
        yield from settled(end, final=False)
    speech.finish(end)
    yield from settled(end, final=True)


def again(window: Window, place: int, span: Span, speech: Iterable[Span]) -> Window:
    """A part of `window` to be heard a second time, as the `place`-th of its parts."""
    return Window((*window.index, place), span, span, tuple(clipped(speech, span)), window.channel)


@dataclass(slots=True)
class _Speech:
    """Speech regions of a growing recording, by hysteresis."""

    rules: Rules
    frame: Seconds
    regions: list[Span] = field(default_factory=list)  # closed and not yet in a window
    n_frames: int = 0
    opened: int | None = None  # frame at which a running region began
    last: int = 0  # one past its last frame of speech
    values: list[float] = field(default_factory=list)  # probabilities since frame `first`
    first: int = 0

    @property
    def now(self) -> Seconds:
        return self.n_frames * self.frame

    @property
    def running(self) -> Span | None:
        return None if self.opened is None else Span(self.opened * self.frame, self.last * self.frame)

    def hear(self, probabilities: Iterable[float]) -> None:
        patience = max(1, round(self.rules.min_silence / self.frame))
        for probability in probabilities:
            self.values.append(float(probability))
            if probability >= (self.rules.onset if self.opened is None else self.rules.offset):
                self.opened = self.n_frames if self.opened is None else self.opened
                self.last = self.n_frames + 1
            elif self.n_frames + 1 - self.last >= patience:
                self._close()
            self.n_frames += 1

    def finish(self, end: Seconds) -> None:
        """No more will come; the recording ends at `end`, perhaps inside the last frame."""
        self._close()
        self.regions = clipped(self.regions, Span(0.0, end))

    def forget(self, before: Seconds) -> None:
        """Drops what lies before a cut; a region that was cut begins there anew."""
        kept = max(0, min(int(before / self.frame) - self.first, len(self.values)))
        del self.values[:kept]
        self.first += kept
        self.regions = [Span(max(r.start, before), r.end) for r in self.regions if r.end > before]
        if self.opened is not None and self.opened * self.frame < before:
            self.opened = round(before / self.frame)
            self.last = max(self.last, self.opened)

    def quietest(self, start: Seconds, end: Seconds) -> Seconds:
        """Where between `start` and `end` speech is least likely, over five frames."""
        lo, hi = int(start / self.frame), int(end / self.frame)

        def around(frame: int) -> float:
            i = frame - self.first
            return sum(self.values[max(0, i - 2) : i + 3])

        return min(range(lo, hi), key=around) * self.frame

    def _close(self) -> None:
        if (region := self.running) is not None and region.duration >= self.rules.min_speech:
            self.regions.append(region)
        self.opened = None


@dataclass(frozen=True, slots=True)
class _Share:
    own_end: Seconds
    heard: Span
    speech: tuple[Span, ...] = ()
    lead: Seconds | None = None  # where the next window begins to hear, when that is before its own share


def _share(speech: _Speech, at: Seconds, lead: Seconds | None, end: Seconds, final: bool) -> _Share | None:
    """The next window from `at` on, or None while more must be heard to decide it."""
    rules = speech.rules
    running = speech.running
    if running is not None and running.duration < rules.min_speech:
        return None  # it may turn out to be no speech at all
    regions = speech.regions if running is None else [*speech.regions, running]
    quiet = end if final else speech.now - rules.pad
    start = max(at, regions[0].start - rules.pad if regions else quiet) if lead is None else lead
    if lead is not None and regions and regions[0].start - rules.pad - lead > rules.longest / 2:
        start = regions[0].start - rules.pad  # to hear the end of the last window again would cost half of this one
    if start - at >= rules.longest:
        return _silence(at, at + rules.longest)
    if not regions:
        return _silence(at, end) if final and end > at else None
    limit = start + rules.longest
    if regions[0].end > limit:
        return _cut_inside(speech, regions[0], start, limit)
    last = _last_that_fits(regions, limit, rules)
    following = regions[last + 1] if last + 1 < len(regions) else None
    if following is None and not final and (running is not None or speech.now - regions[last].end < rules.gap):
        return None
    if following is not None and following.start - regions[last].end < rules.gap:
        last = _longest_pause(regions, last, limit, rules)
        following = regions[last + 1]
    pause = rules.gap if following is None else following.start - regions[last].end
    stop = min(regions[last].end + min(rules.pad, pause / 2), limit, end)
    spoken = tuple(clipped(regions[: last + 1], Span(start, stop)))
    again = max(start, stop - rules.overlap) if rules.overlap and pause < rules.gap else None
    return _Share(stop, Span(start, stop), spoken, again)


def _silence(start: Seconds, end: Seconds) -> _Share:
    return _Share(end, Span(start, end))


def _cut_inside(speech: _Speech, region: Span, start: Seconds, limit: Seconds) -> _Share:
    """A window that ends inside speech, at its least likely moment; both sides hear some context."""
    rules = speech.rules
    cut = speech.quietest(start + 0.6 * rules.longest, limit - rules.context)
    heard = Span(start, cut + rules.context)
    again = max(start, cut - max(rules.context, rules.overlap))
    return _Share(cut, heard, (Span(max(region.start, start), cut),), again)


def _last_that_fits(regions: Sequence[Span], limit: Seconds, rules: Rules) -> int:
    last = 0
    while last + 1 < len(regions):
        following = regions[last + 1]
        if following.start - regions[last].end >= rules.gap or following.end > limit:
            break
        last += 1
    return last


def _longest_pause(regions: Sequence[Span], last: int, limit: Seconds, rules: Rules) -> int:
    """Among the pauses in reach, the one worth cutting at: long ones (up to 1 s) first, late ones before early."""

    def worth(k: int) -> float:
        return min(regions[k + 1].start - regions[k].end, 1.0) - 0.02 * (regions[last].end - regions[k].end)

    return max((k for k in range(last + 1) if k == last or regions[k].end >= limit - rules.reach), key=worth)
