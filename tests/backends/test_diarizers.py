"""Who is asked for who speaks: names, what is refused before anything is fetched, and what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest
from hub import in_place

from speechcli.backends import catalog, community1, diarizers, registry
from speechcli.backends.registry import Wanted
from speechcli.core.audio import Audio
from speechcli.core.span import Span
from speechcli.errors import DataError, UnavailableError, UsageError

TINY = Path(__file__).parents[1] / "tiny"
NEMOTRON = {"model_type": "nemotron3_diarization", "architectures": ["Nemotron3DiarizationForAudioFrameClassification"]}
MOSS = {"model_type": "moss_transcribe_diarize", "architectures": ["MossTranscribeDiarizeForConditionalGeneration"]}
needs_extra = pytest.mark.skipif(not community1.installed(), reason="needs the extra: pip install speechcli[diarize]")


@pytest.fixture
def hub():
    with in_place() as made:
        yield made


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """The user's cache: an empty one."""
    monkeypatch.setattr(community1, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "speechcli" / "community-1"


def laid_out(folder: Path, config: dict) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("name", ["auto", "embedded", " Embedded", "AUTO"])
def test_by_default_the_embedded_one_is_meant_and_no_whisper(name):
    wanted = diarizers.diarizer_for(Wanted(name))

    assert wanted.model == catalog.EMBEDDED_DIARIZER
    assert not diarizers.transcribes(wanted)


@pytest.mark.parametrize(
    ("name", "transcribes"),
    [
        ("community-1-embedded", False),
        ("pyannote", False),
        ("pyannote/speaker-diarization-community-1", False),
        ("vibevoice", True),
        ("vibevoice-onnx", True),
        ("microsoft/VibeVoice-ASR-HF", True),
        (str(TINY / "vibevoice"), True),
    ],
)
def test_what_tells_speakers_is_taken_and_those_that_transcribe_are_told_apart(name, transcribes):
    wanted = diarizers.diarizer_for(Wanted(name, offline=True))

    assert wanted.model == name
    assert diarizers.transcribes(wanted) is transcribes


@pytest.mark.parametrize(("config", "transcribes"), [(NEMOTRON, False), (MOSS, True)])
@pytest.mark.parametrize("mark", ["hf:", ""])
def test_a_folder_of_transformers_is_what_its_configuration_says(tmp_path, config, transcribes, mark):
    name = f"{mark}{laid_out(tmp_path, config)}"

    wanted = diarizers.diarizer_for(Wanted(name))

    assert wanted.model == name
    assert diarizers.transcribes(wanted) is transcribes


@pytest.mark.parametrize("mark", ["hf:", ""])
def test_of_an_id_of_the_hub_only_the_configuration_is_fetched(tmp_path, hub, mark):
    hub.repos["some/sortformer"] = {"config.json": json.dumps(NEMOTRON).encode(), "model.safetensors": bytes(100)}
    hub.repos["some/moss"] = {"config.json": json.dumps(MOSS).encode(), "model.safetensors": bytes(100)}

    sortformer, moss = (
        diarizers.diarizer_for(Wanted(f"{mark}some/{name}", model_dir=tmp_path)) for name in ("sortformer", "moss")
    )

    assert (sortformer.model, moss.model) == ("hf:some/sortformer", "hf:some/moss")
    assert not diarizers.transcribes(sortformer)
    assert diarizers.transcribes(moss)
    assert {name for name, _ in hub.sent} == {"config.json"}


def test_an_id_asked_for_before_is_known_offline(tmp_path, hub):
    hub.repos["some/sortformer"] = {"config.json": json.dumps(NEMOTRON).encode()}
    diarizers.diarizer_for(Wanted("hf:some/sortformer", model_dir=tmp_path))

    again = diarizers.diarizer_for(Wanted("hf:some/sortformer", model_dir=tmp_path, offline=True))

    assert not diarizers.transcribes(again)


@pytest.mark.parametrize(
    ("name", "error", "line"),
    [
        ("some/unknown", UnavailableError, "the hub has no model some/unknown, or it is private"),
        ("some/gated", UnavailableError, "some/gated is gated"),
        ("some/onnx", DataError, r"some/onnx holds no model of transformers \(no config.json\)"),
        ("some/whisper", UsageError, "hf:some/whisper does not tell who speaks"),
        ("hf:nobody", UsageError, "no model is called 'hf:nobody'"),
    ],
)
def test_an_id_that_does_not_serve_is_told_in_one_line(tmp_path, hub, name, error, line):
    hub.repos["some/gated"] = {"config.json": b"{}"}
    hub.gated.add("some/gated")
    hub.repos["some/onnx"] = {"model.onnx": b""}
    hub.repos["some/whisper"] = {"config.json": b'{"model_type": "whisper"}'}

    with pytest.raises(error, match=line):
        diarizers.diarizer_for(Wanted(name, model_dir=tmp_path))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("whisper-small", "whisper-small does not tell who speaks; one that does: embedded"),
        ("tiny.en", "does not tell who speaks"),
        ("qwen3-asr", "does not tell who speaks"),
        ("qwen3-aligner", "does not tell who speaks"),
        ("ctc:some/model", "does not tell who speaks"),
        (str(TINY / "qwen3-asr"), "does not tell who speaks"),
        (str(TINY / "hf-ctc"), "does not tell who speaks"),
        (f"hf:{TINY / 'hf-seq2seq'}", "does not tell who speaks"),
        ("nobody", "no model is called 'nobody'"),
        ("piannote", "did you mean pyannote"),
        ("./nowhere", "there is no folder ./nowhere"),
    ],
)
def test_what_does_not_tell_speakers_is_refused_before_it_is_fetched(name, line):
    with pytest.raises(UsageError, match=line):
        diarizers.diarizer_for(Wanted(name, offline=True))


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("embedded", {"device": "cuda"}, "--device cuda: community-1-embedded runs on the processor"),
        ("embedded", {"dtype": "float16"}, "--dtype is not for community-1-embedded"),
        ("embedded", {"attention": "sdpa"}, "--attn-implementation is not for"),
        ("embedded", {"quantize": "int8"}, "--quantize is not for"),
        ("embedded", {"compile": True}, "--compile is not for"),
        ("embedded", {"batch_size": 4}, "--batch-size is not for"),
        ("embedded", {"revision": "main"}, "--revision is not for"),
        ("embedded", {"longest": 30.0}, "--chunk-size is not for community-1-embedded, which hears any length"),
        ("pyannote", {"dtype": "float16"}, "--dtype is not for pyannote"),
        ("pyannote", {"longest": 30.0}, "--chunk-size is not for pyannote"),
        ("pyannote", {"quantize": "int8"}, "--quantize is not for pyannote"),
        ("hf:some/sortformer", {"compile": True}, "--compile is not for hf:some/sortformer"),
        ("hf:some/sortformer", {"batch_size": 4}, "--batch-size is not for hf:some/sortformer"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(name, options, line, hub, tmp_path):
    hub.repos["some/sortformer"] = {"config.json": json.dumps(NEMOTRON).encode()}

    with pytest.raises(UsageError, match=line):
        diarizers.diarizer_for(Wanted(name, model_dir=tmp_path, **options))


def test_options_that_are_heeded_are_taken(tmp_path):
    sortformer = str(laid_out(tmp_path, NEMOTRON))
    diarizers.diarizer_for(Wanted(sortformer, device="cuda", dtype="bfloat16", attention="sdpa", quantize="int8"))
    diarizers.diarizer_for(Wanted("pyannote", dtype="float32", batch_size=4))
    diarizers.diarizer_for(Wanted("embedded", device="cpu"))
    diarizers.diarizer_for(Wanted("pyannote", device="cuda", revision="main"))
    diarizers.diarizer_for(Wanted("vibevoice", device="cuda", longest=600.0, quantize="int4"))


@pytest.mark.parametrize("name", ["community-1-embedded", "pyannote"])
def test_a_diarizer_asked_for_as_a_model_that_transcribes_is_refused_before_it_is_fetched(name):
    with pytest.raises(UsageError, match="tells who speaks and does not transcribe; speechcli diarize, or --diarize"):
        registry.family_of(Wanted(name))


# --- what is found, and opened


@needs_extra
def test_the_embedded_one_is_found_where_the_extra_is_installed(cache):
    resolved = diarizers.resolve(diarizers.diarizer_for(Wanted("auto", offline=True)))

    assert (resolved.name, resolved.folder, resolved.revision) == (
        catalog.EMBEDDED_DIARIZER,
        cache,
        community1.REVISION,
    )


@needs_extra
def test_a_folder_of_the_users_own_serves(tmp_path, monkeypatch):
    folder = community1.find(tmp_path / "own")
    monkeypatch.setattr(community1, "_library", lambda: None)

    resolved = diarizers.resolve(diarizers.diarizer_for(Wanted(str(folder))))

    assert (resolved.folder, resolved.family, resolved.name) == (folder, "community-1", catalog.EMBEDDED_DIARIZER)


@needs_extra
def test_without_the_models_it_is_said_how_to_get_them(monkeypatch):
    monkeypatch.setattr(community1, "_library", lambda: None)

    with pytest.raises(UnavailableError, match=r'pip install "speechcli\[diarize\]"'):
        diarizers.resolve(diarizers.diarizer_for(Wanted("auto")))
    assert diarizers.open_printer() is None


@pytest.mark.parametrize(("missing", "name"), [("kaldi_native_fbank", "kaldi-native-fbank"), ("scipy", "scipy")])
def test_a_missing_package_is_named_with_the_extra_it_is_of(monkeypatch, missing, name):
    monkeypatch.setattr(diarizers, "find_spec", lambda module: None if module == missing else object())

    with pytest.raises(UnavailableError) as raised:
        diarizers.resolve(diarizers.diarizer_for(Wanted("auto")))

    assert str(raised.value) == f'{name} is not installed; pip install "speechcli[diarize]"'
    assert diarizers.open_printer() is None


def test_pyannote_without_its_package_is_told_before_anything_is_fetched(monkeypatch, hub, tmp_path):
    monkeypatch.setattr(diarizers, "find_spec", lambda module: None if module == "pyannote.audio" else object())

    with pytest.raises(UnavailableError) as raised:
        diarizers.resolve(diarizers.diarizer_for(Wanted("pyannote", model_dir=tmp_path)))

    assert str(raised.value) == 'pyannote.audio is not installed; pip install "speechcli[pyannote]"'
    assert hub.sent == []


PYANNOTE = {"config.yaml": b"pipeline: {}", "segmentation/pytorch_model.bin": b"x", "plda/plda.npz": b"y"}


@pytest.fixture
def pyannote_installed(monkeypatch) -> None:
    monkeypatch.setattr(diarizers, "find_spec", lambda module: object())


def test_pyannote_is_fetched_whole(pyannote_installed, hub, tmp_path):
    hub.repos["pyannote/speaker-diarization-community-1"] = PYANNOTE | {"README.md": b"much", "picture.gif": b"more"}

    resolved = diarizers.resolve(diarizers.diarizer_for(Wanted("pyannote", model_dir=tmp_path)))

    assert resolved.folder is not None
    there = {path.relative_to(resolved.folder).as_posix() for path in resolved.folder.rglob("*") if path.is_file()}
    assert there == set(PYANNOTE)
    assert (resolved.name, resolved.family) == ("pyannote", "pyannote")
    again = diarizers.resolve(diarizers.diarizer_for(Wanted("pyannote", model_dir=tmp_path, offline=True)))
    assert again.folder == resolved.folder


def test_pyannotes_gate_is_told_in_one_line(pyannote_installed, hub, tmp_path):
    hub.repos["pyannote/speaker-diarization-community-1"] = PYANNOTE
    hub.gated.add("pyannote/speaker-diarization-community-1")

    with pytest.raises(UnavailableError) as raised:
        diarizers.resolve(diarizers.diarizer_for(Wanted("pyannote", model_dir=tmp_path)))

    assert str(raised.value) == (
        "pyannote/speaker-diarization-community-1 is gated: its owners want to know who uses it; agree at "
        "https://huggingface.co/pyannote/speaker-diarization-community-1, then give a token: hf auth login, or HF_TOKEN"
    )


def test_a_folder_of_pyannotes_is_known_by_its_configuration(pyannote_installed, tmp_path):
    for name, content in PYANNOTE.items():
        (tmp_path / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "own" / name).write_bytes(content)

    wanted = diarizers.diarizer_for(Wanted(str(tmp_path / "own")))
    resolved = diarizers.resolve(wanted)

    assert not diarizers.transcribes(wanted)
    assert (resolved.folder, resolved.family) == (tmp_path / "own", "pyannote")
    assert resolved.revision.startswith("files:")


@needs_extra
def test_voices_are_known_again_with_what_the_extra_brings():
    pytest.importorskip("kaldi_native_fbank")
    printer = diarizers.open_printer()

    assert printer is not None
    noise = np.random.default_rng(0).normal(scale=0.1, size=3 * printer.rate).astype(np.float32)
    print_ = printer.voice(Audio(noise, printer.rate), [Span(0.0, 3.0)])
    assert print_ is not None
    assert np.linalg.norm(print_) == pytest.approx(1.0, abs=1e-3)


def test_weights_that_are_not_community_1s_are_told_and_not_passed_over(cache, monkeypatch):
    monkeypatch.setattr(diarizers, "find_spec", lambda module: object())
    monkeypatch.setattr(community1, "_library", lambda: None)
    cache.mkdir(parents=True)
    for array in community1._ARRAYS:
        (cache / array.name).write_bytes(b"other weights")

    with pytest.raises(DataError, match="has another checksum than released"):
        diarizers.open_printer()


def test_a_transcriber_is_not_opened_as_a_diarizer():
    resolved = diarizers.resolve(diarizers.diarizer_for(Wanted(str(TINY / "vibevoice"))))

    with pytest.raises(UsageError, match="transcribes: its speakers come with the words"):
        diarizers.open_diarizer(resolved)
