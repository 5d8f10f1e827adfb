from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("fsspec")

from fomm_nodes.batch import storage
from fomm_nodes.fomm_core import FommError


@pytest.fixture(params=["file", "memory"])
def place(request, tmp_path: Path) -> str:
    return f"file://{tmp_path}/far" if request.param == "file" else f"memory://{tmp_path.name}"


def test_a_file_goes_there_and_comes_back(place, tmp_path) -> None:
    (tmp_path / "here").write_bytes(b"portrait")
    storage.upload(tmp_path / "here", f"{place}/deep/in.png")
    assert storage.exists(f"{place}/deep/in.png", 8)
    assert not storage.exists(f"{place}/deep/in.png", 7)
    assert not storage.exists(f"{place}/deep/other.png", 8)
    storage.download(f"{place}/deep/in.png", tmp_path / "new" / "back.png")
    assert (tmp_path / "new" / "back.png").read_bytes() == b"portrait"
    with storage.reading(f"{place}/deep/in.png") as content:
        assert content.read() == b"portrait"
    storage.remove(f"{place}/deep")
    storage.remove(f"{place}/deep")
    assert not storage.exists(f"{place}/deep/in.png", 8)


def test_what_is_not_there_leaves_nothing(place, tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        storage.download(f"{place}/none.png", tmp_path / "back.png")
    with pytest.raises(FileNotFoundError):
        storage.download(tmp_path / "none.png", tmp_path / "back.png")
    assert list(tmp_path.iterdir()) == []


def test_a_storage_that_nobody_knows() -> None:
    with pytest.raises(FommError, match="cannot use carrier-pigeon://nest"):
        storage.exists("carrier-pigeon://nest", 1)


@pytest.mark.parametrize(
    ("path", "is_url"), [("s3://b/a", True), ("a/b", False), (Path("s3:/b"), False), ("C:\\a", False)]
)
def test_what_is_a_url(path, is_url) -> None:
    assert storage.is_url(path) == is_url
