from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from fomm_nodes.fomm_core.background import one_core, read_ahead, write_behind


def test_read_ahead_keeps_order_and_its_distance() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for index in range(20):
            made.append(index)
            yield index

    taken = []
    with read_ahead(items(), depth=3) as ahead:
        for item in ahead:
            taken.append(item)
            assert len(made) <= len(taken) + 3
    assert taken == list(range(20))


def test_read_ahead_works_in_another_thread() -> None:
    with read_ahead(threading.current_thread() for _ in range(2)) as ahead:
        assert set(ahead).isdisjoint({threading.current_thread()})


def test_helpers_take_one_core_and_leave_the_networks_theirs() -> None:
    torch.set_num_threads(2)
    seen: list[int] = []
    with read_ahead(torch.get_num_threads() for _ in range(1)) as ahead:
        seen += ahead
    with write_behind(lambda: seen.append(torch.get_num_threads())) as submit:
        submit()
    assert seen == [1, 1]
    assert torch.get_num_threads() == 2


def test_what_is_done_between_frames_takes_one_core_of_this_thread_alone() -> None:
    torch.set_num_threads(2)
    elsewhere: list[int] = []
    with one_core():
        assert torch.get_num_threads() == 1
        other = threading.Thread(target=lambda: elsewhere.append(torch.get_num_threads()))
        other.start()
        other.join()
    assert torch.get_num_threads() == 2
    assert elsewhere == [2]


def test_read_ahead_raises_what_the_producer_raises() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("broken")

    with read_ahead(items()) as ahead:
        assert next(ahead) == 1
        with pytest.raises(KeyError, match="broken"):
            next(ahead)


def test_read_ahead_stops_with_its_reader() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        while True:
            made.append(len(made))
            yield made[-1]

    with read_ahead(items(), depth=2) as ahead:
        next(ahead)
    assert len(made) <= 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fomm-read")]


def test_write_behind_keeps_order_and_finishes() -> None:
    written: list[int] = []
    with write_behind(written.append) as submit:
        for index in range(20):
            submit(index)
            assert len(written) >= index - 2
    assert written == list(range(20))


def test_write_behind_raises_what_the_writer_raises() -> None:
    written: list[int] = []

    def write(item: int) -> None:
        if item == 3:
            raise OSError("disk full")
        written.append(item)

    def run() -> None:
        with write_behind(write) as submit:
            for index in range(20):
                submit(index)

    with pytest.raises(OSError, match="disk full"):
        run()
    assert len(written) < 10


def test_write_behind_raises_at_the_end_of_the_block() -> None:
    with pytest.raises(ZeroDivisionError), write_behind(lambda: 1 / 0) as submit:  # type: ignore[arg-type, return-value]
        submit()


def test_write_behind_drops_what_waits_when_the_block_fails() -> None:
    gate, written = threading.Event(), []

    def write(item: int) -> None:
        gate.wait(10)
        written.append(item)

    def run() -> None:
        with write_behind(write, depth=5) as submit:
            for index in range(4):
                submit(index)
            threading.Timer(0.05, gate.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert written in ([], [0])
