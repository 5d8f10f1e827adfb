"""Where beeps are heard in a written clip, whatever file they come from.

Sources, starts and containers are paired, not multiplied: each source meets each start, and two of the containers.
"""

from __future__ import annotations

import re
from fractions import Fraction

import av
import pytest
from flash_beep import beats, beeps_in, hear, measure, picture, steady, write_clip
from fomm_nodes.fomm_core.errors import ImageError
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter
from fomm_nodes.fomm_core.video.sound import read_sound
from nearness import within_seconds

EXACT = 0.003
"""Seconds: Matroska's times are in ms, twice, and the tool tells 1 ms."""
SECONDS = 2.4
"""Of most clips: two beeps, and a while after."""


def paired(sources, others, suffixes):
    """(*source, other, suffix): each source with each other, and with containers in turn."""
    return [
        (*source, other, suffixes[(row + column) % len(suffixes)])
        for row, source in enumerate(sources)
        for column, other in enumerate(others)
    ]


def carried(path, sound, *, seconds=SECONDS, start=Fraction(0)):
    """A new clip whose images flash when the world does, with the sound of a file."""
    with VideoWriter(path, fps=25, audio_from=sound, audio_start=start) as writer:
        for time in steady(seconds, 25):
            writer.write(picture(time + float(start)))
    assert writer.warnings == []
    return measure(path)


ALONE = [
    ("s.m4a", "aac"),
    ("s.mp3", "libmp3lame"),
    ("s.opus", "libopus"),
    ("s.ogg", "vorbis"),
    ("s.mka", "libopus"),
    ("s.flac", "flac"),
    ("s.wav", "pcm_s16le"),
    ("s.mka", "aac"),
    ("s.mka", "ac3"),
]


@pytest.mark.parametrize(
    ("name", "codec", "start", "suffix"), paired(ALONE, [Fraction(0), Fraction(1, 2)], ["mp4", "mkv", "webm"])
)
def test_sound_of_its_own_begins_with_the_clip(tmp_path, name, codec, start, suffix):
    """Its first sample is heard with the first image; what decoders need before (25 ms of MP3) is not counted."""
    sound = write_clip(tmp_path / name, audio=codec, rate=48_000, sound_stop=4)
    seen = carried(tmp_path / f"out.{suffix}", sound, start=start)
    wanted = [beat - float(start) for beat in beats(float(start), SECONDS + float(start))]
    seen.check(seconds=SECONDS, flashes=wanted, beeps=wanted, within=0.021, sound_within=EXACT)  # half of an image
    with av.open(str(tmp_path / f"out.{suffix}")) as container:
        video = container.streams.video[0]
        pushed_back = (video.start_time or 0) * video.time_base  # by packets that are too long to be lost: FLAC
        assert pushed_back <= (Fraction(1, 10) if codec == "flac" else 0)


RECORDED = [
    ("v.mkv", "pcm_s24le"),
    ("v.mp4", "libmp3lame"),
    ("v.mov", "pcm_s16le"),
    ("v.mkv", "flac"),
    ("v.mp4", "aac"),
    ("v.webm", "libopus"),
    ("v.ts", "aac"),
    ("v.ts", "ac3"),
]


@pytest.mark.parametrize(("name", "codec", "offset", "suffix"), paired(RECORDED, [-0.7, 0.48], ["mov", "mkv", "webm"]))
def test_sound_stays_with_the_pictures_of_its_file(tmp_path, name, codec, offset, suffix):
    """Sound that begins before, with and after the first image, which is at 2 s of the file's own clock."""
    source = write_clip(tmp_path / name, steady(SECONDS, 25, 2), audio=codec, sound_start=2 + offset)
    seen = carried(tmp_path / f"out.{suffix}", source)
    within_seconds(seen.beeps[-2:], [1, 2], EXACT)
    if offset > 0:
        assert len(seen.beeps) == 2
    else:  # of the beep at 0 the first packet may be missing where it began before
        within_seconds(seen.beeps[0], 0, 0.035)
        assert len(seen.beeps) == 3


GAPS = [(beat + 0.2, beat + 0.95) for beat in range(-1, 3)]


@pytest.mark.parametrize(
    ("name", "codec", "suffix"),
    [
        ("v.webm", "libopus", "webm"),
        ("v.mkv", "libopus", "mp4"),
        ("v.mkv", "pcm_s16le", "mkv"),
        ("v.mkv", "aac", "webm"),
        ("v.ts", "aac", "mp4"),
        ("v.ts", "ac3", "mkv"),
    ],
)
def test_gaps_in_sound_stay(tmp_path, name, codec, suffix):
    """As Opus leaves out silence (DTX), and as a bad line loses packets; copied or not."""
    source = write_clip(tmp_path / name, steady(SECONDS, 25), audio=codec, gaps=GAPS)
    original = measure(source)
    original.check(flashes=[1, 2], beeps=[1, 2], within=0.022)
    seen = carried(tmp_path / f"out.{suffix}", source)
    seen.check(seconds=SECONDS, flashes=[1, 2], beeps=original.beeps, sound_within=EXACT)
    sound = read_sound(source)
    within_seconds(beeps_in(sound.samples, sound.rate), original.beeps, EXACT)
    within_seconds(sound.samples.shape[1] / sound.rate, original.sound[1], EXACT - 0.001)  # without the tool's share


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_jittery_times_of_packets(tmp_path, suffix):
    source = write_clip(tmp_path / "v.mkv", steady(SECONDS, 25), audio="libopus", jitter=0.0045)
    carried(tmp_path / f"out.{suffix}", source).check(seconds=SECONDS, beeps=[1, 2], sound_within=0.01)  # twice that


@pytest.mark.parametrize(("part", "wanted"), [((0, 1.5), [1]), ((0, 8), [1, 2])])
def test_sound_shorter_and_longer_than_the_pictures(tmp_path, part, wanted):
    source = write_clip(tmp_path / "v.mkv", steady(SECONDS, 25), sound_start=part[0], sound_stop=part[1])
    seen = carried(tmp_path / "out.mp4", source)
    seen.check(seconds=SECONDS, flashes=[1, 2], beeps=wanted, sound_within=EXACT)
    assert seen.sound[1] < min(part[1], SECONDS) + 0.05  # a packet


LAYOUTS = [
    ("mono", "mp4", "mono"),
    ("stereo", "webm", "stereo"),
    ("quad", "mp4", "5.0"),  # FFmpeg's AAC has no quad
    ("quad", "webm", "quad"),
    ("5.1", "mp4", "5.1"),
    ("5.1(side)", "webm", "5.1"),
    ("7.1", "mp4", "7.1"),
    ("7.1", "webm", "7.1"),
]


@pytest.mark.parametrize(("layout", "suffix", "becomes"), LAYOUTS)
def test_channels_stay_what_they_are(tmp_path, layout, suffix, becomes):
    """The beep comes from one speaker alone, behind where there is one."""
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    source = write_clip(
        tmp_path / "v.mkv", steady(1.9, 25), audio="pcm_s16le", layout=layout, channel=names.index(names[-1])
    )
    carried(tmp_path / f"out.{suffix}", source, seconds=1.9).check(seconds=1.9, beeps=[1], sound_within=EXACT)
    heard = hear(tmp_path / f"out.{suffix}")
    assert heard.layout == becomes
    loud = [
        channel.name
        for channel, values in zip(av.AudioLayout(heard.layout).channels, heard.values, strict=True)
        if abs(values).max() > 0.2
    ]
    assert loud == [{"SR": "BR"}.get(names[-1], names[-1]) if layout != "7.1" else "SR"]


RATES = [(8_000, "mp4"), (22_050, "mp4"), (192_000, "mp4"), (11_025, "webm"), (96_000, "webm")]


@pytest.mark.parametrize(("rate", "suffix"), RATES)
def test_rates(tmp_path, rate, suffix):
    source = write_clip(tmp_path / "v.mkv", steady(1.9, 25), audio="pcm_s16le", rate=rate)
    carried(tmp_path / f"out.{suffix}", source, seconds=1.9).check(seconds=1.9, beeps=[1], sound_within=EXACT)
    assert hear(tmp_path / f"out.{suffix}").rate == (48_000 if suffix == "webm" else min(rate, 96_000))


def undecodable(moov: bytes) -> bytes:
    """The description of an AAC track, with the name of a codec that FFmpeg has no decoder for."""
    return moov.replace(b"mp4a", b"apac").replace(b"esds", b"dapa")


def two_tracks(path, *, silent):
    """A clip with two AAC tracks, both default, of which one cannot be decoded."""
    source = write_clip(path.with_name("one.mov"), steady(SECONDS, 25))
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
    carried(tmp_path / "out.mp4", source, seconds=SECONDS).check(flashes=[1, 2], beeps=[1, 2], sound_within=EXACT)
    sound = read_sound(source)
    within_seconds(beeps_in(sound.samples, sound.rate), [1, 2], EXACT)


def test_sound_that_nothing_decodes_is_a_warning(tmp_path):
    source = write_clip(tmp_path / "v.mov", steady(1, 25), audio="aac")
    source.write_bytes(undecodable(source.read_bytes()))
    with VideoWriter(tmp_path / "out.mp4", fps=25, audio_from=source) as writer:
        writer.write(picture(0))
    assert len(writer.warnings) == 1
    assert "audio of v.mov was left out" in writer.warnings[0]
    assert not VideoReader(tmp_path / "out.mp4").info.has_audio
    with pytest.raises(ImageError, match=r"audio in a codec that FFmpeg knows; that of v\.mov"):
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
    """In seconds from the first image; what begins later is preceded by silence."""
    source = write_clip(tmp_path / "v.mkv", steady(5, 25, 1), sound_start=1.48)
    sound = read_sound(source, start=Fraction(1, 4), stop=Fraction(5, 2))
    assert sound.samples.shape == (2, round(2.25 * 48_000))
    within_seconds(beeps_in(sound.samples, sound.rate), [0.75, 1.75], EXACT)
    assert read_sound(source, start=Fraction(50)).samples.shape[1] == 0


CASES = [
    ("base25.mp4", "mp4", [1, 2, 3, 4, 5]),
    ("dtx.webm", "webm", [0.992, 1.992, 2.992, 3.992, 4.992]),
    ("a51.mp4", "webm", [1, 2, 3, 4, 5]),
    ("apac_second.mov", "mp4", [1, 2, 3, 4, 5]),
    ("vdelay.mkv", "webm", [0.5, 1.5, 2.5, 3.5, 4.5]),
    ("mediarecorder.webm", "mp4", [1, 2, 3, 4, 5]),
    ("dropped.avi", "mp4", [1.023, 2.023, 3.023, 4.023, 5.023]),  # MP3 in AVI: its decoder's delay is in the file
    # from the stream's begin, 1.6 s before the first whole image
    ("midgop.ts", "webm", [0.6, 1.6, 2.6, 3.6, 4.6, 5.6]),
]


@pytest.mark.parametrize(("name", "suffix", "beeps"), CASES)
def test_files_that_failed(shared, tmp_path, name, suffix, beeps):
    source = shared / "cases" / "media" / name
    if not source.is_file():
        pytest.skip(f"no {source}")
    seen = carried(tmp_path / f"out.{suffix}", source, seconds=5.9)
    seen.check(seconds=5.9, beeps=beeps, sound_within=0.005)
    assert hear(tmp_path / f"out.{suffix}").layout == ("5.1" if name == "a51.mp4" else "stereo")
