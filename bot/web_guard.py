"""What every request passes first: host, origin, content type and size; and what every answer carries.

The guard is plain ASGI around the whole application, so that error pages are covered too. It knows
no routes beyond the prefixes /api/, /v1/ and /fine-tuning/, the one that takes forms and uploads.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.web_errors import Problem

MAX_BODY_BYTES = 1_048_576

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
UPLOADS = "/fine-tuning/"
FORMS = ("application/json", "multipart/form-data", "application/x-www-form-urlencoded")


def allowed_hosts(host: str) -> frozenset[str] | None:
    """Names that the Host header may carry for a server bound to `host`; None is any.

    A page on the internet can point its own name at 127.0.0.1 and so read a loopback server from
    the visitor's browser; only the Host header tells it apart.
    """
    if not is_loopback(host):
        return None
    return frozenset({"localhost", "127.0.0.1", "::1", host.lower()})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware around the web application.

    Args:
        app: what is guarded.
        hosts: see `allowed_hosts`.
        upload_bytes: longest body that carries documents.
    """

    def __init__(
        self, app: ASGIApp, hosts: frozenset[str] | None, upload_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._upload_bytes = max(upload_bytes, MAX_BODY_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"])
        dressed = _dressed(send, path)
        problem = self._refusal(str(scope["method"]), path, Headers(scope=scope))
        if problem is not None:
            await problem.response(path)(scope, receive, dressed)
        else:
            await self._app(scope, _limited(receive, self._limit(path)), dressed)

    def _limit(self, path: str) -> int:
        return self._upload_bytes if path.startswith(UPLOADS) else MAX_BODY_BYTES

    def _refusal(self, method: str, path: str, headers: Headers) -> Problem | None:
        if self._hosts is not None and _hostname(headers.get("host", "")) not in self._hosts:
            return Problem(
                421,
                "This server answers only to localhost. To reach it by another name, set [web] host in "
                "config.toml or let the proxy send the header Host: localhost.",
            )
        if method in SAFE_METHODS:
            return None
        if _is_cross_site(headers):
            return Problem(403, "Requests from other sites are refused.")
        if not path.startswith(("/api/", "/v1/", UPLOADS)):
            return None  # the router answers 404 or 405
        allowed = FORMS if path.startswith(UPLOADS) else FORMS[:1]
        if headers.get("content-type", "").partition(";")[0].strip().lower() not in allowed:
            return Problem(415, f"Send the body as Content-Type: {' or '.join(allowed)}.")
        if _declared_bytes(headers) > self._limit(path):
            return Problem(413, _too_large(self._limit(path)))
        return None


def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_cross_site(headers: Headers) -> bool:
    """Browsers say where a request comes from; programs that say nothing hold no cookie to abuse."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def _declared_bytes(headers: Headers) -> int:
    value = headers.get("content-length", "0")
    return int(value) if value.isascii() and value.isdigit() else 0


def _too_large(limit: int) -> str:
    return f"That request is too large; at most {limit:,} bytes are read."


def _limited(receive: Receive, limit: int) -> Receive:
    """Count what really arrives, for bodies that declare no length."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413, _too_large(limit))
        return message

    return counted


def _dressed(send: Send, path: str) -> Send:
    """Add the security headers; pages revalidate, answers are never cached."""
    caching = "no-cache" if path == "/" or path.startswith("/static/") else "no-store"

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", caching)
        await send(message)

    return with_headers
