"""Every tolerance in the tests says what it is relative to, and why: see `nearness` in tests/support."""

from __future__ import annotations

import ast
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import nearness
import numpy as np
import pytest
import torch
from nearness import near, steps_near, within_seconds

TESTS = Path(__file__).parent
FILES = [path for path in sorted(TESTS.rglob("*.py")) if path != TESTS / "support" / "nearness.py"]
BARE = {"allclose", "approx", "assert_allclose", "assert_almost_equal", "assert_close"}
RELATIVE = {"near", "steps_near", "within_seconds"}
SMALL = 0.01
"""What a value is compared with below this is a tolerance, most likely."""


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def tolerance_of(call: ast.Call) -> ast.expr | None:
    """The part that a comparison allows, where it is not the usual one."""
    given = {word.arg: word.value for word in call.keywords}
    return (
        call.args[2]
        if len(call.args) > 2
        else next((given[name] for name in ("part", "steps", "seconds") if name in given), None)
    )


def faults(text: str) -> list[tuple[int, str]]:
    """Lines with a tolerance that does not say what it is relative to, or not why it is so large."""
    lines, found = text.splitlines(), []

    def explained(node: ast.expr) -> bool:
        return any("#" in line for line in lines[max(0, node.lineno - 2) : node.end_lineno])

    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and name_of(node) in BARE:
            found.append((node.lineno, f"{name_of(node)}: use `near`, which is relative"))
        elif isinstance(node, ast.Call) and name_of(node) in RELATIVE:
            part = tolerance_of(node)
            if isinstance(part, ast.Constant) and part.value and not explained(node):
                found.append((node.lineno, "a number as tolerance: name it, or say in a comment why so much"))
        elif isinstance(node, ast.Compare) and isinstance(node.ops[-1], (ast.Lt, ast.LtE)):
            limit = node.comparators[-1]
            if isinstance(limit, ast.Constant) and isinstance(limit.value, float) and 0 < limit.value < SMALL:
                found.append((node.lineno, "a small number as limit: use `near`, with `of=` the scale"))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_tolerances_are_relative_and_explained(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "assert torch.allclose(a, b, atol=1e-4)",
        "np.testing.assert_allclose(a, b)",
        "assert a == pytest.approx(b)",
        "near(a, b, 0.02)",
        "near(a, b, part=0.02)",
        "steps_near(a, b, steps=3)",
        "within_seconds(a, b, 0.02)",
        "within_seconds(a, b, seconds=0.02)",
        "assert (a - b).abs().max() < 1e-4",
        "assert 0 <= error <= 0.001",
    ],
)
def test_bare_tolerances_are_found(line: str) -> None:
    assert len(faults(line)) == 1


def test_near_is_relative_to_what_is_expected() -> None:
    expected = torch.tensor([-55.0, 0.0])
    near(expected + 4e-4, expected)
    near(expected.tolist(), expected.tolist())
    near(1e-6, 0, of=1)
    for got, wanted in ((expected + 1e-3, expected), (1.0001, 1), ([1.0, 2.0], [1.0, 2.0001]), (float("nan"), 1)):
        with pytest.raises(AssertionError):
            near(got, wanted)
    with pytest.raises(AssertionError, match="say what the error is a part of"):
        near(0.0, 0.0)
    with pytest.raises(AssertionError, match="what it is: "):
        near(1, 2, about="what it is")
    steps_near([255, 10], [254, 11], 1)  # one step is meant
    with pytest.raises(AssertionError):
        steps_near([255, 10], [253, 10], 1)  # one step is meant


def test_times_are_compared_in_seconds() -> None:
    near(np.arange(3)[::-1], range(2, -1, -1))
    within_seconds((0.01, 3600.01), [0, Fraction(3600)], 0.02)  # as near after an hour as at the beginning
    within_seconds([], [], 0.02)  # none are none
    for got, wanted in (([3600.03], [3600]), ([1], [1, 2]), ([1, 2], [1]), (1.03, 1)):
        with pytest.raises(AssertionError):
            within_seconds(got, wanted, 0.02)  # a fiftieth of a second is meant


def test_each_tolerance_has_its_reason() -> None:
    """In `nearness` itself: a name in capitals has a docstring behind it."""
    body = ast.parse(Path(nearness.__file__).read_text(encoding="utf-8")).body
    for node, after in pairwise(body):
        if isinstance(node, ast.Assign):
            assert isinstance(after, ast.Expr)
            assert isinstance(after.value, ast.Constant)
