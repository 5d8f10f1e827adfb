"""The house rules, read off the source with `ast`: who may import whom, and what no file does."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 350
EVERYTHING = {"*"}

# What each part may import, itself and fomm_core.errors aside, and does. A new module has to be given its place here.
CORE: dict[str, set[str]] = {
    "errors": set(),
    "wording": set(),
    "files": set(),
    "checksums": set(),
    "geometry": set(),
    "bounds": set(),
    "config": {"bounds", "wording"},
    "cost": {"config"},
    "shipped": set(),
    "library": {"config", "files", "shipped", "wording"},
    "official": {"bounds", "config"},
    "networks": {"geometry", "config"},
    "motion": {"geometry", "checksums", "files", "wording"},
    "model": {"networks", "config", "geometry"},
    "checkpoints": {
        "model",
        "networks",
        "config",
        "cost",
        "checksums",
        "files",
        "shipped",
        "library",
        "wording",
    },
    "fetching": {"checkpoints", "config", "files", "library", "wording"},
    "lowering": {"networks", "model"},
    "exporting": {"model", "networks", "lowering", "motion", "geometry", "config", "files", "region"},
    "fitting": set(),
    "prepared": {"model", "geometry", "fitting"},
    "precision": set(),
    "standing": {"geometry", "prepared"},
    "chunks": {"team"},
    "session": {
        "chunks",
        "model",
        "motion",
        "geometry",
        "lowering",
        "fitting",
        "config",
        "precision",
        "prepared",
        "standing",
    },
    "parts": {"session", "model", "networks", "geometry", "fitting"},
    "detail": {"geometry"},
    "region": {"geometry", "checksums", "files"},
    "faces": {"region", "shipped", "video"},
    "persons": {"faces", "shipped", "video"},
    "video": {"files", "wording"},
    "view": {"geometry"},
    "grouping": {"faces", "fitting", "motion", "prepared", "session"},
    "checking": {"animation", "faces", "geometry", "motion", "prepared", "session", "whole"},
    "plots": {"checking", "geometry", "view"},
    "background": set(),
    "team": set(),
    "animation": {"session", "motion", "geometry", "fitting"},
    "fidelity": {"animation", "files", "fitting", "model", "precision", "session", "shipped", "video"},
    "schedule": {"geometry", "motion", "video"},
    "whole": {"background", "config", "region", "faces", "persons", "video", "wording"},
    "frames": {"fitting", "region", "video"},
    "options": {"animation", "detail", "files", "fitting", "video", "whole"},
    "enlarging": {"detail", "fitting", "prepared"},
    "drivers": {
        "animation",
        "background",
        "faces",
        "fitting",
        "frames",
        "geometry",
        "motion",
        "options",
        "prepared",
        "region",
        "session",
        "video",
        "whole",
    },
    "stills": {
        "animation",
        "enlarging",
        "fitting",
        "options",
        "prepared",
        "region",
        "session",
        "video",
        "whole",
        "wording",
    },
    "rendering": {
        "background",
        "enlarging",
        "fitting",
        "options",
        "prepared",
        "schedule",
        "session",
        "video",
        "view",
        "whole",
    },
    "movements": {
        "drivers",
        "geometry",
        "motion",
        "options",
        "rendering",
        "schedule",
        "stills",
        "video",
        "whole",
    },
    "keeping": {"drivers", "faces", "grouping", "motion", "prepared", "session"},
    "live": EVERYTHING,  # frame by frame, as they come
    "pipeline": EVERYTHING,  # from files to files
    "cropping": EVERYTHING,  # a file to its square
    "drive_check": EVERYTHING,  # a pair of files, before they are animated
    "previewing": EVERYTHING,  # the same, to one image
    "training": EVERYTHING,  # above all of them but the pipeline
    "": EVERYTHING,  # fomm_core/__init__.py: the public names
}
ARROWS: dict[str, set[str]] = {
    **{
        f"fomm_core.{name}".rstrip("."): {"fomm_core"}
        if allowed == EVERYTHING
        else {f"fomm_core.{other}" for other in allowed}
        for name, allowed in CORE.items()
    },
    "graph": {"fomm_core.errors", "fomm_core.files", "fomm_core.wording"},  # of the core, what needs no library
    "live": {"fomm_core"},
    "nodes": set(),
    "nodes.spec": set(),
    "nodes.declarations": {"nodes.spec", "fomm_core"},
    "nodes.hosts": {"fomm_core"},  # what several hosts share
    "nodes.hosts.blender": {"graph"},  # runs inside Blender's Python, which has none of our libraries
    "nodes.hosts.comfyui": {"nodes.hosts", "nodes.spec", "nodes.declarations", "fomm_core"},
    "nodes.hosts.headless": {"nodes.hosts", "nodes.spec", "nodes.declarations", "graph", "fomm_core"},
    "nodes.block_table": {"nodes.hosts", "nodes.spec", "nodes.declarations"},
    "batch": {"graph", "nodes", "fomm_core"},
    "cli": {"batch", "graph", "live", "nodes", "fomm_core"},
    "": {"batch", "nodes"},  # the doors
}
# Imports under `if TYPE_CHECKING:` are arrows like any other; only these are let through.
TYPES_ONLY = {"nodes.spec": {"torch", "fomm_core"}}
ONLY_THEMSELVES = ("", "fomm_core", "nodes")
"""Rows of an `__init__.py` alone."""
STDLIB_ONLY = {
    "",
    "fomm_core.errors",
    "fomm_core.files",
    "fomm_core.wording",
    "graph",
    "nodes",
    "nodes.hosts.blender",
    "nodes.spec",
}
HOSTS = {"bpy", "comfy", "comfy_api", "comfy_execution", "execution", "folder_paths", "server"}
BESIDES = {
    "graph": {"PIL", "av"},  # loaded where an image or clip carries a graph, and nowhere else
    "nodes.hosts.blender": {"bpy", "bl_operators", "gpu", "gpu_extras", "nodeitems_utils"},
}
SCREEN = {"rich", "tqdm"}
TOPS = ("batch", "cli", "fomm_core", "graph", "live", "nodes")
OUR_NAMES = {*TOPS, "fomm_nodes"}  # `nodes` is ComfyUI's own file besides


def module_name(path: Path) -> str:
    """`fomm_core/motion/__init__.py` -> `fomm_core.motion`; the root's `__init__.py` -> ``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = [ROOT / "__init__.py", *(path for top in TOPS for path in sorted(ROOT.glob(f"{top}/**/*.py")))]
PACKAGES = {module_name(path) for path in SOURCES if path.name == "__init__.py"}
MODULES = {module_name(path) for path in SOURCES}


def part_of(module: str) -> str | None:
    """The longest entry of the table that holds the module; the nameless ones hold only their own `__init__.py`."""
    if module in ONLY_THEMSELVES:
        return module
    parts = module.split(".")
    names = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((name for name in names if name in ARROWS and name not in ONLY_THEMSELVES), None)


def imports(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[tuple[int, str, bool]]:
    """(line, imported module, whether it is ours) of each import statement, relative ones resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, False
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module or "", False
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".") if module else []
            up = node.level - 1 if is_package else node.level
            base = [*parts[: len(parts) - up], *(node.module or "").split(".")]
            origin = ".".join(part for part in base if part)
            for alias in node.names:
                inner = f"{origin}.{alias.name}".lstrip(".")
                yield node.lineno, inner if inner in MODULES else origin, True


def import_faults(source: str, module: str, *, is_package: bool = False) -> list[str]:
    part = part_of(module)
    if part is None:
        return [f"{module} is in no row of the table in tests/test_architecture.py: add it, with what it may import"]
    faults = []
    tree = ast.parse(source)
    for_types = {line for node in ast.walk(tree) if _is_type_checking(node) for line in _lines(node)}
    for line, target, ours in imports(tree, module, is_package=is_package):
        top = target.split(".")[0]
        if line in for_types and ours == (top == "fomm_core") and top in TYPES_ONLY.get(part, set()):
            continue
        where = f"{module or 'the root'}:{line}"
        if not ours:
            if top in OUR_NAMES:
                faults.append(
                    f"{where} imports {target} by an absolute name: inside the package, relative imports only"
                )
            if top in HOSTS and part not in ("nodes.hosts.comfyui", "nodes.hosts.blender"):
                faults.append(f"{where} imports {target}: only nodes/hosts knows a host")
            if top in SCREEN and part.startswith("fomm_core"):
                faults.append(f"{where} imports {target}: the core shows nothing on a screen")
            if part in STDLIB_ONLY and top not in sys.stdlib_module_names | BESIDES.get(part, set()):
                faults.append(f"{where} imports {target}: the standard library only")
            continue
        other = part_of(target)
        if other is None:
            faults.append(f"{where} imports {target}, which is in no row of the table in tests/test_architecture.py")
        elif target and not _may(part, other):
            faults.append(
                f"{where} imports {target}: {part or 'the root'} may import {sorted(ARROWS[part]) or 'nothing'}"
            )
    return list(dict.fromkeys(faults))  # one per line, however many names it imports


def _may(part: str, other: str) -> bool:
    allowed = {*ARROWS[part], part, *(["fomm_core.errors"] if part.startswith("fomm_core.") else [])}
    return any(f"{other}.".startswith(f"{one}.") for one in allowed)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def _lines(node: ast.AST) -> set[int]:
    return {inner.lineno for statement in node.body for inner in ast.walk(statement) if isinstance(inner, ast.stmt)}


def call_faults(source: str, module: str) -> list[str]:
    faults = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        where = f"{module}:{node.lineno} calls {name}"
        if name == "torch.load" and not _is(keywords.get("weights_only"), True):
            faults.append(f"{where} without weights_only=True: a checkpoint may carry code")
        if name in {"eval", "exec", "compile", "os.system"}:
            faults.append(f"{where}: nothing that comes in is run")
        if name in {"pickle.load", "pickle.loads", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}:
            faults.append(f"{where}: a file may carry code; use safetensors, yaml.safe_load")
        if not _is(keywords.get("allow_pickle", ast.Constant(False)), False) or _is(keywords.get("shell"), True):
            faults.append(f"{where} with allow_pickle or shell: a file may carry code")
        if name == "print" and module.startswith(("fomm_core", "nodes.spec", "nodes.declarations")):
            faults.append(f"{where}: the core and the blocks log, they never print")
        if name.split(".")[-1] == "getLogger" and not _is_logger_name(node):
            faults.append(f"{where}: a logger's name is fixed, 'fomm' or 'fomm.…' (`__name__` is a path under ComfyUI)")
    return faults


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_logger_name(call: ast.Call) -> bool:
    return (
        len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and f"{call.args[0].value}.".startswith("fomm.")
    )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_keeps_the_house_rules(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    module = module_name(path)
    faults = import_faults(source, module, is_package=path.name == "__init__.py") + call_faults(source, module)
    if (lines := source.count("\n")) > MAX_LINES:
        faults.append(f"{path.relative_to(ROOT)} has {lines} lines: split what is more than {MAX_LINES}")
    assert not faults, "\n".join(faults)


def arrows_of(module: str, source: str, *, is_package: bool) -> tuple[set[str], set[str]]:
    """The modules of ours that one imports: all, and those that it needs when it runs."""
    tree = ast.parse(source)
    for_types = {line for node in ast.walk(tree) if _is_type_checking(node) for line in _lines(node)}
    found = {(line, target) for line, target, ours in imports(tree, module, is_package=is_package) if ours}
    return {target for _, target in found}, {target for line, target in found if line not in for_types} - {module}


def circle(arrows: dict[str, set[str]]) -> list[str] | None:
    """Modules of which each imports the next, and the last the first; None where there are none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as problem:
        return list(problem.args[1])
    return None


def test_no_files_import_each_other_in_a_circle() -> None:
    """Imports within functions count: such a circle works, but nobody can read its files in any order."""
    arrows = {
        module_name(path): arrows_of(module_name(path), path.read_text("utf-8"), is_package=path.stem == "__init__")[1]
        for path in SOURCES
    }
    assert circle(arrows) is None
    assert circle({**arrows, "graph.types": {"graph.check"}}) is not None


def unused_permissions(used: dict[str, set[str]]) -> list[str]:
    return [
        f"{part or 'the root'} may import {allowed}, and does not: take it out of its row"
        for part, row in ARROWS.items()
        for allowed in sorted(row)
        if not any(f"{other}.".startswith(f"{allowed}.") and other != part for other in used.get(part, ()))
    ]


def test_each_permission_is_used() -> None:
    used: dict[str, set[str]] = {}
    for path in SOURCES:
        module = module_name(path)
        targets = arrows_of(module, path.read_text("utf-8"), is_package=path.stem == "__init__")[0]
        used.setdefault(part_of(module) or "", set()).update(filter(None, map(part_of, targets)))
    assert unused_permissions(used) == []
    assert unused_permissions({**used, "batch": {"nodes.hosts"}})


def test_each_row_of_the_table_has_its_module() -> None:
    gone = {name for name in ARROWS if name not in MODULES and not any(m.startswith(f"{name}.") for m in MODULES)}
    assert not gone, f"the table names modules that are not there: {sorted(gone)}"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("fomm_core.geometry.grid", "from ..networks import blocks"),
        ("fomm_core.geometry.grid", "def f():\n    from .. import session"),
        ("fomm_core.motion.transfer", "from ..model import MotionModel"),
        ("fomm_core.session", "from ...nodes import spec"),
        ("fomm_core.session", "import comfy.utils"),
        ("fomm_core.session", "from tqdm import tqdm"),
        ("fomm_core.somewhere", "import math"),
        ("fomm_core.config", "from .somewhere import it"),
        ("nodes.spec", "import torch"),
        ("nodes.spec", "from ..fomm_core import config"),
        ("nodes.spec", "if TYPE_CHECKING:\n    import numpy"),
        ("nodes.spec", "if TYPE_CHECKING:\n    import torch\nelse:\n    import torch"),
        ("nodes.declarations.model", "from ..hosts import comfyui"),
        ("nodes.declarations.model", "import folder_paths"),
        ("cli.main", "from ..nodes.hosts.blender.somewhere import it\nfrom ..tests import support"),
        ("graph.check", "from ..nodes.spec import COMBO"),
        ("graph.check", "import numpy"),
        ("graph.check", "from ..fomm_core.video import VideoReader"),
        ("batch.jobs", "from ..cli import main"),
        ("nodes.declarations.flow", "from ...batch import jobs"),
        ("nodes.hosts.headless.host", "import folder_paths"),
        ("nodes.hosts.comfyui.host", "import nodes"),
        ("nodes.hosts.comfyui.host", "from fomm_nodes.fomm_core import config"),
        ("", "import torch"),
    ],
)
def test_a_wrong_import_is_seen(module: str, source: str) -> None:
    assert import_faults(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("fomm_core.model", "from .networks.generator import Generator\nfrom . import config, errors"),
        ("fomm_core.motion.transfer", "from .scale import movement_scale\nfrom ..geometry import Keypoints"),
        ("fomm_core.session", "import torch\nfrom ..fomm_core import geometry"),
        (
            "nodes.hosts.comfyui.host",
            "import folder_paths\nfrom ...declarations import flow\nfrom ....fomm_core import config",
        ),
        ("cli.main", "from .. import __version__\nfrom ..fomm_core import session\nimport rich"),
        ("batch.local.engine", "from ...graph.model import Graph\nfrom ...nodes.declarations import BY_ID"),
    ],
)
def test_a_right_import_passes(module: str, source: str) -> None:
    assert import_faults(source, module) == []


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=strict)",
        "eval('1')",
        "exec(code)",
        "pickle.loads(data)",
        "yaml.load(text, Loader=yaml.Loader)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(line, shell=True)",
        "print('hello')",
        "logging.getLogger(__name__)",
        "logging.getLogger()",
        "getLogger('fommage')",
    ],
)
def test_a_wrong_call_is_seen(source: str) -> None:
    assert call_faults(source, "fomm_core.model")


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, map_location='cpu', weights_only=True)",
        "model.eval()",
        "torch.compile(model)",
        "re.compile('a')",
        "np.load(path, allow_pickle=False)",
        "logging.getLogger('fomm.video')",
        "logging.getLogger('fomm')",
    ],
)
def test_a_right_call_passes(source: str) -> None:
    assert call_faults(source, "fomm_core.model") == []


def test_nothing_is_imported_until_a_host_knocks() -> None:
    script = f"""
import sys, importlib.util
name = {str(ROOT)!r}.replace(".", "_x_")  # as ComfyUI does it
spec = importlib.util.spec_from_file_location(name, {str(ROOT / "__init__.py")!r})
module = importlib.util.module_from_spec(spec)
sys.modules[name] = module
before = set(sys.modules)
spec.loader.exec_module(module)
print(*sorted(other for other in set(sys.modules) - before if other.split(".")[0] not in sys.stdlib_module_names))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.split() == []


def test_graphs_are_read_without_any_library() -> None:
    script = f"""
import importlib, importlib.util, json, sys
root = {str(ROOT)!r}
spec = importlib.util.spec_from_file_location("fomm_nodes", root + "/__init__.py", submodule_search_locations=[root])
sys.modules["fomm_nodes"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
for name in {sorted(name for name in MODULES if name.startswith("graph"))!r}:
    importlib.import_module("fomm_nodes." + name)
from fomm_nodes.graph.check import check
from fomm_nodes.graph.reading import read_graph
from fomm_nodes.graph.schemas import schemas_of
from fomm_nodes.nodes.block_table import known_blocks
schemas = schemas_of(known_blocks())
print(check(read_graph(root + "/workflows/animate.json", schemas), schemas))
"""
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout.strip(), ran.stderr) == (0, "[]", "")


def test_the_map_names_files_that_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+\.py)`", page))
    assert len(named) > 10
    known = {path.relative_to(ROOT).as_posix() for path in (*SOURCES, Path(__file__))}
    assert [name for name in sorted(named) if not any(f"/{path}".endswith(f"/{name}") for path in known)] == []


def test_the_tree_names_what_exists() -> None:
    tree = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Parts")[2].partition("## ")[0]
    core, host = "fomm_core", "nodes/hosts"
    places = ["", core, "nodes", host, "batch"]
    named = [
        name
        for line in tree.splitlines()
        if line.startswith("    ")
        for name in re.split(r",\s*", re.split(r"\s{2,}|(?<=/) |(?<=py) ", line.strip())[0])
    ]
    assert len(named) > 60
    assert [name for name in named if not any((ROOT / place / name).exists() for place in places)] == []


NO_SOURCE = {
    "batch/farm": "engines on other machines, one contract for all",
    "cli/full_disk": "every write of every command",
    "cli/models": "`fomm models`",
    "fomm_core/family": "models of other families, from their files to their frames",
    "nodes/hosts/blender/inside": "runs in Blender's Python",
}
"""Folders of tests that mirror no folder of the source."""


def test_tests_mirror_the_source() -> None:
    folders = {path.parent.relative_to(ROOT / "tests") for top in TOPS for path in ROOT.glob(f"tests/{top}/**/*.py")}
    strange = {folder.as_posix() for folder in folders if not (ROOT / folder / "__init__.py").is_file()}
    assert strange == NO_SOURCE.keys()
