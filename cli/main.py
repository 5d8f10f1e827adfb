"""The `fomm` command: its parser, and what becomes of errors. Nothing heavy is imported before a subcommand runs."""

from __future__ import annotations

import argparse
import errno
import gc
import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from .. import __version__
from . import (
    animate,
    blender_package,
    check,
    check_drive,
    convert,
    crop,
    doctor,
    evaluate,
    export,
    graph,
    inspect,
    library,
    live,
    performance,
    render,
    train,
)
from .hints import Parser
from .terminal import say

FINE, FAILED, USAGE = 0, 1, 2
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

EPILOG = """\
examples:
  fomm animate --example                        the bundled example, on the built-in model
  fomm models get vox                           the authors' weights for faces; then --model vox
  fomm animate face.jpg talk.mp4 -o out.mp4 --model vox
  fomm live --source face.jpg                   follow your camera, in a page on this machine
  fomm crop photo.jpg -o face.png               the square around the face
  fomm check-drive face.jpg talk.mp4            check the pair before rendering
  fomm performance talk.safetensors -o loop.safetensors --ending loop --crossfade 12
  fomm render graph.json --set "Load Image.image=portraits/*.png"
  fomm graph workflow.json -o api.json          a saved workflow as servers run it
  fomm check workflow.json                      what is wrong with a saved workflow
  fomm train clips -o runs/mine --preset demo   train a model on a folder of videos
  fomm evaluate demo-128 clips                  how well a model reconstructs unseen clips
  fomm convert vox-cpk.pth.tar                  to one safetensors file with its configuration
  fomm export vox -o vox-onnx                   as ONNX, for other programs and for browsers
  fomm inspect vox-cpk.pth.tar                  what is in a weights or keypoints file
  fomm blender-package                          the add-on for Blender, as a zip
  fomm doctor                                   what is installed, and what is wrong

`fomm COMMAND --help` explains each command. Exit codes: 0 done, 1 failed, 2 wrong usage.
"""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = Parser(
        prog="fomm",
        description="Animate a still image with the motion of a video (First Order Motion Model).",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fomm {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("messages")
    group.add_argument("-q", "--quiet", action="store_true", help="show warnings and errors only")
    group.add_argument("--debug", action="store_true", help="show where in the code an error occurred")
    for module in (
        animate,
        live,
        crop,
        performance,
        check_drive,
        library,
        render,
        graph,
        check,
        train,
        evaluate,
        export,
        convert,
        inspect,
        blender_package,
        doctor,
    ):
        module.add_parser(commands, common)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = build_parser()
    try:
        arguments = parser.parse_args(argv)
        if arguments.command is None:
            parser.print_help(sys.stderr)
            return USAGE
    except SystemExit as leaving:  # --help and --version: 0; wrong usage: 2
        return FINE if leaving.code is None else int(leaving.code)
    with _warnings_shown(debug=arguments.debug), _stopped_like_ctrl_c(signal.SIGTERM):
        try:
            code: int = arguments.run(arguments)
            sys.stdout.flush()
            return code
        except SystemExit as leaving:  # wrong usage that only the command itself can see
            return USAGE if leaving.code else FINE
        except (Exception, KeyboardInterrupt) as problem:
            if arguments.debug:
                traceback.print_exc()
            return _explain(problem, debug=arguments.debug)


def program() -> int:
    """`main` for a process that ends with it."""
    code = main()
    gc.freeze()  # Python looks through all objects before it ends; for those of torch that takes half a second
    return code


def _explain(problem: BaseException, *, debug: bool) -> int:
    """Tell the user in one paragraph; returns the exit code."""
    if isinstance(problem, KeyboardInterrupt):
        say("stopped; no partial file is left.")
    elif isinstance(problem, BrokenPipeError):  # the reader of our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif isinstance(problem, ImportError):
        say(f"error: a library cannot be loaded ({problem}). `fomm doctor` says what is missing.")
    elif isinstance(problem, OSError):
        room = " The disk is full: free some space, or write elsewhere." if problem.errno in FULL else ""
        say(f"error: {problem}.{room}")
    else:
        _explain_failure(problem, debug=debug)
    return FAILED


def _explain_failure(problem: BaseException, *, debug: bool) -> None:
    from ..fomm_core.chunks import is_out_of_memory
    from ..fomm_core.errors import ExistsError, FommError

    if isinstance(problem, ExistsError):
        say(f"error: {problem} (-y overwrites)")
    elif isinstance(problem, FommError):
        say(f"error: {problem}")
    elif isinstance(problem, RuntimeError) and is_out_of_memory(problem):
        say(
            "error: out of memory, even for one frame at a time. Choose a smaller --size, --precision float16, or "
            "another --device."
        )
    else:
        if not debug:
            traceback.print_exception(problem)
        say("error: this is a defect in fomm-nodes. Please report the lines above and the output of `fomm doctor`.")


class _Shown(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(f"{record.levelname.lower()}: {record.getMessage()}")


@contextmanager
def _warnings_shown(*, debug: bool) -> Iterator[None]:
    """Our own log on standard error; what libraries say to programmers only where asked for."""
    logger, handler = logging.getLogger("fomm"), _Shown(logging.WARNING)
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            if not debug:
                warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _stopped_like_ctrl_c(number: signal.Signals) -> Iterator[None]:
    """The polite request to end (from `kill`, a batch system, a container) cleans up as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, stop)
    try:
        yield
    finally:
        signal.signal(number, before)
