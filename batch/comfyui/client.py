"""A ComfyUI server as its front end talks to it: HTTP for what is certain, a websocket for how far a prompt is."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from ...fomm_core.errors import FommError
from .http import Answer, AnswerError, Bounds, Requests, ServerError

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

FOLDER = "fomm-render"
"""Folder of our files among a server's inputs and outputs."""

ANSWER_SECONDS = 10.0
TRANSFER_SECONDS = 60.0
"""How long a transfer may take beyond what its size explains."""

SCHEMAS_SIZE = 128 << 20
LARGEST_FILE = 8 << 30
LARGEST_EVENT = 1 << 26
"""Bytes; previews come over the websocket too."""

LARGEST_NEWS = 1 << 20
"""Bytes of an event in words."""

Tick = Callable[[], None]


def _nothing() -> None:
    """Nobody wants to hear that we wait."""


class RefusedError(FommError):
    """A server understood, and says no. `reply` is its JSON, empty where it gave none; `status` is HTTP's."""

    def __init__(self, message: str, status: int, reply: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.reply = reply


@dataclass(frozen=True)
class RemoteFile:
    """A file in one of a server's folders; `kind` is "input", "output" or "temp"."""

    name: str
    subfolder: str
    kind: str

    @property
    def query(self) -> str:
        """As `/view` asks for it."""
        return urlencode({"filename": self.name, "subfolder": self.subfolder, "type": self.kind})


class ComfyClient:
    """One server. Safe to use from several threads.

    Every call has a total time, an answer a largest size, and `tick` is called while we wait; what it raises ends the
    call. Every call may raise ServerError: nobody there, no answer in time, or an answer that is none of ComfyUI's.
    """

    def __init__(self, url: str, *, answer_seconds: float = ANSWER_SECONDS, largest_file: int = LARGEST_FILE) -> None:
        """largest_file: bytes that `download` takes at most."""
        try:
            import httpx  # noqa: F401
            import websockets  # noqa: F401
        except ImportError:
            raise FommError('ComfyUI servers need two more packages: pip install "fomm-nodes[farm]"') from None
        self.url = normal_url(url)
        parts = urlsplit(self.url)
        self.name = parts.netloc.rpartition("@")[2] + parts.path
        self.direct = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        secure = parts.scheme == "https"  # reading the certificates takes longer than a short job
        self._http = Requests(self.url, self.name, trust_env=not self.direct, verify=secure)
        self._quick = Bounds(answer_seconds)
        self._slow = Bounds(max(TRANSFER_SECONDS, answer_seconds))
        self._wait = answer_seconds
        self.largest_file = largest_file

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def queue_length(self, tick: Tick = _nothing) -> int:
        """How many prompts wait or run there, whoever sent them."""
        answer = self._json("GET", "/prompt", self._quick, tick)
        try:
            return int(answer["exec_info"]["queue_remaining"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ServerError(f"{self.name} answers, but not as a ComfyUI does. Is its address right?") from None

    def submit(self, graph: Mapping[str, Any], prompt: str, client: str, tick: Tick = _nothing) -> None:
        """Queue a graph under the id `prompt`; events go to the socket of `client`.

        Raises:
            RefusedError: The graph, or a part of it, does not fit this server's nodes.
        """
        body = {"prompt": graph, "prompt_id": prompt, "client_id": client}
        answer = self._json("POST", "/prompt", self._slow, tick, json=body)
        if answer.get("prompt_id") != prompt:
            raise ServerError(f"{self.name} gave the prompt another id: fomm needs ComfyUI 0.3.60 or newer there")
        if answer.get("node_errors"):  # it would run the outputs that are sound, and leave out the others
            self.cancel(prompt)
            raise RefusedError("a part of the graph is not valid", 400, answer)

    def place(self, prompt: str, tick: Tick = _nothing) -> str:
        """Where a prompt is: "running", "waiting", or "" where it is not in the queue."""
        running, pending = self._queue(tick)
        return "running" if prompt in running else "waiting" if prompt in pending else ""

    def object_info(self, tick: Tick = _nothing) -> dict[str, Any]:
        """The server's node classes, as `graph.schemas` takes them."""
        return self._json("GET", "/object_info", replace(self._slow, size=SCHEMAS_SIZE), tick)

    def history(self, prompt: str, tick: Tick = _nothing) -> dict[str, Any] | None:
        """What came of a prompt: its "outputs" and "status"; None where the server knows nothing of it."""
        entry = self._json("GET", f"/history/{quote(prompt)}", self._slow, tick).get(prompt)
        if entry is not None and not _is_history(entry):
            raise AnswerError(f"{self.name} tells a history that is none of ComfyUI's")
        return entry

    def cancel(self, prompt: str) -> None:
        """Take a prompt from the queue, or interrupt it where it runs; other people's prompts go on."""
        self._call("POST", "/queue", self._quick, json={"delete": [prompt]})
        if prompt in self._queue(_nothing)[0]:
            self._call("POST", "/interrupt", self._quick, json={"prompt_id": prompt})

    def has_input(self, file: RemoteFile, size: int, tick: Tick = _nothing) -> bool:
        """Whether a file of that many bytes lies there."""
        try:
            return self._call("HEAD", f"/view?{file.query}", self._quick, tick).length == size
        except RefusedError:
            return False

    def upload(self, content: BinaryIO, file: RemoteFile, size: int, tick: Tick = _nothing) -> None:
        """Put a file of so many bytes among the server's inputs; one of the same name is replaced.

        Raises:
            RefusedError: It takes no file of this size or name.
        """
        fields = {"subfolder": file.subfolder, "type": file.kind, "overwrite": "true"}
        part = (file.name, content, "application/octet-stream")
        given = {"files": {"image": part}, "data": fields, "uploading": size}
        self._json("POST", "/upload/image", self._slow, tick, **given)

    def download(self, file: RemoteFile, target: Path, tick: Tick = _nothing, *, most: int | None = None) -> int:
        """Write a file of the server to `target`, as many bytes as the server tells, or with an error.

        most: bytes; `largest_file` where it is not given. Returns how many came.

        Raises:
            RefusedError: It does not give the file.
            OSError: The disk is full, or the like.
        """
        bounds = replace(self._slow, size=self.largest_file if most is None else most)
        with target.open("wb") as out:
            return self._call("GET", f"/view?{file.query}", bounds, tick, into=out).size

    def events(self, client: str) -> Events:
        """Listen to what happens to the prompts of `client`."""
        return Events(f"ws{self.url.removeprefix('http')}/ws?clientId={quote(client)}", self.direct, self._wait)

    def _queue(self, tick: Tick) -> tuple[set[str], set[str]]:
        """Ids of the prompts that run and that wait."""
        answer = self._json("GET", "/queue", self._quick, tick)
        try:
            running, pending = ({entry[1] for entry in answer[f"queue_{part}"]} for part in ("running", "pending"))
        except (KeyError, TypeError, IndexError):
            raise ServerError(f"{self.name} told a queue that is none of ComfyUI's") from None
        return running, pending

    def _json(self, method: str, path: str, bounds: Bounds, tick: Tick, **options: Any) -> dict[str, Any]:
        answer = self._call(method, path, bounds, tick, **options)
        try:
            value = answer.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise AnswerError(
                f"{self.name} answers {path.partition('?')[0]} with something else than ComfyUI's JSON. "
                "Is there a ComfyUI at this address, or a log-in page before it?"
            )
        return value

    def _call(self, method: str, path: str, bounds: Bounds, tick: Tick = _nothing, **options: Any) -> Answer:
        answer = self._http.send(method, path, bounds, tick, **options)
        if answer.is_success:
            return answer
        says = f"{self.name} answers {answer.status} {answer.reason}"
        if answer.status < 400:
            where = f" to {answer.location[:200]}" if answer.location else ""
            raise AnswerError(
                f"{says}, a redirect{where}. Give the address of the ComfyUI itself, not of what leads there"
            )
        if answer.status >= 500 or answer.status in {401, 403, 407, 429}:
            raise ServerError(f"{says}: {answer.body.decode('utf-8', 'replace')[:300]}")
        try:
            reply = answer.json()
        except ValueError:
            reply = None
        raise RefusedError(says, answer.status, reply if isinstance(reply, dict) else {})


def _is_history(entry: Any) -> bool:
    """Whether it has the shape of what ComfyUI tells of a prompt."""
    if not isinstance(entry, dict):
        return False
    outputs, status = entry.get("outputs") or {}, entry.get("status") or {}
    if not isinstance(outputs, dict) or not all(isinstance(shown, dict) for shown in outputs.values()):
        return False
    messages = status.get("messages") or () if isinstance(status, dict) else None
    return isinstance(messages, (list, tuple)) and all(
        isinstance(told, list) and len(told) == 2 and isinstance(told[0], str) and isinstance(told[1], dict)
        for told in messages
    )


class Events:
    """What a server tells of the prompts of one client. Only news: nothing depends on hearing it.

    A socket that cannot be opened, or that breaks, is silent.
    """

    def __init__(self, url: str, direct: bool, seconds: float) -> None:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        self._socket: ClientConnection | None = None
        self._hang_up = contextlib.ExitStack()
        proxy = None if direct else True
        with contextlib.suppress(OSError, WebSocketException):
            self._socket = self._hang_up.enter_context(
                connect(url, open_timeout=seconds, close_timeout=1, max_size=LARGEST_EVENT, proxy=proxy)
            )

    @property
    def open(self) -> bool:
        """Whether news can come."""
        return self._socket is not None

    def next(self, seconds: float) -> dict[str, Any] | None:
        """The next event, {"type": ..., "data": {...}}; None where none came in that time, or the socket broke."""
        from websockets.exceptions import WebSocketException

        if self._socket is None:
            return None
        try:
            message = self._socket.recv(timeout=seconds)
        except TimeoutError:
            return None
        except (OSError, WebSocketException):
            self.close()
            return None
        if not isinstance(message, str):  # an image
            return {}
        try:
            event = json.loads(message) if len(message) <= LARGEST_NEWS else None
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            return {}
        return event if isinstance(event.get("data"), dict) else {}

    def close(self) -> None:
        """Hang up."""
        from websockets.exceptions import WebSocketException

        self._socket = None
        with contextlib.suppress(OSError, WebSocketException):
            self._hang_up.close()

    def __enter__(self) -> Events:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def normal_url(text: str) -> str:
    """`host:8188` and `http://host:8188/` -> `http://host:8188`.

    Raises:
        FommError: It is no address of a server.
    """
    url = text.strip()
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        sound = False
    if not sound:
        raise FommError(f"expected a server's address such as http://127.0.0.1:8188; got {text!r}")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
