"""Animate every portrait with every clip, each exactly once: python batch.py FOLDER results.

FOLDER holds portraits/*.png and clips/*.mp4. Run it again after a crash, or with more files: only what is missing is
rendered. The graph is one that ComfyUI saved; `fomm render` does the same from the command line.
"""

import sys
from pathlib import Path

from fomm_nodes import render

GRAPH = Path(__file__).parents[1] / "workflows" / "animate-files.json"

folder, output = sys.argv[1:]
summary = render(
    GRAPH,
    {"Load Image.image": "portraits/*.png", "Load Video.file": "clips/*.mp4"},
    input_folder=folder,
    output=output,
    workers=1,  # processes: one for each GPU, or for every few CPU cores
)
print(f"{summary.done} done ({summary.before} of them before), {summary.failed} failed: {summary.report}")
