"""`fomm inspect`: what is in a weights file or a keypoints file."""

from __future__ import annotations

import argparse
import json
import struct
from pathlib import Path
from typing import Any

from ..fomm_core.wording import counted
from .hints import files_like
from .models import find_weights
from .terminal import say

EPILOG = """\
examples:
  fomm inspect vox-cpk.pth.tar
  fomm inspect demo-128                         a built-in model, with its model card
  fomm inspect --json *.safetensors
"""

KEYPOINTS_FORMAT = "fomm-keypoints"
SHOWN_ELSEWHERE = {"config", "format", "format_version", "warp_convention", "epoch"}


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "inspect",
        parents=[common],
        help="show what is in a weights or keypoints file",
        description="Describe weights (.safetensors, .pth, .pth.tar, built-in names) and saved keypoints.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="files, or names of built-in models")
    parser.add_argument("--json", action="store_true", help="print a JSON list with one entry for each file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Describe each file; returns the exit code, 1 where one could not be read."""
    from ..fomm_core.errors import FommError

    found: list[dict[str, Any]] = []
    failed = False
    for name in files_like(arguments.files):
        try:
            found.append(describe(name))
        except FommError as problem:
            failed = True
            found.append({"file": name, "error": str(problem)})
            if not arguments.json:
                say(f"error: {problem}")
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n\n".join(_text(entry) for entry in found if "error" not in entry))
    return 1 if failed else 0


def describe(name: str) -> dict[str, Any]:
    """All that is known of a file, as plain values. Raises CheckpointError where it is neither kind of file."""
    path = find_weights(name)
    return _describe_keypoints(path) if _is_performance(path) else _describe_weights(path)


def _is_performance(path: Path) -> bool:
    """Whether a safetensors header names our format of keypoints; damaged files are left to the readers."""
    if path.suffix != ".safetensors":
        return False
    with path.open("rb") as file:
        size = file.read(8)
        if len(size) < 8:
            return False
        header = file.read(min(struct.unpack("<Q", size)[0], 1 << 20))
    try:
        return bool(json.loads(header)["__metadata__"]["format"] == KEYPOINTS_FORMAT)
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _describe_keypoints(path: Path) -> dict[str, Any]:
    from ..fomm_core.motion import duration_of, load_keypoints

    performance = load_keypoints(path)
    keypoints, fps = performance.keypoints, performance.fps
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "kind": "keypoints",
        "frames": len(keypoints),
        "fps": None if fps is None else str(fps),
        "seconds": None if fps is None else round(float(duration_of(keypoints, fps)), 3),
        "uneven": keypoints.times is not None,
        "keypoints": keypoints.count,
        "jacobians": keypoints.jacobian is not None,
        "covariances": keypoints.covariance is not None,
        "metadata": dict(performance.metadata),
    }


def _describe_weights(path: Path) -> dict[str, Any]:
    from ..fomm_core.checkpoints import nearest_preset, read_checkpoint

    checkpoint = read_checkpoint(path)
    config = checkpoint.config
    nearest, differences = nearest_preset(checkpoint.state)
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "kind": "published checkpoint" if checkpoint.kind == "published" else "fomm model",
        "family": config.family,
        "presets": list(checkpoint.presets),
        "nearest_preset": None if checkpoint.presets else {"name": nearest, "differences": differences},
        "frame_size": {"width": config.frame_size[1], "height": config.frame_size[0]},
        "size_multiple": config.size_multiple(),
        "keypoints": config.num_keypoints,
        "jacobians": config.estimate_jacobian,
        "occlusion_map": config.dense_motion is not None and config.generator.estimate_occlusion_map,
        "dense_motion": config.dense_motion is not None,
        "discriminator": checkpoint.has_discriminator,
        "avd": config.avd is not None,
        "background": None if config.background is None else config.background.kind,
        "align_corners": config.align_corners,
        "epoch": checkpoint.epoch,
        "parameters": checkpoint.num_parameters,
        "left_out": list(checkpoint.left_out),
        "config": config.to_dict(),
        "metadata": {key: value for key, value in checkpoint.metadata.items() if key not in SHOWN_ELSEWHERE},
    }


def _text(entry: dict[str, Any]) -> str:
    rows = _keypoints_rows(entry) if entry["kind"] == "keypoints" else _weights_rows(entry)
    rows |= {key.replace("_", " "): value for key, value in entry["metadata"].items()}
    width = max(len(key) for key in rows)
    lines = [f"{entry['file']} ({entry['kind']}, {entry['bytes'] / 1e6:.1f} MB)"]
    for key, value in rows.items():
        first, *others = str(value).splitlines() or [""]
        lines.append(f"  {key:<{width}}  {first}")
        lines += [f"  {'':<{width}}  {line}" for line in others]
    return "\n".join(lines)


def _keypoints_rows(entry: dict[str, Any]) -> dict[str, Any]:
    rate = "not known" if entry["fps"] is None else f"{entry['fps']} frames per second, {entry['seconds']:.1f} s"
    if entry["uneven"]:
        rate += "; frames are uneven and have individual times"
    kinds = f"{_with(entry['jacobians'])} jacobians" + (", with covariances" if entry["covariances"] else "")
    return {"frames": entry["frames"], "rate": rate, "keypoints": f"{entry['keypoints']}, {kinds}"}


FAMILIES = {
    "fomm": "First Order Motion Model",
    "tps": "Thin-Plate Spline Motion Model (TPS)",
    "mraa": "Articulated Animation (MRAA)",
    "partswap": "part swap (co-part segmentation)",
}


def _weights_rows(entry: dict[str, Any]) -> dict[str, Any]:
    nearest = entry["nearest_preset"]
    size, multiple = entry["frame_size"], entry["size_multiple"]
    preset = " or ".join(entry["presets"])
    if nearest is not None:
        keys = counted(nearest["differences"], "key")
        preset = f"none; nearest is {nearest['name']} ({keys} missing, extra or of another shape)"
    motion = "no dense motion" if not entry["dense_motion"] else f"{_with(entry['occlusion_map'])} occlusion map"
    modes = "relative, absolute, avd" if entry["avd"] else "relative, absolute; no avd network"
    if entry["family"] == "partswap":
        motion, modes = "soft masks of parts", "none: for Detect Parts and Swap Parts"
    rows = {
        "family": FAMILIES[entry["family"]],
        "preset": preset,
        "frame size": f"{size['width']}x{size['height']}; others work in multiples of {multiple}",
        "keypoints": f"{entry['keypoints']}, {_with(entry['jacobians'])} jacobians; {motion}",
        "modes": modes,
        "warp": f"align_corners={entry['align_corners']}",
        "parameters": ", ".join(f"{network} {count:,}" for network, count in entry["parameters"].items()),
        "discriminator": "yes" if entry["discriminator"] else "no (not needed to animate)",
        "background": entry["background"] or "no predictor (not needed to animate)",
        "epoch": "not stored" if entry["epoch"] is None else entry["epoch"],
    }
    if entry["left_out"]:
        rows["also holds"] = ", ".join(entry["left_out"])
    return rows


def _with(there: bool) -> str:
    return "with" if there else "without"
