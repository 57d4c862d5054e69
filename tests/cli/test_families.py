"""The models this is built around, from a recording to subtitles: the genuine path on small checkpoints.

A recording made of clips with silences between them, cut into windows by the real detector: every clip's words must
come at their true times, whoever spoke keeps the name, and what was broken off goes on.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from spoken import words
from tiny import common

from speechcli.jobs import run
from speechcli.media.ffmpeg import find

TINY = Path(common.__file__).parent
ROW = ("modern", "lady", "talk", "stuff", "lady", "talk")
PAUSE = 14.0  # seconds before each clip: more than any window of the tests bridges
RATE = 44_100  # not what any of the models listens at
CUT = ("--chunk-size", 12, "--vad-speech-pad-ms", 600)  # the checkpoints know the half second before the words
NEAR = 0.35  # seconds between a caption and what is said


@dataclass(frozen=True)
class Family:
    """A checkpoint and what it gives. near: seconds its segments may be off."""

    folder: str
    speakers: bool = False
    words: bool = False
    near: float = NEAR

    @property
    def model(self) -> Path:
        return TINY / self.folder


FAMILIES = {
    "vibevoice": Family("vibevoice", speakers=True),
    "qwen3-asr": Family("qwen3-asr", near=0.6),  # its text is spread over the speech
    "voxtral-realtime": Family("voxtral-realtime", words=True),
}
each = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())


@cache
def told() -> list[tuple[float, float, int, str]]:
    """(start, end, speaker, text) of all that is said in the recording."""
    out, at = [], 0.0
    for name in ROW:
        at += PAUSE
        out += [(at + a, at + b, speaker, text) for a, b, speaker, text in common.turns(name)]
        at += len(common.sound(name, RATE)) / RATE
    return out


@pytest.fixture(scope="session")
def recording(tmp_path_factory) -> Path:
    """Nearly two minutes with six clips, stereo at 44.1 kHz."""
    parts = [piece for name in ROW for piece in (common.faint(PAUSE, RATE), common.sound(name, RATE))]
    samples = np.concatenate([*parts, common.faint(2.0, RATE)])
    path = tmp_path_factory.mktemp("families") / "meeting.flac"
    soundfile.write(path, np.stack([samples, samples], axis=1), RATE)
    return path


def document(done, path: Path) -> dict:
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    return json.loads(path.read_text("utf-8"))


def check(made: dict, family: Family) -> None:
    """All words, in order, each clip's at its time."""
    assert words(made["text"]) == words(" ".join(text for *_, text in told()))
    segments = iter(made["segments"])
    for start, end, _, text in told():
        own = [next(segments)]
        while len(words(" ".join(s["text"] for s in own))) < len(words(text)):
            own.append(next(segments))
        assert own[0]["start"] == pytest.approx(start, abs=family.near), text
        assert own[-1]["end"] == pytest.approx(end, abs=family.near), text


@each
def test_a_long_recording_has_all_words_at_their_times(once, recording, tmp_path, family):
    done = once(tmp_path, "transcribe", recording, "--model", family.model, *CUT, "-f", "json,srt", "-o", tmp_path)

    made = document(done, tmp_path / "meeting.json")
    check(made, family)
    assert made["quality"]["status"] == "ok", made["quality"]
    captions = (tmp_path / "meeting.srt").read_text("utf-8")
    assert captions.count("-->") >= len(told())


@each
def test_windows_of_several_recordings_share_batches_and_give_the_same(once, recording, tmp_path, family):
    """Alone or with others, whatever is padded beside it."""
    twin = tmp_path / "twin.flac"
    twin.write_bytes(recording.read_bytes())
    short = tmp_path / "short.flac"
    soundfile.write(short, common.sound("lady", RATE), RATE)
    common_options = ("--model", family.model, *CUT, "-f", "json", "-o", tmp_path / "out")

    done = once(tmp_path, "transcribe", recording, twin, short, *common_options, "--batch-size", 3)

    made = document(done, tmp_path / "out" / "meeting.json")
    check(made, family)
    again = document(done, tmp_path / "out" / "twin.json")
    assert again["segments"] == made["segments"]
    assert words(document(done, tmp_path / "out" / "short.json")["text"]) == words(common.text("lady"))


def test_speakers_keep_their_names_over_windows(once, recording, tmp_path):
    """Every window numbers its speakers anew; who speaks in "lady" is the same voice both times, and so on."""
    once(
        tmp_path,
        "transcribe",
        recording,
        "--model",
        TINY / "vibevoice",
        *CUT,
        "-f",
        "json,rttm",
        "-o",
        tmp_path,
    )

    made = json.loads((tmp_path / "meeting.json").read_text("utf-8"))
    names: dict[str, set[str]] = {}
    for segment in made["segments"]:
        names.setdefault(" ".join(words(segment["text"])), set()).add(segment["speaker"])
    assert all(len(found) == 1 for found in names.values()), names
    unto, lobsters = (names[" ".join(words(part.text))] for part in common.CLIPS["talk"])
    assert unto != lobsters
    assert made["segments"][0]["speaker"] == "SPEAKER_00"
    assert "SPEAKER_00" in (tmp_path / "meeting.rttm").read_text("utf-8")


@each
def test_what_was_broken_off_goes_on_and_ends_the_same(once, recording, tmp_path, family, monkeypatch):
    args = ("transcribe", recording, "--model", family.model, *CUT, "-f", "json", "-o", tmp_path / "out")
    document(once(tmp_path, *args), tmp_path / "out" / "meeting.json")
    whole = json.loads((tmp_path / "out" / "meeting.json").read_text("utf-8"))
    again = tmp_path / "again"
    n_heard = []

    listen = run.pipeline.listen

    def broken(transcriber, batch, hints, *more):
        n_heard.append(len(batch))
        if sum(n_heard) > 2:
            raise RuntimeError("the power went")
        return listen(transcriber, batch, hints, *more)

    args = (*args[:-1], again, "--batch-size", 1)
    with monkeypatch.context() as patch:
        patch.setattr(run.pipeline, "listen", broken)
        assert once(tmp_path, *args).code not in (0, None)
    assert list(again.glob(".*.journal")), "what was heard is kept"
    heard_before = sum(n_heard) - 1

    counted = []

    def counting(transcriber, batch, hints, *more):
        counted.append(len(batch))
        return listen(transcriber, batch, hints, *more)

    monkeypatch.setattr(run.pipeline, "listen", counting)
    made = document(once(tmp_path, *args), again / "meeting.json")

    assert heard_before + sum(counted) <= len(whole["segments"]) + 2
    assert sum(counted) < sum(counted) + heard_before
    assert made["segments"] == whole["segments"]


def test_hotwords_of_a_list_win_over_the_flag_and_change_one_recording(once, tmp_path):
    lines = []
    for name in ("plain", "told"):
        soundfile.write(tmp_path / f"{name}.flac", common.sound("lady", RATE), RATE)
        lines.append({"audio": str(tmp_path / f"{name}.flac")})
    lines[1] |= {"hotwords": ["Helen"], "speakers": ["Anna"]}
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")

    done = once(
        tmp_path, "transcribe", "--files-from", "list.jsonl", "--model", TINY / "vibevoice", "-f", "json", "-o", "out"
    )

    plain = document(done, tmp_path / "out" / "plain.json")
    other = document(done, tmp_path / "out" / "told.json")
    assert words(plain["text"]) == words(common.text("lady"))
    assert words(other["text"]) != words(plain["text"])
    assert {s["speaker"] for s in other["segments"]} == {"Anna"}
    assert {s["speaker"] for s in plain["segments"]} == {"SPEAKER_00"}


@each
def test_the_models_own_string_is_kept_when_asked_for(once, tmp_path, family):
    soundfile.write(tmp_path / "a.flac", common.sound("lady", RATE), RATE)
    args = ("transcribe", tmp_path / "a.flac", "--model", family.model, "-f", "json", "-o", tmp_path / "out")

    without = document(once(tmp_path, *args), tmp_path / "out" / "a.json")
    made = document(once(tmp_path, *args, "--keep-raw"), tmp_path / "out" / "a.json")

    assert "raw" not in without
    assert "pleased" in made["raw"][0]["text"]
    assert made["segments"] == without["segments"]


def test_an_aligner_gives_the_words_their_times(once, recording, tmp_path):
    args = ("--model", TINY / "qwen3-asr", "--aligner", TINY / "qwen3-aligner", "--set", "aligner.dtype=float32")

    done = once(tmp_path, "transcribe", recording, *args, *CUT, "-f", "json,ctm", "-o", tmp_path)

    made = document(done, tmp_path / "meeting.json")
    check(made, Family("qwen3-asr", near=1.0))  # the small aligner knows a few leads only: see test_align_qwen3.py
    assert [stage["stage"] for stage in made["provenance"]["made_by"]] == ["transcribe", "align"]
    aligned = [word for segment in made["segments"] for word in segment["words"]]
    assert sum(word.get("placed") == "aligner" for word in aligned) > 0.9 * len(aligned)


def test_an_answer_cut_off_is_kept_as_far_as_it_is_whole_and_the_rest_is_heard_again(once, tmp_path):
    soundfile.write(tmp_path / "talk.flac", common.sound("talk", RATE), RATE)
    args = (
        "--model",
        TINY / "vibevoice",
        *CUT,
        "--set",
        "max_new_tokens=45",
        "--keep-raw",
        "-f",
        "json",
        "-o",
        tmp_path,
    )

    done = once(tmp_path, "transcribe", tmp_path / "talk.flac", *args)

    made = document(done, tmp_path / "talk.json")
    assert made["segments"][0]["text"] == common.CLIPS["talk"][0].text
    assert made["quality"]["status"] == "warning"
    assert "did not end within 45 tokens" in " ".join(made["quality"]["notes"])
    assert "did not end within 45 tokens" in done.err
    first, second = made["raw"][:2]
    assert second["start"] >= made["segments"][0]["end"] - 0.5, "only what follows is heard again"
    assert second["end"] == first["end"]


@each
def test_silence_gives_no_words(once, tmp_path, family):
    soundfile.write(tmp_path / "quiet.flac", common.faint(9.0, RATE), RATE)

    done = once(
        tmp_path,
        "transcribe",
        tmp_path / "quiet.flac",
        "--model",
        family.model,
        "--no-vad",
        "-f",
        "json",
        "-o",
        tmp_path,
    )

    assert document(done, tmp_path / "quiet.json")["segments"] == []


def test_the_python_api_takes_the_same(recording):
    import speechcli

    transcript = speechcli.transcribe(
        recording, model=str(TINY / "voxtral-realtime"), chunk_size=12, ffmpeg=str(find()), raw=True
    )

    assert words(transcript.text) == words(" ".join(text for *_, text in told()))
    assert len(transcript.raw) == 6
