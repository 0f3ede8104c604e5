"""The running service's knowledge: the index at start, the nightly news, `/admin news refresh`.

Part of the composition root: it alone joins the bot to ingest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.config import Config
from engine.errors import BusyError, RetrievalError, StorageError
from engine.personas import Persona
from engine.secrets import Secret

if TYPE_CHECKING:
    from engine.embedder import Embedder
    from engine.retriever import ChromaRetriever
    from ingest.refresh import RefreshReport
    from ingest.schedule import NightlyRefresh

log = logging.getLogger(__name__)


class Knowledge:
    """Keeps a persona's index fresh.

    Args:
        config: where the index is, and `[news]`.
        persona: whose knowledge.
        embedder, retriever: the service's own.
        key: NewsAPI's, or empty.
        say: where progress is told to the operator.
    """

    def __init__(
        self,
        config: Config,
        persona: Persona,
        embedder: Embedder,
        retriever: ChromaRetriever,
        key: Secret,
        say: Callable[[str], None],
    ) -> None:
        self._config = config
        self._persona = persona
        self._embedder = embedder
        self._retriever = retriever
        self._key = key
        self._say = say
        self._nightly: NightlyRefresh | None = None

    async def index(self) -> None:
        """Index what is on disk; a failure leaves the service with the index it had."""
        from engine.collection import index_folder
        from ingest.index import build_index
        from ingest.news_documents import news_documents
        from ingest.settings import chunking

        data, persona = self._config.data_path, self._persona
        try:
            news = await asyncio.to_thread(news_documents, data, persona.id, persona.knowledge_path)
            ledger = await asyncio.to_thread(
                build_index,
                persona.knowledge_path,
                index_folder(data, persona.id),
                self._embedder,
                persona=persona.id,
                url=self._config.retriever.url,
                chunking=chunking(self._config),
                only_if_changed=True,
                extra=news,
            )
        except (BusyError, RetrievalError, StorageError) as exc:
            self._say(f"No fresh knowledge index: {exc}")
            return
        refused = f", {len(ledger.refused)} refused (see the log)" if ledger.refused else ""
        self._say(f"Knowledge: {ledger.documents} documents in {ledger.chunks} passages{refused}.")
        await self._retriever.start()

    async def start_nightly(self) -> None:
        """Collect news every night, when there is a source to collect from."""
        news = self._config.news
        sources = news.feeds or news.pages or news.newsapi_queries or self._persona.feeds
        if not (news.enabled and sources):
            self._say("No news sources: set feeds in persona.toml or config.toml (docs/news.md).")
            return
        from ingest.schedule import NightlyRefresh, schedule_file

        path = schedule_file(self._config.data_path, self._persona.id)
        self._nightly = NightlyRefresh(self._collect, path, news)
        await self._nightly.start()
        self._say(f"News is collected at {news.hour:02d}:{news.minute:02d} every night.")

    async def refresh_now(self) -> str:
        """Collect and index at once. Raises BusyError while another refresh runs."""
        report = await (self._nightly.run_now() if self._nightly else self._collect())
        return str(report.text)

    async def status(self) -> dict[str, Any]:
        """What the index holds and when news comes. Raises RetrievalError when there is no index."""

        def read() -> dict[str, Any]:
            from engine.collection import index_folder, read_live

            live = read_live(index_folder(self._config.data_path, self._persona.id))
            parts = {"documents": live.documents, "passages": live.chunks, "built_at": str(live.built_at)}
            return {**parts, "nightly": self._nightly.status()} if self._nightly else parts

        return await asyncio.to_thread(read)

    async def close(self) -> None:
        """End the schedule and what it runs. Idempotent."""
        nightly, self._nightly = self._nightly, None
        if nightly is not None:
            await nightly.close()

    async def _collect(self) -> RefreshReport:
        from ingest.refresh import refresh

        return await refresh(self._config, self._persona, key=self._key)
