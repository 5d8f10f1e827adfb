"""Published weights from the network, or any other file, into the folder of models: checked before they count."""

from .installing import Installed, install, make_safetensors, part_of, verify
from .transfer import PATIENCE, Patience, Remote, download, held, look

__all__ = [
    "PATIENCE",
    "Installed",
    "Patience",
    "Remote",
    "download",
    "held",
    "install",
    "look",
    "make_safetensors",
    "part_of",
    "verify",
]
