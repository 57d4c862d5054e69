"""What tests of several backends share."""

from __future__ import annotations

import pytest


@pytest.fixture
def broken_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend of torch.compile called "broken", on a machine without a C compiler."""
    import torch

    def broken(graph, inputs):
        raise RuntimeError("no C compiler was found")

    broken._tags = ()
    monkeypatch.setitem(torch._dynamo.backends.registry._BACKENDS, "broken", None)
    monkeypatch.setitem(torch._dynamo.backends.registry._COMPILER_FNS, "broken", broken)
    torch._dynamo.reset()
