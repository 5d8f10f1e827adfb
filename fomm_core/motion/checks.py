"""Guards that several functions over keypoints share."""

import math
from fractions import Fraction

from ..errors import KeypointError
from ..geometry import Keypoints


def check_frames(name: str, keypoints: Keypoints) -> None:
    """Raise where a clip has no frame."""
    if len(keypoints) == 0:
        raise KeypointError(f"expected at least one frame of {name} keypoints; got none: check the driving video")


def check_single(name: str, keypoints: Keypoints) -> None:
    """Raise where there is not exactly one frame."""
    if len(keypoints) != 1:
        raise KeypointError(
            f"expected the {name} keypoints of one frame; got {len(keypoints)} frames: choose one, such as keypoints[0]"
        )


def check_counts(expected_name: str, expected: Keypoints, name: str, keypoints: Keypoints) -> None:
    """Raise where two sets differ in their number of keypoints."""
    if expected.count != keypoints.count:
        raise KeypointError(
            f"expected {expected.count} keypoints in each {name} frame, as the {expected_name} has; "
            f"got {keypoints.count}: detect both with the same model"
        )


def check_alike(expected_name: str, expected: Keypoints, name: str, keypoints: Keypoints) -> None:
    """Raise where one of two sets has jacobians or covariances and the other has none."""
    for what in ("jacobian", "covariance"):
        both = ((expected_name, getattr(expected, what)), (name, getattr(keypoints, what)))
        having = [who for who, values in both if values is not None]
        lacking = [who for who, values in both if values is None]
        if having and lacking:
            raise KeypointError(
                f"expected {what}s in all keypoints or in none; got them in {having[0]} but not in {lacking[0]}: "
                "detect both with the same model"
            )


def check_number(
    name: str, value: float | Fraction, lowest: float, highest: float = math.inf, *, above: bool = False
) -> None:
    """Raise where a setting is no finite number within `lowest`..`highest` (`above`: `lowest` itself is outside)."""
    if not (math.isfinite(value) and lowest <= value <= highest and not (above and value == lowest)):
        limits = f"above {lowest:g}" if above else f"of at least {lowest:g}"
        if math.isfinite(highest):
            limits += f" and at most {highest:g}"
        raise KeypointError(f"expected {name} {limits}; got {value}")
