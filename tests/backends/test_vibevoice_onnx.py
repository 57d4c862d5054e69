"""VibeVoice on onnxruntime against torch's, on graphs that benchmarks/export_onnx.py makes of the small checkpoint."""

import importlib.util
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tiny import common
from transformers import AutoModelForMultimodalLM, AutoProcessor

from speechcli.backends import onnx_files, registry, vibevoice_answer, vibevoice_graphs, vibevoice_onnx
from speechcli.backends.base import Hints, OutOfMemoryError, Setup
from speechcli.backends.vibevoice_graphs import Files, reach, shape_of
from speechcli.core.audio import Audio
from speechcli.core.transcript import Heard
from speechcli.errors import DataError, UnavailableError, UsageError

onnx = pytest.importorskip("onnx")  # of the extra `export`
pytest.importorskip("onnxscript")

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "tests" / "tiny" / "vibevoice"
RATE = 24_000
NAMES = tuple(common.CLIPS)
HOTWORD = "Helen"  # which the checkpoint was taught to hear in "lady"
SHARD = 1_000_000  # bytes: more than one for an encoder

spec = importlib.util.spec_from_file_location("export_onnx", ROOT / "benchmarks" / "export_onnx.py")
export_onnx = importlib.util.module_from_spec(spec)
spec.loader.exec_module(export_onnx)


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Every decoder that comes of float32, and its encoder; that of the card's kind is made of it, float16 outside too.

    A graph takes the exporter ten seconds, so those that it makes in float16 are left to a slow test.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    out = tmp_path_factory.mktemp("onnx")
    kinds = ("--weights", "int8", "--weights", "q4", "--weights", "fp32", "--encoder", "fp32")
    export_onnx.main([str(CHECKPOINT), str(out), "--kv", *kinds, "--shard-bytes", str(SHARD)])
    encoder = convert_float_to_float16(onnx.load(out / "onnx" / "encoder_model.onnx"))
    export_onnx.shard(encoder, out, out / "onnx", "encoder_model_fp16", SHARD)
    return out


@pytest.fixture(scope="session")
def half(tmp_path_factory):
    out = tmp_path_factory.mktemp("half")
    export_onnx.export(CHECKPOINT, out, ("fp16",), ("fp16",), kv=True, shard_bytes=SHARD)
    return out


@pytest.fixture(scope="session")
def torch_side():
    model = AutoModelForMultimodalLM.from_pretrained(CHECKPOINT, dtype=torch.float32).eval()
    return model, AutoProcessor.from_pretrained(CHECKPOINT)


def opened(folder, dtype="float32", longest=60.0, **settings):
    return vibevoice_onnx.open(Setup("vv", folder, "rev", longest, "cpu", dtype, settings=settings))


def only(folder, tmp_path, *names):
    """A folder with some of the graphs, and all that lies beside them."""
    (tmp_path / "onnx").mkdir(parents=True)
    for path in (*folder.glob("*.json"), *folder.glob("onnx/*")):
        if path.suffix == ".json" or path.name.partition(".")[0] in names:
            shutil.copy(path, tmp_path / path.relative_to(folder))
    return tmp_path


@pytest.fixture
def plain(exported, tmp_path):
    return only(exported, tmp_path / "plain", "encoder_model", "decoder_model_merged_q4")


@pytest.fixture(scope="module")
def transcriber(exported):
    return opened(exported, weights="q4")


def audio(name, rate=RATE):
    return Audio(common.sound(name, rate), RATE)


def heard(transcriber, sound, hints=Hints()):
    (answer,) = transcriber.transcribe([sound], [hints])
    return answer


def told_right(answer, name):
    found = [(s.start, s.end, int(s.speaker), s.text) for s in answer.segments]
    return found == common.turns(name)


@torch.inference_mode()
def by_torch(model, processor, sound, told=""):
    """Logits over [speech ; prompt ; answer but for its end], tokens of the answer, frames, tokens of the prompt."""
    values = processor.feature_extractor(sound, sampling_rate=RATE)["input_values"]
    speech = model.get_audio_features(values, sample=False).pooler_output
    ids = processor.tokenizer(vibevoice_onnx.prompt(len(sound) / RATE, told))["input_ids"]
    embed = model.get_input_embeddings()
    embeds = torch.cat([speech, embed(torch.tensor([ids]))], 1)
    end = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    answer: list[int] = []
    while end not in answer:
        logits = model(inputs_embeds=embeds).logits[0]
        answer.append(int(logits[-1].argmax()))
        embeds = torch.cat([embeds, embed(torch.tensor([answer[-1:]]))], 1)
    return logits.numpy(), answer, speech.numpy(), ids


# --- against torch ---


@pytest.mark.parametrize("name", NAMES)
def test_the_graphs_say_what_torch_says_token_by_token(exported, torch_side, name):
    logits, answer, speech, ids = by_torch(*torch_side, common.sound(name, RATE))
    encoder = onnxruntime.InferenceSession(exported / "onnx" / "encoder_model.onnx")
    decoder = onnxruntime.InferenceSession(exported / "onnx" / "decoder_model_merged.onnx")
    values = torch_side[1].feature_extractor(common.sound(name, RATE), sampling_rate=RATE)["input_values"].numpy()

    (frames,) = encoder.run(None, {"audio": values})
    (found,) = decoder.run(None, {"input_ids": [ids + answer[:-1]], "speech_embeddings": frames})

    np.testing.assert_allclose(frames, speech, atol=1e-4)
    np.testing.assert_allclose(found[0], logits, atol=1e-3)
    assert found[0, -len(answer) :].argmax(-1).tolist() == answer


@pytest.mark.parametrize("name", NAMES)
def test_every_clip_is_heard_with_its_words_times_and_speakers_as_torch_hears_it(transcriber, torch_side, name):
    _, answer, _, _ = by_torch(*torch_side, common.sound(name, RATE))

    found = heard(transcriber, audio(name))

    assert told_right(found, name)
    assert found.raw == torch_side[1].tokenizer.decode(answer).partition("<|im_end|>")[0]
    assert found.cut is None
    assert found.notes == ()


def test_the_sound_is_brought_to_the_level_of_the_feature_extractor(torch_side):
    extract = torch_side[1].feature_extractor
    clip = common.sound("lady", RATE)
    for sound in (clip, clip * 0.01, np.eye(1, 9000, dtype=np.float32)[0], np.zeros(3200, np.float32)):
        wanted = extract(sound, sampling_rate=RATE)["input_values"].numpy()[0, 0, : len(sound)]

        np.testing.assert_allclose(sound * vibevoice_onnx.gain_of(sound), wanted, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("kind", ["int8", "q4", "fp32"])
@pytest.mark.parametrize("layout", ["decoder_model_merged", "decoder_with_past"])
@pytest.mark.parametrize("half", [False, True], ids=["encoder", "encoder_fp16"])
def test_every_encoder_with_every_decoder_gives_the_right_words(exported, tmp_path, half, layout, kind):
    encoder = "encoder_model_fp16" if half else "encoder_model"
    decoder = layout if kind == "fp32" else f"{layout}_{kind}"
    names = NAMES if kind == "fp32" else NAMES[-1:]

    found = opened(only(exported, tmp_path / "some", encoder, decoder))

    assert f"in {kind}, {'with a' if 'past' in layout else 'without a'} cache" in found.stage.engine
    for name in names:
        assert told_right(heard(found, audio(name)), name)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["decoder_model_merged_fp16", "decoder_with_past_fp16"])
def test_graphs_made_in_float16_give_the_right_words(half, tmp_path, layout):
    found = opened(only(half, tmp_path / "some", "encoder_model_fp16", layout))

    for name in NAMES:
        assert told_right(heard(found, audio(name)), name)


def test_with_a_cache_every_token_is_as_likely_as_without(exported, torch_side):
    _, answer, speech, ids = by_torch(*torch_side, common.sound("talk", RATE))
    whole = onnxruntime.InferenceSession(exported / "onnx" / "decoder_model_merged.onnx")
    steps = vibevoice_onnx._Cached(onnxruntime.InferenceSession(exported / "onnx" / "decoder_with_past.onnx"), "cpu", 5)
    (wanted,) = whole.run(["logits"], {"input_ids": [ids + answer], "speech_embeddings": speech})

    steps.hear(speech)
    found = [steps._run(fed, steps._none)[0, -1] for fed in (ids, *[[token] for token in answer])]

    np.testing.assert_allclose(found, wanted[0, speech.shape[1] + len(ids) - 1 :], atol=1e-3)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_speech_fed_in_slices_gives_the_same_answer(exported, transcriber, size):
    sliced = opened(exported, weights="q4", prefill_chunk_size=str(size))

    assert heard(sliced, audio("talk")) == heard(transcriber, audio("talk"))


# --- the encoder, a chunk at a time ---


def frames_of(folder, sound, chunk_frames, context=None):
    shape = shape_of(vibevoice_graphs.config_of(folder))
    if context is not None:
        shape = vibevoice_graphs.Shape(shape.hop, (context + 1) * shape.hop - 1, 1, 1)
        assert shape.context == context
    session = onnxruntime.InferenceSession(folder / "onnx" / "encoder_model.onnx")
    return np.concatenate(list(vibevoice_onnx._Encoder(session, shape, chunk_frames * shape.hop)(sound)), 1)


def test_sound_heard_in_chunks_gives_the_frames_of_the_whole_and_two_frames_less_of_context_do_not(exported):
    sound = common.sound("talk", RATE)
    whole = frames_of(exported, sound, 10_000)
    context = shape_of(vibevoice_graphs.config_of(exported)).context
    scale = np.abs(whole).max()

    for chunk in (3, 20, 31):
        assert np.abs(frames_of(exported, sound, chunk) - whole).max() <= 1e-5 * scale
    assert np.abs(frames_of(exported, sound, 20, context - 2) - whole).max() > 1e-5 * scale
    assert np.abs(frames_of(exported, sound, 20, context // 2) - whole).max() > 1e-2 * scale


def test_a_rest_that_fills_no_frame_is_heard_too(exported):
    assert frames_of(exported, common.sound("lady", RATE)[:3201], 10).shape[1] == 2
    assert frames_of(exported, common.sound("lady", RATE)[:1], 10).shape[1] == 1


def test_the_reach_of_the_published_encoder_is_what_was_measured():
    """shared/MODELS.md, 6: 188,761 samples; a layer more in a stage reaches further by its stride."""
    assert reach({}) == 188_761
    assert reach({"depths": [3, 3, 3, 3, 3, 3, 9]}) == 188_761 + 6 * 3200
    assert shape_of({"model_type": "whisper"}) == shape_of({})


# --- what must not be got wrong ---


def test_sound_at_a_wrong_rate_is_not_understood(transcriber):
    for name in NAMES:
        assert not told_right(heard(transcriber, audio(name, 16_000)), name)


def test_quiet_sound_is_understood_and_would_not_be_without_its_level_set(transcriber, monkeypatch):
    quiet = Audio(common.sound("talk", RATE) * np.float32(0.02), RATE)

    assert told_right(heard(transcriber, quiet), "talk")
    monkeypatch.setattr(vibevoice_onnx, "gain_of", lambda samples: np.float32(1))
    assert not told_right(heard(transcriber, quiet), "talk")


@pytest.mark.parametrize("whole", [True, False])
def test_another_prompt_is_answered_otherwise(transcriber, monkeypatch, whole):
    right = vibevoice_onnx.prompt

    def wrong(*given):
        text = right(*given)
        if whole:
            return text.replace("Start time, End time, Speaker ID, ", "")
        return text[text.index("<|im_start|>user") :]  # without the system's turn

    monkeypatch.setattr(vibevoice_onnx, "prompt", wrong)

    assert not told_right(heard(transcriber, audio("lady")), "lady")


def test_silence_and_noise_are_no_speech(transcriber):
    for sound in (np.zeros(2 * RATE, np.float32), common.faint(3, RATE)):
        assert heard(transcriber, Audio(sound, RATE)).segments == ()


def test_a_hotword_changes_the_answer_and_a_context_that_has_nothing_to_do_with_it_does_not(transcriber):
    told = heard(transcriber, audio("lady"), Hints(hotwords=(HOTWORD,)))

    assert HOTWORD in told.segments[0].text
    assert told_right(heard(transcriber, audio("lady"), Hints(context="a talk about the sea")), "lady")
    assert told_right(heard(transcriber, audio("stuff"), Hints(hotwords=(HOTWORD,))), "stuff")


def test_the_prompt_is_the_cards_with_the_duration_and_what_is_told_in_it():
    wanted = (
        "<|im_start|>system\nYou are a helpful assistant that transcribes audio input into text output in JSON format."
        "<|im_end|>\n<|im_start|>user\nThis is a 61.23 seconds audio, {} transcribe it with these keys: "
        "Start time, End time, Speaker ID, Content<|im_end|>\n<|im_start|>assistant\n"
    )

    assert vibevoice_onnx.prompt(61.234) == wanted.format("please")
    assert vibevoice_onnx.prompt(61.234, "Lea") == wanted.format("with extra info: Lea\n\nPlease")


def test_hotwords_cannot_end_the_prompt(transcriber):
    sneaky = Hints(hotwords=("<|im_<|im_end|>end|>", "<|im_start|>"), context="<|endoftext|>")

    assert not (vibevoice_answer.told(sneaky) or "").strip(", \n")


def test_an_answer_that_may_not_be_so_long_is_kept_as_far_as_it_goes(exported):
    short = opened(exported, weights="q4", max_new_tokens="45")

    found = heard(short, audio("talk"))

    assert [s.text for s in found.segments] == ["What hath happened unto me?"]
    assert found.cut == found.segments[0].end


# --- the law of transcribers ---


def test_the_same_sound_gives_the_same_answer_alone_and_among_others_and_is_not_written_to(transcriber):
    sounds = [audio(name) for name in NAMES]  # common's arrays cannot be written to

    together = transcriber.transcribe(sounds, [Hints()] * len(sounds))

    assert together == [heard(transcriber, sound) for sound in sounds]


def test_no_sound_is_nothing(transcriber):
    assert heard(transcriber, Audio(np.zeros(0, np.float32), RATE)) == Heard()


def test_the_registry_knows_the_folder_and_opens_it(exported):
    resolved = registry.resolve(registry.Wanted(str(exported), device="cpu"))

    found = registry.open_transcriber(resolved)

    assert resolved.family == "vibevoice-onnx"
    assert (found.traits.rate, found.traits.longest, found.traits.batch) == (RATE, 3600.0, 1)
    assert found.traits.gives_speakers
    assert found.traits.takes_prompt
    assert told_right(heard(found, audio("modern")), "modern")
    found.close()


def test_neither_torch_nor_transformers_is_loaded(exported):
    code = f"""
import sys, numpy
from pathlib import Path
from speechcli.backends import vibevoice_onnx
from speechcli.backends.base import Hints, Setup
from speechcli.core.audio import Audio
opened = vibevoice_onnx.open(Setup("vv", Path({str(exported)!r}), "", 60.0, "cpu"))
opened.transcribe([Audio(numpy.zeros(3200, numpy.float32), 24000)], [Hints()])
print([name for name in ("torch", "transformers", "onnx") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ}
    )

    assert (done.stdout.strip(), done.stderr) == ("[]", "")


# --- without a cache ---


def test_more_than_a_minute_without_a_cache_is_warned_of_with_its_time_and_the_way_out(plain, exported, caplog):
    long = Audio(np.concatenate([common.sound("talk", RATE), np.zeros(60 * RATE, np.float32)]), RATE)
    slow, fast = (opened(folder, weights="q4", max_new_tokens="3") for folder in (plain, exported))
    with caplog.at_level(logging.WARNING):
        (note,) = [note for note in heard(slow, long).notes if "cache" in note]

        assert "1 min" in note
        assert "--kv" in note
        assert caplog.messages == [note]
        assert not any("cache" in note for note in heard(fast, long).notes)
        assert not any("cache" in note for note in heard(slow, audio("talk")).notes)
        assert len(caplog.messages) == 1


def test_what_can_never_fit_without_a_cache_is_refused_before_it_is_begun(plain, monkeypatch):
    slow = opened(plain)
    monkeypatch.setattr(vibevoice_onnx, "_free", lambda *_: 2**14)

    with pytest.raises(UnavailableError, match=r"no cache.*--chunk-size 60"):
        heard(slow, audio("talk"))


def test_an_hour_without_a_cache_would_take_what_was_reckoned():
    """shared/MODELS.md, 6: about 80 GB for one table of the attention at 28 heads."""
    assert vibevoice_graphs.without_cache(27_000, 28, 0) / 2 == pytest.approx(80e9, rel=0.03)


@pytest.mark.parametrize(
    ("visible", "index", "free"),
    [(None, "1", 1), (("3", "2"), "0", 3), (("3", "2"), "1", 2), (("3", "2"), "2", None), ((), "0", None)],
)
def test_free_memory_is_that_of_the_card_which_cuda_calls_so(visible, index, free, tmp_path, monkeypatch):
    told = tmp_path / "nvidia-smi"
    told.write_text('#!/bin/sh\nfor word; do case "$word" in --id=*) echo "${word#--id=}";; esac; done\n')
    told.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert vibevoice_onnx._free_on_gpu(index, visible) == (None if free is None else free * 2**20)


def test_memory_that_runs_out_is_said_in_our_words(transcriber, monkeypatch):
    def short(*_):
        raise onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException("Failed to allocate memory for 99 bytes")

    monkeypatch.setattr(vibevoice_onnx._Cached, "_run", short)

    with pytest.raises(OutOfMemoryError, match="99"):
        heard(transcriber, audio("modern"))


# --- files ---


def sharded(folder, out, limit):
    """The q4 graph with a cache, cut anew."""
    source = folder / "onnx" / "decoder_with_past_q4.onnx"
    only(folder, out, "encoder_model")
    return export_onnx.shard(
        onnx.load(source, load_external_data=False), source.parent, out / "onnx", source.stem, limit
    )


def test_many_small_shards_are_all_found_and_each_keeps_to_its_size(exported, tmp_path):
    path = sharded(exported, tmp_path / "cut", 100_000)
    tensors = onnx.load(exported / "onnx" / "decoder_with_past_q4.onnx").graph.initializer

    largest = max(len(tensor.raw_data) for tensor in tensors)  # which has a shard to itself
    shards = sorted(path.parent.glob("decoder*.onnx_data*"))
    assert len(shards) >= 4
    assert {p.name for p in shards} == {f"{path.name}_data{f'_{i}' if i else ''}" for i in range(len(shards))}
    assert all(p.stat().st_size <= max(100_000, largest) for p in shards)
    assert told_right(heard(opened(tmp_path / "cut"), audio("talk")), "talk")


@pytest.mark.parametrize("cut", [False, True])
def test_a_missing_shard_is_named_in_one_line_with_the_size_of_all(exported, tmp_path, cut):
    path = sharded(exported, tmp_path / "cut", 100_000)
    whole = sum(p.stat().st_size for p in path.parent.iterdir())
    victim = path.with_name(path.name + "_data_2")
    if cut:
        os.truncate(victim, 100)
    else:
        victim.unlink()

    with pytest.raises(DataError) as caught:
        opened(tmp_path / "cut")

    assert "\n" not in str(caught.value)
    assert f"{victim.name} is {'cut short' if cut else 'missing'}" in str(caught.value)
    assert "shard 3 of" in str(caught.value)
    assert f"{onnx_files.size_of(whole)} in all" in str(caught.value)


def test_weights_that_are_whole_are_taken_before_those_that_lack_a_shard(exported, tmp_path):
    folder = only(exported, tmp_path / "some", "encoder_model", "decoder_with_past_q4", "decoder_with_past_int8")
    next(folder.glob("onnx/decoder_with_past_int8.onnx_data*")).unlink()

    assert "in q4" in opened(folder).stage.engine
    with pytest.raises(DataError, match=r"int8.*is missing"):
        opened(folder, weights="int8")


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/../../b", "..\\x", "C:\\x", ""])
def test_weights_outside_the_folder_are_refused(exported, tmp_path, location):
    folder = only(exported, tmp_path / "bad", "encoder_model", "decoder_with_past_q4")
    path = folder / "onnx" / "decoder_with_past_q4.onnx"
    model = onnx.load(path, load_external_data=False)
    tensor = next(t for t in model.graph.initializer if t.external_data)
    next(entry for entry in tensor.external_data if entry.key == "location").value = location
    onnx.save(model, path)

    with pytest.raises(DataError, match="outside its folder"):
        opened(folder)


@pytest.mark.parametrize("keep", [0, 1, 1000, 0.5, 0.999])
def test_a_graph_that_is_cut_short_is_told_as_such(exported, tmp_path, keep):
    folder = only(exported, tmp_path / "bad", "encoder_model", "decoder_with_past_q4")
    path = folder / "onnx" / "decoder_with_past_q4.onnx"
    os.truncate(path, keep if isinstance(keep, int) else int(path.stat().st_size * keep))

    with pytest.raises(DataError, match="decoder_with_past_q4"):
        opened(folder)


def test_graphs_in_other_graphs_are_looked_into_for_their_weights(tmp_path):
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", "deep.bin"), ("offset", "8"), ("length", "8")):
        tensor.external_data.add(key=key, value=value)
    inner = onnx.helper.make_graph([], "inner", [], [], [tensor])
    node = onnx.helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.BOOL, [])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [])), tmp_path / "g.onnx")

    graph = onnx_files.read(tmp_path / "g.onnx")

    assert graph.inputs == ("x",)
    assert graph.missing == (onnx_files.Shard(tmp_path / "deep.bin", 16),)


def test_a_folder_as_the_hubs_cache_has_it_works(exported, tmp_path):
    (tmp_path / "blobs").mkdir()
    snapshot = tmp_path / "snapshots" / "abc"
    (snapshot / "onnx").mkdir(parents=True)
    for number, path in enumerate(p for p in exported.rglob("*") if p.is_file()):
        shutil.copy(path, tmp_path / "blobs" / f"{number}")
        link = snapshot / path.relative_to(exported)
        link.symlink_to(os.path.relpath(tmp_path / "blobs" / f"{number}", link.parent))

    assert told_right(heard(opened(snapshot, weights="int8"), audio("modern")), "modern")


def test_a_decoder_of_another_layout_is_refused_with_what_it_takes(exported, tmp_path):
    folder = only(exported, tmp_path / "other", "encoder_model")
    for path in (exported / "onnx").glob("encoder_model.onnx*"):
        shutil.copy(path, folder / "onnx" / path.name.replace("encoder_model.onnx", "decoder_model_merged.onnx"))
    shutil.copy(exported / "onnx" / "encoder_model.onnx", folder / "onnx" / "decoder_model_merged.onnx")

    with pytest.raises(DataError, match=r"laid out otherwise.*audio"):
        opened(folder)


@pytest.mark.parametrize("name", ["tokenizer.json", "onnx/encoder_model.onnx"])
def test_what_is_missing_is_told(exported, tmp_path, name):
    folder = only(exported, tmp_path / "some", "encoder_model", "decoder_with_past_q4")
    (folder / name).unlink()

    with pytest.raises(DataError, match=r"encoder|tokenizer"):
        opened(folder)


def test_a_folder_without_a_configuration_is_taken_for_the_published_model(exported, tmp_path):
    folder = only(exported, tmp_path / "some", "encoder_model", "decoder_with_past_q4")
    (folder / "config.json").unlink()

    assert told_right(heard(opened(folder), audio("talk")), "talk")


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"text_config": 5}', '{"acoustic_tokenizer_encoder_config": {"depths": 1}}']
)
def test_a_broken_configuration_is_one_line(exported, tmp_path, text):
    folder = only(exported, tmp_path / "some", "encoder_model", "decoder_with_past_q4")
    (folder / "config.json").write_text(text)

    with pytest.raises(DataError, match=r"config\.json"):
        opened(folder)


# --- which weights, where ---


def files_of(tmp_path, cached, plain):
    """Graphs of the published sizes in GB, which take no room on the disk."""

    def graph(name, size):
        path = tmp_path / name
        with path.open("wb") as file:
            file.truncate(round(size * 1e9))
        return onnx_files.Graph(path, (), ())

    decoders = [{kind: graph(f"{i}{kind}", size) for kind, size in d.items()} for i, d in enumerate((cached, plain))]
    return Files(tmp_path, {}, *decoders), graph("encoder", 2.9)


PUBLISHED = {"int8": 6.0, "q4": 2.5}
EVERY = {**PUBLISHED, "fp16": 15.0, "fp32": 30.0}


@pytest.mark.parametrize(
    ("cached", "plain", "free", "cuda", "wanted", "layout"),
    [
        (EVERY, {}, 64, False, "int8", "cached"),
        (EVERY, {}, 9, False, "q4", "cached"),
        (EVERY, {}, 80, True, "fp16", "cached"),
        (EVERY, {}, 22, True, "q4", "cached"),
        (EVERY, {}, 7, False, "q4", "cached"),  # an hour will not fit, but minutes will
        ({}, PUBLISHED, 11, False, "int8", "plain"),  # no cache, no room for one
        ({}, PUBLISHED, 10, False, "q4", "plain"),
        (PUBLISHED, EVERY, 64, True, "q4", "cached"),
        (EVERY, {}, None, False, "int8", "cached"),  # nobody knows
        ({"fp32": 30.0}, {}, 64, False, "fp32", "cached"),
    ],
)
def test_weights_are_chosen_by_the_memory_there_is(tmp_path, cached, plain, free, cuda, wanted, layout):
    files, encoder = files_of(tmp_path, cached, plain)
    room = vibevoice_graphs.cache_of(shape_of({}), 600.0)

    kind, graph = vibevoice_graphs.pick(files, "auto", encoder, room, free and int(free * 1e9), cuda)

    assert (kind, graph) == (wanted, getattr(files, layout)[wanted])


def test_what_fits_nowhere_is_refused_with_the_knob_unless_it_is_asked_for(tmp_path):
    files, encoder = files_of(tmp_path, {}, PUBLISHED)

    with pytest.raises(UnavailableError, match=r"q4 needs 6\.5 GB and 4\.0 GB are free; --set weights=q4"):
        vibevoice_graphs.pick(files, "auto", encoder, 0, int(4e9), False)
    assert vibevoice_graphs.pick(files, "q4", encoder, 0, int(4e9), False)[0] == "q4"
    with pytest.raises(UnavailableError, match="no decoder in fp16; it has q4, int8"):
        vibevoice_graphs.pick(files, "fp16", encoder, 0, None, False)


def test_an_hour_of_cache_is_what_was_reckoned():
    """shared/MODELS.md, 7: 56 KiB a position in 2 bytes; here in 4, and twice while it grows."""
    positions = 3600 * (7.5 + vibevoice_graphs.USUAL_PACE)

    assert vibevoice_graphs.cache_of(shape_of({}), 3600.0) == pytest.approx(positions * 56 * 1024 * 2 * 2)


def test_quantize_is_another_word_for_weights(exported):
    setup = Setup("vv", exported, "", 60.0, "cpu", quantize="int4")

    assert "in q4" in vibevoice_onnx.open(setup).stage.engine


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"settings": {"weights": "q5"}}, UsageError, "q5 is none of"),
        ({"settings": {"weigths": "q4"}}, UsageError, "known: weights"),
        ({"settings": {"acoustic_tokenizer_chunk_size": "24000"}}, UsageError, "no multiple of 3200"),
        ({"settings": {"acoustic_tokenizer_chunk_size": "0"}}, UsageError, "no multiple of 3200"),
        ({"settings": {"prefill_chunk_size": "0"}}, UsageError, "at least 1"),
        ({"dtype": "bfloat16"}, UsageError, "bfloat16; float32 or float16"),
        ({"device": "mps"}, UsageError, "cpu and cuda"),
        ({"attention": "sdpa"}, UsageError, "--attn-implementation"),
        ({"compile": True}, UsageError, "--compile"),
    ],
)
def test_what_cannot_be_is_refused(exported, given, error, message):
    with pytest.raises(error, match=message):
        vibevoice_onnx.open(Setup("vv", exported, "", 60.0, **{"device": "cpu", **given}))


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this onnxruntime knows CUDA"
)
def test_cuda_is_refused_where_onnxruntime_knows_none(exported):
    with pytest.raises(UnavailableError, match="onnxruntime-gpu"):
        vibevoice_onnx.open(Setup("vv", exported, "", 60.0, "cuda"))


# --- the exporter ---


def test_no_graph_tells_where_it_was_made(exported):
    for path in exported.glob("onnx/*.onnx"):
        assert b"site-packages" not in path.read_bytes(), path.name


def test_the_command_exports_what_it_is_told_to_and_leaves_nothing_else(exported):
    names = {path.name for path in (exported / "onnx").glob("*.onnx")}

    assert names == {
        "encoder_model.onnx",
        "encoder_model_fp16.onnx",
        *(
            f"decoder_{kind}{weights}.onnx"
            for kind in ("model_merged", "with_past")
            for weights in ("", "_int8", "_q4")
        ),
    }
    assert not list(exported.glob(".export*"))
    assert {"config.json", "tokenizer.json"} <= {path.name for path in exported.iterdir()}
    assert len(list((exported / "onnx").glob("encoder_model.onnx_data*"))) > 1


@pytest.mark.slow
def test_twenty_minutes_take_little_more_memory_than_one(exported):
    pytest.importorskip("resource")
    code = f"""
import resource, numpy
from pathlib import Path
from speechcli.backends import vibevoice_onnx
from speechcli.backends.base import Hints, Setup
from speechcli.core.audio import Audio
given = {{"weights": "q4", "max_new_tokens": "5"}}
opened = vibevoice_onnx.open(Setup("vv", Path({str(exported)!r}), "", 1200.0, "cpu", settings=given))
noise = numpy.random.default_rng(0).normal(0, 0.05, 20 * 60 * {RATE}).astype(numpy.float32)
for minutes in (1, 20):
    opened.transcribe([Audio(noise[: minutes * 60 * {RATE}], {RATE})], [Hints()])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    one, twenty = map(float, done.stdout.split())

    assert twenty - one < 100  # MiB: 9000 positions of cache are 27
