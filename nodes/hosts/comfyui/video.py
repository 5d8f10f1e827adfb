"""ComfyUI's VIDEO and AUDIO values as streams and files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from ....fomm_core.errors import ImageError
from ...declarations.streams import FileStream, TensorStream
from ...spec import FrameStream
from ..sound import NewFile, write_sound


@contextmanager
def open_video(video: Any, new_file: NewFile) -> Iterator[FrameStream]:
    """Frames of a VIDEO value. Files are decoded as they are read; `get_components` would load all of them at once.

    Videos that a graph has cut or cropped without writing them yet (newer versions of ComfyUI) go through a temporary
    file, since their stream source is still the whole clip.
    """
    if not streams_from_source(video):
        components = video.get_components()
        if len(components.images) == 0:
            raise ImageError("expected a video with at least one frame; got none.")
        audio = components.audio
        yield TensorStream(components.images, components.frame_rate, lambda: write_sound(audio, new_file))
        return
    if has_pending_edits(video):
        source: str | BinaryIO = str(new_file(".mp4"))
        video.save_to(source)
    else:
        source = video.get_stream_source()
    with FileStream(source) as stream:
        yield stream


def streams_from_source(video: Any) -> bool:
    """Whether the value has a stream source of its own, rather than the base class's, which encodes frames anew."""
    from comfy_api.latest import Input

    inherited = getattr(Input.Video, "get_stream_source", None)
    return getattr(type(video), "get_stream_source", None) not in (None, inherited)


def has_pending_edits(video: Any) -> bool:
    """Whether the value is a cut or crop of its stream source."""
    if (pending := getattr(video, "has_pending_frame_edits", None)) is not None and pending():
        return True
    if (window := getattr(video, "get_active_trim_window", None)) is not None:
        return tuple(window()) != (0.0, 0.0)
    edits = ("__start_time", "__duration", "__crop")  # before that method came
    return any(value for name, value in vars(video).items() if name.endswith(edits))
