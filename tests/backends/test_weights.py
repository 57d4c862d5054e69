"""Weights: what is accepted from a folder or the hub, what is refused, and that every refusal is one clear line.

The hub is one of our own: see hub.py.
"""

import errno
import json
import shutil
import struct
from pathlib import Path

import pytest
from hub import COMMIT, OTHER, in_place

from speechcli.backends import catalog, registry, weights
from speechcli.errors import DataError, DiskError, UnavailableError

TINY = Path(__file__).parent.parent / "tiny"
NATIVE = {"model_type": "parakeet_ctc", "architectures": ["ParakeetForCTC"]}


def safetensors(n_values: int = 4) -> bytes:
    """A file with one tensor of float32."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [n_values], "data_offsets": [0, 4 * n_values]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4 * n_values)


def index(*shards: str) -> bytes:
    return json.dumps({"weight_map": {f"w{i}": shard for i, shard in enumerate(shards)}}).encode()


def model(config: dict = NATIVE, **files: bytes) -> dict[str, bytes]:
    """The files of a model; `model_safetensors` stands for model.safetensors."""
    return {"config.json": json.dumps(config).encode()} | files


WHOLE = model() | {"model.safetensors": safetensors()}
SHARDED = model() | {
    "model.safetensors.index.json": index("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
    "model-00001-of-00002.safetensors": safetensors(),
    "model-00002-of-00002.safetensors": safetensors(300_000),
}


def laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def hub():
    with in_place() as made:
        yield made


def fetched(name: str, folder: Path, revision: str | None = None, offline: bool = False) -> weights.Weights:
    return weights.of_hub(weights.source_of(name), revision, folder, offline)


# --- folders


def test_a_folder_with_all_its_shards_is_taken(tmp_path):
    assert weights.of_folder(laid_out(tmp_path, SHARDED)).family == "hf"


def test_a_missing_shard_is_named(tmp_path):
    folder = laid_out(tmp_path, SHARDED)
    (folder / "model-00002-of-00002.safetensors").unlink()

    with pytest.raises(DataError, match=r"lacks model-00002-of-00002\.safetensors \(2 files of weights\)"):
        weights.of_folder(folder)


def test_a_file_that_is_cut_off_is_named_with_its_sizes(tmp_path):
    folder = laid_out(tmp_path, WHOLE)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-3])

    with pytest.raises(DataError, match=r"model\.safetensors has \d+ bytes where its header promises \d+"):
        weights.of_folder(folder)


@pytest.mark.parametrize("junk", [b"", b"\x00" * 20, b"<html>not found</html>", struct.pack("<Q", 2) + b"[]"])
def test_a_file_that_is_no_safetensors_is_named(tmp_path, junk):
    folder = laid_out(tmp_path, WHOLE | {"model.safetensors": junk})

    with pytest.raises(DataError, match=r"model\.safetensors is (cut short or is not safetensors|damaged)"):
        weights.of_folder(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "parakeet.nemo"])
def test_weights_that_could_run_code_are_refused(tmp_path, name):
    with pytest.raises(DataError, match=f"format that can run code \\({name}\\); only safetensors are read"):
        weights.of_folder(laid_out(tmp_path, model() | {name: b"\x80\x04."}))


@pytest.mark.parametrize("file", ["config.json", "processor_config.json", "tokenizer_config.json"])
def test_a_model_that_wants_to_run_its_own_code_is_refused(tmp_path, file):
    config = {"model_type": "homemade", "architectures": ["Homemade"]}
    told = json.dumps(config | {"auto_map": {"AutoModel": "modeling_homemade.Homemade"}}).encode()

    with pytest.raises(DataError, match="wants to run its own code"):
        weights.of_folder(laid_out(tmp_path, model(config) | {"model.safetensors": safetensors(), file: told}))


@pytest.mark.parametrize(
    ("config", "right"),
    [
        (
            {"model_type": "qwen3_asr", "thinker_config": {"text_config": {"hidden_size": 2048}}},
            "Qwen/Qwen3-ASR-1.7B-hf",
        ),
        (
            {"model_type": "qwen3_asr", "thinker_config": {"text_config": {"hidden_size": 1024}}},
            "Qwen/Qwen3-ASR-0.6B-hf",
        ),
        (
            {"model_type": "qwen3_asr", "thinker_config": {"classify_num": 5000, "text_config": {"hidden_size": 1024}}},
            "Qwen/Qwen3-ForcedAligner-0.6B-hf",
        ),
        ({"model_type": "qwen3_asr", "thinker_config": {"text_config": None}}, "Qwen/Qwen3-ASR-1.7B-hf"),
        ({"model_type": "qwen3_asr", "thinker_config": None}, "Qwen/Qwen3-ASR-1.7B-hf"),
        ({"model_type": "vibevoice", "acoustic_tokenizer_config": {}}, "microsoft/VibeVoice-ASR-HF"),
    ],
)
def test_a_folder_in_an_older_layout_is_refused_with_the_right_id(tmp_path, config, right):
    folder = laid_out(tmp_path, model(config) | {"model.safetensors": safetensors()})

    with pytest.raises(DataError, match=f"older layout.*the native checkpoint is {right}"):
        registry.resolve(registry.Wanted(str(folder)))


@pytest.mark.parametrize("config", [b"", b"[]", b"{}", b'{"model_type": ', b"\xff"])
def test_a_config_that_is_none_is_told_as_such(tmp_path, config):
    with pytest.raises(DataError, match=r"config\.json is no model's configuration"):
        weights.of_folder(laid_out(tmp_path, {"config.json": config}))


def test_an_index_cannot_name_a_file_outside_its_folder(tmp_path):
    files = model() | {"model.safetensors.index.json": index("../../secrets.safetensors")}

    with pytest.raises(DataError, match="points out of its folder"):
        weights.of_folder(laid_out(tmp_path, files))


def test_a_changed_file_changes_the_revision_of_a_folder(tmp_path):
    folder = laid_out(tmp_path, WHOLE)
    before = weights.of_folder(folder).revision
    (folder / "model.safetensors").write_bytes(safetensors(5))

    assert weights.of_folder(folder).revision != before


# --- names


@pytest.mark.parametrize(
    ("older", "name"),
    [
        ("microsoft/VibeVoice-ASR", "vibevoice"),
        ("bezzam/VibeVoice-ASR-7B", "vibevoice"),
        ("Qwen/Qwen3-ASR-1.7B", "qwen3-asr-1.7b"),
        ("Qwen/Qwen3-ASR-0.6B", "qwen3-asr-0.6b"),
        ("Qwen/Qwen3-ForcedAligner-0.6B", "qwen3-aligner"),
        ("bezzam/Qwen3-ForcedAligner-0.6B-hf", "qwen3-aligner"),
    ],
)
def test_an_id_of_an_older_card_means_the_native_checkpoint_and_says_so(older, name):
    source = weights.source_of(older)

    assert (source.name, source.repo) == (name, catalog.find(name).repo)
    assert source.notice == f"{older} is an older id: {name} ({source.repo}) is used, the native checkpoint"
    assert registry.canonical(older) == name


@pytest.mark.parametrize("model", [m for m in catalog.MODELS if m.repo], ids=lambda m: m.name)
def test_an_id_of_the_hub_that_the_catalogue_has_is_its_model_without_a_word(model):
    source = weights.source_of(model.repo)

    assert (source.repo, source.family, source.notice) == (model.repo, model.family, "")
    assert registry.canonical(model.repo) == model.name


def test_a_folder_that_is_named_like_an_id_is_meant_before_it(tmp_path, monkeypatch):
    folder = laid_out(tmp_path / "nvidia" / "parakeet-ctc-1.1b", WHOLE)
    monkeypatch.chdir(tmp_path)

    assert registry.resolve(registry.Wanted("nvidia/parakeet-ctc-1.1b")).folder.resolve() == folder


def test_of_two_quantisations_only_the_wanted_one_is_fetched():
    both, one = weights.source_of("vibevoice-onnx"), weights.source_of("vibevoice-onnx", "q4")

    assert any("int8" in pattern for pattern in both.files)
    assert not any("int8" in pattern for pattern in one.files)
    assert any("q4" in pattern for pattern in one.files)
    assert any("encoder" in pattern for pattern in one.files)


# --- the hub


def test_a_model_is_fetched_once_and_then_there_without_a_network(hub, tmp_path):
    hub.repos["some/model"] = SHARDED

    found = fetched("hf:some/model", tmp_path)
    n_sent = len(hub.sent)
    again = fetched("hf:some/model", tmp_path, offline=True)

    assert (found.revision, found.family) == (COMMIT, "hf")
    assert again == found
    assert len(hub.sent) == n_sent
    assert {path.name for path in found.folder.iterdir()} == set(SHARDED)


def test_another_revision_is_fetched_when_it_is_asked_for(hub, tmp_path):
    hub.repos["some/model"] = WHOLE

    assert fetched("hf:some/model", tmp_path, "v2").revision == OTHER
    assert fetched("hf:some/model", tmp_path, OTHER, offline=True).revision == OTHER


def test_a_revision_that_is_not_there_is_one_line(hub, tmp_path):
    hub.repos["some/model"] = WHOLE

    with pytest.raises(UnavailableError, match="some/model has no revision v9"):
        fetched("hf:some/model", tmp_path, "v9")


def test_a_download_that_was_cut_is_not_taken_for_whole_and_goes_on(hub, tmp_path):
    hub.repos["some/model"] = SHARDED
    big = "model-00002-of-00002.safetensors"
    hub.cut[big] = 400_000
    with pytest.raises(UnavailableError, match="cannot fetch some/model"):
        fetched("hf:some/model", tmp_path)
    with pytest.raises(UnavailableError, match="not on this machine and --offline forbids"):
        fetched("hf:some/model", tmp_path, offline=True)
    hub.cut.clear()
    hub.sent.clear()

    found = fetched("hf:some/model", tmp_path)

    assert (found.folder / big).read_bytes() == SHARDED[big]
    assert [name for name, _ in hub.sent] == [big]


def test_a_gated_model_says_so_with_its_page_and_the_token(hub, tmp_path):
    hub.repos["some/secret"] = WHOLE
    hub.gated.add("some/secret")

    with pytest.raises(UnavailableError, match=r"gated.*https://huggingface\.co/some/secret.*HF_TOKEN"):
        fetched("hf:some/secret", tmp_path)


def test_a_model_that_the_hub_does_not_have_is_one_line(hub, tmp_path):
    with pytest.raises(UnavailableError, match="the hub has no model some/nobody, or it is private"):
        fetched("hf:some/nobody", tmp_path)


def test_a_name_that_no_hub_could_have_is_one_line(tmp_path):
    with pytest.raises(UnavailableError, match="no model is called"):
        fetched("hf:some/mo del/x", tmp_path)


def test_weights_that_could_run_code_are_not_even_fetched(hub, tmp_path):
    hub.repos["some/old"] = model() | {"pytorch_model.bin": b"\x80\x04."}

    with pytest.raises(DataError, match=r"some/old holds its weights in a format that can run code \(pytorch_model"):
        fetched("hf:some/old", tmp_path)
    assert hub.sent == []


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "homemade", "auto_map": {"AutoModel": "x.Y"}}, "wants to run its own code"),
        ({"model_type": "vibevoice"}, "older layout"),
    ],
)
def test_what_cannot_be_loaded_is_refused_before_its_gigabytes_are_fetched(hub, tmp_path, config, message):
    hub.repos["some/model"] = model(config) | {"model.safetensors": safetensors()}

    with pytest.raises(DataError, match=message):
        fetched("hf:some/model", tmp_path)
    assert "model.safetensors" not in [name for name, _ in hub.sent]


def test_transformers_own_whisper_is_pointed_to_the_family_that_runs_it(hub, tmp_path):
    hub.repos["some/whisper"] = WHOLE

    with pytest.raises(DataError, match="--model hf:some/whisper"):
        fetched("some/whisper", tmp_path)


def test_no_network_is_one_line_with_the_command_and_the_size(tmp_path, monkeypatch, hub):
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(
        UnavailableError,
        match=r"cannot fetch Qwen/.*: no answer from the hub; .*models pull qwen3-asr-0\.6b \(1\.6 GB\)",
    ):
        fetched("qwen3-asr-0.6b", tmp_path)


def test_offline_by_the_environment_is_said_to_be_so(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(UnavailableError, match=r"HF_HUB_OFFLINE forbids.*models pull vibevoice \(16\.7 GB\)"):
        fetched("vibevoice", tmp_path)


def test_a_full_disk_is_told_as_such(hub, tmp_path, monkeypatch):
    hub.repos["some/model"] = WHOLE

    def full(*args, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda *a, **k: full() if not k["local_files_only"] else ""
    )
    monkeypatch.setattr(weights, "_cached", lambda *a: None)
    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)

    with pytest.raises(DiskError, match="disk full fetching some/model") as caught:
        fetched("hf:some/model", tmp_path)
    assert caught.value.exit_code == 74


def test_a_model_is_shown_as_here_only_when_it_is_whole(hub, tmp_path, monkeypatch):
    parakeet = catalog.find("parakeet-ctc-1.1b")
    hub.repos[parakeet.repo] = SHARDED
    assert not weights.present(parakeet, tmp_path)
    found = fetched(parakeet.name, tmp_path)
    assert weights.present(parakeet, tmp_path)

    (found.folder / "model-00001-of-00002.safetensors").unlink()

    assert not weights.present(parakeet, tmp_path)


def test_the_small_checkpoints_of_the_tests_are_taken_for_what_they_are():
    assert weights.of_folder(TINY / "hf-ctc").family == "hf"
    assert weights.of_folder(TINY / "hf-seq2seq").family == "hf"


def test_a_copy_of_a_model_without_one_of_its_bytes_is_refused(tmp_path):
    folder = shutil.copytree(TINY / "hf-ctc", tmp_path / "copy")
    path = folder / "model.safetensors"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(DataError, match="where its header promises"):
        registry.resolve(registry.Wanted(str(folder)))
