from __future__ import annotations

import math

import pytest
import torch
from fomm_nodes.fomm_core import view
from fomm_nodes.fomm_core.errors import ImageError, KeypointError
from fomm_nodes.fomm_core.geometry import Keypoints, Motion, as_pixels, coordinate_grid, identity_flow, warp
from nearness import NETWORK, PICTURE, near

LIKE = torch.zeros(1)
SIZES = pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 100), (131, 37), (5, 3), (1, 1)])


def clip(frames: int = 1, count: int = 5, *, jacobian: bool = True) -> Keypoints:
    maps = torch.eye(2) + 0.2 * torch.randn(frames, count, 2, 2) if jacobian else None
    return Keypoints(torch.rand(frames, count, 2) * 1.6 - 0.8, maps)


def assert_picture(images: torch.Tensor, *shape: int) -> None:
    assert images.shape == shape
    assert images.dtype == torch.float32
    assert images.isfinite().all()
    assert images.min() >= 0
    assert images.max() <= 1


@SIZES
def test_every_view_takes_any_size(height: int, width: int) -> None:
    images = torch.rand(2, 3, height, width)
    drawn = view.draw_keypoints(images, clip(2), jacobians=True, numbers=True)
    assert_picture(drawn, 2, 3, height, width)
    motion = Motion(torch.rand(2, 16, 12, 2) * 2 - 1, torch.rand(2, 1, 16, 12), torch.rand(2, 6, 16, 12).softmax(1))
    assert_picture(view.flow_colours(motion, height, width), 2, 3, height, width)
    assert_picture(view.occlusion_heat(motion.occlusion, height, width), 2, 3, height, width)
    assert_picture(view.warped_grid(motion, height, width), 2, 3, height, width)
    assert_picture(view.mask_colours(motion.mask, height, width), 2, 3, height, width)
    assert_picture(view.side_by_side([images, drawn], ["source", "keypoints"]), 2, 3, height, 2 * width)


@pytest.mark.parametrize("count", [1, 5, 10, 15])
def test_keypoint_colours_are_distinct(count: int) -> None:
    colours = view.keypoint_colours(count)
    assert colours.shape == (count, 3)
    apart = torch.cdist(colours, colours) + 9 * torch.eye(count)
    assert apart.min() > 0.15


def test_discs_stand_at_their_keypoints_in_their_colours() -> None:
    height, width = 120, 160
    places = torch.tensor([[[-0.5, -0.5], [0.5, -0.5], [0.0, 0.5]]])
    images = torch.full((1, 3, height, width), 0.5)
    drawn = view.draw_keypoints(images, Keypoints(places), radius=6)
    for index, (x, y) in enumerate(as_pixels(places[0], height, width).round().int().tolist()):
        near(
            drawn[0, :, y, x], view.keypoint_colours(3)[index], 0.01
        )  # the rim's anti-aliasing reaches the middle by that much
    touched = (drawn != images).any(1)[0]
    assert 3 * math.pi * 6**2 < touched.sum() < 3 * math.pi * 10**2


def test_discs_are_placed_between_pixels() -> None:
    images = torch.zeros(1, 3, 41, 41)
    for shift in (0.0, 0.25, 0.5):
        drawn = view.draw_keypoints(images, Keypoints(torch.full((1, 1, 2), shift / 20)), radius=5)
        weight = drawn[0].sum(0)
        centre = (weight[..., None] * coordinate_grid(41, 41, like=LIKE)).sum((0, 1)) / weight.sum() * 20
        near(centre, torch.tensor([shift, shift]), 0.12, of=1)  # of a pixel: edges are smooth, not exact


def test_disc_edges_are_smooth() -> None:
    drawn = view.draw_keypoints(torch.zeros(1, 3, 64, 64), Keypoints(torch.zeros(1, 1, 2)), radius=10)
    assert len(drawn[0, 1].unique()) > 12


def test_pixels_beside_the_drawing_keep_their_exact_values() -> None:
    images = torch.rand(2, 3, 80, 80)
    before = images.clone()
    drawn = view.draw_keypoints(images, Keypoints(torch.zeros(2, 1, 2)), radius=4)
    assert torch.equal(drawn[..., :20, :], images[..., :20, :])
    assert not torch.equal(drawn, images)
    assert torch.equal(images, before)


def test_radius_grows_with_the_picture() -> None:
    touched = [
        float((view.draw_keypoints(torch.zeros(1, 3, size, size), Keypoints(torch.zeros(1, 1, 2))) > 0).float().mean())
        for size in (256, 512, 1024)
    ]
    near(touched[0], touched[1], 0.15)  # radii are whole pixels
    near(touched[1], touched[2], 0.15)  # likewise


def test_keypoints_outside_or_not_finite_are_left_out() -> None:
    images = torch.rand(1, 3, 40, 40)
    lost = torch.tensor([[[5.0, 0.0], [math.nan, 0.0], [1e30, -1e30], [math.inf, 0.0]]])
    drawn = view.draw_keypoints(images, Keypoints(lost, torch.eye(2).expand(1, 4, 2, 2)), jacobians=True)
    assert torch.equal(drawn, images)
    broken = Keypoints(torch.zeros(1, 1, 2), torch.full((1, 1, 2, 2), math.nan))
    assert torch.equal(view.draw_keypoints(images, broken, jacobians=True), images)


def test_local_maps_are_drawn_as_they_act() -> None:
    images = torch.full((1, 3, 200, 300), 0.5)

    def reach(jacobian: list[list[float]]) -> tuple[int, int]:
        keypoints = Keypoints(torch.zeros(1, 1, 2), torch.tensor(jacobian)[None, None])
        touched = (view.draw_keypoints(images, keypoints, radius=6, jacobians=True) != images)[0].any(0)
        return int(touched.any(0).sum()), int(touched.any(1).sum())  # width, height

    width, height = reach([[1.0, 0.0], [0.0, 1.0]])
    assert abs(width - height) <= 2  # a circle, though the image is not square
    assert abs(width - 2 * 3.5 * 6) <= 9  # the stroke included
    wide, same = reach([[2.0, 0.0], [0.0, 1.0]])
    assert abs(wide - 2 * 3.5 * 6 * 2) <= 9
    assert abs(same - height) <= 2
    turned = reach([[0.0, -1.0], [1.0, 0.0]])  # a quarter turn in -1..1 units, whose pixels are wider than high
    assert abs(turned[0] - 2 * 3.5 * 6 * 299 / 199) <= 9
    assert abs(turned[1] - 2 * 3.5 * 6 * 199 / 299) <= 9


def test_axes_turn_with_the_local_map() -> None:
    images = torch.full((1, 3, 100, 100), 0.5)

    def course_of_white(jacobian: list[list[float]]) -> tuple[bool, bool]:
        keypoints = Keypoints(torch.zeros(1, 1, 2), torch.tensor(jacobian)[None, None])
        drawn = view.draw_keypoints(images, keypoints, radius=6, jacobians=True)[0]
        white = drawn.min(0).values > 0.9
        return bool(white[:, 62].any()), bool(white[62].any())  # right of, below the keypoint

    assert course_of_white([[1.0, 0.0], [0.0, 1.0]]) == (False, True)
    assert course_of_white([[0.0, -1.0], [1.0, 0.0]]) == (True, False)


def test_numbers_are_written_and_stay_in_the_picture() -> None:
    images = torch.full((1, 3, 64, 64), 0.5)
    for x, y in ((0.0, 0.0), (1.0, -1.0), (1.0, 1.0), (-1.0, -1.0)):
        keypoints = Keypoints(torch.tensor([[[x, y]]]))
        plain = view.draw_keypoints(images, keypoints)
        numbered = view.draw_keypoints(images, keypoints, numbers=True)
        assert (plain != numbered).any(1).sum() > 15


def test_one_picture_or_one_frame_serves_all() -> None:
    image, keypoints = torch.rand(1, 3, 32, 32), clip(3)
    drawn = view.draw_keypoints(image, keypoints)
    assert torch.equal(drawn[2:], view.draw_keypoints(image, keypoints[2]))
    images = torch.rand(3, 3, 32, 32)
    assert torch.equal(view.draw_keypoints(images, keypoints[0])[1:2], view.draw_keypoints(images[1:2], keypoints[0]))
    with pytest.raises(ImageError, match="2 images, 3 frames of keypoints"):
        view.draw_keypoints(images[:2], keypoints)


def test_bad_drawings_are_refused() -> None:
    images = torch.rand(1, 3, 32, 32)
    with pytest.raises(ImageError, match=r"\[B, 3, H, W\]; got \[1, 1, 32, 32\]"):
        view.draw_keypoints(images[:, :1], clip())
    with pytest.raises(KeypointError, match="positions only"):
        view.draw_keypoints(images, clip(jacobian=False), jacobians=True)
    for radius in (0.0, -1.0, math.nan):
        with pytest.raises(KeypointError, match="radius above 0"):
            view.draw_keypoints(images, clip(), radius=radius)


def test_flow_of_nothing_is_white() -> None:
    assert torch.equal(view.flow_colours(identity_flow(2, 16, 16, like=LIKE), 40, 30), torch.ones(2, 3, 40, 30))
    noisy = identity_flow(1, 16, 16, like=LIKE) + 1e-5 * torch.randn(1, 16, 16, 2)
    assert view.flow_colours(noisy, 16, 16).min() > 0.98


@pytest.mark.parametrize(
    ("direction", "colour"),
    [((1, 0), (1, 0, 0)), ((0, 1), (0.5, 1, 0)), ((-1, 0), (0, 1, 1)), ((0, -1), (0.5, 0, 1))],
)
def test_hue_is_the_direction(direction: tuple[int, int], colour: tuple[float, float, float]) -> None:
    flow = identity_flow(1, 16, 16, like=LIKE) + 0.2 * torch.tensor(direction)
    got = view.flow_colours(flow, 16, 16)[0, :, 8, 8]
    near(got, 0.85 * torch.tensor(colour), 0.01)  # hues go in whole steps


def test_saturation_is_the_distance_to_the_maximum() -> None:
    flow = identity_flow(3, 16, 16, like=LIKE) + torch.tensor([0.1, 0.2, 0.4])[:, None, None, None] * torch.tensor(
        [1, 0]
    )

    def saturation(images: torch.Tensor) -> list[float]:
        picture = images[:, :, 8, 8]
        return (1 - picture.min(1).values / picture.max(1).values).tolist()

    near(saturation(view.flow_colours(flow, 16, 16)), [0.25, 0.5, 1.0], NETWORK)
    near(saturation(view.flow_colours(flow, 16, 16, maximum=0.2)), [0.5, 1.0, 1.0], NETWORK)
    near(saturation(view.flow_colours(flow[:1], 16, 16, maximum=1.0)), [0.1], NETWORK)


def test_flow_is_measured_in_pixels_of_the_picture() -> None:
    flow = identity_flow(1, 16, 32, like=LIKE) + torch.tensor([0.2 * 15 / 31, 0.2])  # as many pixels right as down
    got = view.flow_colours(flow, 16, 32, maximum=1)[0, :, 8, 8]
    even = view.flow_colours(identity_flow(1, 16, 16, like=LIKE) + torch.tensor([0.2, 0.2]), 16, 16, maximum=1)
    near(got, even[0, :, 8, 8], NETWORK)


def test_bad_flows_are_refused_and_nan_is_survived() -> None:
    with pytest.raises(KeypointError, match=r"\[B, h, w, 2\]"):
        view.flow_colours(torch.zeros(1, 2, 8, 8), 8, 8)
    with pytest.raises(KeypointError, match="maximum distance above 0"):
        view.flow_colours(torch.zeros(1, 8, 8, 2), 8, 8, maximum=0)
    assert_picture(view.flow_colours(torch.full((1, 8, 8, 2), math.nan), 8, 8), 1, 3, 8, 8)


def test_occlusion_is_bright_where_something_is_missing() -> None:
    occlusion = torch.linspace(0, 1, 64)[None, None, None].expand(1, 1, 8, 64)
    brightness = view.occlusion_heat(occlusion, 8, 64).mean(1)[0, 4]
    assert brightness[0] > 0.75
    assert brightness[-1] < 0.02
    assert (brightness.diff() <= 0.02).all()
    red, _, blue = view.occlusion_heat(torch.full((1, 1, 4, 4), 0.35), 4, 4)[0, :, 0, 0]
    assert red > blue + 0.3  # not in BGR order
    with pytest.raises(ImageError, match=r"\[B, 1, h, w\]; got \[1, 2, 4, 4\]"):
        view.occlusion_heat(torch.zeros(1, 2, 4, 4), 4, 4)


def test_grid_is_moved_by_the_flow() -> None:
    still = view.warped_grid(identity_flow(1, 64, 96, like=LIKE), 64, 96)
    assert still.std() > 0.1
    flow = identity_flow(1, 64, 96, like=LIKE) + torch.tensor([2 * 10 / 95, 2 * 5 / 63])
    moved = view.warped_grid(flow, 64, 96)
    near(moved[..., :59, :86], still[..., 5:, 10:], NETWORK)
    near(moved[..., :, 86:], 0, NETWORK, of=PICTURE)
    near(moved[..., 59:, :], 0, NETWORK, of=PICTURE)
    other = view.warped_grid(flow, 64, 96, align_corners=False)
    near(other, warp(still, flow, align_corners=False), NETWORK)


def test_mask_has_the_colours_of_the_keypoints_by_share() -> None:
    colours = view.keypoint_colours(4)
    mask = torch.zeros(1, 5, 2, 2)
    mask[0, 3, 0, 0] = 1
    mask[0, 1, 0, 1] = mask[0, 2, 0, 1] = 0.5
    mask[0, 0, 1] = 1
    got = view.mask_colours(mask, 2, 2)[0]
    near(got[:, 0, 0], colours[2])
    near(got[:, 0, 1], (colours[0] + colours[1]) / 2)
    assert got[:, 1].max() < 0.2
    with pytest.raises(ImageError, match=r"\[B, K \+ 1, h, w\]"):
        view.mask_colours(mask[0], 2, 2)


def test_columns_stand_in_order_with_their_exact_values() -> None:
    first, second, third = torch.rand(3, 3, 24, 20), torch.rand(1, 3, 24, 31), torch.rand(3, 3, 24, 9)
    got = view.side_by_side([first, second, third])
    assert got.shape == (3, 3, 24, 60)
    assert torch.equal(got[..., :20], first)
    assert torch.equal(got[..., 20:51], second.expand(3, -1, -1, -1))
    assert torch.equal(got[..., 51:], third)


def test_labels_are_small_and_legible() -> None:
    columns = [torch.full((1, 3, 256, 256), level) for level in (0.0, 0.5, 1.0)]
    plain = view.side_by_side(columns)
    got = view.side_by_side(columns, ["source", "", "result of a rather long computation, described at length"])
    assert torch.equal(got[..., 256:512], plain[..., 256:512])
    for start in (0, 512):
        label = got[0, :, :40, start : start + 256]
        changed = (got != plain)[0].any(0)[:, start : start + 256]
        assert label.max() - label.min() > 0.65
        assert not changed[40:].any()
        assert changed[:, 10:].any()
    assert not (got != plain)[0].any(0)[:, 512 + 254 :].any()  # a long label is made to fit


def test_bad_columns_are_refused() -> None:
    images = torch.rand(2, 3, 16, 16)
    with pytest.raises(ImageError, match="at least one column"):
        view.side_by_side([])
    with pytest.raises(ImageError, match=r"one height; got \[16, 12\]"):
        view.side_by_side([images, images[:, :, :12]])
    with pytest.raises(ImageError, match="2 images in column 0, 3 images in column 1"):
        view.side_by_side([images, torch.rand(3, 3, 16, 16)])
    with pytest.raises(ImageError, match="expected 2 labels, one for each column; got 1"):
        view.side_by_side([images, images], ["one"])
    with pytest.raises(ImageError, match=r"column 1 of shape"):
        view.side_by_side([images, images[:, :1]])
