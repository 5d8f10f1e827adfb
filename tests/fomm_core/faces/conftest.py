from __future__ import annotations

import numpy as np
import pytest
from fomm_nodes.fomm_core.faces import FaceFinder
from fomm_nodes.fomm_core.shipped import ASSETS
from PIL import Image


@pytest.fixture(scope="session")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """A woman's face, 256x256; NASA, public domain."""
    return np.array(Image.open(ASSETS / "source.png").convert("RGB"))
