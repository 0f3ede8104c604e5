"""The retriever over Chroma: embed the question, fetch, rerank.

It follows the pointer `live.json`, so a refreshed index answers from the next question on, without
a restart. All Chroma calls run on one thread of its own. It does not know how an index is built,
nor what is done with the passages.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.collection import REBUILD, OpenCollection, Stamp, chroma_errors, read_live, stamp
from engine.config import RetrieverConfig
from engine.embedder import TextEmbedder, Vectors
from engine.errors import RetrievalError
from engine.rerank import Candidate, rerank
from engine.types import Passage

log = logging.getLogger(__name__)

CHROMA_INCLUDES = ["documents", "metadatas", "distances"]
_YOU = re.compile(r"\byou(r|rs|rself)?\b", re.IGNORECASE)


class ChromaRetriever:
    """Finds passages in the live collection.

    Args:
        config: the retriever section.
        folder: the persona's index folder (`engine.collection.index_folder`).
        embedder: shared with the index builder; its owner closes it.
        speaker: the persona's name: "Where were you born?" is then also asked of Mark Twain, and a
            passage counts with the better of both similarities.
    """

    def __init__(
        self, config: RetrieverConfig, folder: Path, embedder: TextEmbedder, speaker: str = ""
    ) -> None:
        self._config = config
        self._folder = folder
        self._embedder = embedder
        self._speaker = speaker
        self._executor: ThreadPoolExecutor | None = None
        self._closed = False
        self._open: OpenCollection | None = None  # these two: touched by the index thread only
        self._stamp: Stamp | None = None

    async def start(self) -> None:
        """Warm up, so that the first question is quick. A broken index is logged, not raised."""
        try:
            await self.search("warm-up", datetime.now().astimezone())
        except RetrievalError as exc:
            log.warning("retrieval is not ready: %s", exc)

    async def close(self) -> None:
        """Release the collection and the thread; the embedder is its owner's. Idempotent."""
        self._closed = True
        executor, self._executor = self._executor, None
        if executor is not None:
            await asyncio.get_running_loop().run_in_executor(executor, self._release)
            executor.shutdown(wait=True)

    async def search(self, query: str, now: datetime) -> Sequence[Passage]:
        """The best passages for a question.

        Args:
            query: a standalone question.
            now: the moment that ages are counted from, timezone-aware.

        Returns:
            at most k passages, best score first; empty when nothing is similar enough.

        Raises:
            RetrievalError: the index is missing, broken or of another embedder.
        """
        if not query.strip():
            return ()
        started = time.perf_counter()
        asked = [query]
        if self._speaker and _YOU.search(query):
            asked.append(f"{self._speaker}: {query}")
        vectors = await self._embedder.embed(asked, query=True)
        embedded = time.perf_counter()
        loop = asyncio.get_running_loop()
        candidates = await loop.run_in_executor(self._thread(), self._fetch, vectors)
        passages = rerank(candidates, self._config, now)
        log.info(
            "retrieved %d of %d: embed %.0f ms, search %.0f ms",
            len(passages),
            len(candidates),
            (embedded - started) * 1000,
            (time.perf_counter() - embedded) * 1000,
        )
        return passages

    def _thread(self) -> ThreadPoolExecutor:
        if self._closed:
            raise RetrievalError("The retriever is closed; start the service again.")
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="understudy-index")
        return self._executor

    # --- on the index thread ---------------------------------------------------------------

    def _fetch(self, vectors: Vectors) -> list[Candidate]:
        fresh = self._open is None
        try:
            return self._query(vectors)
        except RetrievalError:
            # A client that was open may have outlived its folder or its connection: once anew.
            self._release()
            if fresh:
                raise
            return self._query(vectors)

    def _query(self, vectors: Vectors) -> list[Candidate]:
        collection = self._follow()
        best: dict[str, Candidate] = {}
        with chroma_errors("searching"):
            found = collection.chroma.query(
                query_embeddings=vectors,  # (Q, D): one question, asked in Q ways
                n_results=self._config.k * self._config.overfetch,
                include=CHROMA_INCLUDES,
            )
            columns = (found["ids"], found["documents"], found["metadatas"], found["distances"])
            for answers in zip(*columns, strict=True):
                for row in zip(*answers, strict=True):
                    candidate = _candidate(*row)
                    known = best.get(candidate.passage.id)
                    if known is None or candidate.passage.similarity > known.passage.similarity:
                        best[candidate.passage.id] = candidate
        return list(best.values())

    def _follow(self) -> OpenCollection:
        """The live collection, opened anew when the pointer was swapped."""
        now = stamp(self._folder)
        if self._open is not None and now == self._stamp:
            return self._open
        self._release()
        live = read_live(self._folder)
        if live.url != self._config.url:
            where = live.url or "the data folder"
            raise RetrievalError(
                f"The knowledge index was built in {where}, not where config.toml says; {REBUILD}."
            )
        if live.embedder != self._embedder.name:
            raise RetrievalError(
                f"The knowledge index was built with the embedder {live.embedder}, "
                f"config.toml names {self._embedder.name}; {REBUILD}."
            )
        self._open, self._stamp = OpenCollection(self._folder, live), now
        log.info("collection %s with %d chunks is live", live.collection, live.chunks)
        return self._open

    def _release(self) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            opened.close()


def _candidate(id_: str, text: str, meta: dict[str, Any], distance: float) -> Candidate:
    published = str(meta.get("published_at") or "")
    passage = Passage(
        text=text,
        title=str(meta["title"]),
        url=str(meta.get("url") or ""),
        published_at=datetime.fromisoformat(published) if published else None,
        similarity=1.0 - float(distance),
        id=id_,
    )
    return Candidate(passage, str(meta["doc_id"]), str(meta["digest"]))
