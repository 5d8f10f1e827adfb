"""Set Up Worker without Blender and without a network: a list of one small wheel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import tomllib
from fomm_nodes.cli.blender_package import package
from fomm_nodes.nodes.hosts.blender import environment
from fomm_nodes.nodes.hosts.blender.environment import Plan, Setup, complete, hint, makers, python_of, remove
from packaging.requirements import Requirement
from small_wheel import quick_maker, write_wheel

PATIENCE = 240.0


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    write_wheel(wheels)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_USER", "1")  # of the user's own pip, and wrong for an environment
    monkeypatch.setattr(environment, "NEEDED_BYTES", {"cpu": 1, "cuda": 1})
    pinned = tmp_path / "list.txt"
    pinned.write_text("# ours\nfomm-small-thing==1.0\n", encoding="utf-8")
    return Plan(tmp_path / "own" / "worker", (quick_maker(tmp_path),), pinned=pinned, needed=("fomm_small_thing",))


def test_from_nothing_to_a_python_that_has_all(plan: Plan) -> None:
    plan = replace(plan, pythons=(sys.executable,))
    setup = Setup(plan).start()
    assert setup.wait(PATIENCE) == "done", setup.report
    assert (setup.share, setup.problem) == (1.0, "")
    assert complete(plan.folder) == setup.python == str(python_of(plan.folder))
    ran = subprocess.run([setup.python, "-c", "import fomm_small_thing as f; print(f.answer)"], capture_output=True)
    assert ran.stdout.strip() == b"42"
    assert "fomm_small_thing" in setup.report

    remove(plan.folder)
    assert complete(plan.folder) == ""
    assert list(plan.folder.parent.iterdir()) == []


def test_what_was_broken_is_repaired(plan: Plan) -> None:
    plan.folder.mkdir(parents=True)
    (plan.folder.parent / ".removed-by-one-that-was-killed" / "worker").mkdir(parents=True)
    python_of(plan.folder).parent.mkdir()
    python_of(plan.folder).write_text("broken")
    assert Setup(plan).start().wait(PATIENCE) == "done"
    assert complete(plan.folder)
    assert list(plan.folder.parent.iterdir()) == [plan.folder]


def test_nobody_has_to_wait_until_all_is_gone(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Setup(plan).start().wait(PATIENCE) == "done"
    going, really = threading.Event(), environment.shutil.rmtree

    def slow(path: Path, **more: bool) -> None:
        assert going.wait(PATIENCE)
        really(path, **more)

    monkeypatch.setattr(environment.shutil, "rmtree", slow)
    remove(plan.folder, wait=False)
    assert not plan.folder.exists()
    assert len(list(plan.folder.parent.iterdir())) == 1, "on its way out"
    going.set()
    remove(plan.folder)
    assert list(plan.folder.parent.iterdir()) == []


def test_a_cancel_leaves_nothing(plan: Plan) -> None:
    setup = Setup(plan)
    setup.cancel()
    assert setup.start().wait(PATIENCE) == "cancelled"
    assert setup.problem == ""
    assert not plan.folder.exists()


def test_a_cancel_ends_what_runs(plan: Plan, tmp_path: Path) -> None:
    started = tmp_path / "started"
    slow = tmp_path / "slow"
    slow.write_text(f'#!/bin/sh\necho $$ > "{started}.part" && mv "{started}.part" "{started}"\nsleep 600 & wait\n')
    slow.chmod(0o755)
    setup = Setup(Plan(plan.folder, (str(slow),), pinned=plan.pinned)).start()
    while not started.exists():
        assert setup.wait(0.05) == "running", setup.report
    setup.cancel()
    assert setup.wait(PATIENCE) == "cancelled"


def test_a_python_that_cannot_is_passed_over(plan: Plan, tmp_path: Path) -> None:
    debians = tmp_path / "python3"
    debians.write_text("#!/bin/sh\necho The virtual environment was not created: ensurepip is not available.\nexit 1\n")
    debians.chmod(0o755)
    both = Plan(plan.folder, (str(debians), *plan.pythons), pinned=plan.pinned, needed=plan.needed)
    setup = Setup(both).start()
    assert setup.wait(PATIENCE) == "done", setup.report
    alone = Setup(Plan(plan.folder, (str(debians),), pinned=plan.pinned)).start()
    assert alone.wait(PATIENCE) == "failed"
    assert "ensurepip is not available" in alone.problem
    assert "python3-venv" in alone.problem
    assert not plan.folder.exists()


def test_what_pip_lacks_is_named(plan: Plan) -> None:
    plan.pinned.write_text("fomm-nothing-of-this-name==3.0\n", encoding="utf-8")
    setup = Setup(plan).start()
    assert setup.wait(PATIENCE) == "failed"
    assert "fomm-nothing-of-this-name==3.0 can't be had" in setup.problem
    assert not plan.folder.exists()


def test_a_library_that_is_broken_is_found(plan: Plan, tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels", "raise ImportError('libnothing.so: cannot open')\n")
    setup = Setup(plan).start()
    assert setup.wait(PATIENCE) == "failed"
    assert "libnothing.so" in setup.problem


def test_a_full_disk_is_told_before(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "NEEDED_BYTES", {"cpu": 10**18, "cuda": 10**18})
    setup = Setup(plan).start()
    assert setup.wait(PATIENCE) == "failed"
    assert "Free some" in setup.problem


def test_a_list_that_cannot_be_read_is_told(plan: Plan) -> None:
    plan.pinned.write_bytes(b"\xff\xfe")
    setup = Setup(plan).start()
    assert setup.wait(PATIENCE) == "failed"
    assert "decode" in setup.problem
    assert "Traceback" in setup.report
    assert not plan.folder.exists()


def test_reports_hold_no_passwords(plan: Plan, tmp_path: Path) -> None:
    setup = Setup(Plan(tmp_path / "x", ("https://anna:secret@host/python",), pinned=plan.pinned)).start()
    assert setup.wait(PATIENCE) == "failed"
    assert "https://***@host/python" in setup.report
    assert "secret" not in setup.report


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("Failed to resolve 'x' ([Errno -3] Temporary failure in name resolution)", "HTTPS_PROXY"),
        ("ERROR: No matching distribution found for torch==9", "torch==9 can't be had"),
        ("something else", ""),
    ],
)
def test_hints(said: str, words: str) -> None:
    assert words in hint(said)
    assert bool(words) == bool(hint(said))


def test_who_makes_it() -> None:
    assert list(makers("", ["a", "b"], "a")) == ["a", "b"]
    assert list(makers("", [], "blender")) == ["blender"]
    assert list(makers("mine", ["a"], "blender")) == ["mine"]


def test_how_far_pip_is() -> None:
    heard = environment._Fetched(2)
    for line in ("Collecting a", "  Downloading a-1.0-py3-none-any.whl (4 kB)", "Progress 1 of 4"):
        heard.hears(line)
    assert (heard.share, heard.words) == (0.125, "a-1.0 (4 kB) 25 %")
    assert not heard.hears("  Downloading b-2.0-py3-none-any.whl.metadata (1 kB)")
    assert heard.hears("Using cached b-2.0-py3-none-any.whl")
    assert heard.share == 0.5
    assert heard.hears("  Processing /wheels/c-3.0-cp311-cp311-linux_x86_64.whl (from -r list.txt (line 3))")
    assert heard.words == "c-3.0 0 %"
    heard.hears("Installing collected packages: a, b")
    assert heard.share == 1.0


def test_another_index_is_asked_for_torch_alone(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    plan.pinned.write_text("fomm-small-thing==1.0\ntorch==9.9\nnumpy==2.0\n", encoding="utf-8")
    monkeypatch.setattr(environment, "INDICES", {})
    assert plan.steps == [["fomm-small-thing==1.0", "torch==9.9", "numpy==2.0"]]
    monkeypatch.setenv("FOMM_TORCH_INDEX", "https://index.example/cpu")
    torch, all_of_it = plan.steps
    assert torch == ["--no-deps", "torch==9.9", "--extra-index-url", "https://index.example/cpu"]
    assert all_of_it == plan.names


def test_a_library_that_needs_torch_takes_the_one_that_is_there(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan.pinned.write_text("fomm-small-thing==1.0\ntorch==9.9\n", encoding="utf-8")
    write_wheel(tmp_path / "wheels", needs="torch")
    write_wheel(tmp_path / "wheels", name="torch", version="9.9", needs="fomm-small-thing")
    monkeypatch.setenv("FOMM_TORCH_INDEX", "https://index.example/cpu")
    setup = Setup(replace(plan, needed=("fomm_small_thing", "torch"))).start()
    assert setup.wait(PATIENCE) == "done", setup.report
    first, second = setup.report.split("--only-binary")[1:]
    assert "https://index.example/cpu" in first
    assert "Successfully installed torch-9.9\n" in first
    assert "Successfully installed fomm-small-thing-1.0\n" in second


def test_the_list_has_all_that_we_depend_on(root: Path) -> None:
    told = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = dict(line.split("==") for line in Plan(Path("x"), ()).names)
    named = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins.items()}
    for text in (*told["dependencies"], *told["optional-dependencies"]["farm"]):
        asked = Requirement(text)
        assert asked.specifier.contains(named[asked.name]), text


def test_the_zip_holds_the_list(tmp_path: Path) -> None:
    package(tmp_path / "fomm.zip")
    with zipfile.ZipFile(tmp_path / "fomm.zip") as archive:
        assert b"torch==" in archive.read("nodes/hosts/blender/worker_requirements.txt")
