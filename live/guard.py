"""Who may talk to the page's server: programs of this machine that know the key, and pages of its own alone."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

NAMES = ("127.0.0.1", "localhost", "[::1]")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Refuses requests under another host's name (DNS rebinding), from pages of another origin, and without the key.

    The key keeps out other users of this machine. port: the server's; known once it listens.
    """

    def __init__(self) -> None:
        self.key = secrets.token_urlsafe(16)
        self.port = 0

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a Host header may say."""
        return tuple(f"{name}:{self.port}" for name in NAMES)

    def refusal(self, host: str, origin: str | None, key: str | None, *, socket: bool) -> str | None:
        """Why a request is refused; None for one that is not. A WebSocket has to state its origin."""
        if host not in self.hosts:
            return "expected this machine's own name in the address: open the address that fomm live printed."
        if origin is not None and origin not in {f"http://{name}" for name in self.hosts}:
            return "expected a page of this server; another page may not use it."
        if socket and origin is None:
            return "expected a page of this server; a program has to state its origin."
        if not hmac.compare_digest((key or "").encode(), self.key.encode()):
            return "expected the key of the address that fomm live printed."
        return None

    def middleware(self) -> Any:
        """For an aiohttp application."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            socket = request.headers.get("Upgrade", "").lower() == "websocket"
            told = self.refusal(
                request.headers.get("Host", ""),
                request.headers.get("Origin"),
                request.match_info.get("key"),
                socket=socket,
            )
            if told is not None:
                return web.Response(status=403, text=told, headers=HEADERS)
            response = await handler(request)
            if not response.prepared:
                response.headers.update(HEADERS)
            return response

        return check
