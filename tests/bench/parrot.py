"""A child that speaks the protocol of `bench.child` and knows no model: its answers, and its end, are in the names.

A recording called "dies" kills it, "hangs" stops it, "spins" keeps it busy for a while, "ends" ends it with a last
word; any other is heard in as many seconds as the name ends with.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from speechcli.core.transcript import Segment, Transcript
from speechcli.formats import jsondoc

METERS = {"memory": 5_000_000, "device_memory": None, "energy": None, "notes": ["nothing was felt"]}
FACTS = {"model": "parrot", "revision": "1", "device": "air", "settings": [["beak", "4"]]}
PROGRAM = (sys.executable, __file__)


def tell(event: str, **more: object) -> None:
    print(json.dumps({"event": event, **more}), flush=True)


def main() -> None:
    sys.stdin.readline()
    tell("loaded", **FACTS)
    tell("warm", seconds=0.1, **METERS)
    for line in sys.stdin:
        name = json.loads(line)["name"]
        match name:
            case "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hangs":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "spins":
                end = time.process_time() + 1.2
                while time.process_time() < end:
                    pass
            case "ends":
                sys.stderr.write("Traceback (most recent call last):\n  …\nRuntimeError: no more seeds\n")
                sys.exit(3)
        said = "".join(jsondoc.document(Transcript(name, 10.0, (Segment(0.0, 9.0, name),))))
        seconds = float(name.rpartition(" ")[2]) if " " in name else 1.0
        tell("done", transcript=said, seconds=seconds, cpu=1.0, first=0.5, **METERS)


if __name__ == "__main__":
    main()
