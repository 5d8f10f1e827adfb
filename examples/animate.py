"""Animate an image with a video: python animate.py face.jpg talk.mp4 result.mp4."""

import sys

from fomm_nodes.fomm_core import AnimationOptions, AnimationSession, load_model
from fomm_nodes.fomm_core.options import FileOptions
from fomm_nodes.fomm_core.pipeline import animate_files

source, driving, output = sys.argv[1:]

session = AnimationSession(load_model("demo-128"), device="cpu")  # or load_model("vox"), device="cuda"
options = FileOptions(
    animation=AnimationOptions(anchor="best", smoothing="one-euro"),
    size=256,
    overwrite=True,
)
report = animate_files(session, source, driving, output, options)
print(f"{report.output}: {report.frames} frames of {report.size[1]}x{report.size[0]} at {float(report.fps):g} a second")
