"""A ComfyUI that does its work and then lies about it, in one way each. Listens on 127.0.0.1 and ends by itself."""

from __future__ import annotations

import contextlib
import json
import struct
import time
from collections.abc import Callable
from typing import Any

from fake_comfy import FakeComfy, _Handler

LONGEST = 60.0
"""Seconds after which a lie that has no end comes to one."""

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c636060600000000400"
    "01f61738550000000049454e44ae426082"
)
"""An image of one black pixel."""

Lie = Callable[["_Liar"], None]


class LyingComfy(FakeComfy):
    """path: the requests that are lied to, as "GET /view" is the beginning of theirs. calls: how many were."""

    def __init__(self, path: str, lie: Lie, port: int = 0) -> None:
        self.path, self.lie, self.calls = path, lie, 0
        self.hold_socket = False
        super().__init__(port, handler=_Liar)


class _Liar(_Handler):
    server_of: LyingComfy

    def troubled(self) -> bool:
        if super().troubled():
            return True
        if not f"{self.command} {self.path}".startswith(self.server_of.path):
            return False
        self.server_of.calls += 1
        with contextlib.suppress(OSError):
            self.server_of.lie(self)
        self.close_connection = True
        return True

    def head(self, status: int = 200, **headers: Any) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def going_on(self) -> bool:
        return not self.fake._dead.is_set() and time.monotonic() < self.fake.began + LONGEST


def redirect(to: str) -> Lie:
    return lambda liar: liar.head(302, Location=to, Content_Length=0)


def body(content: bytes, **headers: Any) -> Lie:
    return lambda liar: liar.reply(content) if not headers else _with(liar, content, headers)


def _with(liar: _Liar, content: bytes, headers: dict[str, Any]) -> None:
    liar.head(**headers)
    liar.wfile.write(content)


def drip(liar: _Liar) -> None:
    """A byte now and then of what is said to be a small file."""
    liar.head(Content_Length=1000)
    while liar.going_on():
        liar.wfile.write(b"x")
        time.sleep(0.05)


def drip_in_the_head(liar: _Liar) -> None:
    """A byte now and then of headers, before which no client gets to see anything."""
    liar.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while liar.going_on():
        liar.wfile.write(b"x")
        time.sleep(0.05)


def endless(liar: _Liar) -> None:
    """As fast as it goes, without a length."""
    liar.head(Connection="close")
    while liar.going_on():
        liar.wfile.write(PNG + bytes(1 << 16))


def hang(liar: _Liar) -> None:
    """Headers, and then nothing."""
    liar.head(Content_Length=1000)
    while liar.going_on():
        time.sleep(0.02)


def silence(liar: _Liar) -> None:
    """Not even headers."""
    while liar.going_on():
        time.sleep(0.02)


def deaf_socket(liar: _Liar) -> None:
    """A websocket that opens and says nothing; or half of a message."""
    import base64
    import hashlib

    from fake_comfy import MAGIC

    accept = base64.b64encode(hashlib.sha1(liar.headers["Sec-WebSocket-Key"].encode() + MAGIC).digest()).decode()
    liar.head(101, Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Accept=accept)
    liar.wfile.write(bytes([0x81, 126]) + struct.pack(">H", 1000) + b"{")
    while liar.going_on():
        time.sleep(0.02)


def history(change: Callable[[dict], Any]) -> Lie:
    """What the server tells of a prompt, changed."""

    def lie(liar: _Liar) -> None:
        prompt = liar.path.rpartition("/")[2]
        entry = liar.fake.history.get(prompt)
        liar.reply({} if entry is None else {prompt: change(json.loads(json.dumps(entry)))})

    return lie


DEEP = b"[" * 200_000 + b"]" * 200_000
HUGE = b'{"queue_running": [' + b"[]," * 3_000_000 + b'[]], "queue_pending": []}'
GZIP = bytes.fromhex("1f8b08000000000000ff") + bytes(50)

LIES: dict[str, tuple[str, Lie, str]] = {
    "a redirect for the file": ("GET /view", redirect("http://127.0.0.1:9/"), "redirect to http://127.0.0.1:9/"),
    "a redirect loop": ("GET /view", redirect("/view?again"), "redirect"),
    "a redirect for the input": ("HEAD /view", redirect("/view"), "redirect"),
    "an empty body": ("GET /view", body(b""), "it is empty"),
    "a web page": ("GET /view", body(b"<!DOCTYPE html><html>Log in</html>"), "web page"),
    "24 bytes": ("GET /view", body(PNG[:24]), "can't be read as PNG"),
    "half a picture": ("GET /view", body(PNG[: len(PNG) // 2 + 8]), "can't be read as PNG"),
    "less than it told": ("GET /view", body(PNG[:40], Content_Length=len(PNG)), "broke"),
    "another kind": ("GET /view", body(b"RIFF$\0\0\0WAVEfmt " + bytes(32)), "can't be read as PNG"),
    "a clip's name without a clip": ("GET /view", body(b"\0\0\0\x18ftypmp42" + bytes(16)), "can't be read as PNG"),
    "a packed answer": (
        "GET /view",
        body(GZIP, Content_Encoding="gzip", Content_Length=len(GZIP)),
        "packs its answers",
    ),
    "a length beyond all": ("GET /view", body(b"x", Content_Length=1 << 50), "sends more than"),
    "an endless file": ("GET /view", endless, "sends more than"),
    "a file that drips": ("GET /view", drip, "in time"),
    "headers that drip": ("GET /view", drip_in_the_head, "in time"),
    "a hang after the headers": ("GET /view", hang, "in time"),
    "a hang before them": ("GET /view", silence, "in time"),
    "a queue that is a redirect": ("GET /queue", redirect("/queue"), "redirect"),
    "a queue of deep JSON": ("GET /queue", body(DEEP), "ComfyUI's JSON"),
    "a queue of huge JSON": ("GET /queue", body(HUGE), "ComfyUI's JSON"),
    "a queue of nonsense": ("GET /queue", body(b'{"queue_running": 1, "queue_pending": [[]]}'), "queue that is none"),
    "an infinite queue": (
        "GET /prompt",
        body(b'{"exec_info": {"queue_remaining": Infinity}}'),
        "not as a ComfyUI does",
    ),
    "a web page for the history": ("GET /history", body(b"<html></html>"), "ComfyUI's JSON"),
    "an endless history": ("GET /history", endless, "sends more than"),
    "success without outputs": ("GET /history", history(lambda entry: {**entry, "outputs": {}}), "nothing came out"),
    "outputs that are a list": (
        "GET /history",
        history(lambda entry: {**entry, "outputs": [1]}),
        "history that is none",
    ),
    "a status that is a word": (
        "GET /history",
        history(lambda entry: {**entry, "status": "fine"}),
        "history that is none",
    ),
    "a history that is a word": ("GET /history", history(lambda entry: "fine"), "history that is none"),
    "files that are not there": (
        "GET /history",
        history(lambda e: {**e, "outputs": {"9": {"images": [{"filename": "gone.png", "type": "output"}]}}}),
        "404",
    ),
    "no history at all": ("GET /history", body(b"{}"), "knows nothing of the job"),
}
"""By what is lied: the request, the lie, and words of the reason that the job fails with."""
