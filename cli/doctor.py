"""`fomm doctor`: what is installed and found, what is wrong with it, and what to do."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import __version__
from ..fomm_core.wording import counted

LIBRARIES = {
    "torch>=2.4": "torch",
    "numpy>=1.26": "numpy",
    "opencv-python>=4.8": "cv2",
    "safetensors>=0.4.3": "safetensors",
    "kornia>=0.8.3,<0.10": "kornia",
    "einops>=0.7": "einops",
    "av>=17.1": "av",
    "pyyaml>=6.0": "yaml",
    "rich>=13.0": "rich",
    "pillow>=10.0": "PIL",
    "pi-heif>=1.0": "pi_heif",
    "tifffile>=2024.8": "tifffile",
    "filelock>=3.12": "filelock",
    "threadpoolctl>=3.1": "threadpoolctl",
    "platformdirs>=4.0": "platformdirs",
    "obstore>=0.11": "obstore",
}
"""What pyproject.toml asks for, and the name that it is imported by."""

# what for, name in FFmpeg, "r" or "w"
CODECS = (
    ("read H.264", "h264", "r"),
    ("read VP9", "vp9", "r"),
    ("read AAC", "aac", "r"),
    ("read Opus", "opus", "r"),
    ("write H.264 (.mp4)", "libx264", "w"),
    ("write VP9 (.webm)", "libvpx-vp9", "w"),
    ("write AAC", "aac", "w"),
    ("write Opus", "libopus", "w"),
)
PACK = Path(__file__).resolve().parents[1]
OLDEST_COMFYUI = (0, 3, 60)


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "doctor",
        parents=[common],
        help="report what is installed and what is wrong",
        description=(
            "Check libraries, devices, codecs, built-in models and ComfyUI. Exit code 1 if something is wrong."
        ),
        epilog="examples:\n  fomm doctor\n  COMFYUI_DIR=~/ComfyUI fomm doctor --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the same as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look and tell; returns the exit code."""
    found = examine()
    if arguments.json:
        print(json.dumps(found, indent=2))
    elif not arguments.quiet or found["problems"]:
        print(_text(found))
    return 1 if found["problems"] else 0


def examine() -> dict[str, Any]:
    """Everything that is shown, as plain values; `problems` are sentences that say what to do."""
    problems: list[str] = []
    libraries = _libraries(problems)
    usable = all(library["version"] is not None for library in libraries.values())
    return {
        "version": __version__,
        "installed_in": str(PACK),
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "libraries": libraries,
        "devices": _devices(problems) if libraries["torch"]["version"] else [],
        "video": _video(problems) if libraries["av"]["version"] else None,
        "models": _models(problems) if usable else {},
        "published": _published() if usable else {},
        "comfyui": _comfyui(problems),
        "problems": problems,
    }


def _libraries(problems: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for wanted, module_name in LIBRARIES.items():
        name = re.split(r"[<>=]", wanted)[0]
        try:
            module = importlib.import_module(module_name)
        except Exception as error:  # whatever a broken library raises: saying so is this command's purpose
            found[name] = {"version": None, "wanted": wanted}
            hint = f'pip install "{wanted}"'
            if name == "opencv-python" and "libGL" in str(error):
                hint = "apt install libgl1, or pip install opencv-python-headless"
            problems.append(f"{name} can't be loaded ({_first_line(error)}): {hint}")
            continue
        version = _version(name, module)
        found[name] = {"version": version, "wanted": wanted}
        if not satisfies(version, wanted):
            problems.append(f'{name} is {version}, but {wanted} is needed: pip install "{wanted}"')
    return found


def _version(name: str, module: Any) -> str:
    own = getattr(module, "__version__", None)
    if isinstance(own, str):
        return own
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def satisfies(version: str, wanted: str) -> bool:
    """Whether a version is within bounds such as `kornia>=0.8,<0.10`; what is no number satisfies."""
    numbers = _numbers(version)
    for sign, bound in re.findall(r"(>=|<)([\d.]+)", wanted):
        if numbers and (numbers >= _numbers(bound)) != (sign == ">="):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _devices(problems: list[str]) -> list[dict[str, Any]]:
    import torch

    from ..fomm_core.precision import AUTO, choose_precision, is_fast

    cpu, halves = torch.device("cpu"), ("bfloat16", "float16")
    fast = ["float32", *(name for name in halves if is_fast(getattr(torch, name), cpu))]
    formats = {"precisions": fast, "auto": choose_precision(AUTO, cpu)}
    devices: list[dict[str, Any]] = [
        {"device": "cpu", "name": _cpu_name(), "threads": torch.get_num_threads(), **formats}
    ]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        devices[0]["memory_bytes"] = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        devices.append({"device": f"cuda:{index}", "name": name, "memory_bytes": total, "free_bytes": free})
    if torch.backends.mps.is_available():
        devices.append({"device": "mps", "name": "Apple GPU"})
    if len(devices) == 1 and shutil.which("nvidia-smi"):
        problems.append(
            f"an NVIDIA driver is installed, but torch {torch.__version__} can't use the GPU: install a CUDA build of "
            "torch, as pytorch.org/get-started says, or update the driver"
        )
    return devices


def _cpu_name() -> str:
    try:  # Linux; elsewhere `platform` knows
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _video(problems: list[str]) -> dict[str, Any]:
    import av
    from av.codec import Codec

    codecs = {}
    for purpose, name, mode in CODECS:
        try:
            Codec(name, mode)  # type: ignore[arg-type]
            codecs[purpose] = True
        except Exception:  # PyAV's versions differ in what they raise for a codec that is not there
            codecs[purpose] = False
            problems.append(f'PyAV can\'t {purpose}: install its usual build, pip install --force-reinstall "av>=17.1"')
    return {"ffmpeg": getattr(av, "ffmpeg_version_info", "unknown"), "codecs": codecs}


def _models(problems: list[str]) -> dict[str, Any]:
    from ..fomm_core.checkpoints import builtin_models, load_builtin
    from ..fomm_core.errors import FommError

    found = {}
    for name, path in builtin_models().items():
        try:
            found[name] = {"file": str(path), "parameters": load_builtin(name).num_parameters}
        except FommError as error:
            found[name] = {"file": str(path), "parameters": None}
            problems.append(f"the built-in model {name} can't be loaded: {error} Reinstall fomm-nodes.")
    if not found:
        problems.append("there is no built-in model: reinstall fomm-nodes")
    return found


def _published() -> dict[str, str | None]:
    """The file of each published model; None for those that are not there."""
    from ..fomm_core.library import PUBLISHED, find_named, model_folders

    folders = model_folders()
    return {name: str(path) if (path := find_named(name, folders)) else None for name in PUBLISHED}


def _comfyui(problems: list[str]) -> list[dict[str, Any]]:
    named = os.environ.get("COMFYUI_DIR")
    if named and not _is_comfyui(Path(named).expanduser()):
        problems.append(f"COMFYUI_DIR is '{named}', which is not a ComfyUI: set it to the folder that contains main.py")
    found = []
    for path in _comfyui_folders(named):
        version = _comfyui_version(path)
        ours = sorted(folder for folder in (path / "custom_nodes").iterdir() if _is_our_pack(folder))
        found.append({"folder": str(path), "version": version, "pack": [str(folder) for folder in ours]})
        if version is not None and _numbers(version) < OLDEST_COMFYUI:
            oldest = ".".join(map(str, OLDEST_COMFYUI))
            problems.append(f"ComfyUI in {path} is {version}, but the blocks need {oldest} or newer: update it")
        if len(ours) > 1:
            names = ", ".join(folder.name for folder in ours)
            problems.append(f"ComfyUI in {path} has this pack {len(ours)} times ({names}): remove all but one")
    return found


def _comfyui_folders(named: str | None) -> Iterator[Path]:
    """Those that COMFYUI_DIR, the current folder, and the place of this package lie in or beside."""
    starts = [Path(named).expanduser()] if named else []
    for base in (Path.cwd(), PACK):
        starts += [folder for near in (base, *base.parents) for folder in (near, near / "ComfyUI")]
    seen = set()
    for folder in starts:
        if (path := folder.resolve()) not in seen and _is_comfyui(path):
            yield path
        seen.add(path)


def _is_comfyui(folder: Path) -> bool:
    return (folder / "main.py").is_file() and all((folder / name).is_dir() for name in ("comfy", "custom_nodes"))


def _comfyui_version(folder: Path) -> str | None:
    try:
        found = re.search(r'__version__ = "([^"]+)"', (folder / "comfyui_version.py").read_text(encoding="utf-8"))
    except OSError:
        return None
    return found[1] if found else None


def _is_our_pack(folder: Path) -> bool:
    return not folder.name.endswith(".disabled") and (folder / "fomm_core" / "config.py").is_file()


def _text(found: dict[str, Any]) -> str:
    lines = [f"fomm-nodes {found['version']} in {found['installed_in']}"]
    lines += [f"Python {found['python']} on {found['platform']}", f"for Blender's preferences: {found['executable']}"]
    lines += ["", "libraries"]
    lines += [f"  {name:<14} {library['version'] or 'missing'}" for name, library in found["libraries"].items()]
    lines += ["", "devices", *(f"  {_device_text(device)}" for device in found["devices"])]
    if found["video"]:
        lines += ["", f"video (FFmpeg {found['video']['ffmpeg']})"]
        lines += [f"  {purpose:<20} {'yes' if there else 'no'}" for purpose, there in found["video"]["codecs"].items()]
    lines += ["", "built-in models", *(f"  {name}  {model['file']}" for name, model in found["models"].items())]
    lines += ["", "published models", *_published_lines(found["published"])]
    lines += ["", "ComfyUI", *(f"  {_comfyui_text(comfyui)}" for comfyui in found["comfyui"])]
    if not found["comfyui"]:
        lines.append("  none found; to check one, run this in its folder, or set COMFYUI_DIR")
    lines += ["", "problems:" if found["problems"] else "no problems found"]
    return "\n".join(lines + [f"  - {problem}" for problem in found["problems"]])


def _published_lines(published: dict[str, str | None]) -> list[str]:
    lines = [f"  {name}  {file}" for name, file in published.items() if file]
    missing = [name for name, file in published.items() if not file]
    return lines + ([f"  not installed: {', '.join(missing)}; `fomm models get NAME` downloads one"] if missing else [])


def _device_text(device: dict[str, Any]) -> str:
    parts = [f"{device['device']:<7} {device['name']}"]
    if "threads" in device:
        parts.append(counted(device["threads"], "thread"))
        parts.append(f"fast in {', '.join(device['precisions'])}, animates in {device['auto']}")
    if "memory_bytes" in device:
        free = f" ({device['free_bytes'] / 2**30:.1f} free)" if "free_bytes" in device else ""
        parts.append(f"{device['memory_bytes'] / 2**30:.1f} GiB{free}")
    return ", ".join(parts)


def _comfyui_text(comfyui: dict[str, Any]) -> str:
    here = f"{comfyui['folder']}, version {comfyui['version'] or 'unknown'}"
    if comfyui["pack"]:
        return f"{here}; this pack is {Path(comfyui['pack'][0]).name} in its custom_nodes"
    return f"{here}; this pack is not in its custom_nodes: copy or link {PACK} there to use the blocks"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
