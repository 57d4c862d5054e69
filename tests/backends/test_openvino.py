"""The encoder in OpenVINO gives what CTranslate2's gives, keeps quiet on the network, and may be missing."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import WhisperModel

from speechcli.backends import catalog, ctranslate2_file, placement, registry, weights
from speechcli.backends.registry import Wanted
from speechcli.errors import DataError, UnavailableError

openvino_encoder = pytest.importorskip("speechcli.backends.openvino_encoder")
CLIP = Path(__file__).parent.parent / "data" / "367-130732-0000.flac"


@pytest.fixture(scope="module")
def folder() -> Path:
    return weights.of_package(catalog.find("embedded")).folder


@pytest.fixture(scope="module")
def features(folder) -> np.ndarray:
    import soundfile

    samples, rate = soundfile.read(CLIP, dtype="float32")
    assert rate == 16000
    mel = WhisperModel(str(folder), device="cpu").feature_extractor(samples)[:, :3000]
    padded = np.zeros((1, mel.shape[0], 3000), np.float32)
    padded[0, :, : mel.shape[1]] = mel
    return padded


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def test_in_float32_it_is_ctranslate2s_encoder(folder, features):
    """Two implementations of one graph; a wrong axis, scale or epsilon anywhere gives a difference near 1."""
    reference = np.array(WhisperModel(str(folder), device="cpu", compute_type="float32").encode(features))

    exact = openvino_encoder.Encoder(folder / "model.bin", 1, 1, exact=True)

    assert exact.precision == "float32"
    assert exact(features).shape == reference.shape == (1, 1500, 384)
    assert difference(exact(features), reference) < 1e-4


def test_what_is_fast_here_is_nearer_to_float32_than_int8_is(folder, features):
    reference = np.array(WhisperModel(str(folder), device="cpu", compute_type="float32").encode(features))
    int8 = np.array(WhisperModel(str(folder), device="cpu", compute_type="int8").encode(features))

    fast = openvino_encoder.Encoder(folder / "model.bin", 1, 1, exact=False)(features)

    assert difference(fast, reference) < difference(int8, reference)


def test_the_same_features_give_the_same_bits_from_every_lane(folder, features):
    encoder = openvino_encoder.Encoder(folder / "model.bin", 2, 1, exact=False)

    answers = [encoder(features) for _ in range(4)]

    assert all((answer == answers[0]).all() for answer in answers)


def test_int8_weights_are_multiplied_out(tmp_path):
    """A model.bin of two variables, as CTranslate2's converter writes them with --quantization int8."""

    def text(name: str) -> bytes:
        return struct.pack("<H", len(name) + 1) + name.encode() + b"\0"

    def variable(name: str, array: np.ndarray, kind: int) -> bytes:
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        return text(name) + shape + struct.pack("<BI", kind, array.nbytes) + array.tobytes()

    rows = np.array([[127, -64], [10, 0]], np.int8)
    scales = np.array([63.5, 10.0], np.float32)
    data = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, 3)
    data += variable("decoder/weight", rows, 1)
    data += variable("encoder/weight", rows, 1) + variable("encoder/weight_scale", scales, 0)
    (tmp_path / "model.bin").write_bytes(data)

    found = ctranslate2_file.tensors(tmp_path / "model.bin", "encoder/")

    assert list(found) == ["encoder/weight"]
    assert found["encoder/weight"] == pytest.approx(np.array([[2, -64 / 63.5], [1, 0]]))


@pytest.mark.parametrize("data", [b"", b"\x06\0\0\0", b"\xff\0\0\0" + bytes(50)], ids=["empty", "cut", "version"])
def test_another_file_is_told_as_such(tmp_path, data):
    (tmp_path / "model.bin").write_bytes(data)

    with pytest.raises(DataError, match="cannot be read as a CTranslate2 model"):
        ctranslate2_file.tensors(tmp_path / "model.bin", "encoder/")


def test_nobody_is_told_over_the_network_that_openvino_was_imported(tmp_path):
    """It tells its makers by default. The hook sees every look-up of every thread."""
    code = (
        "import sys\n"
        "def hook(event, args):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto', 'socket.gethostbyname'):\n"
        "        open('told', 'a').write(f'{event} {args}\\n')\n"
        "sys.addaudithook(hook)\n"
        "from speechcli.backends import registry\n"
        "stage = registry.open_transcriber(registry.resolve(registry.Wanted())).stage\n"
        "print(stage.engine)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert "OpenVINO" in done.stdout
    assert not (tmp_path / "told").exists()


def test_without_openvino_ctranslate2_encodes_and_who_insists_is_told(tmp_path):
    code = (
        "import sys; sys.modules['openvino'] = None\n"
        "from speechcli.backends import registry\n"
        "from speechcli.errors import UnavailableError\n"
        "print(registry.open_transcriber(registry.resolve(registry.Wanted())).stage.engine)\n"
        "try:\n"
        "    registry.open_transcriber(registry.resolve(registry.Wanted(settings={'encoder': 'openvino'})))\n"
        "except UnavailableError as error:\n"
        "    print(error, error.hint)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True, check=True
    )

    first, second = done.stdout.strip().splitlines()
    assert first == "faster-whisper on cpu in int8"
    assert "encoder=openvino needs OpenVINO" in second
    assert "pip install openvino" in second


def test_the_engine_of_the_encoder_can_be_chosen():
    opened = registry.open_transcriber(registry.resolve(Wanted(settings={"encoder": "ctranslate2"})))

    assert "OpenVINO" not in opened.stage.engine
    assert ("encoder", "ctranslate2") in opened.stage.settings


def test_a_file_that_only_ctranslate2_may_know_is_left_to_it(tmp_path):
    """A later version of the format, or none at all: not for us to say, unless OpenVINO was asked for."""
    (tmp_path / "model.bin").write_bytes(b"\x07\0\0\0" + bytes(50))
    place = placement.for_ctranslate2("cpu", "int8")

    assert registry._openvino_encoder(tmp_path, place, "auto") is None
    with pytest.raises(UnavailableError, match="version 7"):
        registry._openvino_encoder(tmp_path, place, "openvino")
