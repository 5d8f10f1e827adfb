"""The one client of this Blender, with the settings of its preferences."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import bpy

from .client import Client, Settings
from .preferences import worker_settings

TICK = 0.2
"""Seconds between looks at a worker that nothing else looks after."""


@dataclass
class Session:
    """What lives as long as Blender does. settings: None asks the preferences. choices: what the dynamic lists
    hold, as a worker told last.
    """

    settings: Settings | None = None
    client: Client | None = None
    asked: bool = False
    choices: dict[str, list[str]] = field(default_factory=dict)

    def current(self) -> Client:
        """A client with the settings of now; a job at work keeps those that it started with."""
        if self.client is not None and self.client.busy:
            return self.client
        settings = self.settings or worker_settings(Path(bpy.app.tempdir) if bpy.app.tempdir else None)
        if self.client is not None and self.client.settings != settings:
            self.close()
        if self.client is None:
            self.client = Client(settings)
        return self.client

    def ask(self) -> None:
        """Have the worker tell what its lists hold; `choices` has it some moments later."""
        if not self.asked:
            self.asked = True
            self.current().describe()
            bpy.app.timers.register(self.look, first_interval=TICK, persistent=True)

    def look(self) -> float | None:
        """A timer: until the answer is there."""
        if self.client is None:
            return None
        self.client.poll()
        self.choices.update(self.client.choices)
        return None if self.client.choices or self.client.process is None else TICK

    def close(self) -> None:
        """End the worker, if there is one."""
        if self.client is not None:
            self.client.close()
        self.client, self.asked = None, False


SESSION = Session()
"""Blender has one Python, and no place of its own for what lives as long as it does."""


def client() -> Client:
    """The client, made when it is first needed."""
    return SESSION.current()


def close() -> None:
    """End the worker, if there is one."""
    SESSION.close()
