"""Graphs of ONNX written here are what onnxruntime runs, and their weights come back."""

import math

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


def test_initializers_given_apart_domains_shapes_and_attributes_of_all_kinds_are_what_onnxruntime_runs():
    given = {"slope": np.array([2, -1], np.float32), "shift": np.array([0.5, 0], np.float32)}
    nodes = [
        Node("Transpose", ["x"], ["turned"], {"perm": [1, 0]}),
        Node("LayerNormalization", ["turned", "slope", "shift"], ["normal"], {"axis": -1, "epsilon": 0.75}),
        Node("Gelu", ["normal"], ["y"], domain="com.microsoft"),
    ]
    versions = {"": 17, "com.microsoft": 1}
    made = written(nodes, given, ["x"], ["y"], shapes={"x": (2, 3), "y": (3, 2)}, operators=versions, apart=True)
    options = onnxruntime.SessionOptions()
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in given.values()]
    options.add_external_initializers(list(given), values)
    session = onnxruntime.InferenceSession(made, options, providers=["CPUExecutionProvider"])
    x = RNG.standard_normal((2, 3)).astype(np.float32)

    (y,) = session.run(None, {"x": x})

    normal = (x.T - x.T.mean(1, keepdims=True)) / np.sqrt(x.T.var(1, keepdims=True) + 0.75)
    scaled = normal * given["slope"] + given["shift"]
    np.testing.assert_allclose(y, scaled / 2 * (1 + np.vectorize(math.erf)(scaled / math.sqrt(2))), atol=1e-5)
    assert [value.shape for value in (*session.get_inputs(), *session.get_outputs())] == [[2, 3], [3, 2]]


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
