"""The encoder in OpenVINO gives what CTranslate2's gives, and keeps quiet on the network."""

import struct
import subprocess
import sys

import numpy as np
import pytest
from faster_whisper import WhisperModel

from speechcli.backends import ctranslate2_file, kept
from speechcli.errors import DataError

openvino_encoder = pytest.importorskip("speechcli.backends.openvino_encoder")
openvino_layers = pytest.importorskip("speechcli.backends.openvino_layers")
quiet_openvino = pytest.importorskip("speechcli.backends.quiet_openvino")


@pytest.fixture(scope="module")
def reference(tiny_en, features) -> np.ndarray:
    """CTranslate2's, in float32."""
    return np.array(WhisperModel(str(tiny_en), device="cpu", compute_type="float32").encode(features))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def test_in_float32_it_is_ctranslate2s_encoder(tiny_en, features, reference):
    """Two implementations of one graph; a wrong axis, scale or epsilon anywhere gives a difference near 1."""
    exact = openvino_encoder.Encoder(tiny_en / "model.bin", 1, 1)

    found = exact(features)

    assert exact.precision == "float32"
    assert found.shape == reference.shape == (1, 1500, 384)
    assert difference(found, reference) < 1e-4


@pytest.mark.parametrize(("precision", "bound"), [("bfloat16", 0.02), ("int8", 0.03)])
def test_what_is_faster_is_nearer_to_float32_than_ctranslate2s_int8_is(tiny_en, features, reference, precision, bound):
    if precision == "bfloat16" and not quiet_openvino.has_bfloat16():
        pytest.skip("this processor has no bfloat16")
    int8 = np.array(WhisperModel(str(tiny_en), device="cpu", compute_type="int8").encode(features))

    fast = openvino_encoder.Encoder(tiny_en / "model.bin", 1, 1, precision)(features)

    assert difference(fast, reference) < min(bound, difference(int8, reference))


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_same_features_give_the_same_bits_from_every_lane(tiny_en, features, precision):
    encoder = openvino_encoder.Encoder(tiny_en / "model.bin", 2, 1, precision)

    answers = [encoder(features) for _ in range(4)]

    assert all((answer == answers[0]).all() for answer in answers)


def test_int8_is_rounded_by_groups_and_a_row_of_zeros_stays_zero():
    rows = np.zeros((3, 64), np.float16)
    rows[0, :32], rows[0, 32:] = 1, -0.25  # two groups of one row
    rows[1, 40] = 3

    found = openvino_layers.in_groups({"encoder/ffn/linear_0/weight": rows})

    rounded, scales = (found[f"encoder/ffn/linear_0/weight{end}"] for end in ("", "_scale"))
    assert rounded.dtype == np.int8
    assert (rounded.shape, scales.shape) == ((3, 2, 32), (3, 2, 1))
    assert (rounded * scales).reshape(3, 64) == pytest.approx(rows.astype(np.float32))


def test_what_was_compiled_in_int8_is_read_back_and_made_again_when_it_is_damaged(tiny_en, features, tmp_path):
    cache = tmp_path / "folder" / "encoder.blob"

    def encoded() -> np.ndarray:
        return openvino_encoder.Encoder(tiny_en / "model.bin", 1, 1, "int8", cache=cache)(features)

    first = encoded()
    whole = cache.read_bytes()
    second = encoded()
    cache.write_bytes(whole[:1000] + b"damage" + whole[1006:])
    third = encoded()

    assert (first == second).all()
    assert (first == third).all()
    assert cache.read_bytes()[:1000] == whole[:1000]
    assert kept.read(cache) is not None


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
        "wanted = registry.Wanted(settings={'encoder': 'openvino-f32'})\n"
        "stage = registry.open_transcriber(registry.resolve(wanted)).stage\n"
        "print(stage.engine)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert "OpenVINO" in done.stdout
    assert not (tmp_path / "told").exists()
