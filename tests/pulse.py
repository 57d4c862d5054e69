"""A PulseAudio server of our own, with loudspeakers that nobody hears; what they play can be recorded."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("pulseaudio", "pactl", "paplay")


class Pulse:
    """A running server. environment: what a program needs to find it."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:{folder}/native"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "DBUS_", "XDG_"))},
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_SERVER": self.address,
        }
        self._command = [
            *("pulseaudio", "--daemonize=no", "-n", "--exit-idle-time=-1", "--use-pid-file=no", "--log-target=stderr"),
            *("--disable-shm=yes", "-L", f"module-native-protocol-unix socket={folder}/native"),
        ]
        self._log = folder / "log"
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                self._command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        end = time.monotonic() + 20
        while self._ask("info").returncode != 0:
            if self._server.poll() is not None or time.monotonic() > end:
                self.stop()
                pytest.skip(f"no PulseAudio server can start here: {self._log.read_text('utf-8', 'replace')[-300:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.send_signal(signal.SIGCONT)
            self._server.wait(20)
            self._server = None

    def send(self, number: signal.Signals) -> None:
        """SIGSTOP makes it hang, SIGCONT go on."""
        assert self._server is not None
        self._server.send_signal(number)

    def speaker(self, name: str, title: str, rate: int = 48_000, channels: int = 2) -> str:
        """Plugs one in; what it plays is recorded from `name.monitor`. Gives what `unplug` takes."""
        properties = f"sink_properties=device.description={title}"
        return self.tell(
            "load-module", "module-null-sink", f"sink_name={name}", f"rate={rate}", f"channels={channels}", properties
        ).strip()

    def unplug(self, module: str) -> None:
        self.tell("unload-module", module)

    def tell(self, *words: str) -> str:
        done = self._ask(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def play(self, file: Path, speaker: str) -> subprocess.Popen[bytes]:
        """A program that plays a file, and ends with it."""
        return subprocess.Popen(["paplay", f"--device={speaker}", str(file)], env=self.environment)

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["pactl", *words], env=self.environment, capture_output=True, text=True, timeout=20)


@contextmanager
def server() -> Iterator[Pulse]:
    """One that runs; the test is skipped where none can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (Debian: pulseaudio pulseaudio-utils)")
    # a short name, for that of a socket may have 107 bytes only
    folder = Path(tempfile.mkdtemp(prefix="pulse"))
    running = Pulse(folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder)
