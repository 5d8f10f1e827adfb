"""The same blocks with models of the other families."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from family_models import small_family_model
from fomm_nodes.fomm_core.errors import KeypointError
from nearness import near
from torch import Tensor

Run = Callable[..., dict]
ANIMATES = ["tps", "mraa"]


def steps(run: Run, model: Any, portrait: Tensor, clip: Tensor, mode: str) -> dict:
    """From images to frames, block by block."""
    source = run("DetectKeypoints", model=model, images=portrait, size="model")["keypoints"]
    driving = run("DetectKeypoints", model=model, images=clip, size="model")["keypoints"]
    smooth = run("SmoothKeypoints", keypoints=driving, method="gaussian", sigma=0.0)["smoothed"]
    moved = run("TransferMotion", source=source, driving=smooth, mode=mode, model=model)["keypoints"]
    motion = run("DenseMotion", model=model, source=portrait, keypoints=moved, size="model")["motion"]
    return {"driving": driving, "moved": moved, "motion": motion}


@pytest.mark.parametrize("family", ANIMATES)
@pytest.mark.parametrize("mode", ["relative", "absolute", "avd"])
def test_step_by_step_is_animate(run: Run, host: Any, portrait: Tensor, clip: Tensor, family: str, mode: str) -> None:
    model = host.hold(small_family_model(family))
    motion = steps(run, model, portrait, clip, mode)["motion"]
    frames = run("GenerateFrames", model=model, source=portrait, motion=motion)
    whole = run("Animate", model=model, source=portrait, driving=clip, mode=mode, size="model", smoothing="none")
    near(frames["images"], whole["images"], 1e-4)  # the same networks, in chunks of another number
    assert frames["images"].shape == (len(clip), 64, 64, 3)
    warped = run("WarpImage", motion=motion, image=portrait)["moved_image"]
    assert warped.shape[0] == len(clip)
    assert torch.isfinite(warped).all()


@pytest.mark.parametrize("family", ANIMATES)
def test_performances_keep_what_a_family_has(run: Run, host: Any, clip: Tensor, family: str) -> None:
    model = host.hold(small_family_model(family))
    found = run("DetectKeypoints", model=model, images=clip, size="model")["keypoints"]
    file = run("SaveKeypoints", keypoints=found)["file"]
    again = run("LoadKeypoints", file=file)["keypoints"]
    assert torch.equal(again.position, found.position)
    assert (again.covariance is None) == (found.covariance is None) == (family != "mraa")
    if found.covariance is not None:
        assert torch.equal(again.covariance, found.covariance)


def test_no_avd_network(run: Run, host: Any, portrait: Tensor, clip: Tensor) -> None:
    model = host.hold(small_family_model("mraa", avd=False))
    with pytest.raises(KeypointError, match="expected a model with an avd network"):
        run("Animate", model=model, source=portrait, driving=clip, mode="avd", size="model")
    found = run("DetectKeypoints", model=model, images=clip, size="model")["keypoints"]
    with pytest.raises(KeypointError, match="expected a model with an avd network"):
        run("TransferMotion", source=found[0], driving=found, mode="avd")


def test_keypoints_of_another_family(run: Run, host: Any, held: Any, portrait: Tensor, clip: Tensor) -> None:
    mraa, tps = host.hold(small_family_model("mraa")), host.hold(small_family_model("tps"))
    of_regions, of_points = (
        run("DetectKeypoints", model=model, images=clip, size="model")["keypoints"] for model in (mraa, tps)
    )
    with pytest.raises(KeypointError, match=r"expected 10 keypoints a frame.*got 4"):
        run("DenseMotion", model=tps, source=portrait, keypoints=of_regions, size="model")
    plain = of_regions.without_jacobian()
    with pytest.raises(KeypointError, match="expected keypoints with jacobians"):
        run("DenseMotion", model=mraa, source=portrait, keypoints=plain, size="model")
    with pytest.raises(KeypointError, match="expected 4 keypoints in each"):
        run("TransferMotion", source=of_regions[0], driving=of_points)
    with pytest.raises(KeypointError, match="of one family of models"):
        run("BlendKeypoints", first=of_regions, second=type(of_regions)(of_regions.position, of_regions.jacobian))


def test_parts(run: Run, host: Any, portrait: Tensor, clip: Tensor) -> None:
    model = host.hold(small_family_model("partswap"))
    found = run("DetectParts", model=model, images=clip, parts="0-4", size="model")
    assert found["count"] == 4
    assert found["each"].shape == (5, 64, 64)
    assert found["picture"].shape == (len(clip), 64, 64, 3)
    near(found["mask"], torch.ones(len(clip), 64, 64))
    hard = run("DetectParts", model=model, images=portrait, parts="1", edges="hard-edged", size="model")["mask"]
    assert hard.shape == (1, 64, 64)
    swapped = run("SwapParts", model=model, source=portrait, target=clip, parts="1, 2", place="of-source", size="model")
    assert swapped["images"].shape == (len(clip), 64, 64, 3)
    assert swapped["mask"].shape == (len(clip), 64, 64)
    with pytest.raises(KeypointError, match="expected numbers of parts of 0 to 4; got 9"):
        run("SwapParts", model=model, source=portrait, target=clip, parts="9", size="model")
    with pytest.raises(KeypointError, match="swaps parts between images"):
        run("Animate", model=model, source=portrait, driving=clip, size="model")


def test_parts_need_their_model(run: Run, held: Any, portrait: Tensor) -> None:
    with pytest.raises(KeypointError, match="expected a model of part swap"):
        run("DetectParts", model=held, images=portrait)


def test_masks_of_parts_serve_other_blocks(run: Run, host: Any, portrait: Tensor, clip: Tensor) -> None:
    """A part swap model says what is what; another one moves it, part by part, and holds still what is chosen."""
    seen = run("DetectParts", model=host.hold(small_family_model("partswap")), images=portrait, size="model")
    moves = host.hold(small_family_model("mraa"))
    made = run("GroupKeypoints", model=moves, source=portrait, size="model", parts=seen["each"])
    names = [group.split(":")[0] for group in made["groups"].split("; ")]
    assert set(names) <= {f"part {number}" for number in range(5)} | {"idle"}
    assert made["image"].shape == (1, 64, 64, 3)
    driving = run("DetectKeypoints", model=moves, images=clip, size="model")["keypoints"]
    moved = run("TransferMotion", source=made["keypoints"], driving=driving)["keypoints"]
    chosen = next(name for name in names if name != "idle")
    mixed = run(
        "BlendKeypoints",
        first=made["keypoints"],
        second=moved,
        weight=1.0,
        lengths="held",
        only_keypoints=chosen,
        groups=made["groups"],
    )["keypoints"]
    others = [n for n in range(4) if not torch.equal(mixed.position[-1, n], moved.position[-1, n])]
    still = made["keypoints"].position[0]
    assert len(others) < 4
    near(mixed.position[-1, others], still[others])
    motion = run("DenseMotion", model=moves, source=portrait, keypoints=moved, size="model")["motion"]
    held = run("Hold", motion=motion, mask=seen["mask"])["held"]
    whole = run("Hold", motion=motion, mask=torch.ones(1, 64, 64), softness=0.0)["held"]
    frames = [run("WarpImage", motion=one, image=portrait)["moved_image"] for one in (motion, held, whole)]
    change = [(frame - frames[2]).abs().mean() for frame in frames]
    assert change[1] < change[0], "what is held stays nearer to where it was"
    painted = run("GenerateFrames", model=moves, source=portrait, motion=motion)["images"]
    assert seen["mask"].shape[1:] == painted.shape[1:3], "as inpainting and pasting want it"
