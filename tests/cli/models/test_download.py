"""One file over HTTP: whole at the end, whatever happens in between, or an error that says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fomm_nodes.fomm_core.errors import DownloadError
from fomm_nodes.fomm_core.fetching import Patience, download, held, look

CONTENT = bytes((7 * i + i // 251) % 256 for i in range(1_500_000))


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / ".model.part.pth"


@pytest.fixture(autouse=True)
def _content(server) -> None:
    server.content = CONTENT


def test_a_whole_file(server, part: Path, quick: Patience) -> None:
    heard: list[tuple[int, int]] = []
    remote = look(server.url("model.pth?download=1#top"), patience=quick)
    download(remote, part, report=lambda done, total: heard.append((done, total)), patience=quick)
    assert part.read_bytes() == CONTENT
    assert remote.size == len(CONTENT)
    assert heard[0] == (0, len(CONTENT))
    assert heard[-1] == (len(CONTENT), len(CONTENT))
    assert sorted(heard) == heard
    assert {path for path, _ in server.asked} == {"/model.pth?download=1"}


def test_broken_off_within_a_call_it_goes_on_at_the_byte(server, part: Path, quick: Patience) -> None:
    server.cuts = [10, 400_000, 300_000]  # the first, of the look, is not read
    download(look(server.url("m"), patience=quick), part, patience=quick)
    assert part.read_bytes() == CONTENT
    assert server.starts == [0, 0, 400_000, 700_000]


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_etag_the_time_of_change_serves(server, part: Path, quick: Patience, etag: str) -> None:
    """obstore does not go on without an ETag; a piece at least is kept of what came."""
    server.etag = etag
    server.cuts = [10, 600_000]
    download(look(server.url("m"), patience=quick), part, patience=quick)
    assert part.read_bytes() == CONTENT
    assert any(start >= 262_144 for start in server.starts)


def test_many_breaks_are_fine_while_something_comes(server, part: Path, quick: Patience) -> None:
    """More than obstore puts up with, and more than there are rounds of nothing."""
    server.cuts = [10, *[100_000] * 14]
    download(look(server.url("m"), patience=quick), part, patience=quick)
    assert part.read_bytes() == CONTENT


def test_the_next_call_goes_on(server, part: Path, quick: Patience) -> None:
    remote = look(server.url("m"), patience=quick)
    server.cuts = [700_000, *[0] * 60]
    with pytest.raises(DownloadError, match="what is there is kept"):
        download(remote, part, patience=quick)
    kept = part.stat().st_size
    assert kept <= 700_000  # how much of it arrives before the break is up to the system
    assert part.read_bytes() == CONTENT[:kept]
    server.cuts, server.asked[:] = [], []
    again = look(server.url("m"), patience=quick)
    assert held(part, again) == kept
    download(again, part, patience=quick)
    assert part.read_bytes() == CONTENT
    assert server.starts == [0, kept]


def test_a_part_of_another_version_is_not_gone_on_from(server, part: Path, quick: Patience) -> None:
    remote = look(server.url("m"), patience=quick)
    server.cuts = [700_000, *[0] * 60]
    with pytest.raises(DownloadError):
        download(remote, part, patience=quick)
    server.cuts, server.content, server.etag = [], CONTENT[::-1], '"two"'
    again = look(server.url("m"), patience=quick)
    assert held(part, again) == 0
    download(again, part, patience=quick)
    assert part.read_bytes() == CONTENT[::-1]


def test_a_part_that_nothing_tells_from_others_is_not_gone_on_from(server, part: Path, quick: Patience) -> None:
    server.etag = server.modified = ""
    remote = look(server.url("m"), patience=quick)
    server.cuts = [700_000, *[0] * 60]
    with pytest.raises(DownloadError):
        download(remote, part, patience=quick)
    server.cuts = []
    assert held(part, remote) == 0
    download(remote, part, patience=quick)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": 1}', json.dumps({"url": "u", "size": 5, "more": 1})])
def test_a_damaged_note_begins_anew(server, part: Path, quick: Patience, note: str) -> None:
    part.write_bytes(b"something else")
    part.with_name(part.name + ".json").write_text(note)
    download(look(server.url("m"), patience=quick), part, patience=quick)
    assert part.read_bytes() == CONTENT


def test_a_file_that_changes_on_the_way_is_begun_anew(server, part: Path, quick: Patience) -> None:
    remote = look(server.url("m"), patience=quick)
    server.changes = [CONTENT, CONTENT[::-1]]
    server.cuts = [700_000]
    download(remote, part, patience=quick)
    assert part.read_bytes() == CONTENT[::-1]


def test_a_file_that_changes_all_the_time_ends_in_an_error(server, part: Path, quick: Patience) -> None:
    remote = look(server.url("m"), patience=quick)
    server.changes = [CONTENT] * 100
    with pytest.raises(DownloadError, match="changes while"):
        download(remote, part, patience=quick)


def test_redirects_are_followed_with_the_range(server, mirror, part: Path, quick: Patience) -> None:
    server.moved, mirror.content = mirror.url("signed/m?sig=a%2Fb"), CONTENT
    mirror.cuts = [10, 700_000]
    download(look(server.url("m"), patience=quick), part, patience=quick)
    assert part.read_bytes() == CONTENT
    assert mirror.starts == [0, 0, 700_000]
    assert mirror.asked[-1][0] == "/signed/m?sig=a%2Fb"


def test_a_server_without_ranges_sends_it_all_again(server, part: Path, quick: Patience) -> None:
    server.ranges, server.cuts = False, [10, 700_000]
    download(look(server.url("m"), patience=quick), part, patience=quick)
    assert part.read_bytes() == CONTENT


def test_the_rest_from_a_server_that_has_no_ranges_any_more(server, part: Path, quick: Patience) -> None:
    remote = look(server.url("m"), patience=quick)
    server.cuts = [700_000, *[0] * 60]
    with pytest.raises(DownloadError):
        download(remote, part, patience=quick)
    server.cuts, server.ranges = [], False
    download(remote, part, patience=quick)
    assert part.read_bytes() == CONTENT


def test_a_length_that_is_too_large_leaves_nothing_to_go_on_from(server, part: Path, quick: Patience) -> None:
    server.lies = 1000
    with pytest.raises(DownloadError, match="fewer"):
        download(look(server.url("m"), patience=quick), part, patience=quick)
    assert not part.exists()


def test_a_silent_server_is_given_up(server, part: Path, quick: Patience) -> None:
    remote = look(server.url("m"), patience=quick)
    server.silent = [300_000, *[0] * 20]
    with pytest.raises(DownloadError, match="silent"):
        download(remote, part, patience=Patience(connect=1, read=0.2, retries=0, pause=0.01, rounds=2))
    assert 0 < part.stat().st_size < len(CONTENT)


def test_an_empty_file(server, part: Path, quick: Patience) -> None:
    server.content = b""
    download(look(server.url("m"), patience=quick), part, patience=quick)
    assert part.read_bytes() == b""


@pytest.mark.parametrize(
    ("status", "said"), [(404, "none there"), (403, "403"), (401, "401"), (500, "500"), (429, "429")]
)
def test_what_the_server_refuses_with_is_said(server, quick: Patience, status: int, said: str) -> None:
    server.status = status
    with pytest.raises(DownloadError, match=said):
        look(server.url("m"), patience=quick)


def test_a_web_page_is_told_by_its_kind(server, quick: Patience) -> None:
    server.kind = "text/html; charset=utf-8"
    with pytest.raises(DownloadError, match="web page"):
        look(server.url("m"), patience=quick)


def test_a_length_that_is_not_said(server, quick: Patience) -> None:
    server.chunked = True
    with pytest.raises(DownloadError, match="`file`"):
        look(server.url("m"), patience=quick)


@pytest.mark.parametrize(
    "url",
    ["", "vox", "ftp://127.0.0.1/m", "file:///etc/passwd", "http://", "https:///m", "http://[::1", "http://a:b/m"],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(DownloadError, match="https://"):
        look(url)


def test_no_connection(server, quick: Patience) -> None:
    """A port that was just let go of."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match="no connection"):
        look(f"http://127.0.0.1:{port}/m", patience=quick)
