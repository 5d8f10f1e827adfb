"""What a text field offers while the user types: the dynamic lists, as a worker told them last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .session import SESSION


def choices_of(name: str) -> Callable[[Any, Any, str], list[str]]:
    """The search of a text field for one of the lists; asks a worker when the user first looks."""

    def search(node: Any, context: Any, typed: str) -> list[str]:
        SESSION.ask()
        return [choice for choice in SESSION.choices.get(name, ()) if typed.lower() in choice.lower()]

    return search
