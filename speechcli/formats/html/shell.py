"""The shell of every page we write: one HTML file that needs no network, and that nothing in a transcript can break.

What comes from outside is written in three ways only: `escaped` in the body, as JSON in a data block, or by the page's
own script as `textContent`. The Content-Security-Policy lets only the scripts and styles of this file run (CSP 3, by
their SHA-256), so `style="…"` and `onclick="…"` in a body do nothing: use a class, or `element.style` in a script.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

_NONE: Final[Mapping[str, Iterable[str]]] = MappingProxyType({})
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
# HTML ends a script at "</script" and lets "<!--" hide that end, and has no control characters; U+2028 and U+2029 end
# lines in old JavaScript.
_IN_JSON = re.compile("[<>&\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff]")
_ENDS_SCRIPT = re.compile(r"</(?:script|style)|<!--|<script", re.IGNORECASE)


def shell(
    title: str,
    body: str | Iterable[str],
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    data: Mapping[str, Iterable[str]] = _NONE,
) -> Iterator[str]:
    """A whole page, piece by piece.

    title: plain text. body: HTML, its texts `escaped`. styles, scripts: their text, such as `asset("page.css")`, after
    those of every page: `common.css`, and `theme.js`, which makes `<button id="theme">` switch light and dark. data:
    JSON in pieces by the id of its block, read by the page as `JSON.parse(document.getElementById(id).textContent)`.
    """
    all_styles = (asset("common.css"), *styles)
    all_scripts = (asset("theme.js"), *scripts)
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(all_styles, all_scripts)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="generator" content="speechcli">\n'
        f"<title>{escaped(title)}</title>\n"
    )
    for style in all_styles:
        yield f"<style>{_harmless(style)}</style>\n"
    yield "</head>\n<body>\n"
    yield from (body,) if isinstance(body, str) else body
    for name, pieces in data.items():
        yield f'\n<script type="application/json" id="{escaped(name)}">'
        for piece in pieces:
            yield _IN_JSON.sub(_as_escape, piece)
        yield "</script>"
    for script in all_scripts:
        yield f"\n<script>{_harmless(script)}</script>"
    yield "\n</body>\n</html>\n"


def escaped(text: str) -> str:
    """Text as it stands in HTML, also between quotes. What no page can show becomes U+FFFD.

    >>> escaped('a<b & "c"')
    'a&lt;b &amp; &quot;c&quot;'
    """
    return html.escape(_UNSHOWN.sub("\ufffd", text))


def isolated(text: str) -> str:
    """Text that cannot turn the text around it: its direction is its own, and ends with it.

    >>> isolated("<b>")
    '<bdi>&lt;b&gt;</bdi>'
    """
    return f"<bdi>{escaped(text)}</bdi>"


def block(value: object) -> Iterator[str]:
    """A value as the JSON of a data block. Raises ValueError for a number that JSON has not (nan, infinity)."""
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).iterencode(value)


@cache
def asset(name: str) -> str:
    """The text of a stylesheet or a script of `assets/`."""
    return resources.files("speechcli.formats.html").joinpath("assets", name).read_text("utf-8")


def _as_escape(match: re.Match[str]) -> str:
    """
    >>> _IN_JSON.sub(_as_escape, "</script>\\ud800")
    '\\\\u003c/script\\\\u003e\\ufffd'
    """
    char = match[0]
    return "\ufffd" if "\ud800" <= char <= "\udfff" else f"\\u{ord(char):04x}"


def _harmless(text: str) -> str:
    """A script or style that ends where we end it. Raises ValueError: it is ours, or the caller's mistake."""
    if (match := _ENDS_SCRIPT.search(text)) is not None:
        raise ValueError(f"{match[0]!r} cannot stand in a script or style")
    return text.replace("\r\n", "\n").replace("\r", "\n")  # as the browser does, before it takes the hash


def _policy(styles: Iterable[str], scripts: Iterable[str]) -> str:
    """Nothing from anywhere but this file, and recordings and pictures that lie beside it."""
    beside = "'self' data: blob: file:"
    return (
        f"default-src 'none'; img-src {beside}; media-src {beside}; connect-src 'none'; "
        f"style-src {_hashes(styles)}; script-src {_hashes(scripts)}; base-uri 'none'; form-action 'none'"
    )


def _hashes(texts: Iterable[str]) -> str:
    digests = (hashlib.sha256(_harmless(text).encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
