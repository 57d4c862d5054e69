"""B5: what --help, --version and completion cost, against a bare `import typer` in the same run.

    python benchmarks/startup.py --pairs 15

The modules that must not be imported are told by `python -X importtime`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

from common import SPEECHCLI, Line, arguments, begin, measure, publish

FORBIDDEN = {"numpy", "torch", "transformers", "onnxruntime", "ctranslate2", "faster_whisper", "soundfile"}
COMPLETION = {"_SPEECHCLI_COMPLETE": "complete_bash", "COMP_WORDS": "speechcli tra", "COMP_CWORD": "1"}


def main() -> int:
    """Runs the row."""
    from speechcli.cli.app import COMMANDS

    args = begin(arguments(__doc__, pairs=15))
    top: dict[str, tuple[list[str], dict[str, str]]] = {
        "--help": (["--help"], {}),
        "--version": (["--version"], {}),
        "completion of a command's name": ([], COMPLETION),
    }
    each = {f"{name} --help": ([name, "--help"], dict[str, str]()) for name in COMMANDS}
    probes = {what: ([*SPEECHCLI, *words], env) for what, (words, env) in {**top, **each}.items()}
    bare = [sys.executable, "-c", "import typer"]
    taken: dict[str, list[float]] = {what: [] for what in ("import typer", *probes)}
    for _ in range(args.pairs + 1):
        taken["import typer"].append(measure(bare).cpu)
        for what, (command, env) in probes.items():
            taken[what].append(measure(command, env).cpu)
    taken = {what: times[1:] for what, times in taken.items()}  # the first time was to warm up
    base = median(taken["import typer"])
    lines = []
    for what in probes:
        ours = median(taken[what])
        limits = (3.0, 2.2) if what in top else (6.0, 4.0)
        lines.append(Line(what, "CPU-ms", 1000 * ours, 1000 * base, ours / base, "ratio", *limits))
    loaded = {what: sorted(imported(command, env) & FORBIDDEN) for what, (command, env) in probes.items()}
    for what, names in loaded.items():
        if names:
            print(f"  {what} imports {', '.join(names)}")
    lines.append(Line("heavy modules imported by any of these", "", sum(map(len, loaded.values())), passes=0))
    about = "Median CPU time of each, start of Python included; the peer is `python -c 'import typer'`."
    return publish(args, "B5: start-up", about, lines, {"seconds": taken, "imported": loaded})


def imported(command: list[str], env: dict[str, str]) -> set[str]:
    """Top-level packages that the command imports."""
    timed = [command[0], "-X", "importtime", *command[1:]]
    told = subprocess.run(timed, env={**os.environ, **env}, capture_output=True, text=True).stderr
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in told.splitlines() if "|" in line}


if __name__ == "__main__":
    sys.exit(main())
