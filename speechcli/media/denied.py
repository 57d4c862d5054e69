"""Whether there is no microphone because we may not use it; miniaudio does not tell the two apart. Linux only."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from speechcli.errors import DeniedError

DEVICES = Path("/dev/snd")

# pulse/def.h
_NO_AUTOSPAWN = 1
_READY, _FAILED = 4, 5
_ACCESS, _AUTHKEY = 1, 9


def denied(devices: Path = DEVICES) -> DeniedError | None:
    """What the sound server or the kernel refuses us; None where nothing is refused.

    devices: where the kernel has them; pcmC0D0c is the recording side of the first (c: capture).
    """
    if not sys.platform.startswith("linux"):
        return None
    if _server_error() in (_ACCESS, _AUTHKEY):
        return DeniedError("the sound server does not let this user in", "run it as the desktop's user, not as root")
    locked = next((path for path in sorted(devices.glob("pcmC*c")) if not os.access(path, os.R_OK | os.W_OK)), None)
    if locked is not None:
        return DeniedError(f"permission denied opening {locked}", "sudo usermod -aG audio $USER, then log in again")
    return None


def _server_error() -> int:
    """What libpulse gives as the reason that it does not connect; 0 where it does, and without it."""
    try:
        pulse = ctypes.CDLL("libpulse.so.0")
    except OSError:
        return 0
    for name in ("pa_mainloop_new", "pa_mainloop_get_api", "pa_context_new"):
        getattr(pulse, name).restype = ctypes.c_void_p
    loop = ctypes.c_void_p(pulse.pa_mainloop_new())
    context = ctypes.c_void_p(pulse.pa_context_new(ctypes.c_void_p(pulse.pa_mainloop_get_api(loop)), b"speechcli"))
    try:
        failed = pulse.pa_context_connect(context, None, _NO_AUTOSPAWN, None) < 0
        while not failed and (state := pulse.pa_context_get_state(context)) not in (_READY, _FAILED):
            failed = pulse.pa_mainloop_iterate(loop, 1, None) < 0 or state > _FAILED
        return int(pulse.pa_context_errno(context))
    finally:
        pulse.pa_context_disconnect(context)
        pulse.pa_context_unref(context)
        pulse.pa_mainloop_free(loop)
