"""A ComfyUI server as its front end talks to it: HTTP for what is certain, a websocket for how far a prompt is."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from ...fomm_core.errors import FommError

if TYPE_CHECKING:
    import httpx
    from websockets.sync.client import ClientConnection

FOLDER = "fomm-render"
"""Folder of our files among a server's inputs and outputs."""

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
TRANSFER_SECONDS = 60.0
"""How long a transfer may stand still."""

CHUNK = 1 << 20
LARGEST_EVENT = 1 << 26
"""Bytes; previews come over the websocket too."""


class ServerError(FommError):
    """A server does not do what a ComfyUI does.

    gone: nobody listens at its address any more.
    """

    def __init__(self, message: str, *, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone


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

    Every call may raise ServerError: nobody there, no answer in time, or an answer that is none of ComfyUI's.
    """

    def __init__(self, url: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        try:
            import httpx
            import websockets  # noqa: F401
        except ImportError:
            raise FommError('ComfyUI servers need two more packages: pip install "fomm-nodes[farm]"') from None
        self.url = normal_url(url)
        parts = urlsplit(self.url)
        self.name = parts.netloc.rpartition("@")[2] + parts.path
        self.direct = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        answer = httpx.Timeout(answer_seconds, connect=min(CONNECT_SECONDS, answer_seconds))
        secure = parts.scheme == "https"  # reading the certificates takes longer than a short job
        self._http = httpx.Client(timeout=answer, trust_env=not self.direct, verify=secure)
        self._slow = httpx.Timeout(max(TRANSFER_SECONDS, answer_seconds), connect=CONNECT_SECONDS)
        self._wait = answer_seconds

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def queue_length(self) -> int:
        """How many prompts wait or run there, whoever sent them."""
        answer = self._json("GET", "/prompt")
        try:
            return int(answer["exec_info"]["queue_remaining"])
        except (KeyError, TypeError, ValueError):
            raise ServerError(f"{self.name} answers, but not as a ComfyUI does. Is its address right?") from None

    def submit(self, graph: Mapping[str, Any], prompt: str, client: str) -> None:
        """Queue a graph under the id `prompt`; events go to the socket of `client`.

        Raises:
            RefusedError: The graph, or a part of it, does not fit this server's nodes.
        """
        body = {"prompt": graph, "prompt_id": prompt, "client_id": client}
        answer = self._json("POST", "/prompt", json=body, timeout=self._slow)
        if answer.get("prompt_id") != prompt:
            raise ServerError(f"{self.name} gave the prompt another id: fomm needs ComfyUI 0.3.60 or newer there")
        if answer.get("node_errors"):  # it would run the outputs that are sound, and leave out the others
            self.cancel(prompt)
            raise RefusedError("a part of the graph is not valid", 400, answer)

    def place(self, prompt: str) -> str:
        """Where a prompt is: "running", "waiting", or "" where it is not in the queue."""
        running, pending = self._queue()
        return "running" if prompt in running else "waiting" if prompt in pending else ""

    def object_info(self) -> dict[str, Any]:
        """The server's node classes, as `graph.schemas` takes them."""
        return self._json("GET", "/object_info", timeout=self._slow)

    def history(self, prompt: str) -> dict[str, Any] | None:
        """What came of a prompt: its "outputs" and "status"; None where the server knows nothing of it."""
        return self._json("GET", f"/history/{quote(prompt)}").get(prompt)

    def cancel(self, prompt: str) -> None:
        """Take a prompt from the queue, or interrupt it where it runs; other people's prompts go on."""
        self._http_call("POST", "/queue", json={"delete": [prompt]})
        if prompt in self._queue()[0]:
            self._http_call("POST", "/interrupt", json={"prompt_id": prompt})

    def has_input(self, file: RemoteFile, size: int) -> bool:
        """Whether a file of that many bytes lies there."""
        try:
            answer = self._http_call("HEAD", f"/view?{file.query}")
        except RefusedError:
            return False
        return int(answer.headers.get("content-length", -1)) == size

    def upload(self, content: BinaryIO, file: RemoteFile) -> None:
        """Put a file among the server's inputs; one of the same name is replaced.

        Raises:
            RefusedError: It takes no file of this size or name.
        """
        fields = {"subfolder": file.subfolder, "type": file.kind, "overwrite": "true"}
        part = (file.name, content, "application/octet-stream")
        self._json("POST", "/upload/image", files={"image": part}, data=fields, timeout=self._slow)

    def download(self, file: RemoteFile, target: Path, tick: Callable[[], None]) -> None:
        """Write a file of the server to `target`, complete or with an error; `tick` is called between chunks.

        Raises:
            RefusedError: It does not give the file.
            OSError: The disk is full, or the like.
        """
        with (
            self._errors(),
            self._http.stream("GET", f"{self.url}/view?{file.query}", timeout=self._slow) as answer,
            target.open("wb") as out,
        ):
            if answer.is_error:
                answer.read()
            self._check(answer)
            for chunk in answer.iter_bytes(CHUNK):
                out.write(chunk)
                tick()

    def events(self, client: str) -> Events:
        """Listen to what happens to the prompts of `client`."""
        return Events(f"ws{self.url.removeprefix('http')}/ws?clientId={quote(client)}", self.direct, self._wait)

    def _queue(self) -> tuple[set[str], set[str]]:
        """Ids of the prompts that run and that wait."""
        answer = self._json("GET", "/queue")
        try:
            running, pending = ({entry[1] for entry in answer[f"queue_{part}"]} for part in ("running", "pending"))
        except (KeyError, TypeError, IndexError):
            raise ServerError(f"{self.name} told a queue that is none of ComfyUI's") from None
        return running, pending

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self._http_call(method, path, **options)
        try:
            value = answer.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ServerError(
                f"{self.name} answers {path.partition('?')[0]} with something else than ComfyUI's JSON. "
                "Is there a ComfyUI at this address, or a log-in page before it?"
            )
        return value

    def _http_call(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self._errors():
            answer = self._http.request(method, self.url + path, **options)
        self._check(answer)
        return answer

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code >= 500 or answer.status_code in {401, 403, 407, 429}:
            raise ServerError(f"{self.name} answers {answer.status_code} {answer.reason_phrase}: {answer.text[:300]}")
        if answer.is_error:
            try:
                reply = answer.json()
            except ValueError:
                reply = None
            says = f"{self.name} answers {answer.status_code} {answer.reason_phrase}"
            raise RefusedError(says, answer.status_code, reply if isinstance(reply, dict) else {})

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """HTTP's troubles as ServerError."""
        import httpx

        try:
            yield
        except httpx.ConnectError as error:
            raise ServerError(f"no server answers at {self.name} ({error})", gone=True) from None
        except httpx.TimeoutException:
            raise ServerError(f"{self.name} does not answer in time") from None
        except httpx.HTTPError as error:
            raise ServerError(f"the connection to {self.name} broke: {error or type(error).__name__}") from None


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
        if not isinstance(message, str):  # a picture
            return {}
        try:
            event = json.loads(message)
        except ValueError:
            event = None
        return event if isinstance(event, dict) and isinstance(event.get("data"), dict) else {}

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
