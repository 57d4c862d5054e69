"""Voxtral Realtime's real classes and processor on real speech, with the small checkpoint of tests/tiny."""

import itertools
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import common
from transformers import AutoModelForMultimodalLM, AutoProcessor

from speechcli import pipeline
from speechcli.backends import placement_torch, registry, settings, voxtral_realtime, voxtral_stream
from speechcli.backends.base import Hints, Setup
from speechcli.backends.voxtral_realtime import Settings
from speechcli.backends.voxtral_scribe import Scribe
from speechcli.backends.voxtral_stream import step
from speechcli.backends.voxtral_words import Written, segments
from speechcli.backends.voxtral_words import words as words_of
from speechcli.core.audio import Audio
from speechcli.core.span import Span
from speechcli.core.transcript import Heard, Stage, joined
from speechcli.errors import DataError, UnavailableError, UsageError
from speechcli.timeline.windows import Window

FOLDER = Path(__file__).parent.parent / "tiny" / "voxtral-realtime"
RATE = 16_000
CLOSE = (0.2, 0.16)  # seconds: the ends of words to two tokens; when they began is judged by their length
NOTHING = Heard()
pytestmark = pytest.mark.filterwarnings("ignore:Using the model-agnostic default:UserWarning")  # generate() to itself


def opened(folder: Path = FOLDER, dtype: str = "float32", **wanted):
    return registry.open_transcriber(
        registry.resolve(registry.Wanted(str(folder), device="cpu", dtype=dtype, **wanted))
    )


@pytest.fixture(scope="module")
def voxtral():
    model = opened()
    yield model
    model.close()


@pytest.fixture(scope="module")
def at_960_ms():
    return opened(settings={"delay_ms": "960"})


@pytest.fixture(scope="module")
def clips():
    return [Audio(common.sound(name, RATE), RATE) for name in common.CLIPS]


@pytest.fixture(scope="module")
def answers(voxtral, clips):
    return heard(voxtral, *clips)


def heard(model, *audios: Audio, hints: Hints | None = None) -> list[Heard]:
    return model.transcribe(audios, [hints or Hints()] * len(audios))


def text(answer: Heard) -> str:
    return " ".join(segment.text for segment in answer.segments)


def words(answer: Heard):
    return [word for segment in answer.segments for word in segment.words]


def off(answer: Heard, wanted: list[tuple[str, float, float]]) -> tuple[float, float]:
    """How far the begins and the ends of the words lie from where they should, at most; the words being right."""
    found = words(answer)
    assert [word.text.strip() for word in found] == [word for word, _, _ in wanted]
    begins = max(abs(word.start - start) for word, (_, start, _) in zip(found, wanted, strict=True))
    return begins, max(abs(word.end - end) for word, (_, _, end) in zip(found, wanted, strict=True))


def close(found: tuple[float, float]) -> bool:
    return found[0] <= CLOSE[0] and found[1] <= CLOSE[1]


def test_every_clip_is_written_as_it_was_spoken(answers):
    assert [text(answer) for answer in answers] == [common.text(name) for name in common.CLIPS]


def test_in_bfloat16_too(clips):
    assert [text(a) for a in heard(opened(dtype="bfloat16"), *clips)] == [common.text(name) for name in common.CLIPS]


def test_words_stand_where_they_were_spoken(answers):
    for name, answer in zip(common.CLIPS, answers, strict=True):
        assert close(off(answer, common.words(name))), name
        assert {word.placed for word in words(answer)} == {"model"}


def test_a_longer_delay_is_taken_out_of_the_times_again(at_960_ms, clips):
    for name, answer in zip(common.CLIPS, heard(at_960_ms, *clips), strict=True):
        assert text(answer) == common.text(name)
        assert close(off(answer, common.words(name))), name


def test_alone_the_answer_is_that_of_the_batch(voxtral, clips, answers):
    for audio, answer in zip(clips, answers, strict=True):
        (alone,) = heard(voxtral, audio)

        assert alone.raw == answer.raw
        assert off(alone, [(w.text.strip(), w.start, w.end) for w in words(answer)]) == (0, 0)
        assert [w.confidence for w in words(alone)] == pytest.approx([w.confidence for w in words(answer)], abs=1e-3)


def test_a_row_ends_with_its_own_sound_however_long_its_neighbour_is(voxtral, clips, answers):
    long = Audio(np.concatenate([common.faint(3, RATE), clips[1].samples, clips[3].samples]), RATE)

    for i in (0, 2):
        assert heard(voxtral, clips[i], long)[0].raw == answers[i].raw


def test_words_join_to_the_text_inside_the_audio_in_order_with_confidence(clips, answers):
    for audio, answer in zip(clips, answers, strict=True):
        found = words(answer)
        assert all(joined(segment.words) == segment.text for segment in answer.segments)
        assert answer.raw.strip() == text(answer)
        assert all(0 <= word.start <= word.end <= audio.duration for word in found)
        assert all(a.end <= b.start for a, b in itertools.pairwise(found))
        assert all(word.confidence is not None and 0.5 < word.confidence <= 1 for word in found)
        assert all(segment.avg_logprob is not None and segment.avg_logprob > -0.5 for segment in answer.segments)


def stock(model, samples: np.ndarray) -> list[int]:
    """Tokens of transformers' own processor and generate(), which sees them one by one, the prompt left out."""
    inputs = model._scribe._processor(samples, return_tensors="pt")
    ids = model._model.generate(**inputs, eos_token_id=None)
    return ids[0, inputs["input_ids"].shape[1] :].tolist()


def ours(model, samples: np.ndarray, block: int) -> list[int]:
    """Taken as they come, block by block."""
    scribe, stream, tokens = model._scribe, None, []
    scribe.block = block
    for features, prompt in scribe.blocks([samples]):
        ring = voxtral_stream.Ring(model._model, 96, model._device)
        stream = stream or voxtral_stream.Stream(model._model, prompt, scribe.delay, ring)
        stream.feed(features)
        tokens += stream.take()[0][0].tolist()
    scribe.block = Settings().block
    return tokens[: scribe.n_tokens(len(samples)) - scribe.prompt_length]


@pytest.mark.parametrize("name", common.CLIPS)
def test_the_tokens_are_those_of_generate(voxtral, name):
    assert ours(voxtral, common.sound(name, RATE), 64) == stock(voxtral, common.sound(name, RATE))


@pytest.mark.parametrize("block", [1, 5, 33, 1000])
def test_the_tokens_do_not_depend_on_how_many_the_encoder_hears_at_once(at_960_ms, block):
    samples = np.concatenate([common.sound("stuff", RATE), common.faint(2, RATE), common.sound("modern", RATE)])

    assert ours(at_960_ms, samples, block) == stock(at_960_ms, samples)


@pytest.mark.parametrize("n_samples", [1, 1279, 1280, 1281, 40_000])
def test_the_features_are_those_of_the_whole_sound_at_once(voxtral, n_samples):
    samples = common.sound("lady", RATE)[:n_samples]
    whole = voxtral._scribe._processor(samples, return_tensors="pt")

    blocks = list(voxtral._scribe.blocks([samples]))

    assert blocks[0][1].equal(whole["input_ids"])
    # the processor goes through a file of 16 bits
    torch.testing.assert_close(
        torch.cat([features for features, _ in blocks], -1), whole["input_features"], atol=0.01, rtol=0
    )


def test_sound_louder_than_can_be_is_cut_off_and_the_callers_array_left_alone(voxtral):
    samples = common.sound("lady", RATE) * 32_767
    samples.flags.writeable = False
    cut = np.clip(samples, -1, 1)

    for (found, _), (wanted, _) in zip(voxtral._scribe.blocks([samples]), voxtral._scribe.blocks([cut]), strict=True):
        assert found.equal(wanted)
    assert heard(voxtral, Audio(samples, RATE)) == heard(voxtral, Audio(cut, RATE))


def test_probabilities_are_those_of_the_whole_model_at_once_also_beyond_its_window(voxtral):
    """130 tokens go through an attention of 96: nothing of it may look at what it should not."""
    model, scribe = voxtral._model, voxtral._scribe
    samples = np.concatenate([common.sound("stuff", RATE), common.faint(3, RATE)])
    stream, features = None, []
    for mel, prompt in scribe.blocks([samples]):
        if prompt is not None:
            begun, ring = prompt, voxtral_stream.Ring(model, 96, voxtral._device)
            stream = voxtral_stream.Stream(model, prompt, scribe.delay, ring)
        features.append(mel)
        stream.feed(mel)
    tokens, logprobs = stream.take()
    ids = torch.cat([begun, torch.from_numpy(tokens)], 1)[:, :-1]
    assert ids.shape[1] > 125

    with torch.inference_mode():
        logits = model(
            input_ids=ids, input_features=torch.cat(features, -1), num_delay_tokens=scribe.delay, use_cache=False
        ).logits[0, begun.shape[1] - 1 :]
    whole = logits.log_softmax(-1).gather(-1, torch.from_numpy(tokens[0])[:, None])[:, 0]

    torch.testing.assert_close(torch.from_numpy(logprobs[0]), whole, atol=1e-4, rtol=1e-3)


def test_what_is_made_up_behind_the_end_of_a_shorter_row_is_left_out(voxtral, clips, monkeypatch):
    def chatter(model, ids, *rest):
        _, logprobs = step(model, ids, *rest)
        return torch.full((len(ids), 1), 300), logprobs

    monkeypatch.setattr(voxtral, "_step", chatter)
    monkeypatch.setattr(voxtral_stream, "step", chatter)

    rows = voxtral._write([clips[0].samples, clips[3].samples])

    wanted = [voxtral._scribe.n_tokens(len(clips[i].samples)) - voxtral._scribe.prompt_length for i in (0, 3)]
    assert [len(row) for row in rows] == wanted


@pytest.mark.parametrize("gain", [0.7, 1.4])
def test_loudness_does_not_matter(voxtral, clips, gain):
    louder = [Audio(audio.samples * np.float32(gain), RATE) for audio in clips]

    assert [text(answer) for answer in heard(voxtral, *louder)] == [common.text(name) for name in common.CLIPS]


def test_silence_and_noise_say_nothing(voxtral):
    noise = np.random.default_rng(1).normal(0, 0.05, 5 * RATE).astype(np.float32)

    assert heard(voxtral, *(Audio(s, RATE) for s in (common.faint(7, RATE), noise, noise * 0))) == [NOTHING] * 3


@pytest.mark.parametrize("n_samples", [0, 1, 400, 8_999])
def test_audio_shorter_than_the_first_step_is_legal(voxtral, clips, answers, n_samples):
    short = Audio(common.faint(1, RATE)[:n_samples], RATE)

    assert heard(voxtral, short) == [NOTHING]
    assert [a.raw for a in heard(voxtral, clips[0], short)] == [answers[0].raw, ""]


def test_two_minutes_of_clips_and_silences_are_written_with_their_true_times(voxtral):
    random = np.random.default_rng(3)
    parts, wanted, at = [], [], 0.0
    for name in [*common.CLIPS] * 5:
        pause = float(np.round(random.uniform(0.6, 4), 3))
        parts += [common.faint(pause, RATE), common.sound(name, RATE)]
        wanted += [(word, start + at + pause, end + at + pause) for word, start, end in common.words(name)]
        at += pause + len(parts[-1]) / RATE
    assert at > 120

    (answer,) = heard(voxtral, Audio(np.concatenate(parts), RATE))

    assert close(off(answer, wanted))
    assert [s.text for s in answer.segments] == [p.text for name in [*common.CLIPS] * 5 for p in common.CLIPS[name]]


# What shows that it was prepared wrongly.


@pytest.mark.parametrize("rate", [8_000, 11_025, 24_000, 48_000])
def test_a_wrong_rate_gives_wrong_words(voxtral, rate):
    for name in common.CLIPS:
        assert text(heard(voxtral, Audio(common.sound(name, rate), RATE))[0]) != common.text(name)


def test_without_silence_on_the_right_the_last_words_are_missing(clips, answers):
    model = opened()
    model._scribe.right = 0

    short = heard(model, *clips)

    assert all(a.raw != b.raw and b.raw.startswith(a.raw) for a, b in zip(short, answers, strict=True))


def test_a_delay_that_the_prompt_is_not_made_for_shows_in_the_times(clips):
    model = opened()
    model._scribe.delay = 12  # the prompt is made for 6

    for name, answer in zip(common.CLIPS, heard(model, *clips), strict=True):
        assert text(answer) != common.text(name) or max(off(answer, common.words(name))) > 0.4


# Hints, settings, weights.


def test_a_language_it_knows_is_kept_where_it_is_forced_and_none_is_made_up(voxtral, clips):
    told = [Hints(languages=("de",)), Hints(languages=("de", "en")), Hints()]

    found = voxtral.transcribe([clips[0]] * 3, told)

    assert [answer.language for answer in found] == ["de", None, None]
    assert [answer.segments[0].language for answer in found] == ["de", None, None]


def test_a_language_it_does_not_know_is_refused(voxtral, clips):
    with pytest.raises(UsageError, match="Voxtral Realtime does not know Swedish"):
        heard(voxtral, clips[0], hints=Hints(languages=("sv",)))


def test_it_does_not_translate(voxtral, clips):
    with pytest.raises(UsageError, match="cannot translate"):
        heard(voxtral, clips[0], hints=Hints(task="translate"))


@pytest.mark.parametrize("hints", [Hints(hotwords=("Lobsters",)), Hints(context="a menu")])
def test_hotwords_and_context_change_nothing_and_it_says_so(voxtral, clips, answers, hints):
    (answer,) = heard(voxtral, clips[0], hints=hints)

    assert answer.raw == answers[0].raw
    assert answer.notes == ("Voxtral Realtime takes no hotwords or context",)


@pytest.mark.parametrize(
    ("given", "delay"),
    [
        ({}, 6),
        ({"delay_ms": "80"}, 1),
        ({"delay-ms": "2400"}, 30),
        ({"num_delay_tokens": "12"}, 12),
        ({"num_delay_tokens": "12", "delay_ms": "960"}, 12),
    ],
)
def test_the_delay_is_said_in_milliseconds_or_tokens(given, delay):
    assert settings.parse(Settings, given).delay == delay


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"delay_ms": "500"}, "in steps of 80"),
        ({"delay_ms": "2480"}, "80 to 2400"),
        ({"delay_ms": "0"}, "80 to 2400"),
        ({"num_delay_tokens": "0"}, "80 to 2400"),
        ({"num_delay_tokens": "31"}, "80 to 2400"),
        ({"num_delay_tokens": "6", "delay_ms": "960"}, "contradict"),
        ({"block": "0"}, "at least 1"),
        ({"beam_size": "5"}, "known: delay_ms, num_delay_tokens, block"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(given, message):
    with pytest.raises(UsageError, match=message) as caught:
        settings.parse(Settings, given)

    assert "\n" not in str(caught.value)


def test_every_delay_can_be_asked_for(clips):
    for delay in (80, 2400):
        model = opened(settings={"delay_ms": str(delay)})
        assert all(word.end <= clips[0].duration for word in words(heard(model, clips[0])[0]))
        assert dict(model.stage.settings)["delay_ms"] == str(delay)


def test_eager_attention_gives_the_same_words(clips, answers):
    assert [a.raw for a in heard(opened(attention="eager"), *clips)] == [a.raw for a in answers]


def test_attention_that_cannot_mask_is_refused():
    with pytest.raises(UsageError, match="sdpa or eager attention, not flash_attention_2"):
        opened(attention="flash_attention_2")


def test_compiling_needs_a_batch_of_one_size():
    with pytest.raises(UsageError, match="--batch-size"):
        opened(compile=True, batch_size=-1)


def test_a_compiled_batch_too_large_for_the_device_is_halved_too(clips, answers, monkeypatch):
    def small(model, ids, *rest):
        if len(ids) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return step(model, ids, *rest)

    monkeypatch.setattr(torch, "compile", lambda step, mode=None: small)
    model = opened(compile=True, longest=20.0, batch_size=4)
    windows = [(Window((i,), *[Span(0, a.duration)] * 2, (Span(0, a.duration),)), a) for i, a in enumerate(clips)]

    assert [a.raw for a in pipeline.listen(model, windows, [Hints()] * 4)] == [a.raw for a in answers]


def test_a_step_that_cannot_be_compiled_is_told_in_one_line(clips, monkeypatch):
    def backend(graph, inputs, **_):
        raise RuntimeError("no compiler\nat all")

    torch._dynamo.reset()
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda step, mode=None: compiled(step, backend=backend))

    with pytest.raises(UnavailableError, match=r"cannot be compiled here \(no compiler\); leave --compile out"):
        heard(opened(compile=True, longest=20.0, batch_size=1), clips[0])


def test_weights_that_do_not_fit_are_read_as_they_are_needed_and_answer_the_same(clips, answers):
    setup = Setup("voxtral-realtime", FOLDER, "", 60.0, "cpu", "float32")
    place = placement_torch.place("cpu", "float32")
    model = placement_torch.load(AutoModelForMultimodalLM, setup, place, max_memory={"cpu": "700KB"})
    scribe = Scribe(AutoProcessor.from_pretrained(FOLDER), Settings().delay, Settings().block)
    loaded = voxtral_realtime.Loaded(model, scribe, place.device, Stage("transcribe", "", ""))
    spread = voxtral_realtime.VoxtralRealtime(loaded, setup, 600.0)

    assert "disk" in model.hf_device_map.values()
    assert heard(spread, clips[0])[0].raw == answers[0].raw


def test_batch_sizes(voxtral):
    assert voxtral.traits.batch == 8
    assert opened(batch_size=3).traits.batch == 3
    assert opened(batch_size=-1).traits.batch > 1000


def test_a_step_is_compiled_once_and_gives_the_same(clips, answers, monkeypatch):
    """Not anew for another batch, another length or a later step."""
    n_graphs = 0

    def backend(graph, inputs, **_):
        nonlocal n_graphs
        n_graphs += 1
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda step, mode=None: compiled(step, backend=backend, fullgraph=True))
    model = opened(compile=True, longest=20.0)

    assert [answer.raw for answer in heard(model, *clips)] == [answer.raw for answer in answers]
    assert n_graphs == 1
    assert heard(model, clips[0])[0].raw == answers[0].raw
    assert n_graphs == 1


def test_a_batch_too_large_for_the_device_is_halved_and_answers_the_same(voxtral, clips, answers, monkeypatch):
    def small(model, ids, *rest):
        if len(ids) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return step(model, ids, *rest)

    monkeypatch.setattr(voxtral, "_step", small)
    windows = [(Window((i,), *[Span(0, a.duration)] * 2, (Span(0, a.duration),)), a) for i, a in enumerate(clips)]

    assert [a.raw for a in pipeline.listen(voxtral, windows, [Hints()] * 4)] == [a.raw for a in answers]


def copied(folder: Path) -> Path:
    return Path(shutil.copytree(FOLDER, folder / "model"))


def test_weights_that_are_not_whole_are_told_in_one_line(tmp_path):
    folder = copied(tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])

    with pytest.raises(DataError, match=re.escape(str(folder))) as caught:
        opened(folder)

    assert "\n" not in str(caught.value)


def test_weights_that_are_missing_are_told_in_one_line(tmp_path):
    folder = copied(tmp_path)
    (folder / "model.safetensors").unlink()

    with pytest.raises(DataError, match=re.escape(str(folder))) as caught:
        opened(folder)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", '{"config": {}, "vocab": []}'])
def test_a_tokenizer_that_is_not_whole_is_told_in_one_line(tmp_path, content):
    folder = copied(tmp_path)
    (folder / "tekken.json").unlink()
    if content is not None:
        (folder / "tekken.json").write_text(content)

    with pytest.raises(DataError, match=r"tekken\.json") as caught:
        opened(folder)

    assert "\n" not in str(caught.value)


def test_without_mistral_common_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(voxtral_realtime, "find_spec", lambda name: None)

    with pytest.raises(UnavailableError, match=r'pip install "mistral-common\[audio\]"'):
        opened()


# From tokens to words.


def written(*tokens: tuple[int, str | bytes, bool]) -> list[Written]:
    return [Written(i, piece.encode() if isinstance(piece, str) else piece, -0.1, mark) for i, piece, mark in tokens]


def grouped(tokens: list[Written], duration: float = 100.0):
    return words_of(tokens, lambda index: index * 0.08, duration)


def test_a_word_is_its_tokens_up_to_the_next_blank_or_mark():
    found = grouped(written((10, " L", True), (12, "obs", False), (13, "ters", False), (14, " and", False)))

    assert [(timed.word.text, timed.word.end) for timed in found] == [(" Lobsters", 0.8), (" and", 1.12)]
    assert found[0].word.confidence == pytest.approx(math.exp(-0.1), abs=1e-4)


def test_chinese_is_parted_by_characters_also_where_a_character_is_several_tokens():
    one, two = "你".encode(), "，".encode()
    tokens = written((10, one[:2], True), (12, one[2:], False), (13, "好", False), (14, two, False), (15, "吗", False))

    assert [timed.word.text for timed in grouped(tokens)] == ["你", "好，", "吗"]


def test_a_word_is_not_given_the_silence_before_it_nor_time_outside_the_audio():
    first, last = (timed.word for timed in grouped(written((5, " Yes", True), (100, " no", True)), duration=7.5))

    assert last.end == 7.5
    assert last.end - last.start < 0.5
    assert first.start >= 0


def test_segments_end_with_sentences_and_long_pauses_but_not_with_mr():
    tokens = written(
        (10, " Mr.", True), (15, " Day", True), (20, " left.", True), (24, " He", True), (60, " ran", True)
    )

    assert [segment.text for segment in segments(grouped(tokens), None)] == ["Mr. Day left.", "He", "ran"]


@pytest.mark.slow
def test_an_hour_takes_no_more_memory_than_a_minute(voxtral):
    import resource

    clip = np.concatenate([common.sound("talk", RATE), common.faint(54.325, RATE)])
    heard(voxtral, Audio(clip, RATE))
    hour = Audio(np.tile(clip, 60), RATE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    (answer,) = heard(voxtral, hour)

    assert text(answer) == " ".join([common.text("talk")] * 60)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
