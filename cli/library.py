"""`fomm models`: which models there are and where, and published ones in one step."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .download_display import download_display, megabytes
from .terminal import say

if TYPE_CHECKING:
    from ..fomm_core.fetching import Remote
    from ..fomm_core.library import PublishedModel

EPILOG = """\
examples:
  fomm models                                    installed models, and those available
  fomm models --verify                           read each file: do the weights load, is the SHA-256 as recorded
  fomm models get vox                            download a published model, or resume
  fomm models get vox taichi --yes --convert     without confirmation, as safetensors
  fomm models get vox --file ~/Downloads/vox-cpk.pth.tar
  fomm models get mine --url https://example.org/mine.pth.tar

Models are stored in the first folder that `fomm models` names, and found by --model in every command, by the blocks
in ComfyUI and Blender, and by load_model("vox") in Python. Set FOMM_MODELS to use other folders.
"""

GET_EPILOG = """\
examples:
  fomm models get vox                            asks, downloads, checks; then: fomm animate ... --model vox
  fomm models get vox-adv --yes --convert
  fomm models get vox --file ~/Downloads/vox-cpk.pth.tar

Known names: vox, vox-adv, taichi, taichi-adv, fashion, mgif, bair, nemo; any other with --url or --file.
Ctrl-C keeps what was downloaded: the same command resumes.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand and its own."""
    parser = commands.add_parser(
        "models",
        parents=[common],
        help="list models, download published ones",
        description="List installed models and models available for download.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--verify", action="store_true", help="read each file completely and compare its SHA-256")
    parser.add_argument("--json", action="store_true", help="print the same as JSON")
    parser.set_defaults(run=run_list)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions")
    get = actions.add_parser(
        "get",
        parents=[common],
        help="download published models, or import a file",
        description="Download published weights into the models folder, check them, and record their SHA-256.",
        epilog=GET_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    get.add_argument("names", nargs="+", metavar="NAME", help="a published model; any name with --url or --file")
    get.add_argument("-y", "--yes", action="store_true", help="do not ask before downloading")
    get.add_argument("--convert", action="store_true", help="keep one safetensors file instead of the published one")
    other = get.add_mutually_exclusive_group()
    other.add_argument("--url", help="download it from another address")
    other.add_argument("--file", type=Path, help="copy a file on this machine instead of downloading")
    get.add_argument(
        "--to", type=Path, metavar="DIR", help="destination folder (default: the one that `fomm models` names)"
    )
    get.set_defaults(run=run_get, usage_error=get.error)


def run_list(arguments: argparse.Namespace) -> int:
    """Show what there is; returns the exit code, 1 where a file is not what was recorded."""
    found = examine(verify=arguments.verify)
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        print(_text(found))
    return 1 if any(model["problem"] for model in found["models"]) else 0


def examine(*, verify: bool = False) -> dict[str, Any]:
    """All that is shown, as plain values."""
    from ..fomm_core.library import PUBLISHED, described, model_folders, models_in, name_of
    from ..fomm_core.shipped import builtin_models

    folders = model_folders()
    places = [(name, path, True) for name, path in builtin_models().items()]
    places += [(name_of(path), path, False) for folder in folders for path in models_in(folder)]
    models = []
    for name, path, builtin in places:
        model = {
            "name": name,
            "file": str(path),
            "bytes": path.stat().st_size,
            "built_in": builtin,
            "kind": described(path),
            "sha256_matches": None,
            "problem": None,
        }
        models.append({**model, **(_verified(path) if verify else {})})
    there = {model["name"] for model in models}
    known = [
        {"name": model.name, "moves": model.moves, "url": model.url, "there": model.name in there}
        for model in PUBLISHED.values()
    ]
    return {"folders": [str(folder) for folder in folders], "models": models, "published": known}


def _verified(path: Path) -> dict[str, Any]:
    from ..fomm_core.errors import FommError
    from ..fomm_core.fetching import verify

    try:
        matches, kind = verify(path)
    except FommError as problem:
        return {"problem": str(problem)}
    changed = "the file has changed since it was checked: its SHA-256 differs. Remove it and download it again"
    return {"kind": kind, "sha256_matches": matches, "problem": changed if matches is False else None}


def _text(found: dict[str, Any]) -> str:
    lines = ["models that --model finds"]
    for model in found["models"]:
        where = "built in" if model["built_in"] else model["file"]
        sure = {None: "", True: ", SHA-256 as recorded", False: ""}[model["sha256_matches"]]
        lines.append(f"  {model['name']:<12} {megabytes(model['bytes']):>9}  {model['kind']}{sure}  ({where})")
        if model["problem"]:
            lines.append(f"    problem: {model['problem']}")
    if not all(model["there"] for model in found["published"]):
        lines += ["", "published; download with `fomm models get NAME`"]
    lines += [f"  {model['name']:<12} {model['moves']}" for model in found["published"] if not model["there"]]
    lines += ["", "folders of models", *(f"  {folder}" for folder in found["folders"])]
    return "\n".join(lines)


def run_get(arguments: argparse.Namespace) -> int:
    """Get each model; returns the exit code."""
    if len(arguments.names) > 1 and (arguments.url or arguments.file):
        arguments.usage_error("expected one NAME with --url or --file")
    for name in arguments.names:
        if not _get(name, arguments):
            return 1
    return 0


def _get(name: str, arguments: argparse.Namespace) -> bool:
    from ..fomm_core.errors import CheckpointError, DownloadError
    from ..fomm_core.fetching import install
    from ..fomm_core.library import AUTHORS_PAGE, known_as

    known = known_as(name)
    target = _target(name, known, arguments)
    if _there_already(known.name if known else name, arguments):
        return True
    _refuse_unless_asked(arguments)
    try:
        source = arguments.file or _remote(arguments.url or (known.url if known else ""), target, known, arguments)
        if source is None:
            return False
        with download_display(target.name, quiet=arguments.quiet) as report:
            made = install(
                source,
                target,
                preset_name=known.preset if known else None,
                to_safetensors=arguments.convert,
                report=report,
            )
    except (DownloadError, CheckpointError) as problem:
        page = f" The authors' own page: {AUTHORS_PAGE}" if known and not arguments.file else ""
        raise type(problem)(f"{problem}{page}") from problem
    except KeyboardInterrupt:
        say("stopped; what was downloaded is kept, and the same command resumes.")
        return False
    if made.left_out:
        say(f"left out, not weights of the model: {', '.join(made.left_out)}")
    if not arguments.quiet:
        print(f"{made.path}: {made.record.kind}, {megabytes(made.record.size)}, SHA-256 {made.record.sha256}")
        say(f"use it with --model {known.name if known else name}")
    return True


def _target(name: str, known: PublishedModel | None, arguments: argparse.Namespace) -> Path:
    """The file that the model will be; raises FommError for a name that is none."""
    import difflib

    from ..fomm_core.errors import FommError
    from ..fomm_core.library import PUBLISHED, SUFFIXES, model_folders
    from ..fomm_core.shipped import builtin_models

    given = str(arguments.file.name if arguments.file else (arguments.url or "").split("?")[0].split("#")[0])
    suffix = max((end for end in SUFFIXES if given.endswith(end)), key=len, default=".pth.tar")
    folder = (arguments.to or model_folders()[0]).expanduser()
    if known is not None:
        return folder / f"{known.stems[0]}{suffix}"
    if name in builtin_models():
        raise FommError(f"'{name}' is built in and needs no download: use it with --model {name}.")
    if not given:
        near = difflib.get_close_matches(name, PUBLISHED, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise FommError(
            f"expected a published model ({', '.join(PUBLISHED)}); got '{name}'.{hint} For any other, say where it is: "
            "--url or --file."
        )
    if not name.replace("-", "").replace("_", "").isalnum():
        raise FommError(f"expected a name of letters, digits, - and _; got '{name}'.")
    return folder / f"{name}{suffix}"


def _there_already(name: str, arguments: argparse.Namespace) -> bool:
    from ..fomm_core.fetching import make_safetensors
    from ..fomm_core.library import find_named, model_folders

    found = find_named(name, (arguments.to.expanduser(),) if arguments.to else model_folders())
    if found is None:
        return False
    if arguments.convert and found.suffix != ".safetensors":
        found = make_safetensors(found).path
    say(f"'{name}' is installed: {found}. Use it with --model {name}; remove the file to download it again.")
    return True


def _refuse_unless_asked(arguments: argparse.Namespace) -> None:
    from ..fomm_core.errors import FommError

    if not (arguments.yes or arguments.file or (sys.stdin is not None and sys.stdin.isatty())):
        raise FommError(
            "expected a terminal to ask for confirmation before downloading; there is none. Add --yes to "
            "confirm in advance."
        )


def _remote(url: str, target: Path, known: PublishedModel | None, arguments: argparse.Namespace) -> Remote | None:
    """What will be downloaded, once the user has agreed; None where not."""
    from ..fomm_core.fetching import held, look, part_of
    from ..fomm_core.library import AUTHORS_PAGE

    say(f"asking {url}")
    remote = look(url)
    had = held(part_of(target), remote)
    here = f" ({megabytes(had)} of it already downloaded)" if had else ""
    say(f"{target.name}, {megabytes(remote.size)}{here}, will be saved in {target.parent}")
    if known is not None:
        say(f"The weights were published by the paper's authors; their page states the terms of use: {AUTHORS_PAGE}")
    if arguments.yes:
        return remote
    print("fomm: download it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return remote
    say("nothing was downloaded.")
    return None
