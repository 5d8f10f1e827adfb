"""Servers that lie: nothing wrong counts as done, and everything ends."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("httpx")
pytest.importorskip("websockets")

from fomm_nodes.batch.comfyui.engine import ComfyUIEngine
from fomm_nodes.batch.driver import Callbacks, RetryPolicy
from fomm_nodes.batch.engine import CancelledError, JobError, NoWorkersError, WorkerLostError
from fomm_nodes.batch.jobs import Batch
from fomm_nodes.batch.render import local_schemas, render, run_batch
from fomm_nodes.cli.main import main
from fomm_nodes.graph.model import Graph
from fomm_nodes.nodes.hosts.headless.files import Folders
from lying_comfy import (
    LIES,
    PNG,
    LyingComfy,
    body,
    deaf_socket,
    drip,
    drip_in_the_head,
    endless,
    hang,
    redirect,
    silence,
)
from PIL import Image

LIMIT = 40.0
"""Seconds that no lie may take; far above what any does, and below the time after which a server gives up."""


@pytest.fixture
def liar() -> Iterator[Callable[..., LyingComfy]]:
    made: list[LyingComfy] = []

    def start(path: str, lie) -> LyingComfy:
        made.append(LyingComfy(path, lie))
        return made[-1]

    yield start
    for server in made:
        server.die()


@pytest.fixture(autouse=True)
def _short_times(monkeypatch) -> None:
    for name, value in (("FIRST_PAUSE", 0.05), ("LONGEST_PAUSE", 0.1), ("POLL_LISTENING", 0.2)):
        monkeypatch.setattr(f"fomm_nodes.batch.comfyui.engine.{name}", value)
    monkeypatch.setattr("fomm_nodes.batch.comfyui.client.TRANSFER_SECONDS", 1.0)


def engine_of(*servers, **options) -> ComfyUIEngine:
    given = {"answer_seconds": 1.0, "patience": 1.0, "largest": 4 << 20, **options}
    return ComfyUIEngine([server.url for server in servers], **given)


def one_picture(tmp_path: Path) -> dict:
    folder = tmp_path / "in"
    folder.mkdir()
    Image.new("RGB", (4, 4), "red").save(folder / "a.png")
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
    }


@pytest.mark.parametrize("name", LIES)
def test_a_lie_fails_the_job_with_a_reason_and_leaves_nothing(name, liar, tmp_path) -> None:
    path, lie, words = LIES[name]
    server = liar(path, lie)
    began = time.monotonic()
    reason = ""
    try:
        summary = render(
            one_picture(tmp_path), input_folder=tmp_path / "in", output=tmp_path / "out", engine=engine_of(server)
        )
        assert (summary.done, summary.failed) == (0, 1)
        reason = summary.failures[0].error
    except NoWorkersError as error:
        reason = str(error)  # the only server is none: the batch stops, and says so
    assert words in reason
    assert server.calls
    assert time.monotonic() - began < LIMIT
    assert {file.name for file in (tmp_path / "out").rglob("*") if file.suffix in {".png", ".part"}} == set()


@pytest.mark.parametrize("name", [name for name, (path, *_) in LIES.items() if path == "GET /view"])
def test_what_one_server_does_not_give_another_makes(name, liar, comfy, make_job, told) -> None:
    path, lie, _ = LIES[name]
    honest = comfy()
    honest.others = 50  # so that the liar is asked first
    server = liar(path, lie)
    with engine_of(server, honest) as engine:
        for _ in range(3):
            with contextlib.suppress(WorkerLostError):  # as the driver does
                outcome = engine.run(make_job(), told)
                break
    assert outcome.worker.endswith(str(honest.port))
    assert server.calls
    assert outcome.files[0].read_bytes() in honest.files.values()


@pytest.mark.parametrize("lie", [drip, drip_in_the_head, endless, hang, silence], ids=lambda lie: lie.__name__)
@pytest.mark.parametrize("path", ["GET /view", "HEAD /view", "GET /history", "POST /upload/image", "POST /prompt"])
def test_a_job_is_cancelled_whatever_the_server_does(lie, path, liar, make_job, told, monkeypatch) -> None:
    """With the times that are given to real servers."""
    monkeypatch.setattr("fomm_nodes.batch.comfyui.client.TRANSFER_SECONDS", 60.0)
    if lie is endless and path != "GET /view":
        pytest.skip("that is over before anybody can cancel it: a short answer has a small limit")
    server, job = liar(path, lie), make_job()
    began: list[float] = []

    def cancel(progress) -> None:
        if server.calls:
            began.append(time.monotonic())
            raise CancelledError("enough")

    told.then = cancel
    engine = ComfyUIEngine([server.url], largest=1 << 40)
    try:
        with pytest.raises(CancelledError):
            engine.run(job, told)
        assert time.monotonic() - began[0] < LIMIT / 2
    finally:
        server.die()
        engine.close()
    assert not [path for path in job.output.parent.glob("**/*") if path.is_file()]


def test_a_time_limit_ends_a_download_that_drips(liar, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("fomm_nodes.batch.comfyui.client.TRANSFER_SECONDS", 60.0)
    server = liar("GET /view", drip)
    graph = one_picture(tmp_path)
    folders = Folders((tmp_path / "in",))
    batch = Batch(Graph.from_api(graph), "graph", local_schemas(folders), folders, tmp_path / "out")
    began = time.monotonic()
    summary = run_batch(batch, lambda folder: engine_of(server), retry=RetryPolicy(retries=0, seconds=1.0))
    assert time.monotonic() - began < LIMIT
    assert "took more than 1 s" in summary.failures[0].error


def test_ctrl_c_ends_a_download_that_drips(liar, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("fomm_nodes.batch.comfyui.client.TRANSFER_SECONDS", 60.0)
    server = liar("GET /view", drip)

    def tick() -> None:
        if server.calls:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        render(
            one_picture(tmp_path),
            input_folder=tmp_path / "in",
            output=tmp_path / "out",
            engine=engine_of(server),
            callbacks=Callbacks(progress=lambda progress: tick(), tick=tick),
        )
    assert time.monotonic() - began < LIMIT


def test_a_websocket_that_stops_in_the_middle_of_a_message_is_not_missed(liar, make_job, told) -> None:
    server = liar("GET /ws", deaf_socket)
    with engine_of(server) as engine:
        assert engine.run(make_job(), told).files
    assert server.calls


@pytest.mark.parametrize(
    "event",
    [
        {"type": "progress", "data": {"value": "many", "max": [], "node": {"a": 1}}},
        {"type": "progress", "data": {"value": 1e999, "max": float("nan"), "node": "9"}},
        {"type": ["executing"], "data": {}},
        {"type": "executing", "data": {"node": 9, "prompt_id": []}},
        {"type": "executing", "data": []},
        {"data": {"node": "9"}},
    ],
)
def test_odd_news_is_no_news(event, comfy, make_job, told, monkeypatch) -> None:
    server = comfy()
    send = type(server).send
    monkeypatch.setattr(
        type(server), "send", lambda self, client, real: (send(self, client, event), send(self, client, real))
    )
    with engine_of(server) as engine:
        assert engine.run(make_job(), told).files


def test_the_size_limit_counts_all_files_of_a_job(comfy, make_job, told) -> None:
    server, job = comfy(), make_job(count=5)
    with engine_of(server) as engine:
        engine.run(job, told)
    size = max(len(content) for content in server.files.values())
    with engine_of(server, largest=3 * size) as engine, pytest.raises(JobError, match="sends more than"):
        engine.run(job, told)


# ----- what its nodes look like

ODD = {
    "NoDict": 3,
    "NoInput": {"output": ["IMAGE"]},
    "ListInput": {"input": [1, 2]},
    "ListGroup": {"input": {"required": [1]}},
    "OddName": {"input": {"required": {"a": None, "b": [], "c": 3, "d": [[], 5]}}, "output": 7},
    "OddOrder": {"input": {"required": {"a": ["INT"]}}, "input_order": {"required": 5}},
    "OddChoices": {"input": {"required": {"a": ["COMFY_DYNAMICCOMBO_V3", {"options": [3]}]}}},
    "OddOutput": {"input": {}, "output": {"a": 1}, "display_name": ["x"], "output_node": "yes"},
}


@pytest.mark.parametrize("given", ["option", "server"])
def test_odd_node_classes_do_not_harm_the_sound_ones(given, liar, tmp_path, capsys) -> None:
    import json

    from fake_comfy import OBJECT_INFO

    server = liar("GET /object_info", body(json.dumps({**ODD, **OBJECT_INFO}).encode()))
    graph = one_picture(tmp_path)
    graph["5"] = {"class_type": "Slow", "inputs": {}}
    server.hold.set()
    (tmp_path / "graph.json").write_text(json.dumps(graph))
    options = ["--object-info", server.url] if given == "option" else []
    files = ["-i", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    assert main(["render", str(tmp_path / "graph.json"), *files, "--server", server.url, *options]) == 0, (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "lie",
    [
        *(body(b"[" * 200_000), body(b'{"a": 3}'), body(b"<html></html>"), body(b""), redirect("/object_info")),
        *(drip, drip_in_the_head, endless, hang, silence),
    ],
)
@pytest.mark.parametrize("given", ["option", "server"])
def test_what_is_no_object_info_is_said(lie, given, liar, tmp_path, capsys, monkeypatch) -> None:
    import json

    monkeypatch.setattr("fomm_nodes.graph.schemas.PATIENCE", 1.0)
    monkeypatch.setattr("fomm_nodes.graph.schemas.LARGEST", 1 << 20)
    monkeypatch.setattr("fomm_nodes.batch.comfyui.client.SCHEMAS_SIZE", 1 << 20)
    server = liar("GET /object_info", lie)
    graph = {**one_picture(tmp_path), "5": {"class_type": "Slow", "inputs": {}}}
    (tmp_path / "graph.json").write_text(json.dumps(graph))
    options = ["--object-info", server.url] if given == "option" else []
    began = time.monotonic()
    assert main(["render", str(tmp_path / "graph.json"), "-o", str(tmp_path / "out"), "--server", server.url, *options])
    said = capsys.readouterr().err
    assert said.startswith("fomm: error: ")
    assert "Traceback" not in said
    assert time.monotonic() - began < LIMIT
    assert threading.active_count() < 50
    assert not (tmp_path / "out").exists()


def test_the_picture_of_the_tests_is_one(tmp_path) -> None:
    from fomm_nodes.batch.contents import check

    (tmp_path / "a.png").write_bytes(PNG)
    assert check(tmp_path / "a.png") == 1
