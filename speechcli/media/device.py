"""What records, and what it gave."""

from __future__ import annotations

from dataclasses import dataclass

LIST = "speechcli stream-mic --list-devices names those there are"


@dataclass(frozen=True, slots=True)
class Device:
    """A microphone, or what else can be recorded ("Monitor of …": what a loudspeaker plays).

    id: stays the same as long as it is plugged into the same place. rate: Hz and channels: its own.
    """

    id: str
    name: str
    default: bool
    rate: int
    channels: int
    backend: str


@dataclass(frozen=True, slots=True)
class Piece:
    """What a callback brought. data: float32, interleaved. lost: frames left out before it, for the queue was full."""

    data: bytes
    arrived: float
    lost: int
