"""`speechcli models`: the table, and the catalogue behind it."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hub import OTHER, in_place

from speechcli.backends import catalog, community1


def test_the_table_has_a_line_a_model_and_columns_by_tabs(speechcli):
    header, *rows = speechcli("models").out.splitlines()

    assert header.split("\t") == ["NAME", "WHAT", "LANGUAGES", "SIZE", "LICENCE", "PASS", "HERE"]
    assert [row.split("\t")[0] for row in rows] == list(catalog.names())
    assert rows[0].split("\t")[2:] == ["English", "75 MB", "MIT", "30 s", "yes"]


def test_json_has_all_that_is_known(speechcli):
    models = json.loads(speechcli("models", "--json").out)

    embedded = models[0]
    assert embedded["name"] == "whisper-tiny.en"
    assert embedded["sha256"] == "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
    assert embedded["present"] is True


def test_one_model_is_described(speechcli):
    told = speechcli("models", "turbo").out

    assert told.startswith("whisper-large-v3-turbo\n")
    assert "https://huggingface.co/mobiuslabsgmbh/faster-whisper-large-v3-turbo" in told
    assert "not pinned" in told


def test_a_models_own_languages_and_dialects_are_named(speechcli):
    qwen, aligner, vibevoice = (
        " ".join(speechcli("models", name).out.split()) for name in ("qwen3-asr", "qwen3-aligner", "vibevoice")
    )

    assert qwen.partition("languages: ")[2].partition(" dialects:")[0].count(", ") == 29
    assert qwen.partition("dialects: of Chinese: ")[2].partition(" weights:")[0].count(", ") == 21
    assert "Cantonese (Hong Kong accent), Cantonese (Guangdong accent), Wu, Minnan" in qwen
    assert aligner.partition("languages: ")[2].partition(" weights:")[0].count(", ") == 10
    assert "languages: over 50, found out by itself" in vibevoice
    assert "revision: not pinned: the hub's latest" in vibevoice


def test_a_model_is_known_by_its_id_on_the_hub_and_by_those_of_older_cards(speechcli):
    for name in ("Qwen/Qwen3-ASR-1.7B-hf", "Qwen/Qwen3-ASR-1.7B", "qwen3-asr"):
        assert speechcli("models", name).out.startswith("qwen3-asr-1.7b\n")


def test_on_a_narrow_terminal_the_table_leaves_out_what_one_model_tells(speechcli, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    lines = re.sub(r"\x1b\[[0-9;]*m", "", speechcli("models").out).splitlines()

    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["NAME", "WHAT", "LANGUAGES", "SIZE", "HERE"]
    assert not any("…" in line for line in lines)


def test_the_table_loads_no_engine(tmp_path):
    code = "import sys; from speechcli.__main__ import run; assert run(['models', '--json']) == 0; "
    code += "assert not {'torch', 'transformers', 'onnxruntime', 'ctranslate2'} & set(sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("args", [("tinny",), ("pull", "tinny"), ("pull",), ("rm",), ("rm", "embedded")])
def test_names_that_cannot_be_meant_are_refused(speechcli, args):
    assert speechcli("models", *args).code == 2


def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(speechcli):
    assert "did you mean whisper-tiny" in speechcli("models", "wisper-tiny").err


def test_pulling_the_embedded_model_says_where_it_is(speechcli):
    folder = speechcli("models", "pull", "embedded").out.strip()

    assert folder.endswith("model")


def test_pulling_offline_is_one_clear_line(speechcli, tmp_path):
    done = speechcli("models", "pull", "whisper-base", "--offline", "--model-dir", tmp_path)

    assert (done.code, done.out) == (69, "")
    assert "Systran/faster-whisper-base is not on this machine and --offline forbids to fetch it" in done.err


def hub_cache(folder, repo: str) -> None:
    """The hub's cache as its library lays it out, with one model in it."""
    base = folder / ("models--" + repo.replace("/", "--"))
    for name in ("blobs", "refs", "snapshots/" + "a" * 40):
        (base / name).mkdir(parents=True)
    (base / "refs" / "main").write_text("a" * 40)
    (base / "blobs" / "b1").write_bytes(b"x" * 2_000_000)
    (base / "snapshots" / ("a" * 40) / "model.bin").symlink_to("../../blobs/b1")


def test_a_fetched_model_is_shown_as_here_and_can_be_removed(speechcli, tmp_path):
    hub_cache(tmp_path / "hub", "Systran/faster-whisper-base")
    here = speechcli("models", "--model-dir", tmp_path / "hub").out

    done = speechcli("models", "rm", "base", "--model-dir", tmp_path / "hub")
    again = speechcli("models", "rm", "base", "--model-dir", tmp_path / "hub")

    assert [row.split("\t")[0] for row in here.splitlines()[1:] if row.endswith("yes")] == [
        "whisper-tiny.en",
        "whisper-base",
        *(["moonshine-tiny.en"] if find_spec("moonshine_voice") else []),
        "pocketsphinx-en",
        *(["community-1-embedded"] if community1.present(tmp_path / "hub") else []),
    ]
    assert done.out == "removed Systran/faster-whisper-base (2 MB)\n"
    assert again.code == 66


@pytest.fixture
def hub():
    with in_place() as made:
        yield made


FILES = {"model.bin": b"x" * 1_000_000, "config.json": b"{}", "tokenizer.json": b"{}", "vocabulary.txt": b""}


def test_a_model_fetched_as_any_of_transformers_is_removed_by_the_name_it_was_fetched_by(speechcli, tmp_path):
    hub_cache(tmp_path / "hub", "some/model")

    done = speechcli("models", "rm", "hf:some/model", "--model-dir", tmp_path / "hub")

    assert (done.code, done.out) == (0, "removed some/model (2 MB)\n")


def test_a_folder_is_not_fetched(speechcli, tmp_path):
    done = speechcli("models", "pull", tmp_path)

    assert done.code == 2
    assert f"{tmp_path} is a folder: nothing is to be fetched; transcribe with it: --model {tmp_path}" in done.err


def test_a_model_is_pulled_by_its_name_and_a_revision(speechcli, tmp_path, hub):
    hub.repos["Systran/faster-whisper-base"] = FILES | {"README.md": b"much"}

    done = speechcli("models", "pull", "base", "--revision", "v2", "--model-dir", tmp_path / "hub")

    folder = Path(done.out.strip())
    assert (done.code, folder.name) == (0, OTHER)
    assert "fetching Systran/faster-whisper-base (145 MB)" in done.err
    assert {path.name for path in folder.iterdir()} == set(FILES)


def test_an_older_id_says_what_is_fetched_in_its_place(speechcli, tmp_path, hub):
    done = speechcli("models", "pull", "Qwen/Qwen3-ASR-0.6B", "--model-dir", tmp_path)

    assert done.code == 69
    assert done.err.splitlines()[0].startswith("Qwen/Qwen3-ASR-0.6B is an older id: qwen3-asr-0.6b")
    assert "the hub has no model Qwen/Qwen3-ASR-0.6B-hf, or it is private" in done.err


def test_a_gated_model_says_where_to_agree(speechcli, tmp_path, hub):
    hub.repos["mistralai/Voxtral-Mini-4B-Realtime-2602"] = {"config.json": b"{}", "model.safetensors": b""}
    hub.gated.add("mistralai/Voxtral-Mini-4B-Realtime-2602")

    done = speechcli("models", "pull", "voxtral-realtime", "--model-dir", tmp_path)

    assert done.code == 69
    assert "agree at https://huggingface.co/mistralai/Voxtral-Mini-4B-Realtime-2602" in done.err


@pytest.fixture
def cache(monkeypatch, tmp_path) -> Path:
    """The user's cache: an empty one."""
    monkeypatch.setattr(community1, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "speechcli" / "community-1"


@pytest.mark.skipif(not community1.installed(), reason="needs the extra: pip install speechcli[diarize]")
def test_what_tells_who_speaks_is_pulled_shown_and_removed(speechcli, cache, monkeypatch):
    pulled = speechcli("models", "pull", "diarize", "--offline")
    monkeypatch.setattr(community1, "_library", lambda: None)  # as on a machine that the package is not made for
    kept = speechcli("models", "pull", "community-1-embedded", "--offline")
    told = speechcli("models", "diarize").out
    removed = speechcli("models", "rm", "diarize")
    gone = speechcli("models", "rm", "diarize")

    assert (pulled.code, pulled.out, pulled.err) == (0, f"{cache}\n", "")
    assert (kept.code, kept.out) == (0, f"{cache}\n")
    assert "licence:         CC-BY-4.0\n" in told
    assert "on this machine: yes\n" in told
    assert (removed.code, removed.out) == (0, "removed community-1-embedded (9 MB)\n")
    assert (gone.code, "community-1-embedded is not on this machine" in gone.err) == (66, True)


def test_without_the_package_it_is_said_what_is_fetched_and_why_it_could_not_be(speechcli, cache, monkeypatch):
    monkeypatch.setattr(community1, "_library", lambda: None)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(cache))

    done = speechcli("models", "pull", "diarize")

    first, *_, last = done.err.splitlines()
    assert done.code == 69
    assert first == "fetching moonshine-voice==0.0.73 (56 MB) through pip, to read the models of community-1 out of it"
    assert "pip could not fetch moonshine-voice==0.0.73: No matching distribution found" in last


def test_offline_what_tells_who_speaks_is_not_fetched(speechcli, cache, monkeypatch):
    monkeypatch.setattr(community1, "_library", lambda: None)

    done = speechcli("models", "pull", "diarize", "--offline")

    assert (done.code, done.out) == (69, "")
    assert "the models of community-1 are not on this machine and --offline forbids to fetch them" in done.err


@pytest.mark.skipif(not community1.installed(), reason="needs the extra: pip install speechcli[diarize]")
def test_models_that_came_with_the_install_are_removed_with_it(speechcli, cache):
    done = speechcli("models", "rm", "diarize")

    assert done.code == 2
    assert "community-1-embedded came with the install; pip uninstall moonshine-voice" in done.err


def test_the_diarizers_models_have_no_revisions(speechcli):
    assert speechcli("models", "pull", "diarize", "--revision", "v2").code == 2


def test_revision_is_for_pull(speechcli):
    assert speechcli("models", "base", "--revision", "v2").code == 2


def test_names_and_aliases_are_unique_and_found():
    known = [name for model in catalog.MODELS for name in (model.name, *model.aliases)]

    assert len(known) == len(set(known))
    assert all(catalog.find(name) is not None for name in known)


def test_every_name_of_faster_whisper_is_known_with_its_repository():
    from faster_whisper.utils import _MODELS

    for name, repo in _MODELS.items():
        model = catalog.find(f"whisper-{name}")
        assert model is not None
        assert model.package or model.repo == repo
