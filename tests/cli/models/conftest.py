"""A server of files on loopback that fails as a test asks it to, and a small model in the published layout."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fomm_nodes.cli.main import main
from fomm_nodes.fomm_core import fetching
from fomm_nodes.fomm_core.checkpoints import builtin_models, convert
from fomm_nodes.fomm_core.fetching import Patience
from fomm_nodes.fomm_core.library import PublishedModel, published

QUICK = Patience(connect=5.0, read=1.0, retries=2, pause=0.01, rounds=3)

Run = Callable[..., tuple[int, str, str]]


@dataclass
class FileServer:
    """Sends `content` whatever is asked for.

    etag, modified: of the content; empty ones are not sent. ranges: a part that is asked for is sent alone.
    cuts, silent: after how many bytes each of the next answers breaks off, or stands still until `stop`.
    lies: bytes by which the length that it states is too large. status: instead of content.
    moved: redirect to this address. changes: contents that take the place of the present one, a request each.
    asked: (path, range) of each request, bodies: bytes sent of each.
    """

    content: bytes = b""
    etag: str = '"one"'
    modified: str = "Mon, 26 Apr 2021 04:00:00 GMT"
    kind: str = "application/octet-stream"
    ranges: bool = True
    chunked: bool = False
    cuts: list[int] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)
    lies: int = 0
    status: int = 200
    moved: str = ""
    changes: list[bytes] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    @property
    def starts(self) -> list[int]:
        """From which byte each request of more than a look at the headers asked."""
        return [0 if asked is None else int(re.findall(r"\d+", asked)[0]) for _, asked in self.asked]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Serve one request."""
        asked = handler.headers.get("Range")
        self.asked.append((handler.path, asked))
        if self.moved:
            self._headers(handler, 302, {"Location": self.moved, "Content-Length": "0"})
            return
        if self.status != 200:
            self._headers(handler, self.status, {"Content-Length": "0"})
            return
        if self.changes and len(self.asked) > 1:
            self.content, self.etag = self.changes.pop(0), f'"{len(self.asked)}"'
        start = int(re.findall(r"\d+", asked)[0]) if asked and self.ranges else 0
        if start and start >= len(self.content):
            self._headers(handler, 416, {"Content-Length": "0", "Content-Range": f"bytes */{len(self.content)}"})
            return
        rest = self.content[start:]
        headers = {"Content-Type": self.kind, "ETag": self.etag, "Last-Modified": self.modified}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        length = {"Transfer-Encoding": "chunked"} if self.chunked else {"Content-Length": str(len(rest) + self.lies)}
        self._headers(handler, 206 if start else 200, {**headers, **length})
        with contextlib.suppress(OSError):  # the client has left
            self._body(handler, rest)

    def _headers(self, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            if value:
                handler.send_header(name, value)
        handler.end_headers()

    def _body(self, handler: BaseHTTPRequestHandler, rest: bytes) -> None:
        if self.chunked:
            handler.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest))
            return
        if self.silent:
            handler.wfile.write(rest[: self.silent.pop(0)])
            handler.wfile.flush()
            self.stop.wait(30)
            handler.close_connection = True
            return
        cut = self.cuts.pop(0) if self.cuts and self.cuts[0] < len(rest) else None
        handler.wfile.write(rest[:cut])
        handler.close_connection = cut is not None or bool(self.lies)


@contextlib.contextmanager
def serving() -> Iterator[FileServer]:
    """A server, until the block ends."""
    server = FileServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *arguments: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as made:
        yield made


@pytest.fixture
def mirror(server: FileServer) -> Iterator[FileServer]:
    """Another server, to which the first may lead."""
    with serving() as made:
        yield made


@pytest.fixture
def quick() -> Patience:
    return QUICK


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The built-in model in the published layout: 6 MB."""
    path = tmp_path_factory.mktemp("weights") / "small.pth.tar"
    convert(builtin_models()["demo-128"], path)
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models; not there yet."""
    monkeypatch.delenv("COMFYUI_DIR", raising=False)
    monkeypatch.setenv("FOMM_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def small(server: FileServer, weights: bytes, monkeypatch: pytest.MonkeyPatch) -> PublishedModel:
    """A published model 'small' that fits the preset demo-128, to be had from the server."""
    model = PublishedModel("small", "demo-128", "heads", server.url("checkpoints/small-cpk.pth.tar"))
    monkeypatch.setitem(published.PUBLISHED, "small", model)
    server.content = weights
    return model


@pytest.fixture
def fomm(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`fomm(...)` runs the command and returns (exit code, output, messages); it waits for no server for long."""
    monkeypatch.setattr(fetching.install, "__kwdefaults__", {**fetching.install.__kwdefaults__, "patience": QUICK})
    monkeypatch.setattr(fetching.look, "__kwdefaults__", {**fetching.look.__kwdefaults__, "patience": QUICK})

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        output = capfd.readouterr()
        return code, output.out, output.err

    return run
