"""Recordings whose word times somebody measured, texts that differ from what is said, and how far off times are.

Nothing heavy is imported here, for the sake of the memory of what is measured: see common.py.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any, TypeAlias

from recordings import HERE, duration, words

Times: TypeAlias = tuple[float, float]
"""Start and end, seconds."""

LONGEST = 30.0  # seconds of a recording that is taken: what is longer has not been labelled by hand word for word
CLOSE = (0.02, 0.05, 0.1, 0.2)  # seconds
_SHARE = 0.03  # of words put in, and of words exchanged


@dataclass(frozen=True, slots=True)
class Token:
    """A word as it is written. true: when it is said; None where nobody says it, or nobody measured it.

    instead: another word is said where this one is written, which may or may not be placed there.
    """

    text: str
    true: Times | None
    said: bool = True
    instead: bool = False

    def later(self, by: float) -> Token:
        return self if self.true is None else replace(self, true=(self.true[0] + by, self.true[1] + by))


@dataclass(frozen=True, slots=True)
class Labelled:
    """A recording and its words. name: unique in its collection; group: the set it belongs to; duration: seconds."""

    name: str
    path: Path
    group: str
    duration: float
    tokens: tuple[Token, ...]


def labelled(folder: Path | None, groups: Sequence[str] = ()) -> list[Labelled]:
    """English recordings of one speaker with words labelled by hand, sorted by name; two that ship without a folder.

    A folder has a manifest.jsonl whose entries name `audio`, `transcript` and `words`, a list of {word, start, end} in
    JSON; `set`, `language`, `speakers` and `gold_words` (where it says "automatic", nobody labelled) may be there.
    groups: sets to take; none: all.
    """
    if folder is None:
        data = HERE.parent / "tests" / "data"
        found = [_one(path.stem, path, "shipped", words(path) or "", _sibling(path)) for path in _shipped(data)]
    else:
        found = list(_listed(folder / "manifest.jsonl"))
    chosen = [one for one in found if one is not None and one.duration <= LONGEST]
    return sorted((one for one in chosen if not groups or one.group in groups), key=lambda one: one.name)


def _shipped(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.flac")) if _sibling(path).is_file()]


def _sibling(path: Path) -> Path:
    return path.with_suffix(".words.json")


def _listed(manifest: Path) -> Iterator[Labelled | None]:
    for line in manifest.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        by_hand = not entry.get("gold_words", "manual").startswith(("automatic", "AMI", "construction"))
        wanted = entry.get("language", "en") == "en" and entry.get("speakers", 1) == 1 and by_hand
        if wanted and entry.get("words") and entry.get("transcript"):
            folder = manifest.parent
            text = (folder / entry["transcript"]).read_text(encoding="utf-8")
            path = folder / entry["audio"]
            times = folder / entry["words"]
            yield _one(entry["id"], path, entry.get("set", "all"), text, times, entry.get("duration_s"))


def _one(name: str, path: Path, group: str, text: str, times: Path, seconds: float | None = None) -> Labelled | None:
    """None where the labels are not those of the text."""
    gold = [
        (one["word"], float(one["start"]), float(one["end"])) for one in json.loads(times.read_text(encoding="utf-8"))
    ]
    tokens = _tokens(text, gold)
    return Labelled(name, path, group, seconds or duration(path), tokens) if tokens else None


def _tokens(text: str, gold: Sequence[tuple[str, float, float]]) -> tuple[Token, ...]:
    """The words of a text with the times of their letters; none where the letters differ.

    A word written as one and labelled as two, or the other way round, has times where its edges are edges of labels.
    """
    starts, ends, n = dict[int, float](), dict[int, float](), 0
    for word, start, end in gold:
        starts[n], ends[n + len(_letters(word))] = start, end
        n += len(_letters(word))
    if _letters(text) != "".join(_letters(word) for word, _, _ in gold):
        return ()
    out, at = [], 0
    for word in text.split():
        stop = at + len(_letters(word))
        known = stop > at and at in starts and stop in ends
        out.append(Token(word, (starts[at], ends[stop]) if known else None))
        at = stop
    return tuple(out)


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


# --- texts that are not what is said ---


def without_some(tokens: Sequence[Token], share: float, dice: random.Random) -> list[Token]:
    """The tokens without some of them, chosen at random."""
    return [token for token in tokens if dice.random() >= share]


def changed(tokens: Sequence[Token], dice: random.Random) -> list[Token]:
    """3 % of other words of the same recording put in, and 3 % exchanged for such.

    None is put beside its like: nobody could tell which of the two was said.
    """
    out = list[Token]()
    for before, token in zip((tokens[0], *tokens), tokens, strict=False):
        near = {_letters(before.text), _letters(token.text)}
        if dice.random() < _SHARE:
            out.append(Token(_other(tokens, near, dice), None, False))
        exchanged = dice.random() < _SHARE
        out.append(Token(_other(tokens, near, dice), None, False, True) if exchanged else token)
    return out


def _other(tokens: Sequence[Token], near: set[str], dice: random.Random) -> str:
    """A word that is none of those, as it is written somewhere; any, where there are no others."""
    others = [word for word in (dice.choice(tokens).text for _ in range(20)) if _letters(word) not in near]
    return others[0] if others else dice.choice(tokens).text


def with_others(tokens: Sequence[Token], place: int, others: Iterable[str]) -> list[Token]:
    """Words that nobody says put in before the place."""
    return [*tokens[:place], *(Token(word, None, False) for word in others), *tokens[place:]]


def unsaid(n: int) -> list[str]:
    """So many words of the sentences that ship for tests: ordinary English, said by nobody of these recordings."""
    texts = [words(path) or "" for path in sorted((HERE.parent / "tests" / "data").glob("*.flac"))]
    found = [word for text in texts for word in text.lower().split()]
    return (found * (n // len(found) + 1))[:n]


# --- how far off ---


@dataclass(frozen=True, slots=True)
class Placed:
    """A word that came back. sure: it was placed, not interpolated."""

    text: str
    times: Times
    sure: bool


def answer(path: Path) -> list[Placed] | None:
    """The words of `speechcli align -f json`, or of the peer's list; None where there is no such file."""
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(found, dict):
        found = found["word_segments"]
    return [Placed(one["word"], (one["start"], one["end"]), not one.get("interpolated")) for one in found]


@dataclass(frozen=True, slots=True)
class Errors:
    """Seconds too late (negative: too early) of the edges of words that are said, labelled and written.

    n_failed: recordings that gave nothing, other words than were written, or one that was interpolated though said.
    lost: words said and interpolated. invented: words that nobody says, and that were placed; n_unsaid: all of those.
    """

    starts: tuple[float, ...] = ()
    ends: tuple[float, ...] = ()
    n_failed: int = 0
    lost: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()
    n_unsaid: int = 0

    @property
    def both(self) -> list[float]:
        return [abs(error) for error in (*self.starts, *self.ends)]

    @property
    def mean(self) -> float:
        """Milliseconds."""
        return 1000 * fmean(self.both or [0.0])

    @property
    def median(self) -> float:
        """Milliseconds."""
        return 1000 * median(self.both or [0.0])

    def off(self, limit: float) -> float:
        """Percent of the edges that are at least `limit` seconds off."""
        return 100 * fmean([error >= limit for error in self.both] or [0.0])

    def summary(self) -> dict[str, Any]:
        """For the raw numbers."""
        return {
            "words": len(self.starts),
            "mean_ms": round(self.mean, 2),
            "median_ms": round(self.median, 2),
            **{f"within_{limit * 1000:.0f}_ms": round(100 - self.off(limit), 2) for limit in CLOSE},
            "bias_start_ms": round(1000 * fmean(self.starts or [0.0]), 2),
            "bias_end_ms": round(1000 * fmean(self.ends or [0.0]), 2),
            "failed": self.n_failed,
            "lost": len(self.lost),
            "invented": len(self.invented),
            "unsaid": self.n_unsaid,
        }


def pooled(errors: Iterable[Errors]) -> Errors:
    """All of them as one."""
    total = Errors()
    for one in errors:
        total = Errors(
            total.starts + one.starts,
            total.ends + one.ends,
            total.n_failed + one.n_failed,
            total.lost + one.lost,
            total.invented + one.invented,
            total.n_unsaid + one.n_unsaid,
        )
    return total


def errors(tokens: Sequence[Token], placed: Sequence[Placed] | None) -> Errors:
    """Of one recording. placed: None where nothing came back; then every word is lost."""
    said = [token.text for token in tokens if token.said]
    unsaid_ = sum(not token.said and not token.instead for token in tokens)
    if placed is None or [one.text for one in placed] != [token.text for token in tokens]:
        return Errors(n_failed=1, lost=tuple(said), n_unsaid=unsaid_)
    pairs = list(zip(tokens, placed, strict=True))
    known = [(token.true, one.times) for token, one in pairs if token.true is not None and token.said]
    lost = tuple(token.text for token, one in pairs if token.said and not one.sure)
    return Errors(
        tuple(found[0] - true[0] for true, found in known),
        tuple(found[1] - true[1] for true, found in known),
        int(bool(lost)),
        lost,
        tuple(token.text for token, one in pairs if not token.said and not token.instead and one.sure),
        unsaid_,
    )


def worst(tokens: Sequence[Token], placed: Sequence[Placed] | None, limit: float) -> list[str]:
    """A line for each word that was lost or invented, or whose edges are at least `limit` seconds off, worst first."""
    out = []
    for token, one in zip(tokens, placed or [], strict=False):
        by = [a - b for a, b in zip(one.times, token.true or one.times, strict=True)]
        wrong = one.sure != token.said and not token.instead
        if wrong or max(map(abs, by)) >= limit:
            how = "" if not wrong else " invented" if one.sure else " interpolated"
            line = f"{token.text} at {one.times[0]:.2f}: {by[0]:+.3f} {by[1]:+.3f}{how}"
            out.append((wrong, max(map(abs, by)), line))
    return [line for _, _, line in sorted(out, reverse=True)]
