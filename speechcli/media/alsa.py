"""Keeps ALSA's library from talking on stderr of its own accord, into captions."""

from __future__ import annotations

import ctypes
import functools
import sys


@functools.cache
def hush() -> None:
    """From now on libasound says nothing in this process; its answers say the same (snd_lib_error_set_handler)."""
    if not sys.platform.startswith("linux"):
        return
    try:
        library = ctypes.CDLL("libasound.so.2")
    except OSError:  # nor will miniaudio find it
        return
    library.snd_lib_error_set_handler(_silence)


# what is to be filled into the fourth, a format, follows it, and is left where it is
_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)
_silence = _HANDLER(lambda file, line, function, error, form: None)
