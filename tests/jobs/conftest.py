"""What tests of journals, manifests and faults share."""

import os

import pytest


@pytest.fixture
def no_power_cuts(monkeypatch):
    """Syncing is for power cuts; without one it only takes time."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
