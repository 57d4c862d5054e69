"""The one door through which media bytes enter: an ffmpeg child, fenced, watched and always reaped.

Media files are hostile input to a large C program, and some "media files" are scripts that make it open
other files or addresses. So every call has the same fences: the name is given as `file:NAME` (a file may be
called `http:127.0.0.1`), only demuxers of plain sound and film are allowed, only the protocols file and pipe,
no stdin, one thread, limited memory and time. What ffmpeg says on stderr is read here and nowhere else.

A child dies with us without PR_SET_PDEATHSIG, which would fire when the *thread* that started it ends and needs
code between fork and exec that is not safe with threads: it writes into a pipe of ours, and it can only ever
wait for us or for a regular file (`regular` refuses all others). RLIMIT_CPU ends one that spins.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ffmpeg as ffmpeg_python

from speechcli.core.span import Seconds
from speechcli.errors import DeniedError, MediaError, NoInputError, UnavailableError

PROTOCOLS = "file,pipe"

# Demuxers that carry plain sound or film. Never: playlists and scripts (hls dash concat sdp rtsp imf), picture
# series (image2 tty), devices (lavfi), subtitles; nor headerless PCM, whose rate would be a guess.
FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,gsm,ilbc,ircam,matroska,mov,mp3,mpc,mpc8,"
    "mpeg,mpegts,mxf,nistsphere,ogg,oma,qcp,rm,sox,tak,truehd,tta,voc,w64,wav,wtv,wv"
)

PATIENCE: Seconds = 60.0  # without a byte from the child
MEMORY = 4 << 30  # bytes of address space; ffmpeg needs about 0.3 GB of it with one thread
TAIL = 64 << 10  # bytes of stderr that are kept

_INSTALL = "install it (apt install ffmpeg, brew install ffmpeg), pip install imageio-ffmpeg, or set SPEECHCLI_FFMPEG"


def find(explicit: str | None = None) -> Path:
    """The ffmpeg to use: the one named, else the system's, else the one in the wheel imageio-ffmpeg.

    explicit: name or path, as from SPEECHCLI_FFMPEG. Raises UnavailableError when that one, or none, runs.
    """
    if explicit:
        path = shutil.which(explicit) or explicit
        if version(Path(path)) is None:
            raise UnavailableError(f"{explicit} is not an ffmpeg that runs", "correct or unset SPEECHCLI_FFMPEG")
        return Path(path)
    installed = shutil.which("ffmpeg")
    if installed is not None and version(Path(installed)) is not None:
        return Path(installed)
    bundled = _from_wheel()
    if bundled is not None and version(Path(bundled)) is not None:
        return Path(bundled)
    raise UnavailableError("ffmpeg not found", _INSTALL)


def _from_wheel() -> str | None:
    try:
        import imageio_ffmpeg  # late: most systems have an ffmpeg of their own
    except ImportError:
        return None
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:  # a wheel without a binary (platform "any")
        return None


@functools.lru_cache(maxsize=8)
def version(program: Path) -> str | None:
    """What `program -version` calls itself; None for a program that is not ffmpeg, or does not run."""
    try:
        done = subprocess.run(
            [str(program), "-version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=20,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    found = re.match(rb"ffmpeg version (\S+)", done.stdout)
    return found[1].decode("ascii", "replace") if found and done.returncode == 0 else None


_PLACE = "file:INPUT"  # ffmpeg-python cannot hold a name that is not UTF-8; it is put in afterwards


def source(**options: object) -> Any:
    """The input node for ffmpeg-python, behind the fences. Global options go in here too."""
    return ffmpeg_python.input(
        _PLACE, nostdin=None, threads=1, protocol_whitelist=PROTOCOLS, format_whitelist=FORMATS, **options
    )


def argv(program: Path, path: Path, node: Any) -> list[bytes]:
    """The command line for an output node, reading `path`; bytes, as names need not be UTF-8."""
    parts = ffmpeg_python.compile(node, cmd=[])
    name = b"file:" + os.fsencode(path)
    return [os.fsencode(program), *(name if part == _PLACE else part.encode() for part in parts)]


def regular(path: Path, name: str) -> os.stat_result:
    """What the system says about a regular file; everything else is refused before ffmpeg could hang on it.

    Raises NoInputError, DeniedError or MediaError.
    """
    try:
        about = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoInputError(f"{name} is not there", "was it moved or deleted?") from error
    except PermissionError as error:
        raise DeniedError(f"permission denied reading {name}", "check who owns it") from error
    except (OSError, ValueError) as error:  # a loop of links, a name too long, a NUL in it
        raise NoInputError(f"{name} cannot be opened ({getattr(error, 'strerror', None) or error})") from error
    if not os.access(path, os.R_OK):
        raise DeniedError(f"permission denied reading {name}", "check who owns it")
    if not stat.S_ISREG(about.st_mode):
        kind = "a folder" if stat.S_ISDIR(about.st_mode) else "not a regular file"
        raise MediaError(f"{name} is {kind}", "name a media file")
    return about


class Child:
    """A running ffmpeg: its stdout is read with a deadline, its stderr drained by a thread.

    A context manager: leaving it kills and reaps the child and everything it started, whatever happened.
    """

    def __init__(self, command: Sequence[bytes], name: str, cpu: Seconds = 600.0, keep: int = TAIL) -> None:
        """`name` is for messages, `cpu` the processor time it may use, `keep` the bytes of stderr to remember."""
        self.name = name
        self.lines = 0  # lines on stderr so far
        self._keep = keep
        self._said = bytearray()
        # Its own process group: Ctrl-C in the terminal is for us alone; a decoder that dies of it would leave
        # what looks like a file cut short. The group is also how everything it started is found again.
        group: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {"creationflags": 0x00000200}
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, **group
            )
        except OSError as error:
            raise UnavailableError(f"ffmpeg cannot be started ({error.strerror or error})", _INSTALL) from error
        _limit(self._process.pid, cpu)
        assert self._process.stdout is not None
        self._out = self._process.stdout.fileno()
        self._drain = threading.Thread(target=self._listen, name="ffmpeg-stderr", daemon=True)
        self._drain.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read_into(self, into: memoryview, patience: Seconds = PATIENCE) -> int:
        """Fills `into` from stdout and gives the number of bytes; fewer than asked for only at the end.

        Raises MediaError when nothing comes for `patience` seconds; time in which nobody asks does not count.
        """
        done = 0
        while done < len(into):
            if not self._readable(patience):
                raise MediaError(f"{self.name}: the decoder gave nothing for {patience:g} s", "it was stopped")
            got = os.readv(self._out, [into[done:]]) if hasattr(os, "readv") else self._read(into[done:])
            if got == 0:
                break
            done += got
        return done

    def _read(self, into: memoryview) -> int:
        data = os.read(self._out, len(into))
        into[: len(data)] = data
        return len(data)

    def _readable(self, patience: Seconds) -> bool:
        if not hasattr(select, "poll"):  # Windows cannot wait for a pipe
            return True
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        return bool(poll.poll(patience * 1000))

    def wait(self, patience: Seconds = PATIENCE) -> int:
        """The exit status, after the end of stdout; raises MediaError for one that was killed by a signal."""
        try:
            status = self._process.wait(patience)
        except subprocess.TimeoutExpired as error:
            raise MediaError(f"{self.name}: the decoder does not end", "it was stopped") from error
        self._drain.join(1.0)
        if status < 0:
            raise MediaError(f"{self.name}: decoder crashed (signal {-status})", "try again; it may be a broken file")
        return status

    def close(self) -> None:
        """Kills what still runs, reaps it, closes the pipes."""
        with contextlib.suppress(OSError):  # all gone already
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        self._drain.join(5.0)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    @property
    def said(self) -> str:
        """The end of stderr."""
        return bytes(self._said[-self._keep :]).decode("utf-8", "replace")

    def _listen(self) -> None:
        assert self._process.stderr is not None
        handle = self._process.stderr.fileno()
        while data := os.read(handle, 1 << 16):
            self.lines += data.count(b"\n")
            self._said += data
            if len(self._said) > 2 * self._keep:
                del self._said[: -self._keep]


def listen(command: Sequence[bytes], name: str, patience: Seconds, limit: int = 8 << 20) -> tuple[int, bytes, str]:
    """Runs a short-lived ffmpeg to its end: exit status, stdout and stderr, each up to `limit` bytes.

    Raises MediaError when it does not end in `patience` seconds, or crashes.
    """
    until = time.monotonic() + patience
    buffer = bytearray(1 << 16)
    out = b""
    with Child(command, name, keep=limit) as child:
        while (got := child.read_into(memoryview(buffer), max(0.0, until - time.monotonic()))) and len(out) < limit:
            out += buffer[:got]
        return child.wait(max(0.0, until - time.monotonic())), out, child.said


def _limit(pid: int, cpu: Seconds) -> None:
    """Fences around a child's memory and time, and a gentler scheduler, as far as the system has them."""
    if sys.platform != "linux":
        return
    import resource

    for kind, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, int(cpu)), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(OSError, ValueError):  # gone already, or a lower limit stands
            resource.prlimit(pid, kind, (most, most))
    # ffmpeg's threads hand on every packet one by one; as a batch job they do not interrupt each other for it,
    # which saves a third of its processor time (benchmarks/results)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))


_PREFIX = re.compile(r"^(?:\[[^\]]* @ 0x[0-9a-f]+\] )+")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_BARE = ("Error opening input", "Error opening output", "Task finished", "Terminating thread", "Nothing was written")


def complaint(said: str) -> str:
    """The most telling line of an ffmpeg's stderr, fit for a message: no addresses, no control characters.

    >>> complaint("[mov @ 0x55] moov atom not found\\n[in#0 @ 0x66] Error opening input: Invalid data\\n")
    'moov atom not found'
    """
    lines = [_PREFIX.sub("", _ANSI.sub("", line)).strip() for line in said.splitlines()]
    lines = [line for line in lines if line and "misdetection possible" not in line]
    telling = [line for line in lines if not line.startswith(_BARE)]
    causes = [line.partition("input: ")[2] for line in lines if line.startswith("Error opening input: ")]
    best = (telling or causes or lines or ["no reason given"])[-1]
    return "".join(c if c.isprintable() else "?" for c in best)[:200]
