"""https addresses, against a server of our own with a certificate of its own."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from speechcli.errors import DeniedError, MediaError, NoInputError, UnavailableError, UsageError
from speechcli.media import fetch as module
from speechcli.media.fetch import fetch

CONTENT = b"RIFF" + bytes(100_000)


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", {"ok": "/talk.wav", "loop": self.path}.get(path[4:], path[4:]))
            self.end_headers()
        elif path.startswith("/status/"):
            self.send_error(int(path[8:]))
        elif path == "/slow.wav":
            time.sleep(3)
        else:
            kinds = {"/page.wav": "text/html; charset=utf-8"}
            self.send_response(200)
            self.send_header("Content-Type", kinds.get(path, "audio/wav"))
            if path == "/named":
                self.send_header("Content-Disposition", 'attachment; filename="../../-rf \x7f.talk:1.wav"')
            if path != "/unsized.wav":
                self.send_header("Content-Length", str(len(CONTENT) * (2 if path == "/cut.wav" else 1)))
            self.end_headers()
            self.wfile.write(CONTENT)


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that hangs up is what some of these tests want."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ssl.SSLContext]]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            openssl,
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
            *("-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    httpd = Server(("127.0.0.1", 0), Handler)
    httpd.socket = own.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"https://localhost:{httpd.server_port}", ssl.create_default_context(cafile=folder / "cert.pem")
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def get(server: tuple[str, ssl.SSLContext], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    base, context = server

    def get(path: str, **how: object) -> Path:
        return fetch(base + path, tmp_path, context=context, **how)

    return get


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/talk.wav?token=secret", "talk.wav"),
        ("/unsized.wav", "unsized.wav"),
        ("/to/ok", "talk.wav"),
        ("/a%20b%2F..%2F.x.wav", "x.wav"),
        ("/named", "rf .talk1.wav"),
        ("/", "recording"),
        ("/" + "n" * 300 + ".wav", "n" * 80 + ".wav"),
    ],
)
def test_the_recording_arrives_under_a_harmless_name(path, name, get, tmp_path):
    fetched = get(path)
    assert fetched == tmp_path / name
    assert fetched.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "kind", "code"),
    [
        ("/status/404", NoInputError, 66),
        ("/status/410", NoInputError, 66),
        ("/status/403", DeniedError, 77),
        ("/status/500", UnavailableError, 69),
        ("/cut.wav", UnavailableError, 69),
        ("/page.wav", MediaError, 65),
        ("/to/loop", UnavailableError, 69),
    ],
)
def test_what_is_not_to_be_had_is_one_line(path, kind, code, get):
    with pytest.raises(kind) as caught:
        get(path + "?token=secret")
    assert caught.value.exit_code == code
    assert str(caught.value).isprintable()
    assert "secret" not in str(caught.value)


def test_a_server_that_does_not_answer_is_given_up(get):
    with pytest.raises(UnavailableError, match="timed out"):
        get("/slow.wav", timeout=0.3)


@pytest.mark.parametrize("path", ["/talk.wav", "/unsized.wav"])
def test_the_cap_is_counted_not_believed(path, get):
    with pytest.raises(MediaError, match=r"is more than .* GiB"):
        get(path, cap=50_000)


@pytest.mark.parametrize("target", ["http://localhost/x.wav", "ftp://localhost/x", "file:///etc/passwd"])
def test_a_redirect_leads_to_https_only(target, get):
    with pytest.raises((MediaError, UnavailableError)):
        get(f"/to/{target}")


def test_a_public_host_may_not_send_us_to_a_private_one(get, monkeypatch):
    """For the first question only, localhost is made to look public."""
    answers = iter([True, False])
    monkeypatch.setattr(module, "_is_public", lambda host: next(answers))
    with pytest.raises(MediaError, match="sends us on to a private host"):
        get("/to/ok")


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("127.0.0.1", False),
        ("localhost", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("::1", False),
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("no-such-host.invalid", True),
    ],
)
def test_private_hosts_are_known(host, public):
    assert module._is_public(host) == public


@pytest.mark.parametrize("url", ["http://localhost/a.wav", "ftp://x/a", "file:///etc/passwd", "https://", "https://[x"])
def test_only_https_addresses_are_fetched(url, tmp_path):
    with pytest.raises(UsageError) as caught:
        fetch(url, tmp_path)
    assert caught.value.exit_code == 2


def test_a_certificate_that_nobody_vouches_for_is_refused(server, tmp_path):
    with pytest.raises(UnavailableError, match="certificate"):
        fetch(server[0] + "/talk.wav", tmp_path)


def test_nobody_there_is_one_line(tmp_path, listener):
    port, _ = listener
    with pytest.raises(UnavailableError, match="cannot be fetched"):
        fetch(f"https://127.0.0.1:{port}/a.wav", tmp_path, timeout=1)
