"""What `speechcli bench` runs for each model: `bench.child`, in a process set up as the one that transcribes."""

from __future__ import annotations

from speechcli.bench import child
from speechcli.cli import allocator, environment

if __name__ == "__main__":
    environment.prepare_engines()
    allocator.keep_large_blocks()
    child.main()
