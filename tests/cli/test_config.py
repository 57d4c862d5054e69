"""Defaults from configuration files: the user's, over it the project's, over both the command line."""

import os
from pathlib import Path

import pytest

SRT = "1\n00:00:01,000 --> 00:00:04,000\nHello there my dear old friend, how are you?\n\n"


@pytest.fixture
def talk(here):
    (here / "talk.srt").write_text(SRT)
    return here


def users(text: str) -> None:
    folder = Path(os.environ["XDG_CONFIG_HOME"], "speechcli")
    folder.mkdir()
    (folder / "config.toml").write_text(text)


def test_the_projects_file_sets_defaults(speechcli, talk):
    (talk / "speechcli.toml").write_text('[convert]\nformat = ["txt", "tsv"]\nquiet = true\n')

    done = speechcli("convert", "talk.srt")

    assert (done.code, done.err) == (0, "")
    assert (talk / "talk.txt").exists()
    assert (talk / "talk.tsv").exists()


def test_it_is_found_from_folders_below(speechcli, talk, monkeypatch):
    (talk / "speechcli.toml").write_text('[convert]\nformat = "txt"\n')
    (talk / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(talk / "a" / "b")

    assert speechcli("convert", "../../talk.srt", "-o", "-").out.startswith("Hello there")


def test_the_command_line_wins_over_the_project_and_the_project_over_the_user(speechcli, talk):
    users("[convert]\nmax-line-width = 10\nmax_line_count = 1\n")
    (talk / "speechcli.toml").write_text("[convert]\nmax-line-width = 44\n")

    projects = speechcli("convert", "talk.srt", "-f", "srt", "-o", "-").out
    flags = speechcli("convert", "talk.srt", "-f", "srt", "-o", "-", "--max-line-width", 20).out

    assert "Hello there my dear old friend, how are you?\n\n" in projects
    assert max(map(len, flags.splitlines()[2::4])) <= 20
    assert flags.count("-->") >= 3, "one line a caption, as the user wants it"


def test_a_flag_set_in_a_file_can_be_unset(speechcli, talk):
    (talk / "speechcli.toml").write_text('[convert]\nformat = "txt"\noverwrite = true\n')
    (talk / "talk.txt").write_text("mine")

    assert speechcli("convert", "talk.srt", "--no-overwrite").code == 73
    assert speechcli("convert", "talk.srt").code == 0


def test_a_file_can_be_named_and_replaces_the_others(speechcli, talk):
    users("[convert]\nnonsense = 1\n")
    (talk / "other.toml").write_text('[convert]\nformat = "txt"\n')

    assert speechcli("convert", "talk.srt", "-o", "-", "--config", "other.toml").out.startswith("Hello")
    assert speechcli("convert", "talk.srt", "--config", "none.toml").code == 66


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[convert]\nformat = "txt\n', "speechcli.toml is not TOML: Illegal character '\\n' (at line 2, column 14)"),
        (
            "[convrt]\n",
            "speechcli.toml:1: there is no table [convrt]; "
            "there are transcribe, align, diarize, stream-mic, convert, bench, models",
        ),
        ("convert = 3\n", "speechcli.toml:1: convert is a command and must be a table; write [convert]"),
        (
            "[transcribe]\nmax-cps = 3\n\n[convert]\nmax-csp = 3\n",
            "speechcli.toml:5: convert has no option --max-csp; did you mean max-cps?",
        ),
        ("[convert]\nresults = ['a']\n", "speechcli.toml:2: convert has no option --results"),
        ("[convert]\nhelp = true\n", "speechcli.toml:2: convert has no option --help"),
        ("[convert]\nffmpeg = '/tmp/evil'\n", "speechcli.toml:2: convert has no option --ffmpeg"),
        ("[convert]\nmax-cps = 'fast'\n", "speechcli.toml:2: --max-cps takes a number, not 'fast'"),
        ("[convert]\nmax-cps = 0\n", "speechcli.toml:2: "),
        ("[convert]\nmax-cps = true\n", "speechcli.toml:2: --max-cps takes a number, not true"),
        ("[convert]\noverwrite = 'yes'\n", "speechcli.toml:2: --overwrite takes true or false, not 'yes'"),
        ("[convert]\nformat = [1]\n", "speechcli.toml:2: --format takes text, or a list of texts"),
        ("[convert]\nspeaker-names = 3\n", "speechcli.toml:2: --speaker-names takes text, not 3"),
        ("\xff", "speechcli.toml is not UTF-8 text"),
    ],
)
def test_what_cannot_be_understood_names_file_and_line_and_exits_78(speechcli, talk, text, told):
    (talk / "speechcli.toml").write_bytes(text.encode("latin-1"))

    done = speechcli("convert", "talk.srt", "-f", "txt", "-o", "-")

    assert (done.code, done.out) == (78, "")
    assert done.err.count("\n") == 1
    assert told in done.err


def test_help_is_shown_although_the_file_is_broken(speechcli, talk):
    (talk / "speechcli.toml").write_text("broken")

    assert speechcli("convert", "--help").code == 0
    assert speechcli("--help").code == 0


def test_names_of_files_are_relative_to_the_file_they_stand_in(speechcli, talk, monkeypatch):
    (talk / "speechcli.toml").write_text('[convert]\nformat = "txt"\noutput-dir = "texts"\n')
    (talk / "below").mkdir()
    monkeypatch.chdir(talk / "below")

    speechcli("convert", "../talk.srt")

    assert (talk / "texts" / "talk.txt").exists()


@pytest.mark.parametrize("place", ["../elsewhere", "/tmp", "sub/../../x", "link/x"])
def test_a_projects_file_cannot_make_us_write_outside_its_folder(speechcli, talk, place):
    """It may have come with a downloaded folder."""
    (talk / "project").mkdir()
    (talk / "project" / "link").symlink_to(talk)
    (talk / "project" / "speechcli.toml").write_text(f'[convert]\nformat = "txt"\noutput-dir = "{place}"\n')
    os.chdir(talk / "project")

    done = speechcli("convert", "../talk.srt")

    assert done.code == 78
    assert "lies outside" in done.err


def test_the_users_own_file_may_name_any_folder(speechcli, talk):
    users(f'[convert]\nformat = "txt"\noutput-dir = "{talk}/far/away"\n')

    assert speechcli("convert", "talk.srt").code == 0
    assert (talk / "far" / "away" / "talk.txt").exists()
