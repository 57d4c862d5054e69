"""The recordings of the rows: yours where you have them, else built from clips with known words.

    python benchmarks/recordings.py hour.mp3 --data FOLDER

A name (hour.mp3, min10.mp3, s10.mp3, three_hours.mp3, hour.m4a, sparse_hour.mp3, short, no_speech) that lies in the
folder is taken as it is, with its words beside it (hour.txt) if they are there. What is missing is built from the clips
in the folder (audio files with a .txt beside them, or those of a manifest.jsonl), and without a folder from the clips
that ship with the project. Built means: clips in a seeded order, up to 8 % faster or slower, up to 6 dB softer, 0.3 to
2.5 s of silence after each, faint noise over all; mp3 of 44.1 kHz, stereo, 128 kbit/s. In sparse_hour.mp3 15 % are
clips and the rest is a quiet room, in pauses of a second to minutes. The folder no_speech holds a minute each of
silence, noises, tones, knocks and a tune, made of numbers. The same clips and the same ffmpeg give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOUND = {".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav"}
RATE = 16_000  # Hz, while mixing
SEED = 7
RECIPE = "2"  # to be raised when what is built changes
LENGTHS = {"hour.mp3": 3600.0, "min10.mp3": 600.0, "sparse_hour.mp3": 3600.0}  # seconds
NAMES = (*LENGTHS, "s10.mp3", "three_hours.mp3", "hour.m4a", "short", "no_speech")
SPARSE = 0.15  # of sparse_hour.mp3 is speech
TEMPI = (0.92, 0.94, 0.96, 0.98, 1.0, 1.02, 1.04, 1.06, 1.08)
N_SHORT = 100
MP3 = ("-ar", "44100", "-ac", "2", "-b:a", "128k")


@dataclass(frozen=True, slots=True)
class Clip:
    """A piece of speech and its words. name: unique in its collection; group: the set it belongs to."""

    name: str
    path: Path
    text: str
    group: str


def recording(name: str, args: argparse.Namespace) -> Path:
    """The recording (or folder of short ones) of that name, built when it is not there yet."""
    if args.data is not None and (there := Path(args.data) / name).exists():
        return there
    path = _shelf(args) / name
    if not path.exists():
        print(f"  building {name} ...", flush=True)
        subprocess.run([sys.executable, __file__, name, *_given(args)], check=True)  # a child: see common.py
    return path


def words(path: Path) -> str | None:
    """What is said in a recording, if somebody knows."""
    text = path.with_suffix(".txt")
    return text.read_text(encoding="utf-8").strip() if text.is_file() else None


def clips(folder: Path | None) -> list[Clip]:
    """English speech with known words, sorted by name."""
    if folder is None:
        sample = HERE.parent / "speechcli" / "sample"
        return [*_beside(HERE.parent / "tests" / "data"), *_beside(sample)]
    manifest = folder / "manifest.jsonl"
    return sorted(_listed(manifest) if manifest.is_file() else _beside(folder), key=lambda clip: clip.name)


def sounds(folder: Path) -> list[Path]:
    """The recordings in a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SOUND)


def linked(source: Path, path: Path) -> None:
    """The file under another name: a hard link, or a copy where there can be none."""
    try:
        os.link(source.resolve(), path)
    except OSError:
        shutil.copyfile(source, path)


def numbered(sources: Sequence[Path], folder: Path) -> list[Path]:
    """The files under names that no two share, linked into a folder."""
    paths = [folder / f"{i:04d}{source.suffix}" for i, source in enumerate(sources)]
    for source, path in zip(sources, paths, strict=True):
        linked(source, path)
    return paths


def ffmpeg() -> str:
    """The ffmpeg speechcli would use."""
    from speechcli.media.ffmpeg import find

    return str(find(os.environ.get("SPEECHCLI_FFMPEG")))


def duration(path: Path) -> float:
    """Seconds, as the file says."""
    from speechcli.media.ffmpeg import find
    from speechcli.media.probe import probe

    return probe(path, find(os.environ.get("SPEECHCLI_FFMPEG"))).duration or 0.0


def _beside(folder: Path) -> list[Clip]:
    return [
        Clip(path.relative_to(folder).as_posix(), path, text, path.parent.name)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SOUND and (text := words(path))
    ]


def _listed(manifest: Path) -> Iterator[Clip]:
    """English recordings whose text was made for recognition, one of each id; hostile ones are no benchmark."""
    for line in manifest.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        wanted = "asr" in entry["task"] and entry["language"] == "en" and entry["transcript"]
        if wanted and "keywords" not in entry["task"]:
            text = (manifest.parent / entry["transcript"]).read_text(encoding="utf-8").strip()
            yield Clip(entry["id"], manifest.parent / entry["audio"], text, entry["set"])


def _shelf(args: argparse.Namespace) -> Path:
    """The folder for what is built of these clips."""
    from platformdirs import user_cache_path

    made_of = [(clip.name, clip.path.stat().st_size) for clip in _sources(args)]
    key = hashlib.sha256(json.dumps([RECIPE, made_of]).encode()).hexdigest()[:12]
    folder: Path = (args.cache or user_cache_path("speechcli") / "benchmarks") / key
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _sources(args: argparse.Namespace) -> list[Clip]:
    built = {Path(name).stem for name in LENGTHS} | {"three_hours"}
    own = [clip for clip in clips(Path(args.data)) if clip.path.stem not in built] if args.data is not None else []
    return own or clips(None)


def _given(args: argparse.Namespace) -> list[str]:
    pairs = (("--data", args.data), ("--cache", args.cache))
    return [str(part) for name, value in pairs if value is not None for part in (name, value)]


# --- building, in a process of its own ---


def build(name: str, args: argparse.Namespace) -> None:
    """Builds one recording on its shelf, with its words beside it where they are known."""
    import numpy as np

    shelf = _shelf(args)
    if name in ("three_hours.mp3", "hour.m4a"):
        _from_hour(name, shelf, recording("hour.mp3", args))
        return
    if name == "s10.mp3":
        _ten_seconds(_sources(args), shelf / name)
        return
    if name == "no_speech":
        _no_speech(shelf / name, np.random.default_rng(SEED))
        return
    mixer = _Mixer(_sources(args), np.random.default_rng(SEED))
    if name in LENGTHS:
        mix = mixer.sparse if name.startswith("sparse") else mixer.mixed
        _encoded(*mix(LENGTHS[name]), shelf / name)
        return
    draft = shelf / "short.part"
    draft.mkdir(exist_ok=True)
    for i in range(N_SHORT):
        _encoded(*mixer.mixed(float(mixer.random.uniform(2.0, 18.0))), draft / f"{i:03d}.mp3")
    draft.rename(shelf / name)


def _from_hour(name: str, shelf: Path, hour: Path) -> None:
    three = name == "three_hours.mp3"
    how = (["-stream_loop", "2"], ["-c", "copy"]) if three else ([], ["-c:a", "aac", "-b:a", "128k"])
    said = words(hour)
    if said is not None:
        (shelf / name).with_suffix(".txt").write_text(
            "\n".join([said] * 3 if three else [said]) + "\n", encoding="utf-8"
        )
    draft = shelf / f"part.{name}"
    subprocess.run([ffmpeg(), "-v", "error", "-y", *how[0], "-i", hour, *how[1], draft], check=True)
    draft.rename(shelf / name)


def _ten_seconds(sources: list[Clip], path: Path) -> None:
    """The beginning of the first clip that is long enough: ten seconds of somebody talking."""
    clip = next(clip for clip in sources if duration(clip.path) > 10)
    draft = path.with_name(f"part.{path.name}")
    subprocess.run([ffmpeg(), "-v", "error", "-y", "-i", clip.path, "-t", "10", *MP3, draft], check=True)
    draft.rename(path)


def _no_speech(folder: Path, random: Any) -> None:
    """A folder of sounds in which nobody speaks, a minute each."""
    import numpy as np

    n = 60 * RATE
    t = np.arange(n) / RATE
    white = random.normal(0.0, 0.1, n)
    pink = np.fft.irfft(np.fft.rfft(white) / np.sqrt(np.maximum(np.arange(n // 2 + 1), 20)), n)
    each = np.repeat(random.uniform(200.0, 3000.0, 120), RATE // 2)  # Hz: another tone every half second
    since = t % 0.8  # seconds since the last knock
    chords = np.array([[220.0, 277.2, 329.6], [196.0, 246.9, 293.7], [174.6, 220.0, 261.6], [164.8, 207.7, 246.9]])
    notes = chords[(t // 2).astype(int) % 4]  # a chord every two seconds, each note with two overtones
    tune = sum(np.sin(2 * np.pi * k * notes * t[:, None]).sum(1) / k for k in (1, 2, 3)) * np.exp(-(t % 0.5) * 3)
    sounds = {
        "silence": np.zeros(n),
        "room": random.normal(0.0, 1e-3, n),
        "white": white,
        "pink": 0.1 * pink / pink.std(),
        "tones": 0.2 * np.sin(2 * np.pi * np.cumsum(each) / RATE),
        "hum": 0.05 * sum(np.sin(2 * np.pi * 50 * k * t) / k for k in (1, 2, 3, 5)),
        "knocks": random.normal(0.0, 0.3, n) * np.exp(-since * 40) + random.normal(0.0, 1e-3, n),
        "tune": 0.05 * tune,
    }
    draft = folder.with_suffix(".part")
    draft.mkdir(exist_ok=True)
    for name, sound in sounds.items():
        _encoded(sound.astype(np.float32), [], draft / f"{name}.mp3")
    draft.rename(folder)


class _Mixer:
    """Rows of clips, each time in another order."""

    def __init__(self, sources: list[Clip], random: Any) -> None:
        self.random = random
        self._sources = sources
        self._ffmpeg = ffmpeg()
        self._decoded: dict[tuple[int, float], Any] = {}

    def mixed(self, length: float) -> tuple[Any, list[str]]:
        """Sound of `length` seconds, float32 at RATE, and its words; a clip that does not fit is left out."""
        import numpy as np

        room = round(length * RATE)
        parts, said = [np.zeros(0, np.float32)], list[str]()
        n_missed = 0
        while n_missed < len(self._sources):
            for i in self.random.permutation(len(self._sources)):
                sound = self._clip(i, float(self.random.choice(TEMPI)))
                gain = 10 ** (self.random.uniform(-6.0, 0.0) / 20)
                silence = round(self.random.uniform(0.3, 2.5) * RATE)
                n_missed = n_missed + 1 if len(sound) > room else 0
                if not n_missed:
                    parts += [sound * gain, np.zeros(min(silence, room - len(sound)), np.float32)]
                    room -= len(parts[-2]) + len(parts[-1])
                    said.append(self._sources[i].text)
        whole = np.concatenate([*parts, np.zeros(room, np.float32)])
        return (whole + self.random.normal(0.0, 3e-4, len(whole))).astype(np.float32), said

    def sparse(self, length: float) -> tuple[Any, list[str]]:
        """As `mixed`, but SPARSE of it is clips and the rest a quiet room, in pauses of very different lengths."""
        import numpy as np

        room, n_speech = round(length * RATE), round(SPARSE * length * RATE)
        sounds, said = list[Any](), list[str]()
        while sum(map(len, sounds)) < n_speech:
            i = int(self.random.integers(len(self._sources)))
            sounds.append(self._clip(i, float(self.random.choice(TEMPI))) * 10 ** (self.random.uniform(-6.0, 0.0) / 20))
            said.append(self._sources[i].text)
        left = room - sum(map(len, sounds))
        shares = self.random.gamma(0.4, size=len(sounds) + 1)  # many short ones and a few of minutes
        pauses = np.floor(shares / shares.sum() * left).astype(int)
        whole = self.random.normal(0.0, 1e-3, room).astype(np.float32)
        at = 0
        for sound, pause in zip(sounds, pauses[:-1], strict=True):
            at += pause
            whole[at : at + len(sound)] += sound
            at += len(sound)
        return whole, said

    def _clip(self, i: int, tempo: float) -> Any:
        import numpy as np

        if (i, tempo) not in self._decoded:
            how = ["-af", f"atempo={tempo}", "-f", "f32le", "-ac", "1", "-ar", str(RATE), "-"]
            command = [self._ffmpeg, "-v", "error", "-i", str(self._sources[i].path), *how]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
            self._decoded[i, tempo] = np.frombuffer(done.stdout, np.float32)
        return self._decoded[i, tempo]


def _encoded(sound: Any, said: list[str], path: Path) -> None:
    given = ["-f", "f32le", "-ar", str(RATE), "-ac", "1", "-i", "-"]
    draft = path.with_name(f"part.{path.name}")
    subprocess.run([ffmpeg(), "-v", "error", "-y", *given, *MP3, draft], input=sound.tobytes(), check=True)
    path.with_suffix(".txt").write_text("\n".join(said) + "\n", encoding="utf-8")
    draft.rename(path)


def main() -> None:
    """The manual page is above."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cache", type=Path)
    args = parser.parse_args()
    if not (_shelf(args) / args.name).exists():
        build(args.name, args)
    print(_shelf(args) / args.name)


if __name__ == "__main__":
    main()
