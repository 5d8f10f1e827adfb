"""An image that follows a camera or clip as it comes: frame in, frame out."""

from .governor import Governor, Level, levels_for
from .mailbox import Latest
from .performer import GROUPS, LiveOptions, Performer, Shown
from .steady import OneEuro
from .take import Take
from .watcher import Seen, Watcher

__all__ = [
    "GROUPS",
    "Governor",
    "Latest",
    "Level",
    "LiveOptions",
    "OneEuro",
    "Performer",
    "Seen",
    "Shown",
    "Take",
    "Watcher",
    "levels_for",
]
