"""First Order Motion Model as graph blocks: the doors, one per host.

Nothing is imported until a host knocks. Library users come in by `fomm_nodes.fomm_core`, and by `fomm_nodes.render`
for saved graphs.
"""

from typing import Any

# ComfyUI serves this folder: the blocks' help pages.
WEB_DIRECTORY = "./web"

# Blender reads this without running the file; an extension's blender_manifest.toml says the same.
bl_info = {
    "name": "First Order Motion Model",
    "author": "fomm-nodes contributors",
    "version": (0, 1, 0),
    "blender": (4, 2, 0),
    "location": "Node Editor > First Order Motion; Video Sequencer > sidebar",
    "description": "Bring a still picture to life with the movement of a video",
    "category": "Node",
}


def register() -> None:
    """Blender's door: switch the add-on on."""
    from .nodes.hosts.blender.addon import register

    register()


def unregister() -> None:
    """Switch it off again."""
    from .nodes.hosts.blender.addon import unregister

    unregister()


async def comfy_entrypoint() -> Any:
    """ComfyUI's door: the extension that holds our blocks."""
    try:
        from .nodes.hosts.comfyui.extension import extension

        return extension()
    except Exception:
        import logging

        # ComfyUI reports an entry point's error as one line without its cause.
        logging.getLogger("fomm").exception("fomm-nodes could not be loaded into ComfyUI")
        raise


def _version() -> str:
    import re
    from pathlib import Path

    project = Path(__file__).with_name("pyproject.toml")
    if project.is_file():  # a checkout, which ComfyUI loads without an install
        found = re.search(r'^version = "([^"]+)"', project.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found[1]
    from importlib.metadata import version

    return version("fomm-nodes")


def __getattr__(name: str) -> Any:
    if name in ("batch", "cli", "fomm_core", "graph", "nodes"):
        from importlib import import_module

        return import_module(f".{name}", __name__)
    if name == "render":
        from .batch.render import render

        return render
    if name == "__version__":
        return _version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
