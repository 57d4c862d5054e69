"""Figures in words: rates, times, sizes, as the table, the advice and the report write them."""

from __future__ import annotations

from typing import Final

from speechcli.core.span import Seconds
from speechcli.scoring.rates import Metric

SHORT: Final[dict[Metric, str]] = {
    "wer": "WER",
    "cer": "CER",
    "cpwer": "cpWER",
    "tcpwer": "tcpWER",
    "der": "DER",
    "boundary": "boundary",
}
TIMED: Final = (
    "wall time from opening the file to the finished transcript, one recording after another, model loaded and warm"
)
_WRONG: Final[dict[Metric, str]] = {
    "wer": "of words wrong",
    "cer": "of characters wrong",
    "cpwer": "of words wrong or given to the wrong speaker",
    "tcpwer": "of words wrong, given to the wrong speaker or at the wrong time",
    "der": "of the speaking time given to the wrong speaker, missed or made up",
    "boundary": "off at the edges of words",
}


def figure(metric: Metric, value: float | None) -> str:
    """A rate with its unit; "" for none.

    >>> figure("wer", 0.0768), figure("boundary", 41.4), figure("wer", None)
    ('7.7 %', '41 ms', '')
    """
    if value is None:
        return ""
    return f"{value:.0f} ms" if metric == "boundary" else f"{100 * value:.1f} %"


def tick(metric: Metric, value: float) -> str:
    """A rate at an axis.

    >>> tick("wer", 0.2), tick("wer", 0.025), tick("boundary", 20)
    ('20 %', '2.5 %', '20 ms')
    """
    return f"{value:g} ms" if metric == "boundary" else f"{100 * value:.4g} %"


def bare(metric: Metric, value: float | None) -> str:
    """The same without its unit, which the column has in its name."""
    return figure(metric, value).partition(" ")[0]


def difference(metric: Metric, value: float) -> str:
    """A difference with its sign; of percentages in points.

    >>> difference("wer", -0.0044), difference("boundary", 12)
    ('-0.4 points', '+12 ms')
    """
    return f"{value:+.0f} ms" if metric == "boundary" else f"{100 * value:+.1f} points"


def wrong(metric: Metric, value: float) -> str:
    """What a rate means.

    >>> wrong("wer", 0.0768)
    '7.7 % of words wrong'
    """
    return f"{figure(metric, value)} {_WRONG[metric]}"


def times(factor: float | None) -> str:
    """A factor, with as many digits as mean something.

    >>> times(41.23), times(4.123), times(0.512), times(None)
    ('41', '4.1', '0.51', '')
    """
    if factor is None:
        return ""
    return f"{factor:.0f}" if factor >= 10 else f"{factor:.1f}" if factor >= 1 else f"{factor:.2g}"


def took(seconds: Seconds) -> str:
    """A duration for people.

    >>> took(0.34), took(21.4), took(88), took(3600), took(7530)
    ('0.3 s', '21 s', '1 min 28 s', '1 h', '2 h 6 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    minutes = int(seconds / 60 + 0.5)
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def size(n_bytes: int | None) -> str:
    """Bytes for people; "" for none.

    >>> size(734_003_200), size(1_500_000_000), size(None)
    ('734 MB', '1.5 GB', '')
    """
    if n_bytes is None:
        return ""
    return f"{n_bytes / 1e6:.0f} MB" if n_bytes < 1e9 else f"{n_bytes / 1e9:.1f} GB"


def several(count: int, noun: str) -> str:
    """A count with its noun.

    >>> several(1, "recording"), several(12, "recording")
    ('1 recording', '12 recordings')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
