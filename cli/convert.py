"""`fomm convert`: published checkpoints to one safetensors file, and back."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from .models import add_config_arguments, chosen_config, find_weights
from .terminal import say

EPILOG = """\
examples:
  fomm convert vox-cpk.pth.tar                            writes vox-cpk.safetensors beside it
  fomm convert vox-cpk.pth.tar -o models/vox.safetensors
  fomm convert own.pth.tar own.safetensors --config own.yaml
  fomm convert vox.safetensors vox.pth.tar                back to the published layout

Weights stay bit-identical. Optimizer states are left out. `fomm inspect` shows what a file contains.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "convert",
        parents=[common],
        help="convert a published checkpoint to one safetensors file, or back",
        description="Convert weights: .pth or .pth.tar to .safetensors (with the configuration inside), or back.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SRC", help="a .pth.tar, .pth or .safetensors file, not unpacked")
    parser.add_argument(
        "target",
        nargs="?",
        metavar="DST",
        type=Path,
        help="its ending chooses the format (default: SRC with .safetensors)",
    )
    parser.add_argument("-o", "--output", metavar="DST", type=Path, help="the same as DST, as in other commands")
    parser.add_argument("-y", "--overwrite", action="store_true", help="replace DST if it exists")
    add_config_arguments(parser.add_argument_group("model"))
    parser.set_defaults(run=run, usage_error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Convert; returns the exit code."""
    from ..fomm_core.checkpoints import convert
    from ..fomm_core.errors import FommError
    from ..fomm_core.files import check_new
    from ..fomm_core.wording import counted

    if arguments.target is not None and arguments.output is not None:
        arguments.usage_error(f"expected one DST; got '{arguments.target}' and -o '{arguments.output}'")
    source = find_weights(arguments.source)
    stem = re.sub(r"\.(pth|pth\.tar|safetensors)$", "", source.name)
    target = arguments.target or arguments.output or source.with_name(f"{stem}.safetensors")
    if target.resolve() == source.resolve():
        raise FommError(f"expected another name to write to than what is read; got '{target}' for both.")
    check_new(target, overwrite=arguments.overwrite)
    checkpoint = convert(source, target, config=chosen_config(arguments, source))
    if checkpoint.left_out:
        say(f"left out, not weights of the model: {', '.join(checkpoint.left_out)}")
    if not arguments.quiet:
        kind = " or ".join(checkpoint.presets) or "a configuration of its own"
        print(f"{target.resolve()}: {kind}, {counted(sum(checkpoint.num_parameters.values()), 'parameter')}")
    return 0
