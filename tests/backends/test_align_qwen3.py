"""Qwen3-ForcedAligner's real classes and processor on real speech, with the small checkpoint of tests/tiny."""

import itertools
import shutil
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soxr
import torch
from tiny import common

from speechcli.backends import align_qwen3
from speechcli.backends.align_qwen3 import _apart, _shares, _Stamped, _words
from speechcli.backends.base import OutOfMemoryError, Setup
from speechcli.backends.catalog import FAMILIES
from speechcli.core.audio import Audio
from speechcli.errors import DataError, UnavailableError, UsageError

FOLDER = Path(__file__).parent.parent / "tiny" / "qwen3-aligner"
RATE = 16_000
CLOSE = 0.081  # seconds: a step of the model
NAMES = tuple(common.CLIPS)


def opened(folder: Path = FOLDER, dtype: str = "float32", **more):
    return align_qwen3.open(Setup("qwen3-aligner", folder, "", 180.0, "cpu", dtype, **more))


@pytest.fixture(scope="module")
def aligner():
    model = opened()
    yield model
    model.close()


@pytest.fixture(scope="module")
def clips():
    return [Audio(common.sound(name, RATE), RATE) for name in NAMES]


@pytest.fixture(scope="module")
def aligned(aligner, clips):
    return aligner.align(clips, [tokens(name) for name in NAMES], ["en"] * len(NAMES))


def tokens(name: str) -> list[str]:
    """The words of a clip, each with the blank before it."""
    first, *more = common.text(name).split()
    return [first, *(" " + word for word in more)]


def after(lead: float, name: str) -> Audio:
    return Audio(np.concatenate([common.faint(lead, RATE, 40), common.sound(name, RATE)]), RATE)


def off(words, name: str, lead: float = 0.0) -> float:
    """The largest error of a start or an end, seconds."""
    pairs = zip(words, common.words(name), strict=True)
    return max(abs(got - lead - at) for w, (_, a, b) in pairs for got, at in ((w.start, a), (w.end, b)))


def test_every_word_has_its_time_within_a_step_and_its_text_as_it_was_given(aligned):
    for name, words in zip(NAMES, aligned, strict=True):
        assert [w.text for w in words] == tokens(name)
        assert off(words, name) <= CLOSE
        assert {w.placed for w in words} == {"aligner"}
        assert all(w.confidence is not None and 0.5 < w.confidence <= 1 for w in words)


def test_times_are_in_steps_of_80_ms_and_do_not_decrease(aligned):
    for words in aligned:
        edges = [edge for w in words for edge in (w.start, w.end)]
        assert all(a <= b for a, b in itertools.pairwise(edges))
        assert all(abs(edge / 0.08 - round(edge / 0.08)) < 1e-6 for edge in edges)


@pytest.mark.parametrize("lead", [2.0, 4.0])
def test_silence_before_a_clip_moves_all_its_words_by_as_much(aligner, lead):
    for name in NAMES:
        (words,) = aligner.align([after(lead, name)], [tokens(name)], ["en"])

        assert off(words, name, lead) <= CLOSE


def test_a_clip_has_the_same_times_alone_and_in_any_batch(aligner, clips, aligned):
    alone = [aligner.align([clip], [tokens(name)], ["en"])[0] for clip, name in zip(clips, NAMES, strict=True)]
    mixed = aligner.align([after(4.0, "talk"), clips[0]], [tokens("talk"), tokens(NAMES[0])], ["en", None])

    assert [[(w.text, w.start, w.end) for w in words] for words in alone] == [
        [(w.text, w.start, w.end) for w in words] for words in aligned
    ]
    assert [(w.start, w.end) for w in mixed[1]] == [(w.start, w.end) for w in aligned[0]]


def test_bfloat16_and_eager_attention_place_the_words_too(clips):
    for model in (opened(dtype="bfloat16"), opened(attention="eager")):
        found = model.align(clips, [tokens(name) for name in NAMES], ["en"] * len(NAMES))

        assert max(off(words, name) for words, name in zip(found, NAMES, strict=True)) <= CLOSE


def test_a_clip_at_another_rate_has_other_times(aligner):
    for name in NAMES:
        fast = Audio(soxr.resample(common.sound(name, RATE), RATE, 8_000).astype(np.float32), RATE)
        (words,) = aligner.align([fast], [tokens(name)], ["en"])

        assert off(words, name) > 2 * CLOSE


def test_audio_that_says_it_has_another_rate_is_refused(aligner, clips):
    with pytest.raises(ValueError, match="sampling rate"):
        aligner.align([Audio(clips[0].samples, 24_000)], [tokens(NAMES[0])], ["en"])


def test_punctuation_that_the_model_does_not_know_comes_back_where_it_was(aligner, aligned):
    name = NAMES[0]
    (words,) = aligner.align(
        [Audio(common.sound(name, RATE), RATE)],
        [["«", *("“" + t.strip() + "”" if i % 2 else t for i, t in enumerate(tokens(name))), " —", " …"]],
        ["en"],
    )

    known = [w for w in words if any(c.isalpha() for c in w.text)]
    lost = [w for w in words if w not in known]
    plain = aligned[0]
    assert [w.text.strip(" “”") for w in known] == [w.text.strip() for w in plain]
    assert all(w.placed == "interpolated" and w.confidence is None for w in lost)
    assert [w.text for w in lost] == ["«", " —", " …"]
    assert all(a.end <= b.start + 1e-9 for a, b in itertools.pairwise(words))


def test_text_without_a_letter_silence_and_empty_audio_are_legal(aligner, clips):
    empty = Audio(np.zeros(0, np.float32), RATE)

    found = aligner.align([clips[0], clips[0], empty], [[" …", " —"], [], [" word", " two"]], ["en", "en", "en"])

    assert [[w.text for w in words] for words in found] == [[" …", " —"], [], [" word", " two"]]
    assert {w.placed for words in found for w in words} == {"interpolated"}
    assert all(0 <= w.start <= w.end <= clips[0].duration for words in found for w in words)
    assert all(w.start == w.end == 0 for w in found[2])


def test_a_language_that_the_model_lacks_is_not_in_its_traits_and_its_words_are_guessed(aligner, clips):
    assert sorted(aligner.traits.languages) == sorted("zh en yue fr de it ja ko pt ru es".split())

    (words,) = aligner.align([clips[0]], [tokens(NAMES[0])], ["sv"])

    assert [w.text for w in words] == tokens(NAMES[0])
    assert {(w.placed, w.confidence) for w in words} == {("interpolated", None)}


@pytest.mark.parametrize(
    ("language", "package", "extra", "said"),
    [("ja", "nagisa", "japanese", "今日は"), ("ko", "soynlp", "korean", "안녕 하세요")],
)
def test_a_package_that_finds_the_words_is_named_where_it_is_missing(
    aligner, clips, monkeypatch, language, package, extra, said
):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed

    with pytest.raises(UnavailableError, match=f"needs {package}, which is not here") as raised:
        aligner.align([clips[0]], [list(said)], [language])

    assert raised.value.hint == f"pip install 'speechcli[{extra}]'"
    extras = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert [requirement.partition(">=")[0] for requirement in extras[extra]] == [package]


@pytest.mark.parametrize(
    ("language", "package", "texts"),
    [("ja", "nagisa", ["今日", "は", "いい", "天気", "。"]), ("ko", "soynlp", [" 오늘은", " 날씨가", " 좋습니다."])],
)
def test_words_that_a_package_finds_come_back_as_they_were_written(aligner, clips, language, package, texts):
    pytest.importorskip(package)

    (words,) = aligner.align([clips[1]], [texts], [language])

    assert [w.text for w in words] == texts


def test_doubtful_words_are_timed_as_all_others(aligner, clips, aligned):
    (words,) = aligner.align([clips[0]], [tokens(NAMES[0])], ["en"], [{0, 2}])

    assert words == aligned[0]


def test_the_longest_pass_is_at_most_what_was_asked_for(aligner):
    asked = align_qwen3.open(Setup("qwen3-aligner", FOLDER, "", 20.0, "cpu", "float32"))

    assert asked.traits.longest == 20.0
    assert (FAMILIES["qwen3-aligner"].longest, FAMILIES["qwen3-aligner"].most) == (180.0, 300.0)


def times(found) -> list[list[tuple[float, float]]]:
    return [[(w.start, w.end) for w in words] for words in found]


def test_a_compiled_model_gives_the_same_times_and_is_not_compiled_anew_for_each_length(clips, aligned):
    model = opened(compile=True, settings={"compile_backend": "eager"})
    texts = [tokens(name) for name in NAMES]

    first = model.align(clips[:2], texts[:2], ["en"] * 2)
    with torch._dynamo.config.patch(error_on_recompile=True):
        longer = model.align([after(9.0, "lady"), clips[3]], [tokens("lady"), texts[3]], ["en"] * 2)

    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 1
    assert times(first) == times(aligned)[:2]
    assert times(longer)[1] == times(aligned)[3]


@pytest.mark.usefixtures("broken_compiler")
def test_a_compiler_that_is_missing_is_told(clips):
    model = opened(compile=True, settings={"compile_backend": "broken"})

    with pytest.raises(UnavailableError, match=r"cannot be compiled here \(no C compiler was found\)"):
        model.align(clips[:1], [tokens(NAMES[0])], ["en"])


def test_audio_above_five_minutes_is_refused(aligner):
    with pytest.raises(UsageError, match="hears 300 s at once and not 301"):
        aligner.align([Audio(np.zeros(301 * RATE, np.float32), RATE)], [[" word"]], ["en"])


def test_its_longest_pass_is_five_minutes_or_what_its_classes_reach(aligner):
    assert aligner.traits.longest == 50.0  # 625 classes of 80 ms
    assert aligner.traits.rate == RATE


def test_a_device_that_is_full_says_so_in_our_own_words(aligner, clips, monkeypatch):
    def full(**told):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(aligner._model, "forward", full)

    with pytest.raises(OutOfMemoryError):
        aligner.align([clips[0]], [tokens(NAMES[0])], ["en"])


@pytest.mark.parametrize("fault", ["no weights", "half of the weights", "no tokenizer"])
def test_a_folder_that_is_not_whole_is_one_clear_line(tmp_path, fault):
    folder = shutil.copytree(FOLDER, tmp_path / "aligner")
    weights = folder / "model.safetensors"
    if fault == "no weights":
        weights.unlink()
    elif fault == "half of the weights":
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    else:
        (folder / "tokenizer.json").unlink()

    with pytest.raises(DataError) as raised:
        opened(folder)

    assert "\n" not in str(raised.value)
    assert str(folder) in str(raised.value)


@pytest.mark.parametrize(
    ("given", "models", "shares"),
    [
        ([" 3.14", " is", " twenty-one"], ["314", "is", "twentyone"], [(0, 0, 0, 3), (1, 0, 1, 2), (2, 0, 2, 9)]),
        ([" The", " U.S.,", " don’t"], ["The", "US", "dont"], [(0, 0, 0, 3), (1, 0, 1, 2), (2, 0, 2, 4)]),
        ([" it's", " —", " it"], ["it's", "it"], [(0, 0, 0, 4), None, (1, 0, 1, 2)]),
        (["今日", "は", "。"], ["今", "日", "は"], [(0, 0, 1, 1), (2, 0, 2, 1), None]),
        (["今", "日", "は"], ["今日", "は"], [(0, 0, 0, 1), (0, 1, 0, 2), (1, 0, 1, 1)]),
        (["ＡＢ", " ｶﾅ"], ["AB", "カナ"], [(0, 0, 0, 2), (1, 0, 1, 2)]),
        (["ゔ", "後"], ["ヴ", "後"], [None, (1, 0, 1, 1)]),
    ],
)
def test_tokens_are_mapped_to_the_models_words_letter_by_letter(given, models, shares):
    found = _shares(given, models)

    assert [s and (s.first, s.start, s.last, s.stop) for s in found] == shares


def stamped(*edges: tuple[float, float]) -> list[_Stamped]:
    return [_Stamped(a, b, "word", 0.9) for a, b in edges]


@pytest.mark.parametrize(
    ("given", "spread"),
    [
        ([(0.0, 0.4), (0.4, 0.4), (0.4, 0.4), (1.0, 1.2)], [(0.0, 0.4), (0.4, 0.7), (0.7, 1.0), (1.0, 1.2)]),
        ([(0.0, 0.4), (0.8, 0.8), (0.8, 1.2)], [(0.0, 0.4), (0.4, 0.8), (0.8, 1.2)]),
        ([(1.0, 1.0)], [(1.0, 1.4)]),
        ([(0.0, 0.4), (0.4, 0.4), (0.4, 0.8)], [(0.0, 0.4), (0.4, 0.4), (0.4, 0.8)]),
        ([(1.0, 1.5), (9.0, 9.0)], [(1.0, 1.5), (1.6, 2.0)]),
    ],
)
def test_words_without_length_are_spread_over_the_free_time_beside_them(given, spread):
    found = _apart(stamped(*given), 2.0)

    assert [(round(w.start, 6), round(w.end, 6)) for w in found] == spread
    assert [w.confidence for w in found] == [0.9 if a < b else None for a, b in ((g[0], min(g[1], 2.0)) for g in given)]


def test_a_word_whose_stamps_went_backwards_is_a_guess(aligner):
    shares = np.zeros((8, 625), np.float32)
    for row, at in enumerate([2, 5, 90, 91, 12, 15, 20, 22]):  # the second word lies behind all others
        shares[row, at] = 1.0
    marker = aligner._model.config.timestamp_token_id
    items = aligner._processor.decode_forced_alignment(
        torch.tensor(shares)[None], torch.full((1, 8), marker), [["a", "b", "c", "d"]], marker
    )[0]

    found = aligner._sure(items, shares)

    assert [w.confidence for w in found] == [1.0, None, 1.0, 1.0]
    assert [w.placed for w in _words([" a", " b", " c", " d"], found, 9.0)][:3] == [
        "aligner",
        "interpolated",
        "aligner",
    ]


def test_tokens_that_share_a_word_share_its_time():
    found = _words(["今", "日"], [_Stamped(1.0, 2.0, "今日", 0.9)], 9.0)

    assert [(w.start, w.end, w.placed, w.confidence) for w in found] == [
        (1.0, 1.5, "interpolated", None),
        (1.5, 2.0, "interpolated", None),
    ]


@pytest.mark.parametrize(
    ("before", "said", "known"),
    [
        ("aligner.", r"--set aligner\.foo: no such setting", "aligner.batch_size"),
        ("", r"--set foo: no such setting", "--batch-size"),
    ],
)
def test_a_setting_that_it_does_not_have_is_told_by_its_name_beside_a_model_and_alone(before, said, known):
    with pytest.raises(UsageError, match=said) as raised:
        opened(settings={"foo": "1"}, before=before)

    assert f"{before}compile_backend" in raised.value.hint
    assert known in raised.value.hint
