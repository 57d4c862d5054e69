"""Recordings behind an https address, fetched to a file; ffmpeg never sees the network.

Only for addresses that a person named. What answers there may send us on, but to https only, and from a public
host never to a private one (a router, a cloud's metadata), which the person did not name.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import re
import socket
import ssl
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from speechcli.core.span import Seconds
from speechcli.errors import (
    DeniedError,
    MediaError,
    NoInputError,
    SpeechcliError,
    UnavailableError,
    UsageError,
    from_os,
)

CAP = 8 << 30  # bytes
_WAIT = "check the address and the network"


def fetch(
    url: str, folder: Path, cap: int = CAP, timeout: Seconds = 30.0, context: ssl.SSLContext | None = None
) -> Path:
    """The recording at `url`, as a new file in `folder` under the name it has there.

    cap: bytes. timeout: seconds without an answer or a byte. context: whom to trust; the system's by default.
    Raises UsageError for an address that is not https; NoInputError, DeniedError or UnavailableError when it is
    not to be had, MediaError when it is too large or a web page, DiskError.
    """
    shown = _shown(url)
    opener = _opener(url, context)
    try:
        request = Request(url, headers={"User-Agent": "speechcli", "Accept": "audio/*, video/*, */*;q=0.5"})
        with opener.open(request, timeout=timeout) as answer:
            return _save(answer, url, folder, cap)
    except HTTPError as error:
        raise _refused(error, shown) from error
    except (URLError, TimeoutError, http.client.HTTPException, ssl.SSLError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise UnavailableError(f"{shown} cannot be fetched ({_line(str(reason))})", _WAIT) from error
    except ValueError as error:  # control characters, a port that is none
        raise UsageError(f"{shown} is not an address ({_line(str(error))})") from error


def _save(answer: http.client.HTTPResponse, url: str, folder: Path, cap: int) -> Path:
    shown = _shown(url)
    if answer.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise MediaError(f"{shown} is a web page", "name the address of the recording itself")
    announced = answer.headers.get("Content-Length")
    size = int(announced) if announced and announced.isdecimal() else None
    too_large = MediaError(f"{shown} is more than {cap / (1 << 30):.3g} GiB", "download it yourself, and name the file")
    if size is not None and size > cap:
        raise too_large
    path = folder / _name(answer.headers, answer.url or url)
    total = 0
    try:
        with path.open("xb") as file:
            while data := answer.read(1 << 18):
                total += len(data)
                if total > cap:
                    raise too_large
                file.write(data)
    except (URLError, TimeoutError, ConnectionError, ssl.SSLError):  # OSErrors of the network, told by the caller
        raise
    except OSError as error:
        raise from_os(error, f"writing {path.name}") from error
    if size is not None and total < size:  # read(n) does not tell
        raise UnavailableError(f"{shown}: the connection ended after {total} of {size} bytes", "try again")
    return path


class _Careful(HTTPRedirectHandler):
    max_redirections = 5

    def __init__(self, public: bool) -> None:
        self._public = public

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> Request | None:
        target = urljoin(req.full_url, newurl)
        host = urlsplit(target).hostname or ""
        secure = target.lower().startswith("https://")
        if not secure or (self._public and not _is_public(host)):
            fp.close()
            what = "a private host" if secure else "something else than https"
            raise MediaError(f"{_shown(req.full_url)} sends us on to {what}", "name that address if you trust it")
        return super().redirect_request(req, fp, code, msg, headers, target)


def _opener(url: str, context: ssl.SSLContext | None) -> OpenerDirector:
    """An urllib with https and nothing else: no http, ftp, file or data, wherever a redirect points."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise UsageError(f"{_line(url)} is not an address") from error
    if parts.scheme.lower() != "https" or not host:
        raise UsageError(f"{_shown(url)} is not an https address", "only https:// is fetched")
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        HTTPSHandler(context=context or ssl.create_default_context()),
        _Careful(_is_public(host)),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _is_public(host: str) -> bool:
    """Whether every address of `host` is on the public net; a name unknown here is left to a proxy."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_global for entry in found)


def _name(headers: Message, url: str) -> str:
    """The name of the file there, made harmless: no folders, no control characters, no leading dot or dash."""
    given = headers.get_filename() or unquote(urlsplit(url).path)
    last = re.split(r"[/\\]", given.rstrip("/\\"))[-1]
    clean = "".join(c for c in last if c.isprintable() and c not in '<>:"|?*').lstrip(".- ")
    stem, suffix = os.path.splitext(clean)
    return (stem[:80] + suffix[:10]) or "recording"


def _refused(error: HTTPError, shown: str) -> SpeechcliError:
    with error:
        if error.code in (404, 410):
            return NoInputError(f"{shown} is not there ({error.code})", "check the address")
        if error.code in (401, 403, 407):
            return DeniedError(f"{shown} may not be fetched ({error.code})", "download it yourself, and name the file")
        return UnavailableError(f"{shown} cannot be fetched ({error.code} {_line(error.reason)})", "try again later")


def _shown(url: str) -> str:
    """An address for messages: without user, password, query and fragment, which may be secret."""
    try:
        parts = urlsplit(url)
        return _line(f"{parts.scheme}://{parts.hostname or ''}{parts.path}")
    except ValueError:
        return "the address"


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
