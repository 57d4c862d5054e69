"""The only room with engines; nobody imports an engine file at the top of theirs."""

import os

# onnxruntime (1.31) keeps an id of this machine and tells Microsoft, over the network, what runs on it. We are offline.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
