"""The page's server: loopback only, one page at a time, frames over a WebSocket."""

from __future__ import annotations

import asyncio
import json
import logging
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from ..fomm_core.errors import FommError
from ..fomm_core.live import Performer
from ..fomm_core.live.performer import shrunk
from .feeds import Feed, start_feed
from .guard import Guard
from .pictures import MOST_BYTES, from_jpeg, to_jpeg
from .virtual import VirtualCamera
from .worker import Incoming, Outgoing, Worker

log = logging.getLogger("fomm.live")

PAGE = Path(__file__).parent / "page"
FILES = {"": "index.html", "live.js": "live.js", "live.css": "live.css"}
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
SHOWN_DRIVER = 320
"""Pixels of the longer side at which the page shows a driver that it does not have itself."""
STAMP = struct.Struct("<d")
HEAD = struct.Struct("<II")


class LiveServer:
    """Serves the page until it is stopped.

    feed: the driver; None is the page's camera. folder: of takes. camera: a virtual one that shows the result too.
    on_ready: hears the page's address. port: 0 takes a free one.
    """

    def __init__(
        self,
        performer: Performer,
        *,
        folder: Path,
        feed: Feed | None = None,
        camera: VirtualCamera | None = None,
        port: int = 0,
        on_ready: Callable[[str], None] = lambda address: None,
    ) -> None:
        self.guard = Guard()
        self._feed, self._camera, self._port, self._on_ready = feed, camera, port, on_ready
        self._worker = Worker(performer, folder, self._made, self._changed, self._failed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._socket: web.WebSocketResponse | None = None
        self._newest: bytes | None = None
        self._news = asyncio.Event()
        self._failure: asyncio.Future[None] | None = None
        self._stop = threading.Event()
        self._ended = ""

    @property
    def address(self) -> str:
        """With the key; known once `run` has begun to listen."""
        return f"http://127.0.0.1:{self.guard.port}/{self.guard.key}/"

    async def run(self) -> None:
        """Listen until cancelled. Raises OSError where the port is taken, and what ended the computing."""
        self._loop = asyncio.get_running_loop()
        self._failure = self._loop.create_future()
        app = web.Application(middlewares=[self.guard.middleware()], client_max_size=1024)
        app.router.add_get("/{key}/socket", self._talk)
        app.router.add_get("/{key}/{name:[a-z.]*}", self._file)
        app.router.add_get("/{rest:.*}", self._nothing)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        with ExitStack() as stack:
            await runner.setup()
            try:
                site = web.TCPSite(runner, "127.0.0.1", self._port)
                await site.start()
                self.guard.port = runner.addresses[0][1]
                stack.enter_context(self._worker)
                if self._feed is not None:
                    start_feed(self._feed, self._fed, self._feed_ended, self._stop)
                    stack.callback(self._stop.set)
                self._on_ready(self.address)
                await self._failure
            finally:
                await runner.cleanup()

    async def _nothing(self, request: web.Request) -> web.Response:
        return web.Response(status=404, text="there is nothing here.")

    async def _file(self, request: web.Request) -> web.Response:
        name = FILES.get(request.match_info["name"])
        if name is None:
            return await self._nothing(request)
        path = PAGE / name
        return web.Response(body=path.read_bytes(), content_type=KINDS[path.suffix], charset="utf-8")

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=MOST_BYTES, heartbeat=20, compress=False)
        await socket.prepare(request)
        before, self._socket = self._socket, socket
        if before is not None:
            await before.close(code=WSCloseCode.GOING_AWAY, message=b"opened elsewhere")
        await self._send_state(self._worker.state())
        sender = asyncio.ensure_future(self._send_frames(socket))
        try:
            async for message in socket:
                if message.type == WSMsgType.BINARY:
                    await self._hear_frame(message.data)
                elif message.type == WSMsgType.TEXT:
                    await self._hear_wish(message.data)
        finally:
            sender.cancel()
            if self._socket is socket:
                self._socket = None
        return socket

    async def _hear_frame(self, data: bytes) -> None:
        """A frame of the page's camera: its stamp, then a JPEG."""
        if self._feed is not None or len(data) <= STAMP.size:
            return
        at = time.monotonic()
        assert self._loop is not None
        try:
            frame = await self._loop.run_in_executor(None, from_jpeg, data[STAMP.size :])
        except FommError as problem:
            await self._say(str(problem))
            return
        self._worker.incoming.put(Incoming(frame, at, STAMP.unpack_from(data)[0]))

    async def _hear_wish(self, text: str) -> None:
        try:
            wish = json.loads(text[:1024])
            if not isinstance(wish, dict):
                raise FommError("expected a wish as a JSON object.")
            self._worker.ask(wish)
        except (FommError, json.JSONDecodeError, RecursionError) as problem:
            await self._say(str(problem))

    async def _say(self, text: str) -> None:
        await self._send_state({**self._worker.state(), "said": text})

    async def _send_state(self, state: dict[str, Any]) -> None:
        socket = self._socket
        if socket is None or socket.closed:
            return
        feed = None if self._feed is None else self._feed.name
        virtual = None if self._camera is None else self._camera.name
        try:
            await socket.send_json({**state, "driver": feed, "virtual": virtual, "ended": self._ended})
        except ConnectionError:
            return

    async def _send_frames(self, socket: web.WebSocketResponse) -> None:
        """The newest frame, as soon as the one before is away."""
        while not socket.closed:
            await self._news.wait()
            self._news.clear()
            data, self._newest = self._newest, None
            if data is None:
                continue
            try:
                await socket.send_bytes(data)
            except ConnectionError:
                return

    def _made(self, out: Outgoing) -> None:
        """In the worker's thread."""
        if self._camera is not None:
            self._camera.show(out.shown.image)
        if self._loop is None or self._socket is None:
            return
        data = packed(out, with_driver=self._feed is not None)
        self._loop.call_soon_threadsafe(self._leave, data)

    def _leave(self, data: bytes) -> None:
        self._newest = data
        self._news.set()

    def _changed(self, state: dict[str, Any]) -> None:
        """In the worker's thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self._send_state(state)))

    def _failed(self, problem: BaseException) -> None:
        """In the worker's thread."""

        def tell() -> None:
            if self._failure is not None and not self._failure.done():
                self._failure.set_exception(problem)

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(tell)

    def _fed(self, frame: Any) -> None:
        """In the feed's thread."""
        self._worker.incoming.put(Incoming(frame, time.monotonic()))

    def _feed_ended(self, told: str) -> None:
        self._ended = told or "the driver has ended."
        if not self._stop.is_set():
            self._changed(self._worker.state())


def packed(out: Outgoing, *, with_driver: bool) -> bytes:
    """A message to the page: the lengths of a JSON header and of the driver's JPEG (0 without), then header, driver,
    result.
    """
    shown, height, width = out.shown, *out.incoming.frame.shape[:2]
    header = {
        "number": out.number,
        "stamp": out.incoming.stamp,
        "fps": round(out.fps, 1),
        "latency": round(1000 * out.latency, 1),
        "cpu": round(1000 * out.cpu, 1),
        "box": [value / width for value in shown.box],
        "aspect": height / width,
        "size": [shown.level.size[1], shown.level.size[0]],
        "precision": str(shown.level.dtype).removeprefix("torch."),
        "face": shown.face,
        "inside": shown.inside,
        "recorded": out.recorded,
    }
    head = json.dumps(header).encode()
    driver = to_jpeg(shrunk(out.incoming.frame, SHOWN_DRIVER)) if with_driver else b""
    return HEAD.pack(len(head), len(driver)) + head + driver + to_jpeg(shown.image)
