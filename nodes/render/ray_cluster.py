"""The cluster that a `RayEngine` works on: joined, or started here for as long as the engine lives."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...fomm_core.errors import FommError
from .passing import PassingFolder

CONNECT_SECONDS = 10.0

OWN_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",  # how long its helpers outlive a driver that is killed; 60 by itself
}
"""What a cluster that is started here finds in its environment, unless the user has set it."""


class Cluster:
    """Ray, with a cluster behind it."""

    def __init__(self, address: str | None, runtime_env: Mapping[str, Any]) -> None:
        """Join the cluster at `address` (see `RayOptions`), or start one; an interpreter that has joined one stays.

        Raises:
            FommError: Ray is not installed, or there is no such cluster.
        """
        try:
            import ray
        except ImportError:
            raise FommError('Ray is not installed: pip install "fomm-nodes[ray]"') from None
        self.ray = ray
        self._joined_here = not ray.is_initialized()
        self._folder: PassingFolder | None = None
        if not self._joined_here:
            return
        address = address or os.environ.get("RAY_ADDRESS") or "local"
        _check_reachable(address)
        given: dict[str, Any] = {"log_to_driver": False, "runtime_env": dict(runtime_env) or None}
        try:
            if address == "local":
                self._start(given)
            else:
                ray.init(address, logging_level=logging.ERROR, **given)
        except Exception as error:  # a wrong token is an exception of Ray's own, an old Ray has none of these
            self.leave()
            raise FommError(f"no Ray cluster at {address}: {error}") from error

    def _start(self, given: dict[str, Any]) -> None:
        """Start a cluster that this machine alone can reach, and whose files go with it."""
        self._folder = PassingFolder("fomm-cluster-", _short_place())
        with _environment(OWN_SETTINGS):
            self.ray.init(
                "local",
                include_dashboard=False,
                logging_level=logging.ERROR,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(self._folder.path),
                **given,
            )

    def leave(self) -> None:
        """Leave what was joined here; what was started here ends. May be called twice."""
        if self._joined_here:
            self.ray.shutdown()
        if self._folder is not None:
            self._folder.remove()


def actor_class() -> type:
    """The class of our actors. Ray sends it as it is and not by its name, so that it can say what a machine lacks."""

    class FommWorker:
        """A `ray_worker.Worker` of that machine's own package."""

        def __init__(self, module: str, version: str, *arguments: Any) -> None:
            import importlib
            import platform
            import socket
            import sys

            here = f"{socket.gethostname()} (Python {platform.python_version()}, {sys.executable})"
            mend = f'Install the same there as here: pip install "fomm-nodes[ray]=={version}"'
            try:
                found = importlib.import_module(module.split(".nodes.")[0]).__version__
                worker = importlib.import_module(module)
            except ImportError as error:
                raise RuntimeError(f"{here} cannot load fomm-nodes: {error}. {mend}") from None
            if found != version:
                raise RuntimeError(f"{here} has fomm-nodes {found}, this machine {version}. {mend}")
            self._worker = worker.Worker(*arguments)

        def call(self, method: str, *arguments: Any) -> Any:
            """What the worker's method gives."""
            return getattr(self._worker, method)(*arguments)

    return FommWorker


def cause(error: BaseException) -> str:
    """The line of Ray's long messages that says why: the last where something was raised, the first where it died."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1] if any(line.startswith("File ") for line in lines) else lines[0]


def _check_reachable(address: str) -> None:
    """Raise FommError where nobody listens at "host:port" or "ray://host:port"; Ray would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise FommError(f"no Ray cluster at {address}: {error}. Start one: ray start --head") from None


def _short_place() -> Path | None:
    """Where a cluster's files may lie: the path of a socket in there has at most 103 characters."""
    return None if sys.platform == "win32" else Path("/tmp")


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Have these variables set, as far as they are not; for processes that are started meanwhile."""
    new = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)
