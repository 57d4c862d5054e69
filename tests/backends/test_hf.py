"""Any speech model of transformers: a trained small Parakeet and Whisper, and other kinds with random weights."""

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import common

from speechcli.backends import hf, registry
from speechcli.backends.base import Hints, Setup
from speechcli.core.audio import Audio
from speechcli.core.span import Span
from speechcli.core.transcript import Heard, joined
from speechcli.errors import DataError, UsageError
from speechcli.numerics.ctc import best_path

TINY = Path(__file__).parent.parent / "tiny"
NAMES = tuple(common.CLIPS)
RATE = 16_000
FRAME = 0.08


def opened(folder: Path, **more):
    return hf.open(Setup(f"hf:{folder.name}", folder, "r", more.pop("longest", 30.0), device="cpu", **more))


@pytest.fixture(scope="module")
def ctc():
    return opened(TINY / "hf-ctc")


@pytest.fixture(scope="module")
def whisper():
    return opened(TINY / "hf-seq2seq")


def clip(name: str) -> Audio:
    return Audio(common.sound(name, RATE), RATE)


def bare(text: str) -> str:
    return " ".join("".join(c for c in text.lower() if c.isalpha() or c in " '").split())


def told(heard: Heard) -> str:
    return " ".join(segment.text for segment in heard.segments)


def one(transcriber, audio: Audio, hints: Hints = Hints()) -> Heard:
    (heard,) = transcriber.transcribe([audio], [hints])
    return heard


def later(audio: Audio, seconds: float) -> Audio:
    lead = common.faint(seconds, audio.rate)
    return Audio(np.concatenate([lead, audio.samples]), audio.rate)


# --- CTC


@pytest.mark.parametrize("name", NAMES)
def test_ctc_gives_the_words_at_their_times(ctc, name):
    heard = one(ctc, clip(name))

    assert told(heard) == bare(common.text(name)) == heard.raw
    words = [word for segment in heard.segments for word in segment.words]
    for word, (_, start, end) in zip(words, common.words(name), strict=True):
        assert abs(word.start - start) <= FRAME
        assert abs(word.end - end) <= FRAME
        assert 0.5 < word.confidence <= 1
    assert all(joined(segment.words) == segment.text for segment in heard.segments)


def test_ctc_moves_words_as_far_as_the_sound_is_moved(ctc):
    moved = one(ctc, later(clip("lady"), 1.6))

    starts = [word.start for segment in moved.segments for word in segment.words]
    np.testing.assert_allclose(starts, [start + 1.6 for _, start, _ in common.words("lady")], atol=FRAME)


def test_ctc_begins_a_segment_after_a_pause(ctc):
    assert [segment.text for segment in one(ctc, clip("talk")).segments] == [
        "what hath happened unto me",
        "lobsters and lobsters",
    ]


def test_ctc_in_bfloat16_gives_the_same_words(ctc):
    rounded = opened(TINY / "hf-ctc", dtype="bfloat16")

    assert [told(one(rounded, clip(name))) for name in NAMES] == [told(one(ctc, clip(name))) for name in NAMES]


def test_ctc_says_what_of_the_hints_it_cannot_take(ctc):
    heard = one(ctc, clip("modern"), Hints(languages=("de",), hotwords=("Milady",)))

    assert [note.partition(" takes ")[2] for note in heard.notes] == [
        "no hotwords, which was not used",
        "no language, which was not used",
    ]
    with pytest.raises(UsageError, match="cannot translate"):
        one(ctc, clip("modern"), Hints(task="translate"))


# --- Whisper


@pytest.mark.parametrize("name", NAMES)
def test_whisper_gives_the_text_in_segments_at_their_times(whisper, name):
    heard = one(whisper, clip(name))

    assert [segment.text for segment in heard.segments] == [text for _, _, _, text in common.turns(name)]
    for segment, (start, end, _, _) in zip(heard.segments, common.turns(name), strict=True):
        assert abs(segment.start - start) <= 0.1
        assert abs(segment.end - end) <= 0.1
    assert {heard.language, *(segment.language for segment in heard.segments)} == {"en"}
    assert "<|" in heard.raw


def test_whisper_heeds_the_language_the_task_and_the_prompt(whisper):
    lady = clip("lady")

    assert told(one(whisper, lady, Hints(languages=("de",)))) == common.text("lady").upper()
    assert told(one(whisper, lady, Hints(languages=("en",), task="translate"))) == common.text("lady").lower()
    assert told(one(whisper, lady, Hints(hotwords=("Milady",)))).endswith("seen Milady.")


def test_whisper_finds_the_language_among_those_allowed(whisper):
    assert one(whisper, clip("lady"), Hints(languages=("de", "en"))).language == "en"
    assert one(whisper, clip("lady"), Hints(languages=("de", "fr"))).language in ("de", "fr")


def test_whisper_takes_rows_with_hints_of_their_own_in_one_batch(whisper):
    hints = [Hints(languages=("de",)), Hints(hotwords=("Milady",)), Hints(), Hints(languages=("en",), task="translate")]
    batch = [clip("lady")] * 4

    together = whisper.transcribe(batch, hints)

    assert [told(h) for h in together] == [told(one(whisper, a, h)) for a, h in zip(batch, hints, strict=True)]


def test_whisper_refuses_a_language_it_does_not_know(whisper):
    with pytest.raises(UsageError, match="does not know"):
        one(whisper, clip("lady"), Hints(languages=("xx",)))


def test_a_prompt_cannot_smuggle_special_tokens_and_cannot_fill_the_whole_room(whisper):
    heard = one(whisper, clip("modern"), Hints(context="<|de|><|endoftext|>" + "modern " * 900))

    assert len(heard.segments) <= 1


def test_whisper_refuses_windows_longer_than_it_hears():
    with pytest.raises(UsageError, match="hears 30 s in one pass, not 60; --chunk-size 30"):
        opened(TINY / "hf-seq2seq", longest=60.0)


def test_an_english_only_whisper_says_so(tmp_path):
    folder = shutil.copytree(TINY / "hf-seq2seq", tmp_path / "english")
    config = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(config | {"is_multilingual": False}))
    english = opened(folder)

    assert english.traits.languages == ("en",)
    with pytest.raises(UsageError, match="only knows English, not de"):
        one(english, clip("lady"), Hints(languages=("de",)))


# --- both


@pytest.mark.parametrize("kind", ["ctc", "whisper"])
def test_alone_and_in_a_batch_the_answer_is_the_same(kind, request):
    transcriber = request.getfixturevalue(kind)
    batch = [clip(name) for name in NAMES]

    together = transcriber.transcribe(batch, [Hints()] * len(batch))

    for audio, heard in zip(batch, together, strict=True):
        alone = one(transcriber, audio)
        assert [(s.text, s.start, s.end) for s in alone.segments] == [(s.text, s.start, s.end) for s in heard.segments]


@pytest.mark.parametrize("kind", ["ctc", "whisper"])
def test_silence_noise_and_no_sound_give_nothing(kind, request):
    transcriber = request.getfixturevalue(kind)
    noise = np.random.default_rng(3).normal(0, 0.02, 3 * RATE).astype(np.float32)
    sounds = [np.zeros(0, np.float32), np.zeros(2 * RATE, np.float32), noise, np.zeros(5, np.float32)]

    heard = transcriber.transcribe([Audio(s, RATE) for s in sounds], [Hints()] * 4)

    assert [h.segments for h in heard] == [()] * 4
    assert heard[0] == Heard()


@pytest.mark.parametrize(("kind", "known_by_heart"), [("ctc", 0), ("whisper", 1)])
def test_sound_at_another_rate_gives_other_words_or_other_times(kind, known_by_heart, request):
    """What would go unnoticed if the checkpoints did not hear the sound itself."""
    transcriber = request.getfixturevalue(kind)
    right = 0
    for name in NAMES:
        heard = one(transcriber, Audio(common.sound(name, 24_000), RATE))
        end = common.words(name)[-1][2]
        right += bare(told(heard)) == bare(common.text(name)) and abs(heard.segments[-1].end - end) < 0.3

    assert right <= known_by_heart


@pytest.mark.parametrize("kind", ["ctc", "whisper"])
def test_times_lie_inside_the_audio_and_arrays_are_not_written_to(kind, request):
    transcriber = request.getfixturevalue(kind)
    whole = clip("talk")
    samples = whole.samples.copy()
    samples.flags.writeable = False

    heard = one(transcriber, Audio(samples, RATE))

    assert heard.segments
    assert all(0 <= s.start <= s.end <= whole.duration for s in heard.segments)
    assert all(a.start <= b.start for a, b in itertools.pairwise(heard.segments))
    np.testing.assert_array_equal(samples, whole.samples)


def test_the_registry_opens_a_folder_as_any_speech_model(tmp_path):
    wanted = registry.Wanted(f"hf:{TINY / 'hf-ctc'}", device="cpu", settings={"num_beams": "1"})

    transcriber = registry.open_transcriber(registry.resolve(wanted))

    assert told(one(transcriber, clip("modern"))) == "in being comparatively modern"
    assert dict(transcriber.stage.settings)["num_beams"] == "1"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, "no speech model that transformers"),
        ({"model_type": "wav2vec2", "architectures": ["Wav2Vec2Model"]}, "has not been taught to write"),
        ({"model_type": "qwen3_asr"}, "is a qwen3-asr model; use --model qwen3-asr"),
    ],
)
def test_a_model_of_another_kind_is_refused_before_it_is_loaded(tmp_path, config, message):
    (tmp_path / "config.json").write_text(json.dumps(config))

    with pytest.raises(UsageError, match=message):
        opened(tmp_path)


def test_a_checkpoint_without_its_processor_is_one_line(tmp_path):
    folder = shutil.copytree(TINY / "hf-ctc", tmp_path / "bare")
    for path in folder.glob("*"):
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()

    with pytest.raises(DataError, match=r"the processor in .* cannot be loaded"):
        opened(folder)


@pytest.mark.parametrize("beams", ["1", "2"])
@pytest.mark.parametrize(("most", "notes"), [("1", 1), ("5", 1), ("100", 0)])
def test_a_whisper_answer_that_is_cut_off_says_so(most, notes, beams):
    whisper = opened(TINY / "hf-seq2seq", settings={"max_new_tokens": most, "num_beams": beams})

    heard = one(whisper, clip("stuff"), Hints(languages=("en",)))

    assert ["cut off at its longest" in note for note in heard.notes] == [True] * notes


def test_a_whisper_without_its_generation_config_is_refused_when_it_is_opened(tmp_path):
    folder = shutil.copytree(TINY / "hf-seq2seq", tmp_path / "bare")
    (folder / "generation_config.json").unlink()

    with pytest.raises(DataError, match=r"holds no generation_config\.json"):
        opened(folder)


# --- the best path of CTC


@pytest.fixture(scope="module")
def wav2vec2(random_wav2vec2):
    return random_wav2vec2("abcdefg'")


def test_words_and_frames_are_those_of_the_tokenizers_own_offsets(wav2vec2):
    transcriber = opened(wav2vec2)
    audio = clip("talk")

    heard = one(transcriber, audio)

    words = [word for segment in heard.segments for word in segment.words]
    inputs = transcriber._features([audio.samples])
    with torch.inference_mode():
        ids = transcriber.model(inputs["input_values"]).logits.argmax(-1)
    (offsets,) = transcriber.tokenizer.batch_decode(ids, output_word_offsets=True)["word_offsets"]
    assert len(offsets) > 5
    assert [(w.text.strip(), w.start, w.end) for w in words] == [
        (o["word"], pytest.approx(o["start_offset"] * 0.02), pytest.approx(o["end_offset"] * 0.02)) for o in offsets
    ]


def test_a_model_that_takes_no_mask_never_hears_padding(wav2vec2):
    transcriber = opened(wav2vec2)
    batch = [clip(name) for name in NAMES]

    together = transcriber.transcribe(batch, [Hints()] * len(batch))

    assert [heard.raw for heard in together] == [one(transcriber, audio).raw for audio in batch]


def test_the_probability_of_a_run_is_the_mean_of_its_softmax():
    logits = np.random.default_rng(1).normal(0, 2, (40, 5)).astype(np.float32)
    softmax = torch.softmax(torch.tensor(logits), 1).numpy()

    for run in best_path(logits, blank=0):
        assert run.probability == pytest.approx(softmax[run.first : run.stop, run.token].mean(), abs=1e-6)


# --- transducers


@pytest.fixture(scope="module")
def tdt(tmp_path_factory):
    """A Parakeet TDT with random weights that says much."""
    from transformers import (
        ParakeetEncoderConfig,
        ParakeetFeatureExtractor,
        ParakeetForTDT,
        ParakeetProcessor,
        ParakeetTDTConfig,
        ParakeetTokenizer,
    )

    folder = tmp_path_factory.mktemp("tdt")
    tokenizer = ParakeetTokenizer.from_pretrained(TINY / "hf-ctc")
    tokenizer.add_tokens(["<blank>"], special_tokens=True)
    torch.manual_seed(0)
    encoder = ParakeetEncoderConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, subsampling_conv_channels=8
    )
    config = ParakeetTDTConfig(
        vocab_size=len(tokenizer),
        decoder_hidden_size=16,
        num_decoder_layers=1,
        encoder_config=encoder,
        pad_token_id=tokenizer.pad_token_id,
        blank_token_id=tokenizer.convert_tokens_to_ids("<blank>"),
    )
    model = ParakeetForTDT(config)
    for weights in model.joint.parameters():
        torch.nn.init.normal_(weights, std=1.0)
    model.generation_config.decoder_start_token_id = config.blank_token_id
    model.save_pretrained(folder)
    ParakeetProcessor(ParakeetFeatureExtractor(), tokenizer).save_pretrained(folder)
    return opened(folder)


def test_a_transducer_gives_words_at_the_times_that_its_processor_tells(tdt):
    from transformers import AutoProcessor

    audio = clip("talk")

    heard = one(tdt, audio)

    inputs = tdt._features([audio.samples])
    with torch.inference_mode():
        found = tdt.model.generate(**inputs)
    processor = AutoProcessor.from_pretrained(tdt.tokenizer.name_or_path)
    texts, ((*tokens,),) = processor.decode(found.sequences, durations=found.durations, skip_special_tokens=True)
    words = [word for segment in heard.segments for word in segment.words]
    assert len(words) > 3
    assert heard.raw == texts[0]
    assert words[0].start == pytest.approx(tokens[0]["start"])
    assert {round(word.start, 2) for word in words} <= {round(token["start"], 2) for token in tokens}
    assert all(0 <= word.start <= word.end <= audio.duration for word in words)


def test_a_transducer_says_the_same_alone_and_in_a_batch(tdt):
    batch = [clip(name) for name in NAMES]

    together = tdt.transcribe(batch, [Hints()] * len(batch))

    assert [heard.segments for heard in together] == [one(tdt, audio).segments for audio in batch]


# --- encoder-decoders and requests


def test_a_model_without_times_gives_one_segment_over_the_speech(tmp_path):
    """Moonshine, with random weights."""
    from transformers import (
        MoonshineConfig,
        MoonshineForConditionalGeneration,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2Processor,
    )

    tokenizer = common.qwen_tokenizer([], size=300)
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 64, "encoder_num_hidden_layers": 1, "decoder_num_hidden_layers": 1}
    end = tokenizer.eos_token_id
    config = MoonshineConfig(
        vocab_size=len(tokenizer),
        **sizes,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=end,
    )
    MoonshineForConditionalGeneration(config).save_pretrained(tmp_path)
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(return_attention_mask=True), tokenizer).save_pretrained(tmp_path)
    transcriber = opened(tmp_path, settings={"max_new_tokens": "8"})

    heard = one(transcriber, clip("modern"), Hints(speech=(Span(0.2, 0.9), Span(1.0, 1.5))))

    assert not transcriber.traits.gives_times
    assert [(s.start, s.end) for s in heard.segments] == [(0.2, 1.5)]
    assert any("cut off" in note for note in heard.notes)


@pytest.fixture(scope="module")
def moss(tmp_path_factory):
    """MOSS-Transcribe-Diarize with random weights."""
    from transformers import (
        MossTranscribeDiarizeConfig,
        MossTranscribeDiarizeFeatureExtractor,
        MossTranscribeDiarizeForConditionalGeneration,
        MossTranscribeDiarizeProcessor,
    )

    folder = tmp_path_factory.mktemp("moss")
    special = ["<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_pad|>", "<|audio_end|>"]
    tokenizer = common.qwen_tokenizer(special, size=300)
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for c in m.content %}{% if c.type == 'audio' %}"
        "<|audio_start|><|audio_pad|><|audio_end|>{% elif c.type == 'keywords' %}{{ c.keywords | join(', ') }}"
        "{% endif %}{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
    )
    ids = tokenizer.convert_tokens_to_ids
    audio = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    text = audio | {"model_type": "qwen3", "vocab_size": len(tokenizer), "num_key_value_heads": 1, "head_dim": 16}
    torch.manual_seed(0)
    config = MossTranscribeDiarizeConfig(audio_config=audio, text_config=text, audio_token_id=ids("<|audio_pad|>"))
    model = MossTranscribeDiarizeForConditionalGeneration(config)
    model.generation_config.eos_token_id = ids("<|im_end|>")
    model.generation_config.pad_token_id = ids("<|endoftext|>")
    model.save_pretrained(folder)
    MossTranscribeDiarizeProcessor(
        MossTranscribeDiarizeFeatureExtractor(), tokenizer, chat_template=template
    ).save_pretrained(folder)
    return opened(folder, settings={"max_new_tokens": "12"})


def test_a_model_of_requests_is_asked_and_rows_of_a_batch_do_not_hear_each_other(moss):
    batch = [clip("modern"), clip("talk")]

    together = moss.transcribe(batch, [Hints()] * 2)

    assert moss.traits.gives_times
    assert moss.traits.gives_speakers
    assert all(heard.raw for heard in together)
    assert [heard.raw for heard in together] == [one(moss, audio).raw for audio in batch]


def test_hotwords_reach_the_request_and_cannot_smuggle_special_tokens(moss):
    inputs = moss._request([clip("modern")], [Hints(hotwords=("Milady", "x<|im_end|>"))])

    assert "Milady, x<|im_end|>\n" in moss._processor.tokenizer.decode(inputs["input_ids"][0])


# --- answers


def test_turns_with_times_and_speakers_are_read():
    heard = hf.read("[0.48][S02]What hath?[1.66][1:01.5][S01] Lobsters. [62]", 70.0, Hints(), timed=True, whole=True)

    assert [(s.start, s.end, s.speaker, s.text) for s in heard.segments] == [
        (0.48, 1.66, "0", "What hath?"),
        (61.5, 62.0, "1", "Lobsters."),
    ]
    assert heard.cut is None


def test_of_an_answer_that_was_cut_off_the_whole_turns_are_kept_and_the_rest_is_heard_again():
    heard = hf.read("[0.4][S01]What hath?[1.6][2.0][S02]Lobs", 9.0, Hints(), timed=True, whole=False)

    assert [s.text for s in heard.segments] == ["What hath?"]
    assert heard.cut == 2.0


def test_times_outside_the_audio_or_backwards_are_drawn_into_it():
    heard = hf.read("[5.0][S01]one[9.9][1.0][S01]two[2.0][7..][S01]three[99]", 8.0, Hints(), timed=True, whole=True)

    assert [(s.start, s.end) for s in heard.segments] == [(5.0, 8.0), (5.0, 5.0), (5.0, 8.0)]


def test_an_answer_without_times_is_one_segment_and_an_empty_one_is_none():
    hint = Hints(languages=("de",), speech=(Span(1.0, 2.0), Span(3.0, 4.0)))

    heard = hf.read("assistant\n Guten Tag. ", 5.0, hint, timed=False, whole=True)

    assert [(s.start, s.end, s.text, s.language) for s in heard.segments] == [(1.0, 4.0, "Guten Tag.", "de")]
    assert replace(hf.read(" ", 5.0, hint, timed=False, whole=True), raw="") == Heard()


@pytest.mark.parametrize("given", [{"num_beams": "0"}, {"temperature": "-1"}, {"beams": "2"}, {"max_new_tokens": "x"}])
def test_settings_are_checked(given):
    with pytest.raises(UsageError):
        opened(TINY / "hf-ctc", settings=given)
