"""The side panel of the node editor."""

from __future__ import annotations

from typing import Any

import bpy

from ....graph.canvas_nodes import CANVAS_ONLY
from . import model_choice, progress, setting_up, templates
from .classes import KEPT
from .nodes import TREE, ForeignNode
from .operators import edited_tree
from .paragraphs import paragraph
from .results import result_of

FIRST_STEPS = (
    "1. Press Set Up Worker, once.",
    "2. Open Example, then Run. The result appears on Save Video and in an Image Editor.",
    "3. Your own images: put Load Image and Load Video in place of Load Example.",
    "4. Better results: press Get Model, choose vox, then vox-cpk.pth.tar in Load Motion Model.",
)


def has_strangers(tree: Any) -> bool:
    """Whether nodes of other packs are in a tree that nobody has told of; quick enough to be asked at each drawing."""
    return KEPT not in tree and any(isinstance(n, ForeignNode) and n.w_class not in CANVAS_ONLY for n in tree.nodes)


class _Panel(bpy.types.Panel):
    bl_space_type = "NODE_EDITOR"
    bl_region_type = "UI"
    bl_category = "First Order Motion"

    @classmethod
    def poll(cls, context: Any) -> bool:
        return bool(context.space_data.tree_type == TREE)


class RunPanel(_Panel):
    """Run, and what comes of it."""

    bl_idname = "FOMM_PT_run"
    bl_label = "Run"

    def draw(self: Any, context: Any) -> None:
        layout = self.layout
        setting_up.draw(layout, context)
        tree = edited_tree(context)
        if tree is not None:
            layout.prop(tree, "w_output")
        model_choice.draw(layout)
        row = layout.row()
        row.scale_y = 1.4
        row.operator("fomm.run", icon="PLAY")
        progress.draw_progress(self, context)
        column = layout.column(align=True)
        templates.draw(column, context)
        column.operator("fomm.import_graph")
        column.operator("fomm.export_graph")
        column.operator("fomm.make_group")
        if tree is not None and has_strangers(tree):
            layout.operator("fomm.ask_classes", icon="QUESTION")
        node = getattr(context, "active_node", None)
        if node is not None and (image := result_of(node)) is not None:
            layout.operator("fomm.show_result", icon="IMAGE_DATA").node = node.name
            layout.operator("fomm.to_sequencer", icon="SEQ_STRIP_DUPLICATE").node = node.name
            if image.preview is not None:
                layout.template_icon(image.preview.icon_id, scale=8)


class HelpPanel(_Panel):
    """The first steps."""

    bl_idname = "FOMM_PT_help"
    bl_label = "First Steps"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self: Any, context: Any) -> None:
        for step in FIRST_STEPS:
            paragraph(self.layout, step, context)


CLASSES = (RunPanel, HelpPanel)
