"""Qwen3-ASR's real classes and processor on real speech, with the small checkpoint of tests/tiny."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soxr
import torch
from tiny import common
from tiny.make_qwen3 import GERMAN, HEARD_WITH, HOTWORD

from speechcli import pipeline
from speechcli.backends import qwen3_asr, registry, settings
from speechcli.backends.base import Hints, OutOfMemoryError, Setup
from speechcli.backends.qwen3_asr import Settings
from speechcli.core.audio import Audio
from speechcli.core.languages import QWEN3_ASR
from speechcli.core.span import Span
from speechcli.core.transcript import Heard, joined
from speechcli.errors import DataError, UnavailableError, UsageError
from speechcli.timeline.windows import Window

FOLDER = Path(__file__).parent.parent / "tiny" / "qwen3-asr"
RATE = 16_000
NAMES = tuple(common.CLIPS)


def opened(folder: Path = FOLDER, dtype: str = "float32", **wanted):
    return registry.open_transcriber(
        registry.resolve(registry.Wanted(str(folder), device="cpu", dtype=dtype, **wanted))
    )


@pytest.fixture(scope="module")
def qwen():
    model = opened()
    yield model
    model.close()


@pytest.fixture(scope="module")
def clips():
    return [Audio(common.sound(name, RATE), RATE) for name in NAMES]


@pytest.fixture(scope="module")
def answers(qwen, clips):
    return qwen.transcribe(clips, [Hints()] * len(clips))


def sound(*parts: np.ndarray) -> Audio:
    return Audio(np.concatenate(parts).astype(np.float32), RATE)


def clip(name: str) -> Audio:
    return Audio(common.sound(name, RATE), RATE)


def heard(model, audio: Audio, hints: Hints | None = None) -> Heard:
    (answer,) = model.transcribe([audio], [hints or Hints()])
    return answer


def text(answer: Heard) -> str:
    return " ".join(segment.text for segment in answer.segments)


def test_each_clip_is_heard_with_its_words_and_its_language(answers):
    assert [text(answer) for answer in answers] == [common.text(name) for name in NAMES]
    assert {answer.language for answer in answers} == {"en"}
    assert {segment.language for answer in answers for segment in answer.segments} == {"en"}
    assert [answer.raw for answer in answers] == [f"language English<asr_text>{common.text(name)}" for name in NAMES]


def test_a_clip_gives_the_same_answer_alone_and_in_any_batch(qwen, clips, answers):
    alone = [heard(qwen, audio) for audio in clips]
    backwards = qwen.transcribe(clips[::-1], [Hints()] * len(clips))

    assert alone == answers
    assert backwards == answers[::-1]


def test_silence_around_a_clip_and_another_volume_change_no_word(qwen):
    for name in NAMES:
        quiet = common.faint(1.3, RATE, 31)
        assert text(heard(qwen, sound(quiet, common.sound(name, RATE), quiet))) == common.text(name)
        assert text(heard(qwen, sound(common.sound(name, RATE) * 0.8))) == common.text(name)


def test_silence_and_noise_give_nothing_however_short(qwen):
    noise = np.random.default_rng(3).normal(0, 0.03, 3 * RATE)
    audios = [sound(np.zeros(2 * RATE)), sound(common.faint(5, RATE, 8)), sound(noise), sound(np.zeros(7))]

    found = qwen.transcribe(audios, [Hints()] * len(audios))

    assert [answer.segments for answer in found] == [()] * len(audios)
    assert {answer.raw for answer in found} == {"language None<asr_text>"}


def test_empty_audio_is_legal_and_changes_nothing_for_its_neighbours(qwen, clips, answers):
    found = qwen.transcribe([clips[0], sound(np.zeros(0)), clips[1]], [Hints()] * 3)

    assert found == [answers[0], Heard(), answers[1]]


def test_the_text_lies_where_speech_was_heard(qwen, clips):
    told = heard(qwen, clips[1], Hints(speech=(Span(0.5, 1.2), Span(2.0, 9.0))))
    not_told = heard(qwen, clips[1])

    assert [(s.start, s.end) for s in told.segments] == [(0.5, clips[1].duration)]
    assert [(s.start, s.end) for s in not_told.segments] == [(0.0, clips[1].duration)]


def test_arrays_are_not_written_to(qwen, clips):
    assert not clips[0].samples.flags.writeable  # reading them would have failed otherwise
    heard(qwen, clips[0])


def test_a_forced_language_is_the_answers_and_changes_its_words(qwen):
    english = heard(qwen, clip("stuff"), Hints(languages=("en",)))
    german = heard(qwen, clip("stuff"), Hints(languages=("de",)))

    assert (text(english), english.language) == (common.text("stuff"), "en")
    assert (text(german), german.language, german.segments[0].language) == (GERMAN, "de", "de")


def test_of_several_languages_the_likeliest_is_taken_when_another_was_detected(qwen):
    first = heard(qwen, clip("stuff"), Hints(languages=("fr", "de")))
    last = heard(qwen, clip("stuff"), Hints(languages=("de", "pl", "fr")))
    detected = heard(qwen, clip("stuff"), Hints(languages=("fr", "en", "de")))

    assert (text(first), first.language) == (text(last), last.language) == (GERMAN, "de")
    assert (text(detected), detected.language) == (common.text("stuff"), "en")


def test_a_list_of_languages_does_not_make_words_out_of_silence(qwen):
    found = heard(qwen, sound(common.faint(4, RATE, 8)), Hints(languages=("fr", "de")))

    assert found.segments == ()


def test_each_audio_of_a_batch_has_its_own_hints(qwen):
    told = [Hints(), Hints(languages=("de",)), Hints(languages=("fr", "de")), Hints(hotwords=(HOTWORD,))]
    audios = [clip("stuff"), clip("stuff"), clip("stuff"), clip("lady")]

    together = qwen.transcribe(audios, told)

    assert [text(h) for h in together] == [common.text("stuff"), GERMAN, GERMAN, HEARD_WITH]
    assert together == [heard(qwen, audio, hints) for audio, hints in zip(audios, told, strict=True)]


def test_a_language_of_the_model_reaches_its_prompt_under_the_models_own_name(qwen):
    prompts = {
        code: qwen._processor.apply_transcription_request(common.sound("lady", RATE), language=name, tokenize=False)[0]
        for code, name in qwen3_asr._NAMES.items()
    }

    assert set(prompts) == set(QWEN3_ASR)
    assert prompts["tl"].endswith("language Filipino<asr_text>")
    assert prompts["yue"].endswith("language Cantonese<asr_text>")


def test_a_language_that_the_model_lacks_is_refused_with_those_it_knows(qwen, clips):
    for languages in (("la",), ("en", "la")):
        with pytest.raises(UsageError, match=r"does not know Latin; its 30: zh en yue"):
            heard(qwen, clips[0], Hints(languages=languages))


def test_it_does_not_translate(qwen, clips):
    with pytest.raises(UsageError, match="cannot translate"):
        heard(qwen, clips[0], Hints(task="translate"))


def test_a_hotword_or_a_context_changes_what_is_heard_and_others_do_not(qwen):
    assert text(heard(qwen, clip("lady"), Hints(hotwords=(HOTWORD,)))) == HEARD_WITH
    assert text(heard(qwen, clip("lady"), Hints(context=HOTWORD))) == HEARD_WITH
    assert text(heard(qwen, clip("lady"), Hints(hotwords=("Nell",)))) == common.text("lady")


def test_special_tokens_in_hotwords_and_context_are_taken_out(qwen):
    told = qwen._told(Hints(hotwords=("<|im_end|>Mi", "<|audio_pad|>"), context="a<asr_text>b \ud800<|unheard of|>"))

    assert told == "Mi,  \na b ?"
    assert text(heard(qwen, clip("lady"), Hints(hotwords=(f"<|im_end|>{HOTWORD}<|im_start|>",)))) == HEARD_WITH


@pytest.mark.parametrize(
    ("said", "hints", "dropped"),
    [
        ("Nell, Milady", Hints(hotwords=("Nell", "Milady")), True),
        ("nell milady.", Hints(hotwords=("Nell", "Milady"), context="a talk at sea"), True),
        ("Nell", Hints(hotwords=("Nell",), speech=(Span(0, 30),)), True),
        ("Nell!", Hints(hotwords=("Nell",), speech=(Span(0, 1),)), False),
        ("A talk about the sea.", Hints(context="a talk about the sea"), True),
        ("Nell, a talk about the sea.", Hints(hotwords=("Nell",), context="a talk about the sea"), True),
        ("Nell spoke to Milady", Hints(hotwords=("Nell", "Milady")), False),
        ("哈利 波特", Hints(hotwords=("哈利", "波特")), True),
        ("Yes.", Hints(context="yes"), False),
    ],
)
def test_text_that_was_told_and_not_heard_is_dropped_with_its_reason(qwen, said, hints, dropped):
    request = qwen3_asr._Request(torch.zeros(1, 1), 9)
    tokens = qwen._tokenizer(f"language English<asr_text>{said}")["input_ids"]

    found = qwen._heard(sound(np.zeros(RATE)), hints, request, qwen3_asr._Answer(tokens, True))

    assert bool(found.dropped) == dropped
    assert [d.text for d in found.dropped] + [s.text for s in found.segments] == [said]
    assert all(d.reason for d in found.dropped)


def test_an_endless_pattern_is_counted_as_a_loop_and_cut(qwen):
    request = qwen3_asr._Request(torch.zeros(1, 1), 9)
    tokens = qwen._tokenizer("language English<asr_text>Well " + "ha" * 60)["input_ids"]

    found = qwen._heard(sound(np.zeros(RATE)), Hints(), request, qwen3_asr._Answer(tokens, False))

    assert (text(found), found.loops) == ("Well ha", 1)


def test_an_answer_cut_off_by_the_token_limit_says_so(clips):
    short = opened(settings={"max_new_tokens": "9"})

    found = heard(short, clips[1])

    assert common.text(NAMES[1]).startswith(text(found))
    assert text(found) != common.text(NAMES[1])
    assert found.notes == ("an answer was cut off after 9 tokens (--set max_new_tokens)",)


def test_an_answer_cut_off_before_its_text_is_empty(clips):
    found = heard(opened(settings={"max_new_tokens": "2"}), clips[1])

    assert found.segments == ()
    assert found.notes


def test_the_limit_grows_with_the_sound_and_is_each_audios_own(qwen, clips, monkeypatch):
    asked = []
    generate = qwen._model.generate
    monkeypatch.setattr(
        qwen._model, "generate", lambda **told: asked.append(told["max_new_tokens"]) or generate(**told)
    )

    heard(qwen, sound(np.zeros(RATE * 20)))
    row = [qwen._tokenizer("sea")["input_ids"][0]] * 50

    assert asked == [64 + 240]
    assert qwen._ended(row, 7) == qwen3_asr._Answer(row[:7], False)
    assert qwen._ended([*row, min(qwen._ends), *row], 60) == qwen3_asr._Answer(row, True)


def test_an_answer_without_an_end_is_tried_once_more_without_repetitions(qwen, clips, answers, monkeypatch):
    """The first try is made endless by forbidding the end."""
    generate, asked = qwen._model.generate, []

    def endless(**told):
        asked.append([type(rule).__name__ for rule in told["logits_processor"]])
        return generate(**told, **({} if asked[-1] else {"suppress_tokens": [*qwen._ends]}))

    monkeypatch.setattr(qwen._model, "generate", endless)

    found = heard(qwen, clips[0])

    assert asked == [[], ["NoRepeatNGramLogitsProcessor"]]
    assert found.segments == answers[0].segments
    assert found.notes == ("an answer without an end was tried again, no 8 tokens twice",)


def test_bfloat16_and_eager_attention_give_the_same_words(clips, answers):
    for model in (opened(dtype="bfloat16"), opened(attention="eager"), opened(attention="sdpa")):
        found = model.transcribe(clips, [Hints()] * len(clips))

        assert [text(h) for h in found] == [text(h) for h in answers]
        assert dict(model.stage.settings)["dtype"] in ("bfloat16", "float32")


def test_a_compiled_step_gives_the_same_answers_and_is_compiled_once(clips, answers):
    model = opened(compile=True, settings={"compile_backend": "eager"})

    first = model.transcribe(clips, [Hints()] * len(clips))
    with torch._dynamo.config.patch(error_on_recompile=True):
        second = model.transcribe(clips, [Hints()] * len(clips))

    assert first == second == answers
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 1


@pytest.mark.usefixtures("broken_compiler")
def test_a_compiler_that_is_missing_is_told(clips):
    model = opened(compile=True, settings={"compile_backend": "broken"})

    with pytest.raises(UnavailableError, match=r"cannot be compiled here \(no C compiler was found\)"):
        model.transcribe(clips[:1], [Hints()])


@pytest.mark.slow
def test_a_static_cache_is_kept_while_it_fits_and_is_no_longer_than_its_batch_needs(clips, answers):
    model = opened(compile=True, settings={"compile_backend": "eager"})
    heard(model, Audio(np.zeros(120 * RATE, np.float32), RATE))
    long = model._cache
    assert long.get_max_length() > 2048

    assert heard(model, clips[0]).raw == answers[0].raw
    short = model._cache
    assert short.get_max_length() == 1024

    assert heard(model, clips[1]).raw == answers[1].raw
    assert model._cache is short
    assert model.transcribe(clips, [Hints()] * len(clips)) == answers
    assert model._cache is not short


def test_a_batch_that_was_too_much_leaves_no_static_cache_behind(clips, monkeypatch):
    model = opened(compile=True, settings={"compile_backend": "eager"})

    def short(*args, **more):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(model._model, "generate", short)
    with pytest.raises(OutOfMemoryError):
        model.transcribe(clips[:2], [Hints()] * 2)

    assert model._cache is None


def test_drawn_answers_are_the_same_each_time(clips):
    model = opened(settings={"do_sample": "true", "temperature": "1.5", "top_p": "0.9", "seed": "3"})

    assert heard(model, clips[0]) == heard(model, clips[0])


def test_a_penalty_for_repetitions_is_the_same_for_every_audio_of_a_batch(clips, monkeypatch):
    model, rules = opened(settings={"repetition_penalty": "1.3"}), []
    generate = model._model.generate
    monkeypatch.setattr(
        model._model, "generate", lambda **told: rules.extend(told["logits_processor"]) or generate(**told)
    )

    together = model.transcribe(clips, [Hints()] * len(clips))

    assert together == [heard(model, audio) for audio in clips]
    assert {rule.prompt_ignore_length for rule in rules} == {None}
    assert {rule.penalty for rule in rules} == {1.3}


def test_beams_give_the_right_words_too(clips):
    model = opened(settings={"num_beams": "3"})

    found = model.transcribe([clips[1], clip("stuff")], [Hints(), Hints(languages=("fr", "de"))])

    assert [text(h) for h in found] == [common.text(NAMES[1]), GERMAN]


def test_a_batch_too_large_for_the_device_is_halved_and_gives_the_same(qwen, clips, monkeypatch):
    def windows(audios):
        whole = [Span(0, audio.duration) for audio in audios]
        return [
            (Window((i,), own, own, (own,)), audio) for i, (own, audio) in enumerate(zip(whole, audios, strict=True))
        ]

    many = [*clips, *clips[:3]]
    unlimited = pipeline.listen(qwen, windows(many), [Hints()] * len(many))
    generate, sizes = qwen._model.generate, []

    def small(**told):
        sizes.append(len(told["inputs_embeds"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return generate(**told)

    monkeypatch.setattr(qwen._model, "generate", small)

    assert pipeline.listen(qwen, windows(many), [Hints()] * len(many)) == unlimited
    assert max(sizes) == 7
    assert sizes[-1] <= 2
    assert all(joined(s.words) == s.text for h in unlimited for s in h.segments)


def test_sound_is_encoded_in_parts_that_change_nothing(qwen, clips, monkeypatch):
    long = sound(*(clip(name).samples for name in NAMES), *(clip(name).samples for name in NAMES))
    inputs = [qwen._inputs(audio, Hints()) for audio in (long, *clips)]
    asked, encode = [], qwen._model.get_audio_features
    monkeypatch.setattr(
        qwen._model, "get_audio_features", lambda a, b: asked.append(a.shape[0] * a.shape[2]) or encode(a, b)
    )
    with torch.no_grad():
        whole = qwen._encode(inputs)
        monkeypatch.setattr(qwen3_asr, "ENCODED_AT_ONCE", 16.0)
        parts = qwen._encode(inputs)

    assert asked[0] > 5 * 3000
    assert max(asked[1:]) <= 1600
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_a_clip_at_another_rate_gives_other_words(qwen):
    for name in NAMES:
        samples = common.sound(name, RATE)
        for rate in (8_000, 24_000, 48_000):
            assert text(heard(qwen, sound(soxr.resample(samples, RATE, rate)))) != common.text(name)


def test_audio_that_says_it_has_another_rate_is_refused(qwen):
    with pytest.raises(ValueError, match="sampling rate"):
        heard(qwen, Audio(common.sound("lady", RATE), 24_000))


def test_padding_on_the_wrong_side_gives_other_words(qwen, clips, answers, monkeypatch):
    def right(tensor, length):
        return torch.cat([tensor, tensor.new_zeros(length - len(tensor), *tensor.shape[1:])])

    monkeypatch.setattr(qwen3_asr, "_padded_left", right)
    found = qwen.transcribe(clips, [Hints()] * len(clips))

    longest = max(range(len(clips)), key=lambda i: clips[i].duration)
    assert [i for i in range(len(clips)) if found[i].segments == answers[i].segments] == [longest]


@pytest.mark.parametrize(
    ("part", "instead"),
    [("<|im_start|>system\\n' + ns.told + '<|im_end|>\\n", ""), ("<|im_start|>assistant\\n", "")],
)
def test_a_prompt_in_another_form_gives_other_words(clips, tmp_path, part, instead):
    folder = shutil.copytree(FOLDER, tmp_path / "asr")
    template = (folder / "chat_template.jinja").read_text()
    assert part in template
    (folder / "chat_template.jinja").write_text(template.replace(part, instead))

    found = opened(folder).transcribe(clips, [Hints()] * len(clips))

    assert all(text(h) != common.text(name) for h, name in zip(found, NAMES, strict=True))


def test_the_batch_is_as_asked():
    assert opened(batch_size=3).traits.batch == 3
    assert opened(batch_size=-1).traits.batch > 10_000
    assert opened().traits.batch == qwen3_asr.BATCH_ON_CPU
    assert opened(longest=900.0).traits.longest == 900.0


@pytest.mark.parametrize("fault", ["no weights", "half of the weights", "no tokenizer", "a torn tokenizer"])
def test_a_folder_that_is_not_whole_is_one_clear_line(tmp_path, fault):
    folder = shutil.copytree(FOLDER, tmp_path / "asr")
    weights, tokenizer = folder / "model.safetensors", folder / "tokenizer.json"
    if fault == "no weights":
        weights.unlink()
    elif fault == "half of the weights":
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    elif fault == "no tokenizer":
        tokenizer.unlink()
    else:
        tokenizer.write_text(tokenizer.read_text()[:999])

    with pytest.raises(DataError) as raised:
        qwen3_asr.open(Setup("qwen", folder, "", 180.0, "cpu"))

    assert "\n" not in str(raised.value)
    assert str(folder) in str(raised.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_new_tokens": "0"}, "at least 1"),
        ({"temperature": "0.2"}, "do_sample=true"),
        ({"top_p": "0", "do_sample": "true"}, "more than 0"),
        ({"max_tokens": "9"}, "max_new_tokens"),
    ],
)
def test_settings_are_checked(given, message):
    with pytest.raises(UsageError, match=message):
        settings.parse(Settings, given)


def test_a_context_that_does_not_fit_is_refused(qwen, clips):
    with pytest.raises(UsageError, match="give less context"):
        heard(qwen, clips[0], Hints(context="sea " * 70_000))
