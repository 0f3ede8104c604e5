"""Web pages by address: robots.txt obeyed, hosts visited at their pace, articles extracted.

Fetching, addresses that may be visited and robots.txt are the fetcher's (`ingest.fetch`,
`ingest.robots`); this module sees them through two small seams.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import urlsplit

from ingest.articles import canonical_url, sane_date
from ingest.extract import Extract
from ingest.fetch import PAGE_TYPES, Fetched
from ingest.fetch_errors import FetchError
from ingest.ledger import Stage
from ingest.pages import read_page

log = logging.getLogger(__name__)

AT_ONCE = 8


class Fetch(Protocol):
    """What fetches a page."""

    async def get(self, url: str, types: tuple[str, ...]) -> Fetched:
        """The answer. Raises FetchError."""


class Rules(Protocol):
    """What a site allows."""

    async def check(self, url: str) -> None:
        """Raises Disallowed or FetchError."""


async def read_pages(
    urls: Iterable[str],
    fetch: Fetch,
    rules: Rules,
    stage: Stage,
    done: Callable[[Extract | None], None] | None = None,
) -> list[Extract]:
    """The articles of pages, in the order of their addresses.

    Args:
        urls: http or https; those that mean the same page are read once.
        fetch: paces its hosts itself.
        rules: robots.txt.
        stage: counts pages.
        done: called after each page, with its article where there is one.

    Returns:
        one extract for each page that could be read.
    """
    gate = asyncio.Semaphore(AT_ONCE)
    wanted: dict[str, str] = {}
    for url in urls:
        key = canonical_url(url)
        if not key:
            stage.drop("is no web address", url[:200])
        elif key in wanted:
            stage.drop("same page again", url[:200])
        else:
            wanted[key] = url

    async def one(url: str) -> Extract | None:
        async with gate:
            found = await _read(url, fetch, rules, stage)
        if done is not None:
            done(found)
        return found

    return [e for e in await asyncio.gather(*map(one, wanted.values())) if e is not None]


async def _read(url: str, fetch: Fetch, rules: Rules, stage: Stage) -> Extract | None:
    shown = url.split("?", 1)[0]
    try:
        await rules.check(url)
        answer = await fetch.get(url, PAGE_TYPES)
        if answer.url != url:
            await rules.check(answer.url)  # a redirect may lead to where robots are not wanted
        page = await asyncio.to_thread(read_page, answer.body, answer.content_type, answer.url)
    except FetchError as exc:
        stage.drop(exc.reason, shown)
        return None
    stage.keep()
    log.info("page read: %s", shown)
    host = urlsplit(page.url or answer.url).hostname or ""
    return Extract(
        name=url,
        title=page.title or host,
        text=page.text,
        published_at=sane_date(page.published_at, datetime.now(UTC)),
        url=page.url or answer.url,
        source=page.source or host,
    )
