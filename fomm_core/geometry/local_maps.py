"""The local maps of keypoints, whatever their model."""

from torch import Tensor

from ..errors import KeypointError
from .affine import inverse
from .covariance import LEAST_VARIANCE
from .keypoints import Keypoints


def local_inverse(keypoints: Keypoints) -> Tensor:
    """Inverses of the jacobians, [T, K, 2, 2]; never infinite.

    Those of a region, as large as the region is, may be smaller than a keypoint's, which are about 1. Raises
    KeypointError where there are none.
    """
    if keypoints.jacobian is None:
        raise KeypointError("expected keypoints with jacobians; got positions only")
    if keypoints.covariance is None:
        return inverse(keypoints.jacobian)
    return inverse(keypoints.jacobian, smallest_determinant=LEAST_VARIANCE)
