"""How a batch is shared out, and the image of a run's losses."""

from __future__ import annotations

import math

import pytest
import torch
from fomm_nodes.fomm_core.errors import TrainingError
from fomm_nodes.fomm_core.training.curve import loss_curve
from fomm_nodes.fomm_core.training.hardware import Hardware, share_of_batch
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 4))
def test_each_place_of_a_batch_is_computed_once(size: int, accumulate: int, processes: int) -> None:
    batch = size * accumulate * processes
    shares = [share_of_batch(batch, accumulate, rank, processes) for rank in range(processes)]
    places = [place for share in shares for part in share for place in part]
    assert sorted(places) == list(range(batch))
    assert {len(part) for share in shares for part in share} == {size}


def test_falling_losses_fall_in_the_picture() -> None:
    steps = [{"l1": 10 * math.exp(-step / 30), "gan": 0.5} for step in range(100)]
    picture = loss_curve(steps, height=300, width=500)
    assert picture.shape == (3, 300, 500)
    red = (picture[0] - picture[1] > 0.3) & (picture[0] - picture[2] > 0.3)  # the first colour of the wheel
    left, right = (red[:, columns].nonzero()[:, 0].float().mean() for columns in (slice(60, 120), slice(420, 480)))
    assert right > left + 50


@pytest.mark.parametrize("steps", [[{"l1": 1.0}], [{"l1": 0.0}], [{"a": 1.0}, {"a": 2.0, "b": 3.0}]])
def test_few_steps_make_a_picture_too(steps: list[dict[str, float]]) -> None:
    assert torch.isfinite(loss_curve(steps)).all()


def test_no_steps() -> None:
    with pytest.raises(TrainingError, match="at least one step"):
        loss_curve([])


@pytest.mark.parametrize(
    ("hardware", "words"),
    [
        (Hardware(accelerator="cpu", precision="int8"), "float32, bfloat16, float16"),
        (Hardware(accelerator="cpu", precision="float16"), "CUDA device"),
        (Hardware(accelerator="abacus"), "can't be had"),
    ],
)
def test_hardware_that_cannot_be_had(hardware: Hardware, words: str) -> None:
    pytest.importorskip("lightning_fabric")
    with pytest.raises(TrainingError, match=words):
        hardware.fabric()
