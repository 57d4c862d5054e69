"""pyannote.audio's own pipeline on a small model of its real architectures, which knows two hums.

It needs the extra `pyannote`; without, the one line about that is tested.
"""

import shutil
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from tiny.hums import PITCHES, RATE, quiet, scene

from speechcli.backends import diarize_pyannote
from speechcli.backends.base import Counts, Diarized, Setup
from speechcli.core.audio import Audio
from speechcli.core.span import merged
from speechcli.errors import DataError, UnavailableError, UsageError
from speechcli.timeline.speakers import cosine

THERE = find_spec("pyannote") is not None and find_spec("pyannote.audio") is not None
real = pytest.mark.skipif(not THERE, reason="pyannote.audio is not installed (the extra pyannote)")
LOW, HIGH, _ = PITCHES
TALK = ((0.4, 2.2, HIGH), (2.6, 4.4, LOW), (4.8, 5.7, HIGH))
TWO = Counts(2, 2)


def setup(folder, **more) -> Setup:
    return Setup("pyannote", folder, "r", 10.0, device="cpu", **more)


def heard(diarizer, samples, counts: Counts = TWO, size: int = RATE) -> Diarized:
    hearing = diarizer.begin(counts)
    for first in range(0, len(samples), size):
        hearing.hear(Audio(samples[first : first + size], RATE, first))
    return hearing.end()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from tiny import make_pyannote

    return make_pyannote.folder(tmp_path_factory.mktemp("pyannote") / "community")


@pytest.fixture
def mine(folder, tmp_path):
    """A copy that may be spoilt."""
    return shutil.copytree(folder, tmp_path / "mine")


@pytest.fixture(scope="module")
def diarizer(folder):
    return diarize_pyannote.open(setup(folder))


@pytest.fixture(scope="module")
def talk():
    return scene(6.0, *TALK)


@pytest.fixture(scope="module")
def usual(diarizer, talk):
    return heard(diarizer, talk)


@pytest.mark.skipif(THERE, reason="pyannote.audio is installed")
def test_without_the_extra_one_line_says_how_to_get_it(tmp_path):
    with pytest.raises(UnavailableError, match=r"not installed.*pip install .*pyannote"):
        diarize_pyannote.open(setup(tmp_path))


@real
def test_an_install_that_does_not_load_is_one_line(tmp_path, monkeypatch):
    """A torchaudio made for another torch raises OSError when it is imported."""
    monkeypatch.delitem(sys.modules, "speechcli.backends.pyannote_pipeline", raising=False)
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(UnavailableError, match=r"cannot be loaded .*; pip install"):
        diarize_pyannote.open(setup(tmp_path))


@real
def test_everybody_is_heard_when_they_speak(usual):
    speech = [span for span in merged(usual.turns, 0.1) if span.duration > 0.1]

    for span, (start, end, _) in zip(speech, TALK, strict=True):
        assert span.start == pytest.approx(start, abs=0.2)
        assert span.end == pytest.approx(end, abs=0.2)
    middles = [(start + end) / 2 for start, end, _ in TALK]
    said = [[turn.speaker for turn in usual.turns if turn.start <= at < turn.end] for at in middles]
    assert said == [["SPEAKER_00"], ["SPEAKER_01"], ["SPEAKER_00"]]


@real
def test_voices_are_those_of_their_speakers(diarizer, usual):
    turned = heard(diarizer, scene(4.6, (0.4, 2.2, LOW), (2.6, 4.4, HIGH)))
    high, low = usual.voices
    low_first, high_next = turned.voices

    assert [voice.speaker for voice in (high, low)] == ["SPEAKER_00", "SPEAKER_01"]
    assert high.seconds == pytest.approx(2.8, abs=1.2)
    assert np.linalg.norm(high.print) == pytest.approx(1.0)
    assert cosine(high.print, high_next.print) > cosine(high.print, low_first.print)
    assert cosine(low.print, low_first.print) > cosine(low.print, high_next.print)


@real
@pytest.mark.parametrize("size", [777, 10**6])
def test_blocks_of_any_size_give_the_same_turns(diarizer, talk, usual, size):
    assert heard(diarizer, talk, size=size) == usual


@real
def test_blocks_may_be_written_over(diarizer, talk, usual):
    hearing, block = diarizer.begin(TWO), np.empty(RATE, np.float32)
    for first in range(0, len(talk), RATE):
        block[:] = talk[first : first + RATE]
        hearing.hear(Audio(block, RATE, first))
        assert np.array_equal(block, talk[first : first + RATE])
        block[:] = 0.5

    assert hearing.end() == usual


@real
def test_counts_are_heeded(diarizer, talk):
    one = heard(diarizer, talk, Counts(1, 1))

    assert {turn.speaker for turn in one.turns} == {"SPEAKER_00"}
    assert one.notes == ()
    assert len({turn.speaker for turn in heard(diarizer, talk, Counts(2)).turns}) >= 2


@real
def test_more_speakers_than_there_are_pieces_of_speech_end_in_a_note(diarizer):
    """scikit-learn's KMeans raises where it is to make more clusters than there are points."""
    found = heard(diarizer, scene(4.0, (0.2, 1.8, LOW), (2.1, 3.9, HIGH)), Counts(20, 20))

    assert found.turns
    assert "not as many as were asked for" in found.notes[0]


@real
@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(1, np.float32), quiet(3.0)], ids=len)
def test_no_speech_gives_no_turns(diarizer, samples):
    assert heard(diarizer, samples, Counts()) == Diarized()


@real
def test_nothing_is_told_to_its_makers(diarizer):
    from pyannote.audio.telemetry import metrics

    assert not metrics.is_metrics_enabled()


@real
def test_files_are_never_read_by_its_own_decoder(diarizer, talk, usual, monkeypatch):
    monkeypatch.setattr("pyannote.audio.core.io.TORCHCODEC_AVAILABLE", False)

    assert heard(diarizer, talk) == usual


@real
def test_its_stage_says_what_was_run(diarizer):
    assert diarizer.stage.stage == "diarize"
    assert diarizer.stage.engine.startswith("pyannote.audio 4")
    assert diarizer.traits.rate == RATE


class Evil:
    """What makes a file when it is unpacked."""

    def __init__(self, at) -> None:
        self.at = at

    def __reduce__(self):
        return open, (str(self.at), "w")


@real
@pytest.mark.parametrize("part", ["segmentation", "embedding"])
def test_code_in_a_checkpoint_is_not_run(mine, tmp_path, part):
    import torch
    from tiny import make_pyannote

    held = make_pyannote.checkpoint(getattr(make_pyannote, part)())
    torch.save({**held, "evil": Evil(tmp_path / "was run")}, mine / part / "pytorch_model.bin")

    with pytest.raises(DataError, match="cannot be loaded"):
        diarize_pyannote.open(setup(mine))
    assert not (tmp_path / "was run").exists()


@real
@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("name: pyannote.audio.pipelines.SpeakerDiarization", "name: subprocess.Popen", "another pipeline"),
        ("params:\n  clustering", "preprocessors:\n  x: {name: subprocess.Popen}\nparams:\n  clustering", "never done"),
        ("$model/embedding", "somebody/else", "from elsewhere"),
        ("$model/plda", "$model/../plda", "from elsewhere"),
        ("pipeline:", "nothing:", "describes no pipeline"),
        ("VBxClustering", "NoClustering", "describes no pipeline of pyannote.audio"),
        ("threshold: 0.6", "threshhold: 0.6", "describes no pipeline of pyannote.audio"),
    ],
)
def test_a_configuration_that_wants_something_else_is_refused(mine, before, after, told):
    config = mine / "config.yaml"
    assert before in config.read_text()
    config.write_text(config.read_text().replace(before, after))

    with pytest.raises(DataError, match=told):
        diarize_pyannote.open(setup(mine))


@real
def test_a_pipeline_for_another_pyannote_is_told(mine):
    config = mine / "config.yaml"
    config.write_text(config.read_text().replace("4.0.0", "5.0.0"))

    with pytest.raises(UnavailableError, match="does not go with what is installed"):
        diarize_pyannote.open(setup(mine))


@real
@pytest.mark.parametrize("name", ["config.yaml", "segmentation/pytorch_model.bin", "plda/plda.npz"])
def test_what_is_missing_or_torn_is_named(mine, name):
    for spoil in ((mine / name).unlink, lambda: (mine / name).write_bytes(b"\x00torn")):
        spoil()
        with pytest.raises(DataError, match=name.split("/")[0]):
            diarize_pyannote.open(setup(mine))


@real
def test_weights_of_another_architecture_are_told(mine):
    shutil.copy(mine / "embedding" / "pytorch_model.bin", mine / "segmentation" / "pytorch_model.bin")

    with pytest.raises(DataError, match="holds a WeSpeakerResNet34, not a PyanNet"):
        diarize_pyannote.open(setup(mine))


@real
def test_settings_are_those_of_its_pipeline(folder):
    opened = diarize_pyannote.open(setup(folder, settings={"threshold": "0.7", "fa": "0.1"}))

    assert (opened.pipeline.clustering.threshold, opened.pipeline.clustering.Fa) == (0.7, 0.1)
    assert ("threshold", "0.7") in opened.stage.settings
    with pytest.raises(UsageError, match="known: threshold, fa, fb, min_duration_off"):
        diarize_pyannote.open(setup(folder, settings={"epsilon": "1"}))
    with pytest.raises(UsageError, match="computes in float32"):
        diarize_pyannote.open(replace(setup(folder), dtype="bfloat16"))
