"""What we read from the environment, and what we put there for engines; nothing else of ours does."""

from __future__ import annotations

import os


def ffmpeg() -> str | None:
    """The ffmpeg the user wants: name or path."""
    return os.environ.get("SPEECHCLI_FFMPEG") or None


def debugging() -> bool:
    """Whether a bug shows its traceback at once."""
    return bool(os.environ.get("SPEECHCLI_DEBUG"))


def plain() -> bool:
    """Whether colours are unwanted (no-color.org, and terminals without any)."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def cards() -> tuple[str, ...] | None:
    """The cards that CUDA is to count, where the user chose some."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return None if chosen is None else tuple(card.strip() for card in chosen.split(",") if card.strip())


def prepare_engines() -> None:
    """Settings that numpy, OpenMP and CTranslate2 read when they are loaded; before that, and not over the user's.

    One thread a lane: threads of a pool that wait for each other spin, which costs a fifth of the encoder's CPU time.
    CTranslate2 has AVX-512 code and uses it unasked on Intel processors only.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if _cpu_flags() >= _AVX512:
        os.environ.setdefault("CT2_FORCE_CPU_ISA", "AVX512")


_AVX512 = frozenset(("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"))


def _cpu_flags() -> frozenset[str]:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            return frozenset(next((line for line in file if line.startswith("flags")), "").split())
    except OSError:
        return frozenset()
