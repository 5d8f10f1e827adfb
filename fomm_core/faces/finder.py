"""Finding the faces of an image."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import ImageError
from ..region import Region
from ..region.matrices import moved_points, whole_from_crop
from ..video import StoredFrame
from . import measures, views
from .detect import SCORE, decode, overlaps
from .face import Face, face_squares
from .networks import DETECTOR_SIZE, EYE_SIZE, MESH_SIZE
from .views import Frame, Tile, as_frame, frame_size, squares
from .weights import FaceNetworks, load_networks

PRESENCE = 0.5
TILE_PRESENCE = 0.98
"""In tiles, where many more things look like a face: real ones of 24 to 96 pixels had 0.99 and more, others less."""
MESH_SCALE = 1.5
"""Side of the square that the mesh network sees, over the longer side of the box or of the mesh before."""
EYE_SCALE = 2.3
TILE_PARTS = (2, 4)
TILE_OVERLAP = 0.25
SMALLEST_TILE = 128
SAME_FACE = 0.3
MOST_FACES = 64

Tiles = Literal["never", "needed", "always"]
TILES: tuple[Tiles, ...] = get_args(Tiles)


class FaceFinder:
    """Finds faces with networks that are loaded once, on one device, in float32.

    device: where the networks run. Images may be elsewhere: bytes are cut on the CPU, tensors where they are.
    networks: already loaded ones, to share; otherwise those of the package.
    """

    def __init__(self, device: torch.device | str = "cpu", *, networks: FaceNetworks | None = None) -> None:
        self.networks = networks or load_networks(device)

    @torch.inference_mode()
    def find(
        self, image: Frame, *, eyes: bool = False, score: float = SCORE, tiles: Tiles = "needed"
    ) -> tuple[Face, ...]:
        """All faces in one image, the largest first; none is an empty tuple.

        Faces of a tenth of the picture's longer side and more are found at once. Where there are none, tiles of a half
        and then a quarter of that side are searched, which finds faces of 24 pixels in 1920x1080.

        Args:
            image: uint8 [H, W, 3], or floats [3, H, W] in 0..1.
            eyes: look at lids and irises too (5 ms a face).
            score: the detector's least certainty. The mesh's certainty has to be above 0.5 besides, which rules out
                what only looks like a face from afar.
            tiles: whether tiles are searched: 'never', 'needed' (where the whole shows no face), or 'always', for
                small faces beside large ones (0.3 s).

        Raises ImageError for anything else than one image, or another word for `tiles`.
        """
        if tiles not in TILES:
            raise ImageError(f"expected tiles out of {', '.join(TILES)}; got {tiles!r}")
        frame = as_frame(image)
        frame = frame.whole() if isinstance(frame, StoredFrame) else frame
        found: list[Face] = []
        for level in _levels(*frame_size(frame)):
            found = distinct([*found, *self._search(frame, level, score)])
            if tiles == "never" or (found and tiles == "needed"):
                break
        found = sorted(found[:MOST_FACES], key=lambda face: -face.size)
        return tuple(self.with_eyes(frame, face) for face in found) if eyes else tuple(found)

    def largest(self, image: Tensor) -> Face | None:
        """The largest face of a close crop [1, 3, H, W] in 0..1, in its pixels; None where it shows none."""
        faces = self.find(image[0].cpu(), tiles="never")
        return faces[0] if faces else None

    def detect(self, frame: Frame, level: list[Tile], score: float = SCORE) -> Tensor:
        """The detector alone, over tiles of one picture: [n, 17] as `decode` gives it, in pixels of the whole."""
        pictures = views.tiles(frame, level, DETECTOR_SIZE, self.networks.device)
        rows = []
        boxes, scores = self.networks.detector(pictures * 2 - 1)
        for (left, top, side), found in zip(level, decode(boxes, scores, score), strict=True):
            corner = torch.tensor([left, top], dtype=torch.float32)
            points = torch.cat((found[:, :4], found[:, 5:]), 1).unflatten(1, (8, 2)) * side + corner
            rows.append(torch.cat((points[:, :2].flatten(1), found[:, 4:5], points[:, 2:].flatten(1)), 1))
        return torch.cat(rows)

    def _search(self, frame: Frame, level: list[Tile], score: float) -> list[Face]:
        rows = self.detect(frame, level, score)
        if not len(rows):
            return []
        rows = rows[rows[:, 4].argsort(descending=True, stable=True)][: 4 * MOST_FACES]
        line = rows[:, 7:9] - rows[:, 5:7]
        sides = (rows[:, 2:4] - rows[:, :2]).amax(1) * MESH_SCALE
        start = torch.cat(((rows[:, :2] + rows[:, 2:4]) / 2, sides[:, None], torch.atan2(line[:, 1:], line[:, :1])), 1)
        least = PRESENCE if len(level) == 1 else TILE_PRESENCE
        points, presence = self.mesh(frame, start)
        sure = presence > least
        if not bool(sure.any()):
            return []
        points, presence = self.mesh(frame, mesh_squares(points[sure]))  # again, from where the mesh says it is
        height, width = frame_size(frame)
        return [
            Face(mesh, float(certain), float(seen), height, width)
            for mesh, certain, seen in zip(points, rows[sure, 4], presence, strict=True)
            if float(seen) > least
        ]

    def mesh(self, frame: Frame, where: Tensor) -> tuple[Tensor, Tensor]:
        """Meshes of one frame in squares [n, 4] (centre x, y, side, angle): points [n, 468, 3] in pixels of the whole
        and presence [n] in 0..1, on the CPU. A square with its centre outside the image gives presence 0.
        """
        height, width = frame_size(frame)
        points = torch.zeros(len(where), 468, 3)
        presence = torch.zeros(len(where))
        inside = [i for i, row in enumerate(where) if _shows(row, height, width)]
        if not inside:
            return points, presence
        region = Region(where[inside, :2], where[inside, 2], where[inside, 3], height, width)
        pictures = squares(frame, region, MESH_SIZE, self.networks.device)
        local, flags = (output.float().cpu() for output in self.networks.mesh(pictures))
        points[inside] = _in_whole(local, region, MESH_SIZE)
        presence[inside] = flags.sigmoid()
        return points, presence

    @torch.inference_mode()
    def with_eyes(self, image: Frame, face: Face) -> Face:
        """The same face with lids and irises."""
        frame = as_frame(image)
        corners = face.points[list(measures.EYES), :2]  # [2, 2, 2]
        centre, sides = corners.mean(1), (corners[:, 1] - corners[:, 0]).norm(dim=1) * EYE_SCALE
        where = torch.cat((centre, sides[:, None], torch.full((2, 1), face.roll)), 1)
        height, width = frame_size(frame)
        if not all(_shows(row, height, width) for row in where):
            return face
        region = Region(where[:, :2], where[:, 2], where[:, 3], height, width)
        pictures = squares(frame, region, EYE_SIZE, self.networks.device)
        pictures[1] = pictures[1].flip(-1)
        lids, irises = (output.float().cpu() for output in self.networks.eyes(pictures))
        for local in (lids, irises):
            local[1, :, 0] = EYE_SIZE - local[1, :, 0]
        return Face(
            face.points,
            face.score,
            face.presence,
            face.height,
            face.width,
            _in_whole(lids, region, EYE_SIZE),
            _in_whole(irises, region, EYE_SIZE),
        )


def find_faces(image: Frame, *, device: torch.device | str = "cpu", eyes: bool = False) -> tuple[Face, ...]:
    """All faces in one image, the largest first; `FaceFinder.find` for many images, and for its choices."""
    return FaceFinder(device).find(image, eyes=eyes)


def mesh_squares(points: Tensor) -> Tensor:
    """The squares in which the mesh network should see faces again: from meshes [n, 468, 3] to [n, 4]."""
    angle = measures.roll(points)
    low, high = points[..., :2].amin(1), points[..., :2].amax(1)
    side = (high - low).amax(1) * MESH_SCALE
    return torch.cat(((low + high) / 2, side[:, None], angle[:, None]), 1)


def distinct(faces: list[Face]) -> list[Face]:
    """Each face once: of those that overlap, the one that the mesh is surest of."""
    if len(faces) < 2:
        return faces
    faces = sorted(faces, key=lambda face: -face.presence)
    where = face_squares(torch.stack([face.points for face in faces]))
    boxes = torch.cat((where[:, :2] - where[:, 2:] / 2, where[:, :2] + where[:, 2:] / 2), 1)
    kept: list[int] = []
    for i in range(len(faces)):
        if not kept or float(overlaps(boxes[i : i + 1], boxes[kept]).max()) < SAME_FACE:
            kept.append(i)
    return [faces[i] for i in kept]


def whole_tile(height: int, width: int) -> Tile:
    """The square around the whole image."""
    side = max(height, width)
    return (width - side) // 2, (height - side) // 2, side


def _levels(height: int, width: int) -> list[list[Tile]]:
    """The whole image, then overlapping tiles of a half and a quarter of its longer side."""
    levels = [[whole_tile(height, width)]]
    for parts in TILE_PARTS:
        side = math.ceil(max(height, width) / parts)
        if side < SMALLEST_TILE:
            break
        levels.append([(x, y, side) for y in _starts(height, side) for x in _starts(width, side)])
    return levels


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin along one axis, evenly from end to end; one in the middle where it is shorter than a tile."""
    if length <= side:
        return [(length - side) // 2]
    count = math.ceil((length - side) / (side * (1 - TILE_OVERLAP))) + 1
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def _shows(square: Tensor, height: int, width: int) -> bool:
    """Whether a square [4] is one, with its centre in the image."""
    x, y, side, angle = square.tolist()
    return all(map(math.isfinite, (x, y, side, angle))) and side > 0 and 0 <= x <= width and 0 <= y <= height


def _in_whole(local: Tensor, region: Region, size: int) -> Tensor:
    """Points [n, N, 3] in pixels of crops to pixels of the whole."""
    plane = moved_points(whole_from_crop(region, size), local[..., :2].double())
    return torch.cat((plane.float(), local[..., 2:] * (region.side / size).float()[:, None, None]), -1)
