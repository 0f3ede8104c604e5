"""One run of collecting: from sources to stored articles, with a ledger of what did not get through.

A source that fails costs only itself. A source is remembered as read only when all of it was
handled; what could not be fetched now is asked for again next time. This module knows nothing of
indexes or schedules.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.errors import BusyError, StorageError, UnderstudyError
from engine.secrets import Secret
from ingest.feeds import Entry, read_feed
from ingest.fetch import FEED_TYPES, JSON_TYPES, PAGE_TYPES, Fetcher, Validators, shown
from ingest.fetch_errors import FetchError
from ingest.harvest import Harvester, PageRead, PageResult
from ingest.ledger import Ledger, Stage
from ingest.news_store import Harvest, NewsStore, PageSeen
from ingest.newsapi import key_header, query_url, read_answer
from ingest.pages import read_page
from ingest.robots import Robots
from ingest.settings import NewsConfig

log = logging.getLogger(__name__)

LOCK = "collect.lock"
FULL_WORDS = 150  # an entry with so many words is taken for the whole article


@dataclass(frozen=True, slots=True)
class Collected:
    """What a run did."""

    ledger: Ledger
    new: int
    updated: int
    expired: int
    seconds: float

    @property
    def failed_sources(self) -> int:
        """Sources that brought nothing because of an error."""
        return sum(self.ledger.stages[0].dropped.values())

    def as_json(self) -> dict[str, Any]:
        """JSON-ready."""
        counts = {"new": self.new, "updated": self.updated, "expired": self.expired}
        return {**counts, "seconds": self.seconds, "ledger": self.ledger.as_json()}


def _nothing(_: str) -> None:
    """Progress that nobody watches."""


async def collect(
    config: NewsConfig,
    store: NewsStore,
    feeds: Sequence[str],
    *,
    key: Secret = Secret(""),  # noqa: B008 - it is immutable
    now: datetime | None = None,
    backoff_s: float = 1.0,
    on_source: Callable[[str], None] = _nothing,
) -> Collected:
    """Read all sources once and store what is new or changed.

    Args:
        config: limits and further sources; its feeds replace `feeds` when there are any.
        store: where articles are kept.
        feeds: the persona's own feeds.
        key: of NewsAPI; needed when there are queries.
        now: the time of the run.
        backoff_s: first pause before another try.
        on_source: told each source when it is done.

    Raises:
        BusyError: another run is collecting for this persona.
        StorageError: the store cannot be written.
    """
    started = time.perf_counter()
    with _only_run(store.path.parent):
        async with Fetcher(config, backoff_s=backoff_s) as fetcher:
            run = _Run(config, store, fetcher, key, now or datetime.now(UTC))
            jobs = [run.feed(url) for url in dict.fromkeys(config.feeds or feeds)]
            jobs += [run.search(query) for query in dict.fromkeys(config.newsapi_queries)]
            jobs += [run.page(url) for url in dict.fromkeys(config.pages)]
            done = await asyncio.gather(*(_told(job, on_source) for job in jobs), return_exceptions=True)
            for outcome in done:
                if isinstance(outcome, BaseException):
                    raise outcome
            await run.recheck()
        expired = await asyncio.to_thread(store.expire, run.now, config.max_age_days, config.pages)
    run.ledger.close()
    seconds = round(time.perf_counter() - started, 2)
    new, updated = run.harvester.new, run.harvester.updated
    log.info("news: %d new, %d updated, %d expired, %.1f s", new, updated, expired, seconds)
    return Collected(run.ledger, new, updated, expired, seconds)


async def _told(job: Awaitable[str], on_source: Callable[[str], None]) -> None:
    on_source(await job)


@contextmanager
def _only_run(folder: Path) -> Iterator[None]:
    """Hold the store's lock; the system frees it when the process dies."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except Timeout as exc:
        raise BusyError("News is being collected already; try again when that has finished.") from exc
    except OSError as exc:
        raise StorageError(f"{folder} cannot be written ({exc}); check the disk and its rights.") from exc
    try:
        yield
    finally:
        lock.release()


class _Run:
    """The state of one run: each page and each robots.txt is fetched once at most."""

    def __init__(
        self, config: NewsConfig, store: NewsStore, fetcher: Fetcher, key: Secret, now: datetime
    ) -> None:
        self.now = now
        self.ledger = Ledger()
        self._sources = self.ledger.stage("sources", "sources")
        self._pages = self.ledger.stage("pages", "pages")
        self._entries = self.ledger.stage("entries", "entries")
        self._config, self._store, self._fetcher, self._key = config, store, fetcher, key
        self._robots = Robots(fetcher)
        self._writing = asyncio.Lock()
        self._fetches: dict[str, asyncio.Task[PageResult]] = {}
        self.harvester = Harvester(config, store, self._entries, now)

    async def feed(self, url: str) -> str:
        """One RSS or Atom feed."""
        return await self._guarded(url, self._read_feed(url))

    async def search(self, query: str) -> str:
        """One query to NewsAPI."""
        return await self._guarded(f"newsapi:{query}", self._read_search(query))

    async def page(self, url: str) -> str:
        """One page of the settings."""
        return await self._guarded(url, self._read_own_page(url))

    async def _guarded(self, source: str, work: Awaitable[None]) -> str:
        name = source if source.startswith("newsapi:") else shown(source)
        try:
            await work
            self._sources.keep()
        except FetchError as exc:
            log.warning("%s: %s", name, exc.reason)
            self._sources.drop(exc.reason, name)
        except UnderstudyError:
            raise  # a full disk is not this source's fault
        except Exception as exc:  # whatever a parser raises over one source must not end the others
            log.exception("%s could not be read", name)
            self._sources.drop(f"could not be read ({type(exc).__name__})", name)
        return name

    # --- sources ---------------------------------------------------------------------------

    async def _read_feed(self, url: str) -> None:
        policy = self._config.policy
        before = await asyncio.to_thread(self._store.validators, url, policy)
        got = await self._fetcher.get(url, FEED_TYPES, validators=before)
        if got.unchanged:
            await asyncio.to_thread(self._store.unchanged, url, self.now)
            return
        feed = await asyncio.to_thread(read_feed, got.body, got.content_type, got.url)
        # A malformed feed is read anew next time: it may have been mended without a new ETag.
        await self._take(url, feed.entries, None if feed.malformed else got.validators, feed.cut_off)

    async def _read_search(self, query: str) -> None:
        if not self._key:
            raise FetchError("NEWSAPI_KEY is not set", lasting=True)
        url = query_url(self._config, query)
        got = await self._fetcher.get(url, JSON_TYPES, headers=key_header(self._key))
        await self._take(f"newsapi:{query}", read_answer(got.body), None)

    async def _read_own_page(self, url: str) -> None:
        policy = self._config.policy
        await self._robots.check(url)
        before = await asyncio.to_thread(self._store.validators, url, policy)
        got = await self._fetcher.get(url, PAGE_TYPES, validators=before, allowed=self._robots.check)
        if got.unchanged:
            await asyncio.to_thread(self._store.unchanged, url, self.now)
            return
        page = await asyncio.to_thread(read_page, got.body, got.content_type, got.url)
        harvest = Harvest(url, validators=got.validators, page=True)
        entry = Entry(url, page.url, url, page.title, page.text, page.published_at, page.source)
        await self._write(harvest, [(entry, None)])

    # --- entries ---------------------------------------------------------------------------

    async def _take(
        self, source: str, entries: Sequence[Entry], validators: Validators | None, cut_off: int = 0
    ) -> None:
        """Handle a source's entries, and remember it as read only if each was handled for good."""
        name = source if source.startswith("newsapi:") else shown(source)
        limit = self._config.max_entries
        harvest = Harvest(source)
        async with self._writing:
            if cut_off:
                self._entries.drop("cut off in a malformed feed", name, cut_off)
            if len(entries) > limit:
                self._entries.drop("beyond news.max_entries", name, len(entries) - limit)
            fresh = await asyncio.to_thread(self.harvester.unread, harvest, entries[:limit])
        pages = await asyncio.gather(*(self._page_of(entry) for entry in fresh))
        lost = any(isinstance(page, FetchError) and not page.lasting for page in pages)
        harvest.validators = None if lost else validators
        await self._write(harvest, list(zip(fresh, pages, strict=True)))

    async def _write(self, harvest: Harvest, entries: Sequence[tuple[Entry, PageResult]]) -> None:
        # One at a time: two feeds with the same new article would both take it for theirs.
        async with self._writing:
            await asyncio.to_thread(self.harvester.add_all, harvest, entries)
            await asyncio.to_thread(self._store.write, harvest, self._config.policy, self.now)

    async def _page_of(self, entry: Entry) -> PageResult:
        """The page behind an entry, the reason why there is none, or None where none is needed."""
        wanted = self._config.full_text and entry.link and len(entry.text.split()) < FULL_WORDS
        if not wanted:
            return None
        if entry.link not in self._fetches:
            self._fetches[entry.link] = asyncio.create_task(self._fetch_page(entry.link))
        return await self._fetches[entry.link]

    async def _fetch_page(self, url: str) -> PageResult:
        try:
            read = await self._read(url, None)
        except FetchError as exc:
            self._pages.drop(exc.reason, shown(url))
            return exc
        self._pages.keep()
        return read

    async def _read(self, url: str, before: Validators | None) -> PageRead | None:
        """A page, or None when the server says that it has not changed. Raises FetchError."""
        try:
            await self._robots.check(url)
            got = await self._fetcher.get(url, PAGE_TYPES, validators=before, allowed=self._robots.check)
            if got.unchanged:
                return None
            page = await asyncio.to_thread(read_page, got.body, got.content_type, got.url)
        except FetchError:
            raise
        except Exception as exc:  # as above: one page must not end its feed
            log.exception("%s could not be read", shown(url))
            raise FetchError(f"could not be read ({type(exc).__name__})", lasting=True) from exc
        return PageRead(url, page, got.validators)

    # --- corrections -----------------------------------------------------------------------

    async def recheck(self) -> None:
        """Ask the pages of young articles whether they were corrected while their entries stayed."""
        if not (self._config.full_text and self._config.recheck_days):
            return
        since = self.now - timedelta(days=self._config.recheck_days)
        young = await asyncio.to_thread(self._store.young_pages, since)
        again = [seen for seen in young if seen.asked not in self._fetches]
        if again:
            stage = self.ledger.stage("rechecks", "pages")
            await asyncio.gather(*(self._recheck(seen, stage) for seen in again))

    async def _recheck(self, seen: PageSeen, stage: Stage) -> None:
        try:
            read = await self._read(seen.asked, seen.validators)
        except FetchError as exc:
            stage.drop(exc.reason, shown(seen.asked))
            return
        if read is None:
            stage.drop("unchanged")
            return
        async with self._writing:
            article = await asyncio.to_thread(self.harvester.corrected, seen, read, stage)
            again = replace(seen, validators=read.validators)
            await asyncio.to_thread(self._store.correct, again, article)
