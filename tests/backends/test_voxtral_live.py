"""Voxtral Realtime heard live, with the small checkpoint of tests/tiny: the same words as from the whole sound."""

import gc
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import common

from speechcli.backends import voxtral_live, voxtral_realtime, voxtral_stream
from speechcli.backends.base import Hints, Setup
from speechcli.backends.voxtral_live import LONG_WAIT, WAIT, Saying
from speechcli.backends.voxtral_scribe import Ear
from speechcli.backends.voxtral_stream import step
from speechcli.backends.voxtral_words import Written
from speechcli.core.audio import Audio
from speechcli.core.live import Final, Partial
from speechcli.core.transcript import joined
from speechcli.errors import UnavailableError, UsageError

FOLDER = Path(__file__).parent.parent / "tiny" / "voxtral-realtime"
RATE = 16_000
TOKEN = 1280  # samples
BLOCKS = {"20 ms": 320, "80 ms": 1280, "1 s": 16_000, "uneven": (1, 700, 5000, 33), "whole": 10**9}


def opened(folder: Path = FOLDER, **wanted) -> voxtral_live.VoxtralLive:
    return voxtral_live.open(
        Setup("voxtral-realtime", folder, "", 60.0, **{"device": "cpu", "dtype": "float32", **wanted})
    )


@pytest.fixture(scope="module")
def live():
    model = opened()
    yield model
    model.close()


@pytest.fixture(scope="module")
def offline():
    return voxtral_realtime.open(Setup("voxtral-realtime", FOLDER, "", 60.0, "cpu", "float32"))


@pytest.fixture(scope="module")
def sound():
    """22 s: all clips with pauses between them."""
    pauses = (0.7, 1.9, 0.3, 2.4)
    parts = [(common.sound(n, RATE), common.faint(p, RATE)) for n, p in zip(common.CLIPS, pauses, strict=True)]
    return np.concatenate([*itertools.chain(*parts)])


# What every session can be asked; none of it knows which engine is behind it.


def cut(samples: np.ndarray, sizes: int | tuple[int, ...]):
    """The sound in blocks of these sizes, in turn."""
    at = 0
    for size in itertools.cycle((sizes,) if isinstance(sizes, int) else sizes):
        if at >= len(samples):
            return
        yield samples[at : at + size]
        at += size


def said(session, samples: np.ndarray, sizes: int | tuple[int, ...] = 1280) -> list[tuple[int, Partial | Final]]:
    """All events, each with the samples that had been fed when it came; after the last block, one more than all."""
    events, fed = [], 0
    for block in cut(samples, sizes):
        fed += len(block)
        events += [(fed, event) for event in session.feed(block)]
    return events + [(fed + 1, event) for event in session.finish()]


def finals(events) -> list[Final]:
    return [event for _, event in events if isinstance(event, Final)]


def text(events) -> str:
    return joined(tuple(word for final in finals(events) for word in final.words))


def check_order(events, duration: float) -> None:
    """Ids, spans and words are as `Partial` and `Final` say."""
    next_id, end = 0, 0.0
    for _, event in events:
        assert event.id == next_id
        assert event.words
        assert (event.start, event.end) == (event.words[0].start, event.words[-1].end)
        assert end <= event.start <= event.end <= duration
        assert all(a.end <= b.start for a, b in itertools.pairwise(event.words))
        assert "\ufffd" not in event.text
        if isinstance(event, Final):
            next_id, end = next_id + 1, event.end


# The stream is the whole sound, bit by bit.


@pytest.mark.parametrize("sizes", BLOCKS.values(), ids=BLOCKS)
def test_in_blocks_of_any_size_the_words_are_those_of_the_whole_sound(live, offline, sound, sizes):
    (whole,) = offline.transcribe([Audio(sound, RATE)], [Hints()])

    events = said(live.listen(Hints()), sound, sizes)

    assert joined(tuple(w for s in whole.segments for w in s.words)) == " ".join(map(common.text, common.CLIPS))
    found = [word for final in finals(events) for word in final.words]
    wanted = [word for segment in whole.segments for word in segment.words]
    assert [(w.start, w.end, w.text) for w in found] == [(w.start, w.end, w.text) for w in wanted]
    assert [w.confidence for w in found] == pytest.approx([w.confidence for w in wanted], abs=1e-3)
    check_order(events, len(sound) / RATE)


@pytest.mark.parametrize("sizes", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("n_samples", [1, 1279, 1280, 1320, 1321, 40_000])
def test_features_made_as_sound_comes_are_those_of_the_whole(live, sizes, n_samples):
    samples = common.sound("lady", RATE)[:n_samples]
    scribe = live.loaded.scribe
    whole = list(scribe.blocks([samples]))
    ear = Ear(scribe)

    found = [made for block in cut(samples, sizes) for made in ear.feed(block)] + list(ear.finish())

    assert next(prompt for _, prompt in found if prompt is not None).equal(whole[0][1])
    torch.testing.assert_close(
        torch.cat([f for f, _ in found], -1), torch.cat([f for f, _ in whole], -1), atol=1e-5, rtol=0
    )


def test_the_features_of_a_token_are_made_as_soon_as_its_last_frame_can_be(live):
    ear = Ear(live.loaded.scribe)
    samples = common.sound("lady", RATE)

    counts = [sum(f.shape[-1] for f, _ in ear.feed(samples[i : i + 1])) // 8 for i in range(5 * TOKEN)]

    came = [i + 1 for i, n_tokens in enumerate(counts) if n_tokens]
    assert came == [TOKEN + 40, 2 * TOKEN + 40, 3 * TOKEN + 40, 4 * TOKEN + 40]  # half a window, less a hop: 2.5 ms
    assert [counts[i - 1] for i in came] == [33, 1, 1, 1]  # with the silence on the left


def test_words_are_shown_and_become_final_while_the_sound_still_comes(live):
    samples = np.concatenate([common.sound("lady", RATE), common.faint(2, RATE)])

    events = said(live.listen(Hints()), samples, 320)

    for word, (_, _, end) in zip(finals(events), common.words("lady"), strict=True):
        shown = next(fed for fed, event in events if event.id == word.id and isinstance(event, Partial))
        assert (
            shown / RATE - end < 0.48 + 0.08 + 0.02 + 0.16
        )  # delay, mark, block, what the clip's own times are good to
    assert max(fed for fed, _ in events) < len(samples)


def test_the_last_word_is_not_lost_when_the_sound_ends_with_it(live):
    samples = common.sound("talk", RATE)[: int(common.words("talk")[-1][2] * RATE)]

    events = said(live.listen(Hints()), samples)

    assert text(events) == common.text("talk")
    assert finals(events)[-1].ends
    assert max(fed for fed, _ in events) > len(samples)  # it was only said in the flush


def test_an_utterance_ends_with_its_sentence_or_a_pause(live, sound):
    events = said(live.listen(Hints()), sound)

    ended, run = [], []
    for final in finals(events):
        run += final.words
        if final.ends:
            ended.append(joined(tuple(run)))
            run = []
    assert run == []
    assert ended == [part.text for clip in common.CLIPS.values() for part in clip]


def test_two_sessions_at_a_time_know_nothing_of_each_other(live):
    first, second = live.listen(Hints()), live.listen(Hints())
    one, other = common.sound("lady", RATE), common.sound("talk", RATE)
    events = ([], [])

    for a, b in itertools.zip_longest(cut(one, 1280), cut(other, 2000)):
        events[0].extend((0, e) for e in (first.feed(a) if a is not None else ()))
        events[1].extend((0, e) for e in (second.feed(b) if b is not None else ()))
    for session, found in zip((first, second), events, strict=True):
        found.extend((0, e) for e in session.finish())

    assert [text(found) for found in events] == [common.text("lady"), common.text("talk")]


def test_a_session_after_another_begins_with_nothing_of_it(live):
    assert [text(said(live.listen(Hints()), common.sound(n, RATE))) for n in ("talk", "modern", "talk")] == [
        common.text(n) for n in ("talk", "modern", "talk")
    ]


@pytest.mark.slow
def test_with_a_longer_delay_the_same_words_come_later_with_the_same_times(live, sound):
    slow = opened(settings={"delay_ms": "960"})

    early, late = said(live.listen(Hints()), sound, 320), said(slow.listen(Hints()), sound, 320)

    assert text(late) == text(early) == " ".join(map(common.text, common.CLIPS))
    assert all(abs(a.end - b.end) <= 0.16 for a, b in zip(finals(early), finals(late), strict=True))
    came = [{e.id: fed for fed, e in reversed(events)} for events in (early, late)]
    assert np.mean([came[1][i] - came[0][i] for i in came[0]]) / RATE == pytest.approx(0.48, abs=0.1)


@pytest.mark.parametrize("n_samples", [0, 1, 400, 8_999, 30_000])
def test_silence_and_sounds_too_short_for_a_word_say_nothing(live, n_samples):
    assert said(live.listen(Hints()), common.faint(2, RATE)[:n_samples]) == []


def test_the_callers_samples_are_neither_kept_nor_written_to(live, sound):
    session, block, events = live.listen(Hints()), np.zeros(1000, np.float32), []
    for part in cut(sound[: len(sound) // 1000 * 1000], 1000):
        block[:] = part
        block.flags.writeable = False
        events += [(0, event) for event in session.feed(block)]
        block.flags.writeable = True
        block[:] = 1.0  # it is the next recording's

    events += [(0, event) for event in session.finish()]

    assert text(events) == " ".join(map(common.text, common.CLIPS))


# Sound that was lost.


@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.0, 2.01, 7.77])
def test_behind_sound_that_was_lost_words_stand_where_they_were_spoken(live, seconds):
    session, gap = live.listen(Hints()), round(seconds * RATE)
    before = np.concatenate([common.sound("lady", RATE), common.faint(0.5, RATE)])
    after = np.concatenate([common.faint(0.5, RATE), common.sound("talk", RATE)])
    shift = (len(before) + gap) / RATE + 0.5

    events = [(0, event) for block in cut(before, 999) for event in session.feed(block)]
    events += [(0, event) for event in session.skip(gap)]
    events += said(session, after)

    wanted = common.words("lady") + [(word, start + shift, end + shift) for word, start, end in common.words("talk")]
    assert [final.text for final in finals(events)] == [word for word, _, _ in wanted]
    assert all(abs(final.end - end) <= 0.16 for final, (_, _, end) in zip(finals(events), wanted, strict=True))
    check_order(events, (len(before) + gap + len(after)) / RATE)


def test_before_a_long_gap_all_that_was_heard_is_written(live):
    session, samples = live.listen(Hints()), common.sound("modern", RATE)
    events = [(0, event) for event in session.feed(samples)]
    assert text(events) != common.text("modern")

    events += [(0, event) for event in session.skip(10 * RATE)]

    assert text(events) == common.text("modern")
    assert list(session.skip(10 * RATE)) == []
    assert list(session.finish()) == []


# Hours.


def sizes_of(session) -> dict[str, object]:
    """All that a session keeps, counted."""
    encoder = session._stream._encoder
    return {
        "ring": [tuple(layer.keys.shape) for layer in session._ring.cache.layers],
        "encoder": [layer.keys.untyped_storage().nbytes() for layer in encoder["past_key_values"].layers],
        "convolutions": [tuple(layer.cache.shape) for layer in encoder["padding_cache"].layers.values()],
        "tokens": len(session._stream._tokens) + len(session._stream._logprobs),
        "samples": len(session._ear._kept) <= TOKEN + 400,
        "word": len(session._saying._word) <= 2,
    }


def hours(live, n_rounds: int, check, sizes: int | tuple[int, ...] = TOKEN) -> list:
    """The clip "talk" again and again, every 8 s; `check` is called with the session after each round."""
    clip = np.concatenate([common.sound("talk", RATE), common.faint(8, RATE)])[: 8 * RATE]
    session, events = live.listen(Hints()), []
    for _ in range(n_rounds):
        events += [(0, event) for block in cut(clip, sizes) for event in session.feed(block)]
        check(session)
    return events + [(0, event) for event in session.finish()]


def check_hours(events, n_rounds: int) -> None:
    assert text(events) == " ".join([common.text("talk")] * n_rounds)
    wanted = [end + 8 * i for i in range(n_rounds) for _, _, end in common.words("talk")]
    assert max(abs(final.end - end) for final, end in zip(finals(events), wanted, strict=True)) <= 0.16


def test_two_minutes_are_written_rightly_and_leave_nothing_behind(live):
    """Both windows (64 frames, 96 tokens) are passed more than a dozen times."""
    n_rounds, sizes, kept = 16, [], []

    def count(session):
        sizes.append(sizes_of(session))
        if len(sizes) in (3, n_rounds):
            gc.collect()
            kept.append(len(gc.get_objects()))

    events = hours(live, n_rounds, count, (TOKEN, 20 * TOKEN))

    check_hours(events, n_rounds)
    assert sizes[2:] == [sizes[2]] * (n_rounds - 2)
    n_kept_here = (n_rounds - 3) * (len(events) / n_rounds * 6 + 10)  # events, with their words and tuples, and counts
    assert kept[1] - kept[0] < n_kept_here


def test_a_day_after_it_began_the_model_still_sees_where_things_stand(live):
    """Positions count up in float32; attention turns by their differences."""
    mel, _ = next(live.loaded.scribe.blocks([common.sound("lady", RATE)]))
    frames, tokens = torch.arange(mel.shape[-1] // 2)[None], torch.arange(90)[None]
    written = torch.randn(1, 90, 128, generator=torch.Generator().manual_seed(0))
    model = live.loaded.model.model

    def at(hours: int) -> tuple[torch.Tensor, torch.Tensor]:
        seconds = hours * 3600
        heard = model.audio_tower(input_features=mel, position_ids=frames + seconds * 50, use_cache=False)
        read = model.language_model(
            inputs_embeds=written,
            position_ids=tokens + round(seconds / 0.08),
            use_cache=False,
            t_cond=torch.zeros(1, 1, 128),
        )
        return heard.last_hidden_state, read.last_hidden_state

    with torch.inference_mode():
        for now, then in zip(at(0), at(24), strict=True):
            assert (now - then).abs().max() < now.abs().max() / 128  # bfloat16 has eight bits


@pytest.mark.slow
def test_an_hour_is_written_rightly_and_takes_no_more_memory_than_a_minute(live):
    import resource

    n_rounds, sizes, peaks = 450, [], []

    def count(session):
        sizes.append(sizes_of(session))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    events = hours(live, n_rounds, count)

    check_hours(events, n_rounds)
    assert sizes[2:] == [sizes[2]] * (n_rounds - 2)
    assert peaks[-1] - peaks[7] < 30_000  # KiB


# What shows that it was done wrongly.


def test_without_silence_on_the_right_the_last_word_is_missing():
    model = opened()
    model.loaded.scribe.right = 0

    assert text(said(model.listen(Hints()), common.sound("modern", RATE))) == "in being comparatively"


def test_a_sampled_end_of_text_ends_no_stream(live, monkeypatch):
    def ending(model, ids, sound, delay, ring):
        chosen, logprob = usual(model, torch.where(ids == 2, 32, ids), sound, delay, ring)
        return torch.where(chosen == 32, 2, chosen), logprob  # </s> for each [STREAMING_PAD]

    usual = live.step
    monkeypatch.setattr(live, "step", ending)

    assert text(said(live.listen(Hints()), common.sound("lady", RATE))) == common.text("lady")


@pytest.mark.parametrize("n_samples", [1, 1280, 1281, 20_000])
def test_what_is_made_up_behind_the_end_of_the_stream_is_left_out(live, monkeypatch, n_samples):
    def chatter(model, ids, *rest):
        _, logprobs = step(model, ids, *rest)
        return torch.full((len(ids), 1), 300), logprobs

    monkeypatch.setattr(live, "step", chatter)
    monkeypatch.setattr(voxtral_stream, "step", chatter)
    scribe = live.loaded.scribe

    events = said(live.listen(Hints()), common.sound("lady", RATE)[:n_samples])

    raw = "".join(word.text for final in finals(events) for word in final.words).encode()
    n_tokens = scribe.n_tokens(n_samples) - scribe.prompt_length
    assert raw == scribe._vocabulary.id_to_byte_piece(300) * n_tokens


# From tokens to events.


def saying(*tokens: tuple[int, str | bytes, bool], until: int = 0, language: str | None = None):
    """Events of tokens that come one by one, as in a live stream, up to an index."""
    one = Saying(language, lambda index: index * 0.08)
    events = []
    for index, piece, mark in tokens:
        raw = piece.encode() if isinstance(piece, str) else piece
        written = Written(index - mark, raw, -0.1, mark)
        events += [(index, event) for event in one.go_on([written], index + 1)]
    for index in range(tokens[-1][0] + 1, until):
        events += [(index, event) for event in one.go_on([], index + 1)]
    return events + [(-1, event) for event in one.finish()]


def shape(events) -> list[tuple[int, str, str, bool | None]]:
    return [(i, type(e).__name__, e.text, e.ends if isinstance(e, Final) else None) for i, e in events]


def test_a_word_is_partial_while_it_grows_and_final_when_the_next_begins():
    assert shape(saying((10, " L", True), (11, "obs", False), (12, "ters", False), (14, " and", True))) == [
        (10, "Partial", "L", None),
        (11, "Partial", "Lobs", None),
        (12, "Partial", "Lobsters", None),
        (14, "Final", "Lobsters", False),
        (14, "Partial", "and", None),
        (-1, "Final", "and", True),
    ]


def test_a_sentence_ends_a_moment_after_it_and_anything_else_after_a_second():
    assert shape(saying((10, " Yes.", True), until=40))[-1] == (10 + WAIT, "Final", "Yes.", True)
    assert shape(saying((10, " Yes", True), until=40))[-1] == (10 + LONG_WAIT, "Final", "Yes", True)
    assert shape(saying((10, " Mr.", True), until=40))[-1] == (10 + LONG_WAIT, "Final", "Mr.", True)


def test_a_quotation_mark_belongs_to_the_sentence_before_it():
    assert shape(saying((10, " Yes.", True), (12, "”", False), until=40))[-1] == (12 + WAIT, "Final", "Yes.”", True)


def test_no_half_of_a_character_is_shown():
    ni = "你".encode()
    events = saying((10, ni[:2], True), (12, ni[2:], False), (13, "好", False), (14, ni[:1], False))

    assert shape(events) == [
        (12, "Partial", "你", None),
        (13, "Final", "你", False),
        (13, "Partial", "好", None),
        (-1, "Final", "好", True),
    ]


def test_a_word_without_end_does_not_grow_without_end():
    events = saying(*((i, "ha", i == 0) for i in range(250)))

    assert [len(final.text) for final in finals(events)] == [200, 200, 100]
    assert not finals(events)[0].ends


# Hints, settings, weights.


def test_the_language_is_told_where_it_is_known_for_sure(live):
    for languages, wanted in ((("de",), "de"), (("de", "en"), None), ((), None)):
        events = said(live.listen(Hints(languages=languages)), common.sound("modern", RATE))
        assert {final.language for final in finals(events)} == {wanted}


def test_what_it_cannot_do_is_refused_before_it_listens(live):
    with pytest.raises(UsageError, match="Voxtral Realtime does not know Swedish"):
        live.listen(Hints(languages=("sv",)))
    with pytest.raises(UsageError, match="cannot translate"):
        live.listen(Hints(task="translate"))


def test_a_delay_between_tokens_is_refused():
    with pytest.raises(UsageError, match="in steps of 80"):
        opened(settings={"delay_ms": "500"})


def test_memory_that_is_short_is_told_in_one_line_before_it_listens(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(voxtral_stream, "step", full)

    with pytest.raises(UnavailableError, match="not enough memory to listen with Voxtral Realtime") as caught:
        opened()

    assert "\n" not in str(caught.value)


def test_a_step_is_compiled_once_before_it_listens(monkeypatch):
    """Not anew for the next session, another size of block or a later step."""
    n_graphs = 0

    def backend(graph, inputs, **_):
        nonlocal n_graphs
        n_graphs += 1
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda step, mode=None: compiled(step, backend=backend, fullgraph=True))
    model = opened(compile=True)

    assert n_graphs == 1
    for name, size in (("lady", 1280), ("talk", 16_000)):
        assert text(said(model.listen(Hints()), common.sound(name, RATE), size)) == common.text(name)
    assert n_graphs == 1
