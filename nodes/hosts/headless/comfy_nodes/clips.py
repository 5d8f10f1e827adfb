"""Core nodes on VIDEO and AUDIO values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
from torch import Tensor

from .....fomm_core.errors import ImageError
from .....fomm_core.video.encoders import OPUS as VIDEO_OPUS
from .....fomm_core.video.sound_writing import AudioRules, encoded, new_stream
from ....spec import AUDIO, FLOAT, IMAGE, VIDEO
from ...sound import checked, read_sound, sounds
from ..encoding import CONTAINERS, CURVES, Encoding, bytes_of
from ..host import HeadlessHost
from ..video import FileVideo, FramesVideo, Video, save_video
from .node import CoreNode, Entry, choosing, maybe, number, one_of, switch, upload, whole, words
from .pictures import PICTURE

Sound = dict[str, Any]


def _load_video(host: HeadlessHost, file: str) -> Any:
    return (FileVideo(host.input_file(file)),)


def _create(
    host: HeadlessHost, images: Tensor, fps: float, audio: Sound | None = None, bit_depth: int | None = None
) -> Any:
    return (FramesVideo(images, Fraction(fps), audio, bit_depth or 8),)


def _slice(host: HeadlessHost, video: Video, start_time: float, duration: float, strict_duration: bool) -> Any:
    if isinstance(video, FramesVideo):
        raise ImageError("expected a video from a file, as Load Video gives it; cut images with ImageFromBatch.")
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
    return parts.images, parts.audio, float(parts.fps), parts.bit_depth, parts.color_space


def _save_video(host: HeadlessHost, video: Video, filename_prefix: str, format: Any, codec: Any = None) -> Any:
    encoding = Encoding(format, codec) if isinstance(format, str) else _encoding(format, codec)
    path = host.output_file(filename_prefix, encoding.suffix)
    host.keep(path, frames=save_video(video, path, encoding, host.setting.metadata, host.setting.limits.check))
    return (video,)


def _encoding(format: Mapping[str, Any], codec: Mapping[str, Any] | None) -> Encoding:
    """From 0.33's choices, of which one brings another."""
    chosen = format.get("codec") or codec or {"codec": "auto"}
    more = chosen.get("encoding") or {}
    space = more.get("color_space")
    return Encoding(format["format"], chosen["codec"], more.get("crf"), None if space == "auto" else space)


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
    return (images,)


def _load_audio(host: HeadlessHost, audio: str) -> Any:
    sound = read_sound(host.input_file(audio))
    if sound is None:
        raise ImageError(f"expected a file with audio; '{audio}' has none.")
    return (sound,)


def _trim(host: HeadlessHost, audio: Sound, start_index: float, duration: float) -> Any:
    if (found := checked(audio)) is None:
        return (audio,)
    waveform, rate = found
    length = waveform.shape[-1]
    start = round(start_index * rate) + (length if start_index < 0 else 0)
    start = max(0, min(start, length - 1))
    end = max(0, min(start + round(duration * rate), length))
    if start >= end:
        raise ImageError(
            f"expected a cut inside the audio's {length / rate:.2f} s; got {duration} s at {start_index} s."
        )
    return ({"waveform": waveform[..., start:end], "sample_rate": rate},)


FLAC = AudioRules(
    frozenset(),
    "flac",
    (192_000, 176_400, 96_000, 88_200),
    ("mono", "stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1"),
    plain_rates=65_535,
)
MP3 = AudioRules(
    frozenset(),
    "libmp3lame",
    (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000),
    ("mono", "stereo"),
)
OPUS = replace(VIDEO_OPUS, rates=(48_000, 24_000, 16_000, 12_000, 8_000))


def _saving(suffix: str, rules: AudioRules, *, preview: bool = False) -> Any:
    def save(host: HeadlessHost, audio: Sound, filename_prefix: str = "audio", quality: str = "") -> Any:
        if not (found := sounds(audio)):
            raise ImageError("expected audio to save; got none. The video that it is from may have no audio track.")
        variable = quality == "V0"
        bit_rate = int(quality.removesuffix("k")) * 1000 if quality and not variable else None
        for sound in found:
            path = host.output_file(filename_prefix, suffix)
            with av.open(str(path), "w") as target:
                stream = new_stream(target, rules, sound, bit_rate=bit_rate, variable=variable)
                for _, packet in encoded(sound, stream):
                    target.mux_one(packet)
            host.keep(path, preview=preview)
        return (audio,)

    return save


CLIPS = "image/video"
TRACK = (AUDIO,)
SOUND_PREFIX = words("audio/ComfyUI")
FAR = float(0xFFFFFFFFFFFFFFFF)
RATE = number(30.0, 1.0, 120.0, 1.0)


def _codec(**best: tuple[float, float]) -> Entry:
    """0.33's choice of a codec; for each, the usual and the largest quality factor of its encoder."""
    space = one_of("auto", *CURVES)
    again = {name: {"crf": number(usual, 0.0, most, 1.0), "color_space": space} for name, (usual, most) in best.items()}
    coders = {name: {"encoding": maybe(choosing(auto={}, **{"re-encode": inner}))} for name, inner in again.items()}
    return choosing(auto={}, **coders)


CODEC, WEBM_CODEC = _codec(h264=(23.0, 51.0), av1=(30.0, 63.0)), _codec(av1=(30.0, 63.0))

NODES = (
    CoreNode("LoadVideo", "Load Video", CLIPS, {"file": upload("video")}, ((VIDEO, VIDEO),), _load_video),
    CoreNode(
        "CreateVideo",
        "Create Video",
        CLIPS,
        {"images": PICTURE, "fps": RATE},
        ((VIDEO, VIDEO),),
        _create,
        {"audio": TRACK},
        now={
            "images": PICTURE,
            "fps": RATE,
            "audio": maybe(TRACK),
            "bit_depth": maybe(whole(8, 8, 10)),
        },
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
            "format": one_of("auto", "mp4"),
            "codec": one_of("auto", "h264"),
        },
        (),
        _save_video,
        is_output=True,
        now={
            "video": (VIDEO,),
            "filename_prefix": words("video/ComfyUI"),
            "format": choosing(
                **{name: {"codec": CODEC if name != "webm" else WEBM_CODEC} for name in ("auto", *CONTAINERS)}
            ),
            "codec": maybe(CODEC),
        },
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
        _saving(".flac", FLAC),
        is_output=True,
    ),
    CoreNode(
        "SaveAudioMP3",
        "Save Audio (MP3)",
        "audio",
        {"audio": TRACK, "filename_prefix": SOUND_PREFIX, "quality": one_of("V0", "128k", "320k")},
        (),
        _saving(".mp3", MP3),
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
        _saving(".opus", OPUS),
        is_output=True,
    ),
    CoreNode(
        "PreviewAudio",
        "Preview Audio",
        "audio",
        {"audio": TRACK},
        (),
        _saving(".flac", FLAC, preview=True),
        is_preview=True,
    ),
)
