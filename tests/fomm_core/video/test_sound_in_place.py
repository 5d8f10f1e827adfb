"""Where beeps are heard in a written clip, whatever file they come from."""

from __future__ import annotations

import re
from fractions import Fraction

import av
import pytest
from flash_beep import beats, beeps_in, hear, measure, picture, steady, write_clip
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter
from fomm_nodes.fomm_core.video.sound import read_sound

EXACT = 0.003  # Matroska's times are in ms, twice, and the tool tells 1 ms


def carried(path, sound, *, seconds=2.9, start=Fraction(0)):
    """A new clip whose pictures flash when the world does, with the sound of a file."""
    with VideoWriter(path, fps=25, audio_from=sound, audio_start=start) as writer:
        for time in steady(seconds, 25):
            writer.write(picture(time + float(start)))
    assert writer.warnings == []
    return measure(path)


ALONE = [
    ("s.mp3", "libmp3lame"),
    ("s.m4a", "aac"),
    ("s.opus", "libopus"),
    ("s.mka", "libopus"),
    ("s.ogg", "vorbis"),
    ("s.flac", "flac"),
    ("s.wav", "pcm_s16le"),
    ("s.mka", "aac"),
    ("s.mka", "ac3"),
]


@pytest.mark.parametrize("start", [Fraction(0), Fraction(1, 2)])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
@pytest.mark.parametrize(("name", "codec"), ALONE)
def test_sound_of_its_own_begins_with_the_clip(tmp_path, name, codec, suffix, start):
    """Its first sample is heard with the first picture; what decoders need before (25 ms of MP3) is not counted."""
    sound = write_clip(tmp_path / name, audio=codec, rate=48_000, sound_stop=4)
    seen = carried(tmp_path / f"out.{suffix}", sound, start=start)
    wanted = [beat - float(start) for beat in beats(float(start), 2.9 + float(start))]
    seen.check(seconds=2.9, flashes=wanted, beeps=wanted, within=0.021, sound_within=EXACT)  # half of a picture
    with av.open(str(tmp_path / f"out.{suffix}")) as container:
        video = container.streams.video[0]
        pushed_back = (video.start_time or 0) * video.time_base  # by packets that are too long to be lost: FLAC
        assert pushed_back <= (Fraction(1, 10) if codec == "flac" else 0)


RECORDED = [
    ("v.mp4", "aac"),
    ("v.mp4", "libmp3lame"),
    ("v.mov", "pcm_s16le"),
    ("v.mkv", "flac"),
    ("v.mkv", "pcm_s24le"),
    ("v.webm", "libopus"),
    ("v.ts", "aac"),
    ("v.ts", "ac3"),
]


@pytest.mark.parametrize("suffix", ["mov", "mkv", "webm"])
@pytest.mark.parametrize("offset", [-0.7, 0.48])
@pytest.mark.parametrize(("name", "codec"), RECORDED)
def test_sound_stays_with_the_pictures_of_its_file(tmp_path, name, codec, offset, suffix):
    """Sound that begins before, with and after the first picture, which is at 2 s of the file's own clock."""
    source = write_clip(tmp_path / name, steady(2.9, 25, 2), audio=codec, sound_start=2 + offset)
    seen = carried(tmp_path / f"out.{suffix}", source)
    assert list(seen.beeps[-2:]) == pytest.approx([1, 2], abs=EXACT)
    if offset > 0:
        assert len(seen.beeps) == 2
    else:  # of the beep at 0 the first packet may be missing where it began before
        assert seen.beeps[0] == pytest.approx(0, abs=0.035)
        assert len(seen.beeps) == 3


GAPS = [(beat + 0.2, beat + 0.95) for beat in range(-1, 3)]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("v.webm", "libopus"),
        ("v.mkv", "libopus"),
        ("v.mkv", "pcm_s16le"),
        ("v.mkv", "aac"),
        ("v.ts", "aac"),
        ("v.ts", "ac3"),
    ],
)
def test_gaps_in_sound_stay(tmp_path, name, codec, suffix):
    """As Opus leaves out silence (DTX), and as a bad line loses packets; copied or not."""
    source = write_clip(tmp_path / name, steady(2.9, 25), audio=codec, gaps=GAPS)
    original = measure(source)
    original.check(flashes=[1, 2], beeps=[1, 2], within=0.022)
    seen = carried(tmp_path / f"out.{suffix}", source)
    seen.check(seconds=2.9, flashes=[1, 2], beeps=original.beeps, sound_within=EXACT)
    sound = read_sound(source)
    assert beeps_in(sound.samples, sound.rate) == pytest.approx(original.beeps, abs=EXACT)
    assert sound.samples.shape[1] / sound.rate == pytest.approx(original.sound[1], abs=0.002)


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_jittery_times_of_packets(tmp_path, suffix):
    source = write_clip(tmp_path / "v.mkv", steady(2.9, 25), audio="libopus", jitter=0.0045)
    carried(tmp_path / f"out.{suffix}", source).check(seconds=2.9, beeps=[1, 2], sound_within=0.01)  # twice that


@pytest.mark.parametrize(("part", "wanted"), [((0, 1.5), [1]), ((0, 8), [1, 2])])
def test_sound_shorter_and_longer_than_the_pictures(tmp_path, part, wanted):
    source = write_clip(tmp_path / "v.mkv", steady(2.9, 25), sound_start=part[0], sound_stop=part[1])
    seen = carried(tmp_path / "out.mp4", source)
    seen.check(seconds=2.9, flashes=[1, 2], beeps=wanted, sound_within=EXACT)
    assert seen.sound[1] < min(part[1], 2.9) + 0.05  # a packet


LAYOUTS = [
    ("mono", "mono", "mono"),
    ("stereo", "stereo", "stereo"),
    ("quad", "5.0", "quad"),
    ("5.1", "5.1", "5.1"),
    ("5.1(side)", "5.1", "5.1"),
    ("7.1", "7.1", "7.1"),
]


@pytest.mark.parametrize(("layout", "as_aac", "as_opus"), LAYOUTS)
@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_channels_stay_what_they_are(tmp_path, layout, as_aac, as_opus, suffix):
    """The beep comes from one speaker alone, behind where there is one."""
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    source = write_clip(
        tmp_path / "v.mkv", steady(1.9, 25), audio="pcm_s16le", layout=layout, channel=names.index(names[-1])
    )
    carried(tmp_path / f"out.{suffix}", source, seconds=1.9).check(seconds=1.9, beeps=[1], sound_within=EXACT)
    heard = hear(tmp_path / f"out.{suffix}")
    assert heard.layout == (as_aac if suffix == "mp4" else as_opus)
    loud = [
        channel.name
        for channel, values in zip(av.AudioLayout(heard.layout).channels, heard.values, strict=True)
        if abs(values).max() > 0.2
    ]
    assert loud == [{"SR": "BR"}.get(names[-1], names[-1]) if layout != "7.1" else "SR"]


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 96_000, 192_000])
@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_rates(tmp_path, rate, suffix):
    source = write_clip(tmp_path / "v.mkv", steady(1.9, 25), audio="pcm_s16le", rate=rate)
    carried(tmp_path / f"out.{suffix}", source, seconds=1.9).check(seconds=1.9, beeps=[1], sound_within=EXACT)
    assert hear(tmp_path / f"out.{suffix}").rate == (48_000 if suffix == "webm" else min(rate, 96_000))


def undecodable(moov: bytes) -> bytes:
    """The description of an AAC track, with the name of a codec that FFmpeg has no decoder for."""
    return moov.replace(b"mp4a", b"apac").replace(b"esds", b"dapa")


def two_tracks(path, *, silent):
    """A clip with two AAC tracks, both default, of which one cannot be decoded."""
    source = write_clip(path.with_name("one.mov"), steady(2.9, 25))
    with av.open(str(source)) as opened, av.open(str(path), "w") as container:
        origins = [opened.streams.video[0], *opened.streams.audio * 2]
        targets = [container.add_stream_from_template(stream) for stream in origins]
        for stream, target in zip(origins, targets, strict=True):
            opened.seek(0)
            for packet in opened.demux(stream):
                if packet.size:
                    packet.stream = target
                    container.mux_one(packet)
    head, *tracks = re.split(b"(?=trak....tkhd)", path.read_bytes(), flags=re.DOTALL)
    tracks[1 + silent] = undecodable(tracks[1 + silent])
    path.write_bytes(b"".join([head, *tracks]))
    return path


@pytest.mark.parametrize("silent", [0, 1])
def test_the_first_track_that_can_be_decoded_is_taken(tmp_path, silent):
    """As phones store a spatial track beside the plain one, both as default."""
    source = two_tracks(tmp_path / "v.mov", silent=silent)
    with av.open(str(source)) as container:
        assert [stream.codec_context is None for stream in container.streams.audio] == [silent == 0, silent == 1]
    carried(tmp_path / "out.mp4", source, seconds=2.9).check(flashes=[1, 2], beeps=[1, 2], sound_within=EXACT)
    sound = read_sound(source)
    assert beeps_in(sound.samples, sound.rate) == pytest.approx([1, 2], abs=EXACT)


def test_sound_that_nothing_decodes_is_a_warning(tmp_path):
    source = write_clip(tmp_path / "v.mov", steady(1, 25), audio="aac")
    source.write_bytes(undecodable(source.read_bytes()))
    with VideoWriter(tmp_path / "out.mp4", fps=25, audio_from=source) as writer:
        writer.write(picture(0))
    assert len(writer.warnings) == 1
    assert "sound of v.mov was left out" in writer.warnings[0]
    assert not VideoReader(tmp_path / "out.mp4").info.has_audio
    with pytest.raises(ImageError, match=r"sound in a codec that FFmpeg knows; that of v\.mov"):
        read_sound(source)


def test_an_empty_track_is_no_sound(tmp_path):
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        pictures, track = container.add_stream("libx264", rate=25), container.add_stream("pcm_s16le", rate=48_000)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
        track.codec_context.open()
        for time in steady(1, 25):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(picture(time), format="rgb24")))
        container.mux(pictures.encode(None))
    assert read_sound(path) is None
    with VideoWriter(tmp_path / "out.mp4", fps=25, audio_from=path) as writer:
        writer.write(picture(0))
    assert measure(tmp_path / "out.mp4").sound is None


def test_a_part_of_a_files_sound(tmp_path):
    """In seconds from the first picture; what begins later is preceded by silence."""
    source = write_clip(tmp_path / "v.mkv", steady(5, 25, 1), sound_start=1.48)
    sound = read_sound(source, start=Fraction(1, 4), stop=Fraction(5, 2))
    assert sound.samples.shape == (2, round(2.25 * 48_000))
    assert beeps_in(sound.samples, sound.rate) == pytest.approx([0.75, 1.75], abs=EXACT)
    assert read_sound(source, start=Fraction(50)).samples.shape[1] == 0


CASES = {
    "base25.mp4": [1, 2, 3, 4, 5],
    "dtx.webm": [0.992, 1.992, 2.992, 3.992, 4.992],
    "a51.mp4": [1, 2, 3, 4, 5],
    "apac_second.mov": [1, 2, 3, 4, 5],
    "vdelay.mkv": [0.5, 1.5, 2.5, 3.5, 4.5],
    "mediarecorder.webm": [1, 2, 3, 4, 5],
    "dropped.avi": [1.023, 2.023, 3.023, 4.023, 5.023],  # MP3 in AVI: its decoder's delay is in the file
    "midgop.ts": [0.6, 1.6, 2.6, 3.6, 4.6, 5.6],  # from the stream's begin, 1.6 s before the first whole picture
}


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
@pytest.mark.parametrize("name", list(CASES))
def test_files_that_failed(shared, tmp_path, name, suffix):
    source = shared / "cases" / "media" / name
    if not source.is_file():
        pytest.skip(f"no {source}")
    seen = carried(tmp_path / f"out.{suffix}", source, seconds=5.9)
    seen.check(seconds=5.9, beeps=CASES[name], sound_within=0.005)
    assert hear(tmp_path / f"out.{suffix}").layout == ("5.1" if name == "a51.mp4" else "stereo")
