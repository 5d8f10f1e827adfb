"""HTTP with an end: every request has a total time and a size, and can be broken off at any moment.

Requests run in a thread of their own, so that one that hangs, wherever it does, can be left.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from ...fomm_core.errors import FommError

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 5.0
TICK = 0.2
CLOSE_SECONDS = 2.0
CHUNK = 1 << 20

LEAST_RATE = 16 << 10
"""Bytes per second that a transfer has to make on average, beyond the seconds that it has anyway."""

MOST_PARTS = 5_000_000
"""Brackets and commas in a JSON, which take far more memory than their text."""


class ServerError(FommError):
    """A server does not do what a ComfyUI does.

    gone: nobody listens at its address any more.
    """

    def __init__(self, message: str, *, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone


class AnswerError(ServerError):
    """A server answers, and with something that no ComfyUI says: a redirect, an answer without an end."""


@dataclass(frozen=True)
class Bounds:
    """Of one request. seconds: in all; a large transfer gets more by its size (see LEAST_RATE). size: bytes."""

    seconds: float
    size: int = 32 << 20


@dataclass(frozen=True)
class Answer:
    """What came. length: as the server's header tells it; None without one. size: bytes that came."""

    status: int
    reason: str
    length: int | None
    location: str
    body: bytes
    size: int

    @property
    def is_success(self) -> bool:
        """Whether it is what was asked for."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body's JSON; ValueError where it is none, or one that nobody means."""
        if sum(map(self.body.count, (b"[", b"{", b","))) > MOST_PARTS:
            raise ValueError("too many values")
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("too deep") from None


class Requests:
    """Requests to one server. Safe to use from several threads."""

    def __init__(self, url: str, name: str, *, trust_env: bool, verify: bool) -> None:
        self._url, self._name = url, name
        self._options = {"trust_env": trust_env, "verify": verify, "follow_redirects": False}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._http: httpx.AsyncClient | None = None
        self._closed = False

    def send(
        self,
        method: str,
        path: str,
        bounds: Bounds,
        tick: Callable[[], None] = lambda: None,
        *,
        into: BinaryIO | None = None,
        uploading: int = 0,
        **options: Any,
    ) -> Answer:
        """Ask, and wait for all of the answer; `tick` is called meanwhile, and what it raises is passed on.

        into: where the body of a success goes; its place in the answer stays empty. uploading: bytes of ours.

        Raises:
            ServerError: Nobody there, no end in time, a connection that broke.
            AnswerError: The answer is larger than `bounds`, or packed, which we do not ask for.
            OSError: `into` can't be written.
        """
        received = [0]
        began = time.monotonic()
        ended = threading.Event()
        work = self._exchange(method, path, bounds, into, received, options, ended)
        future = self._begin(work)
        try:
            while not future.done():
                left = bounds.seconds + (received[0] + uploading) / LEAST_RATE - (time.monotonic() - began)
                if left <= 0:
                    raise ServerError(f"{self._name} does not answer in time")
                concurrent.futures.wait([future], timeout=min(TICK, left))
                if not future.done():
                    tick()
        except BaseException:
            future.cancel()
            ended.wait(CLOSE_SECONDS)  # so that nobody writes into a file that is gone
            raise
        with self._errors():
            return future.result()

    def close(self) -> None:
        """End all requests and connections."""
        with self._lock:
            loop, self._loop, self._closed = self._loop, None, True
        if loop is not None:
            with contextlib.suppress(concurrent.futures.TimeoutError, Exception):
                asyncio.run_coroutine_threadsafe(self._wind_up(), loop).result(CLOSE_SECONDS)
            loop.call_soon_threadsafe(loop.stop)

    def _begin(self, work: Coroutine[Any, Any, Answer]) -> concurrent.futures.Future[Answer]:
        import httpx

        with self._lock:
            if self._closed:
                work.close()
                raise ServerError(f"the connection to {self._name} is closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._http = httpx.AsyncClient(**self._options)
                threading.Thread(target=_serve, args=(self._loop,), daemon=True).start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _exchange(
        self,
        method: str,
        path: str,
        bounds: Bounds,
        into: BinaryIO | None,
        received: list[int],
        options: dict[str, Any],
        ended: threading.Event,
    ) -> Answer:
        import httpx

        assert self._http is not None
        limit = httpx.Timeout(bounds.seconds, connect=min(CONNECT_SECONDS, bounds.seconds))
        headers = {"Accept-Encoding": "identity"}
        body = bytearray()
        try:
            async with self._http.stream(
                method, self._url + path, headers=headers, timeout=limit, **options
            ) as response:
                told = response.headers.get("content-length", "")
                length = int(told) if told.isdecimal() else None
                self._check(response, length, bounds)
                good = into if response.is_success else None
                async for chunk in response.aiter_raw(CHUNK if good else None):
                    received[0] += len(chunk)
                    if received[0] > bounds.size:
                        raise AnswerError(self._too_large(bounds))
                    if good is None:
                        body += chunk
                    else:
                        good.write(chunk)
                location = response.headers.get("location", "")
                words = response.reason_phrase
                return Answer(response.status_code, words, length, location, bytes(body), received[0])
        finally:
            ended.set()

    def _check(self, response: httpx.Response, length: int | None, bounds: Bounds) -> None:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise AnswerError(f"{self._name} packs its answers, which was not asked for")
        if length is not None and length > bounds.size and response.request.method != "HEAD":
            raise AnswerError(self._too_large(bounds))

    def _too_large(self, bounds: Bounds) -> str:
        return f"{self._name} sends more than {bounds.size / 1e6:.0f} MB"

    async def _wind_up(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """HTTP's troubles as ServerError."""
        import httpx

        try:
            yield
        except httpx.ConnectError as error:
            raise ServerError(f"no server answers at {self._name} ({error})", gone=True) from None
        except httpx.TimeoutException:
            raise ServerError(f"{self._name} does not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise ServerError(f"the connection to {self._name} broke: {error or type(error).__name__}") from None
        except concurrent.futures.CancelledError:
            raise ServerError(f"the connection to {self._name} is closed") from None


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
