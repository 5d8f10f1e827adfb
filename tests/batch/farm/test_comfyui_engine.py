from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("httpx")
pytest.importorskip("websockets")

from fomm_nodes.batch.comfyui.client import RefusedError, normal_url
from fomm_nodes.batch.comfyui.engine import ComfyUIEngine
from fomm_nodes.batch.comfyui.process import Checkout
from fomm_nodes.batch.comfyui.prompt import refusal
from fomm_nodes.batch.engine import CancelledError, JobError, NoWorkersError, WorkerLostError
from fomm_nodes.fomm_core import FommError


def engine_of(*servers, **options) -> ComfyUIEngine:
    return ComfyUIEngine(
        [s if isinstance(s, str) else s.url for s in servers], **{"answer_seconds": 0.5, "patience": 1.5, **options}
    )


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch) -> None:
    monkeypatch.setattr("fomm_nodes.batch.comfyui.engine.FIRST_PAUSE", 0.2)
    monkeypatch.setattr("fomm_nodes.batch.comfyui.engine.POLL_LISTENING", 0.2)


def wait_for(condition, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def left_over(job) -> list[Path]:
    return sorted(path for path in job.output.parent.rglob("*") if path.name != f"{job.output.name}.png")


def test_a_job_goes_there_and_its_picture_comes_back(comfy, make_job, told) -> None:
    server, job = comfy(), make_job()
    with engine_of(server) as engine:
        assert engine.workers == (f"127.0.0.1:{server.port}",)
        outcome = engine.run(job, told)
    assert outcome.files == (job.output.with_name("job1.png"),)
    (remote,) = server.files.values()
    assert outcome.files[0].read_bytes() == remote
    assert (outcome.frames, outcome.worker) == (1, engine.workers[0])
    assert left_over(job) == []
    assert {p.job for p in told.seen} == {"1"}
    assert ("Portrait", 1, 2) in {(p.node, p.done, p.total) for p in told.seen}
    (uploaded,) = server.uploads
    assert uploaded.startswith("fomm-render/")
    assert server.inputs[uploaded] == b"portrait"
    assert all(folder == f"fomm-render/{job.key[:16]}" for _, folder, _ in server.files)


def test_the_same_content_is_uploaded_once_whatever_its_name(comfy, make_job, told) -> None:
    server = comfy()
    with engine_of(server) as engine:
        for identity in "123":
            engine.run(make_job(identity), told)
        engine.run(make_job("4", content=b"another"), told)
    with engine_of(server) as engine:  # another batch, another day
        engine.run(make_job("5"), told)
    assert len(server.uploads) == 2


def test_a_half_uploaded_file_is_sent_again(comfy, make_job, told) -> None:
    server, job = comfy(), make_job()
    with engine_of(server) as engine:
        engine.run(job, told)
        server.inputs[server.uploads[0]] = b"por"
        engine.run(job, told)
    assert list(server.inputs.values()) == [b"portrait"]


def test_many_pictures_get_numbers_and_a_preview_counts_where_there_is_nothing_else(comfy, make_job, told) -> None:
    server = comfy()
    several, preview = make_job("1", count=3), make_job("2", "PreviewImage")
    only = {key: node for key, node in preview.graph.items() if node["class_type"] != "SaveImage"}
    with engine_of(server) as engine:
        assert [f.name for f in engine.run(several, told).files] == [f"job1_{n:05d}.png" for n in (1, 2, 3)]
        assert [f.name for f in engine.run(preview, told).files] == ["job2.png"]
        assert [f.name for f in engine.run(replace(preview, graph=only), told).files] == ["job2.png"]


def test_jobs_are_spread_over_servers_by_the_length_of_their_queues(comfy, make_job, told) -> None:
    servers = [comfy(), comfy(), comfy()]
    servers[1].others = 50
    with engine_of(*servers) as engine, ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda n: engine.run(make_job(str(n)), told), range(12)))
    assert len({file for outcome in outcomes for file in outcome.files}) == 12
    assert [len(server.ran) > 0 for server in servers] == [True, False, True]
    assert sum(len(server.ran) for server in servers) == 12


def test_without_a_websocket_the_job_still_ends(comfy, make_job, told) -> None:
    server, job = comfy(), make_job()
    server.websocket = False
    with engine_of(server) as engine:
        assert engine.run(job, told).files


def test_a_websocket_that_breaks_in_the_middle_is_not_missed(comfy, make_job, told) -> None:
    server, job = comfy(), make_job("1", "Slow")

    def then(progress) -> None:
        if progress.node == "My Slow":
            for socket in list(server.sockets.values()):
                socket.shutdown(2)
            server.hold.set()

    told.then = then
    with engine_of(server) as engine:
        assert engine.run(job, told).files


def test_a_job_has_a_worker_once_it_is_its_turn(comfy, make_job, told) -> None:
    server = comfy()
    server.websocket = False  # the hard case
    server.submit("somebody's", {"1": {"class_type": "Slow", "inputs": {}}}, "")
    wait_for(lambda: server.running)
    waited = []

    def then(progress) -> None:
        if server.pending:
            waited.append(progress.worker)
            server.hold.set()

    told.then = then
    with engine_of(server) as engine:
        assert engine.run(make_job("1", "Slow"), told).files
    assert set(waited) == {""}


def test_it_tells_what_nodes_there_are(comfy) -> None:
    dead, server = comfy(), comfy()
    dead.die()
    with engine_of(dead, server) as engine:
        assert engine.object_info()["LoadImage"]["output"] == ["IMAGE", "MASK"]
    with engine_of(dead) as engine, pytest.raises(NoWorkersError, match="no server answers"):
        engine.object_info()


# ----- servers that fail


def test_a_server_that_refuses_the_connection(comfy, make_job, told) -> None:
    server = comfy()
    server.die()
    with engine_of(server) as engine:
        with pytest.raises(NoWorkersError, match=rf"no server answers at 127.0.0.1:{server.port}"):
            engine.run(make_job(), told)
        assert engine.workers == ()


def test_a_server_that_refuses_is_left_out_where_there_is_another(comfy, make_job, told) -> None:
    dead, alive = comfy(), comfy()
    dead.die()
    with engine_of(dead, alive) as engine:
        assert [engine.run(make_job(str(n)), told).worker for n in range(4)] == [f"127.0.0.1:{alive.port}"] * 4
        assert engine.workers == (f"127.0.0.1:{alive.port}",)


@pytest.mark.parametrize(
    ("status", "answer", "match"),
    [
        (503, b"", "503"),
        (401, b"", "401"),
        (0, b"<html>Please log in</html>", "log-in page"),
        (0, b"[]", "log-in page"),
        (0, b'{"exec_info": 3}', "not as a ComfyUI does"),
    ],
)
def test_what_is_no_comfyui_is_said_to_be_none(comfy, make_job, told, status, answer, match) -> None:
    server = comfy()
    server.status, server.answer = status, answer
    with engine_of(server) as engine, pytest.raises(NoWorkersError, match=match):
        engine.run(make_job(), told)


def test_a_server_that_hangs_from_the_start(comfy, make_job, told) -> None:
    hung, alive = comfy(), comfy()
    hung.silent.set()
    with engine_of(hung, alive) as engine:
        assert engine.run(make_job(), told).worker == f"127.0.0.1:{alive.port}"
        assert engine.workers == (f"127.0.0.1:{alive.port}",)


def test_a_server_that_hangs_in_the_middle_of_a_job(comfy, make_job, told) -> None:
    server, job = comfy(), make_job("1", "Slow")
    told.then = lambda progress: progress.node == "My Slow" and server.silent.set()
    with engine_of(server) as engine:
        with pytest.raises(WorkerLostError, match="does not answer in time"):
            engine.run(job, told)
        assert engine.workers == ()
        assert not job.output.parent.exists()
        told.then = None
        server.hold.set()
        server.silent.clear()
        assert engine.run(job, told).files  # it is back, and asked again


def test_a_server_that_dies_in_the_middle_of_a_job(comfy, make_job, told) -> None:
    servers = {f"127.0.0.1:{server.port}": server for server in (comfy(), comfy())}
    job = make_job("1", "Slow")
    told.then = lambda progress: progress.node == "My Slow" and servers[progress.worker].die()
    with engine_of(*servers.values()) as engine:
        with pytest.raises(WorkerLostError, match="no server answers"):
            engine.run(job, told)
        told.then = None
        (left,) = engine.workers
        servers[left].hold.set()
        assert engine.run(job, told).worker == left
    assert left_over(job) == []


def test_a_server_that_comes_back_after_its_death_gets_jobs_again(comfy, make_job, told) -> None:
    server = comfy()
    with engine_of(server, patience=10) as engine:
        engine.run(make_job("1"), told)
        server.die()
        back = threading.Timer(0.7, comfy, (server.port,))
        back.start()
        assert engine.run(make_job("2"), told).files
        back.join()


def test_a_server_that_restarts_with_an_empty_queue(comfy, make_job, told) -> None:
    server, job = comfy(), make_job("1", "Slow")
    told.then = lambda progress: progress.node == "My Slow" and server.forget()
    with engine_of(server) as engine:
        with pytest.raises(WorkerLostError, match="knows nothing of the job any more"):
            engine.run(job, told)
        told.then = None
        assert engine.workers  # it is there, only the job is not
        assert engine.run(job, told).files


def test_a_server_that_loses_what_it_took(comfy, make_job, told) -> None:
    server = comfy()
    server.loses = 1
    with engine_of(server) as engine:
        with pytest.raises(WorkerLostError, match="knows nothing"):
            engine.run(make_job(), told)
        assert engine.run(make_job(), told).files


def test_a_download_that_breaks_off_leaves_nothing_behind(comfy, make_job, told) -> None:
    server, job = comfy(), make_job(count=2)
    server.cut_downloads = 1
    with engine_of(server, patience=5) as engine:
        with pytest.raises(WorkerLostError, match="broke"):
            engine.run(job, told)
        assert list(job.output.parent.iterdir()) == []
        assert len(engine.run(job, told).files) == 2


# ----- jobs that fail


def test_a_node_that_fails_is_named_with_its_traceback(comfy, make_job, told) -> None:
    server = comfy()
    with (
        engine_of(server) as engine,
        pytest.raises(JobError, match=r"My Broken failed .* RuntimeError: too wide") as caught,
    ):
        engine.run(make_job("1", "Broken"), told)
    assert caught.value.retryable
    assert caught.value.node == "My Broken"
    assert "File x" in caught.value.details


def test_a_graph_that_no_server_takes_fails_for_good(comfy, make_job, told) -> None:
    server, job = comfy(), make_job("1", "Unheard")
    with (
        engine_of(server) as engine,
        pytest.raises(JobError, match=r"refuses the graph: .*Unheard does not exist") as caught,
    ):
        engine.run(job, told)
    assert not caught.value.retryable


def test_a_class_that_comfyui_0_33_does_not_name_is_named(make_job) -> None:
    job = make_job("1", "Unheard")
    (node,) = (name for name, entry in job.graph.items() if entry["class_type"] == "Unheard")
    error = {
        "type": "missing_node_type",
        "message": "Node 'My Unheard' not found. The custom node may not be installed.",
        "details": f"Node ID '#{node}'",
        "extra_info": {"node_id": node, "class_type": "Unheard", "node_title": "My Unheard"},
    }
    told = refusal(job, RefusedError("no", 400, {"error": {**error, "message": "Node 'Mine' not found."}}), "here")
    assert str(told).endswith(f"Node 'Mine' not found.: Node ID '#{node}' (class Unheard)")
    assert told.node == "My Unheard"
    assert "(class" not in str(refusal(job, RefusedError("no", 400, {"error": error}), "here"))


def test_a_value_out_of_range_is_told_with_its_node(comfy, make_job, told) -> None:
    with engine_of(comfy()) as engine, pytest.raises(JobError, match="SaveImage: Value 0 smaller than min of 1: size"):
        engine.run(make_job(size=0), told)


def test_a_graph_goes_to_the_server_that_has_its_pack(comfy, make_job, told) -> None:
    without, with_pack = comfy(), comfy()
    without.known.discard("Slow")
    with_pack.hold.set()
    with engine_of(without, with_pack) as engine:
        workers = {engine.run(make_job(str(n), "Slow"), told).worker for n in range(3)}
    assert workers == {f"127.0.0.1:{with_pack.port}"}


def test_a_loader_that_lists_no_folders_gets_its_file_outside_of_them(comfy, make_job, told) -> None:
    server, job = comfy(), make_job()
    graph = {**job.graph, "1": {**job.graph["1"], "class_type": "PlainLoader"}}
    with engine_of(server) as engine:
        engine.run(replace(job, graph=graph), told)
    assert [name.count("/") for name in server.uploads] == [1, 0]


def test_inputs_that_a_server_has_lost_since_are_sent_again(comfy, make_job, told, monkeypatch) -> None:
    """As one does that is started anew, with an empty folder, between upload and prompt."""
    server, job = comfy(), make_job()
    check, lost = server.check, []

    def after_a_loss(graph: dict) -> dict | None:
        if not lost:
            lost.extend(server.inputs)
            server.inputs.clear()
        return check(graph)

    monkeypatch.setattr(server, "check", after_a_loss)
    with engine_of(server) as engine:
        engine.run(job, told)
    assert server.uploads == lost * 2


def test_an_upload_that_is_too_large_says_what_to_do(comfy, make_job, told) -> None:
    server = comfy()
    server.max_upload = 1000
    with engine_of(server) as engine, pytest.raises(JobError, match="max-upload-size"):
        engine.run(make_job(content=bytes(5000)), told)


def test_an_input_that_is_gone(comfy, make_job, told) -> None:
    job = make_job()
    Path(job.inputs[0].path).unlink()
    with engine_of(comfy()) as engine, pytest.raises(JobError, match=r"cannot read in 1.png: No such file"):
        engine.run(job, told)


def test_a_full_disk_is_said_and_leaves_nothing(comfy, make_job, told, monkeypatch) -> None:
    def full(*_: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    job = make_job()
    monkeypatch.setattr("fomm_nodes.batch.comfyui.client.ComfyClient.download", full)
    with engine_of(comfy()) as engine, pytest.raises(JobError, match=r"cannot write .*No space left on device"):
        engine.run(job, told)
    assert list(job.output.parent.iterdir()) == []


def test_nothing_made_is_no_success(comfy, make_job, told) -> None:
    job = make_job()
    graph = {**job.graph, "9": {"class_type": "SaveNothing", "inputs": {}}}
    with engine_of(comfy()) as engine, pytest.raises(JobError, match="nothing came out"):
        engine.run(replace(job, graph=graph), told)


# ----- cancelling


def test_a_cancelled_job_that_waits_is_taken_from_the_queue_and_the_others_stay(comfy, make_job, told) -> None:
    server = comfy()
    server.submit("somebody's", {"1": {"class_type": "Slow", "inputs": {}}}, "")
    wait_for(lambda: server.running)

    def cancel(progress) -> None:
        assert not progress.worker, "the time limit is for the job's own work"
        if server.pending:
            raise CancelledError("enough")

    told.then = cancel
    with engine_of(server) as engine, pytest.raises(CancelledError):
        engine.run(make_job(), told)
    assert server.pending == []
    assert server.running == "somebody's"


# ----- addresses


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("host:8188", "http://host:8188"),
        ("http://host:8188/", "http://host:8188"),
        (" https://farm.example/comfy/ ", "https://farm.example/comfy"),
    ],
)
def test_an_address_may_be_short(text, url) -> None:
    assert normal_url(text) == url


@pytest.mark.parametrize("text", ["", "ftp://host", "http://", "host:port", "host:99999"])
def test_what_is_no_address(text) -> None:
    with pytest.raises(FommError, match="expected a server's address"):
        normal_url(text)


def test_an_engine_without_servers() -> None:
    with pytest.raises(FommError, match="at least one"):
        ComfyUIEngine()


def test_the_same_address_twice_is_one_server(comfy) -> None:
    server = comfy()
    with engine_of(server, server.url + "/") as engine:
        assert len(engine.workers) == 1


def test_a_password_is_in_no_name(comfy) -> None:
    with engine_of("http://me:secret@host:8188") as engine:
        assert engine.workers == ("host:8188",)


# ----- a checkout


def test_what_is_no_checkout(tmp_path) -> None:
    with pytest.raises(FommError, match=r"there is no main.py in"):
        ComfyUIEngine(checkouts=[Checkout(tmp_path)])
    (tmp_path / "main.py").touch()
    with pytest.raises(FommError, match=r"no Python to start ComfyUI with at .*nowhere"):
        ComfyUIEngine(checkouts=[Checkout(tmp_path, "bin/nowhere")])


def test_a_checkout_brings_its_python(tmp_path) -> None:
    assert Checkout(tmp_path).interpreter() == sys.executable
    assert Checkout(tmp_path, "python3").interpreter() == "python3"
    inside = tmp_path / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    inside.parent.mkdir(parents=True)
    inside.touch()
    assert Checkout(tmp_path).interpreter() == str(inside)
    assert Path(Checkout(tmp_path, "bin/mine").interpreter()).is_absolute()


def test_a_checkout_that_ends_at_its_start_shows_its_log(tmp_path, make_job, told) -> None:
    (tmp_path / "main.py").write_text("import sys\nprint('no torch here', sys.argv[1:3])\nsys.exit(3)\n")
    with (
        ComfyUIEngine(checkouts=[Checkout(tmp_path, sys.executable)]) as engine,
        pytest.raises(NoWorkersError, match=r"code 3 at its start:\nno torch here \['--listen', '127.0.0.1'\]"),
    ):
        engine.run(make_job(), told)


def test_a_checkout_that_never_answers_is_ended(tmp_path, make_job, told) -> None:
    (tmp_path / "main.py").write_text("import time\nprint('thinking')\ntime.sleep(600)\n")
    with ComfyUIEngine(checkouts=[Checkout(tmp_path, sys.executable)], start_seconds=1) as engine:
        process = engine._servers[0].process
        with pytest.raises(NoWorkersError, match=r"does not answer; it was ended:\nthinking"):
            engine.run(make_job(), told)
        assert not process.running
