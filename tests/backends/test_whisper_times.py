"""Times of known words by the embedded Whisper, against words that were labelled by hand."""

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from spoken import DATA, RATE, clip, made

from speechcli.backends import placement, registry, whisper_times
from speechcli.backends.base import Hints
from speechcli.backends.whisper import Settings, Whisper
from speechcli.core.audio import Audio
from speechcli.errors import DiskError, UsageError

LABELLED = ("mary", "bobby")
EDGES = ("start", "end")
LONG = ("1089-134686-0000", "LJ001-0002", "LJ001-0007")  # 23 s


def tokens(name: str) -> list[str]:
    return [" " + word for word in (DATA / f"{name}.txt").read_text("utf-8").split()]


def off(words, name: str) -> list[float]:
    """Seconds between where words begin and end and where a person put them."""
    labels = json.loads((DATA / f"{name}.words.json").read_text())
    return [abs(getattr(w, edge) - label[edge]) for w, label in zip(words, labels, strict=True) for edge in EDGES]


def check(words, texts, audio: Audio) -> None:
    """The law of an `Aligner`."""
    assert [w.text for w in words] == list(texts)
    assert all(0 <= w.start < w.end <= audio.duration for w in words)
    assert all(a.end <= b.start for a, b in itertools.pairwise(words))
    assert all((w.confidence is None) == (w.placed == "interpolated") for w in words)
    assert all(w.confidence is None or 0 <= w.confidence <= 1 for w in words)


@pytest.mark.parametrize("name", LABELLED)
def test_words_are_where_a_person_put_them(transcriber, name):
    """35 and 40 ms mean error where this was written."""
    (words,) = transcriber.times([clip(name)], [tokens(name)])

    check(words, tokens(name), clip(name))
    assert np.mean(off(words, name)) < 0.055
    assert max(off(words, name)) < 0.1
    assert {w.placed for w in words} == {"aligner"}


@pytest.mark.parametrize("heads", [whisper_times.OTHERS, whisper_times.Heads(pairs=True)], ids=["tokens", "letters"])
def test_the_models_own_heads_are_worse_and_still_place_every_word(transcriber, heads):
    """What other Whispers have: 95 ms with their own tokens, 140 ms with letters, which is why they do without."""
    folder = registry.resolve(registry.Wanted("embedded", device="cpu")).folder
    other = Whisper(
        folder,
        transcriber.stage,
        placement.for_ctranslate2("cpu", "auto"),
        Settings(encoder="ctranslate2"),
        None,
        heads,
    )
    rows = other.times([clip(name) for name in LABELLED], [tokens(name) for name in LABELLED])
    other.close()

    for words, name in zip(rows, LABELLED, strict=True):
        check(words, tokens(name), clip(name))
        assert 0.055 < np.mean(off(words, name)) < 0.2


def test_words_begin_when_somebody_speaks_and_not_with_the_window(transcriber):
    """Two seconds of silence before, and three after."""
    name = "mary"
    sound = np.concatenate([np.zeros(2 * RATE), clip(name).samples, np.zeros(3 * RATE)]).astype(np.float32)

    (words,) = transcriber.times([Audio(sound, RATE)], [tokens(name)])

    later = json.loads((DATA / f"{name}.words.json").read_text())
    assert abs(words[0].start - 2 - later[0]["start"]) < 0.4
    assert abs(words[-1].end - 2 - later[-1]["end"]) < 0.15


@pytest.mark.parametrize("room", [64, 120])
def test_a_text_too_long_for_the_decoder_is_read_in_parts_and_its_words_stay_where_they_are(
    transcriber, monkeypatch, room
):
    """With a decoder as small as this a window of ordinary speech is too much, as 700 letters are for the real one."""
    recording = made(LONG, (0.4, 0.4, 0.4))
    texts = [token for name in LONG for token in tokens(name)]
    (whole,) = transcriber.times([recording.audio], [texts])

    monkeypatch.setattr(whisper_times, "_ROOM", room)
    monkeypatch.setattr(whisper_times, "_LONGEST", 8)
    (parts,) = transcriber.times([recording.audio], [texts])

    check(parts, texts, recording.audio)
    moved = [abs(a.start - b.start) for a, b in zip(whole, parts, strict=True)]
    assert np.median(moved) < 0.03
    assert np.mean(np.array(moved) < 0.3) > 0.9


def test_more_text_than_the_decoder_can_hold_and_than_anybody_says_keeps_every_token(transcriber):
    texts = tokens("LJ001-0002") * 20 + [" " + "x" * 3000, "\N{GRINNING FACE}" * 300 + "a"] * 5

    (words,) = transcriber.times([clip("LJ001-0002")], [texts])

    assert sum(map(len, texts)) > 2000
    check(words, texts, clip("LJ001-0002"))


def test_marks_take_no_time_from_words_and_come_back(transcriber):
    name = "mary"
    bare = tokens(name)
    texts = [" —", *itertools.chain.from_iterable((token, " …", "\N{GRINNING FACE}") for token in bare), " ♪"]

    (words,) = transcriber.times([clip(name)], [texts])

    check(words, texts, clip(name))
    kept = [w for w in words if re.search(r"\w", w.text)]
    assert [w.text for w in kept] == bare
    assert np.mean(off(kept, name)) < 0.065
    assert {w.placed for w in words if w not in kept} == {"interpolated"}


@pytest.mark.parametrize(
    "texts",
    [
        [" 3.50", " $", " 1,000,000", " U.S.A.", " don't"],
        [" 今", "日", "は", "。"],
        [" مرحبا", " بالعالم", " שלום", " नमस्ते"],
        [" \N{FAMILY}\N{ZERO WIDTH JOINER}", " \x00", " \ufffd", " <|endoftext|>", " a\u0301e\u0301"],
        [" ..."],
        [" a"] * 300,
    ],
    ids=["numbers", "Japanese", "other scripts", "odd characters", "marks alone", "far too many"],
)
def test_what_is_not_said_or_not_english_comes_back_too(transcriber, texts):
    (words,) = transcriber.times([clip("mary")], [texts])

    check(words, texts, clip("mary"))


def test_words_that_are_said_are_surer_than_others(transcriber):
    name = "LJ001-0002"
    right = tokens(name)
    false = [*right[:2], " umbrella", *right[3:]]

    (sure, unsure) = transcriber.times([clip(name)] * 2, [right, false])

    assert np.median([w.confidence for w in sure]) > 0.6
    assert unsure[2].confidence < 0.05 < sure[2].confidence


def test_nothing_is_legal(transcriber):
    silence = Audio(np.zeros(RATE, np.float32), RATE)
    nothing = Audio(np.zeros(0, np.float32), RATE)
    instant = Audio(np.full(100, 0.1, np.float32), RATE)

    rows = transcriber.times(
        [silence, nothing, nothing, instant, silence], [[], [], [" a", " b"], [" a", " b"], [" a"]]
    )

    assert rows[:2] == [[], []]
    assert [(w.text, w.start, w.end, w.confidence) for w in rows[2]] == [(" a", 0, 0, None), (" b", 0, 0, None)]
    check(rows[3], [" a", " b"], instant)
    check(rows[4], [" a"], silence)
    assert transcriber.times([], []) == []


def test_a_batch_gives_what_each_gives_alone(transcriber):
    names = [*LABELLED, *LONG]
    rows = transcriber.times([clip(n) for n in names], [tokens(n) for n in names])

    for name, row in zip(names, rows, strict=True):
        assert transcriber.times([clip(name)], [tokens(name)]) == [row]


def test_more_sound_than_the_encoder_holds_is_refused(transcriber):
    with pytest.raises(UsageError, match=r"30 s.*31\.0"):
        transcriber.times([Audio(np.zeros(31 * RATE, np.float32), RATE)], [[" a"]])


def test_weights_are_loaded_where_links_cannot_be_made(transcriber, monkeypatch, tmp_path):
    """Windows, for most users; nothing stays behind."""
    folder = registry.resolve(registry.Wanted("embedded", device="cpu")).folder
    monkeypatch.setattr("pathlib.Path.symlink_to", lambda *_: (_ for _ in ()).throw(OSError("not permitted")))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with whisper_times.with_heads(folder, whisper_times.TINY_EN) as own:
        config = json.loads((own / "config.json").read_text())
        assert (own / "model.bin").stat().st_size == (folder / "model.bin").stat().st_size

    assert config["alignment_heads"] == [[3, 2], [2, 1], [2, 4]]
    assert not list(tmp_path.iterdir())


def test_no_room_for_the_links_is_told_in_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))

    with (
        pytest.raises(DiskError, match="the temporary folder"),
        whisper_times.with_heads(tmp_path, whisper_times.TINY_EN),
    ):
        pass


def test_without_confidence_the_times_are_the_same(transcriber):
    settings = {"confidence": "false"}
    quick = registry.open_transcriber(registry.resolve(registry.Wanted("embedded", device="cpu", settings=settings)))
    (whole,), (plain,) = (t.transcribe([clip("mary")], [Hints()]) for t in (transcriber, quick))
    quick.close()

    assert all(w.confidence is not None for s in whole.segments for w in s.words)
    stripped = [replace(w, confidence=None) for s in whole.segments for w in s.words]
    assert [w for s in plain.segments for w in s.words] == stripped
