"""The worker process as Blender drives it: results, cancel, and each way in which a worker can go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fomm_nodes.nodes.hosts.blender.client import Client, Settings
from fomm_nodes.nodes.hosts.blender.process import BLENDERS_OWN
from PIL import Image

from .conftest import node, submit, wait

ROOT = Path(__file__).resolve().parents[4]
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.is_file() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_graph_runs_and_its_files_are_named(client: Client, animate, tmp_path: Path) -> None:
    handle, heard = submit(client, animate, tmp_path / "clips" / "anna")
    wait(client, lambda: handle.ended)
    assert heard.failures == []
    (result,) = heard.results
    assert {(made.node, made.shown) for made in result.files} == {("4", False), ("5", True)}
    kept = {made.node: made.path for made in result.files}
    assert kept["4"] == tmp_path / "clips" / "anna.mp4"
    assert [path.name for path in (tmp_path / "clips").iterdir()] == ["anna.mp4"]
    with Image.open(kept["5"]) as shown:
        assert shown.size == (256, 256)
    done = [(told.done, told.total) for told in heard.progress if told.node == "FOMM_AnimateVideo"]
    assert done == sorted(done)
    assert done[-1] == (92, 92)
    preview = heard.progress[-1].preview
    assert preview is not None
    with Image.open(preview) as picture:
        assert picture.size == (128, 128)


def test_a_second_run_is_warm_and_the_same(client: Client, animate, tmp_path: Path) -> None:
    first, _ = submit(client, animate, tmp_path / "a")
    second, heard = submit(client, animate, tmp_path / "b")
    wait(client, lambda: first.ended and second.ended)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert heard.results[0].reused == 3


def test_cancel_is_quick_and_leaves_the_worker_warm(client: Client, animate, tmp_path: Path) -> None:
    slow = {**animate, "3": {**animate["3"], "inputs": {**animate["3"]["inputs"], "size": "custom"}}}
    slow["3"]["inputs"] |= {"width": 512, "height": 512, "precision": "float32"}  # seconds for one step
    handle, heard = submit(client, slow, tmp_path / "never")
    wait(client, lambda: any(told.node == "FOMM_AnimateVideo" for told in heard.progress))
    pid = client.process.pid
    asked = time.monotonic()
    handle.cancel()
    wait(client, lambda: handle.ended)
    took = time.monotonic() - asked
    assert heard.failures[0].cancelled
    assert took < client.settings.cancel_seconds, "it was killed instead"
    assert list(tmp_path.iterdir()) == []
    for pause in (0.0, 0.1, 0.3, 0.6):  # wherever it strikes
        handle, heard = submit(client, slow)
        wait(client, lambda heard=heard: any(told.node == "FOMM_AnimateVideo" for told in heard.progress))
        time.sleep(pause)
        handle.cancel()
        wait(client, lambda handle=handle: handle.ended)
        assert heard.failures[0].cancelled, heard.failures[0].details
    again, heard = submit(client, animate, tmp_path / "after")
    wait(client, lambda: again.ended)
    assert client.process.pid == pid
    assert heard.results[0].reused >= 2


def test_one_that_waits_can_be_cancelled(client: Client, animate) -> None:
    first, heard_first = submit(client, animate)
    second, heard = submit(client, animate)
    second.cancel()
    wait(client, lambda: first.ended and second.ended)
    assert heard.failures[0].cancelled
    assert heard_first.results


def test_a_failing_node_is_named(client: Client) -> None:
    handle, heard = submit(client, {"1": node("FOMM_LoadModel", model="none.pth"), "2": node("PreviewImage")})
    wait(client, lambda: handle.ended)
    assert "PreviewImage" in heard.failures[0].message
    assert not heard.failures[0].cancelled


def test_choices_are_told(client: Client) -> None:
    client.describe()
    wait(client, lambda: client.choices)
    assert "demo-128 (built-in)" in client.choices["models"]


@posix
def test_a_killed_worker_is_reported_and_started_again(client: Client, animate, tmp_path: Path) -> None:
    new = {**animate, "3": {**animate["3"], "inputs": {**animate["3"]["inputs"], "strength": 0.5}}}
    handle, heard = submit(client, new, tmp_path / "lost")
    wait(client, lambda: any(told.node == "FOMM_AnimateVideo" for told in heard.progress))
    os.kill(client.process.pid, signal.SIGKILL)
    wait(client, lambda: handle.ended)
    assert "killed by signal 9" in heard.failures[0].message
    assert list(tmp_path.iterdir()) == []
    again, heard = submit(client, animate)
    wait(client, lambda: again.ended)
    assert heard.results


@posix
def test_a_hung_worker_is_ended(animate) -> None:
    client = Client(Settings(sys.executable, device="cpu", silent_seconds=3.0))
    try:
        handle, heard = submit(client, animate)
        wait(client, lambda: heard.progress)
        pid = client.process.pid
        os.kill(pid, signal.SIGSTOP)
        wait(client, lambda: handle.ended)
        assert "no sign of life for 3 seconds" in heard.failures[0].message
        assert not alive(pid)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("python", "words"),
    [("", "no Python was chosen"), ("/nowhere/python", "can't be run")],
)
def test_no_python(python: str, words: str) -> None:
    client = Client(Settings(python))
    handle, heard = submit(client, {})
    wait(client, lambda: handle.ended)
    assert words in heard.failures[0].message
    client.close()


def test_a_python_without_torch_says_what_to_install(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True, timeout=60)
    python = next(path for path in tmp_path.glob("bare/*/python*") if path.is_file())
    client = Client(Settings(str(python)))
    handle, heard = submit(client, {})
    wait(client, lambda: handle.ended)
    assert "has no library" in heard.failures[0].message
    assert "Set Up Worker" in heard.failures[0].message
    client.close()


def test_a_program_that_is_no_python_is_told(tmp_path: Path) -> None:
    client = Client(Settings(sys.executable, device="no-such-device"))
    handle, heard = submit(client, {})
    wait(client, lambda: handle.ended)
    assert "No worker" in heard.failures[0].message
    assert "no-such-device" in heard.failures[0].message
    client.close()


DRIVER = """
import importlib.util, json, sys, time
from pathlib import Path
root = sys.argv[1]
spec = importlib.util.spec_from_file_location("pack", root + "/__init__.py", submodule_search_locations=[root])
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])
from pack.nodes.hosts.blender.client import Client, Settings
client = Client(Settings(sys.executable, device="cpu"))
seen = []
client.submit(json.loads(sys.argv[2]), output=Path(sys.argv[3]), on_progress=seen.append, on_done=seen.append,
              on_error=seen.append)
while not any(getattr(told, "done", 0) > 46 for told in seen):
    client.poll()
    time.sleep(0.02)
heavy = {"torch", "numpy", "av"} & set(sys.modules)
print(client.process.pid, *heavy, flush=True)
time.sleep(600)
"""


@posix
def test_a_killed_driver_leaves_no_orphan_and_no_files(animate, tmp_path: Path) -> None:
    command = [sys.executable, "-c", DRIVER, str(ROOT), json.dumps(animate), str(tmp_path / "out" / "x")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        told = driver.stdout.readline().split()
        assert len(told) == 1, f"loaded {told[1:]}"
        driver.kill()
    end = time.monotonic() + 20
    while alive(int(told[0])) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(int(told[0]))
    assert list((tmp_path / "out").iterdir()) == []


def test_blenders_own_settings_do_not_reach_the_worker(monkeypatch: pytest.MonkeyPatch, animate) -> None:
    for name in BLENDERS_OWN:
        monkeypatch.setenv(name, "/nowhere")
    client = Client(Settings(sys.executable, device="cpu"))
    handle, heard = submit(client, {"1": animate["1"], "5": animate["5"]})
    wait(client, lambda: handle.ended)
    assert heard.failures == []
    client.close()
