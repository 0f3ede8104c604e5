"""Collecting the news and rebuilding the index, in a process of its own.

    refresh()  ──►  python -m ingest.refresh  ──►  collect, then build beside the live index, swap

The bot's process only waits: fetching, parsing and embedding never hold its interpreter's lock, and
a child that is killed at any moment leaves the live index whole. The child ends when its parent
does. This module knows nothing of when a refresh is due.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.config import Config
from engine.embedder import Embedder, TextEmbedder, embedder_ref
from engine.errors import BusyError, ConfigError, RetrievalError, StorageError, UnderstudyError
from engine.personas import Persona, load_persona
from engine.secrets import Secret
from ingest.settings import NewsConfig, chunking, news_config

log = logging.getLogger(__name__)

NICENESS = 10  # replies come first
STOP_S = 5.0
ROOT = str(Path(__file__).resolve().parents[1])
ERRORS = {cls.__name__: cls for cls in (BusyError, ConfigError, RetrievalError, StorageError)}


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What a refresh did."""

    new: int
    updated: int
    expired: int
    failed_sources: int
    documents: int
    chunks: int
    embedded: int
    reused: int
    refused: int
    changed: bool
    """False when the index held all of it already."""
    seconds: float
    ledger: list[dict[str, Any]]
    """Stage by stage: what came in, what went out, and why the rest did not."""

    @property
    def text(self) -> str:
        """Two sentences for an operator."""
        failed = f", {self.failed_sources} sources failed (see the log)" if self.failed_sources else ""
        refused = f", {self.refused} refused (see the log)" if self.refused else ""
        return (
            f"News: {self.new} new, {self.updated} updated, {self.expired} expired{failed}. "
            f"Knowledge: {self.documents} documents in {self.chunks} passages, {self.embedded} embedded, "
            f"{self.reused} reused{refused}, {self.seconds:.1f} s."
        )


# --- in this process ------------------------------------------------------------------------


async def refresh_here(
    config: Config,
    persona: Persona,
    embedder: TextEmbedder,
    *,
    news: NewsConfig | None = None,
    key: Secret = Secret(""),  # noqa: B008 - it is immutable
    fetch: bool = True,
    only_if_changed: bool = True,
    backoff_s: float = 1.0,
) -> RefreshReport:
    """Collect, then build; for a command or the child, since embedding slows what runs beside it.

    Args:
        config: where the data are, and which Chroma.
        persona: whose feeds and knowledge.
        embedder: used on a thread of its own.
        news: limits and sources; the default is the configuration's section.
        key: of NewsAPI.
        fetch: False builds from what was collected before.
        only_if_changed: keep a live index that holds all of it already.
        backoff_s: first pause before a fetch is tried again.

    Raises:
        UnderstudyError: the store or the index cannot be written, or another refresh runs; the
            live index goes on serving.
    """
    from engine.collection import index_folder
    from ingest.index import build_index
    from ingest.ledger import Ledger
    from ingest.news import collect
    from ingest.news_documents import news_documents
    from ingest.news_store import NewsStore, news_file

    started = time.perf_counter()
    settings = news or news_config(config)
    collected = None
    if fetch:
        store = NewsStore(news_file(config.data_path, persona.id))
        collected = await collect(settings, store, persona.feeds, key=key, backoff_s=backoff_s)
    ledger = collected.ledger if collected else Ledger()
    knowledge = persona.knowledge_path
    extra = await asyncio.to_thread(news_documents, config.data_path, persona.id, knowledge, ledger)
    built = await asyncio.to_thread(
        build_index,
        knowledge,
        index_folder(config.data_path, persona.id),
        embedder,
        persona=persona.id,
        url=config.retriever.url,
        chunking=chunking(config),
        only_if_changed=only_if_changed,
        extra=extra,
    )
    return RefreshReport(
        new=collected.new if collected else 0,
        updated=collected.updated if collected else 0,
        expired=collected.expired if collected else 0,
        failed_sources=collected.failed_sources if collected else 0,
        documents=built.documents,
        chunks=built.chunks,
        embedded=built.embedded,
        reused=built.reused,
        refused=len(built.refused),
        changed=built.changed,
        seconds=round(time.perf_counter() - started, 2),
        ledger=ledger.as_json(),
    )


# --- in a child -----------------------------------------------------------------------------


async def refresh(
    config: Config,
    persona: Persona,
    *,
    news: NewsConfig | None = None,
    key: Secret = Secret(""),  # noqa: B008 - it is immutable
    fetch: bool = True,
    only_if_changed: bool = True,
) -> RefreshReport:
    """The same in a process of low priority. Cancelling it kills the process.

    Raises:
        UnderstudyError: as `refresh_here`; RetrievalError also when the process dies or takes
            longer than `news.refresh_timeout_s`.
    """
    settings = news or news_config(config)
    job = {
        "config": config.model_dump(mode="json"),
        "root": str(config.root),
        "persona": str(persona.folder),
        "news": settings.model_dump(mode="json"),
        "key": key.reveal(),  # by pipe: arguments and environment can be read by others
        "fetch": fetch,
        "only_if_changed": only_if_changed,
    }
    answer = await _run_child(json.dumps(job), settings.refresh_timeout_s)
    if "error" in answer:
        raise ERRORS.get(str(answer["type"]), RetrievalError)(str(answer["error"]))
    return RefreshReport(**answer)


async def _run_child(job: str, timeout_s: float, module: Sequence[str] = ("-m", "ingest.refresh")) -> Any:
    """Start the child, hand it the job and read its answer, one line of JSON."""
    paths = [ROOT, *filter(None, [os.environ.get("PYTHONPATH", "")])]
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        async with asyncio.timeout(timeout_s):
            with suppress(ConnectionError):  # it died at once: the missing answer tells
                child.stdin.write(job.encode() + b"\n")
                await child.stdin.drain()
            line = await child.stdout.readline()
            child.stdin.close()  # only now: an open pipe tells the child that its parent lives
            if not line:
                await child.wait()  # for its exit status
        with suppress(TimeoutError):  # the answer is there: how it ends matters no more
            await asyncio.wait_for(child.wait(), STOP_S)
    except TimeoutError as exc:
        raise RetrievalError(
            f"The refresh took longer than {timeout_s:.0f} s and was stopped; the old index goes on serving. "
            "Allow more with news.refresh_timeout_s."
        ) from exc
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    try:
        return json.loads(line)
    except ValueError as exc:
        raise RetrievalError(
            f"The refresh died (exit status {child.returncode}); the old index goes on serving. "
            "Its last words are in the log."
        ) from exc


def main() -> int:
    """The child: one JSON line in, one out; logs go to stderr."""
    with suppress(OSError, AttributeError):  # Windows has no such call
        os.nice(NICENESS)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    job = json.loads(sys.stdin.readline())
    level = job["config"]["log"]["level"]
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    )
    for name in ("httpx", "httpcore", "trafilatura", "sentence_transformers", "chromadb"):
        logging.getLogger(name).setLevel(logging.WARNING)  # some log addresses with their keys
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        answer = asdict(asyncio.run(_work(job)))
    except UnderstudyError as exc:
        answer = {"error": str(exc), "type": type(exc).__name__}
    except Exception as exc:  # the parent must hear of it, whatever it is
        log.exception("refresh failed")
        answer = {"error": f"The refresh failed ({type(exc).__name__}); see the log.", "type": ""}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
    return 0


async def _work(job: dict[str, Any]) -> RefreshReport:
    config = Config.model_validate({**job["config"], "root": job["root"]})
    embedder = Embedder(embedder_ref(config))
    try:
        return await refresh_here(
            config,
            load_persona(Path(job["persona"])),
            embedder,
            news=NewsConfig.model_validate(job["news"]),
            key=Secret(job["key"]),
            fetch=job["fetch"],
            only_if_changed=job["only_if_changed"],
        )
    finally:
        embedder.close()


def _end_with_parent() -> None:
    """The pipe ends when the parent is gone. Ending at any moment is safe, so nothing is tidied up."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
