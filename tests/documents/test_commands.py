"""Each command and each piece of Python in the documentation does what stands there."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from children import INTERRUPTIBLE
from documents import Block, blocks, documents, spans, unfenced
from fomm_nodes.cli.main import build_parser

ROOT = Path(__file__).parents[2]
LIMIT = 400

NOT_RUN = {
    r"^(\S+/)?pip install ": "installs packages from the network; .ci/run installs ours",
    r"^pip download ": "fetches packages from the network",
    r"^python(3\.11)? -m venv ": "makes an environment for those packages",
    r"^source ": "enters that environment",
    r"^pre-commit install": "changes the hooks of this checkout",
    r"^pytest$": "is what runs this",
    r"^COMFYUI_DIR=.* pytest ": "needs a ComfyUI",
    r"^FOMM_BPY_PYTHON=.* pytest ": "needs Blender",
    r"^FOMM_WORKFLOWS=.* pytest ": "needs workflows with their conversions by the real front end",
    r"^curl http://127\.0\.0\.1:8188": "needs a ComfyUI that runs",
    r"^fomm render .*--(server|comfyui) ": "needs a ComfyUI",
    r"^fomm render .*--ray ": "needs a Ray cluster",
    r"^fomm live ": "runs until it is stopped; see tests/live",
    r"^fomm animate .*--keypoints take-001": "needs what fomm live recorded; see tests/fomm_core/live",
    r"^fomm models get ": "downloads, or takes a model of full size; see tests/cli/models",
    r"^ray start ": "makes a Ray cluster",
    r"^python -m benchmarks ": "measures for minutes",
    r"^python -m tools\.demo_clips ": "fetches 1.3 GB from the network",
    r"^python -m tools\.demo_clips\.measure ": "looks for minutes at what the command before it made",
}
"""Commands that are not run here, and why. Those of `fomm` are parsed nevertheless."""

NOT_RUN_PYTHON = {
    "import bpy": "needs Blender",
    "ComfyUIEngine(": "needs a ComfyUI that runs",
    'load_keypoints("talk.safetensors")': "needs a performance; see tests/fomm_core/motion/test_edits.py",
}

DOCUMENTS = [path for path in documents(ROOT) if any(blocks(path, ROOT))]
each = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def code(path: Path, language: str) -> list[Block]:
    return [block for block in blocks(path, ROOT) if block.language == language]


def plain(command: str) -> str:
    """Without the comment behind it."""
    return re.split(r"\s+# ", command)[0]


def reason(command: str) -> str | None:
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, plain(command))), None)


def subcommands(parser: argparse.ArgumentParser | None = None) -> dict[str, argparse.ArgumentParser]:
    actions = (parser or build_parser())._actions
    return dict(next((action.choices for action in actions if isinstance(action, argparse._SubParsersAction)), {}))


def check_parses(command: str) -> None:
    code = 0
    try:
        build_parser().parse_args(shlex.split(command, comments=True)[1:])
    except SystemExit as ended:
        code = ended.code or 0
    assert code == 0, f"`{command}` is wrong usage"


def outputs(command: str) -> list[str]:
    words = shlex.split(command, comments=True)
    return [value for option, value in pairwise(words) if option in ("-o", "--output")]


def run(command: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """As typed into a shell; a training gets Ctrl-C after its first steps."""
    log = folder / "said.txt"
    with log.open("w") as said:
        process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **INTERRUPTIBLE,
        )
    try:
        if command.startswith("fomm train "):
            steps, end = folder / outputs(command)[0] / "log.jsonl", time.monotonic() + LIMIT
            while not (steps.is_file() and steps.stat().st_size) and process.poll() is None and time.monotonic() < end:
                time.sleep(0.1)
            os.killpg(process.pid, signal.SIGINT)
        code = process.wait(LIMIT)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return code, log.read_text(errors="replace")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the documents are written for a POSIX shell")
@each
def test_commands_run_as_they_stand(path: Path, place: Path, environment: dict[str, str]) -> None:
    """In the order of the document, in one folder, as somebody would who tries them all."""
    for block in code(path, "console"):
        for line, command in block.commands():
            if reason(command):
                if command.startswith("fomm "):
                    check_parses(command)
                continue
            assert command.startswith("fomm "), f"{block.document}:{line}: say in NOT_RUN why `{command}` is not run"
            code_, said = run(command, place, environment)
            where = f"{block.document}:{line}: `{command}`:\n{said}"
            if command.startswith("fomm train "):
                assert code_ == 1, where
                assert "stopped after step" in said, where
            else:
                assert code_ == 0, where
            assert [name for name in outputs(command) if not [*place.glob(name)]] == [], where


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
@each
def test_python_runs_as_it_stands(path: Path, place: Path, environment: dict[str, str]) -> None:
    for block in code(path, "python"):
        compile(block.text, f"{block.document}:{block.line}", "exec")
        if any(word in block.text for word in NOT_RUN_PYTHON):
            continue
        ran = subprocess.run(
            [sys.executable, "-c", block.text],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert ran.returncode == 0, f"{block.document}:{block.line}:\n{ran.stdout}{ran.stderr}"


@pytest.mark.parametrize("path", documents(ROOT), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_code_stands_where_it_is_tried(path: Path) -> None:
    assert unfenced(path) == [], "fence these lines as ```console or ```python"
    assert {block.language for block in blocks(path, ROOT)} <= {"console", "python", "pycon", "json", "text"}


def test_reasons_are_of_use() -> None:
    found = [command for path in DOCUMENTS for block in code(path, "console") for _, command in block.commands()]
    assert found
    assert [pattern for pattern in NOT_RUN if not any(re.search(pattern, plain(command)) for command in found)] == []
    python = "\n".join(block.text for path in DOCUMENTS for block in code(path, "python"))
    assert [word for word in NOT_RUN_PYTHON if word not in python] == []


@pytest.mark.parametrize("path", documents(ROOT), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_sentences_name_commands_and_options_that_exist(path: Path) -> None:
    known = subcommands()
    for span in spans(path):
        name, *words = span.split()[1:]
        if name.startswith("-") or name == "COMMAND":
            continue
        assert name in known, f"`{span}`"
        parser = known[name]
        while words and words[0] in (deeper := subcommands(parser)):
            parser = deeper[words.pop(0)]
        options = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert options <= set(parser._option_string_actions), f"`{span}`"


def test_examples_of_the_help_are_right_usage() -> None:
    examples = [
        re.split(r" {2,}| \| ", line.strip())[0]  # what it does, and other programs, stand behind
        for parser in (build_parser(), *subcommands().values())
        for line in (parser.epilog or "").splitlines()
        if line.startswith("  fomm ")
    ]
    assert len(examples) > 20
    for example in examples:
        check_parses(example)
