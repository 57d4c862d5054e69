"""Graphs of ONNX written here are what onnxruntime runs, and their weights come back."""

import numpy as np
import onnxruntime
import pytest

from speechcli.backends.onnx_bytes import Node, weights, written
from speechcli.errors import DataError

WEIGHT = np.arange(600, dtype=np.float32).reshape(200, 3)
NODES = [
    Node("MatMul", ["x", "weight"], ["product"]),
    Node("Reshape", ["product", "flat"], ["row"]),
    Node("LSTM", ["sequence", "w", "r", "", "", "", "c"], ["", "h", ""], {"hidden_size": 2}),
]
RNG = np.random.default_rng(1)
WEIGHTS = {
    "weight": WEIGHT,
    "flat": np.array([-1]),
    "w": RNG.standard_normal((1, 8, 3)).astype(np.float32),
    "r": RNG.standard_normal((1, 8, 2)).astype(np.float32),
}


def graph() -> bytes:
    return written(NODES, WEIGHTS, ["x", "sequence", "c"], ["row", "h"])


def test_onnxruntime_runs_what_is_written_with_attributes_and_inputs_left_out():
    session = onnxruntime.InferenceSession(graph(), providers=["CPUExecutionProvider"])
    x = RNG.standard_normal((4, 200)).astype(np.float32)
    sequence, c = np.ones((1, 1, 3), np.float32), np.full((1, 1, 2), 0.5, np.float32)

    row, h = session.run(None, {"x": x, "sequence": sequence, "c": c})

    np.testing.assert_allclose(row, (x @ WEIGHT).reshape(-1), rtol=1e-4)
    i, o, f, g = (WEIGHTS["w"][0] @ sequence.reshape(-1)).reshape(4, 2)
    sigmoid = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    np.testing.assert_allclose(
        h.reshape(-1), sigmoid(o) * np.tanh(sigmoid(f) * 0.5 + sigmoid(i) * np.tanh(g)), atol=1e-5
    )


def test_weights_come_back_as_they_were(tmp_path):
    path = tmp_path / "graph.onnx"
    path.write_bytes(graph())

    told = weights(path)

    assert told.keys() == WEIGHTS.keys()
    for name, array in WEIGHTS.items():
        assert told[name].dtype == array.dtype
        np.testing.assert_array_equal(told[name], array)


@pytest.mark.parametrize("data", [b"", b"no graph", graph()[:500], graph()[:-20], b"\x0b" + graph()])
def test_what_is_no_whole_graph_is_told(tmp_path, data):
    path = tmp_path / "graph.onnx"
    path.write_bytes(data)

    with pytest.raises(DataError, match=r"graph\.onnx cannot be read as an ONNX graph"):
        weights(path)
