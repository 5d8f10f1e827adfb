"""From values and tables to jobs."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from fomm_nodes.batch.jobs import Faulty
from fomm_nodes.batch.tables import combined, table_rows
from fomm_nodes.fomm_core.errors import FommError
from hypothesis import example, given, settings
from hypothesis import strategies as st

LISTS = st.dictionaries(
    st.text("abc", min_size=1, max_size=3), st.lists(st.integers(), min_size=1, max_size=3), max_size=4
)


@settings(deadline=None)
@given(LISTS)
def test_all_combinations_come_once_each(lists) -> None:
    rows = [tuple(row.values()) for row in combined(lists)]
    assert rows == list(itertools.product(*lists.values()))


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 3))
def test_zipped_lists_go_side_by_side(length, lists) -> None:
    given_lists = {str(number): [number * 100 + step for step in range(length)] for number in range(lists)}
    rows = list(combined({**given_lists, "same": ["x"]}, zipped=True))
    assert [row["0"] for row in rows] == given_lists["0"]
    assert all(row["same"] == "x" for row in rows)


def test_zipped_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(FommError, match=r"a: 2, b: 3.*--zip"):
        list(combined({"a": [1, 2], "b": [1, 2, 3]}, zipped=True))


def test_files_by_pattern_and_values_by_list(batch, planned, pictures, tmp_path) -> None:
    jobs = planned(batch(pictures, settings={"Load Image.image": ["*.png"], "Upscale Image.width": ["4", "8"]}))
    assert [job.output.relative_to(tmp_path / "out").as_posix() for job in jobs] == [
        *("a_4", "a_8", "b_4", "b_8", "c_4", "c_8")
    ]
    assert jobs[3].graph["1"]["inputs"]["image"] == "b.png"
    assert jobs[3].graph["2"]["inputs"]["width"] == 8
    assert jobs[3].inputs[0].path == tmp_path / "inputs" / "b.png"
    assert len({job.key for job in jobs}) == 6
    assert pictures["2"]["inputs"]["width"] == 8  # the graph itself is as it was


@pytest.mark.parametrize("selector", ["Upscale Image", "ImageScale", "2"])
def test_a_node_goes_by_title_class_or_id(selector, batch, planned, pictures) -> None:
    (job,) = planned(batch(pictures, settings={f"{selector}.crop": ["center"]}))
    assert job.graph["2"]["inputs"]["crop"] == "center"


def test_the_same_content_has_the_same_key(batch, planned, pictures, inputs) -> None:
    (inputs / "copy.png").write_bytes((inputs / "a.png").read_bytes())
    a, b, _, copy = planned(batch(pictures, settings={"Load Image.image": ["a.png", "b.png", "c.png", "copy.png"]}))
    assert a.key == copy.key != b.key
    (inputs / "a.png").write_bytes((inputs / "b.png").read_bytes())
    assert planned(batch(pictures))[0].key == b.key
    pictures["1"]["_meta"]["title"] = "Another title"
    assert planned(batch(pictures))[0].key == b.key


def test_the_model_is_part_of_the_key(batch, planned, animation, tmp_path) -> None:
    from fomm_nodes.fomm_core.checkpoints import builtin_models
    from fomm_nodes.nodes.hosts.headless.files import Folders

    models = tmp_path / "models"
    (models / "fomm").mkdir(parents=True)
    weights = builtin_models()["demo-128"].read_bytes()
    animation["3"]["inputs"]["model"] = "mine.safetensors"
    folders = Folders((tmp_path / "inputs",), (models,))
    keys = set()
    for content in (weights, weights + b" ", weights):
        (models / "fomm" / "mine.safetensors").write_bytes(content)
        made = batch(animation)
        keys.add(planned(type(made)(**{**vars(made), "folders": folders}))[0].key)
    assert len(keys) == 2


TABLES = {
    "table.csv": "Load Image.image,2.width,output\na.png,4,one\nb.png,5,sub/two\n",
    "table.jsonl": '{"Load Image.image": "a.png", "2.width": 4, "output": "one"}\n\n'
    '{"Load Image.image": "b.png", "2.width": 5, "output": "sub/two"}\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name, batch, planned, pictures, tmp_path) -> None:
    (tmp_path / name).write_text(TABLES[name], encoding="utf-8")
    jobs = planned(batch(pictures, table=tmp_path / name))
    assert [job.output for job in jobs] == [tmp_path / "out" / "one", tmp_path / "out" / "sub" / "two"]
    assert [job.graph["2"]["inputs"]["width"] for job in jobs] == [4, 5]
    assert [job.graph["1"]["inputs"]["image"] for job in jobs] == ["a.png", "b.png"]


def test_a_parquet_table(batch, planned, pictures, tmp_path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow, which reads Parquet tables")
    import pyarrow

    parquet.write_table(pyarrow.table({"2.width": [4, 5]}), tmp_path / "table.parquet")
    jobs = planned(batch(pictures, table=tmp_path / "table.parquet"))
    assert [job.graph["2"]["inputs"]["width"] for job in jobs] == [4, 5]


def test_a_faulty_row_stands_alone(batch, planned, pictures, tmp_path) -> None:
    rows = [{"Load Image.image": "a.png"}, {"Load Image.image": "gone.png"}, {"Load Image.image": "b.png"}]
    first, faulty, last = planned(batch(pictures, table=rows))
    assert isinstance(faulty, Faulty)
    assert "“Load Image”.image" in faulty.message
    assert "gone.png" in faulty.message
    assert (first.output.name, last.output.name) == ("graph_00001", "graph_00003")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.csv", "a,b\n1\n", "line 2: expected 2 columns; it has fewer"),
        ("t.csv", "a,b\n1,2,3\n", "line 2: expected 2 columns; it has more"),
        ("t.csv", "a,b\n", "at least one job"),
        ("t.csv", "", "at least one job"),
        ("t.jsonl", '{"a": 1}\n{broken\n', "line 2: expected JSON"),
        ("t.jsonl", "[1]\n", "line 1: expected an object"),
        ("t.txt", "a", "ending .csv, .jsonl"),
        ("t.parquet", "no parquet", "parquet|pyarrow"),
        ("gone.csv", None, "there is no"),
    ],
)
def test_broken_tables(name, text, words, tmp_path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(FommError, match=words):
        list(table_rows(tmp_path / name))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"settings": {"Nobody.image": ["a.png"]}}, "'Nobody.image' names no node of: Load Image"),
        ({"settings": {"Load Image.picture": ["a.png"]}}, "no input 'picture', but: image"),
        ({"settings": {"Upscale Image.image": ["a.png"]}}, "is wired"),
        ({"settings": {"Load Image.image": ["*.tiff"]}}, r"“Load Image”.image: expected files that match '\*.tiff'"),
        ({"settings": {"Load Image.image": ["../*"]}}, "there are none"),
        ({"settings": {"Upscale Image.width": ["wide"]}}, "width: expected a whole number; got 'wide'"),
        (
            {"settings": {"Upscale Image.width": ["4", "5"]}, "template": "same"},
            "jobs 00001 and 00002 would both write",
        ),
        ({"table": [{"output": "A"}, {"output": "a"}]}, "would both write 'a'"),
        ({"table": [{"output": "../a"}]}, r"output name of job 00001.*without '\.\.'"),
        ({"table": [{"output": "/a"}]}, "leading slash"),
        ({"table": [{"output": "link/a"}]}, "leads out of the output folder"),
        ({"template": "{Load Imag.image}"}, "Did you mean “Load Image”"),
        ({"settings": {"Upscale Image.width": ["4", "5"]}, "table": [{}]}, "one value of 'Upscale Image.width' beside"),
    ],
)
def test_what_cannot_be_planned(more, words, batch, planned, pictures, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(FommError, match=words):
        planned(batch(pictures, **more))


def test_titles_that_repeat_need_an_id(batch, planned, pictures) -> None:
    pictures["7"] = json.loads(json.dumps(pictures["2"]))
    with pytest.raises(FommError, match=r"nodes 2, 7"):
        planned(batch(pictures, settings={"Upscale Image.width": ["4"]}))


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{graph}-{job}", "graph-00001"),
        ("{Load Image.image}/{Upscale Image.width}", "a/8"),
        ("{Upscale Image.upscale_method}: <{2.crop}>", "area: <disabled>"),
    ],
)
def test_templates(template, name, batch, planned, pictures, tmp_path) -> None:
    (job,) = planned(batch(pictures, template=template))
    assert job.output == tmp_path.joinpath("out", *name.split("/"))


@settings(deadline=None)
@given(value=st.text(max_size=20))
@example(value="\x85")
@example(value=" .\xa0.")
def test_values_never_lead_out_of_the_output_folder(value) -> None:
    from fomm_nodes.batch.jobs import Batch, Digests, plan
    from fomm_nodes.graph.model import Graph
    from fomm_nodes.graph.schemas import Schemas
    from fomm_nodes.nodes.hosts.headless.files import Folders

    graph = Graph.from_api({"1": {"class_type": "Words", "inputs": {"text": "a"}}})
    out = Path("/nowhere/out")
    batch = Batch(graph, "g", Schemas({}), Folders(()), out, {"1.text": [value]}, template="{1.text}")
    (job,) = plan(batch, Digests(lambda state: "", lambda state, digest: None))
    assert job.output.parent == out
    assert job.output.name not in ("", ".", "..")
