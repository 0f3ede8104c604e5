"""What robots.txt allows, read once a run for each site.

A site without one allows everything; one whose robots.txt cannot be read now is left alone until
the next run. This module knows nothing of what is fetched afterwards.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from ingest.charsets import decode
from ingest.fetch import AGENT, TEXT_TYPES, Fetcher
from ingest.fetch_errors import AddressRefused, Disallowed, FetchError, HttpStatus, TooLarge, WrongType

MAX_BYTES = 500_000
MAX_DELAY_S = 20.0  # a longer Crawl-delay would stop the night's run


class Robots:
    """Asks each site once.

    Args:
        fetcher: an entered Fetcher; its pace follows a Crawl-delay.
    """

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._sites: dict[str, asyncio.Task[RobotFileParser]] = {}

    async def check(self, url: str) -> None:
        """Raises Disallowed when the page may not be fetched, FetchError when the site is down."""
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        if site not in self._sites:
            self._sites[site] = asyncio.create_task(self._load(site))
        rules = await asyncio.shield(self._sites[site])
        if not rules.can_fetch(AGENT, url):
            raise Disallowed("robots.txt forbids it", lasting=True)

    async def _load(self, site: str) -> RobotFileParser:
        rules = RobotFileParser()
        try:
            answer = await self._fetcher.get(f"{site}/robots.txt", TEXT_TYPES, max_bytes=MAX_BYTES)
        except AddressRefused:
            raise
        except (WrongType, TooLarge):
            rules.parse([])  # some other page under this name says nothing
            return rules
        except HttpStatus as exc:
            if exc.status == 429 or exc.status >= 500:
                raise FetchError("robots.txt cannot be read now") from exc
            rules.parse([])
            return rules
        except FetchError as exc:
            raise FetchError("robots.txt cannot be read now") from exc
        rules.parse(decode(answer.body, answer.content_type).splitlines())
        delay = rules.crawl_delay(AGENT)
        if delay:
            self._fetcher.slow_down(site, min(float(delay), MAX_DELAY_S))
        return rules
