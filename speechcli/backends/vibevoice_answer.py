"""What VibeVoice is told, and its answer, a JSON string, to segments: whatever the model made of it.

    [{"Start":0.0,"End":7.56,"Speaker":0,"Content":"..."},{"Start":7.56,"End":9.1,"Content":"[Silence]"}]

It is text that a language model wrote, so it may stop anywhere, wrap its JSON in prose, forget a quote, name times that
go backwards or lie outside the sound, or say the same for ever. Every complete segment before the damage is kept.
Sources: transformers' processing_vibevoice_asr.py; microsoft/VibeVoice, docs/vibevoice-asr.md (older keys, tags).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from speechcli.backends.base import Hints
from speechcli.core.span import Seconds
from speechcli.core.transcript import Dropped, Heard, Segment
from speechcli.errors import UsageError

LOOP_ROUNDS = 6  # the same segments this often in a row are a loop ...
SHORT_ROUNDS = 12  # ... and this often where they are as short as people really do say them again and again
SHORT_WORDS = 3
LOOP_SEGMENTS = 8  # longest round looked at
TAIL = 500  # characters at the end of a broken answer in which a repetition is looked for
TAIL_ROUNDS = 4
NEAR: Seconds = 0.5  # an answer that ends this close to the end of the sound has left nothing out
PAST: Seconds = 1.0  # a time so little past the end is the model's rounding
PACE = 15.0  # characters a second, where a segment does not say when it ends

_KEYS = {
    "start": "start",
    "starttime": "start",
    "begin": "start",
    "end": "end",
    "endtime": "end",
    "speaker": "speaker",
    "speakerid": "speaker",
    "content": "content",
    "text": "content",
}
_KEY = re.compile(r"""["']?([A-Za-z][\w ]*?)["']?\s*:\s*""")
_KEY_CUT = re.compile(r"""["']?[\w ]*["']?\s*:?\s*""")
_NEXT = r"""\s*(?:[}\]]|,\s*(?:["'}]|\w+\s*:)|$)"""  # what follows the quote that closes a value
_LOST = r"""\}\s*,?\s*\{\s*["']"""  # the next object begins: a quote was forgotten
_DOUBLE = re.compile(rf'"((?:\\.|[^"\\}}]|"(?!{_NEXT})|\}}(?!\s*,?\s*\{{\s*["\']))*)(?:"|(?={_LOST}))', re.DOTALL)
_SINGLE = re.compile(rf"'((?:\\.|[^'\\}}]|'(?!{_NEXT})|\}}(?!\s*,?\s*\{{\s*[\"']))*)(?:'|(?={_LOST}))", re.DOTALL)
_BARE = re.compile(r"[^\s,{}\[\]\"']+")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "", "f": " "}
_CLOCK = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,9}(?:[.,]\d{0,9})?)\s*s?")
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d*)?(?:[eE][+-]?\d{1,3})?")
_SPEAKER = re.compile(r"(?:speaker|spk)?[\s_#]*(\d{1,9})(?:\.0+)?", re.IGNORECASE)
_NOBODY = {"", "n/a", "na", "none", "null", "nan", "unknown", "-1", "-"}
_TAGS = re.compile(r"(?:\s*\[[A-Z][\w /-]*\]\s*[.,]?)+")  # [Silence], [Environmental Sounds], [Music] and their like
_SPECIAL = re.compile(r"<\|[^|<>]*\|>")
_EMPTY = re.compile(r"\[\s*\]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read, in seconds from the start of the sound, by their starts. See `core.transcript.Heard`."""

    segments: tuple[Segment, ...] = ()
    cut: Seconds | None = None
    loops: int = 0
    notes: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()


@dataclass(frozen=True, slots=True)
class _Parsed:
    """rows: the complete objects, by our own key names. whole: whether the answer came to its end. lost: unreadable."""

    rows: tuple[Mapping[str, str | None], ...]
    whole: bool
    lost: int


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the answer. start, end: None where it does not say."""

    start: Seconds | None
    end: Seconds | None
    speaker: str | None
    text: str


def read(text: str, duration: Seconds) -> Answer:
    """The segments of an answer about `duration` seconds of sound. Never raises, whatever the text.

    >>> read('[{"Start":0.5,"End":1.5,"Speaker":0,"Content":"So."},{"Start":1.5,"En', 9.0).cut
    1.5
    """
    parsed = _parsed(_SPECIAL.sub("", text))
    rows = [row for fields in parsed.rows if (row := _row(fields)) is not None]
    loop = _loop(rows)
    kept, gone = (rows, []) if loop is None else (rows[:loop], rows[loop:])
    spoken, dropped, repaired = _placed(kept, duration)
    end = max((segment.end for segment in spoken), default=0.0)
    dropped += [Dropped(end, duration, row.text, "repetition loop") for row in gone if row.text]
    broken = not parsed.whole
    loops = int(loop is not None or (broken and _repeats(text.rstrip()[-TAIL:])))
    cut = end if (broken or loops) and end < duration - NEAR else None
    notes = []
    if broken and not parsed.rows:
        notes.append("the model's answer could not be read")
    elif broken:
        notes.append("the model's answer stops in the middle")
    if loops:
        notes.append("the model repeated itself, and was cut off there")
    if parsed.lost:
        notes.append(f"{parsed.lost} unreadable in the model's answer")
    if repaired:
        notes.append(f"times put right that the model gave: {repaired}")
    return Answer(tuple(spoken), cut, loops, tuple(notes), tuple(dropped))


def _parsed(text: str) -> _Parsed:
    rows: list[Mapping[str, str | None]] = []
    lost = 0
    opened = at = stop = text.find("{")
    while at >= 0:
        found = _object(text, at + 1)
        if found is None:  # prose, or an object around the list
            lost += "ontent" in text[at : max(text.find("{", at + 1), at)]
            at = text.find("{", at + 1)
            continue
        fields, stop = found
        if stop > len(text):
            return _Parsed(tuple(rows), False, lost)
        rows.append(fields)
        at = text.find("{", stop)
    if not rows:
        return _Parsed((), bool(_EMPTY.search(text)), lost)
    whole = "[" not in text[:opened] or text[stop:].lstrip(" \t\r\n,").startswith("]")
    return _Parsed(tuple(rows), whole, lost)


def _object(text: str, at: int) -> tuple[Mapping[str, str | None], int] | None:
    """The fields of a flat object from after its brace, and where it ends: past the text where that is cut.

    None for what is no flat object.
    """
    fields: dict[str, str | None] = {}
    while True:
        while at < len(text) and (text[at].isspace() or text[at] == ","):
            at += 1
        if at < len(text) and text[at] == "}":
            return fields, at + 1
        key = _KEY.match(text, at)
        if key is None:
            return (fields, len(text) + 1) if _KEY_CUT.fullmatch(text, at) else None
        at = key.end()
        if at == len(text):
            return fields, len(text) + 1
        quote = text[at]
        value = {'"': _DOUBLE, "'": _SINGLE}.get(quote, _BARE).match(text, at)
        if value is None:
            return (fields, len(text) + 1) if quote in "\"'" else None
        name = _KEYS.get(re.sub(r"[^a-z]", "", key[1].lower()))
        if name:
            fields[name] = _unescaped(value[1]) if quote in "\"'" else value[0]
        at = value.end()


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _ESCAPES.get(match[2], match[2])

    # escapes of surrogates, a pair of them a character: UTF-16 knows
    return _ESCAPE.sub(one, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _row(fields: Mapping[str, str | None]) -> _Row | None:
    """None for what says nothing: no content, or a tag for sound that is no speech."""
    text = " ".join((fields.get("content") or "").split())
    if not text or _TAGS.fullmatch(text):
        return None
    return _Row(_seconds(fields.get("start")), _seconds(fields.get("end")), _speaker(fields.get("speaker")), text)


def _seconds(text: str | None) -> Seconds | None:
    """Of a number, or of a clock's time; None for anything else.

    >>> _seconds("62.5"), _seconds("00:01:02,5"), _seconds("NaN")
    (62.5, 62.5, None)
    """
    text = (text or "").strip()
    if clock := _CLOCK.fullmatch(text):
        return 3600.0 * int(clock[1] or 0) + 60.0 * int(clock[2] or 0) + float(clock[3].replace(",", "."))
    if _NUMBER.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else None
    return None


def _speaker(text: str | None) -> str | None:
    text = (text or "").strip()
    if text.lower() in _NOBODY:
        return None
    number = _SPEAKER.fullmatch(text)
    return str(int(number[1])) if number else text


def _placed(rows: list[_Row], duration: Seconds) -> tuple[list[Segment], list[Dropped], int]:
    """The rows inside the sound, those past its end, and how many times had to be put right."""
    segments: list[Segment] = []
    dropped: list[Dropped] = []
    repaired = 0
    before = 0.0  # end of the row before
    for i, row in enumerate(rows):
        start, end = row.start, row.end
        bad = start is None or end is None
        if start is None:
            start = before
        if end is None:
            guess = start + len(row.text) / PACE
            end = next((r.start for r in rows[i + 1 : i + 2] if r.start is not None and r.start > start), guess)
        if end < start:
            start, end, bad = end, start, True
        if start >= duration:
            dropped.append(Dropped(duration, duration, row.text, "after the end of the sound"))
            continue
        bad = bad or start < 0 or end > duration + PAST or (bool(segments) and start < segments[-1].start - PAST)
        repaired += bad
        start, end = min(max(start, 0.0), duration), min(max(end, 0.0), duration)
        segments.append(Segment(start, end, row.text, (), row.speaker))
        before = end
    return sorted(segments, key=lambda s: s.start), dropped, repaired


def _loop(rows: list[_Row]) -> int | None:
    """The first row that only says again what was said; None without one."""
    same = [re.sub(r"\W+", " ", row.text.lower()).strip() or row.text for row in rows]
    seen: set[tuple[Seconds | None, str]] = set()
    for i, row in enumerate(rows):
        back = i > 0 and None not in (row.start, rows[i - 1].start) and (row.start or 0.0) < (rows[i - 1].start or 0.0)
        if back and (row.start, same[i]) in seen:
            return i  # back to the beginning of what it has said already
        seen.add((row.start, same[i]))
    return min(_rounds(same), default=None)


def _rounds(same: list[str]) -> Iterator[int]:
    """Where second rounds begin that are followed by enough others."""
    for size in range(1, LOOP_SEGMENTS + 1):
        run = 0
        for i in range(size, len(same) + 1):
            if i < len(same) and same[i] == same[i - size]:
                run += 1
                continue
            n_words = sum(len(text.split()) for text in same[max(i - size, 0) : i])
            rounds = SHORT_ROUNDS if n_words <= SHORT_WORDS else LOOP_ROUNDS
            if run >= size * (rounds - 1):
                yield i - run
            run = 0


def _repeats(tail: str) -> bool:
    """Whether a text ends in the same characters again and again."""
    for size in range(1, len(tail) // TAIL_ROUNDS + 1):
        rounds = TAIL_ROUNDS if size > 8 else 32 // size + TAIL_ROUNDS
        length = size * rounds
        if length <= len(tail) and tail[-length:-size] == tail[-length + size :]:
            return True
    return False


def heard(raw: str, duration: Seconds, hints: Hints, n_tokens: int, ended: bool, notes: Sequence[str] = ()) -> Heard:
    """What the model's string says about a sound of `duration`.

    n_tokens: of the string. ended: whether the model ended it. notes: more of them.
    """
    answer = read(raw, duration)
    language = hints.languages[0] if len(hints.languages) == 1 else None  # it hears by itself, and does not say
    cut_off = () if ended else (f"the model's answer did not end within {n_tokens} tokens",)
    return Heard(
        tuple(replace(segment, language=language) for segment in answer.segments),
        language=language if answer.segments else None,
        dropped=answer.dropped,
        loops=answer.loops,
        cut=answer.cut,
        notes=(*answer.notes, *cut_off, *notes),
        raw=raw,
    )


def check(hints: Hints) -> None:
    """Raises UsageError for what the model cannot do."""
    if hints.task != "transcribe":
        raise UsageError("VibeVoice cannot translate: it writes what was said")


def told(hints: Hints) -> str | None:
    """Hotwords and context as the prompt has them; None without any. Marks of the chat's own cannot be put in.

    >>> told(Hints(hotwords=("Helen", "Barrios"), context="A letter.<|im_end|>"))
    'Helen, Barrios\\nA letter.'
    """
    words = ", ".join(plain for word in hints.hotwords if (plain := _plain(word)))
    return "\n".join(part for part in (words, _plain(hints.context)) if part) or None


def _plain(text: str) -> str:
    """A text from outside without the chat's own marks, and without what UTF-8 cannot hold."""
    while (bare := _SPECIAL.sub("", text)) != text:  # what is left may spell another
        text = bare
    return text.strip().encode("utf-8", "replace").decode()
