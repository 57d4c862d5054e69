"""Whisper's decoder in OpenVINO hears what CTranslate2's hears, whatever shares its batch, on every machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from spoken import clip, said, words, wrong

from speechcli.backends import ctranslate2_decoder, decoders, encoders, kept, placement, registry
from speechcli.backends.base import Hints
from speechcli.backends.registry import Wanted
from speechcli.backends.whisper_search import Found, Rules
from speechcli.backends.whisper_times import TINY_EN
from speechcli.errors import UnavailableError, UsageError

openvino_decoder = pytest.importorskip("speechcli.backends.openvino_decoder")
quiet_openvino = pytest.importorskip("speechcli.backends.quiet_openvino")

SAMPLE = Path(encoders.__file__).parent.parent / "sample"
NAMES = ("LJ001-0009", "367-130732-0001", "mary", "LJ001-0003", "1089-134691-0000")  # 26 s, clear speech
CONTEXTS = ("", "A short story.", "", "He wrote about the art of printing, and about books and letters.", "Yes.")
LANES = 2
needs_bfloat16 = pytest.mark.skipif(
    not quiet_openvino.has_bfloat16(), reason="this processor has no bfloat16: CTranslate2 decodes on it"
)


class Speech:
    """What the encoder made of some clips, and how the decoder is asked about them."""

    def __init__(self, transcriber) -> None:
        self.encoded = [transcriber._encode(clip(name)) for name in NAMES]
        self.tokenizer = transcriber._tokenizer(self.encoded[0], Hints())
        self.rules: Rules = transcriber._rules(self.tokenizer, 0)
        self.plain = [transcriber._prompt(self.tokenizer, Hints())] * len(NAMES)
        self.told = [transcriber._prompt(self.tokenizer, Hints(context=context)) for context in CONTEXTS]

    def heard(self, decoder, beam_size: int, which: Sequence[int] | None = None, prompts=None) -> list[Found]:
        """What the decoder finds in some clips, in one batch."""
        which = range(len(NAMES)) if which is None else which
        prompts = [(self.plain if prompts is None else prompts)[i] for i in which]
        memories = [decoder.memory(self.encoded[i]) for i in which]
        return decoder.decode(memories, prompts, self.rules, beam_size, [len(prompt) + 200 for prompt in prompts])

    def words(self, found: Found) -> list[str]:
        return words(self.tokenizer.decode([token for token in found.tokens if token < self.tokenizer.eot]))


@pytest.fixture(scope="module")
def speech(transcriber) -> Speech:
    return Speech(transcriber)


@pytest.fixture(scope="module")
def decoder(tiny_en):
    return openvino_decoder.Decoder(tiny_en / "model.bin", LANES, 1)


@pytest.fixture(scope="module")
def reference(tiny_en) -> ctranslate2_decoder.Decoder:
    """CTranslate2's, in float32."""
    model = ctranslate2.models.Whisper(str(tiny_en), device="cpu", compute_type="float32", intra_threads=1)
    return ctranslate2_decoder.Decoder(model)


@pytest.fixture
def no_bfloat16(monkeypatch) -> None:
    """As on a processor without it."""
    monkeypatch.setattr(quiet_openvino, "has_bfloat16", lambda: False)


def model(folder: Path, revision: str = "", dtype: str = "auto") -> encoders.Model:
    return encoders.Model(folder, revision, placement.for_ctranslate2("cpu", dtype))


# --- what is heard ---


@pytest.mark.parametrize("beam_size", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_it_hears_what_ctranslate2_hears_in_float32(speech, decoder, reference, beam_size):
    """Two implementations of one decoder and one search: the same words, as sure of them, and that somebody speaks."""
    ours, theirs = (speech.heard(engine, beam_size) for engine in (decoder, reference))

    pairs = list(zip(ours, theirs, strict=True))
    errors = [wrong(speech.words(b), speech.words(a)) for a, b in pairs]
    same = [(a, b) for a, b in pairs if a.tokens == b.tokens]
    assert sum(errors) <= 0.03 * sum(len(speech.words(b)) for b in theirs)
    assert len(same) >= 3
    assert [a.avg_logprob for a, _ in same] == pytest.approx([b.avg_logprob for _, b in same], abs=0.05)
    assert [a.no_speech for a in ours] == pytest.approx([b.no_speech for b in theirs], abs=0.05)


def test_what_is_heard_is_what_was_said(speech, decoder):
    found = speech.heard(decoder, 5)

    errors = sum(wrong(said(name), speech.words(one)) for name, one in zip(NAMES, found, strict=True))
    assert errors < 0.1 * sum(len(said(name)) for name in NAMES)
    assert all(len(one.logprobs) == len(one.tokens) for one in found)
    assert all(max(one.logprobs) <= 1e-6 for one in found)


@pytest.mark.parametrize("told", [False, True], ids=["one prompt", "prompts of different lengths"])
@pytest.mark.parametrize("beam_size", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_the_bits_of_a_window_do_not_depend_on_its_batch(speech, decoder, beam_size, told):
    prompts = speech.told if told else speech.plain
    assert len({len(prompt) for prompt in prompts}) == (4 if told else 1)

    alone = [speech.heard(decoder, beam_size, [i], prompts)[0] for i in range(len(NAMES))]

    for batch in ([0, 1, 2, 3, 4], [3, 0], [4, 2, 1]):
        assert speech.heard(decoder, beam_size, batch, prompts) == [alone[i] for i in batch]


@pytest.mark.parametrize("beam_size", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_nor_on_what_is_asked_of_the_others(speech, decoder, beam_size):
    """The rests of some beside all of others, where there is room for more or less."""
    memories = [decoder.memory(encoded) for encoded in speech.encoded]
    rests = [decoder.rest(memory, begin) for memory, begin in zip(memories, (64, 0, 40, 320, 0), strict=True)]
    prompts, room = speech.told, [100, 70, 80, 150, 90]

    together = decoder.decode(rests, prompts, speech.rules, beam_size, room)

    for i, found in enumerate(together):
        assert decoder.decode([rests[i]], [prompts[i]], speech.rules, beam_size, [room[i]]) == [found]
    assert together != decoder.decode(memories, prompts, speech.rules, beam_size, room)


def test_a_memory_is_made_of_what_the_encoder_gave(speech, decoder):
    memory = decoder.memory(speech.encoded[0])

    assert memory.frames == 1500
    assert [part.shape for part in memory.keys] == [(6, 64, 1500)] * 4
    assert [part.shape for part in memory.values] == [(6, 1500, 64)] * 4
    assert {part.dtype for part in (*memory.keys, *memory.values)} == {np.dtype(np.uint16)}


def test_of_the_rest_of_a_window_only_the_rest_is_heard(speech, decoder):
    """From 3 s on, in which he says "printing then for our purpose may be considered as"."""
    rest = decoder.rest(decoder.memory(speech.encoded[0]), 150)

    (found,) = decoder.decode([rest], [speech.plain[0]], speech.rules, 5, [200])

    heard = speech.words(found)
    assert wrong("the art of making books by means of movable types".split(), heard) <= 1


def test_as_much_is_left_as_can_be_heard(speech, decoder):
    memory = decoder.memory(speech.encoded[0])

    assert decoder.rest(memory, 0) == memory
    assert [decoder.rest(memory, begin).begin for begin in (31, 33, 640, 1499, 9999)] == [0, 32, 640, 1440, 1440]


def test_several_threads_hear_what_one_hears(speech, decoder):
    batches = [[0, 1], [2], [3, 4], [1, 2, 3], [4]] * 2
    one_by_one = [speech.heard(decoder, 1, batch, speech.told) for batch in batches]

    with ThreadPoolExecutor(2 * LANES) as pool:
        at_once = list(pool.map(lambda batch: speech.heard(decoder, 1, batch, speech.told), batches))

    assert at_once == one_by_one


# --- CTranslate2's, which is asked in batches of its own ---


def test_ctranslate2_is_asked_about_windows_of_each_kind_by_themselves(speech, reference):
    """Prompts of three lengths and memories of two: in the order in which they were asked."""
    memories = [reference.memory(encoded) for encoded in speech.encoded]
    memories[2] = reference.rest(memories[2], 260)
    room = [len(prompt) + 100 for prompt in speech.told]

    together = reference.decode(memories, speech.told, speech.rules, 1, room)

    for i, found in enumerate(together):
        (alone,) = reference.decode([memories[i]], [speech.told[i]], speech.rules, 1, [room[i]])
        assert alone.tokens == found.tokens
        assert alone.avg_logprob == pytest.approx(found.avg_logprob, abs=1e-3)


@pytest.mark.parametrize(("begin", "frames"), [(0, 1500), (1, 1500), (250, 1250), (1300, 250), (1499, 250)])
def test_the_rest_is_of_a_length_that_others_have(speech, reference, begin, frames):
    rest = reference.rest(speech.encoded[0], begin)

    assert rest.shape == (1, frames, 384)
    assert (rest == speech.encoded[0][:, -frames:]).all()


# --- what was compiled ---


def test_what_was_compiled_is_read_back_and_made_anew_where_it_is_damaged(tiny_en, speech, engines_cache):
    def heard() -> list[Found]:
        engine = decoders.opened(model(tiny_en, "known"), TINY_EN, "openvino")
        return speech.heard(engine.decoder, 1, [1, 4])

    first = heard()
    files = {path: path.read_bytes() for path in engines_cache.glob("*.blob")}
    made = {path: path.stat().st_ino for path in files}
    second = heard()
    read_back = {path: path.stat().st_ino for path in engines_cache.glob("*.blob")}
    for path, data in files.items():
        path.write_bytes(data[:1000] + b"damage" + data[1006:])
    third = heard()

    assert len(files) == 3
    assert read_back == made  # nothing was written again
    assert first == second == third
    assert {path for path in engines_cache.iterdir() if kept.read(path) is not None} == set(files)


def test_where_nothing_can_be_written_it_is_heard_all_the_same(tiny_en, speech, tmp_path, monkeypatch, capfd):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(kept, "user_cache_path", lambda name: tmp_path / "file" / name)
    engine = decoders.opened(model(tiny_en, "known"), TINY_EN, "openvino")

    assert speech.heard(engine.decoder, 1, [4]) == speech.heard(engine.decoder, 1, [4])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert capfd.readouterr() == ("", "")


# --- which one ---


@needs_bfloat16
def test_where_there_is_bfloat16_openvino_decodes_in_int8(tiny_en):
    """Who asked for float32 gets nothing rougher."""
    assert isinstance(decoders.opened(model(tiny_en), TINY_EN, "auto").decoder, openvino_decoder.Decoder)
    assert decoders.opened(model(tiny_en), TINY_EN, "ctranslate2") is None
    assert decoders.opened(model(tiny_en, dtype="float32"), TINY_EN, "auto") is None


def test_without_bfloat16_ctranslate2_decodes(tiny_en, no_bfloat16):
    assert decoders.opened(model(tiny_en), TINY_EN, "auto") is None


def test_without_bfloat16_openvino_decodes_in_float32_where_it_is_asked_to(tiny_en, speech, reference, no_bfloat16):
    engine = decoders.opened(model(tiny_en), TINY_EN, "openvino")

    found, theirs = (speech.heard(one, 5) for one in (engine.decoder, reference))

    assert engine.decoder._read.precision == "float32"
    errors = sum(wrong(speech.words(b), speech.words(a)) for a, b in zip(found, theirs, strict=True))
    assert errors <= 0.03 * sum(len(speech.words(one)) for one in theirs)
    told = speech.heard(engine.decoder, 1, prompts=speech.told)
    assert told == [speech.heard(engine.decoder, 1, [i], speech.told)[0] for i in range(len(NAMES))]


def test_a_file_that_only_ctranslate2_may_know_is_left_to_it(tmp_path):
    """A later version of the format: not for us to say, unless the engine was asked for."""
    (tmp_path / "model.bin").write_bytes(b"\x07\0\0\0" + bytes(50))

    assert decoders.opened(model(tmp_path), TINY_EN, "auto") is None
    with pytest.raises(UnavailableError, match=r"^decoder=openvino cannot be had here \(.*version 7.*\)") as raised:
        decoders.opened(model(tmp_path), TINY_EN, "openvino")
    assert "\n" not in str(raised.value)


def test_a_decoder_that_nobody_knows_is_one_clear_line():
    with pytest.raises(UsageError, match=r"^decoder=nonsense is none of auto, openvino, ctranslate2$"):
        registry.open_transcriber(registry.resolve(Wanted(settings={"decoder": "nonsense"})))


@pytest.mark.parametrize("name", ["openvino", "ctranslate2"])
def test_the_transcript_tells_which_it_was(name):
    opened = registry.open_transcriber(registry.resolve(Wanted(settings={"decoder": name})))

    assert ("decoder of OpenVINO" in opened.stage.engine) == (name == "openvino")
    assert ("decoder", name) in opened.stage.settings
    opened.close()


def without_openvino(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command where OpenVINO is not installed."""
    code = "import sys; sys.modules['openvino'] = None; from speechcli.__main__ import main; main()"
    there = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=there, capture_output=True, text=True, check=False
    )


def test_without_openvino_the_sample_is_heard(tmp_path):
    done = without_openvino(tmp_path, "transcribe", str(SAMPLE / "two_cities.mp3"), "-f", "txt", "-o", "-")

    expected = words((SAMPLE / "two_cities.txt").read_text("utf-8"))
    assert done.returncode == 0, done.stderr
    assert wrong(expected, words(done.stdout)) < 0.1 * len(expected)


def test_without_openvino_who_insists_is_told_in_one_line(tmp_path):
    sample = str(SAMPLE / "two_cities.mp3")
    done = without_openvino(tmp_path, "transcribe", sample, "-o", "-", "--set", "decoder=openvino")

    assert done.returncode == 69
    assert done.stdout == ""
    (line,) = (line for line in done.stderr.splitlines() if line.strip())
    assert "decoder=openvino needs OpenVINO" in line
    assert "pip install openvino" in line
