"""The embedded aligner on real speech: pocketsphinx and its model, as they come with the install."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import spoken

from speechcli.backends import registry
from speechcli.backends.align_embedded import Embedded
from speechcli.backends.base import Setup
from speechcli.backends.registry import Wanted
from speechcli.core.audio import Audio
from speechcli.core.transcript import Word
from speechcli.errors import UsageError

RATE = 16_000
LABELLED = ("mary", "bobby")
CLIPS = ("jfk", "LJ001-0001", "LJ001-0009", "1089-134691-0000", "367-130732-0001")


@pytest.fixture(scope="module")
def resolved():
    return registry.resolve(registry.aligner_for(Wanted("embedded")))


@pytest.fixture(scope="module")
def aligner(resolved):
    """Whisper is asked for what is refused."""
    opened = registry.open_aligner(resolved)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def alone(resolved):
    """Nobody is asked for what is refused."""
    return Embedded(Setup(resolved.name, resolved.folder, resolved.revision, 30.0), None)


def tokens(text: str) -> list[str]:
    """The words, each with the blank before it."""
    first, *more = text.split()
    return [first, *(" " + word for word in more)]


def align(aligner, audio: Audio, text: str | list[str], doubtful=(), language: str | None = "en") -> list[Word]:
    texts = [tokens(text) if isinstance(text, str) else text]
    (words,) = aligner.align([audio], texts, [language], [doubtful])
    return words


def gold(name: str) -> list[tuple[float, float]]:
    rows = json.loads((spoken.DATA / f"{name}.words.json").read_text("utf-8"))
    return [(row["start"], row["end"]) for row in rows]


def off(words, name: str) -> float:
    """The mean error of starts and ends, seconds."""
    pairs = zip(words, gold(name), strict=True)
    return float(
        np.mean([abs(got - at) for w, edges in pairs for got, at in zip((w.start, w.end), edges, strict=True)])
    )


def times(words) -> list[tuple[float, float]]:
    return [(w.start, w.end) for w in words]


def noisy(audio: Audio, decibels: float) -> Audio:
    """With white noise so far below the clip's mean power."""
    level = float(np.sqrt(np.mean(audio.samples**2))) * 10 ** (-decibels / 20)
    noise = np.random.default_rng(7).standard_normal(len(audio.samples)) * level
    return Audio((audio.samples + noise).astype(np.float32), RATE)


@pytest.mark.parametrize("name", LABELLED)
def test_words_are_where_a_person_heard_them(alone, name):
    words = align(alone, spoken.clip(name), (spoken.DATA / f"{name}.txt").read_text())

    assert off(words, name) < 0.030
    assert {w.placed for w in words} == {"aligner"}
    assert all(w.confidence > 0.9 for w in words)


def test_words_are_nearly_there_in_noise_of_ten_decibels(alone):
    texts = [(spoken.DATA / f"{name}.txt").read_text() for name in LABELLED]
    found = [align(alone, noisy(spoken.clip(n), 10), text) for n, text in zip(LABELLED, texts, strict=True)]

    assert np.mean([off(words, name) for words, name in zip(found, LABELLED, strict=True)]) < 0.055
    assert {w.placed for words in found for w in words} == {"aligner"}


@pytest.mark.parametrize("name", CLIPS)
def test_every_word_comes_back_as_it_was_written_in_order_and_inside_the_sound(alone, name):
    audio, text = spoken.clip(name), tokens((spoken.DATA / f"{name}.txt").read_text())
    words = align(alone, audio, text)

    assert [w.text for w in words] == text
    assert all(w.start < w.end for w in words)
    assert all(a.end <= b.start for a, b in itertools.pairwise(words))
    assert words[0].start >= 0.0
    assert words[-1].end <= audio.duration


def test_punctuation_case_and_curly_apostrophes_change_no_time(alone):
    audio = spoken.clip("mary")
    plain, written = align(alone, audio, "mary rolled the barrel"), align(alone, audio, "“Mary ROLLED, the barrel’s…")

    assert times(written)[:3] == times(plain)[:3]
    assert written[3].end == pytest.approx(plain[3].end, abs=0.02)
    assert [w.text for w in written] == ["“Mary", " ROLLED,", " the", " barrel’s…"]


def test_a_word_of_several_is_from_the_first_to_the_last(alone):
    plain = align(alone, spoken.clip("mary"), "mary rolled the barrel")
    joined = align(alone, spoken.clip("mary"), "mary rolled-the—barrel")

    assert times(joined) == [times(plain)[0], (plain[1].start, plain[3].end)]


def test_a_token_without_a_sound_is_interpolated_and_moves_no_other(alone):
    plain = align(alone, spoken.clip("mary"), "mary rolled the barrel")
    words = align(alone, spoken.clip("mary"), "— mary rolled … the barrel !")

    assert [i for i, w in enumerate(words) if w.placed == "interpolated"] == [0, 3, 6]
    assert [words[i].confidence for i in (0, 3, 6)] == [None] * 3
    assert times([words[i] for i in (1, 2, 4, 5)]) == times(plain)


def test_a_word_in_no_dictionary_is_found_by_how_it_is_written(alone):
    plain = align(alone, spoken.clip("mary"), "mary rolled the barrel")
    words = align(alone, spoken.clip("mary"), "mairrie roaled the bahrrel")

    assert all(w.placed == "aligner" and w.confidence > 0.5 for w in words)
    assert np.allclose(times(words), times(plain), atol=0.05)


def test_a_doubtful_word_that_is_not_said_is_left_out_and_moves_no_other(alone):
    plain = align(alone, spoken.clip("mary"), "mary rolled the barrel")
    words = align(alone, spoken.clip("mary"), "mary never rolled the very heavy barrel quickly", {1, 4, 5, 7})

    assert [i for i, w in enumerate(words) if w.placed == "interpolated"] == [1, 4, 5, 7]
    assert all(words[i].confidence is None for i in (1, 4, 5, 7))
    assert np.allclose(times([words[i] for i in (0, 2, 3, 6)]), times(plain), atol=0.011)


def test_a_doubtful_word_that_is_said_instead_of_another_is_not_taken_for_it(alone):
    words = align(alone, spoken.clip("mary"), "wonderful rolled the barrel", {0})

    assert (words[0].placed, words[0].confidence) == ("interpolated", None)
    assert np.allclose(times(words[1:]), gold("mary")[1:], atol=0.06)


@pytest.mark.parametrize("doubtful", [{0}, {3}, {1, 2}, {0, 1, 2, 3}])
def test_a_doubtful_word_that_is_said_is_placed(alone, doubtful):
    plain = align(alone, spoken.clip("mary"), "mary rolled the barrel")
    words = align(alone, spoken.clip("mary"), "mary rolled the barrel", doubtful)

    assert {w.placed for w in words} == {"aligner"}
    assert np.allclose(times(words), times(plain), atol=0.011)


def test_of_the_same_doubtful_word_twice_one_is_placed(alone):
    plain = align(alone, spoken.clip("mary"), "mary rolled the barrel")
    words = align(alone, spoken.clip("mary"), "mary mary rolled the the barrel", {0, 1, 3, 4})

    placed = [w for w in words if w.placed == "aligner"]
    assert [w.text.strip() for w in placed] == ["mary", "rolled", "the", "barrel"]
    assert np.allclose(times(placed), times(plain), atol=0.011)


def test_nothing_but_doubtful_words_that_are_not_said_leaves_nothing_placed(alone):
    words = align(alone, spoken.clip("mary"), "extraordinarily comfortable", {0, 1})

    assert [w.placed for w in words] == ["interpolated"] * 2


def test_the_right_text_is_sure_and_that_of_another_recording_is_not(alone):
    right, wrong = [], []
    for name, other in zip(CLIPS, (*CLIPS[1:], CLIPS[0]), strict=True):
        right += [w.confidence for w in align(alone, spoken.clip(name), " ".join(spoken.said(name)))]
        wrong += [w.confidence or 0.0 for w in align(alone, spoken.clip(name), " ".join(spoken.said(other)[:12]))]

    assert np.mean(np.array(right) > 0.5) > 0.95
    assert np.mean(np.array(wrong) < 0.5) > 0.85
    assert np.median(wrong) < 0.1 < 0.9 < np.median(right)


def test_a_word_that_is_not_said_is_less_sure_than_those_that_are(alone):
    said = spoken.said("jfk")
    words = align(alone, spoken.clip("jfk"), " ".join([*said[:6], "elephants", *said[6:]]))

    assert min(range(len(words)), key=lambda i: words[i].confidence) == 6
    assert words[6].confidence < 0.2


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.09, 3.0])
def test_in_silence_and_in_next_to_no_sound_all_is_interpolated(alone, seconds):
    for language in ("en", None):
        words = align(alone, Audio(np.zeros(int(seconds * RATE), np.float32), RATE), "mary rolled", (), language)
        assert [(w.text, w.placed, w.confidence) for w in words] == [
            ("mary", "interpolated", None),
            (" rolled", "interpolated", None),
        ]
        assert all(0 <= w.start <= w.end <= seconds for w in words)


def test_noise_alone_makes_no_word_sure(alone):
    noise = (np.random.default_rng(0).standard_normal(3 * RATE) * 0.05).astype(np.float32)

    assert all((w.confidence or 0.0) < 0.3 for w in align(alone, Audio(noise, RATE), "mary rolled the barrel"))


def test_more_text_than_anybody_can_say_is_interpolated_at_once(aligner):
    """Looking for them would take minutes."""
    words = align(aligner, spoken.clip("jfk"), "ask what you can do for your country " * 4000)

    assert {word.placed for word in words} == {"interpolated"}
    assert len(words) == 32_000


def test_no_tokens_give_no_words(aligner):
    assert aligner.align([], [], []) == []
    assert align(aligner, spoken.clip("mary"), []) == []
    assert [w.placed for w in align(aligner, spoken.clip("mary"), ["…"])] == ["interpolated"]


def test_another_language_is_interpolated(alone):
    words = align(alone, spoken.clip("mary"), "mary rolled the barrel", (), "de")

    assert {w.placed for w in words} == {"interpolated"}
    assert alone.traits.languages == ("en",)


def test_the_same_sound_gives_the_same_words_alone_in_a_batch_and_after_others(alone):
    audios = [spoken.clip(name) for name in LABELLED]
    texts = [["mary", " zworykin", " the", " barrel"], ["bobby", " ripped", " the", " ledger"]]
    once = [align(alone, a, t) for a, t in zip(audios, texts, strict=True)]

    assert alone.align(audios, texts, ["en", "en"]) == once
    assert alone.align(audios[::-1], texts[::-1], ["en", None]) == once[::-1]


def test_threads_may_share_it_and_get_what_one_gets(alone):
    """Lanes of a transcriber do; two at once in one decoder end the process."""
    names = ("jfk", "LJ001-0009", "1089-134691-0000")
    asked = [(spoken.clip(name), " ".join(spoken.said(name))) for name in names]
    once = [align(alone, *one) for one in asked]

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(lambda one: align(alone, *one), asked)) == once


def test_the_sound_is_not_written_to_and_may_lie_anywhere_in_its_recording(alone):
    audio = spoken.clip("mary")  # read-only
    assert align(alone, Audio(audio.samples, RATE, 999_999), "mary rolled the barrel") == align(
        alone, audio, "mary rolled the barrel"
    )


def test_of_a_refused_piece_the_half_that_fits_is_found_and_the_other_has_the_times_told(resolved):
    """The second half's words are far too long for it."""
    audio = Audio(np.concatenate([spoken.clip("mary").samples, spoken.clip("bobby").samples]), RATE)
    text = tokens("mary rolled the barrel " + "incomprehensibilities-internationalization " * 4)
    told = [(0.4, 0.6), (0.6, 0.9), (0.9, 1.0), (1.0, 1.4), (1.95, 2.4), (2.4, 2.5), (2.5, 2.5), (2.5, 3.0)]
    asked = []

    def rough(audio, tokens):
        asked.append(len(tokens))
        return [Word(a, b, t, 0.25) for t, (a, b) in zip(tokens, told, strict=True)]

    opened = Embedded(Setup(resolved.name, resolved.folder, resolved.revision, 30.0), rough)
    words = align(opened, audio, text)

    assert asked == [8]
    assert [w.text for w in words] == text
    assert np.allclose(times(words[:4]), gold("mary"), atol=0.06)
    assert all(w.confidence > 0.9 for w in words[:4])
    assert np.allclose(times([words[4], words[7]]), [told[4], told[7]], atol=0.001)
    assert [w.confidence for w in words[4:]] == [0.25, None, None, 0.25]  # nobody says as many letters in 0.1 s


def test_what_is_refused_has_the_times_of_whisper(aligner, alone):
    audio = spoken.clip("bobby")
    text = "bobby ripped the ledger " + "incomprehensibilities " * 4

    assert {w.placed for w in align(alone, audio, text)} == {"interpolated"}
    words = align(aligner, audio, text)

    assert [w.text for w in words] == tokens(text)
    assert words[0].placed == "aligner"
    assert all(a.end <= b.start for a, b in itertools.pairwise(words))
    assert words[-1].end <= audio.duration


def test_it_comes_with_the_install_and_says_what_it_is(resolved, aligner):
    assert resolved.name == "pocketsphinx-en"
    assert resolved.revision.startswith("sha256:")
    assert (aligner.stage.stage, aligner.stage.model) == ("align", "pocketsphinx-en")
    assert aligner.stage.engine.startswith("pocketsphinx 5.")


@pytest.mark.parametrize("name", ["embedded", "pocketsphinx", "pocketsphinx-en"])
def test_it_goes_along_with_a_transcriber_by_any_of_its_names(name):
    meant = registry.aligner_of(Wanted(aligner=name))

    assert registry.canonical(meant.model) == "pocketsphinx-en"
    assert registry.canonical("embedded") == "whisper-tiny.en"


def test_what_it_does_not_heed_is_refused():
    with pytest.raises(UsageError, match="pocketsphinx-en"):
        registry.open_aligner(registry.resolve(Wanted("pocketsphinx-en", settings={"beam": "3"})))
    with pytest.raises(UsageError, match="--compile"):
        registry.aligning_family_of(Wanted("pocketsphinx-en", compile=True))
