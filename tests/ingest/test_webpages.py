"""Pages by address: robots.txt first, redirects checked again, every address counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from ingest.extract import Extract
from ingest.fetch import Fetched, Fetcher, Validators
from ingest.fetch_errors import FetchError, HttpStatus, WrongType
from ingest.ledger import Stage
from ingest.webpages import read_pages

Allowed = Callable[[str], Awaitable[None]]
TEXT = "The ferry crosses the river every morning and carries letters, hens and one tired mule. " * 5


def article(title: str, date: str = "") -> bytes:
    meta = f"<meta property='article:published_time' content='{date}'>" if date else ""
    page = (
        f"<html><head><title>{title}</title>{meta}</head><body><article><p>{TEXT}</p></article></body></html>"
    )
    return page.encode()


class Web:
    """A fetcher over fixed answers that records what was asked for."""

    def __init__(self, pages: dict[str, bytes | FetchError], moved: dict[str, str] | None = None) -> None:
        self.pages, self.moved = pages, moved or {}
        self.asked: list[str] = []
        self.delays: list[float] = []

    async def get(
        self,
        url: str,
        types: tuple[str, ...],
        *,
        max_bytes: int | None = None,
        allowed: Allowed | None = None,
    ) -> Fetched:
        self.asked.append(url)
        at = self.moved.get(url, url)
        if at != url and allowed is not None:
            await allowed(at)
        body = self.pages.get(at, HttpStatus(404))
        if isinstance(body, FetchError):
            raise body
        kind = "text/plain" if at.endswith(".txt") else "text/html"
        return Fetched(at, 200, body, kind, Validators(at))

    def slow_down(self, url: str, interval_s: float) -> None:
        self.delays.append(interval_s)


async def read(web: Web, *urls: str) -> tuple[list[Extract], Stage]:
    stage = Stage("pages")
    found = await read_pages(urls, cast(Fetcher, web), stage)
    assert stage.came_in == stage.went_out + sum(stage.dropped.values()) == len(urls)
    return found, stage


async def test_read_pages_obeys_robots_and_never_fetches_the_forbidden() -> None:
    robots = b"User-agent: *\nDisallow: /private\nCrawl-delay: 3\n"
    web = Web({"https://a.org/robots.txt": robots, "https://a.org/ferry": article("Ferry", "2024-05-06")})
    found, stage = await read(web, "https://a.org/ferry", "https://a.org/private/x")
    (page,) = found
    assert (page.title, page.url, page.source) == ("Ferry", "https://a.org/ferry", "a.org")
    assert page.published_at is not None and page.published_at.isoformat()[:10] == "2024-05-06"
    assert dict(stage.dropped) == {"robots.txt forbids it": 1}
    assert "https://a.org/private/x" not in web.asked
    assert web.delays == [3.0] and web.asked.count("https://a.org/robots.txt") == 1


async def test_read_pages_undated_page_has_no_date() -> None:
    (page,), _ = await read(Web({"https://a.org/x": article("X")}), "https://a.org/x")
    assert page.published_at is None


async def test_read_pages_robots_that_cannot_be_read_forbid_everything() -> None:
    web = Web({"https://a.org/robots.txt": HttpStatus(503), "https://a.org/x": article("X")})
    found, stage = await read(web, "https://a.org/x")
    assert found == [] and dict(stage.dropped) == {"robots.txt cannot be read now": 1}


async def test_read_pages_redirect_to_a_forbidden_place_is_dropped() -> None:
    pages = {"https://b.org/robots.txt": b"User-agent: *\nDisallow: /\n", "https://b.org/y": article("Y")}
    web = Web(dict(pages), {"https://a.org/x": "https://b.org/y"})
    found, stage = await read(web, "https://a.org/x")
    assert found == [] and dict(stage.dropped) == {"robots.txt forbids it": 1}


async def test_read_pages_repeats_and_failures_are_counted_and_others_go_on() -> None:
    web = Web({"https://a.org/x": article("X"), "https://a.org/v": WrongType("content type video/mp4")})
    urls = (
        "https://a.org/x?utm_source=m",
        "https://a.org/x",
        "https://a.org/gone",
        "ftp://a.org/x",
        "https://a.org/v",
    )
    web.pages["https://a.org/x?utm_source=m"] = article("X")
    found, stage = await read(web, *urls)
    assert [page.url for page in found] == ["https://a.org/x"]
    assert dict(stage.dropped) == {
        "same page again": 1,
        "HTTP 404": 1,
        "is no web address": 1,
        "content type video/mp4": 1,
    }
