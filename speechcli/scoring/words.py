"""Words and characters against a reference, by jiwer: how many are wrong, and which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from types import ModuleType
from typing import Literal, NamedTuple, TypeAlias

from speechcli.core.transcript import Segment, Transcript
from speechcli.errors import UnavailableError
from speechcli.formats.html.beside import ErrorKind, Mark
from speechcli.scoring.normal import INSTALL, normal
from speechcli.scoring.rates import Rate
from speechcli.scoring.tokens import tokens

Kind: TypeAlias = Literal["equal", "substituted", "deleted", "inserted"]
Aligned: TypeAlias = tuple[Kind, tuple[str, ...], tuple[str, ...]]
"""What both have, or what one has in place of the other: kind, words of the reference, words that were heard."""
_Chunk: TypeAlias = tuple[Kind, int, int, int, int]
"""Kind, first and last token of the reference, first and last one that was heard."""
_KINDS: dict[str, Kind] = {"equal": "equal", "substitute": "substituted", "delete": "deleted", "insert": "inserted"}


class Pair(NamedTuple):
    """A token of the reference beside one that was heard, by their places; None where one side has nothing."""

    reference: int | None
    heard: int | None
    equal: bool


def wer(reference: str, heard: str, normalizer: str = "english") -> Rate:
    """Words substituted, deleted and inserted; without words in the reference all that was heard is inserted.

    Raises UsageError for an unknown normaliser, UnavailableError without jiwer.
    """
    wanted, got = normal(reference, normalizer).split(), normal(heard, normalizer).split()
    return _counted(_chunks(wanted, got), len(wanted))


def cer(reference: str, heard: str, normalizer: str = "english") -> Rate:
    """Characters substituted, deleted and inserted, blanks between words counted as jiwer does. Raises as `wer`."""
    wanted, got = normal(reference, normalizer), normal(heard, normalizer)
    if not wanted or not got:
        return _rate(0, len(wanted), len(got), len(wanted))
    out = _jiwer().process_characters(wanted, got)
    return _rate(out.substitutions, out.deletions, out.insertions, len(wanted))


def aligned(reference: str, heard: str, normalizer: str = "english") -> list[Aligned]:
    """Both texts side by side, in order, as `wer` counts them: together they are the normalised texts."""
    wanted, got = normal(reference, normalizer).split(), normal(heard, normalizer).split()
    return [(kind, tuple(wanted[a:b]), tuple(got[c:d])) for kind, a, b, c, d in _chunks(wanted, got)]


def pairs(wanted: Sequence[str], got: Sequence[str]) -> Iterator[Pair]:
    """Token by token, as `wer` counts them: every token of both is in one pair."""
    return _pairs(_chunks(wanted, got))


def _pairs(chunks: Sequence[_Chunk]) -> Iterator[Pair]:
    for kind, a, b, c, d in chunks:
        if kind in ("equal", "substituted"):
            yield from (Pair(a + i, c + i, kind == "equal") for i in range(b - a))
        else:
            yield from (Pair(i, None, False) for i in range(a, b))
            yield from (Pair(None, i, False) for i in range(c, d))


def marks(transcript: Transcript, reference: str, normalizer: str = "english") -> tuple[tuple[Mark, ...], Rate]:
    """The errors at the words of the transcript, in order, and the rate, which is `wer` of the whole text.

    Normalisers merge and split words, so one mark may stand for several errors, or several words be one error; its
    `reference` is what belongs there as normalised. Without segments there is nothing to mark. Raises as `wer`.
    """
    places: list[tuple[int, int]] = []  # of each word: its segment, and its number there
    words: list[str] = []
    for number, segment in enumerate(transcript.segments):
        row = _words(segment)
        places += [(number, i) for i in range(len(row))]
        words += row
    found = tokens(words, normalizer, transcript.text)
    wanted = normal(reference, normalizer).split()
    chunks = _chunks(wanted, found.texts)
    out: list[Mark] = []
    for first, last, said, kind in _errors(list(_pairs(chunks)), wanted, found.spans):
        if first == last and transcript.segments:
            segment_number, place = (places[first - 1][0], places[first - 1][1] + 1) if first else (0, 0)
            out.append(Mark("deleted", segment_number, place, place, said))
        for number, own in groupby(places[first:last], key=lambda place: place[0]):
            inside = [place for _, place in own]
            out.append(Mark(kind, number, inside[0], inside[-1] + 1, said))
    return tuple(out), _counted(chunks, len(wanted))


def told(rate: Rate, normalizer: str) -> str:
    """One line on how a text was compared.

    >>> told(Rate((("substituted", 2), ("deleted", 1), ("inserted", 0)), 60), "english")
    'WER 5.0 % (3 of 60 words), normalizer english'
    """
    value = rate.value
    share = "WER" if value is None else f"WER {100 * value:.1f} %"
    return f"{share} ({rate.errors:.0f} of {rate.length:.0f} words), normalizer {normalizer}"


def _errors(
    row: Sequence[Pair], wanted: Sequence[str], spans: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, str, ErrorKind]]:
    """(first word, last word, what belongs there, kind) of each place where something is wrong."""
    before = 0  # the word after the last one that was heard
    for owned in _places(row, spans):
        said = " ".join(wanted[pair.reference] for pair in owned if pair.reference is not None)
        heard = [spans[pair.heard] for pair in owned if pair.heard is not None]
        if not heard:
            yield before, before, said, "deleted"
            continue
        first, before = heard[0][0], heard[-1][1]
        if not all(pair.equal for pair in owned):
            yield first, before, said, "substituted" if said else "inserted"


def _places(row: Sequence[Pair], spans: Sequence[tuple[int, int]]) -> Iterator[list[Pair]]:
    """Pairs that share words, with what is missing between them; and what is missing between two such places."""
    place: list[Pair] = []
    missing: list[Pair] = []
    end = 0  # of the words of the place
    for pair in row:
        if pair.heard is None:
            missing.append(pair)
            continue
        first, last = spans[pair.heard]
        if place and first < end:
            place += [*missing, pair]
        else:
            yield from filter(None, (place, missing))
            place = [pair]
        missing, end = [], last
    yield from filter(None, (place, missing))


def _words(segment: Segment) -> list[str]:
    """The words of a segment as a mark counts them, with their blanks."""
    return [word.text for word in segment.words] if segment.words else [f" {word}" for word in segment.text.split()]


def _chunks(wanted: Sequence[str], got: Sequence[str]) -> list[_Chunk]:
    """How both agree and where not; jiwer is asked when both say something."""
    if not wanted or not got:
        kind: Kind = "deleted" if wanted else "inserted"
        return [(kind, 0, len(wanted), 0, len(got))] if wanted or got else []
    row = _jiwer().process_words(" ".join(wanted), " ".join(got)).alignments[0]
    return [(_KINDS[c.type], c.ref_start_idx, c.ref_end_idx, c.hyp_start_idx, c.hyp_end_idx) for c in row]


def _counted(chunks: Sequence[_Chunk], length: int) -> Rate:
    counts = dict.fromkeys(_KINDS.values(), 0)
    for kind, a, b, c, d in chunks:
        counts[kind] += max(b - a, d - c)
    return _rate(counts["substituted"], counts["deleted"], counts["inserted"], length)


def _rate(substituted: int, deleted: int, inserted: int, length: int) -> Rate:
    return Rate((("substituted", substituted), ("deleted", deleted), ("inserted", inserted)), length)


def _jiwer() -> ModuleType:
    try:
        import jiwer
    except ImportError as error:
        raise UnavailableError("jiwer is not installed", INSTALL) from error
    module: ModuleType = jiwer
    return module
