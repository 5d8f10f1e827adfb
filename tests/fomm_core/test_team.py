"""Threads that compute frames side by side."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator

import pytest
import torch
from fomm_nodes.fomm_core.team import MOST, Team, shares


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", range(1, 40))
def test_shares_leave_at_most_one_thread_idle(threads: int) -> None:
    members, each = shares(threads)
    assert threads - 1 <= members * each <= threads
    assert members <= MOST
    assert members > 1 or threads == 1


def test_order_is_kept_whoever_is_quicker() -> None:
    def slower_at_first(item: int) -> int:
        time.sleep(0.002 * (10 - item))
        return item

    assert list(Team(4).map(slower_at_first, range(10))) == list(range(10))


def test_members_share_the_threads_and_others_keep_theirs() -> None:
    team = Team(4)
    together = threading.Barrier(team.members)

    def work(_: int) -> tuple[str, int]:
        together.wait()
        return threading.current_thread().name, torch.get_num_threads()

    for _ in range(2):
        seen = set(team.map(work, range(2 * team.members)))
        assert {count for _, count in seen} == {team.threads_each} == {1}
        assert len({name for name, _ in seen}) == team.members == 4
    assert torch.get_num_threads() == 4
    other = []
    thread = threading.Thread(target=lambda: other.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert other == [4]


@pytest.mark.parametrize("team", [Team(1), Team(4)], ids=["alone", "in a team"])
def test_a_single_item_stays_with_the_caller(team: Team) -> None:
    count = 5 if team.members == 1 else 1
    assert set(team.map(lambda _: threading.current_thread(), range(count))) == {threading.current_thread()}


def test_items_are_taken_only_a_little_ahead() -> None:
    team = Team(2)
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(20):
            taken.append(item)
            yield item

    for done, item in enumerate(team.map(lambda item: item, items()), 1):
        assert item == done - 1
        assert len(taken) <= done + team.members + 1


def test_what_work_raises_ends_it() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 3:
            raise KeyError("broken")
        return item

    results = Team(2).map(work, range(100))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="broken"):
        next(results)
    count = len(begun)
    assert count <= 7
    time.sleep(0.05)
    assert len(begun) == count


def test_nothing_runs_once_it_is_closed() -> None:
    running, ended = [], []

    def work(item: int) -> int:
        running.append(item)
        time.sleep(0.02)
        ended.append(item)
        return item

    results = Team(4).map(work, range(100))
    next(results)
    results.close()
    assert len(ended) == len(running) < 10


def test_threads_end_with_their_team() -> None:
    team = Team(4)
    members = set(team.map(lambda _: threading.current_thread(), range(100)))
    assert all(member.is_alive() for member in members)
    del team
    gc.collect()
    for member in members:
        member.join(5)
    assert not any(member.is_alive() for member in members)
