"""What strangers put into graphs, tables, names and the record of jobs: said, and the others go on."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from fomm_nodes.batch.jobs import Faulty
from fomm_nodes.batch.manifest import Manifest
from fomm_nodes.batch.tables import table_rows
from fomm_nodes.fomm_core.errors import FommError, GraphError


@pytest.mark.parametrize("content", [b'{"a": "\xff\xfe"}\n', '{"a": "ä"}\n'.encode("latin-1"), b"\xff\xfe{\0}\0"])
@pytest.mark.parametrize("name", ["jobs.jsonl", "jobs.csv"])
def test_a_table_that_is_not_utf8(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(b"a\n" + content if name.endswith(".csv") else content)
    with pytest.raises(FommError, match=r"jobs.*line \d.*UTF-8"):
        list(table_rows(path))


def test_json_lines_with_a_mark_and_deep_ones(tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_bytes('\ufeff{"a": "ä"}\r\n\n{"a": 2}'.encode())
    assert list(table_rows(path)) == [{"a": "ä"}, {"a": 2}]
    path.write_text("[" * 100_000)
    with pytest.raises(FommError, match="line 1"):
        list(table_rows(path))


@pytest.mark.parametrize("value", [[], {}, None, 5, ["a.png"]])
def test_a_file_that_is_no_name_is_one_failed_job(batch, planned, pictures, value: object) -> None:
    rows = [{"Load Image.image": value}, {"Load Image.image": "a.png"}]
    bad, good = planned(batch(pictures, table=rows))
    assert isinstance(bad, Faulty)
    assert not isinstance(good, Faulty)
    pictures["1"]["inputs"]["image"] = value
    (only,) = planned(batch(pictures, table=[{"Upscale Image.width": 3}]))
    assert isinstance(only, Faulty)
    assert "expected the name of a file" in only.message
    with pytest.raises(GraphError, match="expected the name of a file"):
        planned(batch(pictures))


@pytest.mark.parametrize(
    "name", [".fomm/a", ".fomm/manifest", "./.fomm/a", ".FOMM/x/y", ".fomm", ".fomm./a", ".fomm /a"]
)
def test_names_where_the_record_is_kept_are_refused(batch, planned, pictures, name: str) -> None:
    with pytest.raises(FommError, match="where the record of jobs is kept"):
        planned(batch(pictures, table=[{"output": name}]))
    with pytest.raises(FommError, match="where the record of jobs is kept"):
        planned(batch(pictures, template=name))


def test_names_like_it_are_not_refused(batch, planned, pictures) -> None:
    assert len(planned(batch(pictures, table=[{"output": "a/.fomm/b"}, {"output": ".fommage/a"}]))) == 2


def damaged(folder: Path, column: str, value: object) -> None:
    with Manifest(folder) as manifest:
        manifest.keep()
    store = sqlite3.connect(folder / ".fomm" / "manifest.sqlite")
    row = {"name": "a", "number": "00001", "key": "k", "state": "done", "files": "{}", "settings": "{}", "batch": "now"}
    row |= {column: value}
    store.execute(f"INSERT INTO jobs ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    store.commit()
    store.close()


@pytest.mark.parametrize("value", ["", "{", "[]", "5", None, "[" * 100_000])
@pytest.mark.parametrize("column", ["files", "settings"])
def test_damaged_json_in_the_record(tmp_path: Path, column: str, value: object) -> None:
    damaged(tmp_path, column, value)
    with Manifest(tmp_path) as manifest, pytest.raises(FommError, match=r"record of earlier jobs.*Delete that folder"):
        list(manifest.entries("now"))


def test_a_strange_state_in_the_record(tmp_path: Path) -> None:
    damaged(tmp_path, "state", "asleep")
    with Manifest(tmp_path) as manifest, pytest.raises(FommError, match=r"record of earlier jobs.*Delete that folder"):
        manifest.counts("now")


def test_pages_of_the_record_that_are_overwritten(tmp_path: Path, batch, pictures, planned) -> None:
    """Whatever comes of it is a FommError, or an answer."""
    with Manifest(tmp_path / "out") as manifest:
        manifest.register(planned(batch(pictures, table=[{"output": str(n)} for n in range(50)])), "now")
        manifest.keep()
        for number in range(300):
            manifest.learn(f"{number}" * 20, json.dumps("x" * 64))
    path = tmp_path / "out" / ".fomm" / "manifest.sqlite"
    data = path.read_bytes()
    said = 0
    for place in range(0, len(data), 8192):
        path.write_bytes(data[:place] + b"\xa5" * 256 + data[place + 256 :])
        try:
            with Manifest(tmp_path / "out") as manifest:
                manifest.keep()
                for number in range(300):
                    manifest.digest(f"{number}" * 20)
                list(manifest.entries("now"))
        except FommError as problem:
            said += "Delete that folder" in str(problem)
    assert said > 0
