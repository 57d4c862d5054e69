"""Transcripts of channels become one: whose words, in which order, and how far they can be trusted."""

from speechcli.core.span import Span
from speechcli.core.transcript import Dropped, Segment, Transcript, Turn, Verdict, Word
from speechcli.timeline.channels import joined, turns_of


def said(text: str, *starts: float) -> Segment:
    """A segment of words of 0.4 s."""
    words = tuple(Word(at, at + 0.4, f" {word}") for word, at in zip(text.split(), starts, strict=True))
    return Segment(words[0].start, words[-1].end, text, words, language="en")


def one(*segments: Segment, **verdict: object) -> Transcript:
    return Transcript("call.wav", 20.0, segments, verdict=Verdict(**verdict))


def test_turns_go_by_the_channel_and_a_breath_does_not_end_one():
    speech = {0: [Span(5.0, 6.0)], 1: [Span(0.0, 1.0), Span(1.4, 2.0), Span(3.0, 9.0)]}

    assert turns_of(speech, 8.0) == (
        Turn(0.0, 2.0, "SPEAKER_01"),
        Turn(3.0, 8.0, "SPEAKER_01"),
        Turn(5.0, 6.0, "SPEAKER_00"),
    )


def test_segments_are_in_order_and_each_is_its_channels_speakers():
    first = one(said("hello", 0.0), said("goodbye", 8.0))
    second = one(Segment(4.0, 6.0, "Well.", speaker="7"))

    whole = joined({0: first, 1: second}, turns_of({0: [Span(0, 0.4), Span(8, 8.4)], 1: [Span(4, 6)]}, 20.0))

    assert [(s.text, s.speaker) for s in whole.segments] == [
        ("hello", "SPEAKER_00"),
        ("Well.", "SPEAKER_01"),
        ("goodbye", "SPEAKER_00"),
    ]
    assert {word.speaker for word in whole.words} == {"SPEAKER_00"}
    assert whole.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert whole.language == "en"


def test_a_segment_is_cut_where_somebody_else_talks_in_its_pause():
    turns = turns_of({0: [Span(0.0, 0.9), Span(4.0, 4.9)], 1: [Span(1.5, 3.0)]}, 20.0)

    whole = joined({0: one(said("so I said", 0.0, 0.5, 4.0)), 1: one(said("who did", 1.5, 2.0))}, turns)

    assert [s.text for s in whole.segments] == ["so I", "who did", "said"]


def test_a_segment_stays_whole_where_nobody_else_talks_or_both_do_at_once():
    pause = turns_of({0: [Span(0.0, 0.9), Span(4.0, 4.9)], 1: [Span(10.0, 11.0)]}, 20.0)
    together = turns_of({0: [Span(0.0, 4.9)], 1: [Span(1.5, 3.0)]}, 20.0)
    parts = {0: one(said("so I said", 0.0, 0.5, 4.0)), 1: one()}

    assert [s.text for s in joined(parts, pause).segments] == ["so I said"]
    assert [s.text for s in joined(parts, together).segments] == ["so I said"]


def test_the_verdict_weighs_the_channels_by_their_speech():
    first = one(coverage=1.0, speech=30.0, gaps=(Span(9, 12),), loops=1, notes=("a", "b"))
    second = one(coverage=0.2, speech=10.0, gaps=(Span(3, 6),), guessed=2, notes=("b",), complete=False)

    verdict = joined({0: first, 1: second}, ()).verdict

    assert (verdict.coverage, verdict.speech) == (0.8, 40.0)
    assert verdict.gaps == (Span(3, 6), Span(9, 12))
    assert (verdict.loops, verdict.guessed, verdict.complete, verdict.notes) == (1, 2, False, ("a", "b"))


def test_a_silent_channel_has_no_say_and_two_leave_the_coverage_unknown():
    spoken, silent = one(coverage=0.5, speech=12.0, dropped=(Dropped(1, 2, "you", "silence"),)), one(speech=0.0)

    verdict = joined({0: silent, 1: spoken}, ()).verdict

    assert (verdict.coverage, verdict.speech, len(verdict.dropped)) == (0.5, 12.0, 1)
    assert joined({0: silent, 1: silent}, ()).verdict.coverage is None
    assert joined({0: one(), 1: one()}, ()).verdict.speech is None
