"""How strips are animated: settings of a scene."""

from __future__ import annotations

import math
from typing import Any

import bpy

from .choices import choices_of
from .options import FIXED, RELATIVE
from .strip_graph import Look, render_size
from .strip_lying import STILL

RENDER = "render"


TITLES = {"picture": "Still"}
"""Of choices that are not called what they are."""


def _choices(**words: str) -> list[tuple[str, str, str]]:
    return [(name, TITLES.get(name, name.capitalize()), text) for name, text in words.items()]


def _share(name: str, description: str, default: float) -> Any:
    words = {"name": name, "description": description, "default": default, **FIXED}
    return bpy.props.FloatProperty(subtype="FACTOR", precision=3, min=0.01, max=2.0, soft_max=1.0, **words)


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
        "region": bpy.props.EnumProperty(
            **FIXED,
            name="Region",
            description="Which part of the still moves. A part is pasted back: around it the still stays as it is",
            items=_choices(
                auto="Around the face, unless the still is square or the model is one of bodies",
                off="All of the still",
                face="Around the face",
                square="A square that you place by its middle, side and angle below",
            ),
        ),
        "face": bpy.props.EnumProperty(
            **FIXED,
            name="Face",
            description="Which of several faces",
            items=_choices(
                largest="The largest one",
                left="The one farthest left",
                right="The one farthest right",
                middle="The one nearest to the middle",
            ),
        ),
        "x": _share("X", "Middle of the square, as a share of the still's width from the left", 0.5),
        "y": _share("Y", "Middle of the square, as a share of the still's height from the top", 0.5),
        "side": _share("Side", "Side of the square, as a share of the still's shorter side", 1.0),
        "angle": bpy.props.FloatProperty(
            **FIXED,
            name="Angle",
            description="How far the square is turned, clockwise: as the head is tilted",
            subtype="ANGLE",
            min=-math.pi,
            max=math.pi,
        ),
        "fit": bpy.props.EnumProperty(
            **FIXED,
            name="Fit",
            description="What to do if the shapes differ",
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
            name="Strength",
            description="How much of the movement to use; keyframes are followed frame by frame",
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
            description="How the new strip fills the frame",
            default=STILL,
            items=[
                (STILL, "Over the Still", "Each pixel on that of the still, under the still's own transform", 4),
                ("FIT", "Fit", "All of it is seen", 0),
                ("FILL", "Fill", "It fills the frame; sides may be cut off", 1),
                ("STRETCH", "Stretch", "It is squeezed to the frame's shape", 2),
                ("ORIGINAL", "Original", "Pixel by pixel", 3),
            ],
        ),
        "sound": bpy.props.BoolProperty(
            **FIXED,
            name="Audio",
            description="Add the driving movie's audio, unless the timeline has it already",
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
            description="Also make OpenEXR images for the compositor's Map UV: where in the still each pixel is from",
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
            region=self.region,
            face=self.face,
            x=self.x,
            y=self.y,
            side=self.side,
            angle=math.degrees(self.angle),
            occlusion=self.occlusion,
            flow=self.flow,
        )
