#!/usr/bin/env bash
# PyAV 18.1.0: a 4:2:0 frame that goes through numpy has other colours, though its numbers and tags are the same.
#
# Expected: `VideoFrame.from_ndarray(frame.to_ndarray(), "yuv420p")`, given the same colorspace, range, transfer and
#   primaries, converts to the same RGB as `frame` does, byte for byte.
# Seen: RGB differs by tens of levels at coloured edges. Decoded H.264 frames say that their chroma lies left, swscale 9
#   interpolates accordingly, and PyAV neither copies the place of chroma nor has a name to set it by. FFmpeg's own
#   `crop` filter keeps it: a part cut by the filter converts to the bytes of the whole, a part cut in numpy does not.
# Why it matters: cutting a part out of the planes and converting only that is a cheap crop, and moves its colours by a
#   half a pixel against those of the whole frame.
# What helps: cut with a filter graph (with a margin of a few pixels), or convert first and cut then.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/env"
"$work/env/bin/python" -m pip install --quiet "av==18.1.0" "numpy==2.4.6"
"$work/env/bin/python" - "$work/clip.mp4" <<'PY'
import sys

import av
import av.filter
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

path, size, edge = sys.argv[1], (256, 192), 8
picture = np.zeros((*size[::-1], 3), np.uint8)
picture[:, :] = (200, 30, 30)
picture[:, (np.arange(size[0]) // edge) % 2 == 1] = (30, 30, 200)
with av.open(path, "w") as container:
    stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    for packet in (*stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")), *stream.encode(None)):
        container.mux(packet)

with av.open(path) as container:
    frame = next(container.decode(video=0))
copy = VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p")
for name in ("colorspace", "color_range", "color_trc", "color_primaries"):
    setattr(copy, name, getattr(frame, name))
assert np.array_equal(copy.to_ndarray(), frame.to_ndarray())

graph = av.filter.Graph()
source = graph.add_buffer(width=size[0], height=size[1], format=frame.format, time_base=frame.time_base)
crop, sink = graph.add("crop", "128:96:64:32:exact=1"), graph.add("buffersink")
source.link_to(crop)
crop.link_to(sink)
graph.configure()
graph.push(frame)
part = graph.pull()


def rgb(some):
    # bicubic, full chroma on either side, accurate rounding
    return VideoReformatter().reformat(some, format="rgb24", interpolation=0x4 | 0x2000 | 0x4000 | 0x40000).to_ndarray().astype(int)


through_numpy = np.abs(rgb(copy) - rgb(frame)).max()
by_filter = np.abs(rgb(part) - rgb(frame)[32:128, 64:192])[8:-8, 8:-8].max()
print(f"PyAV {av.__version__}: the same numbers as another frame: RGB up to {through_numpy} levels off")
print(f"a part cut by the crop filter, 8 pixels inside: up to {by_filter} levels off")
assert through_numpy > 2, "a copied frame keeps its colours now: this finding is out of date"
assert by_filter == 0, "the crop filter changes colours: this finding is out of date"
PY
