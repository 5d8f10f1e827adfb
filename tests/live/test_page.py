"""The page in a real Chromium, whose camera is a file."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
from children import INTERRUPTIBLE
from fomm_nodes.fomm_core.motion import load_keypoints
from fomm_nodes.fomm_core.video import VideoReader

playwright = pytest.importorskip("playwright.sync_api", reason="drives a browser by playwright")
pytest.importorskip("aiohttp")
CHROMIUM = shutil.which(os.environ.get("FOMM_CHROMIUM", "chromium"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")]
LIMIT = 240
SIZE = (320, 240)


@pytest.fixture(scope="module")
def camera(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled clip as Chromium's fake camera takes it: raw 4:2:0."""
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    with VideoReader(root / "fomm_core" / "assets" / "driving.mp4") as reader, path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F25:1 Ip A1:1 C420jpeg\n".encode())
        for frame in reader:
            file.write(b"FRAME\n" + cv2.cvtColor(cv2.resize(frame, SIZE), cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


@pytest.fixture
def address(root: Path, tmp_path: Path) -> Iterator[str]:
    assets = root / "fomm_core" / "assets"
    command = ["live", "--source", assets / "source.png", assets / "source-redhead.png", "--port", "0", "--no-browser"]
    code = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location(
    "fomm_nodes", {str(root / "__init__.py")!r}, submodule_search_locations=[{str(root)!r}])
module = sys.modules["fomm_nodes"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from fomm_nodes.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command, "-q", "--record-to", tmp_path],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        **INTERRUPTIBLE,
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def test_the_picture_follows_the_camera(address: str, camera: Path, tmp_path: Path) -> None:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={camera}",
            ],
        )
        page = browser.new_page()
        page.set_default_timeout(1000 * LIMIT)
        troubles: list[str] = []
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda problem: troubles.append(str(problem)))
        page.goto(address)
        after(page, 2)
        assert page.evaluate("fommLive.roundTrip() > 0 && fommLive.last().face")
        page.keyboard.press("r")
        until(page, "fommLive.state.recording && fommLive.last().recorded > 2")
        page.keyboard.press("r")
        until(page, "!fommLive.state.recording && fommLive.state.said.includes('take-001')")
        page.keyboard.press("2")
        until(page, "fommLive.state.source === 1")
        page.keyboard.press("m")
        until(page, "fommLive.state.mirror === false")
        page.locator("#strength").fill("0.5")
        until(page, "fommLive.state.strength === 0.5")
        page.locator("#share-mouth").fill("0.25")
        until(page, "fommLive.state.groups.mouth === 0.25 && fommLive.state.groups.head === 1")
        after(page, page.evaluate("fommLive.last().number") + 1)
        assert page.evaluate(LIT) > 1000
        browser.close()
    assert troubles == []
    saved = load_keypoints(tmp_path / "take-001.safetensors")
    with VideoReader(tmp_path / "take-001.mp4") as reader:
        assert len(list(reader)) == len(saved.keypoints) > 2


LIT = """() => {
  const canvas = document.getElementById("result");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.filter((value, place) => place % 4 === 0 && value > 100).length;
}"""
"""How many pixels of the result are no black."""


def until(page: Any, expression: str) -> None:
    """Asked again and again from outside: the page's policy lets no text become code inside of it."""
    end = time.monotonic() + LIMIT
    while not page.evaluate(expression):
        assert time.monotonic() < end, (expression, page.inner_text("#figures"), page.inner_text("#said"))
        page.wait_for_timeout(100)


def after(page: Any, frames: int) -> None:
    until(page, f"(fommLive.last()?.number ?? 0) >= {frames}")
