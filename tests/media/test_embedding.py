"""What browsers play of a recording, and what a page holds of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from spoken import RATE, clip

from speechcli.errors import MediaError, UsageError
from speechcli.media import embedding
from speechcli.media.decode import Take, decode
from speechcli.media.embedding import embedded, playing
from speechcli.media.probe import probe

FILM = ("-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=3", "-shortest")


@pytest.fixture
def spoken(tmp_path) -> Path:
    """Three seconds of speech."""
    path = tmp_path / "spoken.wav"
    soundfile.write(path, clip("jfk").samples[: 3 * RATE], RATE)
    return path


def heard(path: Path, ffmpeg: Path, track: int | None = None) -> np.ndarray:
    with decode(path, probe(path, ffmpeg), ffmpeg, Take(RATE, track)) as blocks:
        return np.concatenate([block.samples for block in blocks])


def delay(first: np.ndarray, second: np.ndarray) -> float:
    """Seconds by which the second is later."""
    size = 1 << 17
    row = np.fft.irfft(np.fft.rfft(second, size) * np.fft.rfft(first, size).conj())
    at = int(row.argmax())
    return (at if at < size // 2 else at - size) / RATE


@pytest.mark.parametrize(
    ("name", "codec", "mime"),
    [
        ("a.mp3", "libmp3lame", "audio/mpeg"),
        ("a.m4a", "aac", "audio/mp4"),
        ("a.ogg", "libvorbis", "audio/ogg"),
        ("a.opus", "libopus", "audio/ogg"),
        ("a.webm", "libopus", "audio/webm"),
        ("a.flac", "flac", "audio/flac"),
        ("a.wav", "pcm_s16le", "audio/wav"),
        ("a.wav", "pcm_mulaw", "audio/wav"),
    ],
)
def test_what_browsers_play_is_embedded_as_it_is(make, spoken, ffmpeg, name, codec, mime):
    path = make(name, "-i", spoken, "-c:a", codec)
    facts = probe(path, ffmpeg)

    how, held = playing(path, facts), embedded(path, facts, ffmpeg)

    assert (how.mime, how.video, how.problem) == (mime, False, "")
    assert (held.mime, held.video) == (mime, False)
    assert held.data == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("a.wav", ("-c:a", "adpcm_ms"), "browsers do not play adpcm_ms sound"),
        ("a.wma", ("-c:a", "wmav2"), "browsers do not play wmav2 in a file of this kind (asf)"),
        ("a.aiff", (), "browsers do not play pcm_s16be in a file of this kind (aiff)"),
        ("a.mka", ("-c:a", "libopus"), "not all browsers play opus in a file of this kind (matroska)"),
        ("a.m4a", ("-c:a", "alac"), "browsers do not play alac sound"),
        ("a.rf64.wav", ("-rf64", "always"), "browsers do not play pcm_s16le in a file of this kind (wav)"),
    ],
)
def test_what_browsers_do_not_play_is_told_and_embedded_as_mp3(make, spoken, ffmpeg, tmp_path, name, arguments, why):
    path = make(name, "-i", spoken, *arguments)
    facts = probe(path, ffmpeg)

    how, held = playing(path, facts), embedded(path, facts, ffmpeg)

    assert (how.mime, how.problem) == ("", why)
    assert held.mime == "audio/mpeg"
    (tmp_path / "held.mp3").write_bytes(held.data)
    again = probe(tmp_path / "held.mp3", ffmpeg)
    assert [track.codec for track in again.tracks] == ["mp3"]
    assert abs(delay(heard(path, ffmpeg), heard(tmp_path / "held.mp3", ffmpeg))) < 0.005, (
        "words are lit as they are said"
    )


def test_mp3_is_made_at_a_constant_rate_that_browsers_can_seek_in(make, ffmpeg, tmp_path):
    """Speech and silence take the same number of bytes, so that a moment is found by counting."""
    samples = np.concatenate([clip("jfk").samples[: 5 * RATE], np.zeros(5 * RATE, np.float32)])
    soundfile.write(tmp_path / "half.aiff", samples, RATE)
    facts = probe(tmp_path / "half.aiff", ffmpeg)

    data = embedded(tmp_path / "half.aiff", facts, ffmpeg).data

    assert abs(len(data) - 10 * embedding.KBPS * 125) < 2_000
    starts = [at for at in range(len(data) - 2) if data[at : at + 2] == b"\xff\xf3" and data[at + 2] >> 4 == 8]
    assert np.bincount(np.diff(starts)).argmax() == 192, "frames of 24 ms at 64 kbit/s (ISO 13818-3)"


def test_in_bare_aac_moments_are_found_roughly_and_it_is_embedded_as_mp3(make, spoken, ffmpeg):
    path = make("a.aac", "-i", spoken)
    facts = probe(path, ffmpeg)

    how = playing(path, facts)

    assert (how.mime, how.problem, how.roughly) == ("audio/aac", "", True)
    assert embedded(path, facts, ffmpeg).mime == "audio/mpeg"


@pytest.mark.parametrize(
    ("rate", "roughly"), [(("-q:a", "6"), True), (("-b:a", "64k"), False)], ids=["varies", "constant"]
)
def test_in_mp3_of_a_variable_rate_moments_are_found_roughly(make, spoken, ffmpeg, tmp_path, rate, roughly):
    path = make("a.mp3", "-i", spoken, "-c:a", "libmp3lame", *rate, "-metadata", f"comment={'x' * 9000}")
    how = playing(path, probe(path, ffmpeg))

    assert (how.mime, how.problem, how.roughly) == ("audio/mpeg", "", roughly)


@pytest.mark.parametrize(
    ("name", "codecs", "video", "problem"),
    [
        ("a.mp4", ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"), True, ""),
        ("a.webm", ("-c:v", "libvpx", "-c:a", "libopus"), True, ""),
        ("a.mp4", ("-c:v", "mpeg4", "-c:a", "aac"), False, "not all browsers play mpeg4 pictures"),
        (
            "a.mkv",
            ("-c:v", "libx264", "-c:a", "aac"),
            False,
            "not all browsers play aac in a file of this kind (matroska)",
        ),
    ],
)
def test_a_film_stays_one_where_browsers_play_it(make, spoken, ffmpeg, name, codecs, video, problem):
    path = make(name, "-i", spoken, *FILM, *codecs)
    facts = probe(path, ffmpeg)

    how, held = playing(path, facts), embedded(path, facts, ffmpeg)

    assert (how.problem, held.video) == (problem, video)
    if video:
        assert held.mime == how.mime == f"video/{name[2:]}"
        assert held.data == path.read_bytes()
    else:
        assert held.mime == "audio/mpeg"


def test_a_cover_is_no_film(make, spoken, ffmpeg, tmp_path):
    make("cover.png", "-f", "lavfi", "-i", "color=red:size=32x32", "-frames:v", "1")
    arguments = ("-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v:0", "attached_pic")
    path = make("a.m4a", "-i", spoken, "-i", tmp_path / "cover.png", *arguments, "-c:a", "aac")

    how = playing(path, probe(path, ffmpeg))

    assert (how.mime, how.video) == ("audio/mp4", False)


def test_of_several_tracks_the_one_that_was_heard_is_embedded(make, spoken, ffmpeg, tmp_path):
    other = tmp_path / "other.wav"
    soundfile.write(other, clip("mary").samples[: 3 * RATE], RATE)
    path = make("two.mp4", "-i", spoken, "-i", other, "-map", "0:a", "-map", "1:a", "-c:a", "aac")
    facts = probe(path, ffmpeg)

    first, second = (embedded(path, facts, ffmpeg, track) for track in (0, 1))
    (tmp_path / "held.mp3").write_bytes(second.data)

    assert first.data == path.read_bytes()
    assert second.mime == "audio/mpeg"
    sound = heard(tmp_path / "held.mp3", ffmpeg)[: round(1.8 * RATE)]
    alike = [float(np.corrcoef(heard(path, ffmpeg, track)[: len(sound)], sound)[0, 1]) for track in (0, 1)]
    assert alike[1] > 0.95 > 0.5 > alike[0]
    with pytest.raises(UsageError, match="no audio track 2"):
        embedded(path, facts, ffmpeg, 2)


def test_a_late_track_begins_as_late_in_the_page(make, spoken, ffmpeg, tmp_path):
    """Times of a transcript count from the start of the film, not from its first sound."""
    path = make("late.mkv", *FILM[:-1], "-itsoffset", "1.0", "-i", spoken, "-c:v", "mpeg4", "-c:a", "flac")

    held = embedded(path, probe(path, ffmpeg), ffmpeg)

    (tmp_path / "held.mp3").write_bytes(held.data)
    assert abs(delay(heard(spoken, ffmpeg), heard(tmp_path / "held.mp3", ffmpeg)) - 1.0) < 0.02


def test_a_large_sound_is_made_smaller_and_a_large_film_refused(make, spoken, ffmpeg):
    film = make("a.mp4", "-i", spoken, *FILM, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac")

    small = embedded(spoken, probe(spoken, ffmpeg), ffmpeg, largest=40_000)

    assert small.mime == "audio/mpeg"
    assert len(small.data) < 40_000 < spoken.stat().st_size
    with pytest.raises(MediaError, match=r"a\.mp4 would be .* MB in the page, and .* is the most") as caught:
        embedded(film, probe(film, ffmpeg), ffmpeg, largest=1000)
    assert "without --embed-media the page links to it" in caught.value.hint


def test_what_is_too_large_as_mp3_too_is_refused(spoken, ffmpeg):
    with pytest.raises(MediaError, match="is the most"):
        embedded(spoken, probe(spoken, ffmpeg), ffmpeg, largest=10_000)
