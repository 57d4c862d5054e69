"""Whichever engine runs Whisper's encoder, it gives the same; the fastest is found out once and remembered."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache as cache_of
from importlib.util import find_spec
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from ctranslate2.specs import WhisperSpec

import speechcli
from speechcli.backends import ctranslate2_file, encoders, kept, placement, registry
from speechcli.backends.encoders import Model
from speechcli.backends.registry import Wanted
from speechcli.errors import UnavailableError, UsageError

SAMPLE = Path(encoders.__file__).parent.parent / "sample" / "two_cities.mp3"
FUSED = (*encoders.PRECISIONS, "onnxruntime")
BOUNDS = {"openvino-f32": 1e-4, "onnxruntime": 1e-4, "openvino-bf16": 0.02, "openvino-int8": 0.03}
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="needs OpenVINO: pip install openvino")


@pytest.fixture(scope="module")
def reference(tiny_en, features) -> np.ndarray:
    return own(tiny_en, features)


@pytest.fixture(scope="module")
def random_whisper(tmp_path_factory) -> Callable[[str | None], Path]:
    """Makes the folder of a Whisper of random weights, stored in that quantisation: width 128, 128 mels, 3 layers."""

    @cache_of
    def made(quantization: str | None) -> Path:
        folder = tmp_path_factory.mktemp("whisper")
        spec = WhisperSpec(3, 2, 1, 2)
        random = np.random.default_rng(0)

        def array(*shape: int) -> np.ndarray:
            return (random.standard_normal(shape) * shape[-1] ** -0.5).astype(np.float32)

        def fill(layer, *shape: int) -> None:
            layer.weight, layer.bias = array(*shape), array(shape[0])

        def fill_norm(norm) -> None:
            norm.gamma, norm.beta = 1 + array(128), array(128)

        fill(spec.encoder.conv1, 128, 128, 3)
        fill(spec.encoder.conv2, 128, 128, 3)
        spec.encoder.position_encodings.encodings = array(1500, 128)
        spec.decoder.position_encodings.encodings = array(448, 128)
        spec.decoder.embeddings.weight = spec.decoder.projection.weight = array(10, 128)
        for layer in (*spec.encoder.layer, *spec.decoder.layer):
            fill_norm(layer.self_attention.layer_norm)
            fill(layer.self_attention.linear[0], 3 * 128, 128)
            fill(layer.self_attention.linear[1], 128, 128)
            fill_norm(layer.ffn.layer_norm)
            fill(layer.ffn.linear_0, 4 * 128, 128)
            fill(layer.ffn.linear_1, 128, 4 * 128)
        for layer in spec.decoder.layer:
            fill_norm(layer.attention.layer_norm)
            for linear, n_outputs in zip(layer.attention.linear, (128, 256, 128), strict=True):
                fill(linear, n_outputs, 128)
        fill_norm(spec.encoder.layer_norm)
        fill_norm(spec.decoder.layer_norm)
        spec.register_vocabulary([f"<{token}>" for token in range(10)])
        spec.validate()
        spec.optimize(quantization)
        spec.save(str(folder))
        return folder

    return made


def own(folder: Path, features: np.ndarray) -> np.ndarray:
    """What CTranslate2's encoder makes of it, in float32."""
    model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32")
    return np.array(model.encode(ctranslate2.StorageView.from_array(features)))


def model(folder: Path, dtype: str = "auto", **others) -> Model:
    return Model(folder, "", placement.for_ctranslate2("cpu", dtype), **others)


def opened(name: str, of: Model) -> encoders.Encoder:
    """The engine of that name, or a skip where it cannot be had."""
    if name.startswith("openvino") and find_spec("openvino") is None:
        pytest.skip("needs OpenVINO: pip install openvino")
    try:
        found = encoders.opened(of, name)
    except UnavailableError as error:
        if "no bfloat16" not in str(error):
            raise
        pytest.skip(str(error))
    assert found is not None
    return found


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def keep(seconds: dict[str, float | None], exact: bool = False) -> None:
    """As if that had been measured here; engines that are not named do not run."""
    names = encoders._candidates(exact)
    kept.write(encoders.place_of(names, exact), json.dumps({name: seconds.get(name) for name in names}).encode())


# --- each engine gives the same ---


@pytest.mark.parametrize("name", FUSED)
def test_each_engine_gives_what_ctranslate2_gives_in_float32(name, tiny_en, features, reference):
    encoder = opened(name, model(tiny_en))

    found = encoder(features)

    assert encoder.frames == 3000
    assert found.dtype == np.float32
    assert found.shape == reference.shape == (1, 1500, 384)
    assert difference(found, reference) < BOUNDS[name]


@pytest.mark.parametrize("stored", [None, "float16", "int8"])
@pytest.mark.parametrize("name", FUSED)
def test_another_whisper_whose_sizes_are_all_different_is_encoded_too(name, stored, random_whisper):
    """128 mels, as large-v3 has, three layers of two heads; its weights in each of the kinds they may be stored in."""
    folder = random_whisper(stored)
    features = np.random.default_rng(1).normal(0, 1, (1, 128, 3000)).astype(np.float32)

    found = opened(name, model(folder))(features)

    assert difference(found, own(folder, features)) < BOUNDS[name]


@pytest.mark.parametrize("name", FUSED)
def test_less_sound_at_once_where_that_is_wanted(name, tiny_en, features):
    encoder = opened(name, model(tiny_en, seconds=10.0))

    assert encoder.frames == 1000
    assert encoder(features[:, :, :1000]).shape == (1, 500, 384)


@pytest.mark.parametrize("name", FUSED)
def test_several_threads_may_call_it_at_once(name, tiny_en, features):
    encoder = opened(name, model(tiny_en))
    alone = encoder(features)
    answers: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: answers.append(encoder(features))) for _ in range(3)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 3
    assert all((answer == alone).all() for answer in answers)


def test_the_first_layers_of_a_model_are_a_model(tiny_en, features, tmp_path):
    """Two engines read what was cut, and agree on it; it is not the whole."""
    for name in ("config.json", "vocabulary.txt"):
        (tmp_path / name).write_bytes((tiny_en / name).read_bytes())

    ctranslate2_file.first_layers(tiny_en / "model.bin", tmp_path / "model.bin")

    names = ctranslate2_file.tensors(tmp_path / "model.bin", "")
    assert {int(n) for name in names for n in re.findall(r"layer_(\d+)", name)} == {0}
    cut = own(tmp_path, features)
    assert difference(opened("onnxruntime", model(tmp_path))(features), cut) < 1e-4
    assert difference(cut, own(tiny_en, features)) > 0.1


# --- which one ---


@pytest.mark.parametrize(
    ("seconds", "name"),
    [
        ({"openvino-f32": 2.0, "openvino-bf16": 3.0, "openvino-int8": 1.85, "ctranslate2": 4.0}, "openvino-f32"),
        ({"openvino-f32": 2.0, "openvino-bf16": 3.0, "openvino-int8": 1.6, "ctranslate2": 4.0}, "openvino-int8"),
        ({"openvino-f32": 2.0, "openvino-bf16": 1.0, "openvino-int8": 0.95, "ctranslate2": 4.0}, "openvino-bf16"),
        ({"openvino-f32": 2.0, "openvino-bf16": None, "openvino-int8": None, "ctranslate2": 1.0}, "ctranslate2"),
        ({"onnxruntime": 2.0, "ctranslate2": 1.9}, "onnxruntime"),
        ({"onnxruntime": None, "ctranslate2": None}, "ctranslate2"),
    ],
)
def test_what_is_less_exact_must_be_much_faster(seconds, name):
    assert encoders.fastest(seconds) == name


def test_the_engine_is_measured_once_and_remembered(engines_cache):
    assert encoders.known() is None

    first = encoders.chosen(exact=False)

    measured = encoders.known()
    assert measured is not None
    assert measured["ctranslate2"] is not None
    assert [first] == [name for name in (*FUSED, "ctranslate2") if name == encoders.fastest(measured)]
    assert encoders.chosen(exact=False) == first
    assert encoders.known() == measured  # to the digit: nothing was measured again
    assert len(list(engines_cache.iterdir())) == 1


def test_where_nothing_can_be_measured_what_is_remembered_counts_or_else_what_is_exact(engines_cache, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(engines_cache / "nowhere"))
    keep({"ctranslate2": 1.0})

    assert encoders.chosen(exact=False) == "ctranslate2"
    (path,) = engines_cache.iterdir()
    path.unlink()
    assert encoders.chosen(exact=False) in ("openvino-f32", "onnxruntime")
    assert encoders.known() is None


@needs_openvino
def test_what_was_measured_decides_for_every_model(engines_cache, random_whisper):
    keep({"openvino-f32": 3.0, "openvino-int8": 1.0, "ctranslate2": 2.0})
    of_int8 = encoders.opened(model(random_whisper(None)))
    keep({"openvino-f32": 3.0, "openvino-int8": 2.9, "ctranslate2": 9.0})
    of_float32 = encoders.opened(model(random_whisper(None)))
    keep({"openvino-f32": 3.0, "ctranslate2": 1.0})

    assert (of_int8.precision, of_float32.precision) == ("int8", "float32")
    assert encoders.opened(model(random_whisper(None))) is None
    assert encoders.opened(model(random_whisper(None)), "openvino").precision == "float32"  # the fastest of its own


def test_the_transcript_tells_which_it_was(engines_cache):
    keep({"ctranslate2": 1.0})
    own = {"decoder": "ctranslate2"}
    ctranslates = registry.open_transcriber(registry.resolve(Wanted(settings=own)))
    onnx = registry.open_transcriber(registry.resolve(Wanted(settings={"encoder": "onnxruntime", **own})))

    assert ctranslates.stage.engine == "faster-whisper on cpu in int8"
    assert onnx.stage.engine == "faster-whisper on cpu in int8, encoder of ONNX Runtime in float32"
    assert ("encoder", "onnxruntime") in onnx.stage.settings


@needs_openvino
def test_who_asks_for_float32_gets_nothing_else(engines_cache, tiny_en):
    for exact in (False, True):
        keep({"openvino-f32": 5.0, "openvino-bf16": 1.0, "openvino-int8": 1.0, "ctranslate2": 9.0}, exact)

    assert encoders.opened(model(tiny_en, "float32")).precision == "float32"
    with pytest.raises(UsageError, match="encoder=openvino-int8 and --dtype float32 exclude each other"):
        encoders.opened(model(tiny_en, "float32"), "openvino-int8")


def test_an_engine_that_nobody_knows_is_one_clear_line():
    with pytest.raises(UsageError, match=r"^encoder=steam is none of auto, openvino, .*onnxruntime, ctranslate2$"):
        registry.open_transcriber(registry.resolve(Wanted(settings={"encoder": "steam"})))


def test_a_file_that_only_ctranslate2_may_know_is_left_to_it(engines_cache, tmp_path):
    """A later version of the format, or none at all: not for us to say, unless the engine was asked for."""
    (tmp_path / "model.bin").write_bytes(b"\x07\0\0\0" + bytes(50))
    keep({"openvino-f32": 1.0, "onnxruntime": 1.0, "ctranslate2": 9.0})

    assert encoders.opened(model(tmp_path)) is None
    with pytest.raises(UnavailableError, match="version 7"):
        encoders.opened(model(tmp_path), "onnxruntime")


@pytest.mark.parametrize("name", FUSED)
def test_weights_that_do_not_fit_together_are_left_to_ctranslate2_or_told_in_a_line(
    name, engines_cache, random_whisper, tmp_path
):
    variable = b"encoder/layer_1/ffn/linear_1/weight\0"
    right, wrong = (variable + struct.pack("<B2I", 2, *shape) for shape in ((128, 512), (512, 128)))
    data = (random_whisper(None) / "model.bin").read_bytes()
    assert data.count(right) == 1
    (tmp_path / "model.bin").write_bytes(data.replace(right, wrong))
    keep({name: 1.0, "ctranslate2": 9.0})

    assert encoders.opened(model(tmp_path)) is None
    with pytest.raises(UnavailableError, match=rf"encoder={name} cannot be had here \(.+\); use --set") as raised:
        opened(name, model(tmp_path))
    assert "\n" not in str(raised.value)


# --- a cache that is no good, and no OpenVINO ---


@pytest.mark.parametrize("damage", [b"", b"\0\0\0\0", b'{"ctranslate2": 1.0}'], ids=["empty", "zeros", "unchecked"])
def test_a_damaged_memory_is_none(engines_cache, damage):
    keep({"ctranslate2": 1.0})
    (path,) = engines_cache.iterdir()
    path.write_bytes(damage)

    assert encoders.known() is None


@pytest.mark.parametrize("facts", [b'{"ctranslate2": "fast"}', b"[1]", b"{}", b"nothing"])
def test_facts_of_another_shape_are_none(engines_cache, facts):
    kept.write(encoders.place_of(encoders._candidates(False), False), facts)

    assert encoders.known() is None


def test_a_damaged_memory_is_made_anew(engines_cache):
    keep({"ctranslate2": 1.0}, exact=True)
    (path,) = engines_cache.iterdir()
    path.write_bytes(b"damaged")

    found = encoders.chosen(exact=True)

    measured = encoders.known(exact=True)
    assert measured is not None
    assert encoders.fastest(measured) == found
    assert [file.name for file in engines_cache.iterdir()] == [path.name]


def test_where_nothing_can_be_written_it_is_measured_and_nothing_is_said(tmp_path, monkeypatch, capfd):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(kept, "user_cache_path", lambda name: tmp_path / "file" / name)

    assert encoders.chosen(exact=True) in (*FUSED, "ctranslate2")
    assert encoders.known(exact=True) is None
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_new_one_stays_though_it_alone_is_too_large(tmp_path):
    kept.write(tmp_path / "a.blob", bytes(10), most=100)

    kept.write(tmp_path / "b.blob", bytes(200), most=100)

    assert [path.name for path in tmp_path.iterdir()] == ["b.blob"]


def test_of_two_processes_that_measure_at_once_the_first_decides(engines_cache):
    """The other says so while this one measures, or before; what it says is what nobody could measure."""

    def other() -> None:
        time.sleep(0.05)
        keep({"ctranslate2": 1e-9}, exact=True)

    thread = threading.Thread(target=other)
    thread.start()
    found = encoders.chosen(exact=True)
    thread.join()

    assert found == "ctranslate2"
    assert encoders.known(exact=True)["ctranslate2"] == 1e-9


def test_without_openvino_the_words_are_the_same_and_who_insists_is_told(tmp_path):
    code = (
        "import sys; sys.modules['openvino'] = None\n"
        "import speechcli\n"
        "from speechcli.errors import UnavailableError\n"
        f"transcript = speechcli.transcribe({str(SAMPLE)!r})\n"
        "print(transcript.made_by[0].engine)\n"
        "print(' '.join(segment.text for segment in transcript.segments))\n"
        "try:\n"
        f"    speechcli.transcribe({str(SAMPLE)!r}, settings={{'encoder': 'openvino'}})\n"
        "except UnavailableError as error:\n"
        "    print(error, error.hint)\n"
    )
    there = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}

    done = subprocess.run([sys.executable, "-c", code], env=there, capture_output=True, text=True, check=True)

    engine, words, told = done.stdout.strip().splitlines()
    assert "OpenVINO" not in engine
    assert words == " ".join(segment.text for segment in speechcli.transcribe(str(SAMPLE)).segments)
    assert "encoder=openvino needs OpenVINO" in told
    assert "pip install openvino" in told


# --- what is kept ---


def test_what_is_kept_is_read_again_or_not_at_all(tmp_path):
    path = tmp_path / "folder" / "a.fact"

    kept.write(path, b"one")
    before = kept.read(path)
    path.write_bytes(path.read_bytes().replace(b"one", b"two"))

    assert before == b"one"
    assert kept.read(path) is None
    assert kept.read(tmp_path / "nothing") is None
    assert [file.name for file in path.parent.iterdir()] == ["a.fact"]


def test_of_too_many_bytes_those_that_were_used_last_are_kept(tmp_path):
    for age, name in enumerate("abcd"):
        kept.write(tmp_path / f"{name}.blob", bytes(100))
        os.utime(tmp_path / f"{name}.blob", (1000 + age, 1000 + age))
    kept.write(tmp_path / "other.json", b"x")
    kept.read(tmp_path / "a.blob")

    kept.write(tmp_path / "e.blob", bytes(150), most=400)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.blob", "d.blob", "e.blob", "other.json"]
