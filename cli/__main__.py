"""`python -m fomm_nodes.cli`: the command where its script is not on the path, as under torchrun."""

import sys

from .main import program

sys.exit(program())
