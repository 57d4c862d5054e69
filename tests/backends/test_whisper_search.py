"""The search finds the most probable transcript that the rules allow, each window for itself.

The decoders here are real ones, small enough to try everything: what comes next depends on the last two tokens. The
rules are checked against those of openai/whisper, written down a second time as they stand there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechcli.backends.whisper_search import Found, Rules, search

A, B, C, D, EOT, SOT, SILENT, PREVIOUS, BEGIN = range(9)
SIZE = BEGIN + 8  # of the vocabulary: 8 timestamps
SUPPRESSED = np.array([SOT, SILENT, PREVIOUS])
RULES = Rules(SOT, EOT, SILENT, BEGIN, SUPPRESSED, first_timestamp_until=2)
NEVER = -np.inf

History = tuple[int, ...]
Model = Callable[[History], np.ndarray]


def time(n: int) -> int:
    return BEGIN + n


class Reading:
    """A `Batch`, of a model for each window. It goes by what it was given to read, and by nothing else."""

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = list(models)
        self.histories: list[History] = [()] * len(models)
        self.n_read = 0

    def read(self, tokens, rows, at):
        self.n_read += len(tokens)
        assert len(rows) == len(tokens) == len(at)
        assert len(tokens) % len(self.models) == 0
        each = len(tokens) // len(self.models)
        before = [self.histories[row] for row in rows]
        self.histories = [(*past, *(int(t) for t in row if t >= 0)) for past, row in zip(before, tokens, strict=True)]
        made = np.zeros((*at.shape, SIZE), np.float32)
        for i, (past, row, places) in enumerate(zip(before, tokens, at, strict=True)):
            for k, place in enumerate(places):
                assert row[place] >= 0
                known = (*past, *(int(t) for t in row[: place + 1] if t >= 0))
                made[i, k] = self.models[i // each](known)
        return made

    def keep(self, windows):
        """Rows are named as they were in the last call: only what belongs to the windows goes."""
        self.models = [self.models[i] for i in windows]


def random(seed: int, sharp: float = 1.5) -> Model:
    """After any two tokens others are likely."""

    def logits(history: History) -> np.ndarray:
        return np.random.default_rng([seed, *history[-2:]]).normal(0, sharp, SIZE).astype(np.float32)

    return logits


def chain(arrows: Mapping[int, Mapping[int, float]]) -> Model:
    """What comes after a token, how probably; nothing else does."""

    def logits(history: History) -> np.ndarray:
        row = np.full(SIZE, -30, np.float32)
        for token, probability in arrows.get(history[-1], {EOT: 1.0}).items():
            row[token] = np.log(probability)
        return row

    return logits


def script(tokens: Sequence[int]) -> Model:
    """Says this after the prompt (SOT), whatever was said."""

    def logits(history: History) -> np.ndarray:
        said = len(history) - 1 - history.index(SOT)
        row = np.full(SIZE, -30, np.float32)
        row[tokens[said] if said < len(tokens) else EOT] = 0
        return row

    return logits


def one(model: Model, beam_size: int = 1, prompt: Sequence[int] = (SOT,), rules: Rules = RULES, room: int = 60):
    (found,) = search(Reading([model]), [prompt], rules, beam_size, [len(prompt) + room])
    return found


def allowed(model: Model, history: History, begin: int, rules: Rules = RULES) -> np.ndarray:
    """Log probabilities of what may come next: `ApplyTimestampRules` of openai/whisper, line by line.

    begin: where in the history the transcript begins.
    """
    logits = model(history).astype(np.float64)
    logits[rules.suppressed] = NEVER
    said = history[begin:]
    last_was_timestamp = len(said) >= 1 and said[-1] >= BEGIN
    penultimate_was_timestamp = len(said) < 2 or said[-2] >= BEGIN
    if last_was_timestamp:
        if penultimate_was_timestamp:  # has to be non-timestamp
            logits[BEGIN:] = NEVER
        else:  # cannot be normal text tokens
            logits[:EOT] = NEVER
    timestamps = [token for token in said if token >= BEGIN]
    if timestamps:
        last = timestamps[-1] if last_was_timestamp and not penultimate_was_timestamp else timestamps[-1] + 1
        logits[BEGIN:last] = NEVER
    if not said:
        logits[:BEGIN] = NEVER
        logits[BEGIN + rules.first_timestamp_until + 1 :] = NEVER
    logits -= np.log(np.exp(logits).sum())
    if np.exp(logits[BEGIN:]).sum() > np.exp(logits[:BEGIN].max()):
        logits[:BEGIN] = NEVER
        logits -= np.log(np.exp(logits).sum())
    return logits


def every(model: Model, said: History, room: int) -> Iterator[tuple[float, History]]:
    """All transcripts that come to an end, with the sum of their log probabilities."""
    if not room:
        return
    logprobs = allowed(model, (SOT, *said), 1)
    for token in np.flatnonzero(logprobs > NEVER):
        if token == EOT:
            yield logprobs[token], said
        else:
            for score, whole in every(model, (*said, int(token)), room - 1):
                yield logprobs[token] + score, whole


def check_scores(found: Found, model: Model, prompt: Sequence[int], room: int) -> None:
    """Every token may come, is as probable as was said, and the mean is theirs and the end's, where it has one."""
    n_given = int(prompt[-1] >= BEGIN)
    begin = len(prompt) - n_given
    history, total = tuple(prompt), 0.0
    for token, logprob in list(zip(found.tokens, found.logprobs, strict=True))[n_given:]:
        expected = allowed(model, history, begin)[token]
        assert logprob == pytest.approx(expected, abs=1e-4)
        history, total = (*history, token), total + expected
    end = allowed(model, history, begin)[EOT] if len(found.tokens) - n_given < room else 0.0
    assert sum(found.logprobs) == pytest.approx(total, abs=1e-3)
    assert found.avg_logprob * (len(found.tokens) + 1) == pytest.approx(total + end, abs=1e-3)


# --- what is found ---


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_a_beam_of_one_takes_the_best_token_each_time(seed):
    model = random(seed)
    history: History = (SOT,)
    while len(history) < 17 and EOT not in history:
        history = (*history, int(allowed(model, history, 1).argmax()))

    found = one(model, room=16)

    assert found.tokens == tuple(token for token in history[1:] if token != EOT)


def test_a_wider_beam_finds_what_a_beam_of_one_misses():
    """After A anything may come, after B one thing."""
    model = chain(
        {
            SOT: {time(0): 1.0},
            time(0): {A: 0.55, B: 0.45},
            A: {C: 0.26, D: 0.25, A: 0.25, EOT: 0.24},
            B: {EOT: 1.0},
            C: {EOT: 0.5, D: 0.5},
            D: {EOT: 0.5, C: 0.5},
        }
    )

    narrow, wide = one(model, 1), one(model, 5)

    assert narrow.tokens[:2] == (time(0), A)
    assert wide.tokens == (time(0), B)
    assert wide.avg_logprob > narrow.avg_logprob
    assert wide.avg_logprob == pytest.approx(np.log(0.45) / 3, abs=1e-4)


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=15)
def test_a_beam_that_holds_everything_finds_the_best_of_all(seed):
    model, room = random(seed, 1.0), 4
    best_score, best = max(every(model, (), room), key=lambda both: both[0] / len(both[1]))

    found = one(model, 1000, room=room)

    assert found.tokens == best
    assert found.avg_logprob == pytest.approx(best_score / (len(best) + 1), abs=1e-4)


@given(st.integers(0, 2**32), st.integers(1, 6), st.sampled_from([(SOT,), (SOT, time(3)), (PREVIOUS, A, B, SOT)]))
@settings(deadline=None, max_examples=60)
def test_what_is_found_follows_the_rules_and_is_as_probable_as_is_said(seed, beam_size, prompt):
    model = random(seed)

    found = one(model, beam_size, prompt, room=14)

    check_scores(found, model, prompt, room=14)
    assert not set(found.tokens) & {SOT, SILENT, PREVIOUS, EOT}


@given(st.integers(0, 2**32), st.integers(2, 6))
@settings(deadline=None, max_examples=20)
def test_no_speech_is_read_after_the_token_that_begins_the_transcript(seed, beam_size):
    model = random(seed)
    logits = model((PREVIOUS, A, SOT)).astype(np.float64)

    found = one(model, beam_size, (PREVIOUS, A, SOT), room=5)

    assert found.no_speech == pytest.approx(np.exp(logits[SILENT]) / np.exp(logits).sum(), rel=1e-4)


# --- rules ---


def test_a_transcript_begins_with_a_timestamp_and_not_a_late_one():
    late = chain({SOT: {A: 0.5, time(3): 0.4, time(1): 0.1}})

    assert one(late).tokens[0] == time(1)


def test_timestamps_come_in_pairs_and_never_go_back():
    model = chain(
        {
            SOT: {time(2): 1.0},
            time(2): {time(3): 0.9, A: 0.1},  # not after a first one
            A: {time(1): 0.5, time(2): 0.3, time(4): 0.2},  # earlier, the same, later
            time(4): {B: 0.6, time(3): 0.3, time(4): 0.1},  # text does not follow the end of a sentence
            B: {EOT: 1.0},
        }
    )

    assert one(model).tokens == (time(2), A, time(4), time(4), B)


def test_timestamps_that_are_likelier_together_than_any_other_token_win():
    split = {time(n): 0.12 for n in range(1, 6)}  # 0.6, none of them above a fifth of A
    together = chain({SOT: {time(0): 1.0}, time(0): {A: 1.0}, A: {B: 0.4, **split}, B: {EOT: 1.0}})
    fewer = {time(n): 0.12 for n in range(1, 4)}
    apart = chain({SOT: {time(0): 1.0}, time(0): {A: 1.0}, A: {B: 0.4, **fewer}, B: {EOT: 1.0}})

    assert one(together).tokens[2] >= BEGIN
    assert one(together).logprobs[2] == pytest.approx(np.log(1 / 5), abs=1e-4)  # among themselves
    assert one(apart).tokens == (time(0), A, B)


def test_a_prompt_that_ends_with_a_timestamp_goes_on_with_text_and_the_timestamp_is_told():
    model = chain({time(3): {time(4): 0.8, A: 0.2}, A: {time(3): 0.9, EOT: 0.1}})

    found = one(model, prompt=(PREVIOUS, B, SOT, time(3)))

    assert found.tokens == (time(3), A)
    assert found.logprobs[0] == 0


@pytest.mark.parametrize("beam_size", [1, 5])
def test_what_is_suppressed_never_comes(beam_size):
    likely = {time(0): {B: 0.9, A: 0.1}, A: {B: 0.9, SOT: 0.05, EOT: 0.05}}
    rules = Rules(SOT, EOT, SILENT, BEGIN, np.array([*SUPPRESSED, B]), 2)

    found = one(chain({SOT: {time(0): 1.0}, **likely}), beam_size, rules=rules)

    assert found.tokens == (time(0), A)


@pytest.mark.parametrize("beam_size", [1, 5])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_no_run_of_tokens_comes_twice(n, beam_size):
    model = chain({SOT: {time(0): 1.0}, time(0): {A: 1.0}, A: {B: 0.8, C: 0.2}, B: {A: 0.8, D: 0.2}, C: {A: 1.0}})

    def runs(rules: Rules) -> list[tuple[int, ...]]:
        tokens = one(model, beam_size, rules=rules, room=18).tokens
        return [tokens[i : i + n] for i in range(len(tokens) - n + 1)]

    free, once = runs(RULES), runs(Rules(SOT, EOT, SILENT, BEGIN, SUPPRESSED, 2, ngram=n))

    assert beam_size > 1 or len(set(free)) < len(free)  # it goes round in circles
    assert len(set(once)) == len(once) > 0


# --- where it stops ---


@pytest.mark.parametrize("beam_size", [1, 5])
@pytest.mark.parametrize("prompt", [(SOT,), (PREVIOUS, A, B, SOT), (SOT, time(1))])
def test_prompt_and_answer_have_room_together(prompt, beam_size):
    for longest in (8, 9, 15):
        (found,) = search(Reading([script([time(0), *[A, B] * 20])]), [prompt], RULES, beam_size, [longest])
        given = int(prompt[-1] >= BEGIN)
        assert len(prompt) + len(found.tokens) - given == longest


@pytest.mark.parametrize("beam_size", [1, 5])
@pytest.mark.parametrize("circle", [[A], [A, B], [A, B, C, D], [A, B, A, C, A, D, D]])
def test_circles_are_left(circle, beam_size):
    """Five times the same, twenty tokens or more; looked for at every eighth token."""
    long = max(20, 5 * len(circle))

    found = one(script([time(0), D, *circle * 400]), beam_size, room=400)

    assert long <= len(found.tokens) < long + 2 + 8
    assert found.tokens[-len(circle) :] * 4 == found.tokens[-4 * len(circle) :]


@pytest.mark.parametrize("beam_size", [1, 5])
def test_what_is_said_four_times_is_said(beam_size):
    tokens = (time(0), *[A, B, C, D, A, C] * 4, *[B, D] * 6, B, B, time(4))

    assert one(script(tokens), beam_size).tokens == tokens


# --- windows together ---


def prompts_of(seed: int, n: int) -> list[tuple[int, ...]]:
    rng = np.random.default_rng(seed)
    said = [rng.integers(A, D + 1, rng.integers(0, 5)) for _ in range(n)]
    ends = [(), (time(0),), (time(4),)]
    return [
        (*((PREVIOUS, *map(int, words)) if len(words) else ()), SOT, *ends[rng.integers(len(ends))]) for words in said
    ]


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(2, 6))
@settings(deadline=None, max_examples=40)
def test_a_window_is_searched_as_if_it_were_alone(seed, beam_size, n):
    """Prompts of all lengths, answers of all lengths: windows end and go, one after the other."""
    models = [random(seed + i) for i in range(n)]
    prompts = prompts_of(seed, n)
    longest = [len(prompt) + 3 + (seed + 5 * i) % 14 for i, prompt in enumerate(prompts)]

    together = search(Reading(models), prompts, RULES, beam_size, longest)

    alone = [
        search(Reading([model]), [prompt], RULES, beam_size, [room])[0]
        for model, prompt, room in zip(models, prompts, longest, strict=True)
    ]
    assert together == alone


@pytest.mark.parametrize("beam_size", [1, 5])
def test_windows_that_have_ended_are_read_no_more(beam_size):
    short, long = script([time(0), A]), script([time(0), *[A, B, C, D, D, C] * 3])

    batch = Reading([short, long, short])
    found = search(batch, [(SOT,)] * 3, RULES, beam_size, [60] * 3)

    assert [len(one.tokens) for one in found] == [2, 19, 2]
    assert len(batch.models) == 1
    if beam_size == 1:  # each is read until it has ended
        assert batch.n_read == 3 + 20 - 1 + 2 * 2
