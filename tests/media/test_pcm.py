"""Sound on pipes, as programs write it."""

import io
import os
import struct
import subprocess
import threading
import time

import numpy as np
import pytest
import soundfile
from spoken import DATA, RATE, clip

from speechcli.errors import MediaError, UsageError
from speechcli.media import pcm

NAME = "LJ001-0002"  # 1.9 s


def heard(source: pcm.Pipe) -> np.ndarray:
    """All its frames, where it had nothing to say."""
    blocks = list(source.blocks())
    assert not [block.note for block in blocks if block.note]
    return np.concatenate([block.frames for block in blocks])


def stereo() -> np.ndarray:
    samples = clip(NAME).samples
    return np.stack([samples, -0.5 * samples], axis=1)


def header(data: int, riff: int = 0, bits: int = 16, tag: int = 1, channels: int = 1, more: bytes = b"") -> bytes:
    frame = bits // 8 * channels
    form = struct.pack("<HHIIHH", tag, channels, RATE, RATE * frame, frame, bits)
    begin = b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
    return begin + more + b"data" + struct.pack("<I", data)


@pytest.mark.parametrize(
    ("subtype", "form", "step"),
    [
        ("PCM_16", "WAV", 2**-15),
        ("PCM_24", "WAV", 2**-23),
        ("PCM_32", "WAV", 2**-24),
        ("FLOAT", "WAV", 0),
        ("PCM_16", "WAVEX", 2**-15),
        ("PCM_24", "WAVEX", 2**-23),
        ("FLOAT", "WAVEX", 0),
        ("PCM_16", "RF64", 2**-15),
    ],
)
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_wav_says_itself_how_it_is_to_be_read(subtype, form, step, rate):
    file = io.BytesIO()
    soundfile.write(file, stereo(), rate, subtype=subtype, format=form)
    file.seek(0)

    source = pcm.open(file)
    frames = heard(source)

    assert (source.rate, source.channels, source.live, source.name) == (rate, 2, False, "standard input")
    assert frames.dtype == np.float32
    assert frames.shape == stereo().shape
    assert np.max(np.abs(frames - stereo())) <= step


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFF - 44])
def test_wav_from_programs_that_do_not_know_its_length_goes_on_to_the_end_of_input(size):
    samples = np.arange(-500, 500, dtype="<i2")

    frames = heard(pcm.open(io.BytesIO(header(size) + samples.tobytes())))

    assert np.array_equal(frames[:, 0] * 32768, samples)


def test_what_follows_the_sound_of_a_wav_and_stands_before_it_is_not_heard():
    samples = np.arange(-500, 500, dtype="<i2")
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"

    frames = heard(pcm.open(io.BytesIO(header(2000, more=odd) + samples.tobytes() + odd)))

    assert np.array_equal(frames[:, 0] * 32768, samples)


def test_ffmpeg_piping_wav_is_heard_as_the_file_it_reads(ffmpeg):
    command = [ffmpeg, "-v", "error", "-i", DATA / f"{NAME}.flac", "-f", "wav", "-c:a", "pcm_s16le", "-"]
    wanted, rate = soundfile.read(DATA / f"{NAME}.flac", dtype="float32")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        source = pcm.open(running.stdout)
        frames = heard(source)

    assert source.rate == rate
    assert np.array_equal(frames[:, 0], wanted)


def test_bare_samples_are_16_khz_s16le_mono_unless_said():
    samples = np.arange(-500, 500, dtype="<i2")

    source = pcm.open(io.BytesIO(samples.tobytes()))

    assert (source.rate, source.channels) == (16_000, 1)
    assert np.array_equal(heard(source)[:, 0] * 32768, samples)


def test_bare_samples_are_read_as_is_said():
    frames = stereo()

    source = pcm.open(io.BytesIO(frames.astype("<f4").tobytes()), 44_100, "f32le", 2)

    assert (source.rate, source.channels) == (44_100, 2)
    assert np.array_equal(heard(source), frames)


def test_floats_beyond_full_scale_are_clipped():
    samples = np.array([0.5, 1.5, -3.0], dtype="<f4")

    assert heard(pcm.open(io.BytesIO(samples.tobytes()), kind="f32le"))[:, 0].tolist() == [0.5, 1.0, -1.0]


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e9])
def test_floats_that_are_no_sound_are_refused(odd):
    samples = np.array([0.5, odd], dtype="<f4")

    with pytest.raises(MediaError, match="32 bit floats"):
        heard(pcm.open(io.BytesIO(samples.tobytes()), kind="f32le"))


def test_s16le_called_f32le_is_refused():
    samples = (clip(NAME).samples * 32767).astype("<i2")

    with pytest.raises(MediaError, match="32 bit floats"):
        heard(pcm.open(io.BytesIO(samples.tobytes()), kind="f32le"))


@pytest.mark.parametrize("most", [1, 3, 7, 1000, 1 << 20])
def test_a_pipe_that_brings_bytes_by_any_number_brings_the_same_sound(most):
    class Slow(io.BytesIO):
        def read1(self, n: int = -1) -> bytes:
            return super().read1(min(n, most))

    frames = stereo()[:2000]
    file = io.BytesIO()
    soundfile.write(file, frames, RATE, subtype="FLOAT", format="WAV")

    assert np.array_equal(heard(pcm.open(Slow(file.getvalue()))), frames)


def test_blocks_are_at_most_a_tenth_of_a_second_long():
    source = pcm.open(io.BytesIO(bytes(64_000)))

    assert [len(block.frames) for block in source.blocks()] == [6] + [1600] * 19 + [1594]


def test_what_is_written_live_is_heard_before_the_pipe_ends():
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream, os.fdopen(write, "wb", 0) as writer:
        writer.write(header(0) + bytes(640))
        source = pcm.open(stream)
        blocks = source.blocks()
        first = next(blocks)
        before = time.monotonic()
        writer.write(bytes(641))
        second = next(blocks)

        assert (len(first.frames), len(second.frames)) == (320, 320)
        assert first.arrived <= before <= second.arrived
        writer.write(b"\0")
        assert len(next(blocks).frames) == 1


def test_a_writer_waits_while_nobody_takes_blocks():
    read, write = os.pipe()
    written = threading.Event()

    def produce() -> None:
        with os.fdopen(write, "wb", 0) as writer:
            writer.write(bytes(1 << 20))
        written.set()

    producer = threading.Thread(target=produce)
    with os.fdopen(read, "rb") as stream:
        producer.start()
        blocks = pcm.open(stream).blocks()
        next(blocks)

        assert not written.wait(0.3)
        assert sum(len(block.frames) for block in blocks) * 2 > 1_000_000
        producer.join()


def test_closed_by_another_thread_while_nothing_comes_it_ends():
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream, os.fdopen(write, "wb", 0) as writer:
        writer.write(header(0) + bytes(640))
        source = pcm.open(stream)
        closing = threading.Timer(0.3, source.close)
        closing.start()

        blocks = list(source.blocks())
        closing.join()

    assert [len(block.frames) for block in blocks] == [320]


def test_an_empty_input_gives_no_block():
    assert list(pcm.open(io.BytesIO(b"")).blocks()) == []
    assert list(pcm.open(io.BytesIO(header(0))).blocks()) == []


def test_half_a_frame_at_the_end_is_dropped_and_said():
    *blocks, last = pcm.open(io.BytesIO(bytes(1601)), channels=2).blocks()

    assert sum(len(block.frames) for block in blocks) == 400
    assert "inside a sample" in last.note
    assert last.frames.shape == (0, 2)


def test_a_wav_that_ends_before_its_time_is_said():
    *blocks, last = pcm.open(io.BytesIO(header(96_000) + bytes(32_000))).blocks()

    assert sum(len(block.frames) for block in blocks) == RATE
    assert last.note == "standard input ended 2.0 s before the end it had announced"


@pytest.mark.parametrize(
    ("suffix", "called"),
    [("flac", "FLAC"), ("ogg", "Ogg"), ("m4a", "MP4"), ("mka", "Matroska"), ("mp3", "MP3"), ("aiff", "AIFF")],
)
def test_a_file_of_another_kind_is_not_taken_for_samples(ffmpeg, tmp_path, suffix, called):
    path = tmp_path / f"said.{suffix}"
    convert = [ffmpeg, "-v", "error", "-i", DATA / f"{NAME}.flac", "-id3v2_version", "0", path]
    subprocess.run(convert if suffix == "mp3" else [*convert[:5], path], check=True)

    with path.open("rb") as stream, pytest.raises(UsageError, match=f"is {called}") as refused:
        pcm.open(stream)

    assert "ffmpeg -i - -f wav -" in refused.value.hint


def test_what_is_said_to_be_bare_samples_is_read_as_such_whatever_it_looks_like():
    samples = b"OggS" * 100

    assert len(heard(pcm.open(io.BytesIO(samples), rate=16_000))) == 200


@pytest.mark.parametrize("begin", [b"\xff\xfb\x90\x64", b"\xff\xfb\x90\x64" * 200])
def test_samples_that_begin_like_a_frame_of_mp3_are_samples(begin):
    assert heard(pcm.open(io.BytesIO(begin))).shape == (len(begin) // 2, 1)


@pytest.mark.parametrize(
    ("wav", "says"),
    [
        (header(0, bits=8), "format 1, 8 bits"),
        (header(0, tag=7, bits=8), "format 7, 8 bits"),
        (header(0, channels=0), "0 channels"),
        (header(0)[:30], "too short"),
        (header(0)[:36], "ends before its sound begins"),
        (header(0)[:12] + b"data\0\0\0\0", "does not say"),
        (header(0)[:12] + b"junk\xff\xff\xff\xff", "ends before its sound begins"),
        (header(0)[:32] + b"\x09\0" + header(0)[34:], "contradicts itself"),
    ],
)
def test_a_wav_that_cannot_be_read_is_refused(wav, says):
    with pytest.raises(MediaError, match=says):
        pcm.open(io.BytesIO(wav))


@pytest.mark.parametrize(("rate", "kind", "channels"), [(0, None, None), (None, "mp3", None), (None, None, 0)])
def test_samples_that_cannot_be_are_refused(rate, kind, channels):
    with pytest.raises(UsageError):
        pcm.open(io.BytesIO(bytes(100)), rate, kind, channels)
