"""AUDIO values, and the sound of VIDEO values, in blocks that run without a graph program."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch
from flash_beep import beeps_in, hear, measure, sound, steady, write_clip
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.nodes.hosts.headless.comfy_nodes.clips import NODES
from fomm_nodes.nodes.hosts.headless.encoding import Encoding
from fomm_nodes.nodes.hosts.headless.packets import with_decoding_times
from fomm_nodes.nodes.hosts.headless.video import FileVideo, FramesVideo, save_video
from fomm_nodes.nodes.hosts.sound import checked, read_sound, sound_of_video, write_sound
from nearness import near, within_seconds

RUN = {node.id: node.run for node in NODES}
EXACT = 0.003
"""Seconds: containers count milliseconds, and the tool tells one."""
HALF = 1e-3
"""Of full scale: halves have 11 bits."""
OF_16_BITS = 1 / 32768
RATE = 48_000


def audio(seconds: float = 1.9, rate: int = RATE, channels: int = 2, beeping: int | None = None) -> dict[str, Any]:
    """An AUDIO value of the world of flashes and beeps."""
    values = torch.zeros(1, channels, round(seconds * rate))
    values[:, slice(None) if beeping is None else beeping] = torch.from_numpy(sound(0, seconds, rate))
    return {"waveform": values, "sample_rate": rate}


def heard(value: Any) -> list[float]:
    return beeps_in(value["waveform"][0].numpy(), value["sample_rate"])


def allow(count: int, height: int, width: int) -> None:
    """No limit."""


@pytest.fixture
def host(tmp_path: Path) -> Any:
    """What blocks of sound ask of a host."""
    made: list[Path] = []

    def output_file(prefix: str, suffix: str) -> Path:
        made.append(tmp_path / f"out{len(made)}{suffix}")
        return made[-1]

    return SimpleNamespace(
        made=made,
        output_file=output_file,
        input_file=lambda name: tmp_path / name,
        temporary_file=lambda suffix: tmp_path / f"temporary{suffix}",
        keep=lambda path, **notes: None,
        setting=SimpleNamespace(metadata={}, limits=SimpleNamespace(check=allow)),
    )


SAVING = {"SaveAudio": ("flac", {}), "SaveAudioMP3": ("mp3", {"quality": "V0"}), "SaveAudioOpus": ("opus", {})}


@pytest.mark.parametrize(("channels", "layout"), [(1, "mono"), (2, "stereo"), (4, "quad"), (6, "5.1"), (8, "7.1")])
@pytest.mark.parametrize("block", list(SAVING))
def test_saved_sound_keeps_its_channels_and_its_length(host, block, channels, layout):
    """5.1 was written as a stereo sound three times as long. MP3 has two channels: others are mixed into them."""
    _, settings = SAVING[block]
    RUN[block](host, audio(channels=channels, beeping=channels - 1), **settings)
    seen = hear(host.made[0])
    assert seen.layout == (layout if block != "SaveAudioMP3" or channels < 3 else "stereo")
    within_seconds(seen.values.shape[1] / seen.rate, 1.9, 0.03)  # a packet of Opus
    begin = seen.start if block == "SaveAudioMP3" else 0  # 25 ms, as MP3 files begin
    within_seconds([time - begin for time in seen.beeps()], [1], EXACT)
    loud = [index for index, values in enumerate(seen.values) if np.abs(values).max() > 0.2]
    assert loud == ([channels - 1] if layout == seen.layout else [1])


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000, 192_000])
@pytest.mark.parametrize("block", list(SAVING))
def test_saved_sound_of_any_rate(host, block, rate):
    RUN[block](host, audio(rate=rate), **SAVING[block][1])
    seen = hear(host.made[0])
    assert seen.rate == {"SaveAudio": rate, "SaveAudioMP3": min(rate, 48_000), "SaveAudioOpus": 48_000}[block]
    assert len(seen.beeps()) == 1


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_created_video_keeps_channels_and_length(tmp_path, channels):
    frames = torch.rand(48, 32, 32, 3)
    video = FramesVideo(frames, Fraction(25), audio(3, channels=channels))
    save_video(video, tmp_path / "out.mp4", Encoding(), {}, allow)
    seen = measure(tmp_path / "out.mp4")
    seen.check(seconds=1.92, beeps=[1], sound_within=EXACT)
    within_seconds(seen.sound[1], 1.92, 0.022)  # cut with the images, to a packet
    assert hear(tmp_path / "out.mp4").layout == {1: "mono", 2: "stereo", 4: "5.0", 6: "5.1"}[channels]


class Lazy(Mapping):
    """An AUDIO value that is no dict, as packs give that read sound when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        return audio()[name]

    def __iter__(self):
        return iter(("waveform", "sample_rate"))

    def __len__(self) -> int:
        return 2


WAVE = audio()["waveform"]
ODD = {
    "no batch": ({"waveform": WAVE[0], "sample_rate": RATE}, (1, 2)),
    "no channels": ({"waveform": WAVE[0, 0], "sample_rate": RATE}, (1, 1)),
    "a float rate": ({"waveform": WAVE, "sample_rate": 48_000.0}, (1, 2)),
    "a tensor for a rate": ({"waveform": WAVE, "sample_rate": torch.tensor(RATE)}, (1, 2)),
    "an array": ({"waveform": WAVE.numpy(), "sample_rate": np.int64(RATE)}, (1, 2)),
    "16 bits": ({"waveform": (WAVE * 32767).short(), "sample_rate": RATE}, (1, 2)),
    "32 bits": ({"waveform": (WAVE.double() * (2**31 - 1)).int(), "sample_rate": RATE}, (1, 2)),
    "halves": ({"waveform": WAVE.half(), "sample_rate": RATE}, (1, 2)),
    "a gradient": ({"waveform": WAVE.clone().requires_grad_(), "sample_rate": RATE}, (1, 2)),
    "a view": ({"waveform": WAVE.movedim(1, 2).contiguous().movedim(2, 1), "sample_rate": RATE}, (1, 2)),
    "two sounds": ({"waveform": WAVE.repeat(2, 1, 1), "sample_rate": RATE}, (2, 2)),
    "no dict": (Lazy(), (1, 2)),
}


@pytest.mark.parametrize("kind", list(ODD))
def test_odd_values_of_other_packs(tmp_path, kind):
    value, shape = ODD[kind]
    waveform, rate = checked(value)
    assert waveform.shape == (*shape, WAVE.shape[-1])
    assert waveform.dtype == torch.float32
    assert rate == RATE
    near(waveform[0, 0], WAVE[0, 0], HALF, of=1)
    path = write_sound(value, lambda suffix: tmp_path / f"a{suffix}")
    within_seconds(hear(path).beeps(), [1], EXACT)
    assert len(hear(path).values) == shape[1]


@pytest.mark.parametrize("nothing", [None, {"waveform": torch.zeros(1, 2, 0), "sample_rate": RATE}])
def test_no_sound(tmp_path, host, nothing):
    assert checked(nothing) is None
    assert write_sound(nothing, lambda suffix: tmp_path / "never") is None
    save_video(FramesVideo(torch.rand(2, 32, 32, 3), Fraction(25), nothing), tmp_path / "a.mp4", Encoding(), {}, allow)
    assert measure(tmp_path / "a.mp4").sound is None
    assert RUN["TrimAudioDuration"](host, nothing, 0.0, 1.0) == (nothing,)
    with pytest.raises(ImageError, match="expected audio to save; got none"):
        RUN["SaveAudio"](host, nothing)


@pytest.mark.parametrize(
    "wrong",
    [
        "a sound",
        {},
        {"waveform": WAVE},
        {"waveform": WAVE, "sample_rate": 0},
        {"waveform": WAVE, "sample_rate": float("nan")},
        {"waveform": WAVE[None], "sample_rate": RATE},
        {"waveform": None, "sample_rate": RATE},
        {"waveform": WAVE, "sample_rate": "fast"},
    ],
)
def test_what_is_no_audio_value_says_so(wrong):
    with pytest.raises(ImageError, match="expected an AUDIO value"):
        checked(wrong)


def test_values_beyond_full_scale_and_not_numbers(tmp_path):
    wave = WAVE.clone() * 4
    wave[..., 100] = torch.nan
    path = write_sound({"waveform": wave, "sample_rate": RATE}, lambda suffix: tmp_path / f"a{suffix}")
    values = hear(path).values
    assert np.abs(values).max() <= 1
    assert not values[:, 100].any()


@pytest.mark.parametrize("channels", [3, 6, 8, 10])
def test_more_channels_go_through_a_file_and_back(tmp_path, channels):
    value = audio(channels=channels, beeping=0)
    back = read_sound(write_sound(value, lambda suffix: tmp_path / f"a{suffix}"))
    wanted = value["waveform"] if channels != 10 else value["waveform"].mean(1, keepdim=True)
    near(back["waveform"], wanted, OF_16_BITS, of=1)


def test_a_late_sound_stays_late(tmp_path, host):
    """0.48 s after the first picture: parts and components begin with silence, for AUDIO values have no time."""
    path = write_clip(tmp_path / "late.mp4", steady(4.9, 25), sound_start=0.48)
    whole = FileVideo(path)
    _, components, *_ = RUN["GetVideoComponents"](host, whole)
    within_seconds(heard(components), [1, 2, 3, 4], EXACT)
    (part,) = RUN["Video Slice"](host, whole, 1.52, 2.4, False)
    within_seconds(heard(part.sound()), [0.48, 1.48], EXACT)
    (early,) = RUN["Video Slice"](host, whole, 0.24, 2.0, False)
    within_seconds(heard(early.sound()), [0.76, 1.76], EXACT)
    with early.stream(host.temporary_file) as stream:
        within_seconds(hear(stream.sound()).beeps(), [0.76, 1.76], EXACT)
    save_video(early, tmp_path / "part.mp4", Encoding(), {}, allow)
    measure(tmp_path / "part.mp4").check(flashes=[0.76, 1.76], beeps=[0.76, 1.76], within=0.021, sound_within=EXACT)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "pcm_s16le"), ("a.webm", "libopus"), ("a.ts", "aac")])
def test_components_keep_gaps(tmp_path, name, codec):
    path = write_clip(tmp_path / name, steady(2.9, 25), audio=codec, gaps=[(0, 0.9), (1.2, 1.9)])
    within_seconds(heard(sound_of_video(path)), measure(path).beeps, EXACT)


def test_sound_that_nothing_decodes_leaves_the_pictures(tmp_path, caplog):
    path = write_clip(tmp_path / "a.mov", steady(1, 25))
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"apac").replace(b"esds", b"dapa"))
    with caplog.at_level(logging.WARNING, logger="fomm.video"):
        parts = FileVideo(path).frames(allow)
    assert parts.audio is None
    assert len(parts.images) == 25
    assert "the audio of a.mov was left out" in caplog.text
    assert save_video(FileVideo(path), tmp_path / "copy.mp4", Encoding(), {}, allow) == 25


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts"])
@pytest.mark.parametrize("audio_codec", ["aac", "ac3"])
def test_copying_keeps_every_picture(tmp_path, name, audio_codec):
    """Matroska states no decoding times: with B-frames FFmpeg knows none of the first ones, the key picture's among
    them, and without it 28 of 150 images could not be decoded.
    """
    path = write_clip(tmp_path / name, steady(3.9, 25), reordered=True, audio=audio_codec)
    original = measure(path)
    assert save_video(FileVideo(path), tmp_path / "out.mp4", Encoding(), {}, allow) == original.frames == 98
    copy = measure(tmp_path / "out.mp4")
    assert copy.frames == 98
    copy.check(seconds=3.92, flashes=original.flashes, beeps=original.beeps, within=EXACT)


def test_decoding_times_rise(tmp_path):
    path = write_clip(tmp_path / "a.mkv", steady(1, 25), reordered=True)
    with av.open(str(path)) as container:
        assert next(container.demux(video=0)).dts is None
    with av.open(str(path)) as container:
        times = [packet.dts for packet in with_decoding_times(container.demux(video=0))]
    assert len(times) == 25
    assert times == sorted(set(times))


@pytest.mark.parametrize(("name", "options"), [("a.avi", {"fps": 25, "audio": "pcm_s16le"}), ("a.gif", {})])
def test_what_the_new_container_refuses_is_encoded(tmp_path, name, options):
    path = write_clip(tmp_path / name, steady(1.9, 25), **options)
    save_video(FileVideo(path), tmp_path / "out.mp4", Encoding(), {}, allow)
    seen = measure(tmp_path / "out.mp4")
    assert len(seen.flashes) == 1
    seen.check(beeps=[] if name == "a.gif" else [1], within=0.01)
