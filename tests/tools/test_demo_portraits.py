"""The recipe of the demo model's clips: stills that move."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from demo_clips import faces, head, landmarks, mesh, people, puppet, skin
from nearness import DOUBLE, NETWORK, ROUNDING, near


def smooth_picture(rng: np.random.Generator, side: int, channels: int = 3) -> np.ndarray:
    rough = rng.integers(0, 256, (6, 6, channels)).astype(np.float32)
    return np.clip(cv2.resize(rough, (side, side), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


# The mesh


def square_mesh(rng: np.random.Generator, side: int) -> tuple[mesh.Mesh, np.ndarray]:
    delaunay = pytest.importorskip("scipy.spatial", reason="scipy makes the triangles").Delaunay
    corners = np.array([[0, 0], [side - 1, 0], [0, side - 1], [side - 1, side - 1]], float)
    points = np.concatenate([corners, rng.uniform(0, side - 1, (60, 2))])
    flat = np.pad(points, ((0, 0), (0, 1)))
    return mesh.Mesh(points, delaunay(points).simplices.astype(np.int32)), flat


def test_an_unmoved_mesh_looks_up_every_pixel_where_it_is(rng: np.random.Generator) -> None:
    net, points = square_mesh(rng, 64)
    y, x = np.mgrid[:64, :64]
    near(net.lookup(points, (64, 64)), np.stack([x, y], -1))


@pytest.mark.parametrize("seed", range(5))
def test_a_moved_mesh_moves_pixels_as_the_affine_map_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net, points = square_mesh(rng, 64)
    angle, scale = rng.uniform(-np.pi, np.pi), rng.uniform(0.5, 1.6)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.array([40.0, 40.0]) - turn @ [31.5, 31.5] + rng.uniform(-5, 5, 2)
    moved = points.copy()
    moved[:, :2] = points[:, :2] @ turn.T + shift
    found = net.lookup(moved, (80, 80))

    y, x = np.mgrid[:80, :80]
    wanted = (np.stack([x, y], -1) - shift) @ np.linalg.inv(turn).T
    inside = ((wanted > 0) & (wanted < 63)).all(-1)
    outside = ((wanted < -3 / scale) | (wanted > 63 + 3 / scale)).any(-1)
    assert inside.sum() > 400
    near(found[inside], wanted[inside], 3 * ROUNDING)  # a triangle's map is the inverse of its corners
    assert (found[outside] == -1).all()

    texture = np.dstack([smooth_picture(rng, 64), np.full((64, 64), 255, np.uint8)]).astype(np.float32)
    drawn = mesh.textured(texture, found)
    warped = cv2.warpAffine(texture, np.column_stack([turn, shift]), (80, 80))
    assert np.abs(drawn - warped)[inside & (cv2.erode(inside.astype(np.uint8), np.ones((3, 3))) > 0)].max() < 4
    assert (drawn[outside, 3] == 0).all()


def test_the_nearer_triangle_hides_the_farther_one() -> None:
    corners = np.array([[0, 0, 0], [20, 0, 0], [0, 20, 0]], float)
    points = np.concatenate([corners, corners])
    net = mesh.Mesh(np.concatenate([corners[:, :2], corners[:, :2] + 100]), np.array([[0, 1, 2], [3, 4, 5]], np.int32))
    for depths, begin in (((0, 5), 0), ((5, 0), 100)):
        points[:3, 2], points[3:, 2] = depths
        near(net.lookup(points, (24, 24))[5, 6], [begin + 6, begin + 5], NETWORK)


def test_a_triangle_seen_from_its_edge_is_not_drawn() -> None:
    net = mesh.Mesh(np.eye(3)[:, :2], np.array([[0, 1, 2]], np.int32))
    line = np.array([[0, 0, 0], [5, 5, 1], [9, 9, 2]], float)
    assert (net.lookup(line, (10, 10)) == -1).all()


def test_a_person_is_filled_in_and_the_rest_stays() -> None:
    picture = np.full((128, 128, 3), 90, np.uint8)
    picture[40:90, 40:90] = 240
    mask = np.zeros((128, 128), np.float32)
    mask[40:90, 40:90] = 1
    filled = puppet.without_person(picture, mask)
    assert np.abs(filled.astype(int) - 90).max() <= 4  # of the step of 150
    opaque = puppet.opacity(mask)
    near(opaque[65, 65], 1, 0.001)  # a blur of finite width
    assert opaque[20, 20] == 0


# Heads


def face(side: int = 96, gap: float = 0.0) -> np.ndarray:
    """Landmarks [468, 3] of an upright, symmetric face that bulges towards the viewer; lips `gap` pixels apart."""
    turn = np.arange(468) * np.pi * (3 - np.sqrt(5))
    radius = 0.9 * np.sqrt((np.arange(468) + 0.5) / 468)
    flat = np.stack([radius * np.cos(turn), radius * np.sin(turn)], 1)
    off = flat[:, 1] - 0.45
    flat[:, 1] += np.where((np.abs(off) < 0.1) & (np.abs(flat[:, 0]) < 0.35), np.copysign(0.1, off) - off, 0)  # lips
    around = 2 * np.pi * np.arange(len(landmarks.OVAL)) / len(landmarks.OVAL)
    flat[list(landmarks.OVAL)] = np.stack([np.sin(around), -np.cos(around)], 1)
    for left, right in landmarks.PAIRS:
        flat[right, 0] = abs(flat[right, 0])
        flat[left] = flat[right] * [-1, 1]
    for number, (upper, lower) in enumerate(landmarks.EYES):
        across = np.linspace(-0.15, 0.15, 7) + (-0.4, 0.4)[number]
        flat[list(upper)], flat[list(lower)] = (np.stack([across, np.full(7, y)], 1) for y in (-0.35, -0.25))
    across, half = np.linspace(-0.25, 0.25, 11), gap / (0.6 * side)
    flat[[landmarks.MOUTH_LEFT, landmarks.MOUTH_RIGHT]] = [[across[0], 0.45], [across[-1], 0.45]]
    for lip, y in ((landmarks.UPPER_LIP, 0.45 - half), (landmarks.LOWER_LIP, 0.451 + half)):
        flat[list(lip)] = np.stack([across[1:-1], np.full(9, y)], 1)
    scaled = flat * [0.24 * side, 0.3 * side] + side / 2
    return np.column_stack([scaled, 0.2 * side * (flat**2).sum(1)]).astype(np.float32)


def rotation(*angles: float) -> np.ndarray:
    return pytest.importorskip("scipy.spatial.transform").Rotation.from_rotvec(angles).as_matrix()


@pytest.mark.parametrize("seed", range(5))
def test_a_pose_is_found_again(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pose = head.Pose(rng.uniform(20, 80), rotation(*rng.uniform(-1, 1, 3)), rng.uniform(-50, 50, 3))
    shape = rng.normal(size=(30, 3))
    found = head.Pose.between(shape, pose.to_picture(shape))
    near(found.scale, pose.scale, DOUBLE)
    near(found.rotation, pose.rotation, DOUBLE)
    near(found.shift, pose.shift, DOUBLE)
    near(pose.to_head(pose.to_picture(shape)), shape, DOUBLE)


def test_an_upright_symmetric_face_is_not_turned_and_one_width_wide() -> None:
    shape = face().astype(float)
    shape[:, 2] = 0
    pose = head.Pose.of(shape)
    near(pose.rotation, np.eye(3))
    turned = head.Pose.of(shape @ rotation(0, 0.3, 0).T)
    near(turned.rotation, rotation(0, 0.3, 0))


def test_a_motion_knows_turns_from_expressions() -> None:
    shape = face().astype(float)
    angles = 0.3 * np.sin(np.linspace(0, 2 * np.pi, 41))
    track = np.stack([30 + shape @ rotation(0, angle, 0).T for angle in angles])
    motion = head.Motion.of(track)
    near(motion.turn[5:-5, 1], angles[5:-5], 0.03)  # smoothing flattens its peaks
    near(motion.turn[:, [0, 2]], 0, 0.001, of=1)  # radians; likewise
    near(motion.scale, 1, 0.01)  # the width is that of the turned face
    track[20:, 14, 1] += 3  # the lower lip
    near(head.Motion.of(track).turn, motion.turn, 1e-9, of=1)  # only what moves with the skull counts


def test_a_motion_is_read_between_its_frames() -> None:
    turn = np.arange(12).reshape(4, 3).astype(float)
    motion = head.Motion(turn, 2 * turn, turn[:, 0])
    read = motion.at(np.array([0, 1.5, 3]))
    near(read.turn, turn[[0, 1, 3]] + [[0], [1.5], [0]])
    near(read.shift, 2 * read.turn)
    near(read.scale, read.turn[:, 0])


# People


def test_files_of_one_template_and_faces_that_look_the_same_are_one_person(rng: np.random.Generator) -> None:
    names = ["b-1", "b-2", "a-1", "c-1", "d-2.5_x", "e-1", "f-1"]
    looks = rng.normal(size=(7, people.SIDE**2)).astype(np.float32)
    looks[2], looks[5] = looks[1], looks[3] + 0.1 * looks[5]
    looks[6] = 0  # no face
    looks /= np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-6)
    for order in (range(7), rng.permutation(7)):
        who = people.identities([Path(f"{names[i]}.webp") for i in order], looks[list(order)])
        assert who == {
            **dict.fromkeys(("a-1.webp", "b-1.webp", "b-2.webp"), "a"),
            **dict.fromkeys(("c-1.webp", "e-1.webp"), "c"),
            "d-2.5_x.webp": "d-2.5_x",
            "f-1.webp": "f",
        }


def test_a_face_is_known_again_turned_larger_and_brighter(rng: np.random.Generator) -> None:
    picture, other = smooth_picture(rng, 96), smooth_picture(rng, 96)
    turn = cv2.getRotationMatrix2D((48, 48), 20, 1.15)
    moved = cv2.warpAffine(picture, turn, (96, 96), borderMode=cv2.BORDER_REFLECT_101) // 2 + 60
    marks = face()
    marks[[33, 263], :2] = (40, 45), (56, 45)
    turned = np.column_stack([marks[:, :2] @ turn[:, :2].T + turn[:, 2], marks[:, 2]]).astype(np.float32)
    one = people.signature(picture, faces.Face(marks, 1.0))
    near(one @ one, 1)
    assert one @ people.signature(moved, faces.Face(turned, 1.0)) > people.SAME
    assert one @ people.signature(other, faces.Face(marks, 1.0)) < people.SAME


# Puppets


@pytest.mark.parametrize("degrees", [-30, 30])
def test_a_mesh_of_gentle_depth_hardly_folds(rng: np.random.Generator, degrees: float) -> None:
    delaunay = pytest.importorskip("scipy.spatial", reason="scipy makes the triangles").Delaunay
    steep = np.column_stack([rng.uniform(0, 90, (200, 2)), rng.uniform(0, 90, 200)])
    points = skin.gentle(steep)
    assert (points[:, 2] <= steep[:, 2]).all()
    assert points[:, 2].min() == steep[:, 2].min()
    near(skin.gentle(points), points)
    apart = np.linalg.norm(points[:, None, :2] - points[None, :, :2], axis=-1)
    assert (np.abs(points[:, None, 2] - points[None, :, 2]) <= skin.STEEPEST * apart + 1e-9).all()

    triangles, turn = delaunay(points[:, :2]).simplices, rotation(0, np.radians(degrees), 0).T
    assert folded(triangles, points, points @ turn) < 0.2 * folded(triangles, steep, steep @ turn)


def folded(triangles: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    """The share of triangles whose other side is seen."""

    def areas(points: np.ndarray) -> np.ndarray:
        a, b, c = np.moveaxis(points[triangles, :2], 1, 0)
        return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]

    return float((areas(before) * areas(after) < 0).mean())
