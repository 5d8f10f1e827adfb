"""One image says what the model did with a pair."""

from __future__ import annotations

import pytest
import torch
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.model import Frames
from fomm_nodes.fomm_core.training.strips import COLUMNS, strip


@pytest.fixture
def made(make):
    model = make()
    source, driving = torch.rand(3, 3, 64, 64), torch.rand(3, 3, 64, 64)
    at_source, at_driving = model.detect(source), model.detect(driving)
    return source, driving, at_source, at_driving, model(source, at_source, at_driving)


def columns(picture):
    return dict(zip(COLUMNS, picture.unfold(2, 64, 64).permute(2, 0, 1, 3), strict=True))


def test_columns_in_their_order(made):
    source, driving, _, _, frames = made
    picture = strip(*made, rows=2)
    assert picture.shape == (3, 2 * 64, 6 * 64)
    found = columns(picture)
    for row in range(2):
        place = slice(64 * row, 64 * row + 64)
        assert torch.equal(found["source"][:, place], source[row])
        assert torch.equal(found["driving"][:, place], driving[row])
        assert torch.equal(found["warped"][:, place], frames.warped[row])
        assert torch.equal(found["result"][:, place], frames.images[row])
        assert not torch.equal(found["keypoints"][:, place], driving[row])
        assert found["occlusion"][:, place].std() > 0
    assert torch.equal(strip(*made)[:, : 2 * 64], picture)
    assert strip(*made, rows=99).shape == (3, 3 * 64, 6 * 64)


def test_one_source_for_all(made):
    source, driving, at_source, at_driving, frames = made
    picture = strip(source[:1], driving, at_source[0], at_driving, frames)
    assert torch.equal(columns(picture)["source"][:, 128:], source[0])


def test_columns_that_a_model_has_not_stay_black(made):
    source, driving, at_source, at_driving, frames = made
    found = columns(strip(source, driving, at_source, at_driving, Frames(frames.images, None, None)))
    assert found["warped"].max() == found["occlusion"].max() == 0
    assert torch.equal(found["result"][:, :64], frames.images[0])


def test_pictures_that_are_being_trained(made):
    """Gradients, other layouts and lower precision are the loop's, not the picture's."""
    source, driving, at_source, at_driving, frames = made
    images = frames.images.bfloat16().requires_grad_().contiguous(memory_format=torch.channels_last)
    picture = strip(source, driving, at_source, at_driving, Frames(images, frames.motion, frames.warped))
    assert picture.dtype == torch.float32
    assert not picture.requires_grad


def test_labels_on_pictures_that_are_large_enough(made):
    source, driving, at_source, at_driving, frames = made
    large = [pictures.repeat(1, 1, 2, 2) for pictures in (source, driving, frames.images)]
    picture = strip(large[0], large[1], at_source, at_driving, Frames(large[2], None, None), rows=1)
    assert not torch.equal(picture[:, :, :128], large[0][0])
    assert torch.equal(picture[:, 64:, :128], large[0][0][:, 64:])


def test_no_rows(made):
    with pytest.raises(ImageError, match="at least one row"):
        strip(*made, rows=0)
