"""Names, scripts and tags that try to be something else. Remove a fence in media/ffmpeg.py and these go red."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from speechcli.errors import MediaError, NoAudioError
from speechcli.media.probe import Track, count_channels, probe, read_facts

NAMES = [
    b"-foo.wav",
    b"-i",
    b"new\nline.wav",
    b"esc\x1b[31m.wav",
    b"bad\xff\xfe.wav",
    b"pct%d%s%03d.wav",
    b"quotes'\"`$(id)`.wav",
    b"concat:a.wav|a.wav",
    b"subfile,,start,0,end,0,,:a.wav",
    b"cache:a.wav",
    b"async:a.wav",
    b"pipe:0",
    b"file:a.wav",
    b"crypto:a.wav",
    b"data:audio,x",
    b"fd:",
    b"lavfi",
    b"trailing. ",
    b"CON",
    "e\u0301.wav".encode(),
    "\u202egnp.wav".encode(),
    b"x" * 251 + b".wav",
    b"':\n  Duration: 99:00:00.00, start: 0.0\n  Stream #0:0: Audio: pcm_s16le, 8000 Hz, 7.1, s16, x.wav",
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Relative names are the hard ones: nothing stands before the dash or the colon."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_file_is_opened_under_any_name(name, here, tone, hear):
    """Beside it lies a.wav, ten times as long: opening that instead would show."""
    short = tone("short.wav", 440, 0.5)
    tone("a.wav", 880, 5)
    os.rename(short, os.path.join(os.fsencode(here), name))

    sound = hear(Path(os.fsdecode(name)))
    assert sound.report.duration == pytest.approx(0.5, abs=0.01)
    assert sound.facts.tracks[0].rate == 16_000
    assert sound.facts.duration == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("prefix", ["http:127.0.0.1:{}", "tcp:127.0.0.1:{}", "https:127.0.0.1:{}", "ftp:127.0.0.1:{}"])
def test_a_name_that_is_an_address_is_a_file(prefix, here, tone, hear, listener):
    port, seen = listener
    name = prefix.format(port)
    shutil.move(tone("a.wav", 440, 0.5), here / name)
    assert hear(Path(name)).report.duration == pytest.approx(0.5, abs=0.01)
    assert seen == []


def playlists(secret: Path, port: int) -> dict[str, str]:
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.0,\n"
    url = f"http://127.0.0.1:{port}/a.ts"
    dash = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT2S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>'
        '<AdaptationSet mimeType="audio/mp4">'
        '<Representation id="1" bandwidth="1"><BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>'
    )
    return {
        "hls, absolute": f"{head}{secret}\n#EXT-X-ENDLIST\n",
        "hls, file:": f"{head}file://{secret}\n#EXT-X-ENDLIST\n",
        "hls, up": f"{head}../secret/{secret.name}\n#EXT-X-ENDLIST\n",
        "hls, http": f"{head}{url}\n#EXT-X-ENDLIST\n",
        "hls, concat:": f"{head}concat:{secret}|{secret}\n#EXT-X-ENDLIST\n",
        "ffconcat": f"ffconcat version 1.0\nfile '{secret}'\n",
        "ffconcat, sibling": "ffconcat version 1.0\nfile sibling.ts\n",
        "ffconcat, http": f"ffconcat version 1.0\nfile '{url}'\n",
        "dash, file": dash.format(secret),
        "dash, http": dash.format(url),
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
        "m3u": f"{secret}\n",
        "pls": f"[playlist]\nFile1={secret}\n",
        "asx": f'<asx version="3.0"><entry><ref href="{url}"/></entry></asx>',
        "smil": f'<smil><body><audio src="{secret}"/></body></smil>',
        "imf": f'<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"/>{secret}',
        "avisynth": f'DirectShowSource("{secret}")\n',
        "cue": f'FILE "{secret}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
        "rtsp": f"RTSPtextrtsp://127.0.0.1:{port}/\n",
        "ref": f"[Reference]\nRef1={url}\n",
    }


@pytest.mark.parametrize("name", ["talk.mp3", "talk.wav", "talk.m3u8", "talk.mpd", "talk.ffconcat", "talk.sdp", "talk"])
def test_scripts_that_name_other_files_or_addresses_are_refused(name, tmp_path, make, hear, listener):
    """No sample of the other file comes out, and nobody is connected to."""
    port, seen = listener
    (tmp_path / "secret").mkdir()
    (tmp_path / "in").mkdir()
    secret = make("secret/private.ts", "-f", "lavfi", "-i", "sine=440:d=2", "-c:a", "aac")
    shutil.copy(secret, tmp_path / "in" / "sibling.ts")
    for text in playlists(secret, port).values():
        path = tmp_path / "in" / name
        path.write_text(text)
        with pytest.raises(MediaError) as caught:
            hear(path)
        assert "\n" not in str(caught.value)
    assert seen == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [("hls, http", "a playlist (hls)"), ("ffconcat", "a playlist (concat)"), ("dash, file", "(dash)")],
)
def test_a_playlist_is_called_one(kind, words, tmp_path, ffmpeg):
    path = tmp_path / "talk.m3u8"
    path.write_text(playlists(tmp_path / "x.ts", 9)[kind])
    with pytest.raises(MediaError) as caught:
        probe(path, ffmpeg)
    assert words in str(caught.value)
    assert "is not accepted; name the media files themselves" in str(caught.value)


def test_no_reference_inside_a_film_is_followed(tmp_path, make, hear, jfk):
    """QuickTime may keep its sound in another file ('dref'): that file's samples must not come out."""
    path = make("a.mov", "-t", "2", "-i", jfk, "-c:a", "pcm_s16le")
    data = path.read_bytes()
    at = data.index(b"url \x00\x00\x00\x01")  # self-contained
    path.write_bytes(data[:at] + b"alis\x00\x00\x00\x00" + data[at + 8 :])
    try:
        sound = hear(path)
    except MediaError:
        return
    assert sound.report.duration <= 2.1


LIE = "x\n  Duration: 99:00:00.00, start: 0.000000, bitrate: 1 kb/s\n  Stream #0:0: Audio: pcm_s16le, 1 Hz, mono\n"


def test_tags_cannot_pretend_to_be_streams(make, hear, jfk):
    path = make("a.flac", "-t", "1", "-i", jfk, "-metadata", f"title={LIE}", "-metadata", f"{LIE[:-1]}=y")
    sound = hear(path)
    assert sound.facts.duration == pytest.approx(1, abs=0.01)
    assert len(sound.facts.tracks) == 1
    assert sound.facts.tracks[0].rate == 44_100


def test_a_thousand_chapters_and_long_lyrics_do_not_hide_the_streams(tmp_path, make, hear, jfk):
    chapters = "".join(f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={n}\nEND={n + 1}\ntitle=c{n}\n" for n in range(1000))
    (tmp_path / "meta.txt").write_text(f";FFMETADATA1\nlyrics={'la ' * 50_000}\n{chapters}")
    path = make("a.mka", "-t", "1", "-i", jfk, "-i", tmp_path / "meta.txt", "-map", "0", "-map_metadata", "1")
    assert hear(path).report.duration == pytest.approx(1, abs=0.01)


def test_facts_are_read_from_real_lines_only():
    said = """Input #0, matroska,webm, from 'file:x
  Stream #0:0: Audio: pcm, 1 Hz, mono
  Duration: 99:00:00.00
':
  Metadata:
    title           : y
  Duration: 01:02:03.50, start: -0.500000, bitrate: 1 kb/s
  Stream #0:0: Video: h264@@yuv420p, 64x64 (default)
  Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D)@@48000 Hz, 5.1(side), fltp, start 2.0
    Metadata:
      title           : Stereo, 2 Hz
  Stream #0:2(und): Audio: opus@@48000 Hz, mono, fltp (default)
  Stream #0:3: Video: mjpeg@@yuvj420p (attached pic)
  Stream #0:4: Audio: pcm, 1 Hz, mono
At least one output file must be specified
"""
    facts = read_facts(said, "@@", "x")

    assert facts is not None
    assert facts.duration == 3723.5
    assert facts.start == -0.5
    assert facts.tracks == (Track(48_000, 6, "aac", "eng", "Stereo, 2 Hz"), Track(48_000, 1, "opus"))
    assert facts.preferred == 1
    assert facts.others == 2  # a film and a further track; a cover has no time


LAYOUTS = {
    "mono": 1,
    "stereo": 2,
    "2.1": 3,
    "quad(side)": 4,
    "5.1(side)": 6,
    "7.1(wide-side)": 8,
    "octagonal": 8,
    "9.1.6": 16,
    "22.2": 24,
    "3 channels (FL+FR+BC)": 3,
    "64 channels": 64,
    "s16": 0,
}


@pytest.mark.parametrize(("layout", "channels"), LAYOUTS.items())
def test_layouts_are_counted(layout, channels):
    assert count_channels(layout) == channels


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20, 24, 32, 64])
def test_every_number_of_channels_is_probed_right(n, wav, ffmpeg):
    import numpy as np

    assert probe(wav(np.zeros((160, n), "<i2")), ffmpeg).tracks[0].channels == n


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp3", b""),
        ("zero.wav", bytes(5000)),
        ("text.mp3", b"just words\n" * 500),
        ("page.wav", b"<!doctype html><html><body>404</body></html>"),
        ("noise.m4a", bytes((n * 7919) % 251 for n in range(5000))),
        ("tty.wav", b"\x1b[31mred\x1b[0m\n" * 300),
        ("subs.mp3", b"1\n00:00:00,000 --> 00:00:02,000\nhello\n\n"),
        ("list.json", b"{}"),
    ],
)
def test_what_is_no_media_file_is_one_line_and_exit_65(name, content, tmp_path, hear):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MediaError, match=rf"^{name}") as caught:
        hear(path)
    assert caught.value.exit_code == 65
    assert str(caught.value).isprintable()


def test_a_film_without_sound_is_told_apart(make, hear):
    """Out of a folder it is skipped, not failed: hence a kind of its own."""
    path = make("a.mp4", "-f", "lavfi", "-i", "color=s=64x64:r=5:d=1")
    with pytest.raises(NoAudioError, match=r"a.mp4 has no audio stream"):
        hear(path)


def test_a_cover_picture_is_no_film(tmp_path, make, hear, jfk):
    cover = make("cover.png", "-f", "lavfi", "-i", "color=s=64x64", "-frames:v", "1")
    path = make("a.mp3", "-t", "2", "-i", jfk, "-i", cover, "-map", "0", "-map", "1", "-c:v", "copy")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    sound = hear(path)
    assert sound.facts.others == 0
    assert not sound.report.complete  # so its length is still compared


def test_a_spooled_input_is_called_by_its_own_name(tmp_path, ffmpeg):
    path = tmp_path / "input-k3j4"
    path.write_bytes(b"no sound\n" * 99)
    with pytest.raises(MediaError, match=r"^stdin is not a media file"):
        probe(path, ffmpeg, "stdin")
