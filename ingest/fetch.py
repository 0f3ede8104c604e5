"""Fetching over HTTP from servers that may be slow, wrong or hostile.

Every hop of a redirect is checked, every answer is limited in time and size while it arrives, and
unpacked by this module so that a small answer cannot grow without limit. Proxies of the environment
are not used: they would hide which address is visited. This module knows nothing of feeds,
articles or files; what to send along for a conditional request comes from the caller.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import httpcore
import httpx

from ingest.addresses import GuardedBackend, check_url
from ingest.fetch_errors import (
    BadRedirect,
    HttpStatus,
    TooLarge,
    TooSlow,
    Unreachable,
    WrongType,
)
from ingest.settings import NewsConfig
from ingest.unpack import Unpacker

log = logging.getLogger(__name__)

AGENT = "understudy"
USER_AGENT = f"{AGENT}/0.1 (news reader of a chat persona; obeys robots.txt)"
MAX_REDIRECTS = 5
PER_HOST = 2  # connections at once
AT_ONCE = 8  # over all hosts
MAX_WAIT_S = 120.0  # a longer Retry-After is left to the next run
BUSY = (408, 425, 429, 500, 502, 503, 504)
REDIRECTS = (301, 302, 303, 307, 308)

FEED_TYPES = ("xml", "application/octet-stream", "text/html", "text/plain")
"""Feeds come under many names; the reader of feeds looks at the content again."""
PAGE_TYPES = ("text/html", "application/xhtml+xml", "text/plain")
JSON_TYPES = ("json",)
TEXT_TYPES = ("text/",)


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server gave to ask "has it changed?" with, and for which address."""

    url: str
    etag: str = ""
    last_modified: str = ""

    def headers(self) -> dict[str, str]:
        """The conditional request's headers."""
        both = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {key: value for key, value in both.items() if value}


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. After a 304 the body is empty."""

    url: str
    """Where it came from in the end, after redirects."""
    status: int
    body: bytes
    content_type: str
    validators: Validators

    @property
    def unchanged(self) -> bool:
        """The server says that what was read before still holds."""
        return self.status == 304


def shown(url: str) -> str:
    """An address for logs and ledgers: query strings carry keys."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


class _Guarded(httpx.AsyncHTTPTransport):
    """httpx's own transport over connections to checked addresses."""

    def __init__(self, *, allow_private: bool) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=AT_ONCE * 2,
            keepalive_expiry=5.0,
            network_backend=GuardedBackend(allow_private=allow_private),
        )


class _Host:
    """One host's turn: so many at once, and a pause between starts."""

    def __init__(self, interval_s: float) -> None:
        self.gate = asyncio.Semaphore(PER_HOST)
        self.interval_s = interval_s
        self.next_at = 0.0

    async def turn(self) -> None:
        now = time.monotonic()
        start, self.next_at = max(now, self.next_at), max(now, self.next_at) + self.interval_s
        await asyncio.sleep(start - now)


class Fetcher:
    """Fetches; use it as `async with Fetcher(config) as fetcher`.

    Args:
        config: limits, retries and whether private addresses are allowed.
        backoff_s: the first pause before another try; it doubles, with jitter.
    """

    def __init__(self, config: NewsConfig, *, backoff_s: float = 1.0) -> None:
        self._config = config
        self._backoff_s = backoff_s
        self._hosts: dict[str, _Host] = defaultdict(lambda: _Host(config.per_host_interval_s))
        self._all = asyncio.Semaphore(AT_ONCE)
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Fetcher:
        read_s = self._config.read_timeout_s
        self._client = httpx.AsyncClient(
            transport=_Guarded(allow_private=self._config.allow_private),
            timeout=httpx.Timeout(read_s, pool=None),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"},
            trust_env=False,
            follow_redirects=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def slow_down(self, url: str, interval_s: float) -> None:
        """Keep at least this pause between requests to the host of `url` (robots.txt may ask for it)."""
        host = self._hosts[_origin(url)]
        host.interval_s = max(host.interval_s, interval_s)

    async def get(
        self,
        url: str,
        types: tuple[str, ...],
        *,
        validators: Validators | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        allowed: Callable[[str], Awaitable[None]] | None = None,
    ) -> Fetched:
        """Fetch an address, trying again after passing failures.

        Args:
            url: http or https.
            types: parts of content types of which one must match; no content type matches always.
            validators: of the last answer; sent to the very address that gave them.
            headers: sent to the first host only, never along a redirect to another one.
            max_bytes: as sent and once unpacked; the default is the configured limit.
            allowed: asked before each hop of a redirect, which may lead to a site with other rules;
                it raises FetchError where the hop is not to be made.

        Raises:
            FetchError: see `ingest.fetch_errors`.
        """
        limit = max_bytes or self._config.max_bytes
        for attempt in range(self._config.retries + 1):
            try:
                return await self._follow(url, types, validators, headers or {}, limit, allowed)
            except (HttpStatus, Unreachable) as exc:
                wait_s = self._pause(exc, attempt)
                if wait_s is None:
                    raise
                log.info("%s: %s, trying again in %.1f s", shown(url), exc.reason, wait_s)
                await asyncio.sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    # --- steps -----------------------------------------------------------------------------

    def _pause(self, exc: HttpStatus | Unreachable, attempt: int) -> float | None:
        """Seconds until the next try, or None when there is none."""
        if attempt >= self._config.retries or (isinstance(exc, HttpStatus) and exc.status not in BUSY):
            return None
        backoff_s: float = self._backoff_s * 2.0**attempt * random.uniform(0.5, 1.5)
        asked_s = exc.retry_after_s if isinstance(exc, HttpStatus) else None
        if asked_s is not None and asked_s > MAX_WAIT_S:
            return None
        return max(backoff_s, asked_s or 0.0)

    async def _follow(
        self,
        url: str,
        types: tuple[str, ...],
        validators: Validators | None,
        headers: Mapping[str, str],
        limit: int,
        allowed: Callable[[str], Awaitable[None]] | None,
    ) -> Fetched:
        at = url
        for _ in range(MAX_REDIRECTS + 1):
            check_url(at)
            extra = dict(headers) if _origin(at) == _origin(url) else {}
            if validators is not None and validators.url == at:
                extra |= validators.headers()
            async with self._answer(at, extra) as answer:
                if answer.status_code not in REDIRECTS:
                    return await _read(answer, at, types, limit)
                target = answer.headers.get("location", "")
            if not target:
                raise BadRedirect("redirect without a target")
            at = _join(at, target)
            if allowed is not None:
                check_url(at)  # before anything is asked of its host
                await allowed(at)
        raise BadRedirect(f"more than {MAX_REDIRECTS} redirects")

    @asynccontextmanager
    async def _answer(self, url: str, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """The head of an answer, within the host's limits; library errors are mapped here."""
        if self._client is None:
            raise RuntimeError("enter the Fetcher first")
        host = self._hosts[_origin(url)]
        async with host.gate, AsyncExitStack() as held:
            await host.turn()
            await held.enter_async_context(self._all)  # who waits for a turn holds up no other host
            try:
                # From here, not while waiting for one's turn: that is not the server's slowness.
                async with asyncio.timeout(self._config.timeout_s):
                    async with self._client.stream("GET", url, headers=dict(headers)) as answer:
                        yield answer
            except TimeoutError as exc:
                raise TooSlow(f"took longer than {self._config.timeout_s:g} s") from exc
            except (httpx.ReadTimeout, httpx.WriteTimeout) as exc:
                raise TooSlow(f"sent nothing for {self._config.read_timeout_s:g} s") from exc
            except httpx.InvalidURL as exc:
                raise BadRedirect("is no web address", lasting=True) from exc
            except httpx.ConnectTimeout as exc:
                raise Unreachable("cannot be connected to") from exc
            except httpx.ConnectError as exc:
                tls = "certificate" in str(exc).lower() or "ssl" in str(exc).lower()
                raise Unreachable("TLS failed" if tls else "cannot be connected to") from exc
            except httpx.HTTPError as exc:
                raise Unreachable("connection was lost or broke the rules of HTTP") from exc


async def _read(answer: httpx.Response, url: str, types: tuple[str, ...], limit: int) -> Fetched:
    """Check status, type and size, and read the body within the limit."""
    head = answer.headers
    kind = head.get("content-type", "")
    fresh = Validators(url, head.get("etag", ""), head.get("last-modified", ""))
    if answer.status_code == 304:
        return Fetched(url, 304, b"", kind, fresh)
    if answer.status_code != 200:
        raise HttpStatus(answer.status_code, retry_after_s=_retry_after_s(head.get("retry-after", "")))
    plain = kind.split(";")[0].strip().lower()
    if plain and not any(allowed in plain for allowed in types):
        raise WrongType(f"content type {plain[:60]}")
    length = head.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise TooLarge(f"larger than {limit} bytes")
    unpack = Unpacker(head.get("content-encoding", ""), limit)
    body = bytearray()
    sent = 0
    async for part in answer.aiter_raw():
        sent += len(part)
        if sent > limit:
            raise TooLarge(f"larger than {limit} bytes")
        body += unpack.feed(part, limit - len(body))
    unpack.finish()
    return Fetched(url, 200, bytes(body), kind, fresh)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _join(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError as exc:
        raise BadRedirect("redirect to no web address", lasting=True) from exc


def _retry_after_s(value: str) -> float | None:
    """Seconds of a Retry-After header, which holds a number or a date."""
    if value.strip().isdigit():
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
