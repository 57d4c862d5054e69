"""The failures a user can meet: one sentence, one hint, one exit code each.

Anything that is not a SpeechcliError is a bug and flies through untouched.
"""

from __future__ import annotations

import errno

OK = 0
FAILED = 1  # some inputs failed, or a result fell below its floor
USAGE = 2


class SpeechcliError(Exception):
    """What went wrong in one sentence; `hint` says what to do about it."""

    exit_code = 70  # sysexits EX_SOFTWARE

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(SpeechcliError):
    """Options that cannot be taken, or not together."""

    exit_code = USAGE


class MediaError(SpeechcliError):
    """The input is there and cannot be decoded or is refused (EX_DATAERR)."""

    exit_code = 65


class NoAudioError(MediaError):
    """A media file without a sound track: skipped, not failed, when it came out of a folder."""


class DataError(SpeechcliError):
    """A transcript, list or weight file whose content is wrong (EX_DATAERR)."""

    exit_code = 65


class NoInputError(SpeechcliError):
    """Nothing there to work on (EX_NOINPUT)."""

    exit_code = 66


class UnavailableError(SpeechcliError):
    """ffmpeg, a device, a model or a package is missing (EX_UNAVAILABLE)."""

    exit_code = 69


class OutputError(SpeechcliError):
    """An output cannot be created (EX_CANTCREAT)."""

    exit_code = 73


class DiskError(SpeechcliError):
    """Reading or writing failed half-way: disk full, I/O error (EX_IOERR)."""

    exit_code = 74


class BusyError(SpeechcliError):
    """Another process works on the same output (EX_TEMPFAIL)."""

    exit_code = 75


class DeniedError(SpeechcliError):
    """Permission denied (EX_NOPERM)."""

    exit_code = 77


class ConfigError(SpeechcliError):
    """A configuration file that cannot be understood (EX_CONFIG)."""

    exit_code = 78


class Interrupted(BaseException):
    """A signal asked us to stop; `exit_code` is 128 + its number.

    No SpeechcliError, for it may come anywhere: what takes the failure of one recording must not take this for one.
    """

    hint = ""

    def __init__(self, message: str, signum: int) -> None:
        super().__init__(message, signum)
        self.message = message
        self.signum = signum
        self.exit_code = 128 + signum


def from_os(error: OSError, doing: str) -> SpeechcliError:
    """The user's error for an `OSError` met while `doing` something ("writing talk.srt")."""
    number = error.errno
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskError(f"disk full {doing}", "make room, then run the same command again")
    if number in (errno.EACCES, errno.EPERM):
        return DeniedError(f"permission denied {doing}", "check who owns it")
    if number in (errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG):
        return OutputError(f"{error.strerror} {doing}", "choose another place with --output-dir")
    return DiskError(f"{error.strerror or error} {doing}", "then run the same command again")
