"""The page's server: who is let in, and what comes back for a frame."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fomm_nodes.fomm_core.checkpoints import load_builtin
from fomm_nodes.fomm_core.errors import FommError, ImageError
from fomm_nodes.fomm_core.live import GROUPS, LiveOptions, Performer
from fomm_nodes.fomm_core.motion import load_keypoints
from fomm_nodes.fomm_core.video import VideoReader, read_picture

aiohttp = pytest.importorskip("aiohttp")

from fomm_nodes.live.feeds import ClipFeed  # noqa: E402
from fomm_nodes.live.guard import Guard  # noqa: E402
from fomm_nodes.live.pictures import from_jpeg, to_jpeg  # noqa: E402
from fomm_nodes.live.server import HEAD, STAMP, LiveServer  # noqa: E402
from fomm_nodes.live.worker import EARLY, Pace, free_stem  # noqa: E402
from nearness import near  # noqa: E402

LIMIT = 240
Talk = Callable[[Any, LiveServer], Coroutine[Any, Any, None]]


def guard() -> Guard:
    made = Guard()
    made.port = 8765
    return made


@pytest.mark.parametrize("host", ["evil.example:8765", "127.0.0.1", "127.0.0.1:80", "127.0.0.1.evil.example:8765", ""])
def test_another_hosts_name_is_refused(host: str) -> None:
    one = guard()
    assert "this machine's own name" in str(one.refusal(host, None, one.key, socket=False))


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8765", "http://localhost:80"])
def test_another_origin_is_refused(origin: str) -> None:
    one = guard()
    assert "another page" in str(one.refusal("127.0.0.1:8765", origin, one.key, socket=False))


def test_the_key_is_asked_for_and_sockets_state_their_origin() -> None:
    one, origin = guard(), "http://localhost:8765"
    for key in (None, "", one.key[:-1], one.key + "x", "é"):
        assert "key" in str(one.refusal("127.0.0.1:8765", None, key, socket=False))
    assert "origin" in str(one.refusal("localhost:8765", None, one.key, socket=True))
    assert one.refusal("localhost:8765", origin, one.key, socket=True) is None
    assert one.refusal("[::1]:8765", None, one.key, socket=False) is None
    assert guard().key != one.key


@pytest.fixture(scope="module")
def performer(root: Path) -> Performer:
    assets = root / "fomm_core" / "assets"
    pictures = [(name, read_picture(assets / name)) for name in ("source.png", "source-redhead.png")]
    return Performer(load_builtin(), pictures, LiveOptions(adapt=False))


def serve(performer: Performer, folder: Path, talk: Talk, feed: Any = None) -> None:
    """Run a server and a client in one loop."""

    async def both() -> None:
        ready = asyncio.Event()
        server = LiveServer(performer, folder=folder, feed=feed, on_ready=lambda address: ready.set())
        running = asyncio.ensure_future(server.run())
        await asyncio.wait([asyncio.ensure_future(ready.wait()), running], return_when=asyncio.FIRST_COMPLETED)
        try:
            async with aiohttp.ClientSession() as client:
                await asyncio.wait_for(talk(client, server), LIMIT)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(both())


def socket_of(client: Any, server: LiveServer) -> Any:
    origin = f"http://127.0.0.1:{server.guard.port}"
    return client.ws_connect(f"{server.address}socket".replace("http", "ws"), origin=origin, max_msg_size=0)


async def state(socket: Any, **wanted: Any) -> dict[str, Any]:
    while True:
        message = await socket.receive()
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        if message.type == aiohttp.WSMsgType.TEXT:
            told = json.loads(message.data)
            if all(told[name] == value for name, value in wanted.items()):
                return dict(told)


async def frame(socket: Any) -> tuple[dict[str, Any], np.ndarray, bytes]:
    while True:
        message = await socket.receive()
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        if message.type == aiohttp.WSMsgType.BINARY:
            head, driver = HEAD.unpack_from(message.data)
            rest = message.data[HEAD.size + head :]
            return json.loads(message.data[HEAD.size : HEAD.size + head]), from_jpeg(rest[driver:]), rest[:driver]


@pytest.mark.slow
def test_files_are_served_with_the_key_alone(performer: Performer, tmp_path: Path) -> None:
    async def talk(client: Any, server: LiveServer) -> None:
        async with client.get(server.address) as answer:
            assert answer.status == 200
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "live.js" in await answer.text()
        for name in ("live.js", "live.css"):
            async with client.get(server.address + name) as answer:
                assert answer.status == 200
        base = f"http://127.0.0.1:{server.guard.port}/"
        for path, status in (("", 403), ("wrong/", 403), (f"{server.guard.key}/server.py", 404)):
            async with client.get(base + path) as answer:
                assert answer.status == status, path
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            async with client.get(server.address, headers=headers) as answer:
                assert answer.status == 403
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect(f"{server.address}socket", origin="http://evil.example")

    serve(performer, tmp_path, talk)


@pytest.mark.slow
def test_a_camera_frame_comes_back_moved_and_is_recorded(performer: Performer, root: Path, tmp_path: Path) -> None:
    picture = read_picture(root / "fomm_core" / "assets" / "source.png")[..., :3]
    pictures = [np.ascontiguousarray(np.roll(picture, 4 * number, 1)) for number in range(3)]

    async def talk(client: Any, server: LiveServer) -> None:
        async with socket_of(client, server) as socket:
            told = await state(socket)
            assert (told["sources"], told["driver"]) == (["source.png", "source-redhead.png"], None)
            shown = []
            await socket.send_json({"do": "record", "value": True})
            await state(socket, recording=True)
            for number, one in enumerate(pictures):
                await socket.send_bytes(STAMP.pack(number) + to_jpeg(one))
                header, image, driver = await frame(socket)
                assert (header["stamp"], header["size"], driver) == (number, [128, 128], b"")
                assert header["recorded"] == number + 1
                shown.append(image.astype(int))
            assert np.abs(shown[2] - shown[0]).max() > 30
            await socket.send_json({"do": "source", "value": 1})
            assert "end the recording" in (await state(socket, source=0, recording=True))["said"]
            await socket.send_json({"do": "record", "value": False})
            assert "3 frames" in (await state(socket, recording=False))["said"]
            await socket.send_json({"do": "source", "value": 1})
            assert (await state(socket, source=1))["recording"] is False
            await socket.send_json({"do": "mouth", "value": 0.5})
            await state(socket, groups={"mouth": 0.5, "eyes": 1, "head": 1, "body": 1})
            await socket.send_json({"do": "mouth", "value": 1})
            await state(socket, groups=dict.fromkeys(GROUPS, 1))
            nonsense = [{"do": "strength", "value": 9}, {"do": "format"}, [1], {"do": "source", "value": True}]
            for wish in (*nonsense, {"do": "mouth", "value": 2}, {"do": "idle", "value": 0}):
                await socket.send_json(wish)
                assert "expected a wish" in (await state(socket))["said"]
            await socket.send_bytes(STAMP.pack(9) + b"no JPEG")
            assert "as JPEG" in (await state(socket))["said"]
            await socket.send_json({"do": "source", "value": 0})
            await state(socket, source=0)

    serve(performer, tmp_path, talk)
    saved = load_keypoints(tmp_path / "take-001.safetensors")
    with VideoReader(tmp_path / "take-001.mp4") as reader:
        assert len(list(reader)) == len(saved.keypoints) == 3
    assert saved.metadata["source"] == "source.png"


@pytest.mark.slow
def test_a_clip_drives_and_a_second_page_takes_over(performer: Performer, root: Path, tmp_path: Path) -> None:
    feed = ClipFeed(root / "fomm_core" / "assets" / "driving.mp4", loop=True)

    async def talk(client: Any, server: LiveServer) -> None:
        first = await socket_of(client, server)
        assert (await state(first))["driver"] == "driving.mp4"
        header, image, driver = await frame(first)
        assert image.shape == (128, 128, 3)
        assert from_jpeg(driver).shape[2] == 3
        async with socket_of(client, server) as second:
            await frame(second)
            while (message := await first.receive()).type != aiohttp.WSMsgType.CLOSE:
                assert message.type != aiohttp.WSMsgType.ERROR
            assert message.extra == "opened elsewhere"
        assert header["number"] >= 1

    serve(performer, tmp_path, talk, feed)


def test_pictures_that_are_none() -> None:
    frame = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    assert from_jpeg(to_jpeg(frame)).shape == frame.shape
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR"
    for data in (b"", b"\xff\xd8\xff", png, to_jpeg(frame)[:200]):
        with pytest.raises(ImageError, match="JPEG"):
            from_jpeg(data)
    with pytest.raises(ImageError, match="at most"):
        from_jpeg(to_jpeg(np.zeros((2000, 1100, 3), np.uint8)))
    small = to_jpeg(frame)
    sizes = struct.pack(">HH", *frame.shape[:2])
    assert small.count(sizes) == 1
    with pytest.raises(ImageError, match="JPEG"):
        from_jpeg(small.replace(sizes, struct.pack(">HH", 65_000, 65_000)))  # a bomb: its header alone is read


def test_a_frame_is_looked_at_as_late_as_it_will_do() -> None:
    pace = Pace(seeing=0.01, painting=0.05)
    pace.paints(100.0)
    assert not pace.idle.is_set()
    near(pace.spare(100.0), 0.05 - 0.01 * EARLY)
    assert pace.spare(100.045) == 0
    pace.saw(0.02)
    pace.painted(0.1)
    assert 0.01 < pace.seeing < 0.02
    assert 0.05 < pace.painting < 0.1
    assert pace.idle.is_set()
    pace.wait(0.0)  # returns, since nothing is painted any more


def test_takes_get_names_that_are_free(tmp_path: Path) -> None:
    folder = tmp_path / "takes"
    assert free_stem(folder).name == "take-001"
    (folder / "take-001.safetensors").touch()
    (folder / "take-002.mp4").touch()
    assert free_stem(folder).name == "take-003"


def test_a_clip_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no clip")
    with pytest.raises(FommError, match=r"a\.mp4"):
        ClipFeed(tmp_path / "a.mp4", loop=False)
