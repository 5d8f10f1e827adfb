"""The cluster that a `RayEngine` works on: joined, or started here for as long as the engine lives."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...fomm_core.errors import FommError
from ..passing import PassingFolder

CONNECT_SECONDS = 10.0

TOKEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
"""What the user may say of the token with which the parts of a cluster know each other."""

TOKEN_FILE = Path("~/.ray/auth_token").expanduser()

REFUSED = (
    "Somebody listens there. A cluster of Ray 2.60 may ask for a token: copy ~/.ray/auth_token from the machine "
    "that started it, or set RAY_AUTH_TOKEN. Ray and Python have to have the same version on all machines."
)


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
        self._set: dict[str, str] = {}
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
            hint = f". {REFUSED}" if ":" in address else ""
            raise FommError(f"no Ray cluster at {address}: {error}{hint}") from error

    def _start(self, given: dict[str, Any]) -> None:
        """Start a cluster that this machine alone can reach, and of which nothing stays.

        By itself Ray would leave a token in the user's home, and ask for it in any cluster that is started later.
        """
        self._folder = PassingFolder("fomm-cluster-", _short_place())
        self._set = {} if "RAY_USAGE_STATS_ENABLED" in os.environ else {"RAY_USAGE_STATS_ENABLED": "0"}
        if not any(name in os.environ for name in TOKEN) and not TOKEN_FILE.is_file():
            self._set["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        os.environ.update(self._set)
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
        for name in self._set:
            os.environ.pop(name, None)
        if "RAY_AUTH_TOKEN" in self._set:
            os.environ.pop("RAY_AUTH_MODE", None)  # Ray's own doing
            with contextlib.suppress(Exception):  # older ones have no tokens
                self.ray._raylet.AuthenticationTokenLoader.instance().reset_cache()
        self._set = {}


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
                found = importlib.import_module(module.split(".batch.")[0]).__version__
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
