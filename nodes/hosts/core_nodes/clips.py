"""Core nodes on VIDEO and AUDIO values."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from torch import Tensor

from ....fomm_core.errors import ImageError
from ...spec import AUDIO, FLOAT, IMAGE, VIDEO
from ..headless import HeadlessHost
from ..headless_video import CODECS, FORMATS, FileVideo, FramesVideo, Video, bytes_of, save_video
from ..sound import read_sound
from .node import CoreNode, number, one_of, switch, upload, words
from .pictures import PICTURE

Sound = dict[str, Any]


def _load_video(host: HeadlessHost, file: str) -> Any:
    return (FileVideo(host.input_file(file)),)


def _create(host: HeadlessHost, images: Tensor, fps: float, audio: Sound | None = None) -> Any:
    return (FramesVideo(images, Fraction(fps), audio),)


def _slice(host: HeadlessHost, video: Video, start_time: float, duration: float, strict_duration: bool) -> Any:
    if isinstance(video, FramesVideo):
        raise ImageError("expected a video from a file, as Load Video gives it; cut pictures with ImageFromBatch.")
    part = video.slice(start_time, duration)
    if strict_duration and duration:
        with part.stream(host.temporary_file) as stream:
            length = stream.reader.info.duration
            whole = length is None or length + 1 / (2 * stream.reader.info.fps) >= duration
        if not whole:
            raise ImageError(f"expected {duration} s from {start_time} s on; the video ends before.")
    return (part,)


def _components(host: HeadlessHost, video: Video) -> Any:
    parts = video.frames(host.setting.limits.check)
    return parts.images, parts.audio, float(parts.fps)


def _save_video(host: HeadlessHost, video: Video, filename_prefix: str, format: str, codec: str) -> Any:
    path = host.output_file(filename_prefix, ".mp4")
    host.keep(path, frames=save_video(video, path, format, codec, host.setting.metadata, host.setting.limits.check))
    return ()


def _save_webm(host: HeadlessHost, images: Tensor, filename_prefix: str, codec: str, fps: float, crf: float) -> Any:
    path = host.output_file(filename_prefix, ".webm")
    with av.open(str(path), "w") as target:
        coder = {"vp9": "libvpx-vp9", "av1": "libsvtav1"}[codec]
        options = {"crf": str(crf)} | ({"preset": "6"} if codec == "av1" else {})
        stream = target.add_stream(coder, rate=Fraction(round(fps * 1000), 1000), options=options)
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = "yuv420p10le" if codec == "av1" else "yuv420p"
        stream.bit_rate = 0
        for image in images[..., :3]:
            target.mux(stream.encode(av.VideoFrame.from_ndarray(bytes_of(image), format="rgb24")))
        target.mux(stream.encode(None))
    host.keep(path, frames=len(images))
    return ()


def _load_audio(host: HeadlessHost, audio: str) -> Any:
    sound = read_sound(host.input_file(audio))
    if sound is None:
        raise ImageError(f"expected a file with sound; '{audio}' has none.")
    return (sound,)


def _trim(host: HeadlessHost, audio: Sound, start_index: float, duration: float) -> Any:
    waveform, rate = audio["waveform"], audio["sample_rate"]
    length = waveform.shape[-1]
    start = round(start_index * rate) + (length if start_index < 0 else 0)
    start = max(0, min(start, length - 1))
    end = max(0, min(start + round(duration * rate), length))
    if start >= end:
        raise ValueError(
            f"expected a cut inside the sound's {length / rate:.2f} s; got {duration} s at {start_index} s"
        )
    return ({"waveform": waveform[..., start:end], "sample_rate": rate},)


OPUS_RATES = (8000, 12000, 16000, 24000, 48000)


def _write_audio(path: Path, waveform: Tensor, rate: int, coder: str, quality: str) -> None:
    """waveform: [channels, samples]. Opus knows only a few rates: the next one above is taken."""
    layout = "mono" if len(waveform) == 1 else "stereo"
    packed = np.ascontiguousarray(waveform.T.reshape(1, -1).float().numpy())
    frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
    frame.sample_rate, frame.pts = rate, 0
    target_rate = rate
    if coder == "libopus":
        target_rate = next((known for known in OPUS_RATES if known >= rate), OPUS_RATES[-1])
    with av.open(str(path), "w") as target:
        stream = target.add_stream(coder, rate=target_rate, layout=layout)
        if quality == "V0":
            stream.codec_context.qscale = True
        elif quality:
            stream.bit_rate = int(quality.removesuffix("k")) * 1000
        frames = [frame]
        if target_rate != rate:
            resampler = av.AudioResampler(format="flt", layout=layout, rate=target_rate)
            frames = [*resampler.resample(frame), *resampler.resample(None)]
        for part in frames:
            target.mux(stream.encode(part))
        target.mux(stream.encode(None))


def _saving(suffix: str, coder: str, *, preview: bool = False) -> Any:
    def save(host: HeadlessHost, audio: Sound, filename_prefix: str = "audio", quality: str = "") -> Any:
        for waveform in audio["waveform"].cpu():
            path = host.output_file(filename_prefix, suffix)
            _write_audio(path, waveform, int(audio["sample_rate"]), coder, quality)
            host.keep(path, preview=preview)
        return ()

    return save


CLIPS = "image/video"
TRACK = (AUDIO,)
SOUND_PREFIX = words("audio/ComfyUI")
FAR = float(0xFFFFFFFFFFFFFFFF)

NODES = (
    CoreNode("LoadVideo", "Load Video", CLIPS, {"file": upload("video")}, ((VIDEO, VIDEO),), _load_video),
    CoreNode(
        "CreateVideo",
        "Create Video",
        CLIPS,
        {"images": PICTURE, "fps": number(30.0, 1.0, 120.0, 1.0)},
        ((VIDEO, VIDEO),),
        _create,
        {"audio": TRACK},
    ),
    CoreNode(
        "Video Slice",
        "Video Slice",
        CLIPS,
        {
            "video": (VIDEO,),
            "start_time": number(0.0, -1e5, 1e5, 0.001),
            "duration": number(0.0, 0.0, 1e5, 0.001),
            "strict_duration": switch(False),
        },
        ((VIDEO, VIDEO),),
        _slice,
    ),
    CoreNode(
        "GetVideoComponents",
        "Get Video Components",
        CLIPS,
        {"video": (VIDEO,)},
        ((IMAGE, "images"), (AUDIO, "audio"), (FLOAT, "fps")),
        _components,
    ),
    CoreNode(
        "SaveVideo",
        "Save Video",
        CLIPS,
        {
            "video": (VIDEO,),
            "filename_prefix": words("video/ComfyUI"),
            "format": one_of(*FORMATS),
            "codec": one_of(*CODECS),
        },
        (),
        _save_video,
        is_output=True,
    ),
    CoreNode(
        "SaveWEBM",
        "SaveWEBM",
        CLIPS,
        {
            "images": PICTURE,
            "filename_prefix": words("ComfyUI"),
            "codec": one_of("vp9", "av1"),
            "fps": number(24.0, 0.01, 1000.0),
            "crf": number(32.0, 0, 63.0, 1),
        },
        (),
        _save_webm,
        is_output=True,
    ),
    CoreNode("LoadAudio", "Load Audio", "audio", {"audio": upload("audio")}, ((AUDIO, AUDIO),), _load_audio),
    CoreNode(
        "TrimAudioDuration",
        "Trim Audio Duration",
        "audio",
        {"audio": TRACK, "start_index": number(0.0, -FAR, FAR), "duration": number(60.0, 0.0, FAR)},
        ((AUDIO, AUDIO),),
        _trim,
    ),
    CoreNode(
        "SaveAudio",
        "Save Audio (FLAC)",
        "audio",
        {"audio": TRACK, "filename_prefix": SOUND_PREFIX},
        (),
        _saving(".flac", "flac"),
        is_output=True,
    ),
    CoreNode(
        "SaveAudioMP3",
        "Save Audio (MP3)",
        "audio",
        {"audio": TRACK, "filename_prefix": SOUND_PREFIX, "quality": one_of("V0", "128k", "320k")},
        (),
        _saving(".mp3", "libmp3lame"),
        is_output=True,
    ),
    CoreNode(
        "SaveAudioOpus",
        "Save Audio (Opus)",
        "audio",
        {
            "audio": TRACK,
            "filename_prefix": SOUND_PREFIX,
            "quality": (["64k", "96k", "128k", "192k", "320k"], {"default": "128k"}),
        },
        (),
        _saving(".opus", "libopus"),
        is_output=True,
    ),
    CoreNode(
        "PreviewAudio",
        "Preview Audio",
        "audio",
        {"audio": TRACK},
        (),
        _saving(".flac", "flac", preview=True),
        is_preview=True,
    ),
)
