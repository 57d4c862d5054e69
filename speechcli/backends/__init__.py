"""The only room with engines; nobody imports an engine file at the top of theirs."""

import os

# onnxruntime (1.31) keeps an id of this machine from its import on, and tells Microsoft, over the network, what is run;
# its disable_telemetry_events() comes too late. We are offline.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
