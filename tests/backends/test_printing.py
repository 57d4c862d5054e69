"""Voices of windows, printed by what needs no weights and by community-1's model, and linked by that."""

from collections.abc import Sequence

import numpy as np
import pytest
import soxr
import spoken

from speechcli.backends import diarizers, printing
from speechcli.backends.cepstra import Cepstra
from speechcli.core.audio import Audio
from speechcli.core.span import Span
from speechcli.core.transcript import Heard, Segment
from speechcli.timeline.speakers import cosine, link
from speechcli.timeline.stitch import Answer
from speechcli.timeline.windows import Window

EARLY = ("1089-134686-0000", "1688-142285-0000", "2414-128291-0002", "LJ001-0001")  # as they are first heard
LATER = ("LJ001-0003", "1688-142285-0000", "2414-128291-0000", "1089-134686-0001")  # and an hour later
SPEAKERS = {name: name.split("-")[0] for name in (*EARLY, *LATER)}


@pytest.fixture(scope="module", params=["cepstra", "community-1"])
def printer(request):
    if request.param == "cepstra":
        return Cepstra()
    opened = diarizers.open_printer()
    if opened is None:
        pytest.skip("needs the extra: pip install speechcli[diarize]")
    return opened


def window(names: Sequence[str], rate: int, half: int) -> tuple[Audio, dict[str, list[Span]]]:
    """The first or second halves of these clips, one after the other, at some rate; and who talks where."""
    parts, talk, at = [], {}, 0.0
    for i, name in enumerate(names):
        whole = spoken.clip(name).samples
        part = soxr.resample(np.array_split(whole, 2)[half], spoken.RATE, rate)
        parts.append(part)
        talk[str(i)] = [Span(at, at + len(part) / rate)]
        at = talk[str(i)][0].end
    return Audio(np.concatenate(parts).astype(np.float32), rate), talk


def answer(printer, index: int, start: float, names: Sequence[str], rate: int) -> Answer:
    audio, talk = window(names, rate, index % 2)
    own = Span(start, start + audio.duration)
    segments = tuple(
        Segment(s.start, s.end, name, speaker=i) for name, (i, (s,)) in zip(names, talk.items(), strict=True)
    )
    return Answer(Window((index,), own, own, ()), Heard(segments, voices=printing.voices(printer, audio, talk)))


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_speakers_that_a_window_numbers_anew_keep_their_names(printer, rate):
    later = EARLY[::-1] if isinstance(printer, Cepstra) else LATER  # cepstra know voices again in the same recording
    groups = [[answer(printer, 0, 0.0, EARLY, rate)], [answer(printer, 1, 3600.0, later, rate)]]

    linked = list(link(groups, printer.alike))

    names = {}
    for group in linked:
        for segment in group[0].heard.segments:
            names.setdefault(SPEAKERS[segment.text], set()).add(segment.speaker)
    assert sorted(map(sorted, names.values())) == [[f"SPEAKER_{i:02d}"] for i in range(4)]


def test_a_print_is_of_talk_in_which_nobody_else_talks(printer):
    audio, talk = window(EARLY[:2], 16_000, 0)
    (first,), (second,) = talk.values()
    mixed = audio.samples.copy()
    n_both = round(2.0 * 16_000)
    begin = round(second.start * 16_000)
    mixed[begin - n_both : begin] += mixed[begin : begin + n_both]  # both talk in the last two seconds of the first

    (alone,) = printing.voices(printer, Audio(audio.samples[: begin - n_both], 16_000), {"a": [Span(0, first.end - 2)]})
    found = printing.voices(printer, Audio(mixed, 16_000), {"a": [first], "b": [Span(second.start - 2, second.end)]})

    assert cosine(found[0].print, alone.print) > 0.99
    assert found[0].seconds == pytest.approx(first.duration)


def test_who_says_too_little_has_no_print(printer):
    audio, talk = window(EARLY[:2], 16_000, 0)
    talk["2"] = [Span(1.0, 1.02)]
    talk["3"] = []

    assert [voice.speaker for voice in printing.voices(printer, audio, talk)] == ["0", "1"]


def test_prints_have_unit_length_and_a_threshold_between_the_same_and_others(printer):
    audio, talk = window(EARLY, 16_000, 0)
    prints = [voice.print for voice in printing.voices(printer, audio, talk)]

    assert [sum(x * x for x in one) for one in prints] == pytest.approx([1.0] * 4, abs=1e-3)
    others = [cosine(a, b) for i, a in enumerate(prints) for b in prints[:i]]
    assert max(others) < printer.alike < 0.9
    assert printer.name


def test_transcribers_that_tell_no_speakers_need_no_weights():
    assert isinstance(printing.opened(tells_speakers=False), Cepstra)


def test_a_voice_is_known_by_where_it_talks_alone_if_that_is_enough():
    assert printing.telling([Span(0, 8)], [Span(4, 6)]) == [Span(0, 4), Span(6, 8)]
    assert printing.telling([Span(0, 8)], [Span(1, 7)]) == [Span(0, 8)]  # two seconds alone are too little


def test_an_hour_of_a_voice_is_looked_at_in_pieces_from_all_over_it():
    pieces = printing.telling([Span(0, 3600)], [])

    assert sum(piece.duration for piece in pieces) == 120
    assert max(piece.duration for piece in pieces) == 10
    assert [piece.start for piece in pieces] == [300.0 * i for i in range(12)]


def test_a_piece_or_two_are_taken_whole():
    assert printing.telling([Span(20, 35), Span(0, 5), Span(4, 6)], []) == [Span(0, 6), Span(20, 30), Span(30, 35)]
    assert printing.telling([], []) == []
