"""How large a face or body stands in the picture: the area that its keypoints span."""

import cv2
import numpy as np
from torch import Tensor


def hull_area(position: Tensor) -> float:
    """Area of the convex hull of one set of positions [K, 2], in squared -1..1 units (0 for fewer than 3 points)."""
    points = position.detach().float().cpu().numpy().astype(np.float32)
    return float(cv2.contourArea(cv2.convexHull(points)))
