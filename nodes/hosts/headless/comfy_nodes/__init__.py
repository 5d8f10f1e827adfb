"""The nodes of ComfyUI itself that graphs of ours are mixed with: images, masks, clips, files, single values."""

from . import boxes, clips, files, masks, pictures, values
from .node import UPLOADS, CoreNode, object_info
from .today import as_of_today

CORE_NODES = {
    node.id: as_of_today(node) for part in (files, clips, pictures, masks, values, boxes) for node in part.NODES
}
"""By the class name that graphs use."""

__all__ = ["CORE_NODES", "UPLOADS", "CoreNode", "object_info"]
