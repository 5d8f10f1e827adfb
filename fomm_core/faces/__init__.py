"""Finding faces, their meshes and their eyes, offline, and following them through a clip.

faces = find_faces(image)                                  # uint8 [H, W, 3] or floats [3, H, W]
square = faces[0].region(FRAMINGS["vox"])                    # where to crop a photograph
tracking = track(VideoReader("talk.mp4"))                    # one pass, holds no frames
squares = tracking.tracks[0].region(FRAMINGS["vox"])         # where to crop the clip
"""

from .face import Face
from .finder import FaceFinder, find_faces
from .track import Track
from .tracking import WHICH, FaceTracker, Tracking, choose, track
from .weights import FaceNetworks, load_networks

__all__ = [
    "WHICH",
    "Face",
    "FaceFinder",
    "FaceNetworks",
    "FaceTracker",
    "Track",
    "Tracking",
    "choose",
    "find_faces",
    "load_networks",
    "track",
]
