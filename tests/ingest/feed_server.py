"""A web server on loopback that serves feeds and pages, well and badly, for the tests of the news."""

from __future__ import annotations

import asyncio
import email.utils
import gzip
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from aiohttp import web

from ingest.settings import NewsConfig

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Item:
    """One entry of a feed."""

    title: str
    link: str = ""
    text: str = ""
    date: str | None = "2026-11-18T09:30:00+00:00"
    guid: str = ""


def rss(items: list[Item], title: str = "Test gazette") -> str:
    """An RSS 2.0 document."""
    rows = []
    for item in items:
        date = ""
        if item.date is not None:
            when = email.utils.format_datetime(datetime.fromisoformat(item.date))
            date = f"<pubDate>{when}</pubDate>"
        guid = f'<guid isPermaLink="false">{escape(item.guid)}</guid>' if item.guid else ""
        link = f"<link>{escape(item.link)}</link>" if item.link else ""
        rows.append(
            f"<item><title>{escape(item.title)}</title>{link}{guid}{date}"
            f"<description>{escape(item.text)}</description></item>"
        )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0"><channel>'
        f"<title>{escape(title)}</title>{''.join(rows)}</channel></rss>"
    )


def page(title: str, text: str, *, date: str = "", canonical: str = "") -> str:
    """An article page with navigation around it."""
    meta = f'<meta property="article:published_time" content="{date}">' if date else ""
    link = f'<link rel="canonical" href="{canonical}">' if canonical else ""
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n"))
    return (
        f'<!doctype html><html><head><meta charset="utf-8"><title>{escape(title)}</title>{meta}{link}</head>'
        "<body><nav><a href='/'>Home</a> <a href='/sport'>Sport</a></nav>"
        f"<article><h1>{escape(title)}</h1>{paragraphs}</article>"
        "<footer>Copyright 2019. All rights reserved.</footer></body></html>"
    )


def story(topic: str, sentences: int = 12) -> str:
    """Text of one topic that resembles no other topic's."""
    verbs = ("opened", "measured", "painted", "counted", "repaired", "followed", "described", "moved")
    return " ".join(
        f"The {topic} council {verbs[n % 8]} {topic}{n} beside the {topic} mill{n} "
        f"on a {verbs[(n * 3) % 8]} day."
        for n in range(sentences)
    )


@dataclass
class FeedServer:
    """Serves what `put` and `route` say; everything else is 404. Enter it to start it."""

    hits: list[str] = field(default_factory=list)
    """Paths in the order of the requests, robots.txt left out."""
    headers: list[dict[str, str]] = field(default_factory=list)
    sent_bytes: int = 0
    """Of the endless body."""
    robots: str | None = None
    base: str = ""

    def __post_init__(self) -> None:
        self._routes: dict[str, Handler] = {}
        self._runner: web.AppRunner | None = None

    def url(self, path: str) -> str:
        """Address of a path."""
        return self.base + path

    def put(
        self, path: str, body: str | bytes, *, type_: str = "application/rss+xml", etag: str = ""
    ) -> None:
        """Serve a document, with 304 where the request already has this etag."""
        data = body.encode() if isinstance(body, str) else body

        async def answer(request: web.Request) -> web.Response:
            head = {"Content-Type": type_, **({"ETag": etag} if etag else {})}
            if etag and request.headers.get("If-None-Match") == etag:
                return web.Response(status=304, headers={"ETag": etag})
            return web.Response(body=data, headers=head)

        self._routes[path] = answer

    def put_page(self, path: str, html: str) -> None:
        """Serve an HTML page."""
        self.put(path, html, type_="text/html; charset=utf-8")

    def status(self, path: str, *codes: int, then: str = "", headers: dict[str, str] | None = None) -> None:
        """Answer with these codes in turn, the last one for ever, or with a document after them."""
        left = list(codes)

        async def answer(_: web.Request) -> web.Response:
            if left and (then or len(left) > 1):
                return web.Response(status=left.pop(0), headers=headers)
            if then:
                return web.Response(text=then, content_type="application/rss+xml")
            return web.Response(status=left[0], headers=headers)

        self._routes[path] = answer

    def redirect(self, path: str, target: str, code: int = 302) -> None:
        """Redirect a path."""

        async def answer(_: web.Request) -> web.Response:
            return web.Response(status=code, headers={"Location": target})

        self._routes[path] = answer

    def drip(self, path: str, pause_s: float) -> None:
        """A slow loris: one byte at a time, for ever."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "application/rss+xml"})
            await response.prepare(request)
            for _ in range(1000):
                await response.write(b" ")
                await asyncio.sleep(pause_s)
            return response

        self._routes[path] = answer

    def endless(self, path: str) -> None:
        """A body of two gigabytes, without a length in front."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "application/rss+xml"})
            response.enable_chunked_encoding()
            await response.prepare(request)
            block = b"x" * 65536
            for _ in range(2 * 1024**3 // len(block)):
                await response.write(block)
                self.sent_bytes += len(block)
            return response

        self._routes[path] = answer

    def packed(self, path: str, body: bytes, encoding: str = "gzip", *, cut: int = 0) -> None:
        """A compressed body, as it is or cut short."""
        raw = zlib.compressobj(wbits=-15)
        data = gzip.compress(body) if encoding == "gzip" else raw.compress(body) + raw.flush()
        data = data[: len(data) - cut] if cut else data

        async def answer(_: web.Request) -> web.Response:
            head = {"Content-Type": "application/rss+xml", "Content-Encoding": encoding}
            return web.Response(body=data, headers=head)

        self._routes[path] = answer

    async def __aenter__(self) -> FeedServer:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, shutdown_timeout=0.2)
        await site.start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/robots.txt":
            if self.robots is None:
                return web.Response(status=404)
            return web.Response(text=self.robots)
        self.hits.append(request.path)
        self.headers.append(dict(request.headers))
        handler = self._routes.get(request.path)
        return await handler(request) if handler else web.Response(status=404)


def settings(**changes: object) -> NewsConfig:
    """Settings for the loopback server: quick, and loopback is allowed."""
    quick = {
        "allow_private": True,
        "per_host_interval_s": 0.0,
        "timeout_s": 5.0,
        "read_timeout_s": 5.0,
        "retries": 1,
        "max_bytes": 200_000,
    }
    return NewsConfig.model_validate({**quick, **changes})
