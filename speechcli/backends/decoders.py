"""Which engine runs Whisper's decoder: OpenVINO where the processor computes in bfloat16, else CTranslate2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechcli.backends.encoders import Model, had, place_of

if TYPE_CHECKING:
    from speechcli.backends.openvino_decoder import Decoder
    from speechcli.backends.whisper_times import Aligner, Heads

NAMES = ("auto", "openvino", "ctranslate2")


@dataclass(frozen=True, slots=True)
class Engine:
    """Another decoder than CTranslate2's. aligner: what times words with it, where its heads are known; it is told what
    the encoder makes of silence, (1, 1500, width).
    """

    decoder: Decoder
    aligner: Callable[[Callable[[], Any]], Aligner] | None


def opened(model: Model, heads: Heads, wanted: str) -> Engine | None:
    """The decoder of a CTranslate2 Whisper; None where CTranslate2's own is to be used. Raises UnavailableError."""
    place = model.place
    exact = place.device != "cpu" or not place.compute_type.startswith("int8")
    if wanted == "ctranslate2" or (wanted == "auto" and (exact or not find_spec("openvino"))):
        return None
    return had("decoder", wanted, lambda: _opened(model, heads, wanted))


def _opened(model: Model, heads: Heads, wanted: str) -> Engine | None:
    from speechcli.backends import openvino_decoder, openvino_reader
    from speechcli.backends.quiet_openvino import has_bfloat16

    if wanted == "auto" and not has_bfloat16():
        return None  # it must read twice as much: CTranslate2 is as quick
    file, place = model.folder / "model.bin", model.place

    def cache(part: str) -> Path:
        return place_of((part, model.revision, str(heads.chosen)), suffix=".blob")

    kept = cache if model.revision else None
    decoder = openvino_decoder.Decoder(file, place.lanes, place.threads, kept)

    def aligner(silence: Callable[[], Any]) -> Aligner:
        there = None if kept is None else kept("reader")
        return openvino_reader.Aligner(file, decoder, heads.chosen, place.lanes, place.threads, silence, there)

    return Engine(decoder, aligner if heads.chosen else None)
