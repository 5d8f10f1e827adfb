"""A transparent source stays transparent, moved as its pixels are, without a trace of what it was laid over."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from fomm_nodes.fomm_core import AnimationSession, drive, load_builtin, prepare_source
from fomm_nodes.fomm_core.animation import AnimationOptions
from fomm_nodes.fomm_core.checkpoints import ASSETS
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.fitting import dimmed, from_uint8, resize, undimmed
from fomm_nodes.fomm_core.pipeline import FileOptions, animate_files
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, holds_alpha, read_image, read_picture, write_image
from nearness import PICTURE, ROUNDING, near, steps_near
from PIL import Image

DRIVING = ASSETS / "driving.mp4"
SEEN = np.array([200, 40, 30])
HIDDEN = np.array([0, 255, 0])


@pytest.fixture(scope="module")
def session() -> AnimationSession:
    return AnimationSession(load_builtin())


def cut_out(hidden: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """The example's head in a soft oval, [H, W, 4]; `hidden` is the colour of what is wholly transparent."""
    picture = read_image(ASSETS / "source.png")
    y, x = np.mgrid[0:256, 0:256]
    alpha = np.clip((1 - np.hypot((x - 128) / 85, (y - 125) / 115)) * 12, 0, 1)
    rgb = np.where(alpha[..., None] > 0, picture, np.array(hidden)).astype(np.uint8)
    return np.dstack([rgb, (alpha * 255).round().astype(np.uint8)])


def test_colours_come_back_from_over_any_background() -> None:
    rgba = torch.rand(2, 4, 9, 7)
    background = torch.tensor([0.2, 0.9, 0.4])
    layers = dimmed(rgba)
    over = layers[:, :3] + (1 - layers[:, 3:]) * background.reshape(1, 3, 1, 1)
    back = undimmed(over, layers[:, 3:], background)
    assert torch.equal(back[:, 3], rgba[:, 3])
    seen = (rgba[:, 3:] > 0.05).expand(-1, 3, -1, -1)  # float32's error grows as alpha falls
    near(back[:, :3][seen], rgba[:, :3][seen], ROUNDING, of=PICTURE)


def rendered_of(session: AnimationSession, picture: np.ndarray, **options):
    source = prepare_source(session, from_uint8(picture), size="model", **options)
    frames = from_uint8(np.stack([frame for frame, _ in zip(VideoReader(DRIVING), range(14), strict=False)]))
    driving = session.detect(resize(frames, *source.working))
    driven = drive(source.keypoints, driving, AnimationOptions())
    return source, next(iter(session.render(source, driven[13:14])))


def test_alpha_moves_as_the_pixels_do(session) -> None:
    """The model blends the warped source in: where it shows what is needed, image and alpha tell of the same flow."""
    source, rendered = rendered_of(session, cut_out(), background=(0.0, 0.0, 0.0))
    flow_moved = source.network.generator.warp_image(source.alpha, rendered.motion)
    assert (flow_moved - source.alpha).abs().mean() > 0.002  # it does move
    assert torch.equal(
        rendered.alpha, source.network.generator.warp_image(source.alpha, rendered.motion, padding="border")
    )
    ours = rendered.transparent
    assert ours.shape == (1, 4, 128, 128)
    shown = rendered.occlusion > 0.98
    over_black = ours[:, :3] * ours[:, 3:]
    assert ((over_black - rendered.warped).abs() * shown).max() <= 0.03


def test_what_is_hidden_never_shows(session) -> None:
    one, other = (rendered_of(session, cut_out(hidden))[1] for hidden in ((255, 255, 255), (0, 255, 0)))
    assert torch.equal(one.transparent, other.transparent)


def test_no_halo_of_the_background(session) -> None:
    """Over white and over black the networks see other images; what is seen of the edge is alike."""
    white, black = (rendered_of(session, cut_out(), background=(level,) * 3)[1] for level in (1.0, 0.0))
    edge = ((white.alpha > 0.15) & (white.alpha < 0.85) & (white.occlusion > 0.9)).expand(-1, 3, -1, -1)
    assert edge.sum() > 300
    naive = (white.images - black.images)[edge].mean()  # what stays of the background without care
    ours = (white.transparent[:, :3] - black.transparent[:, :3])[edge].mean()
    assert naive > 0.3
    assert abs(ours) < 0.15 * naive


def test_an_opaque_source_has_no_alpha(session) -> None:
    source, rendered = rendered_of(session, read_image(ASSETS / "source.png"))
    assert source.alpha is None
    assert rendered.alpha is None
    assert rendered.transparent is rendered.images


def test_borders_of_a_padded_transparent_source_are_transparent(session) -> None:
    source = prepare_source(session, torch.ones(1, 4, 50, 100), size=(128, 128), mode="pad")
    assert source.alpha is not None
    assert source.alpha[0, 0, 5, 64] == 0
    assert source.alpha[0, 0, 64, 64] == 1
    assert source.image[0, :, 5, 64].tolist() == [1, 1, 1]


def disc(index: int, height: int = 120, width: int = 161) -> np.ndarray:
    """A disc with a soft edge that moves, [H, W, 4]; what lies around it has a glaring colour."""
    y, x = np.mgrid[0:height, 0:width]
    alpha = np.clip((40 - np.hypot(y - 60, x - 60 - 4 * index)) * 64, 0, 255).astype(np.uint8)
    alpha[:, :20] = np.minimum(alpha[:, :20], 128)
    rgb = np.where(alpha[..., None] > 0, SEEN, HIDDEN).astype(np.uint8)
    return np.dstack([rgb, alpha])


def decoded(path: Path) -> list[np.ndarray]:
    """RGBA as the file holds it, by the decoder that knows of alpha."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = stream.codec_context
        if path.suffix == ".webm":
            assert stream.metadata["alpha_mode"] == "1"
            decoder = av.CodecContext.create("libvpx-vp9", "r")
        packets = [packet for packet in container.demux(stream) if packet.size]
        frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
        # Bilinear without more gives alpha of chance in the last column of an odd width.
        return [
            frame.reformat(format="rgba", interpolation=0x4 | 0x2000 | 0x4000 | 0x40000).to_ndarray()
            for frame in frames
        ]


@pytest.mark.parametrize(("name", "tolerance"), [("a.webm", 8), ("a.mov", 2)])
def test_alpha_comes_back_from_a_video(tmp_path: Path, name: str, tolerance: int) -> None:
    with VideoWriter(tmp_path / name, fps=25) as writer:
        for index in range(6):
            writer.write(disc(index))
    frames = decoded(tmp_path / name)
    assert len(frames) == 6
    for index, frame in enumerate(frames):
        expected = disc(index)
        assert frame.shape == expected.shape
        assert np.abs(frame[..., 3].astype(int) - expected[..., 3]).mean() < 0.2
        seen = expected[..., 3] > 0
        assert np.abs(frame[seen][:, :3].astype(int) - SEEN).max() <= tolerance  # nothing of the hidden colour
    over = [
        np.stack(list(VideoReader(tmp_path / name, background=colour)))[3] for colour in ((0, 0, 255), (255, 255, 0))
    ]
    alpha = disc(3)[..., 3:] / 255
    for picture, colour in zip(over, ((0, 0, 255), (255, 255, 0)), strict=True):
        expected = SEEN * alpha + np.array(colour) * (1 - alpha)
        assert np.abs(picture - expected).mean() < 1.5


def test_a_gif_is_transparent_where_less_than_half_is_seen(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.gif", fps=25) as writer:
        for index in range(6):
            writer.write(disc(index))
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 6
        for index in range(6):
            image.seek(index)
            frame = np.asarray(image.convert("RGBA"))
            seen = disc(index)[..., 3] >= 128
            np.testing.assert_array_equal(frame[..., 3] > 0, seen)
            assert np.abs(frame[seen][:, :3].astype(int) - SEEN).max() <= 8


@pytest.mark.parametrize("name", ["frames", "f-%03d.png", "f-%03d.webp", "f-%03d.tiff"])
def test_stills_keep_alpha(tmp_path: Path, name: str) -> None:
    with VideoWriter(tmp_path / name, fps=25) as writer:
        writer.write(disc(0))
    (still,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    back = read_picture(still)
    assert np.abs(back[..., 3].astype(int) - disc(0)[..., 3]).max() <= (0 if "webp" not in name else 1)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.m4v", "f-%03d.jpg", "f-%03d.bmp"])
def test_other_kinds_refuse_alpha(tmp_path: Path, name: str) -> None:
    assert not holds_alpha(tmp_path / name)
    with pytest.raises(ImageError, match=r"expected uint8 frames"), VideoWriter(tmp_path / name, fps=25) as writer:
        writer.write(disc(0))
    assert not list(tmp_path.iterdir())


def test_frames_may_not_lose_their_alpha_on_the_way(tmp_path: Path) -> None:
    def write() -> None:
        with VideoWriter(tmp_path / "a.webm", fps=25) as writer:
            writer.write(disc(0))
            writer.write(disc(1)[..., :3])

    with pytest.raises(ImageError, match="161x120 with alpha"):
        write()


def run(session: AnimationSession, tmp_path: Path, output: str, **options) -> tuple[Path, tuple[str, ...]]:
    write_image(tmp_path / "cut.png", cut_out())
    report = animate_files(
        session, tmp_path / "cut.png", DRIVING, tmp_path / output, FileOptions(frames=3, size="model", **options)
    )
    return tmp_path / output, report.warnings


@pytest.mark.parametrize("output", ["out", "out.webm", "out.mov", "out.gif"])
def test_a_transparent_source_stays_transparent(session, tmp_path: Path, output: str) -> None:
    path, warnings = run(session, tmp_path, output)
    assert warnings == ()
    last = read_picture(path / "frame-00002.png") if path.is_dir() else decoded(path)[-1]
    assert last.shape == (128, 128, 4)
    assert last[3, 3, 3] == 0
    assert last[60, 64, 3] == 255


@pytest.mark.parametrize(("output", "options"), [("out.mp4", {}), ("out", {"compare": True})])
def test_where_it_cannot_it_lies_over_white_and_says_so(session, tmp_path: Path, output: str, options) -> None:
    path, warnings = run(session, tmp_path, output, **options)
    assert any("transparent" in warning and "white" in warning for warning in warnings)
    corner = np.stack(list(VideoReader(path)))[-1][60:64, :4]
    steps_near(corner, 255, 6)  # as H.264 leaves white near an edge


@pytest.mark.parametrize("output", ["out.mp4", "out"])
def test_a_background_is_chosen(session, tmp_path: Path, output: str) -> None:
    path, warnings = run(session, tmp_path, output, background=(10, 90, 200))
    assert warnings == ()
    frame = np.stack(list(VideoReader(path)))[-1]
    assert frame.shape == (128, 128, 3)
    assert np.abs(frame[:6, :6].astype(int) - [10, 90, 200]).max() <= 12
