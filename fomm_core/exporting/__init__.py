"""Models that travel: the networks as ONNX files, with a small JSON that says how to use them without this library."""

from .checking import Difference, compare
from .folder import FILES, FORMAT, FORMAT_VERSION, MANIFEST, export_onnx, read_manifest
from .graph import OPSET

__all__ = [
    "FILES",
    "FORMAT",
    "FORMAT_VERSION",
    "MANIFEST",
    "OPSET",
    "Difference",
    "compare",
    "export_onnx",
    "read_manifest",
]
