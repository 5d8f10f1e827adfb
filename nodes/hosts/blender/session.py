"""The one client of this Blender."""

from __future__ import annotations

import os

from .client import Client, Settings

_clients: list[Client] = []


def client() -> Client:
    """The client, made when it is first needed."""
    if not _clients:
        _clients.append(Client(Settings(python=os.environ.get("FOMM_PYTHON", ""))))
    return _clients[0]


def close() -> None:
    """End the worker, if there is one."""
    while _clients:
        _clients.pop().close()
