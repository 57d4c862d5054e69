"""A recording as browsers play it: whether they do, and the bytes for a page to hold."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import soundfile

from speechcli.core.span import Seconds
from speechcli.errors import MediaError, UnavailableError, from_os
from speechcli.media.decode import Take, decode
from speechcli.media.probe import Facts

LARGEST = 300_000_000  # bytes; a page holds them in base64, 400 MB of text that the browser keeps in memory
RATE = 24_000  # Hz of what is made anew
KBPS = 64  # of one channel
_KIND = 4096  # bytes of a file's begin that tell WebM from other Matroska, and RIFF from its larger kin

# Container (ffmpeg's name) to its type, the sound and the pictures that current Chromium, Firefox and Safari play:
# https://developer.mozilla.org/en-US/docs/Web/Media/Guides/Formats
_PLAYED: dict[str, tuple[str, frozenset[str], frozenset[str]]] = {
    "mp3": ("mpeg", frozenset({"mp3"}), frozenset()),
    "aac": ("aac", frozenset({"aac"}), frozenset()),
    "mov": ("mp4", frozenset({"aac", "mp3"}), frozenset({"h264", "av1", "vp9"})),
    "matroska": ("webm", frozenset({"opus", "vorbis"}), frozenset({"vp8", "vp9", "av1"})),
    "ogg": ("ogg", frozenset({"opus", "vorbis", "flac"}), frozenset()),
    "flac": ("flac", frozenset({"flac"}), frozenset()),
    "wav": (
        "wav",
        frozenset({"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_alaw", "pcm_mulaw"}),
        frozenset(),
    ),
}
_LOST_IN = frozenset({"aac"})  # bare ADTS has no index: Chromium takes 11.00 s for 10.91, and seeks accordingly
_VARIES = (b"Xing", b"VBRI")  # in the first frame of MP3 of a variable rate: its table has 100 places, see `_sound`


@dataclass(frozen=True, slots=True)
class Playing:
    """How browsers take a recording. mime: its type, "" where they do not play it. video: there are pictures.

    problem: why they may not play it, "" where they do. roughly: they find a moment in it only roughly.
    """

    mime: str
    video: bool
    problem: str = ""
    roughly: bool = False


@dataclass(frozen=True, slots=True)
class Embedded:
    """The bytes of a recording as a page holds them."""

    data: bytes
    mime: str
    video: bool


def playing(path: Path, facts: Facts) -> Playing:
    """How browsers take `path` as it lies there. facts: from `probe`. Raises DiskError, DeniedError."""
    container = facts.container.partition(",")[0]
    codec = facts.tracks[facts.preferred].codec
    kind, sounds, films = _PLAYED.get(container, ("", frozenset(), frozenset()))
    begin = _begin(path)
    if (kind == "webm" and b"webm" not in begin) or (kind == "wav" and begin[:4] != b"RIFF"):
        kind = ""
    video = bool(facts.pictures)
    if not kind:
        some = "not all browsers" if container == "matroska" else "browsers do not"
        return Playing("", video, f"{some} play {codec} in a file of this kind ({container})")
    if codec not in sounds:
        return Playing("", video, f"browsers do not play {codec} sound")
    if video and facts.pictures not in films:
        return Playing("", video, f"not all browsers play {facts.pictures} pictures")
    lost = container in _LOST_IN or (container == "mp3" and any(mark in begin for mark in _VARIES))
    return Playing(f"{'video' if video else 'audio'}/{kind}", video, roughly=lost)


def embedded(
    path: Path,
    facts: Facts,
    ffmpeg: Path,
    track: int | None = None,
    largest: int = LARGEST,
    longest: Seconds = 360_000.0,
) -> Embedded:
    """The recording for a page: its own bytes where browsers play them and the first track is meant, else its sound.

    track: the one that was heard, None for the one the file prefers. What is larger than `largest` bytes is cut down to
    its sound too, but for films. Raises MediaError for what is too large still, or cannot be decoded; UsageError for a
    track that is not there; UnavailableError; DiskError and its like.
    """
    how = playing(path, facts)
    first = track in (None, 0) and (track == 0 or facts.preferred == 0)
    as_it_is = bool(how.mime) and first and not how.roughly
    try:
        size = path.stat().st_size
        if as_it_is and size <= largest:
            return Embedded(path.read_bytes(), how.mime, how.video)
    except OSError as error:
        raise from_os(error, f"reading {facts.name}") from error
    if as_it_is and how.video:
        raise _too_large(facts.name, size, largest)
    if (facts.duration or 0.0) * KBPS * 125 > largest:
        raise _too_large(facts.name, round((facts.duration or 0.0) * KBPS * 125), largest)
    return Embedded(_sound(path, facts, ffmpeg, track, largest, longest), "audio/mpeg", False)


def _sound(path: Path, facts: Facts, ffmpeg: Path, track: int | None, largest: int, longest: Seconds) -> bytes:
    """The track as MP3, mono, by the same decoder that models listen through: its times are theirs.

    At a constant bit rate: a browser then finds a moment by counting bytes. In MP3 of a variable rate it goes by a
    table of 100 places, 36 s each of an hour, and a click on a word lands seconds off.
    """
    if "MP3" not in soundfile.available_formats():
        raise UnavailableError("this libsndfile writes no MP3", "pip install --force-reinstall soundfile")
    made = io.BytesIO()
    how = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT", "compression_level": _LEVEL}
    with (
        decode(path, facts, ffmpeg, Take(RATE, track, longest=longest)) as blocks,
        soundfile.SoundFile(made, "w", RATE, 1, **how) as out,
    ):
        for block in blocks:
            out.write(block.samples)
            if made.tell() > largest:
                raise _too_large(facts.name, made.tell(), largest)
    return made.getvalue()


_LEVEL = (160 - KBPS) / (160 - 8)  # libsndfile: from 160 kbit/s at 0 to 8 at 1, for MPEG-2


def _too_large(name: str, size: int, largest: int) -> MediaError:
    return MediaError(
        f"{name} would be {size / 1e6:.0f} MB in the page, and {largest / 1e6:.0f} MB is the most",
        "without --embed-media the page links to it",
    )


def _begin(path: Path) -> bytes:
    """The first bytes, after the tags that MP3 may have before it: https://id3.org/id3v2.4.0-structure, 3.1."""
    try:
        with path.open("rb") as file:
            begin = file.read(_KIND)
            if begin[:3] != b"ID3" or len(begin) < 10:
                return begin
            file.seek(10 + sum((byte & 0x7F) << shift for byte, shift in zip(begin[6:10], (21, 14, 7, 0), strict=True)))
            return file.read(_KIND)
    except OSError as error:
        raise from_os(error, f"reading {path.name}") from error
