"""The blocks as ComfyUI nodes: `extension()` is what the root's `comfy_entrypoint` hands to ComfyUI."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from comfy_api.latest import ComfyExtension, io, ui
from comfy_execution.graph_utils import ExecutionBlocker

from ....fomm_core.errors import FommError
from ... import spec as s
from ...declarations import ALL
from ...spec import Absent, NodeInputError, NodeSpec, Port
from ..requirements import lacking
from .canvas import shown_of
from .files import register_folders
from .host import ComfyUIHost

COMFYUI_TYPES = {
    s.IMAGE: io.Image,
    s.MASK: io.Mask,
    s.LATENT: io.Latent,
    s.VIDEO: io.Video,
    s.AUDIO: io.Audio,
    s.INT: io.Int,
    s.FLOAT: io.Float,
    s.BOOLEAN: io.Boolean,
    s.STRING: io.String,
    s.COMBO: io.Combo,
    **{name: io.Custom(name) for name in (*s.OWN, *s.BOXES)},
}
WITH_RANGE = (s.INT, s.FLOAT)
CHECKS_CHOICES = hasattr(io, "DynamicCombo")
"""Whether the server itself refuses what is not among a block's choices; both came with ComfyUI 0.8."""


def input_of(port: Port) -> Any:
    """The V3 input for a port."""
    words: dict[str, Any] = {"display_name": port.title, "tooltip": port.tooltip}
    if port.optional:
        words["optional"] = True
    if set(port.types) & set(s.BOXES):
        words["extra_dict"] = {"forceInput": True}  # a socket: the front end has widgets for boxes
    if len(port.types) > 1:
        return io.MultiType.Input(port.id, [COMFYUI_TYPES[name] for name in port.types], **words)
    kind = port.types[0]
    if port.is_widget:
        words["default"] = port.default
    if kind in WITH_RANGE:
        words |= {"min": port.minimum, "max": port.maximum, "step": port.step}
    if kind == s.COMBO:
        words["options"] = list(choices_of(ComfyUIHost(), port) or ())
    made = COMFYUI_TYPES[kind].Input(port.id, **words)
    if port.advanced:
        made.extra_dict = {**(made.extra_dict or {}), "advanced": True}
    return made


def choices_of(host: ComfyUIHost, port: Port) -> tuple[str, ...] | None:
    """The choices of a port, from ComfyUI's folders where they are files."""
    return host.options(port.options) if isinstance(port.options, str) else port.options


def schema_of(spec: NodeSpec) -> io.Schema:
    """The V3 schema of a block. Words that this version of ComfyUI has no place for are left out."""
    more: dict[str, Any] = {"search_aliases": list(spec.aliases)}
    known = {field.name for field in fields(io.Schema)}
    return io.Schema(
        node_id=spec.id,
        display_name=spec.title,
        category=spec.category,
        description=spec.description,
        inputs=[input_of(port) for port in spec.inputs],
        outputs=[
            COMFYUI_TYPES[port.types[0]].Output(port.id, display_name=port.title, tooltip=port.tooltip)
            for port in spec.outputs
        ],
        is_output_node=spec.is_output,
        **{name: value for name, value in more.items() if name in known},
    )


def run(spec: NodeSpec, values: dict[str, Any]) -> io.NodeOutput:
    """Run a block once. What its user can mend is said without our traceback's noise in the words."""
    host = ComfyUIHost()
    checked = spec.check(host, values)
    outputs = spec.run(host, **checked)
    if len(outputs) != len(spec.outputs):
        raise RuntimeError(f"{spec.id} returned {len(outputs)} outputs for {len(spec.outputs)} ports")
    delivered = [
        ExecutionBlocker(value.reason) if isinstance(value, Absent) else host.deliver(value) for value in outputs
    ]
    shown: Any = None
    if spec.shows is not None:
        shown = ui.PreviewImage(delivered[[port.id for port in spec.outputs].index(spec.shows)])
    elif spec.drawn is not None:
        shown = shown_of(spec.drawn(checked))
    return io.NodeOutput(*delivered, ui=shown)


def node_of(spec: NodeSpec) -> type[io.ComfyNode]:
    """The node class of a block. Nothing is kept on it: ComfyUI clones and locks it for each run."""

    def define_schema(cls: Any) -> io.Schema:
        return schema_of(spec)

    def execute(cls: Any, /, **values: Any) -> io.NodeOutput:
        return run(spec, values)

    members: dict[str, Any] = {
        "__doc__": spec.description,
        "define_schema": classmethod(define_schema),
        "execute": classmethod(execute),
    }
    if checked := _checked_here(spec):
        members["validate_inputs"] = classmethod(_validation(spec, checked))
    if spec.fingerprint is not None:
        members["fingerprint_inputs"] = classmethod(_fingerprint(spec))
    return type(spec.id, (io.ComfyNode,), members)


def _checked_here(spec: NodeSpec) -> list[Port]:
    """The inputs whose values this pack checks before anything runs.

    These are choices that the server leaves alone, and lists of files, of which there is more to say than that.
    The server marks all of them where one is wrong, so there are no more than needed. A block that lacks a library has
    one at least, to be asked at all.
    """
    choices = [port for port in spec.inputs if port.types == (s.COMBO,)]
    found = [port for port in choices if isinstance(port.options, str) or not CHECKS_CHOICES]
    return found or ([port for port in spec.inputs if port.is_widget][:1] if lacking(spec.id) else [])


def _validation(spec: NodeSpec, checked: list[Port]) -> Callable[..., bool | str]:
    """What the server calls for the inputs that the signature names; it skips its own checks of those.

    None is what it passes for a linked input, which `NodeSpec.check` sees when its value is there.
    """

    def validate_inputs(cls: Any, /, **values: Any) -> bool | str:
        if missing := lacking(spec.id):
            return missing
        host = ComfyUIHost()
        for port in checked:
            value = values.get(port.id)
            if value is None:
                continue
            problem = port.problem(value, choices_of(host, port))
            if problem and isinstance(port.options, str):
                problem = _why_not_found(host, port.options, value) or problem
            if problem:
                return problem
        return True

    keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = [inspect.Parameter("cls", keyword), *(inspect.Parameter(p.id, keyword, default=None) for p in checked)]
    validate_inputs.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]
    return validate_inputs


def _why_not_found(host: ComfyUIHost, name: str, value: str) -> str | None:
    try:
        host.find(name, value)
    except FommError as problem:
        return str(problem)
    return None


def _fingerprint(spec: NodeSpec) -> Callable[..., str]:
    def fingerprint_inputs(cls: Any, /, **values: Any) -> str:
        assert spec.fingerprint is not None
        try:
            return spec.fingerprint(ComfyUIHost(), values)
        except (FommError, NodeInputError, OSError) as problem:
            return f"{type(problem).__name__}: {problem}"  # the run will say it

    return fingerprint_inputs


class FommExtension(ComfyExtension):
    """What ComfyUI asks for the nodes."""

    def __init__(self, nodes: list[type[io.ComfyNode]]) -> None:
        self._nodes = nodes

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """One class per block, in the order of the menu."""
        return self._nodes


def extension() -> ComfyExtension:
    """The blocks, with their folders made known and each schema built once, so that a fault shows here."""
    register_folders()
    made = [node_of(spec) for spec in ALL]
    for node in made:
        node.GET_SCHEMA()
    return FommExtension(made)
