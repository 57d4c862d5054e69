"""Plain text, as it is given to be aligned, to segments.

A line is a segment and a blank line always parts, but books are wrapped by hand: where the lines of a block are as
full as lines of 50 to 100 columns get, one that ends no sentence goes on in the next.

`[SPEAKER_00]: ` before a line, as we write it, names who speaks; so does `ANNA: `, where at least half of the text has
such names. They hold to the end of the block. Tags (`<i>`, `{\\an8}`) are no words; everything else is.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from speechcli.core.transcript import Segment
from speechcli.formats.rows import named_speech
from speechcli.timeline.text import breakable, ends_sentence, width

_NARROWEST, _WIDEST = 50, 100  # columns of text that was wrapped by hand
_FULL = 0.9  # of the widest line of its block: a line that the first word of the next would make longer
_MOST = 0.8  # of the lines of a wrapped block are full: somebody has edited them
_NAMED = 0.5  # of the paragraphs begin with a name where names are speakers
_LONGEST_NAME = 3  # words

_TAG = re.compile(
    r"<![A-Za-z][^<>]*>|<\?[^<>]*\?>"
    r"""|</?(?P<name>[A-Za-z][\w:-]*+)(?:\s++[\w:-]++=(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>]++))*+\s*+/?>"""
    r"|\{\\[^{}\n]*\}"
)
_HIDDEN = (  # what a browser does not show between its tags either
    (re.compile("<!--"), re.compile("-->"), "<!>"),
    *(
        (re.compile(rf"<{name}\b[^<>]*>", re.IGNORECASE), re.compile(rf"</{name}\s*>", re.IGNORECASE), f"<{name}>")
        for name in ("head", "script", "style")
    ),
)
_BLOCKS = frozenset(
    "address article blockquote body br dd div dl dt h1 h2 h3 h4 h5 h6 hr html li ol p s section speak table td th "
    "title tr ul".split()
)
_PAGE = re.compile(r"\s*<(?:!doctype\s+html|html|\?xml)\b", re.IGNORECASE)
_WHO = re.compile(r"([^\W\d_][\w.'’ -]{0,39}?)[ \t]*(?::[ \t]+|：\s*)(?=\S)")


def segments(text: str, name: str, lines: bool = False) -> tuple[list[Segment], list[str]]:
    """The segments of a text, without times, and notes about what was made of it.

    lines: each line is a segment, wrapped or not.
    """
    text, tags = unmarked(text)
    blocks = _blocks(text)
    begins = _speakers(blocks)
    notes = told(tags, name)
    out: list[Segment] = []
    names: Counter[str] = Counter()
    for block in blocks:
        speaker: str | None = None
        for paragraph in [[row] for row in block] if lines else _paragraphs(block, begins):
            who, said = begins(paragraph[0])
            if who is not None:
                speaker = who
                names[who] += begins is _named
            if said := _joined([said, *paragraph[1:]]):
                out.append(Segment(0.0, 0.0, said, speaker=speaker))
    if names := +names:
        notes.append(f"{name}: names before lines are taken for speakers ({_few(names)})")
    return out, notes


def unmarked(text: str) -> tuple[str, Counter[str]]:
    """The text without its tags, and how many of each kind there were. Those that end a line become one.

    >>> unmarked("<p>A <I>b</i>c<br/>2<3 {x}")
    ('\\n\\nA bc\\n2<3 {x}', Counter({'<i>': 2, '<p>': 1, '<br>': 1}))
    """
    if "<" not in text and "{\\" not in text:
        return text, Counter()
    kinds: Counter[str] = Counter()
    shown = text
    for opening, closing, kind in _HIDDEN:
        shown, n = _without(shown, opening, closing)
        if n:
            kinds[kind] += n

    def instead(match: re.Match[str]) -> str:
        name = (match["name"] or "").lower()
        kinds[f"<{name}>" if name else match[0] if match[0][0] == "{" else "<!>"] += 1
        if name not in _BLOCKS:
            return ""
        return "\n" if name == "br" else "\n\n"

    bare = _TAG.sub(instead, shown)
    return html.unescape(bare) if _PAGE.match(text) else bare, kinds


def told(tags: Counter[str], name: str) -> list[str]:
    """A note about the tags of a text, where there are any."""
    return [f"{name}: tags are no words: {tags.total()} left out ({_few(tags)})"] if tags else []


def _without(text: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> tuple[str, int]:
    """The text without what lies between, and how often something did; what is never closed stays."""
    kept: list[str] = []
    at = 0
    while (begin := opening.search(text, at)) is not None and (end := closing.search(text, begin.end())) is not None:
        kept.append(text[at : begin.start()])
        at = end.end()
    return "".join([*kept, text[at:]]), len(kept)


def _blocks(text: str) -> list[list[str]]:
    """Lines between blank ones, without the blanks around them."""
    out: list[list[str]] = [[]]
    for row in re.split(r"\r\n|[\n\r]", text.replace("\f", "\n\n")):
        if line := row.strip("\ufeff").strip():
            out[-1].append(line)
        elif out[-1]:
            out.append([])
    return [block for block in out if block]


def _paragraphs(block: Sequence[str], begins: Callable[[str], tuple[str | None, str]]) -> Iterator[list[str]]:
    """The lines of a block that belong together."""
    goes_on = (
        [not ends_sentence(line) and begins(following)[0] is None for line, following in pairwise(block)]
        if _is_wrapped(block)
        else [False] * (len(block) - 1)
    )
    paragraph = [block[0]]
    for on, line in zip(goes_on, block[1:], strict=True):
        if on:
            paragraph.append(line)
        else:
            yield paragraph
            paragraph = [line]
    yield paragraph


def _is_wrapped(block: Sequence[str]) -> bool:
    widest = max(map(width, block))
    if not _NARROWEST <= widest <= _WIDEST:
        return False
    full = [
        width(line) + 1 + width(following.split(None, 1)[0]) > _FULL * widest
        for line, following in pairwise(block)
        if not ends_sentence(line) and _named(following)[0] is None
    ]
    return bool(full) and sum(full) >= _MOST * len(full)


def _joined(rows: Iterable[str]) -> str:
    text = ""
    for row in rows:
        text += row if not text or not row or breakable(text[-1], row[0]) else f" {row}"
    return text.strip()


def _speakers(blocks: Sequence[Sequence[str]]) -> Callable[[str], tuple[str | None, str]]:
    """What tells who speaks in these blocks: brackets always, other names where they are used all through."""
    firsts = [paragraph[0] for block in blocks for paragraph in _paragraphs(block, _named)]
    names = [who for line in firsts if named_speech(line)[0] is None and (who := _named(line)[0]) is not None]
    n_people = len(set(names))
    sure = all(name.isupper() for name in names) or (n_people < len(names) and n_people <= max(2, len(names) / 2))
    return _named if len(names) >= 2 and len(names) >= _NAMED * len(firsts) and sure else named_speech


def _named(line: str) -> tuple[str | None, str]:
    """Who might be speaking, and what is said.

    >>> _named("ANNA: Hello."), _named("Speaker 1: Hi."), _named("that is: no name")
    (('ANNA', 'Hello.'), ('Speaker 1', 'Hi.'), (None, 'that is: no name'))
    """
    who, said = named_speech(line)
    if who is not None or (match := _WHO.match(line)) is None:
        return who, said
    parts = match[1].split()
    is_name = len(parts) <= _LONGEST_NAME and not any(part[0].islower() for part in parts)
    return (" ".join(parts), line[match.end() :]) if is_name else (None, line)


def _few(names: Counter[str]) -> str:
    first = ", ".join(name for name, _ in names.most_common(3))
    return f"{first}, ..." if len(names) > 3 else first
