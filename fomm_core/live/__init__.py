"""A picture that follows a camera or clip as it comes: frame in, frame out."""

from .governor import Governor, Level, levels_for
from .mailbox import Latest
from .performer import LiveOptions, Performer, Shown
from .steady import OneEuro
from .take import Take

__all__ = ["Governor", "Latest", "Level", "LiveOptions", "OneEuro", "Performer", "Shown", "Take", "levels_for"]
