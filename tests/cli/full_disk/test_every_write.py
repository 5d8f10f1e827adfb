"""Six commands on a disk that is full from any write on: said, what was there stays whole, and again with room is done.

Some of the writes; all of them: `gcc -shared -fPIC -o full.so full.c -ldl` in this folder, and then for each case
`LD_PRELOAD=$PWD/full.so python every_write.py $PWD/full.so FOLDER CASE`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from cases import CASES

HERE = Path(__file__).parent
WRITES = 3
"""Of each case: the first, one in the middle, and the last. Each fails alone, and with all that follow."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the library that stands before the system's, and with the inputs of all cases."""
    folder = tmp_path_factory.mktemp("full")
    command = [
        "cc",
        "-shared",
        "-fPIC",
        "-Wall",
        "-Werror",
        "-o",
        str(folder / "full.so"),
        str(HERE / "full.c"),
        "-ldl",
    ]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.parametrize("case", CASES)
def test_a_disk_that_is_full_at_any_write(case: str, place: Path) -> None:
    if case == "train" and importlib.util.find_spec("lightning_fabric") is None:
        pytest.skip("training needs lightning-fabric")
    library = str(place / "full.so")
    command = [sys.executable, str(HERE / "every_write.py"), library, str(place / "disk"), case, "--most", str(WRITES)]
    environment = {**os.environ, "LD_PRELOAD": library, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-3000:]
    assert "0 faults" in ran.stdout
