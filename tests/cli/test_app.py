"""The shell of the program: what is loaded, how it ends, what it says."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from speechcli.cli.app import COMMANDS, loaded

HEAVY = ("numpy", "torch", "transformers", "onnxruntime", "ctranslate2", "faster_whisper", "ffmpeg", "huggingface_hub")


def modules_after(args: list[str], **environment: str) -> set[str]:
    """What `speechcli ARGS` imports."""
    code = (
        "import os, sys\n"
        "def tell(code):\n"
        "    os.write(2, ' '.join(sys.modules).encode())\n"
        "    leave(code)\n"
        "leave, os._exit = os._exit, tell\n"  # how the program ends
        f"sys.argv[1:] = {args!r}\n"
        "from speechcli.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    ("args", "environment"),
    [
        (["--help"], {}),
        (["--version"], {}),
        ([], {}),
        ([], {"_SPEECHCLI_COMPLETE": "complete_bash", "COMP_WORDS": "speechcli tra", "COMP_CWORD": "1"}),
        ([], {"_SPEECHCLI_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "speechcli tra"}),
        (["nonsense"], {}),
    ],
    ids=["help", "version", "nothing", "bash", "zsh", "nonsense"],
)
def test_the_table_of_commands_is_shown_without_loading_any_of_them(args, environment):
    there = modules_after(args, **environment)

    assert "speechcli.cli.app" in there
    assert not there & {f"speechcli.cli.{name}" for name in COMMANDS}
    assert not there & {*HEAVY, "speechcli.formats.table"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_loads_that_command_and_nothing_heavy(name):
    there = modules_after([name, "--help"])

    modules = {command: f"speechcli.cli.{command.replace('-', '_')}" for command in COMMANDS}
    assert modules.pop(name) in there
    assert not there & set(modules.values())
    assert not there & set(HEAVY)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_of_a_command_what_the_command_says_of_itself(name):
    assert loaded(name).help.splitlines()[0] == COMMANDS[name]


def test_version_is_one_line_on_stdout(speechcli):
    from speechcli import __version__

    assert (speechcli("--version").out, speechcli("--version").code) == (f"speechcli {__version__}\n", 0)


def test_no_arguments_show_the_help_and_are_a_usage_error(speechcli):
    done = speechcli()

    assert done.code == 2
    assert "transcribe" in done.out
    assert done.err == ""


def test_h_is_help_for_every_command(speechcli):
    for name in COMMANDS:
        done = speechcli(name, "-h")
        assert done.code == 0
        assert "Usage: speechcli " + name in done.out
        assert "…" not in done.out.replace("FORMAT,…", "").replace("NAME…", "").replace(",…", ""), "cut at 80 columns"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["transcrib"], "No such command 'transcrib'. Did you mean 'transcribe'?; see speechcli --help"),
        (["convert", "a.json", "--formt", "srt"], "No such option: --formt (Possible options: "),
        (["convert", "--max-line-width", "0", "a.json"], "greater than or equal to 2; see speechcli convert --help"),
        (["convert", "--max-cps", "fast", "a.json"], "'--max-cps'"),
        (["convert", "a.json", "-f", "srrt"], "there is no format 'srrt'; did you mean srt?"),
        (["convert", "a.json", "--lint", "True"], "--lint True: flags take no value; use --lint / --no-lint"),
        (["convert", "a.json", "-q", "false"], "-q false: flags take no value; use --quiet / --no-quiet"),
        (["convert", "a.json", "--highlight_words", "True"], "use --highlight-words / --no-highlight-words"),
    ],
)
def test_what_cannot_be_understood_is_one_line_and_exit_2(speechcli, args, told):
    done = speechcli(*args)

    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("speechcli: error: ")
    assert done.err.count("\n") == 1
    assert told in done.err


def test_a_file_called_true_is_a_file(speechcli, here):
    (here / "True").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello.\n\n")

    assert speechcli("convert", "--overwrite", "True", "-f", "txt", "-o", "-").out == "Hello.\n"


def test_snake_case_and_other_tools_names_of_options_are_understood(speechcli, here):
    (here / "talk.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello.\n\n")

    done = speechcli("convert", "talk.srt", "--output_format", "txt,tsv", "--output_dir", "a_b", "--max_line_width", 30)

    assert done.code == 0
    assert sorted(path.name for path in (here / "a_b").iterdir()) == ["talk.tsv", "talk.txt"]


def test_control_characters_in_names_do_not_reach_the_terminal(speechcli):
    done = speechcli("convert", "\x1b]52;c;x\x07\u202e.srt", "-f", "txt")

    assert done.code == 66
    assert r"\x1b]52;c;x\x07\u202e.srt" in done.err
    assert not set(done.err) & {"\x1b", "\x07", "\u202e"}


def test_a_bug_is_one_line_with_a_file_to_report_and_exit_70(speechcli, monkeypatch):
    """The defect is made by taking away what the command needs."""
    monkeypatch.setattr("speechcli.cli.convert.table", None)

    done = speechcli("convert", "a.srt", "-f", "txt")

    assert done.code == 70
    assert done.err.count("\n") == 1
    told, file = done.err.rstrip().split("please report it with ")
    assert "internal error: AttributeError" in told
    assert "Traceback" in Path(file).read_text()
    os.unlink(file)


def test_a_bug_shows_its_traceback_when_asked(speechcli, monkeypatch):
    monkeypatch.setattr("speechcli.cli.convert.table", None)
    monkeypatch.setenv("SPEECHCLI_DEBUG", "1")

    done = speechcli("convert", "a.srt", "-f", "txt")

    assert "Traceback" in done.err
    os.unlink(done.err.rstrip().split("please report it with ")[1])


@pytest.fixture
def talk(here):
    cues = [
        f"{i}\n00:{i // 60:02}:{i % 60:02},000 --> 00:{i // 60:02}:{i % 60:02},900\nLine {i}\n" for i in range(3000)
    ]
    (here / "talk.srt").write_text("\n".join(cues))


def test_a_reader_that_leaves_is_no_error(child, talk):
    done = child("convert", "talk.srt", "-f", "txt", "-o", "-", shell="| head -1; exit ${PIPESTATUS[0]}")

    assert (done.returncode, done.stdout, done.stderr) == (141, b"Line 0\n", b"")


def test_a_reader_that_has_left_the_help_is_no_error(child):
    done = child("--help", shell="| true; exit ${PIPESTATUS[0]}")

    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("shell", [">/dev/full", ">&-"])
@pytest.mark.parametrize("args", [["--version"], ["--help"], ["convert", "talk.srt", "-f", "txt", "-o", "-"]])
def test_stdout_that_takes_nothing_is_one_line_and_exit_74(child, talk, args, shell):
    done = child(*args, shell=shell)

    assert done.returncode == 74
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(b"speechcli: error: cannot write to stdout (")


def test_a_closed_stdout_does_not_matter_to_who_does_not_need_it(child, talk, here):
    assert child("convert", "talk.srt", "-f", "txt", shell=">&-").returncode == 0
    assert (here / "talk.txt").read_text().startswith("Line 0\n")


def test_a_closed_stderr_does_not_matter(child, talk):
    assert child("convert", "talk.srt", "-f", "txt", shell="2>&-").returncode == 0
    assert child("convert", "nope.srt", "-f", "txt", shell="2>&-").returncode == 66


def test_what_libraries_write_to_descriptor_1_is_not_taken_for_data():
    code = (
        "import os; from speechcli.cli import streams; streams.prepare();"
        "os.write(1, b'noise\\n'); print('data'); streams.settle(0)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True)

    assert (done.stdout, done.stderr) == (b"data\n", b"noise\n")


def test_output_is_utf_8_whatever_the_locale(child, here):
    (here / "talk.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nÜbung 你好\n\n", encoding="utf-8")
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}

    done = child("convert", "talk.srt", "-f", "txt", "-o", "-", env=plain)

    assert done.stdout.decode() == "Übung 你好\n"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_it_with_their_code_and_leave_nothing_behind(here, number, code):
    waiting = subprocess.Popen(
        [sys.executable, "-m", "speechcli", "convert", "-", "-f", "txt"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(here)},
    )
    with waiting:
        deadline = time.monotonic() + 20
        while not list(here.glob("speechcli-*/stdin")) and time.monotonic() < deadline:
            time.sleep(0.02)  # until it reads stdin, which does not end
        waiting.send_signal(number)
        out, err = waiting.communicate(timeout=20)

    assert (waiting.returncode, out, err) == (code, b"", b"speechcli: error: interrupted\n")
    assert not list(here.iterdir())
