"""Graphs in files of every kind that ComfyUI and its packs write, and files made to do harm."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core.errors import GraphError
from fomm_nodes.graph import carried_pictures
from fomm_nodes.graph.reading import parse_graph, read_graph
from fomm_nodes.graph.schemas import Schemas, schemas_from
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

from .conftest import DATA, canvas, load

GRAPH = {
    "1": {"class_type": "SampleSource", "inputs": {"s": "a “quoted” text ]]> é"}, "_meta": {"title": "Sample"}},
    "2": {"class_type": "SampleSink", "inputs": {"image": ["1", 0]}, "_meta": {"title": "Sink"}},
}
TEXT = json.dumps(GRAPH)
OTHER = json.dumps(canvas({"type": "SampleSource"}))
SIGNATURE = b"\x89PNG\r\n\x1a\n"

Save = Callable[[Path, dict[str, str]], None]


def picture() -> Image.Image:
    return Image.new("RGB", (8, 6), "red")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(path: Path, *chunks: bytes) -> None:
    picture().save(path)
    head, tail = path.read_bytes()[:33], path.read_bytes()[33:]
    path.write_bytes(head + b"".join(chunks) + tail)


def png_text(path: Path, texts: dict[str, str]) -> None:
    png(path, *(chunk(b"tEXt", key.encode() + b"\0" + text.encode()) for key, text in texts.items()))


def png_packed(path: Path, texts: dict[str, str]) -> None:
    png(
        path,
        *(
            chunk(b"zTXt", key.encode() + b"\0\0" + zlib.compress(text.encode("latin-1")))
            for key, text in texts.items()
        ),
    )


def png_international(path: Path, texts: dict[str, str]) -> None:
    about = PngInfo()
    for key, text in texts.items():
        about.add_itxt(key, text, zip=True)
    picture().save(path, pnginfo=about)


def png_behind(path: Path, texts: dict[str, str]) -> None:
    about = PngInfo()
    for key, text in texts.items():
        about.add(b"comf", key.encode() + b"\0" + text.encode("latin-1"), after_idat=True)
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    frames[0].save(path, pnginfo=about, save_all=True, append_images=frames[1:])


def exif_camera(path: Path, texts: dict[str, str]) -> None:
    """As ComfyUI's own Save Animated WEBP writes it."""
    image = picture()
    exif = image.getexif()
    for tag, (key, text) in zip((0x0110, 0x010F, 0x010E), texts.items(), strict=False):
        exif[tag] = f"{key}:{text}"
    image.save(path, exif=exif)


def exif_comment(code: bytes, encoding: str) -> Save:
    """As savers of packs write it: JSON that holds both, in the user's comment."""

    def save(path: Path, texts: dict[str, str]) -> None:
        image = picture()
        exif = image.getexif()
        table = {key: json.loads(text) for key, text in texts.items()}
        exif.get_ifd(0x8769)[0x9286] = code + json.dumps(table, ensure_ascii=False).encode(encoding)
        image.save(path, exif=exif)

    return save


def jpeg_comment(path: Path, texts: dict[str, str]) -> None:
    picture().save(path, comment=json.dumps(texts).encode())


def clip(path: Path, texts: dict[str, str]) -> None:
    options = {"movflags": "use_metadata_tags"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(texts)
        stream = container.add_stream("libvpx-vp9" if path.suffix == ".webm" else "libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def sound(path: Path, texts: dict[str, str]) -> None:
    codec = {".flac": "flac", ".mp3": "libmp3lame", ".opus": "libopus"}[path.suffix]
    with av.open(str(path), "w") as container:
        container.metadata.update(texts)
        stream = container.add_stream(codec, rate=48000, layout="mono")
        kind = {"flac": "s16", "libmp3lame": "fltp", "libopus": "flt"}[codec]
        dtype = np.int16 if kind == "s16" else np.float32
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), dtype), format=kind, layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def in_comment(save: Save) -> Save:
    """As VideoHelperSuite writes it: both as JSON in the comment of the clip."""
    return lambda path, texts: save(path, {"comment": json.dumps(texts)})


def latent(path: Path, texts: dict[str, str]) -> None:
    save_file({"latent_tensor": torch.zeros(1, 4, 2, 2)}, path, metadata={"prompt": "", **texts})


def svg(path: Path, texts: dict[str, str]) -> None:
    notes = json.dumps({key: json.loads(text) for key, text in texts.items()}, indent=2)
    path.write_text(
        f'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">\n  <metadata>\n   <![CDATA[\n{notes}\n  ]]>\n'
        "</metadata><rect/></svg>",
        encoding="utf-8",
    )


def glb(path: Path, texts: dict[str, str]) -> None:
    notes = json.dumps({"asset": {"version": "2.0", "generator": "ComfyUI", "extras": texts}}).encode()
    notes += b" " * (-len(notes) % 4)
    path.write_bytes(struct.pack("<4sIIII", b"glTF", 2, 20 + len(notes), len(notes), 0x4E4F534A) + notes)


def exr(path: Path, texts: dict[str, str]) -> None:
    attributes = [("compression", "compression", b"\0")]
    attributes += [(key, "string", text.encode()) for key, text in texts.items()]
    header = b"".join(
        name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
        for name, kind, value in attributes
    )
    path.write_bytes(b"\x76\x2f\x31\x01\2\0\0\0" + header + b"\0")


SAVERS: dict[str, tuple[str, Save]] = {
    "PNG": ("a.png", png_text),
    "PNG, packed": ("a.png", png_packed),
    "PNG, international": ("a.png", png_international),
    "PNG, animated": ("a.png", png_behind),
    "PNG, EXIF": ("a.png", exif_camera),
    "WebP": ("a.webp", exif_camera),
    "JPEG": ("a.jpg", exif_camera),
    "AVIF": ("a.avif", exif_camera),
    "JPEG, user comment in UTF-16": ("a.jpg", exif_comment(b"UNICODE\0", "utf-16-be")),
    "WebP, user comment in UTF-16": ("a.webp", exif_comment(b"UNICODE\0", "utf-16-le")),
    "WebP, user comment": ("a.webp", exif_comment(b"ASCII\0\0\0", "utf-8")),
    "JPEG, user comment without a code": ("a.jpeg", exif_comment(bytes(8), "utf-8")),
    "JPEG, comment": ("a.jpg", jpeg_comment),
    "MP4": ("a.mp4", clip),
    "MP4, comment": ("a.mp4", in_comment(clip)),
    "MOV": ("a.mov", clip),
    "WebM": ("a.webm", clip),
    "MKV": ("a.mkv", clip),
    "FLAC": ("a.flac", sound),
    "MP3": ("a.mp3", sound),
    "Opus": ("a.opus", sound),
    "latent": ("a.latent", latent),
    "safetensors": ("a.safetensors", latent),
    "SVG": ("a.svg", svg),
    "GLB": ("a.glb", glb),
    "EXR": ("a.exr", exr),
}


def needs(name: str) -> None:
    if name == "AVIF" and not __import__("PIL.features").features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")


@pytest.mark.parametrize("name", SAVERS)
def test_every_kind_of_file(name: str, tmp_path: Path, schemas: Schemas) -> None:
    needs(name)
    file, save = SAVERS[name]
    text = TEXT.replace("“", "").replace("”", "") if "packed" in name or "animated" in name else TEXT
    expected = json.loads(text)
    save(tmp_path / file, {"workflow": OTHER, "prompt": text})
    assert read_graph(tmp_path / file, schemas).to_api() == expected
    (tmp_path / file).rename(tmp_path / "b")  # by its content alone
    assert read_graph(tmp_path / "b", schemas).to_api() == expected


@pytest.mark.parametrize("name", SAVERS)
def test_every_kind_of_file_with_a_canvas_alone(name: str, tmp_path: Path, schemas: Schemas) -> None:
    needs(name)
    file, save = SAVERS[name]
    case = load("values")
    save(tmp_path / file, {"workflow": json.dumps(case["workflow"])})
    assert read_graph(tmp_path / file, schemas).to_api() == case["prompt"]


@pytest.mark.parametrize("name", SAVERS)
def test_every_kind_of_file_with_none(name: str, tmp_path: Path, schemas: Schemas) -> None:
    needs(name)
    file, save = SAVERS[name]
    save(tmp_path / file, {})
    with pytest.raises(GraphError, match="carries none"):
        read_graph(tmp_path / file, schemas)
    whole = (tmp_path / file).read_bytes()
    for end in (12, 24, len(whole) // 2):
        (tmp_path / file).write_bytes(whole[:end])
        with pytest.raises(GraphError, match="expected"):
            read_graph(tmp_path / file, schemas)


@pytest.mark.parametrize("save", [png_text, png_packed, png_international])
def test_texts_above_a_megabyte(save: Save, tmp_path: Path, schemas: Schemas) -> None:
    long = {"1": {"class_type": "SampleSource", "inputs": {"s": "x" * 3_000_000}, "_meta": {"title": "S"}}}
    save(tmp_path / "a.png", {"prompt": json.dumps(long)})
    assert read_graph(tmp_path / "a.png", schemas).to_api() == long


def test_a_broken_prompt_leaves_the_canvas(tmp_path: Path, schemas: Schemas) -> None:
    case = load("values")
    png_text(tmp_path / "a.png", {"prompt": TEXT[:50], "workflow": json.dumps(case["workflow"])})
    assert read_graph(tmp_path / "a.png", schemas).to_api() == case["prompt"]


def test_settings_of_another_program(tmp_path: Path, schemas: Schemas) -> None:
    png_text(tmp_path / "a.png", {"parameters": "a cat\nSteps: 20, Sampler: Euler"})
    with pytest.raises(GraphError, match="another program's settings"):
        read_graph(tmp_path / "a.png", schemas)


# Files made to do harm


def test_a_packed_text_that_would_fill_memory(
    tmp_path: Path, schemas: Schemas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried_pictures, "MOST_TEXT", 1 << 20)
    bomb = zlib.compress(bytes(50_000_000))
    for kind, start in ((b"zTXt", b"prompt\0\0"), (b"iTXt", b"prompt\0\1\0\0\0")):
        png(tmp_path / "a.png", chunk(kind, start + bomb))
        with pytest.raises(GraphError, match="at most 1 MB"):
            read_graph(tmp_path / "a.png", schemas)
    png(tmp_path / "a.png", chunk(b"tEXt", b"prompt\0" + bytes(2 << 20)), chunk(b"tEXt", b"prompt\0" + TEXT.encode()))
    assert read_graph(tmp_path / "a.png", schemas).to_api() == GRAPH  # the one that is too long is passed over


def test_lengths_that_lie(tmp_path: Path, schemas: Schemas) -> None:
    huge = (1 << 31) - 1
    for content in (
        SIGNATURE + struct.pack(">I", huge) + b"tEXtprompt\0{}",
        SIGNATURE + b"\0\0\0\5iTXtprompt",
        b"RIFF\xff\xff\xff\x7fWEBPEXIF" + struct.pack("<I", huge),
        (huge).to_bytes(8, "little") + b'{"__metadata__": {}}',
        struct.pack("<4sIII4s", b"glTF", 2, huge, huge, b"JSON") + b"{}",
        b"\x76\x2f\x31\x01\2\0\0\0" + b"prompt\0string\0" + struct.pack("<I", huge),
        b"\x76\x2f\x31\x01\2\0\0\0" + b"p" * 5000,
        (9).to_bytes(8, "little") + b'{"a": [[]',
        (100_002).to_bytes(8, "little") + b'{"' + b"[" * 100_000,
        b"<svg><metadata><![CDATA[" + b'{"a":' * 100_000,
    ):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(GraphError, match="expected"):
            read_graph(tmp_path / "a", schemas)


def test_a_large_file_is_not_read(tmp_path: Path, schemas: Schemas) -> None:
    for name in ("a.json", "a.avif"):
        with (tmp_path / name).open("wb") as file:
            file.write(b"{" if name == "a.json" else b"\0\0\0\x1cftypavif")
            file.truncate(3 << 30)
        with pytest.raises(GraphError, match="at most"):
            read_graph(tmp_path / name, schemas)


# JSON, however it is wrapped


def stringified(text: str, layers: int) -> str:
    for _ in range(layers):
        text = json.dumps(text)
    return text


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_texts_within_texts(layers: int, tmp_path: Path, schemas: Schemas) -> None:
    assert parse_graph(stringified(TEXT, layers), schemas).to_api() == GRAPH
    inner = {"prompt": stringified(TEXT, layers - 1), "workflow": None, "client_id": "x"}
    assert parse_graph(stringified(json.dumps(inner), layers), schemas).to_api() == GRAPH
    png_text(tmp_path / "a.png", {"prompt": stringified(TEXT, layers)})
    assert read_graph(tmp_path / "a.png", schemas).to_api() == GRAPH
    with pytest.raises(GraphError, match="expected nodes"):
        parse_graph(stringified("no graph", layers), schemas)
    with pytest.raises(GraphError, match="is broken"):
        parse_graph(stringified("{", layers), schemas)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings(encoding: str, tmp_path: Path, schemas: Schemas) -> None:
    (tmp_path / "a.json").write_bytes(json.dumps(GRAPH, ensure_ascii=False).encode(encoding))
    assert read_graph(tmp_path / "a.json", schemas).to_api() == GRAPH
    (tmp_path / "info.json").write_bytes((DATA / "object_info.json").read_text(encoding="utf-8").encode(encoding))
    assert schemas_from(tmp_path / "info.json").entries == schemas.entries


def test_numbers_that_json_has_not(tmp_path: Path, schemas: Schemas) -> None:
    text = (
        '{"1": {"class_type": "SampleSource", "inputs": {"a": NaN, "b": -Infinity, "c": 1e999}, "is_changed": [NaN]}}'
    )
    inputs = parse_graph(text, schemas).nodes["1"].inputs
    assert inputs["a"] != inputs["a"]
    assert inputs["b"] == -float("inf")
    assert inputs["c"] == float("inf")


def run(name: str, graph: Any, *, at: int | None = None) -> list[Any]:
    further = {"extra_pnginfo": {"workflow": {}}} | ({} if at is None else {"create_time": at})
    return [0, name, graph, further, ["2"]]


def entry(name: str, graph: Any, *, at: int | None = None) -> dict[str, Any]:
    return {"prompt": run(name, graph, at=at), "outputs": {"2": {"images": []}}, "status": None, "meta": {}}


EARLIER = {"9": {"class_type": "SampleSource", "inputs": {}, "_meta": {"title": "Earlier"}}}


def test_a_servers_history(schemas: Schemas) -> None:
    one = {"aaaa": entry("aaaa", GRAPH, at=1)}
    graph = parse_graph(json.dumps(one), schemas)
    assert graph.to_api() == GRAPH
    assert not graph.problems
    assert parse_graph(json.dumps(one["aaaa"]), schemas).to_api() == GRAPH
    several = {
        "aaaa": entry("aaaa", EARLIER, at=1_700_000_000_000),
        "bbbb": entry("bbbb", GRAPH, at=1_760_000_000_000),
        "cccc": entry("cccc", EARLIER, at=1_750_000_000_000),
    }
    graph = parse_graph(json.dumps(several), schemas)
    assert graph.to_api() == GRAPH
    (problem,) = graph.problems
    assert problem.severity == "warning"
    for word in ("3 runs", "newest", "bbbb", "2025-10-09", "/history/ID"):
        assert word in problem.message
    without_times = {"aaaa": entry("aaaa", EARLIER), "bbbb": entry("bbbb", GRAPH)}
    assert parse_graph(json.dumps(without_times), schemas).to_api() == GRAPH


def test_a_servers_queue_and_job(schemas: Schemas) -> None:
    queue: dict[str, Any] = {"queue_running": [], "queue_pending": [run("bbbb", GRAPH)]}
    assert parse_graph(json.dumps(queue), schemas).to_api() == GRAPH
    queue["queue_running"] = [run("aaaa", EARLIER)]
    graph = parse_graph(json.dumps(queue), schemas)
    assert graph.to_api() == EARLIER
    assert "2 runs in this queue" in graph.problems[0].message
    with pytest.raises(GraphError, match="queue is empty"):
        parse_graph('{"queue_running": [], "queue_pending": []}', schemas)
    job = {"id": "aaaa", "status": "completed", "workflow": {"prompt": GRAPH, "extra_data": {}}}
    assert parse_graph(json.dumps(job), schemas).to_api() == GRAPH
    assert parse_graph(json.dumps({"workflow": None, "output": GRAPH}), schemas).to_api() == GRAPH


def test_wrappings_without_an_end(schemas: Schemas) -> None:
    wrapped: Any = GRAPH
    for _ in range(40):
        wrapped = {"prompt": wrapped}
    with pytest.raises(GraphError, match="expected"):
        parse_graph(json.dumps(wrapped), schemas)


def test_web_pages_and_packed_files(tmp_path: Path, schemas: Schemas) -> None:
    (tmp_path / "a.json").write_text("<!doctype html><html></html>", encoding="utf-8")
    with pytest.raises(GraphError, match="web page"):
        read_graph(tmp_path / "a.json", schemas)
    (tmp_path / "a.json").write_bytes(gzip.compress(TEXT.encode()))
    with pytest.raises(GraphError, match="is neither"):
        read_graph(tmp_path / "a.json", schemas)


def test_names_alike(tmp_path: Path, schemas: Schemas) -> None:
    (tmp_path / "workflow.json").write_text(TEXT, encoding="utf-8")
    with pytest.raises(GraphError, match="Did you mean"):
        read_graph(tmp_path / "workflw.json", schemas)


def test_shared_cases(shared: Path) -> None:
    from fomm_nodes.batch.render import local_schemas

    folder = shared / "cases" / "graphs"
    for path in sorted(folder.iterdir()):
        graph = read_graph(path, local_schemas(None))
        assert graph.nodes, path.name
        assert not [problem for problem in graph.problems if problem.severity == "error"], path.name
