"""Models that listen while people speak: those that can by themselves, and all others through `endpointed`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from speechcli.backends import registry
from speechcli.backends.base import StreamingTranscriber
from speechcli.backends.registry import Resolved, Wanted
from speechcli.core.span import Seconds
from speechcli.errors import UsageError
from speechcli.timeline.utterances import Endpoints

_OWN = "voxtral_realtime"  # the module of models with streams of their own
_DELAYS = range(80, 2401, 80)  # ms, that it was taught
_WHOLE = ("vibevoice", "vibevoice_onnx")  # modules of models that are too large to be asked again and again
# One window at a time, for a second lane would only wait; twelve seconds, and silence for the model to see its end.
_WHISPER = {"lanes": "1", "batch_size": "1", "encoder_seconds": "20"}


@dataclass(frozen=True, slots=True)
class Listening:
    """How a model is to listen; None: what serves it best.

    delay_ms: how far text stays behind the sound, for models that take one. silence: seconds that end an utterance.
    longest: seconds of an utterance. onset: probability of speech that counts as some.
    """

    delay_ms: int | None = None
    silence: Seconds | None = None
    longest: Seconds | None = None
    onset: float | None = None


def wish(wanted: Wanted, listening: Listening) -> Wanted:
    """The model with the settings that serve it best live, the user's first.

    Without fetching it. Raises UsageError for a model that does not transcribe, and for what does nothing with it;
    DataError.
    """
    module = registry.family_of(wanted).module
    if module == _OWN:
        utterances = {
            "--endpoint-silence-ms": listening.silence,
            "--max-utterance": listening.longest,
            "--vad-threshold": listening.onset,
        }
        for option in (name for name, given in utterances.items() if given is not None):
            raise UsageError(f"{option} is not for {wanted.model}, which writes without a pause", "leave it out")
        if listening.delay_ms is None:
            return wanted
        if listening.delay_ms not in _DELAYS:
            raise UsageError(f"--delay-ms {listening.delay_ms} is no delay of the model", "80 to 2400 in steps of 80")
        return replace(wanted, settings={**wanted.settings, "delay_ms": str(listening.delay_ms)})
    if module in _WHOLE:
        raise UsageError(f"{wanted.model} hears a recording as a whole, and does not listen", "voxtral-realtime does")
    if listening.delay_ms is not None:
        problem = f"--delay-ms is not for {wanted.model}, which is asked again and again"
        raise UsageError(problem, "it is for --model voxtral-realtime")
    endpoints(wanted, listening)
    best = _WHISPER if module == "whisper" else {}
    return replace(wanted, settings={**best, **wanted.settings})


def endpoints(wanted: Wanted, listening: Listening) -> Endpoints:
    """Where utterances end. Raises UsageError for those the model cannot hear at once; DataError."""
    most = registry.family_of(wanted).longest - 2
    usual = Endpoints()
    longest = min(usual.longest, most) if listening.longest is None else listening.longest
    if not 2 <= longest <= most:
        raise UsageError(f"--max-utterance {longest:g}: {wanted.model} hears 2 to {most:g} seconds at once")
    silence = usual.silence if listening.silence is None else listening.silence
    if not 0.1 <= silence <= 10:
        raise UsageError(f"--endpoint-silence-ms {silence * 1000:g}: no pause that ends an utterance", "100 to 10000")
    onset = usual.onset if listening.onset is None else listening.onset
    if not 0 < onset <= 1:
        raise UsageError(f"--vad-threshold {onset:g}: no probability of speech", "above 0, at most 1")
    return replace(usual, silence=silence, longest=longest, onset=onset, offset=min(usual.offset, onset))


def open_streaming(resolved: Resolved, listening: Listening) -> StreamingTranscriber:
    """The model, loaded. Raises UsageError, UnavailableError, DataError."""
    if resolved.family == "voxtral-realtime":
        from speechcli.backends import voxtral_live

        return voxtral_live.open(registry.setup_of(resolved))
    from speechcli.backends.endpointed import Endpointed

    transcriber = registry.open_transcriber(resolved)
    return Endpointed(transcriber, registry.open_detector(), endpoints(resolved.wanted, listening))
