"""`speechcli doctor`: what is there, what is not, and what to do about it."""

import json

import pytest


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
