"""Any CTC model as an aligner: a trained small Parakeet on the clips it knows, and a wav2vec2 with random weights."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import soxr
import torch
from tiny import common

from speechcli.backends import align_ctc, hf, registry
from speechcli.backends.align_ctc import _heard, _shared, _sounding, _text
from speechcli.backends.base import Hints, OutOfMemoryError, Setup
from speechcli.backends.registry import Wanted
from speechcli.backends.spelling import Letters
from speechcli.core.audio import Audio
from speechcli.core.transcript import Word
from speechcli.errors import UsageError

TINY = Path(common.__file__).parent
RATE = 16_000
FRAME = 0.08
CLOSE = FRAME + 1e-6
LONGER = 0.2  # what a word's end may have of its own dying away
NAMES = tuple(common.CLIPS)


def opened(folder: Path = TINY / "hf-ctc", longest: float = 60.0, **more):
    return align_ctc.open(Setup(f"ctc:{folder}", folder, "r", longest, "cpu", "float32", **more))


@pytest.fixture(scope="module")
def aligner():
    model = opened()
    yield model
    model.close()


def clip(name: str, lead: float = 0.0) -> Audio:
    return Audio(np.concatenate([common.faint(lead, RATE, 40), common.sound(name, RATE)]), RATE)


def tokens(name: str) -> list[str]:
    """The words of a clip, each with the blank before it."""
    first, *more = common.text(name).split()
    return [first, *(" " + word for word in more)]


def one(aligner, audio: Audio, texts: list[str], doubtful=()) -> list[Word]:
    (words,) = aligner.align([audio], [texts], [None], [doubtful] if doubtful else ())
    return words


def times(words) -> list[tuple[str, float, float]]:
    return [(w.text, w.start, w.end) for w in words]


def held(words, name: str, lead: float = 0.0) -> None:
    for word, (_, start, end) in zip(words, common.words(name), strict=True):
        assert abs(word.start - lead - start) <= CLOSE, word
        assert -CLOSE <= word.end - lead - end <= LONGER, word
    assert all(a.end <= b.start + 1e-9 for a, b in itertools.pairwise(words))


@pytest.mark.parametrize("name", NAMES)
def test_every_word_has_its_time_its_text_as_it_was_given_and_how_sure_it_is(aligner, name):
    words = one(aligner, clip(name), tokens(name))

    assert [w.text for w in words] == tokens(name)
    held(words, name)
    assert {w.placed for w in words} == {"aligner"}
    assert all(0.9 < w.confidence <= 1 for w in words)


def test_silence_before_a_clip_moves_all_its_words_by_as_much(aligner):
    for name in NAMES:
        held(one(aligner, clip(name, 1.6), tokens(name)), name, 1.6)


def test_a_clip_has_the_same_times_alone_and_in_a_batch(aligner):
    batch = [clip(name, lead) for name, lead in zip(NAMES, (0.0, 2.4, 0.8, 0.0), strict=True)]
    texts = [tokens(name) for name in NAMES]

    together = aligner.align(batch, texts, [None, "en", "de", None])

    for words, audio, text in zip(together, batch, texts, strict=True):
        alone = one(aligner, audio, text)
        assert [w.text for w in words] == [w.text for w in alone]
        np.testing.assert_allclose([(w.start, w.end) for w in words], [(w.start, w.end) for w in alone], atol=1e-6)


def test_a_clip_at_another_rate_has_other_times_and_is_refused_where_it_says_so(aligner):
    for name in NAMES:
        fast = Audio(soxr.resample(common.sound(name, RATE), RATE, 8_000).astype(np.float32), RATE)
        words = one(aligner, fast, tokens(name))
        pairs = zip(words, common.words(name), strict=True)
        assert max(abs(w.start - start) for w, (_, start, _) in pairs) > 2 * CLOSE

    with pytest.raises(ValueError, match="sampling rate 24000"):
        aligner.align([Audio(common.sound(NAMES[0], RATE), 24_000)], [tokens(NAMES[0])], ["en"])


def test_a_word_in_letters_that_the_vocabulary_lacks_lies_between_its_neighbours(aligner):
    plain = one(aligner, clip("lady"), tokens("lady"))
    strange = [" 巨大" if token == " pleased" else token for token in tokens("lady")]

    words = one(aligner, clip("lady"), strange)

    (lost,) = (i for i, w in enumerate(words) if w.text == " 巨大")
    assert (words[lost].placed, words[lost].confidence) == ("interpolated", None)
    assert abs(words[lost].start - plain[lost].start) <= CLOSE
    assert abs(words[lost].end - plain[lost].end) <= CLOSE
    assert [w for i, w in enumerate(words) if abs(i - lost) > 1] == [
        w for i, w in enumerate(plain) if abs(i - lost) > 1
    ]
    held(words, "lady")


def test_a_word_of_which_some_letters_are_known_is_placed_by_these(aligner):
    words = one(aligner, clip("lady"), [" hugelyж" if token == " hugely" else token for token in tokens("lady")])

    assert {w.placed for w in words} == {"aligner"}
    held(words, "lady")


def unsaid(name: str, place: int) -> list[str]:
    return [*tokens(name)[:place], " counselled", *tokens(name)[place:]]


def test_a_doubtful_word_that_is_not_said_is_left_out_and_moves_no_other(aligner):
    plain = one(aligner, clip("lady"), tokens("lady"))

    for place in range(1, 1 + len(plain)):
        words = one(aligner, clip("lady"), unsaid("lady", place), {place})
        assert (words[place].text, words[place].placed, words[place].confidence) == (
            " counselled",
            "interpolated",
            None,
        )
        held([w for i, w in enumerate(words) if i != place], "lady")
        assert words[place - 1].end <= words[place].start <= words[place].end

    sure = one(aligner, clip("lady"), unsaid("lady", 5))
    assert sure[5].placed == "aligner"
    assert sure[5].confidence < 0.5


def test_a_doubtful_word_that_is_said_is_placed_as_if_nobody_doubted(aligner):
    for name in NAMES:
        plain = one(aligner, clip(name), tokens(name))
        assert times(one(aligner, clip(name), tokens(name), range(len(plain)))) == times(plain)


def test_words_that_are_not_said_at_all_may_all_be_left_out(aligner):
    words = one(aligner, Audio(common.faint(3.0, RATE), RATE), tokens("modern"), range(4))

    assert [w.text for w in words] == tokens("modern")
    assert {(w.placed, w.confidence) for w in words} == {("interpolated", None)}


def test_punctuation_empty_text_empty_audio_and_too_much_text_are_legal(aligner):
    short = Audio(common.sound("lady", RATE)[: RATE // 4], RATE)
    nothing = Audio(np.zeros(0, np.float32), RATE)
    texts = [[" …", *tokens("modern"), " —"], [], [" …", " —"], [" word", " two"], tokens("lady")]

    found = aligner.align([clip("modern"), clip("modern"), clip("modern"), nothing, short], texts, [None] * 5)

    assert [[w.text for w in words] for words in found] == texts
    held(found[0][1:-1], "modern")
    for words, audio in zip(found, [clip("modern")] * 3 + [nothing, short], strict=True):
        assert all(0 <= w.start <= w.end <= audio.duration for w in words)
        assert all(a.end <= b.start + 1e-9 for a, b in itertools.pairwise(words))
    assert {w.placed for words in found[2:] for w in words} == {"interpolated"}
    assert aligner.align([], [], []) == []


def test_sound_shorter_than_a_frame_is_legal(aligner):
    assert [w.text for w in one(aligner, Audio(np.zeros(100, np.float32), RATE), [" a"])] == [" a"]


def test_arrays_are_not_written_to(aligner):
    audio = clip("lady")
    before = audio.samples.copy()
    audio.samples.flags.writeable = False

    one(aligner, audio, tokens("lady"))

    np.testing.assert_array_equal(audio.samples, before)


def test_its_traits_and_its_stage(aligner):
    assert aligner.traits.languages == ()
    assert aligner.traits.rate == RATE
    assert (aligner.traits.longest, opened(longest=900.0).traits.longest) == (60.0, 300.0)
    assert (aligner.stage.stage, aligner.stage.revision) == ("align", "r")


def test_audio_above_five_minutes_is_refused(aligner):
    with pytest.raises(UsageError, match="hears 300 s at once and not 301"):
        aligner.align([Audio(np.zeros(301 * RATE, np.float32), RATE)], [[" word"]], ["en"])


def test_a_device_that_is_full_says_so_in_our_own_words(aligner, monkeypatch):
    def full(**told):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(aligner._model.model, "forward", full)

    with pytest.raises(OutOfMemoryError):
        one(aligner, clip("modern"), tokens("modern"))


# --- letters and the mark between words


@pytest.fixture(scope="module")
def wav2vec2(random_wav2vec2):
    return random_wav2vec2("ABCDEFG")


def test_what_a_model_of_letters_writes_itself_is_found_where_it_writes_it(wav2vec2):
    writer = hf.open(Setup(f"hf:{wav2vec2}", wav2vec2, "r", 30.0, "cpu"))
    (heard,) = writer.transcribe([clip("talk")], [Hints()])
    written = [word for segment in heard.segments for word in segment.words]
    assert len(written) > 5

    for case in (str.lower, str.upper, lambda text: f" “{text.strip()}!”"):
        words = one(opened(wav2vec2), clip("talk"), [case(word.text) for word in written])

        for word, wanted in zip(words, written, strict=True):
            assert word.start - 1e-6 <= wanted.start
            assert wanted.end <= word.end + 1e-6
        between = zip(itertools.pairwise(words), itertools.pairwise(written), strict=True)
        assert all(a.end <= (c.end + d.start) / 2 + 1e-6 <= b.start + 2e-6 for (a, b), (c, d) in between)


def test_a_doubtful_word_takes_the_mark_beside_it_along():
    spell = Letters({"a": 1, "b": 2}, mark=9)

    assert _text([" a", " b", " a"], spell, {1}).optional == [(2, 4)]
    assert _text([" a", " b", " a"], spell, {2}).optional == [(3, 5)]
    assert _text([" a", " b", " a"], spell, {0, 1, 2}).optional == [(0, 2), (2, 4), (4, 5)]
    assert _text([" a", " …", " b"], spell, {1, 2}).optional == [(1, 3)]
    assert _text([" a"], spell, {0}).optional == [(0, 1)]
    assert _text([" ab", " …", " ba"], spell, {0}).tokens == [1, 2, 9, 2, 1]
    assert _text([" ab", " …", " ba"], spell, {0}).places == [(0, 2), (2, 2), (3, 5)]
    assert _text([" ab", " …", " ba"], spell, {0}).optional == [(0, 3)]


# --- what is between words


def test_words_share_what_sounds_between_them_and_leave_what_does_not():
    heard = np.array([True] * 40 + [False] * 40 + [True] * 20)
    words = [Word(0.1, 0.12, "a"), None, Word(0.2, 0.22, "b"), Word(0.85, 0.9, "c")]

    found = _shared(words, heard, 0.1, 1.0)

    assert [(round(w.start, 3), round(w.end, 3)) for w in found if w] == [(0.0, 0.16), (0.16, 0.32), (0.8, 1.0)]
    assert found[1] is None


@pytest.mark.parametrize(
    ("at", "limit", "until"),
    [
        (0.1, 0.3, 0.3),
        (0.1, 0.9, 0.4),
        (0.4, 0.5, 0.4),
        (0.9, 0.5, 0.8),
        (0.9, 0.85, 0.85),
        (0.3, 0.0, 0.0),
        (1.0, 1.2, 1.2),
    ],
)
def test_a_word_reaches_as_far_as_something_sounds_all_the_way(at, limit, until):
    heard = np.array([True] * 40 + [False] * 40 + [True] * 20)

    assert _sounding(heard, at, limit) == pytest.approx(until)


def test_faint_noise_is_told_from_speech():
    heard = _heard(clip("talk", 1.0))

    assert heard[:100].mean() < 0.05
    assert heard[150:200].mean() > 0.9


# --- by name


def test_a_marked_folder_is_an_aligner_and_no_transcriber():
    name = f"ctc:{TINY / 'hf-ctc'}"

    resolved = registry.resolve(Wanted(name, device="cpu"))

    assert (resolved.family, resolved.name) == ("ctc", name)
    assert registry.aligning_family_of(Wanted(name)).most == 300.0
    assert registry.open_aligner(resolved).traits.longest == 60.0
    with pytest.raises(UsageError, match="aligns words and does not transcribe") as raised:
        registry.family_of(Wanted(name))
    assert raised.value.hint == f"--aligner {name}"


def test_it_goes_along_with_a_model_by_an_id_too_without_being_fetched():
    its = registry.aligner_of(
        Wanted(
            aligner="ctc:facebook/wav2vec2-base-960h", settings={"aligner.batch_size": "3", "aligner.dtype": "float16"}
        )
    )

    assert (its.model, its.batch_size, its.dtype) == ("ctc:facebook/wav2vec2-base-960h", 3, "float16")


@pytest.mark.parametrize(
    "wanted", [Wanted(f"ctc:{TINY / 'hf-ctc'}", compile=True), Wanted("ctc:some/model", compile=True)]
)
def test_compiling_it_is_refused(wanted):
    with pytest.raises(UsageError, match="is not compiled here"):
        registry.aligning_family_of(wanted)


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(UsageError, match=r"hf-seq2seq \(WhisperForConditionalGeneration\) is no CTC model"):
        opened(TINY / "hf-seq2seq")


def test_a_setting_that_it_does_not_have_is_told_with_what_it_heeds():
    with pytest.raises(UsageError, match=r"--set aligner\.foo: no such setting") as raised:
        opened(settings={"foo": "1"}, before="aligner.")

    assert raised.value.hint == "known: aligner.device, aligner.dtype, aligner.batch_size, aligner.attention"
