"""`fomm live` in Chromium, whose camera is a clip: frames per second, delay from camera to page, memory over time."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
from fomm_nodes.fomm_core.errors import FommError
from fomm_nodes.fomm_core.shipped import ASSETS
from fomm_nodes.fomm_core.video import VideoReader

WIDTH, HEIGHT = 640, 480
EVERY = 10
"""Seconds between lines of the table."""
FIRST = 30
"""Frames before the clock starts."""


def measure(seconds: int, clip: Path | None, threads: int, model: str | None, adapt: bool, shot: Path | None) -> None:
    """Print a line every ten seconds."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which(os.environ.get("FOMM_CHROMIUM", "chromium"))
    if chromium is None:
        raise FommError("expected Chromium; there is none. FOMM_CHROMIUM may name it.")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        camera = _camera(clip or ASSETS / "driving.mp4", Path(folder) / "camera.y4m")
        server = _server(Path(folder), threads, model, adapt)
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            browser = driver.chromium.launch(
                executable_path=chromium,
                args=[
                    "--no-sandbox",
                    "--use-fake-ui-for-media-stream",
                    "--use-fake-device-for-media-stream",
                    f"--use-file-for-fake-video-capture={camera}",
                ],
            )
            page = browser.new_page()
            page.goto(address)
            while page.evaluate("(fommLive.last()?.number ?? 0)") < FIRST:
                page.wait_for_timeout(100)
            print(f"{'s':>4} {'fps':>6} {'median ms':>10} {'95 % ms':>8} {'CPU ms':>7} {'MiB':>6}  size")
            start = time.monotonic()
            before = [page.evaluate("fommLive.last().number"), start, _cpu(server.pid)]
            page.evaluate("fommLive.trips.length = 0")
            trips: list[float] = []
            while time.monotonic() - start < seconds:
                page.wait_for_timeout(1000 * EVERY)
                new = [float(trip) for trip in page.evaluate("fommLive.trips.splice(0)")]
                trips += new
                last = page.evaluate("fommLive.last()")
                now = [last["number"], time.monotonic(), _cpu(server.pid)]
                frames = now[0] - before[0]
                ordered = sorted(new) or [float("nan")]
                print(
                    f"{now[1] - start:4.0f} {frames / (now[1] - before[1]):6.1f} {statistics.median(ordered):10.0f}"
                    f" {ordered[int(0.95 * (len(ordered) - 1))]:8.0f}"
                    f" {1000 * (now[2] - before[2]) / max(1, frames):7.1f} {_memory(server.pid):6.0f}"
                    f"  {'x'.join(map(str, last['size']))} {last['precision']}",
                    flush=True,
                )
                before = now
            if shot is not None:
                page.screenshot(path=shot)
            browser.close()
            ordered = sorted(trips)
            print(
                f"camera to page over all: median {statistics.median(ordered):.0f} ms, 95 % within"
                f" {ordered[int(0.95 * len(ordered))]:.0f} ms; {os.getloadavg()[0]:.1f} processes wanted a core"
            )
        finally:
            server.terminate()
            server.wait(60)


def _camera(clip: Path, path: Path) -> Path:
    """As Chromium's fake camera takes it: raw 4:2:0."""
    with VideoReader(clip) as reader, path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 C420jpeg\n".encode())
        for frame in reader:
            fitted = cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
            file.write(b"FRAME\n" + cv2.cvtColor(fitted, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


def _server(folder: Path, threads: int, model: str | None, adapt: bool) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fomm_nodes.cli", "live", "--source", str(ASSETS / "source.png"), "--port", "0"]
    command += ["--no-browser", "-q", "--record-to", str(folder)]
    command += [*(["--model", model] if model else []), *([] if adapt else ["--no-adapt"])]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _cpu(process: int) -> float:
    """Seconds of CPU time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(process: int) -> float:
    """MiB that a process holds."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
