"""`fomm animate`: an image and a driving video in, a video out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..fomm_core.wording import counted
from .arguments import add_precision_argument
from .cropping import add_crop_arguments, crop_options
from .many import Inputs, animate_many, check_places, given_inputs
from .models import add_config_arguments, hint_at_better_models, open_session
from .moving import add_motion_arguments, animation_options
from .picturing import add_picture_arguments
from .starting import quick_imports
from .terminal import progress_display, say
from .times import rate_or_keep

if TYPE_CHECKING:
    from ..fomm_core.pipeline import FileOptions, Report

ENCODERS = ("auto", "av1", "nvenc", "qsv", "amf", "videotoolbox")

EPILOG = """\
examples:
  fomm animate --example
      the bundled example on the built-in model; writes fomm-example.mp4

  fomm animate face.jpg talk.mp4 -o out.mp4 --model vox           after: fomm models get vox
      the face in the image moves like the one in talk.mp4, with its audio

  fomm animate face.jpg talk.mp4 -o out.mp4 --model vox --best-frame --smooth one-euro --compare
      start from the most similar driving frame, remove jitter, show source | driving | result

  fomm animate face.jpg talk.mp4 -o out.mp4 --save-keypoints talk.safetensors
  fomm animate other.jpg --keypoints talk.safetensors -o other.mp4
      detect the motion once, use it for other images without the video

  fomm animate face.jpg pose.jpg -o posed --anchor-picture neutral.jpg
      the pose of one image, as the change from another image of the same person

  fomm animate face.jpg talk.mp4 -o frames/%05d.png --size 512
      numbered PNG files of 512x512

  fomm animate group.jpg talk.mp4 -o out.mp4 --face 1
      the second face from the left; --face all animates every face

  fomm animate pair.jpg left.mp4 right.mp4 -o out.mp4 --face all
      a clip for each face, from left to right

  fomm animate "portraits/*" "clips/*" -o out
      each image with each clip: out/IMAGE-CLIP.mp4; existing files are kept

With models of faces, photographs and clips may have any shape: the face is found in both and tracked in the clip, and
the animated square is pasted back into the whole photograph. With other models (bodies, animations), image and clip
should show the subject in about the same place and size: choose a square of each with --crop and --crop-driving.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "animate",
        parents=[common],
        help="animate an image with a video",
        description="Animate an image with a driving video.",
        usage="fomm animate SOURCE DRIVING [-o OUT] [options]\n"
        "       fomm animate SOURCE DRIVING DRIVING ... --face all [-o OUT] [options]\n"
        "       fomm animate SOURCE ... DRIVING ... [-o FOLDER] [options]\n"
        "       fomm animate SOURCE --keypoints FILE [-o OUT] [options]\n"
        "       fomm animate --example [-o OUT] [options]",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="the image: png, jpg, webp, tiff, ...; several names, or a quoted pattern, for several results",
    )
    parser.add_argument(
        "driving",
        nargs="*",
        metavar="DRIVING",
        help=(
            "the driving clip: mp4, mov, webm, mkv, gif, animated webp; a folder or pattern of images. Several "
            "names, or a quoted pattern: each clip animates each image, or with --face all one face of a single"
            " image"
        ),
    )
    parser.add_argument("--example", action="store_true", help="use the bundled image and clip")
    _add_output_arguments(parser.add_argument_group("output"))
    model = parser.add_argument_group("model")
    model.add_argument(
        "--model",
        metavar="NAME|FILE",
        help="a model that `fomm models` lists, or weights: .safetensors, .pth or .pth.tar (as downloaded, not "
        "unpacked) (default: demo-128)",
    )
    add_config_arguments(model)
    anchor = add_motion_arguments(parser.add_argument_group("motion"))
    anchor.add_argument(
        "--anchor-picture",
        metavar="PICTURE",
        type=Path,
        help="relative mode: an image of the driver in the source's pose, instead of a frame of the clip",
    )
    add_crop_arguments(parser.add_argument_group("squares"))
    add_picture_arguments(parser.add_argument_group("pictures"))
    add_computing_arguments(parser.add_argument_group("computing"))
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_output_arguments(group: Any) -> None:
    group.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=Path,
        help=(
            "the file to write; its ending chooses the format: .mp4, .mov, .mkv (H.264), .webm (VP9), .gif, .avif "
            "(AV1); a pattern such as f-%%05d.png, or a name without an ending for a folder of PNG files (default: a "
            "new SOURCE-DRIVING.mp4 in the current folder). For several results: a folder, or a name with *, such "
            "as out/*.webm"
        ),
    )
    group.add_argument("-y", "--overwrite", action="store_true", help="replace existing files")
    group.add_argument(
        "--fps",
        type=rate_or_keep,
        metavar="N|keep",
        help=(
            "frames per second (default: the driving clip's; if frames are uneven, the most common rate); keep:"
            " each frame at the time of its driving frame"
        ),
    )
    group.add_argument("--no-audio", action="store_true", help="leave out the driving clip's audio")
    group.add_argument("--quality", type=int, default=80, metavar="0..100", help="video quality (default: 80)")
    group.add_argument(
        "--encoder",
        choices=ENCODERS,
        default="auto",
        help="auto: x264 for H.264; av1: files a third smaller, by SVT-AV1; the others: H.264 by an NVIDIA, Intel, AMD "
        "or Apple GPU, or x264 with a warning if this machine has none (default: auto)",
    )
    group.add_argument("--compare", action="store_true", help="show source | driving | result side by side")
    group.add_argument(
        "--preview",
        metavar="FILE.png|.html",
        type=Path,
        help="write one image that shows the plan (the squares, and five driving frames), and render nothing",
    )
    group.add_argument(
        "--occlusion",
        metavar="OUT2",
        type=Path,
        help="write a second video: white where the source does not show what is needed, a mask for inpainting",
    )
    group.add_argument(
        "--save-keypoints", metavar="FILE", type=Path, help="save the driving motion as a small .safetensors file"
    )


def add_computing_arguments(group: Any) -> None:
    """Where and how the networks run."""
    group.add_argument(
        "--device", default="auto", metavar="auto|cpu|cuda|mps", help="also cuda:1 and so on (default: auto)"
    )
    add_precision_argument(
        group,
        "auto: float16 on CUDA, bfloat16 on a CPU with AMX, otherwise float32; keypoints and flow are always float32",
    )
    group.add_argument(
        "--least-db",
        type=float,
        metavar="DB",
        help="use reduced precision only if the model's frames in it have this PSNR against float32, such as 45; "
        "measured once and kept beside the model",
    )
    group.add_argument(
        "--chunk", type=positive, metavar="N", help="frames computed at once (default: 1 on a CPU, otherwise 16)"
    )
    group.add_argument("--exact", action="store_true", help="use the plain networks instead of the fast ones")
    group.add_argument(
        "--compile",
        action="store_true",
        help="compile them: takes minutes before the first frame, then frames are faster",
    )


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1; got {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Animate; returns the exit code."""
    inputs = _inputs(arguments)
    with quick_imports():
        from ..fomm_core.motion import load_keypoints
        from ..fomm_core.pipeline import animate_files, check_files

    options = _options(arguments)
    one = _is_one(inputs, arguments)
    source = inputs.sources[0]
    output = arguments.output or _free_name(inputs, arguments.keypoints, example=arguments.example)
    if one:
        check_files(
            [source, *inputs.clips, arguments.keypoints, arguments.hold, arguments.anchor_picture], output, options
        )
    else:
        check_places(arguments, len(inputs.sources) * max(1, len(inputs.clips)))
    performance = None if arguments.keypoints is None else load_keypoints(arguments.keypoints)
    if arguments.model is None and not arguments.quiet:
        hint_at_better_models()
    session = open_session(arguments)
    if not one:
        return animate_many(session, inputs, arguments, options, performance, _summary)
    if arguments.preview is not None:
        from ..fomm_core.previewing import preview_files

        found = preview_files(session, source, inputs.clips, arguments.preview, options, performance=performance)
        if not arguments.quiet:
            print(f"{arguments.preview.resolve()}: {found or 'image and clip are used as they are'}")
        return 0
    with progress_display(quiet=arguments.quiet) as progress:
        report = animate_files(
            session,
            source,
            inputs.clips,
            output,
            options,
            performance=performance,
            on_progress=progress,
            on_found=None if arguments.quiet else say,
        )
    if not arguments.quiet:
        print(_summary(report))
    return 0


def _inputs(arguments: argparse.Namespace) -> Inputs:
    """The images and clips; usage errors end the program."""
    source, driving, performance = arguments.source, arguments.driving, arguments.keypoints is not None
    if arguments.example:
        if source is not None or performance:
            arguments.usage_error("--example brings its own SOURCE and DRIVING: omit them")
        from ..fomm_core.shipped import ASSETS

        return Inputs((ASSETS / "source.png",), (ASSETS / "driving.mp4",))
    if source is None:
        arguments.usage_error("SOURCE and DRIVING are missing: an image and a video (or try --example)")
    if not driving and not performance:
        arguments.usage_error("DRIVING is missing: a video, or --keypoints FILE for saved motion")
    return given_inputs([source, *driving], performance=performance)


def _is_one(inputs: Inputs, arguments: argparse.Namespace) -> bool:
    """Whether there is one result: one clip moves one image, or each face of an image has a clip of its own."""
    if len(inputs.sources) == 1 and (len(inputs.clips) < 2 or arguments.face == "all"):
        return True
    if len(inputs.clips) > 1 and arguments.face == "all":
        arguments.usage_error(
            "expected one image, each of whose faces has a clip of its own, or one clip for all faces of several "
            f"images with --face all; got {len(inputs.sources)} images and {len(inputs.clips)} clips"
        )
    return False


def _options(arguments: argparse.Namespace) -> FileOptions:
    from ..fomm_core.pipeline import FileOptions

    return FileOptions(
        animation=animation_options(arguments),
        crop=crop_options(arguments),
        detail=None if arguments.detail == "off" else arguments.detail,
        hold=arguments.hold,
        size=arguments.size,
        fit=arguments.fit,
        background=arguments.background,
        start=arguments.start,
        frames=arguments.frames,
        fps=arguments.fps,
        audio=not arguments.no_audio,
        quality=arguments.quality,
        compare=arguments.compare,
        occlusion=arguments.occlusion,
        keypoints=arguments.save_keypoints,
        anchor_picture=arguments.anchor_picture,
        overwrite=arguments.overwrite,
        encoder=arguments.encoder,
    )


def _free_name(inputs: Inputs, performance: Path | None, *, example: bool) -> Path:
    """A name for the result that no file has yet."""
    if example:
        stem = "fomm-example"
    else:
        parts = [inputs.sources[0].stem, *(clip.stem or clip.name for clip in inputs.clips)]
        parts += [performance.stem] if performance is not None and not inputs.clips else []
        stem = "-".join(parts).replace("%", "").replace("*", "")  # of patterns
    number, path = 1, Path(f"{stem}.mp4")
    while path.exists():
        number += 1
        path = Path(f"{stem}-{number}.mp4")
    return path


def _summary(report: Report) -> str:
    height, width = report.size
    rate = report.frames / report.seconds if report.seconds > 0 else 0.0
    best = "" if report.anchor in (None, 0) else f", anchor frame {report.anchor}"
    return (
        f"{report.output.resolve()}: {counted(report.frames, 'frame')} of {width}x{height}, {float(report.fps):.4g} "
        f"frames per second{best}; took {report.seconds:.1f} s ({rate:.1f} fps)"
    )
