"""`fomm live`: an image that follows your camera, in a page on this machine."""

from __future__ import annotations

import argparse
import asyncio
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .animate import positive
from .arguments import add_precision_argument
from .models import add_config_arguments, chosen_config, find_weights, hint_at_better_models
from .terminal import say

if TYPE_CHECKING:
    from ..live.feeds import Feed
    from ..live.virtual import VirtualCamera

PORT = 8765

EPILOG = """\
examples:
  fomm live --source portrait.png                        your browser's camera drives
  fomm live --source a.png b.png c.png                   keys 1, 2, 3 switch between them
  fomm live --source portrait.png --driving clip.mp4 --loop
  fomm live --source portrait.png --camera 0 --virtual-camera

Take the pose of the image and press A: it becomes the anchor. R records take-001.mp4 and the performance
take-001.safetensors, which renders the same frames again:

  fomm animate portrait.png --keypoints take-001.safetensors --mode absolute --no-paste --size model -o again.mp4

The page is served only to this machine, at an address with a new key each time. If frames take too long, precision
and size are lowered to maintain the frame rate; a take keeps the size it started with.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "live",
        parents=[common],
        help="an image follows your camera or a clip, live",
        description="Serve a page on this machine that shows an image following a camera or clip.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--source", nargs="+", required=True, metavar="IMAGE", help="one image, or several to choose from"
    )
    driver = parser.add_mutually_exclusive_group()
    driver.add_argument("--camera", type=int, metavar="N", help="a camera of this machine (default: the browser's)")
    driver.add_argument("--driving", metavar="CLIP", type=Path, help="a clip, played at its own speed")
    parser.add_argument("--loop", action="store_true", help="restart the clip when it ends")
    parser.add_argument(
        "--mirror",
        action=argparse.BooleanOptionalAction,
        help="flip the driver left to right (default: cameras are mirrored, clips are not)",
    )
    parser.add_argument("--strength", type=float, default=1.0, metavar="0..2", help="share of the motion (default: 1)")
    parser.add_argument("--no-smooth", action="store_true", help="do not remove jitter")
    parser.add_argument("--fps", type=float, default=15.0, metavar="N", help="frame rate to maintain (default: 15)")
    parser.add_argument("--no-adapt", action="store_true", help="keep size and precision even if the frame rate drops")
    parser.add_argument(
        "--record-to", type=Path, default=Path(), metavar="FOLDER", help="folder for takes (default: the current one)"
    )
    parser.add_argument(
        "--virtual-camera", action="store_true", help="make the result available as a camera (pyvirtualcam)"
    )
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help=f"0: any (default: {PORT})")
    parser.add_argument("--no-browser", action="store_true", help="only print the page's address")
    model = parser.add_argument_group("model")
    model.add_argument("--model", metavar="NAME|FILE", help="a model that `fomm models` lists, or weights")
    add_config_arguments(model)
    computing = parser.add_argument_group("computing")
    computing.add_argument("--size", type=positive, metavar="N", help="size of the frames (default: the model's)")
    computing.add_argument("--device", default="auto", metavar="auto|cpu|cuda|mps", help="(default: auto)")
    add_precision_argument(computing, "at the start (default: auto)")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C; returns the exit code."""
    if arguments.loop and arguments.driving is None:
        arguments.usage_error("--loop needs --driving CLIP")
    if not 0 <= arguments.port <= 65535:
        arguments.usage_error(f"expected a --port from 0 to 65535; got {arguments.port}")
    if not 0 < arguments.fps <= 240:
        arguments.usage_error(f"expected --fps above 0 and at most 240; got {arguments.fps:g}")
    from ..fomm_core.errors import FommError

    try:
        from ..live.server import LiveServer
    except ImportError as problem:
        raise FommError(f'the page needs one more package ({problem}): pip install "fomm-nodes[live]"') from None
    feed = _feed(arguments)
    performer = _performer(
        arguments, mirror=(arguments.driving is None) if arguments.mirror is None else arguments.mirror
    )
    camera = _virtual_camera() if arguments.virtual_camera else None
    if not arguments.quiet:
        for words in performer.words:
            say(words)

    def ready(address: str) -> None:
        print(address, flush=True)
        if not arguments.quiet:
            say("open this address; Ctrl-C quits.")
        if not arguments.no_browser:
            webbrowser.open(address)

    server = LiveServer(
        performer, folder=arguments.record_to, feed=feed, camera=camera, port=arguments.port, on_ready=ready
    )
    try:
        asyncio.run(server.run())
    except KeyboardInterrupt:
        return 0
    finally:
        if camera is not None:
            camera.close()
    return 0


def _virtual_camera() -> VirtualCamera:
    from ..live.virtual import VirtualCamera

    return VirtualCamera()


def _feed(arguments: argparse.Namespace) -> Feed | None:
    from ..live.feeds import CameraFeed, ClipFeed

    if arguments.driving is not None:
        return ClipFeed(arguments.driving, loop=arguments.loop)
    return None if arguments.camera is None else CameraFeed(arguments.camera)


def _performer(arguments: argparse.Namespace, *, mirror: bool) -> Any:
    from ..fomm_core.checkpoints import DEFAULT_MODEL, load_model
    from ..fomm_core.live import LiveOptions, Performer
    from ..fomm_core.motion import TransferOptions
    from ..fomm_core.precision import dtype_of
    from ..fomm_core.video import read_picture
    from ..nodes.hosts.headless.devices import choose_device

    pictures = [(Path(path).name, read_picture(path)) for path in arguments.source]
    if arguments.model is None and not arguments.quiet:
        hint_at_better_models()
    device = choose_device(arguments.device)
    weights = find_weights(arguments.model or DEFAULT_MODEL)
    model = load_model(weights, config=chosen_config(arguments, weights))
    options = LiveOptions(
        size=arguments.size,
        rate=arguments.fps,
        adapt=not arguments.no_adapt,
        mirror=mirror,
        smooth=not arguments.no_smooth,
        transfer=TransferOptions(strength=arguments.strength),
    )
    return Performer(model, pictures, options, device=device, dtype=dtype_of(arguments.precision, device))
