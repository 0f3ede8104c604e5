"""Web pages by address: robots.txt obeyed, hosts visited at their pace, articles extracted, each once.

How pages are fetched, paced and limited is the fetcher's (`ingest.fetch`), what robots.txt says
`ingest.robots`'s, and what was read before `ingest.page_store`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from ingest.articles import canonical_url, sane_date
from ingest.extract import Extract
from ingest.fetch import PAGE_TYPES, Fetcher, shown
from ingest.fetch_errors import FetchError
from ingest.ledger import Stage
from ingest.page_store import PageStore
from ingest.pages import read_page
from ingest.robots import Robots

log = logging.getLogger(__name__)

AT_ONCE = 8


async def read_pages(
    urls: Iterable[str],
    fetcher: Fetcher,
    stage: Stage,
    *,
    store: PageStore | None = None,
    done: Callable[[], None] = lambda: None,
) -> list[Extract]:
    """The articles of pages, in the order of their addresses.

    Args:
        urls: http or https; those that mean the same page are read once.
        fetcher: entered; paces its hosts itself.
        stage: counts pages.
        store: pages of earlier runs, which are not fetched again; new ones are added as they come.
        done: called after each page.

    Returns:
        one extract for each page that could be read, now or earlier.

    Raises:
        StorageError: the store cannot be written.
    """
    robots = Robots(fetcher)
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

    async def one(key: str, url: str) -> Extract | None:
        found = store.get(key) if store is not None else None
        if found is not None:
            stage.keep()
        else:
            async with gate:
                found = await _read(url, fetcher, robots, stage)
            if found is not None and store is not None:
                store.add(key, found)
        done()
        return found

    found = await asyncio.gather(*(one(key, url) for key, url in wanted.items()))
    return [page for page in found if page is not None]


async def _read(url: str, fetcher: Fetcher, robots: Robots, stage: Stage) -> Extract | None:
    try:
        await robots.check(url)
        answer = await fetcher.get(url, PAGE_TYPES, allowed=robots.check)
        page = await asyncio.to_thread(read_page, answer.body, answer.content_type, answer.url)
    except FetchError as exc:
        stage.drop(exc.reason, shown(url))
        return None
    stage.keep()
    log.info("page read: %s", shown(url))
    host = urlsplit(page.url or answer.url).hostname or ""
    return Extract(
        name=url,
        title=page.title or host,
        text=page.text,
        published_at=sane_date(page.published_at, datetime.now(UTC)),
        url=page.url or answer.url,
        source=page.source or host,
    )
