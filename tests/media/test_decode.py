"""From any container to mono blocks on the recording's own clock, and a true word about the end."""

from __future__ import annotations

import random
import shutil
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from speechcli.errors import MediaError, UsageError
from speechcli.media.decode import Report, Take, decode
from speechcli.media.probe import probe

RATE = 16_000

CONTAINERS = {
    "a.wav": (),
    "a.mp3": (),
    "a.mp2": (),
    "a.m4a": (),
    "a.mp4": (),
    "a.mov": (),
    "a.flac": (),
    "a.ogg": ("-c:a", "libvorbis"),
    "a.opus": (),
    "a.spx.ogg": ("-c:a", "flac"),
    "a.webm": (),
    "a.mkv": ("-c:a", "pcm_s16le"),
    "a.aac": (),
    "a.ac3": (),
    "a.ts": (),
    "a.wma": (),
    "a.avi": (),
    "a.caf": (),
    "a.aiff": (),
    "a.au": (),
    "a.w64": (),
    "a.rf64": ("-f", "wav", "-rf64", "always"),
    "a.tta": (),
    "a.wv": (),
    "a.flv": ("-ar", "44100"),
    "a.3gp": ("-c:a", "aac"),
    "a.amr": ("-ar", "8000", "-c:a", "libopencore_amrnb"),
    "mulaw.wav": ("-ar", "8000", "-c:a", "pcm_mulaw"),
    "alaw.wav": ("-ar", "8000", "-c:a", "pcm_alaw"),
    "adpcm.wav": ("-c:a", "adpcm_ms"),
    "s24_192k.wav": ("-ar", "192000", "-c:a", "pcm_s24le"),
    "f64.wav": ("-c:a", "pcm_f64le"),
    "a.voc": (),
    "a.sox": (),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_gives_the_same_speech(name, make, hear, jfk):
    """Nothing is lost or late: the same length, and in step with the original within a codec's delay; no warning."""
    path = make(name, "-t", "3", "-i", jfk, "-ac", "1", *CONTAINERS[name])
    sound = hear(path)

    assert sound.report.notes == ()
    assert sound.report.complete
    assert sound.report.duration == len(sound.samples) / RATE == pytest.approx(3, abs=0.15)
    original = hear(make("original.flac", "-t", "3", "-i", jfk, "-ac", "1")).samples
    size = 2 * len(original)
    spectra = np.fft.rfft(sound.samples, size) * np.conj(np.fft.rfft(original, size))
    match = np.fft.irfft(spectra)
    lag = int(match.argmax())
    assert min(lag, size - lag) < 0.08 * RATE
    assert match.max() > 0.9 * np.linalg.norm(original) * np.linalg.norm(sound.samples)


CUT = ("a.mp3", "a.flac", "a.mkv", "a.webm", "a.wav", "a.ogg", "a.opus", "fast.m4a", "fast.mp4")


@pytest.mark.parametrize("name", CUT)
def test_half_a_file_is_half_a_transcript_and_a_warning(name, make, hear, jfk):
    """ffmpeg says 0 for most of these, and nothing at all for some."""
    more = ("-movflags", "+faststart") if name.startswith("fast") else CONTAINERS.get(name, ())
    path = make(name, "-i", jfk, *more)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    sound = hear(path)

    assert 3 < sound.report.duration < 9
    assert not sound.report.complete
    assert any("cut short?" in note for note in sound.report.notes)


def test_the_warning_names_both_durations(make, hear, jfk):
    path = make("a.wav", "-i", jfk, "-ac", "1", "-ar", "16000")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 4 * 2])
    assert hear(path).report.notes == ("decoded 5.5 s of 11.0 s announced (file cut short?)",)


def test_a_film_cut_short_is_seen_though_its_length_is_the_pictures(make, hear, jfk):
    path = make("a.mkv", "-f", "lavfi", "-i", "color=s=64x64:r=5:d=11", "-i", jfk, "-c:v", "mpeg4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    report = hear(path).report
    assert not report.complete
    assert "the file ends early" in report.notes[0]


def test_sound_that_ends_before_the_picture_is_no_fault(make, hear):
    path = make("a.mp4", "-f", "lavfi", "-i", "color=s=64x64:r=5:d=9", "-f", "lavfi", "-i", "sine=440:d=3")
    report = hear(path).report
    assert report.complete
    assert report.notes == ()


def test_a_file_without_its_index_is_an_error(make, hear, jfk):
    """An mp4 keeps it at the end: of a half file nothing can be decoded."""
    path = make("a.m4a", "-i", jfk)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"not a media file ffmpeg can read \(moov atom not found\)") as caught:
        hear(path)
    assert caught.value.exit_code == 65


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg", "a.opus", "a.mkv", "a.m4a", "a.wav", "a.aac", "a.webm"])
def test_flipped_bits_give_sound_and_a_word_or_one_error(name, make, hear, jfk):
    path = make(name, "-i", jfk, "-ac", "1", "-ar", "16000", *CONTAINERS.get(name, ()))
    data = bytearray(path.read_bytes())
    dice = random.Random(1)
    for at in range(4096, len(data), 2048):
        data[at + dice.randrange(min(2048, len(data) - at))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)
    try:
        sound = hear(path)
    except MediaError:
        return
    assert np.isfinite(sound.samples).all()
    assert np.abs(sound.samples).max() <= 1
    assert sound.report.duration <= 11.2
    if name in ("a.flac", "a.ogg", "a.m4a"):  # PCM has no checks; the others hide what they can
        assert sound.report.notes


@pytest.mark.parametrize(("size", "complete"), [(0, True), (0xFFFFFFFF, True), (0x7FFFFFFF, True), (96_000, False)])
def test_sizes_that_writers_to_a_pipe_leave_are_no_truncation(size, complete, wav, hear):
    """One second is there; 96,000 bytes would be three."""
    frames = (np.sin(np.arange(RATE) / 9) * 9000).astype("<i2")
    report = hear(wav(frames, data=size)).report
    assert report.duration == pytest.approx(1, abs=0.01)
    assert report.complete == complete


@pytest.mark.parametrize(
    ("lies", "words"),
    [
        ({"rate": 1}, "a sample rate of 1 Hz is not accepted"),
        ({"rate": 2**31 - 1}, "not accepted|not a media file"),
        ({"rate": 0}, "not a media file|no sound|not accepted"),
        ({"channels": 65_535}, "not accepted|not a media file|no sound"),
        ({"channels": 0}, "not a media file|no sound|not accepted"),
        ({"channels": 65}, "65 channels are not accepted"),
    ],
)
def test_headers_that_lie_are_refused_before_decoding(lies, words, wav, hear):
    with pytest.raises(MediaError, match=words):
        hear(wav(np.ones(20_000, "<i2"), **lies))


def test_a_length_that_is_announced_costs_nothing(make, hear, jfk):
    """A flac may claim 2^36 samples: nothing is sized by it, and what is missing is said."""
    path = make("a.flac", "-t", "1", "-i", jfk, "-ac", "1", "-ar", "16000")
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F  # STREAMINFO: the 36 bits of total samples end at byte 26
    data[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    tracemalloc.start()
    report = hear(path).report
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert report.duration == pytest.approx(1, abs=0.01)
    assert not report.complete
    assert peak < 16 << 20


def test_memory_does_not_grow_with_the_length(ffmpeg, make):
    """Half an hour out of 370 KB of flac: 115 MB of samples, 2 MB of it at a time."""
    path = make("bomb.flac", "-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono:d=1800")
    facts = probe(path, ffmpeg)
    tracemalloc.start()
    total = 0
    with decode(path, facts, ffmpeg) as blocks:
        for block in blocks:
            total += len(block.samples)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert total == 1800 * RATE
    assert peak < 8 << 20


def test_longer_than_the_limit_is_refused_while_it_streams(ffmpeg, make):
    path = make("bomb.flac", "-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono:d=600")
    facts = probe(path, ffmpeg)
    with decode(path, facts, ffmpeg, Take(longest=180)) as blocks:
        with pytest.raises(MediaError, match=r"bomb.flac is longer than 180 s; --max-recording"):
            list(blocks)
        assert blocks.report().duration <= 180
    assert len(list(decode(path, facts, ffmpeg, Take(longest=600)))) == 19


def test_time_stamps_in_the_far_future_are_not_filled_with_silence_for_ever(make, hear):
    """A gap of an hour between two packets is an hour of silence to the decoder."""
    path = make(
        "gap.mka", "-f", "lavfi", "-i", "sine=440:d=2", "-c:a", "flac",
        "-bsf:a", "setts=ts='if(gt(N,10),PTS+3600/TB,PTS)'",
    )  # fmt: skip
    with pytest.raises(MediaError, match=r"longer than 360 s"):
        hear(path, longest=360)


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4", "late.ts", "late.webm"])
def test_sound_that_starts_late_stays_late(name, make, hear):
    """The clock is the container's: two seconds of picture come first."""
    video = ("-c:v", "libvpx") if name.endswith("webm") else ("-c:v", "mpeg4")
    picture = ("-f", "lavfi", "-i", "color=s=64x64:r=25:d=5")
    path = make(name, *picture, "-itsoffset", "2", "-f", "lavfi", "-i", "sine=440:d=3", *video)
    sound = hear(path)

    assert sound.level(0, 1.9) < 1e-3
    assert sound.level(2.1, 4.9) > 0.05
    assert sound.report.duration == pytest.approx(5, abs=0.1)


def test_a_gap_in_the_middle_stays_a_gap(make, hear):
    """Packets lost by a recorder: what follows keeps its time."""
    path = make(
        "gap.mka", "-f", "lavfi", "-i", "sine=440:d=6", "-c:a", "libopus",
        "-bsf:a", "noise=drop='between(pts*tb,2,4)'",
    )  # fmt: skip
    sound = hear(path)
    assert sound.report.duration == pytest.approx(6, abs=0.1)
    assert sound.level(2.2, 3.8) < 1e-3
    assert sound.level(4.3, 5.9) > 0.05


def test_a_change_of_channels_midway_does_not_shift_what_follows(make, hear, tmp_path):
    """Television: film in 5.1, advertisements in stereo. FAULTS' own command line makes 30 s of these 12 (9.0.2)."""
    wide = make("5.ac3", "-f", "lavfi", "-i", "sine=440:d=3:r=48000", "-af", "pan=5.1|FL=c0|FR=c0|FC=c0|BL=c0|BR=c0")
    narrow = make("2.ac3", "-f", "lavfi", "-i", "sine=880:d=3:r=48000", "-ac", "2")
    path = tmp_path / "tv.ac3"
    path.write_bytes((wide.read_bytes() + narrow.read_bytes()) * 2)
    sound = hear(path)

    assert sound.report.duration == pytest.approx(12, abs=0.2)
    assert [round(sound.pitch(t + 0.5, t + 2.5), -1) for t in (0, 3, 6, 9)] == [440, 880, 440, 880]


@pytest.fixture
def two_tracks(make):
    return make(
        "two.mkv", "-f", "lavfi", "-i", "sine=440:d=2", "-f", "lavfi", "-i", "sine=880:d=2", "-map", "0", "-map", "1",
        "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:a:1", "title=Kommentar",
        "-disposition:a:0", "default", "-disposition:a:1", "0",
    )  # fmt: skip


@pytest.mark.parametrize(("track", "hertz"), [(None, 440), (0, 440), (1, 880)])
def test_the_track_asked_for_is_heard(track, hertz, two_tracks, hear):
    assert hear(two_tracks, track=track).pitch(0.5, 1.5) == pytest.approx(hertz, abs=5)


def test_without_a_wish_the_track_that_the_file_prefers_is_heard(make, hear):
    path = make(
        "two.mkv", "-f", "lavfi", "-i", "sine=440:d=2", "-f", "lavfi", "-i", "sine=880:d=2", "-map", "0", "-map", "1",
        "-disposition:a:0", "0", "-disposition:a:1", "default",
    )  # fmt: skip
    sound = hear(path)
    assert sound.facts.preferred == 1
    assert sound.pitch(0.5, 1.5) == pytest.approx(880, abs=5)


def test_a_track_that_is_not_there_is_a_usage_error_that_lists_them(two_tracks, hear):
    with pytest.raises(UsageError) as caught:
        hear(two_tracks, track=2)
    assert str(caught.value) == (
        "two.mkv has no audio track 2; --track takes one of 0: eng vorbis 1ch, 1: ger vorbis 1ch Kommentar"
    )
    assert caught.value.exit_code == 2


def test_one_channel_can_be_picked(wav, hear):
    t = np.arange(2 * RATE) / RATE
    frames = np.stack([np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 880 * t)], axis=1) * 9000
    path = wav(frames.astype("<i2"))

    assert hear(path, channel=0).pitch(0.5, 1.5) == pytest.approx(440, abs=5)
    assert hear(path, channel=1).pitch(0.5, 1.5) == pytest.approx(880, abs=5)
    with pytest.raises(UsageError, match=r"a.wav has no channel 2; --channel takes 0 to 1 here"):
        hear(path, channel=2)


def test_channels_in_opposite_phase_are_heard(wav, hear):
    """ffmpeg's own mix of these is silence."""
    speech = (np.sin(np.arange(2 * RATE) / 9) * 9000).astype("<i2")
    sound = hear(wav(np.stack([speech, -speech], axis=1)))
    assert sound.level(0.5, 1.5) == pytest.approx(9000 / 2**15 / np.sqrt(2), rel=0.01)
    assert sound.report.notes == ("channels cancel each other: channel 1 turned round",)


@pytest.mark.parametrize(("channels", "speaks"), [(6, 2), (2, 0), (2, 1), (8, 7), (12, 3), (64, 63)])
def test_one_microphone_among_silent_ones_keeps_its_level(channels, speaks, wav, hear):
    frames = np.zeros((RATE, channels), "<i2")
    frames[:, speaks] = np.sin(np.arange(RATE) / 9) * 9000
    sound = hear(wav(frames))
    assert sound.level(0.1, 0.9) == pytest.approx(9000 / 2**15 / np.sqrt(2), rel=0.01)
    assert sound.report.notes == ()


@pytest.mark.parametrize("n", [0, 1, 2, 160, 1600, 8000])
def test_next_to_nothing_is_legal(n, wav, hear):
    """0 samples are an empty recording, not an error."""
    sound = hear(wav(np.ones(n, "<i2")))
    assert len(sound.samples) == n
    assert sound.report == Report(n / RATE, complete=True)


def test_a_single_bad_number_is_silenced_and_told(wav, hear):
    frames = np.full(2 * RATE, 0.1, "<f4")
    frames[100], frames[200], frames[300] = np.nan, np.inf, -np.inf
    sound = hear(wav(frames))
    assert sound.samples[[100, 200, 300]].tolist() == [0, 0, 0]
    assert sound.report.notes == ("3 samples that are not numbers (NaN or infinite) were replaced by silence",)
    assert sound.report.complete


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_many_bad_numbers_are_refused(bad, wav, hear):
    frames = np.full(2 * RATE, 0.1, "<f4")
    frames[::500] = bad
    with pytest.raises(MediaError, match=r"a.wav: 0.2 % of the samples are not numbers"):
        hear(wav(frames))


@pytest.mark.parametrize("level", [1e10, 32_768.0, 3.0])
def test_sound_far_above_full_scale_is_turned_down_and_told(level, wav, hear):
    frames = (np.sin(np.arange(2 * RATE) / 9) * level).astype("<f4")
    sound = hear(wav(frames))
    assert np.abs(sound.samples).max() == pytest.approx(1, abs=1e-3)
    assert sound.report.notes == (f"samples {level:.3g} times above full scale: turned down",)


def test_a_little_over_is_how_lossy_codecs_are(make, hear):
    """A full-scale tone through mp3 overshoots: neither turned down nor told."""
    path = make("a.mp3", "-f", "lavfi", "-i", "sine=440:d=2", "-af", "volume=18dB", "-b:a", "32k")
    sound = hear(path)
    assert np.abs(sound.samples).max() <= 1
    assert sound.report.notes == ()


def test_a_recorder_that_still_writes_is_noticed(ffmpeg, tone):
    """What was heard is given, but it must not count as done."""
    path = tone("growing.wav", 440, 60)
    with decode(path, probe(path, ffmpeg), ffmpeg, Take(block=1600)) as blocks:
        next(blocks)
        with path.open("ab") as file:
            file.write(bytes(4000))
        for _ in blocks:
            pass
    report = blocks.report()
    assert report.changed
    assert "input changed while it was read" in report.notes


def test_an_ogg_with_something_after_its_end_is_whole(make, hear, jfk):
    path = make("a.ogg", "-t", "2", "-i", jfk, "-c:a", "libvorbis")
    path.write_bytes(path.read_bytes() + b"ID3 or whatever a tagger wrote")
    assert hear(path).report.complete


def test_two_files_in_one_are_both_heard(make, hear, jfk, tmp_path):
    """Glued mp3s, and chained Ogg: the header knows of the first only, which is no reason to warn."""
    for suffix, codec in (("mp3", "libmp3lame"), ("ogg", "libvorbis")):
        one = make(f"one.{suffix}", "-t", "2", "-i", jfk, "-c:a", codec)
        path = tmp_path / f"two.{suffix}"
        path.write_bytes(one.read_bytes() * 2)
        sound = hear(path)
        assert sound.report.duration == pytest.approx(4, abs=0.2)
        assert sound.report.complete


def test_the_suffix_means_nothing(make, hear, tmp_path, jfk):
    path = make("a.mp3", "-t", "1", "-i", jfk)
    for name in ("a.wav", "a.txt", "noext"):
        shutil.copy(path, tmp_path / name)
        assert hear(tmp_path / name).report.duration == pytest.approx(1, abs=0.1)


def test_seeded_mutations_end_in_sound_or_one_line(make, hear, jfk):
    """Anything else (a hang, a traceback, a wild length) is a bug."""
    dice = random.Random(7)
    for name in ("a.mp3", "a.m4a", "a.flac", "a.opus", "a.mkv", "a.wav"):
        path = make(name, "-t", "2", "-i", jfk)
        whole = path.read_bytes()
        for _ in range(3):
            data = bytearray(whole)
            for _ in range(dice.randrange(1, 30)):
                kind, at = dice.randrange(3), dice.randrange(len(data))
                if kind == 0:
                    data[at] = dice.randrange(256)
                elif kind == 1:
                    del data[at : at + dice.randrange(1, 200)]
                else:
                    data[at:at] = struct.pack("<Q", dice.randrange(2**64))
            path.write_bytes(data)
            try:
                sound = hear(path, longest=600, patience=20)
            except (MediaError, UsageError):
                continue
            assert np.isfinite(sound.samples).all()
            assert len(sound.samples) == round(sound.report.duration * RATE)


def test_what_is_refused_leaves_no_file_behind(tmp_path, hear):
    path = tmp_path / "a.mp3"
    path.write_bytes(b"no sound in here\n" * 100)
    with pytest.raises(MediaError):
        hear(path)
    assert list(Path(tmp_path).iterdir()) == [path]
