"""A text and what was heard of its recording, to pieces that are aligned: nothing lost, nothing twice, linear."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechcli.core.span import Span
from speechcli.core.transcript import Word
from speechcli.timeline.anchors import FASTEST, plan, spoken_out

LONGEST = 30.0
WORDS = (
    "time person year way day thing man world life hand part child eye woman place work week case point government "
    "company number group problem fact water money month lot right study book job word business issue side kind head "
    "house service friend father power hour game line end member law car city community name president team minute "
    "idea kid body information back parent face level office door health art war history party result change morning "
    "reason research girl guy moment air teacher force education"
).split()


def prose(n: int, seed: int = 1) -> list[str]:
    """Words that come again and again, as in every language."""
    source = random.Random(seed)
    return [source.choice(WORDS) for _ in range(n)]


def told(words, start=0.0, pace=0.3, pause=0.7, every=9):
    """The words as somebody reads them: a pause after every ninth."""
    out, at = [], start
    for i, word in enumerate(words):
        out.append(Word(at, at + pace - 0.02, f" {word}"))
        at += pace + (pause if i % every == every - 1 else 0.0)
    return out


def spoken(words):
    """Where a detector hears them."""
    return [Span(w.start, w.end + 0.02) for w in words]


def planned(text, heard, speech=None, duration=None, longest=LONGEST):
    said = [(tuple(t.split()),) if isinstance(t, str) else t for t in text]
    speech = spoken(heard) if speech is None else speech
    end = max([s.end for s in (*heard, *speech)], default=0.0) + 1.0 if duration is None else duration
    return plan(said, heard, speech, end, longest)


def entries(done):
    return [entry for piece in done.pieces for entry in piece.entries]


def in_pieces(done):
    return [entry.token for entry in entries(done) if entry.token is not None]


def assert_holds(done, text, duration, longest=LONGEST):
    """What is true of every plan."""
    sounding = [i for i, alternatives in enumerate(text) if alternatives]
    aligned = [token for token, _ in itertools.groupby(in_pieces(done))]
    unspoken = {i for first, stop, _ in done.unspoken for i in range(first, stop)}
    assert aligned == sorted(set(aligned)), "tokens are in order, each in one place"
    assert set(aligned) | unspoken >= set(sounding)
    assert not set(aligned) & unspoken
    for token in aligned:
        own = tuple(e.text.strip() for e in entries(done) if e.token == token)
        assert own == text[token][done.forms[token]]
    spans = [piece.span for piece in done.pieces]
    for span in (*spans, *(s for _, _, s in done.unspoken), *(s for s, _ in done.unwritten)):
        assert 0 <= span.start <= span.end <= duration
    assert all(piece.entries for piece in done.pieces)
    assert all(span.duration <= longest + 1e-9 for span in spans)
    assert all(a.start <= b.start for a, b in itertools.pairwise(spans))
    assert all(b.start >= a.end - 0.11 for a, b in itertools.pairwise(spans))


forms = st.lists(st.sampled_from(("a", "no", "night", "light", "every", "one", "everyone", "你")), max_size=3).map(
    tuple
)
texts = st.lists(st.lists(forms.filter(bool), max_size=2).map(tuple), max_size=60)
times = st.lists(
    st.tuples(st.floats(0, 3), st.floats(0, 1), st.sampled_from((" a", " Night,", " everyone", " no", "你好", " —"))),
    max_size=60,
)
regions = st.lists(st.tuples(st.floats(0, 90), st.floats(0.05, 9)), max_size=12)


@settings(deadline=None, max_examples=300)
@given(
    texts, times, st.lists(st.tuples(st.floats(0, 90), st.floats(0.05, 9)), max_size=12), st.sampled_from((5.0, 30.0))
)
def test_whatever_comes_each_token_is_in_one_piece_or_unspoken_or_has_no_sound(text, rows, speech, longest):
    heard, at = [], 0.0
    for gap, length, word in rows:
        at += gap
        heard.append(Word(at, at + length, word))
        at += length / 2
    duration = at + 2.0
    spans = [Span(a, min(a + b, duration)) for a, b in speech if a < duration]

    done = plan(text, heard, spans, duration, longest)

    assert_holds(done, text, duration, longest)


def test_a_faithful_text_is_cut_in_pauses_and_nothing_is_in_doubt():
    words = prose(600)
    heard = told(words)

    done = planned(words, heard)

    assert_holds(done, [((w,),) for w in words], heard[-1].end + 1)
    assert in_pieces(done) == list(range(600))
    assert not any(entry.doubtful for entry in entries(done))
    assert done.unspoken == done.unwritten == ()
    edges = [piece.span.end for piece in done.pieces[:-1]]
    assert all(not any(w.start < edge < w.end for w in heard) for edge in edges)
    for piece in done.pieces:
        inside = [heard[e.token] for e in piece.entries]
        assert piece.span.start <= inside[0].start
        assert inside[-1].end <= piece.span.end


@pytest.mark.parametrize("n_unspoken", [9, 30, 300])
def test_a_paragraph_that_nobody_reads_is_in_no_piece(n_unspoken):
    words = prose(400)
    extra = prose(n_unspoken, seed=2)
    heard = told(words)

    done = planned([*words[:200], *extra, *words[200:]], heard)

    ((first, stop, where),) = done.unspoken
    assert abs(first - 200) <= 1
    assert abs(stop - 200 - n_unspoken) <= 1
    assert heard[198].start <= where.start <= where.end <= heard[201].end


@pytest.mark.parametrize("n_unwritten", [12, 60, 400])
def test_sound_that_nobody_wrote_down_is_in_no_piece(n_unwritten):
    words = prose(600 + n_unwritten)
    heard = told(words)
    gone = Span(heard[300].start, heard[299 + n_unwritten].end)

    done = planned([*words[:300], *words[300 + n_unwritten :]], heard)

    ((span, text),) = done.unwritten
    assert text == " ".join(words[300 : 300 + n_unwritten])
    assert (span.start, span.end) == (gone.start, gone.end)
    assert all(piece.span.overlap(gone) < 0.4 for piece in done.pieces)
    assert in_pieces(done) == list(range(600))


def test_one_paragraph_in_the_place_of_another_is_neither_spoken_nor_written():
    words, others = prose(300), prose(80, seed=9)
    heard = told([*words[:150], *others, *words[150:]])

    done = planned([*words[:150], *prose(90, seed=8), *words[150:]], heard)

    unspoken = sum(stop - first for first, stop, _ in done.unspoken)
    assert 80 <= unspoken <= 92
    assert sum(len(text.split()) for _, text in done.unwritten) >= 70


def test_sentences_that_come_again_are_matched_in_their_order():
    sentences = [prose(8, seed=k) for k in range(12)]
    order = random.Random(5).choices(range(12), k=150)
    words = [word for k in order for word in sentences[k]]
    heard = told(words, every=8)
    kept = [*range(400), *range(640, 1200)]

    done = planned([words[i] for i in kept], heard)

    for piece in done.pieces:
        for entry in piece.entries:
            true = heard[kept[entry.token]]
            assert piece.span.start - 0.11 <= true.start
            assert true.end <= piece.span.end + 0.11
    assert len(done.unwritten) == 1


def test_a_few_wrong_words_are_left_to_the_sound():
    words = prose(60)
    heard = told([*words[:20], "strange", *words[21:40], "purple", *words[40:]])

    done = planned(words, heard)

    found = entries(done)
    assert [(e.text, e.token) for e in found if e.doubtful] == [
        (f" {words[20]}", 20),
        (" strange", None),
        (" purple", None),
    ]
    assert in_pieces(done) == list(range(60))


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("okay", "ok"),
        ("everyone", "every one"),
        ("every one", "everyone"),
        ("their", "there"),
        ("artists", "oddest"),
        ("don't", "don’t"),
        ("Café", "cafe"),
        ("ice cream", "I scream"),
    ],
)
def test_words_that_are_spelled_or_sound_alike_are_the_same_word(written, heard):
    around = prose(20)
    text = [*around[:10], *written.split(), *around[10:]]

    done = planned(text, told([*around[:10], *heard.split(), *around[10:]]))

    assert not any(e.doubtful for e in entries(done))
    assert in_pieces(done) == list(range(len(text)))


def test_of_the_ways_to_say_a_number_the_one_that_was_heard_is_taken():
    ways = (("twenty", "twenty"), ("two", "thousand", "twenty"), ("two", "thousand", "and", "twenty"))
    around = prose(30)
    text = [*(((w,),) for w in around[:10]), ways, *(((w,),) for w in around[10:20]), ways, ((around[20],),)]
    heard = told([*around[:10], "2", "thousand", "twenty", *around[10:20], "twenty", "twenty", around[20]])

    done = planned(text, heard)

    assert [done.forms[10], done.forms[21]] == [1, 0]
    assert [e.text for e in entries(done) if e.token == 10] == [" two", " thousand", " twenty"]


def test_tokens_without_sound_belong_to_no_entry():
    done = planned([(("one",),), (), (("two",),)], told(["one", "two"]))

    assert in_pieces(done) == [0, 2]
    assert done.unspoken == ()


def test_what_the_recogniser_passed_over_is_aligned_where_somebody_speaks():
    words = prose(120)
    whole = told(words)
    heard = [*whole[:50], *whole[75:]]

    done = planned(words, heard, speech=spoken(whole))

    assert in_pieces(done) == list(range(120))
    assert not any(e.doubtful for e in entries(done) if 50 <= e.token < 75)


def test_a_silence_and_music_are_in_no_piece():
    words = prose(100)
    heard = [*told(words[:50], start=40.0), *told(words[50:], start=120.0)]

    done = planned(words, heard, duration=200.0)

    silences = [Span(0, 39), Span(heard[49].end + 1, 119), Span(heard[-1].end + 1, 200)]
    assert all(piece.span.overlap(silence) == 0 for piece in done.pieces for silence in silences)


def test_speech_without_text_and_without_words_is_told():
    words = prose(50)
    heard = told(words, start=20.0)

    done = planned(words, heard, speech=[Span(2, 11), *spoken(heard)])

    assert done.unwritten == ((Span(2, 11), ""),)


def test_a_small_part_of_a_long_recording_is_found():
    words = prose(9000)

    done = planned(words[7000:7040], told(words))

    assert in_pieces(done) == list(range(40))
    assert [len(text.split()) for _, text in done.unwritten] == [7000, 1960]


def test_ten_times_too_much_text_is_unspoken():
    words = prose(5000)

    done = planned(words, told(words[2000:2400]))

    assert in_pieces(done) == pytest.approx(list(range(2000, 2400)))
    assert [(first, stop) for first, stop, _ in done.unspoken] == [(0, 2000), (2400, 5000)]


def test_of_a_text_in_the_wrong_order_the_longest_part_that_rises_is_kept():
    words = prose(900)
    heard = told([*words[500:], *words[:500]])

    done = planned(words, heard)

    assert in_pieces(done) == pytest.approx(list(range(500)))
    assert sum(stop - first for first, stop, _ in done.unspoken) == 400


def test_a_wrong_pair_of_files_has_no_pieces_worth_the_name():
    text = "it was the best of times it was the worst of times it was the age of wisdom".split() * 40
    done = planned(text, told(prose(800)))

    assert len(in_pieces(done)) < 0.02 * len(text)
    assert sum(stop - first for first, stop, _ in done.unspoken) > 0.98 * len(text)


def test_with_nothing_heard_a_short_recording_is_one_piece_and_a_long_one_none():
    words = prose(20)

    short = planned(words, [], speech=[Span(3, 12)], duration=15.0)
    long = planned(words, [], speech=[Span(3, 12), Span(50, 55)], duration=60.0)

    (piece,) = short.pieces
    assert [e.token for e in piece.entries] == list(range(20))
    assert not any(e.doubtful for e in piece.entries)
    assert 2 < piece.span.start < 3
    assert 12 < piece.span.end < 13
    assert long.pieces == ()
    assert [(first, stop) for first, stop, _ in long.unspoken] == [(0, 20)]


def test_nothing_is_said_in_silence():
    done = planned(prose(20), [], speech=[], duration=15.0)

    assert done.pieces == ()


def test_a_short_recording_that_was_recognised_as_something_else_is_tried_all_the_same():
    done = planned("guten abend meine damen und herren".split(), told("good seven minor stamina on hair".split()))

    assert in_pieces(done) == list(range(6))


def test_more_words_than_anybody_says_are_not_tried():
    done = planned(prose(100), [], speech=[Span(1, 3)], duration=5.0)

    assert done.pieces == ()
    assert FASTEST * 2 < 100


@pytest.mark.parametrize("n_before", [50, 9000])
def test_a_single_word_is_found(n_before):
    heard = told([*prose(n_before), "hello", *prose(50, seed=4)])

    done = planned(["hello"], heard)

    (piece,) = done.pieces
    assert piece.span.start < heard[n_before].start < heard[n_before].end < piece.span.end < piece.span.start + 2


@pytest.mark.parametrize(("text", "heard"), [([], []), ([], prose(20)), ([()], prose(3))])
def test_no_text_has_no_pieces(text, heard):
    assert planned(text, told(heard)).pieces == ()


def test_characters_are_matched_where_there_are_no_blanks():
    text = [((c,),) for c in "今天天气很好我们去公园散步吧"]
    heard = [Word(0, 1.5, "今天天气"), Word(1.5, 2.2, "很好"), Word(2.4, 3.6, "我们去公园"), Word(3.6, 4.4, "散步吧。")]

    done = planned(text, heard)

    assert "".join(e.text for e in entries(done)) == "今天天气很好我们去公园散步吧"
    assert not any(e.doubtful for e in entries(done))


def test_what_was_heard_in_figures_is_spoken_out():
    heard = [Word(0, 1, " costs"), Word(1, 2, " $3"), Word(2, 3, " —")]

    done = spoken_out(heard, [(("costs",),), (("three", "dollars"),), ()])

    assert [w.text for w in done] == [" costs", " three", " dollars"]
    assert [t for w in done[1:] for t in (w.start, w.end)] == pytest.approx([1, 1 + 5 / 12, 1 + 5 / 12, 2])


@pytest.mark.parametrize("longest", [10.0, 30.0, 180.0])
def test_pieces_are_as_long_as_the_aligner_hears(longest):
    words = prose(3000)

    done = planned(words, told(words), longest=longest)

    lengths = [piece.span.duration for piece in done.pieces]
    assert max(lengths) <= longest
    assert sum(lengths) / len(lengths) > 0.5 * longest


@pytest.mark.slow
def test_three_hundred_thousand_words_with_a_tenth_of_them_wrong():
    words = prose(300_000)
    source = random.Random(3)
    heard = told([source.choice(WORDS) if source.random() < 0.1 else w for w in words])

    done = planned(words, heard)

    assert len(in_pieces(done)) > 299_000


@pytest.mark.slow
def test_three_hundred_thousand_words_of_another_text():
    done = planned(prose(300_000), told(prose(20_000, seed=7)))

    assert len(in_pieces(done)) < 3000


def test_where_a_sentence_comes_again_in_what_is_not_written_one_part_is_missing_and_not_two():
    before, sentence, after = prose(40, seed=2), prose(8, seed=3), prose(40, seed=4)
    misheard = [sentence[0], "strange", *sentence[2:]]
    heard = told([*before, *misheard, *prose(30, seed=5), *sentence, *prose(30, seed=6), *after])

    done = planned([*before, *sentence, *after], heard)

    assert len(done.unwritten) == 1
    assert any(piece.span.start < heard[44].start < piece.span.end for piece in done.pieces)


@pytest.mark.parametrize("heard_first", [True, False])
def test_a_few_words_beside_much_that_is_not_written_are_left_to_the_sound(heard_first):
    before, between, after = prose(60, seed=2), prose(40, seed=5), prose(60, seed=4)
    beside = ["strange", "purple", *between] if heard_first else [*between, "strange", "purple"]

    done = planned([*before, "elbow", "mud", *after], told([*before, *beside, *after]))

    assert done.unspoken == ()
    assert sum(len(text.split()) for _, text in done.unwritten) > 30
    assert {e.token for e in entries(done) if e.doubtful and e.token is not None} == {60, 61}


@pytest.mark.parametrize("number_last", [True, False])
def test_a_token_of_which_only_a_part_was_heard_is_not_torn_apart(number_last):
    before, extra, after = prose(60, seed=2), prose(30, seed=5), prose(60, seed=4)
    ways = (("two", "thousand", "twenty"),)
    middle = [*(((w,),) for w in extra), ways] if number_last else [ways, *(((w,),) for w in extra)]
    text = [*(((w,),) for w in before), *middle, *(((w,),) for w in after)]
    heard = told([*before, "twenty" if number_last else "two", *after])

    done = planned(text, heard)

    assert_holds(done, text, heard[-1].end + 1)
    assert [e.doubtful for e in entries(done) if e.token == text.index(ways)].count(True) == 2


def test_a_pause_of_seconds_is_in_no_piece():
    words = prose(40)
    heard = [*told(words[:20]), *told(words[20:], start=15.0)]

    done = planned(words, heard)

    assert [len(piece.entries) for piece in done.pieces] == [20, 20]
    assert done.pieces[0].span.end < heard[19].end + 1
    assert done.pieces[1].span.start > heard[20].start - 1


def test_a_cut_is_made_beside_words_that_were_heard_as_they_are_written():
    words = prose(120)
    heard = told(words)
    at = 71  # the last pause that a first piece of 30 s could end in
    heard[at] = Word(heard[at].start, heard[at].end, " zzz")

    done = planned(words, heard)

    assert len(done.pieces) > 1
    assert not any(piece.entries[k].doubtful for piece in done.pieces for k in (0, -1))


def test_pieces_overlap_by_a_tenth_of_a_second_though_the_words_heard_overlap_more():
    text = [(("a", "night"),), (("every", "a"),)]
    rows = ((0, 0, " a"), (0, 0, " a"), (1, 2, " Night,"), (1.5, 1.5, " everyone"), (1.5, 1.5, " a"), (1.5, 1.5, " a"))

    done = plan(text, [Word(*row) for row in rows], [], 3.5, 5.0)

    assert_holds(done, text, 3.5, 5.0)
