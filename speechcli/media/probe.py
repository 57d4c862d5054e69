"""What a media file says about itself, before a sample is decoded.

Read from `ffmpeg -i` (the wheel's ffmpeg comes without ffprobe). File names, titles and tags stand in the same
text and may look like anything; so in real stream lines a token that the file cannot know follows the codec
(`-dump_separator`), and lines without it are nobody's word.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

import ffmpeg as ffmpeg_python

from speechcli.core.span import Seconds
from speechcli.errors import MediaError, NoAudioError
from speechcli.media.ffmpeg import PATIENCE, argv, complaint, listen, regular, source

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000  # Hz; a 200 KB file of 1 Hz would be a day of sound
MOST_CHANNELS = 64


@dataclass(frozen=True, slots=True)
class Track:
    """One sound track. channels is 0 where ffmpeg could not tell."""

    rate: int | None  # Hz
    channels: int
    codec: str
    language: str | None = None  # as the file says it, mostly ISO 639-2
    title: str | None = None

    def __str__(self) -> str:
        return " ".join(part for part in (self.language, self.codec, f"{self.channels}ch", self.title) if part)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file announces; none of it is proven.

    duration: from the header, None where it has none. estimated: guessed by ffmpeg from size and bit rate.
    start: time stamp of the first sample of any stream, from which our times count; None without time stamps.
    preferred: the track that the file marks as default, else 0. others: further timed streams (film, subtitles).
    pictures: codec of the film, "" for sound alone; a cover is no film.
    """

    name: str  # what to call the file in messages
    container: str
    duration: Seconds | None
    start: Seconds | None
    tracks: tuple[Track, ...]
    preferred: int = 0
    estimated: bool = False
    others: int = 0
    pictures: str = ""


def probe(path: Path, ffmpeg: Path, name: str | None = None, patience: Seconds = PATIENCE) -> Facts:
    """What `path` announces. name: what to call it in messages (a spooled stdin has a temporary name).

    Raises NoInputError, DeniedError, NoAudioError or MediaError.
    """
    name = path.name if name is None else name
    regular(path, name)
    token = secrets.token_hex(8)
    node = source(v="info", hide_banner=None, dump_separator=token)
    # without an output ffmpeg prints what it found, and ends
    _, _, said = listen(argv(ffmpeg, path, ffmpeg_python.output(node, "pipe:1"))[:-1], name, patience)
    facts = read_facts(said, token, name)
    if facts is None:
        if "Format not on whitelist" in said:
            raise MediaError(f"{name}: {_kind(path)} is not accepted", "name the media files themselves")
        raise MediaError(f"{name} is not a media file ffmpeg can read ({complaint(said)})", "is it damaged or empty?")
    if not facts.tracks:
        raise NoAudioError(f"{name} has no audio stream", "is it a video without sound?")
    for track in facts.tracks:
        if track.rate is not None and not LOWEST_RATE <= track.rate <= HIGHEST_RATE:
            raise MediaError(f"{name}: a sample rate of {track.rate} Hz is not accepted", "is the header damaged?")
        if track.channels > MOST_CHANNELS:
            raise MediaError(f"{name}: {track.channels} channels are not accepted", f"at most {MOST_CHANNELS}")
    return facts


_INPUT = re.compile(r"^Input #0, (\S+), from ", re.MULTILINE)
_DURATION = re.compile(r"^  Duration: (N/A|(\d+):(\d\d):(\d\d(?:\.\d+)?))(?:, start: (-?[\d.]+))?", re.MULTILINE)
_STREAM = re.compile(
    r"^ +Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\(([^)]*)\))?: (Audio|Video|Subtitle): (.*)$", re.MULTILINE
)
_TITLE = re.compile(r"^ {6}title +: (.*)$", re.MULTILINE)


def read_facts(said: str, token: str, name: str) -> Facts | None:
    """The facts in the stderr of `ffmpeg -dump_separator TOKEN -i FILE`; None if the file was not opened."""
    head = _INPUT.search(said)
    if head is None:
        return None
    lines = [found for found in _STREAM.finditer(said, head.end()) if token in found[4]]
    first = lines[0].start() if lines else len(said)
    times = list(_DURATION.finditer(said, head.end(), first))  # the last one: tags come before it
    duration = start = None
    if times:
        _, hours, minutes, seconds, begin = times[-1].groups()
        duration = int(hours) * 3600 + int(minutes) * 60 + float(seconds) if hours is not None else None
        start = float(begin) if begin else None
    tracks: dict[int, Track] = {}  # by index of the stream: programmes list streams again, in any order
    marked: set[int] = set()
    others: set[int] = set()
    pictures = ""
    for found, after in zip(lines, [*(line.start() for line in lines[1:]), len(said)], strict=True):
        index, language, kind, rest = int(found[1]), found[2], found[3], found[4]
        if kind != "Audio":
            if "(attached pic)" not in rest:
                others.add(index)
                if kind == "Video":
                    pictures = pictures or _codec(rest.partition(token)[0])
            continue
        title = _TITLE.search(said, found.end(), after)
        codec, _, fields = rest.partition(token)
        tracks[index] = _track(codec, fields.split(", "), language, title[1] if title else None)
        if "(default)" in rest:
            marked.add(index)
    order = sorted(tracks)
    return Facts(
        name=name,
        container=head[1].rstrip(","),
        duration=duration,
        start=start,
        tracks=tuple(tracks[index] for index in order),
        preferred=order.index(min(marked)) if marked else 0,
        estimated="Estimating duration from bitrate" in said,
        others=len(others) + max(0, len(tracks) - 1),
        pictures=pictures,
    )


def _track(codec: str, fields: list[str], language: str | None, title: str | None) -> Track:
    rate, channels = None, 0
    for field, following in zip(fields, [*fields[1:], ""], strict=True):
        if hertz := re.fullmatch(r"(\d+) Hz", field):
            rate, channels = int(hertz[1]), count_channels(following)
    known = language if language and language not in ("und", "unk") else None
    return Track(rate, channels, _codec(codec), known, title)


def _codec(text: str) -> str:
    """Its name, without what ffmpeg says of its kind."""
    return text.split()[0] if text.strip() else "unknown"


_NAMED = {"mono": 1, "stereo": 2, "downmix": 2, "binaural": 2, "quad": 4, "hexagonal": 6, "octagonal": 8, "cube": 8}
_NAMED |= {"hexadecagonal": 16}


def count_channels(layout: str) -> int:
    """Channels in ffmpeg's name of a layout (libavutil/channel_layout.c); 0 where it says nothing.

    >>> [count_channels(x) for x in ("mono", "5.1(side)", "22.2", "24 channels (FL+FR)", "ambisonic 1", "")]
    [1, 6, 24, 24, 4, 0]
    """
    layout = layout.strip()
    if found := re.match(r"(\d+) channels", layout):
        return int(found[1])
    if found := re.match(r"ambisonic (\d+)", layout):
        return (int(found[1]) + 1) ** 2
    if found := re.match(r"\d+(?:\.\d+)+", layout):
        return sum(int(part) for part in found[0].split("."))
    return _NAMED.get(re.split(r"[ (]", layout)[0], 0)


def _kind(path: Path) -> str:
    """What a refused file is, for people: judged by its first bytes, as ffmpeg does not say."""
    with path.open("rb") as file:
        begin = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    for sign, kind in (
        (b"#EXTM3U", "a playlist (hls)"),
        (b"ffconcat", "a playlist (concat)"),
        (b"v=0", "a session description (sdp)"),
    ):
        if begin.startswith(sign):
            return kind
    return "a playlist (dash)" if b"<MPD" in begin else "this kind of file"
