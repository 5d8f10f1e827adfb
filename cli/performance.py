"""`fomm performance`: edit performances, keypoints over time in small files, and draw their curves."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .times import frame_rate, place

if TYPE_CHECKING:
    from ..fomm_core.geometry import Keypoints
    from ..fomm_core.motion import Edits, Groups, Performance

EPILOG = """\
examples:
  fomm performance talk.safetensors -o loop.safetensors --start 2s --frames 4s --ending loop --crossfade 12
      four seconds that loop without a jump

  fomm performance nod.safetensors smile.safetensors wave.safetensors -o all.safetensors --crossfade 10
      one after the other, each fading into the next

  fomm performance talk.safetensors -o other.safetensors --mirror --reverse --speed 0.5
      mirrored, backwards, at half speed

  fomm performance talk.safetensors -o fading.safetensors --strength "0: 0, 1s: 1, 4s: 1, 5s: 0"
      motion that fades in and out

  fomm performance head.safetensors --blend talk.safetensors --groups "mouth: 7-8" --only "mouth 1/0.5" -o mix.json
      the mouth of one clip on the head of another; half of its rotation

  fomm performance talk.safetensors -o clean.safetensors --fill-gaps --curves curves.png
      bridge frames in which the face was lost, and draw the motion as curves

  fomm performance talk.safetensors -o talk.json
      as text for other tools; .json files are read as well

Save performances with `fomm animate --save-keypoints FILE`, and use them with `fomm animate --keypoints FILE`.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "performance",
        parents=[common],
        help="trim, loop, mirror, mix and join saved motion",
        description=(
            "Edit performances: keypoints over time, saved by `fomm animate --save-keypoints`. Several are "
            "joined. Edits are applied in the order of the options below."
        ),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("performances", nargs="+", metavar="FILE", help="performances, .safetensors or .json")
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, help="the result, .safetensors or .json")
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace OUT if it exists")
    _add_repairs(parser.add_argument_group("repairs"))
    _add_edits(parser.add_argument_group("edits"))
    _add_mixing(parser.add_argument_group("mixing"))
    group = parser.add_argument_group("picture")
    group.add_argument(
        "--curves", metavar="IMAGE", type=Path, help="draw the result over time, together with the original"
    )
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_repairs(group: Any) -> None:
    group.add_argument("--fill-gaps", action="store_true", help="bridge frames in which the detector was lost")
    group.add_argument(
        "--least",
        type=float,
        default=0.8,
        metavar="0..1",
        help="a frame counts as lost below this share of the clip's usual confidence (default: 0.8)",
    )


def _add_edits(group: Any) -> None:
    group.add_argument("--start", type=place, default=0, metavar="N|TIME", help="first frame to use: 60, 2.5s, 0:02.5")
    group.add_argument("--frames", type=place, metavar="N|TIME", help="how many frames to use, or how much time")
    group.add_argument("--mirror", action="store_true", help="swap left and right")
    group.add_argument("--reverse", action="store_true", help="play backwards")
    group.add_argument("--speed", type=float, default=1.0, metavar="X", help="2 is twice as fast (default: 1)")
    group.add_argument("--fps", type=frame_rate, metavar="RATE", help="change the frame rate; the pace stays")
    group.add_argument("--length", type=place, metavar="N|TIME", help="stretch or compress to this many frames")
    group.add_argument(
        "--strength", default="1", metavar="CURVE", help='share of the motion: 0.5, or over time "0: 0, 25: 1, 4s: 0"'
    )
    group.add_argument("--anchor", type=int, default=0, metavar="N", help="the pose at strength 0 (default: frame 0)")
    group.add_argument("--offset", type=float, default=0.0, metavar="FRAMES", help="delay; below 0, start earlier")
    group.add_argument(
        "--wrap",
        action="store_true",
        help="for a loop, --offset wraps around: what leaves at one end enters at the other",
    )
    group.add_argument(
        "--hold-first", type=place, default=0, metavar="N|TIME", help="frames to hold the first pose before the start"
    )
    group.add_argument(
        "--hold-last", type=place, default=0, metavar="N|TIME", help="frames to hold the last pose after the end"
    )
    group.add_argument(
        "--crossfade",
        type=place,
        default=0,
        metavar="N|TIME",
        help="frames to fade at a loop's seam, and into the next performance",
    )
    group.add_argument(
        "--ending",
        choices=("as it is", "ping-pong", "loop"),
        default="as it is",
        help="ping-pong: there and back; loop: the end fades into the beginning",
    )
    group.add_argument("--repeat", type=int, default=1, metavar="N", help="how many times in a row (default: 1)")


def _add_mixing(group: Any) -> None:
    group.add_argument("--blend", metavar="FILE", type=Path, help="mix the result with this performance")
    group.add_argument(
        "--weight", type=float, default=1.0, metavar="0..1", help="share of that performance (default: 1)"
    )
    group.add_argument(
        "--only",
        default="",
        metavar="NAMES",
        help='what to take from it: groups and numbers, each with a share: "mouth, head 0.5, 3-5 1/0.2"',
    )
    group.add_argument("--groups", default="", metavar="TEXT", help='names for keypoints: "mouth: 7-8; head: 0-3"')
    group.add_argument(
        "--mismatch",
        choices=("stop", "shorter", "looped", "held", "ping-pong", "stretched"),
        default="shorter",
        help="if that performance has another number of frames (default: shorter, both are cut)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Edit; returns the exit code."""
    if arguments.output is None and arguments.curves is None:
        arguments.usage_error("expected -o OUT for the result, or --curves IMAGE; got neither")
    from ..fomm_core.files import check_new
    from ..fomm_core.motion import edited, fill_gaps, load_keypoints, parse_groups, save_keypoints
    from ..fomm_core.wording import counted
    from .terminal import say

    paths = [Path(path) for path in arguments.performances]
    for path in (arguments.output, arguments.curves):
        if path is not None:
            check_new(path, overwrite=arguments.overwrite)
    loaded = [load_keypoints(path) for path in paths]
    first = loaded[0]
    rate = first.rate or Fraction(25)
    groups = {**first.groups, **parse_groups(arguments.groups, first.keypoints.count)}
    given = first.keypoints
    if arguments.fill_gaps:
        given, gaps = fill_gaps(given, least=arguments.least)
        if not arguments.quiet:
            say(f"{counted(sum(count for _, count in gaps), 'frame')} bridged in {counted(len(gaps), 'gap')}")
    keypoints, done = edited(given, rate, edits_of(arguments, rate), _following(loaded[1:], rate, arguments))
    if arguments.blend is not None:
        keypoints = _blended(keypoints, load_keypoints(arguments.blend), arguments, groups)
    if arguments.curves is not None:
        _draw(arguments.curves, keypoints, first.keypoints)
    if arguments.output is not None:
        save_keypoints(
            arguments.output,
            keypoints,
            fps=done,
            metadata=first.metadata,
            family=first.family,
            groups=groups,
            source_size=first.source_size,
        )
    if not arguments.quiet:
        if arguments.output is not None:
            print(arguments.output.resolve())
        print(f"{counted(len(keypoints), 'frame')} at {float(done):g} a second, {len(keypoints) / float(done):.2f} s")
    return 0


def edits_of(arguments: argparse.Namespace, rate: Fraction) -> Edits:
    """The edits that are asked for; times become frames of the rate that counts where they are used."""
    from ..fomm_core.motion import Edits

    after = arguments.fps or rate

    def frames(value: Any, at: Fraction) -> Any:
        return value if value is None or isinstance(value, int) else round(value.value * at)

    return Edits(
        start=frames(arguments.start, rate),
        frames=frames(arguments.frames, rate),
        mirror=arguments.mirror,
        reverse=arguments.reverse,
        speed=arguments.speed,
        fps=arguments.fps,
        length=frames(arguments.length, after),
        strength=arguments.strength,
        anchor=arguments.anchor,
        offset=arguments.offset,
        wrap=arguments.wrap,
        hold_first=frames(arguments.hold_first, after),
        hold_last=frames(arguments.hold_last, after),
        crossfade=frames(arguments.crossfade, after),
        ending=arguments.ending,
        repeat=arguments.repeat,
    )


def _following(others: list[Performance], rate: Fraction, arguments: argparse.Namespace) -> list[Keypoints]:
    """The performances to join, at the rate of the first."""
    from ..fomm_core.motion import resample

    return [resample(other.keypoints, other.rate or rate, arguments.fps or rate)[0] for other in others]


def _blended(keypoints: Keypoints, other: Performance, arguments: argparse.Namespace, groups: Groups) -> Keypoints:
    from ..fomm_core.motion import blend, matched, parse_weights

    first, second = matched(keypoints, other.keypoints, arguments.mismatch)
    weights = parse_weights(arguments.only, {**other.groups, **groups}, first.count, arguments.weight)
    if weights is None:
        return blend(first, second, arguments.weight)
    return blend(first, second, weights[0], turning=weights[1])


def _draw(path: Path, keypoints: Keypoints, before: Keypoints) -> None:
    from ..fomm_core.fitting import to_uint8
    from ..fomm_core.motion import rate_of, resample
    from ..fomm_core.plots import Marks, plot_curves
    from ..fomm_core.video import write_image

    even = [keypoints, before]
    for place_, value in enumerate(even):
        rate = rate_of(value)
        even[place_] = value if rate is None else resample(value, rate, rate)[0]
    gaps: list[tuple[int, int]] = []
    if even[0].confidence is not None:
        from ..fomm_core.motion import fill_gaps

        gaps = fill_gaps(even[0])[1]
    picture = plot_curves(even[0], before=even[1], marks=Marks(gaps=gaps))
    write_image(path, to_uint8(picture)[0])
