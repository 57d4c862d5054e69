"""OpenVINO, kept from telling its makers of every import, and ready for several threads."""

# ruff: noqa: E402
from __future__ import annotations

import sys

# It tells its makers of every import, over the network; without this package it keeps quiet. We are offline.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import numpy as np
import openvino
from openvino import opset13 as ops

__all__ = ["openvino", "ops"]

# Its first look at an array imports numpy while it holds a lock of its own: two threads that do it at once may wait for
# each other for ever (one of seven processes did, 2026.4).
_ = openvino.Tensor(np.zeros(1, np.float32)).data
