"""A hub of our own on a port of this machine, which speaks as much of its language as its library needs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

COMMIT = "c" * 40
OTHER = "d" * 40


class Hub:
    """Repositories by id. gated: ids that want a token. cut: a file of which only so many bytes are sent, once."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.gated: set[str] = set()
        self.cut: dict[str, int] = {}
        self.sent: list[tuple[str, str]] = []  # (file, Range) of every download
        self.revisions = {"main": COMMIT, COMMIT: COMMIT, "v2": OTHER, OTHER: OTHER}


class Handler(BaseHTTPRequestHandler):
    @property
    def hub(self) -> Hub:
        return self.server.hub

    def log_message(self, *args) -> None:
        pass

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].strip("/")
        api = path.startswith("api/models/")
        parts = path.removeprefix("api/models/").split("/")
        repo, rest = "/".join(parts[:2]), parts[2:]
        files = self.hub.repos.get(repo)
        if files is None:
            return self.answer(404, X_Error_Code="RepoNotFound")
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in self.hub.revisions:
            return self.answer(404, X_Error_Code="RevisionNotFound")
        commit = self.hub.revisions[revision]
        if api and rest[:1] == ["tree"]:
            return self.json([self.entry(name, content) for name, content in files.items()])
        if api:
            siblings = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
            return self.json({"_id": "1", "id": repo, "sha": commit, "siblings": siblings})
        if repo in self.hub.gated:
            return self.answer(403, X_Error_Code="GatedRepo", X_Error_Message="Access is restricted")
        return self.download("/".join(rest[2:]), files, commit)

    def download(self, name: str, files: dict[str, bytes], commit: str) -> None:
        if name not in files:
            self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        else:
            self.file(name, files[name], commit)

    def entry(self, name: str, content: bytes) -> dict:
        return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

    def json(self, told: object) -> None:
        self.answer(200, json.dumps(told).encode(), Content_Type="application/json")

    def file(self, name: str, content: bytes, commit: str) -> None:
        tags = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X_Repo_Commit": commit, "Accept_Ranges": "bytes"}
        if self.command == "HEAD":
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            for header, value in tags.items():
                self.send_header(header.replace("_", "-"), value)
            self.end_headers()
            return
        wanted = self.headers.get("Range", "")
        self.hub.sent.append((name, wanted))
        begin = int(wanted.removeprefix("bytes=").partition("-")[0] or 0) if wanted else 0
        body = content[begin:]
        most = self.hub.cut.get(name, len(body))
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(body)))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        for header, value in tags.items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[:most])
        if most < len(body):
            self.close_connection = True


@contextmanager
def serving(hub: Hub) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub = hub
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def in_place() -> Iterator[Hub]:
    """A hub in place of the one in the world."""
    from huggingface_hub import constants

    made = Hub()
    with serving(made) as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", endpoint)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.setattr("huggingface_hub.hf_api.api.endpoint", endpoint)
        yield made
