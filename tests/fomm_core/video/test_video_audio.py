"""The driving clip's sound in the written clip."""

from __future__ import annotations

import io
import logging

import av
import numpy as np
import pytest
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter

STEP = 1024 / 44_100


def write(path, frames, sound, *, count=25, **options):
    with VideoWriter(path, fps=25, audio_from=sound, **options) as writer:
        for frame in frames(count):
            writer.write(frame)
    return writer


def heard(path):
    """(codec, first and last time of sound in seconds, samples of the first channel, rate) as a player decodes them."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler("fltp", stream.layout, stream.rate)
        parts = [(float(f.time), resampler.resample(f)[0].to_ndarray()[0]) for f in container.decode(stream)]
        values = np.concatenate([samples for _, samples in parts])
        end = parts[-1][0] + len(parts[-1][1]) / stream.rate
        return stream.codec_context.name, parts[0][0], end, values, stream.rate


def packets(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_aac_is_copied(tmp_path, frames, tone, suffix):
    sound = tone(tmp_path / "tone.m4a", 3)
    path = write(tmp_path / f"a.{suffix}", frames, sound).path
    copied = packets(path)
    run_up = 1 if suffix == "mkv" else 0  # Matroska can't hide the packet that a decoder needs before the first sample
    assert copied == packets(sound)[run_up : run_up + len(copied)]
    codec, start, end, _, _ = heard(path)
    assert codec == "aac"
    assert abs(start) < 1.5 * STEP
    assert 1 - STEP < end < 1 + 2.5 * STEP
    assert len(list(VideoReader(path))) == 25
    assert VideoReader(path).info.has_audio


@pytest.mark.parametrize(
    ("sound", "suffix", "codec"),
    [
        ("tone.m4a", "webm", "opus"),
        ("tone.wav", "mp4", "aac"),
        ("tone.wav", "mkv", "aac"),
        ("tone.mka", "mp4", "aac"),
    ],
)
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_other_sound_is_encoded_anew(tmp_path, frames, tone, sound, suffix, codec, layout):
    made_with = {".m4a": "aac", ".wav": "pcm_s16le", ".mka": "libopus"}[sound[-4:]]
    rate = 48_000 if made_with == "libopus" else 44_100
    source = tone(tmp_path / sound, 3, codec=made_with, layout=layout, rate=rate)
    path = write(tmp_path / f"a.{suffix}", frames, source).path
    name, start, end, values, rate = heard(path)
    assert name == codec
    assert abs(start) < 0.03
    assert 0.97 < end < 1.06
    middle = values[rate // 4 : rate * 3 // 4].astype(float)
    loudest = np.abs(np.fft.rfft(middle)).argmax() * rate / len(middle)
    assert abs(loudest - 440) < 5
    assert 0.3 < np.abs(middle).max() < 0.7
    assert len(list(VideoReader(path))) == 25
    assert VideoReader(path).warnings == []


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm"])
@pytest.mark.parametrize(
    ("sound", "made_with"),
    [
        ("a.ts", "aac"),
        ("a.mka", "ac3"),
        ("a.mka", "alac"),
        ("a.flac", "flac"),
        ("a.avi", "pcm_s16le"),
        ("a.mka", "pcm_f32le"),
    ],
)
def test_any_sound_fits_into_any_container(tmp_path, frames, tone, sound, made_with, suffix):
    writer = write(tmp_path / f"out.{suffix}", frames, tone(tmp_path / sound, 2, codec=made_with, rate=48_000))
    assert writer.warnings == []
    _, start, end, values, rate = heard(writer.path)
    assert abs(start) < 0.06
    assert 0.95 < end < 1.15
    middle = values[rate // 4 : rate * 3 // 4].astype(float)
    assert abs(np.abs(np.fft.rfft(middle)).argmax() * rate / len(middle) - 440) < 5
    assert len(list(VideoReader(writer.path))) == 25


@pytest.mark.parametrize("fault", ["refused at once", "refused with the header"])
def test_sound_that_the_container_refuses_costs_no_picture(tmp_path, frames, tone, monkeypatch, fault):
    from fomm_nodes.fomm_core.video.encoders import AudioTrack

    def refuse(self, output, rules):
        if fault == "refused at once":
            raise ValueError("'webm' format does not support 'aac' codec")
        output.add_stream("libopus", rate=12_345)  # no rate that Opus knows: found out when the file is begun

    monkeypatch.setattr(AudioTrack, "add_to", refuse)
    writer = write(tmp_path / "a.webm", frames, tone(tmp_path / "tone.m4a", 1))
    assert ["the audio was left out" in warning for warning in writer.warnings] == [True]
    assert len(list(VideoReader(writer.path))) == 25
    assert not VideoReader(writer.path).info.has_audio


def test_opus_is_copied_into_webm(tmp_path, frames, tone):
    sound = tone(tmp_path / "tone.mka", 3, codec="libopus", rate=48_000)
    path = write(tmp_path / "a.webm", frames, sound).path
    copied = packets(path)
    assert len(copied) > 40
    assert copied == packets(sound)[: len(copied)]


def test_shorter_sound_ends_where_it_ends(tmp_path, frames, tone):
    path = write(tmp_path / "a.mp4", frames, tone(tmp_path / "tone.m4a", 0.5)).path
    assert 0.45 < heard(path)[2] < 0.6
    assert len(list(VideoReader(path))) == 25


def click(path, at, *, codec="pcm_s16le"):
    """Silence with one loud tenth of a second at `at` seconds."""
    rate = 44_100
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        values = np.zeros(2 * rate, np.float32)
        first = round(at * rate)
        values[first : first + rate // 10] = 0.8 * np.sin(np.arange(rate // 10) / 10)
        for start in range(0, len(values) - 1023, 1024):
            frame = av.AudioFrame.from_ndarray(values[None, start : start + 1024].copy(), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("audio_start", [0, 0.5])
@pytest.mark.parametrize(("sound", "suffix"), [("s.m4a", "mp4"), ("s.wav", "mp4"), ("s.wav", "webm"), ("s.m4a", "mkv")])
def test_sound_stays_where_it_belongs(tmp_path, frames, sound, suffix, audio_start):
    """A click at 1.0 s is heard at 1.0 s, or at 0.5 s where the clip begins half a second into its source."""
    source = click(tmp_path / sound, 1.0, codec="aac" if sound == "s.m4a" else "pcm_s16le")
    path = write(tmp_path / f"a.{suffix}", frames, source, count=40, audio_start=audio_start).path
    _, start, _, values, rate = heard(path)
    begins = start + np.flatnonzero(np.abs(values.astype(float)) > 0.2)[0] / rate
    assert abs(begins - (1.0 - audio_start)) < 0.035


def test_the_sound_of_a_video_counts_from_its_first_frame(tmp_path, frames):
    driving = write(tmp_path / "driving.mp4", frames, click(tmp_path / "s.wav", 0.6), count=40).path
    reader = VideoReader(driving, start=10, stop=30)
    with VideoWriter(tmp_path / "a.mp4", fps=25, audio_from=driving, audio_start=reader.start_seconds) as writer:
        for frame in reader:
            writer.write(frame)
    _, start, end, values, rate = heard(writer.path)
    begins = start + np.flatnonzero(np.abs(values.astype(float)) > 0.2)[0] / rate
    assert abs(begins - 0.2) < 0.035
    assert abs(end - 0.8) < 0.05


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_sound_stays_with_pictures_that_do_not_begin_at_zero(tmp_path, frames, suffix):
    """As in broadcasts: here at 5 s, with a click 0.5 s later."""
    driving = tmp_path / "driving.ts"
    rate = 48_000
    with av.open(str(driving), "w") as container:
        video = container.add_stream("mpeg2video", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=rate, layout="mono")
        for index, picture in enumerate(frames(40)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = 125 + index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        values = np.zeros((1, 2 * rate), np.float32)
        values[0, rate // 2 : rate * 6 // 10] = 0.8 * np.sin(np.arange(rate // 10) / 10)
        for start in range(0, 2 * rate - 1023, 1024):
            frame = av.AudioFrame.from_ndarray(values[:, start : start + 1024].copy(), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, 5 * rate + start
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    with av.open(str(driving)) as container:
        assert container.streams.video[0].start_time * container.streams.video[0].time_base > 4
    path = write(tmp_path / f"a.{suffix}", frames, driving).path
    _, start, _, values, rate = heard(path)
    begins = start + np.flatnonzero(np.abs(values) > 0.2)[0] / rate
    assert abs(begins - 0.5) < 0.06


def test_sound_lies_beside_its_pictures_in_the_file(tmp_path, frames, tone):
    """So that a player does not have to read the whole file before it can start; FFmpeg itself sorts 10 s at most."""
    path = write(tmp_path / "a.mkv", frames, tone(tmp_path / "tone.m4a", 17), count=400).path
    with av.open(str(path)) as container:
        order = sorted((p.pos, p.stream.type, float(p.pts * p.time_base)) for p in container.demux() if p.size)
    latest = {"video": 0.0, "audio": 0.0}
    for _, kind, time in order:
        latest[kind] = time
        assert abs(latest["video"] - latest["audio"]) < 1.2


@pytest.mark.parametrize("name", ["a.gif", "folder", "f-%03d.png"])
def test_what_cannot_hold_sound_says_so_once(tmp_path, frames, tone, caplog, name):
    sound = tone(tmp_path / "tone.m4a", 1)
    with caplog.at_level(logging.WARNING, logger="fomm.video"):
        writer = write(tmp_path / "out" / name, frames, sound, count=5)
    assert len(writer.warnings) == 1
    assert "tone.m4a was left out" in writer.warnings[0]
    assert [record.message for record in caplog.records] == writer.warnings
    assert len(list(VideoReader(writer.path))) == 5


def test_files_without_sound_add_none(tmp_path, clip, frames):
    (tmp_path / "stills").mkdir()
    silent = [
        clip("silent.mp4", 3),
        clip("silent.gif", 3),
        clip("stills/%d.png", 3).parent,
        tmp_path / "stills" / "%d.png",
    ]
    silent += [tmp_path / "stills" / "0.png", io.BytesIO(silent[0].read_bytes())]
    for source in silent:
        writer = write(tmp_path / "a.mp4", frames, source, count=3)
        assert writer.warnings == []
        assert not VideoReader(writer.path).info.has_audio


def test_sound_comes_from_a_file_object_too(tmp_path, frames, tone):
    sound = tone(tmp_path / "tone.m4a", 2)
    file = io.BytesIO(sound.read_bytes())
    path = write(tmp_path / "a.mp4", frames, file).path
    copied = packets(path)
    assert len(copied) > 40
    assert copied == packets(sound)[: len(copied)]
    assert not file.closed


def test_a_clip_can_take_the_sound_of_the_file_it_replaces(tmp_path, frames, tone):
    path = write(tmp_path / "a.mp4", frames, tone(tmp_path / "tone.m4a", 2)).path
    write(path, frames, path)
    assert VideoReader(path).info.has_audio


def test_a_missing_sound_file_is_an_error_before_any_work(tmp_path):
    with pytest.raises(ImageError, match="does not exist"):
        VideoWriter(tmp_path / "a.mp4", fps=25, audio_from=tmp_path / "missing.m4a")


def test_an_unreadable_sound_file_is_left_out_with_a_warning(tmp_path, frames):
    (tmp_path / "text.m4a").write_text("no sound\n" * 100)
    writer = write(tmp_path / "a.mp4", frames, tmp_path / "text.m4a", count=3)
    assert ["text.m4a was left out" in warning for warning in writer.warnings] == [True]
    assert len(list(VideoReader(writer.path))) == 3


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
@pytest.mark.parametrize("seed", range(4))
def test_damaged_sound_costs_no_picture(tmp_path, frames, tone, suffix, seed):
    sound = tone(tmp_path / "tone.mka", 2)
    random = np.random.default_rng(seed)
    data = np.frombuffer(sound.read_bytes(), np.uint8).copy()
    places = random.integers(600, len(data), 40)
    data[places] = random.integers(0, 256, 40)
    path = write(tmp_path / f"a.{suffix}", frames, io.BytesIO(data.tobytes())).path
    assert len(list(VideoReader(path))) == 25
