"""How strips are animated: settings of a scene."""

from __future__ import annotations

from typing import Any

import bpy

from .choices import choices_of
from .nodes import FIXED, RELATIVE
from .strip_graph import Look, render_size

RENDER = "render"


def _choices(**words: str) -> list[tuple[str, str, str]]:
    return [(name, name.capitalize(), text) for name, text in words.items()]


class FOMM_PG_strips(bpy.types.PropertyGroup):
    """How strips are animated; kept with the scene."""

    __annotations__ = {
        "model": bpy.props.StringProperty(
            name="Model",
            description="A file of the model folders, or the built-in one",
            default=Look.model,
            search=choices_of("models"),
            **FIXED,
        ),
        "size": bpy.props.EnumProperty(
            **FIXED,
            name="Size",
            description="How large to work",
            items=_choices(
                auto="The size that the model was trained at, but 256 pixels at least",
                model="Just the size that the model was trained at",
                picture="The still's own size, rounded to one that the model takes",
                render="The scene's resolution, rounded to one that all models take",
                custom="Width and height as set",
            ),
        ),
        "width": bpy.props.IntProperty(name="Width", default=256, min=16, max=4096, subtype="PIXEL", **FIXED),
        "height": bpy.props.IntProperty(name="Height", default=256, min=16, max=4096, subtype="PIXEL", **FIXED),
        "fit": bpy.props.EnumProperty(
            **FIXED,
            name="Fit",
            description="What to do with pictures of another shape",
            items=_choices(crop="Cut the sides off", pad="Add borders", stretch="Squeeze"),
        ),
        "mode": bpy.props.EnumProperty(
            **FIXED,
            name="Mode",
            items=_choices(
                relative="The still keeps its proportions and moves as the driver moves",
                absolute="The still takes the driver's pose and proportions",
            ),
        ),
        "strength": bpy.props.FloatProperty(
            **FIXED,
            name="Strength",
            description="How much of the movement to use",
            default=1.0,
            min=0.0,
            max=2.0,
            step=5,
        ),
        "anchor": bpy.props.EnumProperty(
            **FIXED,
            name="Anchor",
            description="The driving frame whose pose is taken to equal the still's",
            items=_choices(first="The first that the strip shows", best="The one most alike, found for you"),
        ),
        "smoothing": bpy.props.EnumProperty(
            **FIXED,
            name="Smoothing",
            description="Takes jitter out of the movement",
            items=[
                ("none", "None", "The movement as it is"),
                ("one-euro", "One Euro", "Calms what is at rest"),
                ("gaussian", "Gaussian", "An even, light blur over time"),
            ],
        ),
        "place": bpy.props.EnumProperty(
            **FIXED,
            name="Place",
            description="How the new strip fills the picture",
            items=[
                ("FIT", "Fit", "All of it is seen"),
                ("FILL", "Fill", "It fills the picture; sides may be cut off"),
                ("STRETCH", "Stretch", "It is squeezed to the picture's shape"),
                ("ORIGINAL", "Original", "Pixel by pixel"),
            ],
        ),
        "sound": bpy.props.BoolProperty(
            **FIXED,
            name="Sound",
            description="Add the driving movie's sound where the timeline does not have it yet",
            default=True,
        ),
        "occlusion": bpy.props.BoolProperty(
            **FIXED,
            name="Occlusion",
            description="Also make a mask for the compositor: white where the still shows nothing of what is needed",
        ),
        "flow": bpy.props.BoolProperty(
            **FIXED,
            name="Flow",
            description="Also make OpenEXR pictures for the compositor's Map UV: where in the still each pixel is from",
        ),
        "folder": bpy.props.StringProperty(
            name="Folder",
            description="Where the movies go",
            default="//fomm/",
            subtype="DIR_PATH",
            **RELATIVE,
        ),
    }

    def look(self, scene: Any) -> Look:
        """As the graph takes them."""
        size, width, height = self.size, self.width, self.height
        if size == RENDER:
            share = scene.render.resolution_percentage / 100
            width, height = render_size(scene.render.resolution_x * share, scene.render.resolution_y * share)
            size = "custom"
        return Look(
            model=self.model,
            size=size,
            width=width,
            height=height,
            fit=self.fit,
            mode=self.mode,
            strength=self.strength,
            anchor=self.anchor,
            smoothing=self.smoothing,
            occlusion=self.occlusion,
            flow=self.flow,
        )
