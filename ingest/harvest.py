"""From a source's entries, and the pages behind them, to articles under lasting keys.

The key is what makes an update an update: an article is recognised by its entry's name in the feed
and by every address that ever led to it. This module knows nothing of HTTP or markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ingest.articles import MIN_WORDS, Article, sane_date, url_key, word_count
from ingest.feeds import Entry
from ingest.fetch import Validators, shown
from ingest.fetch_errors import FetchError
from ingest.fold import same_report
from ingest.ledger import Stage
from ingest.news_store import Finding, Harvest, NewsStore, PageSeen, Seen
from ingest.pages import Page
from ingest.settings import NewsConfig

TITLE_WORDS = 10
LOST = 0.5
"""A page that lost more than this part of its words was not corrected but taken away."""


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page that was fetched for an entry."""

    asked: str
    """The address as the entry gives it."""
    page: Page
    validators: Validators


PageResult = PageRead | FetchError | None


class Harvester:
    """Turns entries into findings and counts what does not become one. Blocks: it reads the store.

    Args:
        config: what is kept.
        store: what was found before.
        stage: the ledger's stage of entries.
        now: the time of the run.
    """

    def __init__(self, config: NewsConfig, store: NewsStore, stage: Stage, now: datetime) -> None:
        self._config, self._store, self._stage, self._now = config, store, stage, now
        self.new = 0
        self.updated = 0

    def unread(self, harvest: Harvest, entries: Sequence[Entry]) -> list[Entry]:
        """The entries that are new or changed; the others are noted in the harvest as still listed."""
        seen = self._store.seen(harvest.source)
        fresh: list[Entry] = []
        names: set[str] = set()
        for entry in entries:
            before = seen.get(entry.name)
            if not entry.name or entry.name in names:
                self._stage.drop("stands twice in its source" if entry.name else "is empty", _place(harvest))
            elif before is not None and before.digest == entry.digest:
                harvest.listed.append(entry.name)
                self._stage.drop("unchanged")
            elif before is None and self._too_old(sane_date(entry.published_at, self._now)):
                self._stage.drop(f"older than {self._config.max_age_days:g} days")
            else:
                fresh.append(entry)
            names.add(entry.name)
        return fresh

    def add_all(self, harvest: Harvest, entries: Sequence[tuple[Entry, PageResult]]) -> None:
        """Add a finding for each entry that is an article, in order, so that keys never depend on luck."""
        seen = self._store.seen(harvest.source)
        taken = {seen[name].key: name for name in harvest.listed if name in seen}
        for entry, page in entries:
            article = self._article(entry, page)
            why = self._refusal(article)
            if why:
                self._stage.drop(why, shown(entry.url) if entry.url else _place(harvest))
                continue
            key = self._key(harvest.source, entry, article, seen, taken)
            taken[key] = entry.name
            harvest.findings.append(self._finding(harvest, entry, page, article, key))

    def corrected(self, seen: PageSeen, read: PageRead, stage: Stage) -> Article | None:
        """The stored article with what its page says now; None where that is nothing new."""
        old = self._store.article(seen.key)
        if old is None:
            stage.drop("expired meanwhile", shown(seen.asked))
            return None
        text = read.page.text
        if word_count(text) < max(MIN_WORDS, (1.0 - LOST) * word_count(old.text)):
            stage.drop("lost most of its text", shown(seen.asked))
            return None
        if text == old.text:
            stage.drop("unchanged")
            return None
        stage.keep()
        self.updated += 1
        published = old.published_at or sane_date(read.page.published_at, self._now)
        return replace(old, text=text, published_at=published)

    # --- one entry -------------------------------------------------------------------------

    def _article(self, entry: Entry, result: PageResult) -> Article:
        """What entry and page say together; its key is not told yet."""
        page = result.page if isinstance(result, PageRead) else Page(entry.url, "", "", None, "")
        text = max(entry.text, page.text, key=word_count)
        published = sane_date(entry.published_at, self._now) or sane_date(page.published_at, self._now)
        title = entry.title or page.title or " ".join(text.split()[:TITLE_WORDS])
        return Article("", page.url or entry.url, title, text, published, entry.source or page.source)

    def _refusal(self, article: Article) -> str:
        if word_count(article.text) < MIN_WORDS:
            return f"has fewer than {MIN_WORDS} words"
        if article.published_at is None and self._config.undated == "refuse":
            return "undated"
        return ""

    def _key(
        self, source: str, entry: Entry, article: Article, seen: dict[str, Seen], taken: dict[str, str]
    ) -> str:
        """The key that the article has, or gets. Two entries of one source never share one."""
        names = [f"url:{url_key(url)}" for url in (article.url, entry.url) if url]
        own = f"entry:{source}|{entry.name}"
        before = seen.get(entry.name)
        known = [before.key] if before and self._continues(before.key, article) else []
        found = self._store.find([*names, own])
        for key in (*known, *([found] if found else []), *names):
            if taken.get(key, entry.name) == entry.name:
                return key
        return own

    def _continues(self, key: str, article: Article) -> bool:
        """Whether an entry of the same name is still the same article: some feeds use names again."""
        old = self._store.article(key)
        if old is None:
            return True
        moved = not old.url or not article.url or url_key(old.url) != url_key(article.url)
        return not moved or old.title == article.title or same_report(old.text, article.text)

    def _finding(
        self, harvest: Harvest, entry: Entry, page: PageResult, article: Article, key: str
    ) -> Finding:
        old = self._store.article(key)
        text = article.text
        passing = isinstance(page, FetchError) and not page.lasting
        if isinstance(page, FetchError) and old is not None and word_count(old.text) > word_count(text):
            text = old.text  # better the article of yesterday than the summary of today
        stored = Article(key, article.url, article.title, text, article.published_at, article.source)
        expired = not harvest.page and self._too_old(article.published_at)
        if expired:
            self._stage.drop(f"older than {self._config.max_age_days:g} days")
        else:
            self._stage.keep()
            self.new += old is None
            self.updated += old is not None and old != stored
        aliases = tuple(dict.fromkeys(f"url:{url_key(url)}" for url in (article.url, entry.url) if url))
        # Only a page whose text was taken is asked again whether it was corrected.
        read = isinstance(page, PageRead) and page.page.text == text
        seen = PageSeen(key, page.asked, page.validators) if read and isinstance(page, PageRead) else None
        return Finding(entry.name, "" if passing else entry.digest, stored, aliases, expired, seen)

    def _too_old(self, published_at: datetime | None) -> bool:
        limit = timedelta(days=self._config.max_age_days)
        return bool(limit and published_at and published_at < self._now - limit)


def _place(harvest: Harvest) -> str:
    """The source's name for the ledger, without what keys its address may carry."""
    return harvest.source if harvest.source.startswith("newsapi:") else shown(harvest.source)
