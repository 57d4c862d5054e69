"""`speechcli.transcribe` and `speechcli.save`: every kind of sound, every kind of mistake."""

import base64
import io
import itertools
import subprocess
import sys
import threading
import typing
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import soundfile
from spoken import DATA, said, words, wrong

import speechcli
from speechcli import errors
from speechcli.api import Options
from speechcli.errors import SpeechcliError
from speechcli.formats import table

SHORT = ("367-130732-0001", "LJ001-0002", "1089-134686-0001")


def path_of(name: str) -> Path:
    return DATA / f"{name}.flac"


@pytest.fixture(scope="module")
def jfk_alike() -> dict[str, speechcli.Transcript]:
    """The same recording (44.1 kHz, stereo) in every form that is taken, in one batch."""
    path = path_of("jfk")
    data = path.read_bytes()
    whole, rate = soundfile.read(path, dtype="int32")  # it has 24 bits
    url = "data:audio/flac;base64," + base64.b64encode(data).decode()
    with path.open("rb") as opened:
        forms = {
            "path": path,
            "text of a path": str(path),
            "open file": opened,
            "bytes": data,
            "data URL": url,
            "int32 stereo": (whole, rate),
            "float32 stereo": (soundfile.read(path, dtype="float32")[0], float(rate)),
            "int16 stereo": ((whole >> 16).astype(np.int16), rate),
            "float64 mono": (whole.mean(axis=1) / 2**31, rate),
        }
        transcripts = speechcli.transcribe(list(forms.values()))
    return dict(zip(forms, transcripts, strict=True))


@pytest.fixture(scope="module")
def transcript(jfk_alike) -> speechcli.Transcript:
    return jfk_alike["path"]


@pytest.mark.parametrize(
    "form",
    ["text of a path", "open file", "bytes", "data URL", "int32 stereo", "float32 stereo"],
)
def test_the_same_sound_in_another_form_gives_the_same_answer(jfk_alike, transcript, form):
    assert jfk_alike[form].segments == transcript.segments
    assert jfk_alike[form].verdict == transcript.verdict
    assert jfk_alike[form].duration == transcript.duration == 11.0


@pytest.mark.parametrize("form", ["int16 stereo", "float64 mono"])
def test_the_same_sound_with_fewer_bits_or_mixed_already_gives_the_same_words(jfk_alike, transcript, form):
    assert wrong(words(transcript.text), words(jfk_alike[form].text)) <= 2
    assert jfk_alike[form].verdict.notes == ()


def test_a_transcript_has_words_with_times_and_a_verdict(transcript):
    assert wrong(said("jfk"), words(transcript.text)) <= 2
    assert all(0 <= w.start < w.end <= transcript.duration for w in transcript.words)
    assert all(a.end <= b.start for a, b in itertools.pairwise(transcript.words))
    assert transcript.language == "en"
    assert transcript.verdict.coverage > 0.8
    assert transcript.verdict.status == "ok"
    assert transcript.made_by[0].model == "whisper-tiny.en"
    assert dict(transcript.recording)["rate"] == "44100"


def test_what_is_no_file_has_a_name_that_is_the_same_every_time(jfk_alike):
    assert [jfk_alike[form].source for form in ("path", "open file", "bytes", "data URL", "int16 stereo")] == [
        "jfk.flac",
        "jfk.flac",
        "recording",
        "recording",
        "recording",
    ]


@pytest.fixture(scope="module")
def batch() -> list[speechcli.Transcript]:
    """SHORT, together."""
    return speechcli.transcribe([path_of(name) for name in SHORT])


def test_a_batch_gives_what_each_gives_alone_in_the_order_asked_for(batch):
    assert [t.source for t in batch] == [f"{name}.flac" for name in SHORT]
    assert speechcli.transcribe(path_of(SHORT[0])) == batch[0]
    assert speechcli.transcribe([path_of(name) for name in SHORT[::-1]]) == batch[::-1]
    for name, one in zip(SHORT, batch, strict=True):
        assert wrong(said(name), words(one.text)) <= 0.4 * len(said(name)), one.text


def test_a_recording_may_stand_in_a_batch_twice(batch):
    assert speechcli.transcribe([path_of(SHORT[1])] * 2) == [batch[1]] * 2


def test_no_recordings_give_no_transcripts():
    assert speechcli.transcribe([]) == []


def test_arrays_at_the_models_own_rate_are_taken_and_not_written_to(batch):
    samples, rate = soundfile.read(path_of(SHORT[0]), dtype="float32")
    before = samples.copy()
    samples.flags.writeable = False

    from_array = speechcli.transcribe((samples, rate))

    assert rate == 16_000
    assert from_array.segments == batch[0].segments
    np.testing.assert_array_equal(samples, before)


def test_silence_gives_no_words_and_no_coverage():
    """All zeros, and a constant offset of one step."""
    for quiet in speechcli.transcribe([(np.zeros(32_000), 16_000), (np.ones((32_000, 2), np.int16), 16_000)]):
        assert (quiet.segments, quiet.text, quiet.language) == ((), "", None)
        assert (quiet.verdict.coverage, quiet.verdict.status) == (None, "ok")
        assert quiet.duration == 2.0


def test_options_come_as_a_record_or_by_name_or_both():
    path = path_of(SHORT[2])
    record = Options(language="English", settings={"beam_size": "1"})

    by_record, by_name = (
        speechcli.transcribe(path, record),
        speechcli.transcribe(path, language="English", settings={"beam_size": "1"}),
    )
    both = speechcli.transcribe(path, record, clips=[(0.0, 0.5)])

    assert by_record == by_name
    assert len(both.words) < len(by_name.words)


def test_without_listening_for_speech_nobody_knows_the_coverage():
    transcript = speechcli.transcribe(path_of(SHORT[0]), vad=False)

    assert transcript.words
    assert transcript.verdict.coverage is None


def test_several_threads_at_once_get_what_each_would_get_alone(batch):
    found: dict[str, speechcli.Transcript] = {}

    def do(name: str) -> None:
        found[name] = speechcli.transcribe(path_of(name))

    threads = [threading.Thread(target=do, args=(name,)) for name in SHORT]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [found[name] for name in SHORT] == batch


# --- mistakes ---

HUNDRED = np.zeros(100, np.float32)
NOT_A_NUMBER = np.full(16_000, np.nan, np.float32)

WRONG_SOUND = {
    "a file that is not there": ("/nowhere/talk.mp3", errors.NoInputError, r"talk\.mp3 is not there"),
    "an empty name": ("", errors.MediaError, "is a folder"),
    "a folder": (DATA, errors.MediaError, "is a folder"),
    "text": (DATA / "jfk.txt", errors.MediaError, r"jfk\.txt is not a media file|not accepted"),
    "no bytes": (b"", errors.MediaError, "is empty"),
    "bytes of something else": (b"hello world" * 1000, errors.MediaError, "not a media file"),
    "an empty open file": (io.BytesIO(), errors.MediaError, "is empty"),
    "an open text file": (io.StringIO("hello"), errors.UsageError, "binary"),
    "a data URL without base64": ("data:audio/wav,hello", errors.MediaError, "not base64"),
    "a data URL of nonsense": ("data:audio/wav;base64,###", errors.MediaError, "not base64"),
    "a data URL without a comma": ("data:audio/wav;base64", errors.MediaError, "not base64"),
    "a data URL of nothing": ("data:audio/wav;base64,", errors.MediaError, "is empty"),
    "an empty array": ((np.zeros(0, np.float32), 16_000), errors.MediaError, r"shape \(0,\)"),
    "no channels": ((np.zeros((100, 0), np.float32), 16_000), errors.MediaError, r"shape \(100, 0\)"),
    "a cube": ((np.zeros((2, 2, 2), np.float32), 16_000), errors.MediaError, r"shape \(2, 2, 2\)"),
    "channels first": ((np.zeros((2, 44_100)), 44_100), errors.MediaError, r"\(2, 44100\).*\(n, channels\)"),
    "nothing but NaN": ((NOT_A_NUMBER, 16_000), errors.MediaError, "not numbers"),
    "complex numbers": ((HUNDRED.astype(np.complex64), 16_000), errors.MediaError, "complex64"),
    "an array of texts": ((np.array(["a", "b"]), 16_000), errors.MediaError, "<U1"),
    "integers of 64 bits": ((HUNDRED.astype(np.int64), 16_000), errors.MediaError, "int64"),
    "a rate of 0": ((HUNDRED, 0), errors.MediaError, "0 Hz"),
    "a negative rate": ((HUNDRED, -16_000), errors.MediaError, "-16000 Hz"),
    "a broken rate": ((HUNDRED, 16_000.5), errors.MediaError, r"16000\.5 Hz"),
    "a rate of nothing": ((HUNDRED, None), errors.MediaError, "None Hz"),
    "an array without its rate": (HUNDRED, errors.UsageError, r"\(samples, rate\)"),
    "a tuple of paths": (("a.wav", "b.wav"), errors.UsageError, "list"),
    "nothing": (None, errors.UsageError, "NoneType"),
}  # fmt: skip

WRONG_OPTIONS = {
    "unknown model": ({"model": "whisper-smal"}, errors.UsageError, "whisper-small"),
    "unknown language": ({"language": "Klingon"}, errors.UsageError, "'Klingon'"),
    "one unknown language": ({"language": ["en", "xx"]}, errors.UsageError, "'xx'"),
    "a language the model does not know": ({"language": "de"}, errors.UsageError, "only knows English"),
    "a translation by an English model": ({"task": "translate"}, errors.UsageError, "it cannot translate"),
    "unknown option": ({"languages": "en"}, errors.UsageError, "known options: model, language"),
    "unknown task": ({"task": "sing"}, errors.UsageError, "transcribe.*translate"),
    "unknown device": ({"device": "tpu"}, errors.UsageError, "cpu and cuda"),
    "a device that is not there": ({"device": "cuda:99"}, errors.UnavailableError, "no CUDA device 99"),
    "unknown dtype": ({"dtype": "bfloat17"}, errors.UsageError, "int8"),
    "unknown setting": ({"settings": {"beam_sise": "5"}}, errors.UsageError, "beam_size"),
    "wrong setting": ({"settings": {"beam_size": "many"}}, errors.UsageError, "must be a whole number"),
    "no batch": ({"batch_size": 0}, errors.UsageError, "at least one"),
    "a clip that ends before it begins": ({"clips": [(5.0, 2.0)]}, errors.UsageError, "5.* to 2"),
    "a clip of nothing": ({"clips": [(float("nan"), 2.0)]}, errors.UsageError, "nan"),
    "a track that is not there": ({"track": 7}, errors.SpeechcliError, "track 7"),
    "a channel that is not there": ({"channel": 9}, errors.SpeechcliError, "channel 9"),
    "an ffmpeg that is none": ({"ffmpeg": "/nowhere/ffmpeg"}, errors.UnavailableError, "/nowhere/ffmpeg"),
    "longer than allowed": ({"longest": 1.0}, errors.MediaError, "longer than"),
}


@pytest.mark.parametrize("case", WRONG_SOUND)
def test_what_is_no_sound_is_refused_in_a_sentence(case):
    sound, kind, message = WRONG_SOUND[case]

    with pytest.raises(kind, match=message) as caught:
        speechcli.transcribe(sound)

    assert isinstance(caught.value, SpeechcliError)
    assert "\n" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("case", WRONG_OPTIONS)
def test_options_that_cannot_be_taken_are_refused_in_a_sentence(case):
    options, kind, message = WRONG_OPTIONS[case]

    with pytest.raises(kind, match=message) as caught:
        speechcli.transcribe(path_of(SHORT[0]), **options)

    assert "\n" not in str(caught.value)


def test_one_bad_recording_of_a_batch_is_named():
    with pytest.raises(errors.NoInputError, match=r"gone\.wav"):
        speechcli.transcribe([path_of(SHORT[1]), Path("gone.wav"), path_of(SHORT[2])])


def test_a_few_samples_that_are_no_numbers_are_silence_and_told():
    samples, rate = soundfile.read(path_of(SHORT[0]), dtype="float32")
    samples = samples.copy()
    samples[100:103] = np.nan

    transcript = speechcli.transcribe((samples, rate))

    assert transcript.words
    assert "3 samples" in " ".join(transcript.verdict.notes)


# --- files of transcripts ---


@pytest.mark.parametrize("name", [n for n, form in table.FORMATS.items() if form.needs != "speakers"])
def test_a_transcript_is_saved_in_each_format_by_its_suffix(transcript, tmp_path, name):
    path = tmp_path / f"new folder/talk{table.FORMATS[name].suffix}"

    speechcli.save(transcript, path)

    text = path.read_text("utf-8")
    assert {"country", "americans"} <= set(words(text))
    assert text == "".join(table.pieces(name, transcript))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["json", "srt", "vtt", "tsv", "ctm", "stm", "textgrid", "verbose_json", "seglst"])
def test_what_was_saved_is_loaded_again(transcript, tmp_path, name):
    path = tmp_path / f"talk{table.FORMATS[name].suffix}"
    speechcli.save(transcript, path)

    again = speechcli.load(path)

    assert words(again.text) == words(transcript.text)
    if name == "json":
        assert again == transcript


def test_a_format_may_be_named_whatever_the_suffix(transcript, tmp_path):
    speechcli.save(transcript, tmp_path / "talk.captions", "webvtt")

    assert (tmp_path / "talk.captions").read_text().startswith("WEBVTT")


def test_what_cannot_be_saved_is_refused_and_leaves_what_was_there(transcript, tmp_path):
    path = tmp_path / "talk.rttm"
    path.write_text("somebody's work")

    with pytest.raises(errors.DataError, match="speakers"):
        speechcli.save(transcript, path)
    with pytest.raises(errors.UsageError, match="srt"):
        speechcli.save(transcript, tmp_path / "talk.mp3")
    with pytest.raises(errors.UsageError, match="no format 'wordperfect'"):
        speechcli.save(transcript, path, "wordperfect")
    with pytest.raises(errors.OutputError):
        speechcli.save(transcript, path / "below a file.srt")

    assert path.read_text() == "somebody's work"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_transcript_is_not_loaded(tmp_path):
    with pytest.raises(errors.NoInputError, match=r"gone\.json"):
        speechcli.load(tmp_path / "gone.json")
    with pytest.raises(errors.DataError):
        speechcli.load(path_of("jfk"))


# --- the package ---


def in_a_fresh_python(code: str) -> list[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_touching_the_api_loads_no_engine():
    heavy = "torch transformers accelerate ctranslate2 onnxruntime faster_whisper tokenizers huggingface_hub typer rich"
    code = f"import sys, speechcli as s; s.transcribe, s.load; print(*sys.modules.keys() & {set(heavy.split())})"

    assert in_a_fresh_python(code) == []


def test_transcribing_loads_neither_torch_nor_transformers():
    """They cost seconds, and this model needs neither."""
    code = (
        f"import sys, speechcli; t = speechcli.transcribe({str(path_of(SHORT[1]))!r}, device='cpu')\n"
        "print(len(t.words) > 0, *sys.modules.keys() & {'torch', 'transformers', 'accelerate'})"
    )

    assert in_a_fresh_python(code) == ["True"]


def test_the_package_says_that_it_is_typed():
    assert (files("speechcli") / "py.typed").is_file()
    given = [typing.get_type_hints(one)["return"] for one in typing.get_overloads(speechcli.transcribe)]
    assert given == [list[speechcli.Transcript]] * 2 + [speechcli.Transcript]  # a list of several kinds, of one; one


def test_every_public_name_is_there():
    assert all(getattr(speechcli, name) is not None for name in speechcli.__all__)
    assert set(speechcli.__all__) <= set(dir(speechcli))
    with pytest.raises(AttributeError, match="transcibe"):
        _ = speechcli.transcibe
