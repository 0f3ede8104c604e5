"""Refreshing: collect and build, in the caller's process and in one of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from feed_server import FeedServer, Item, rss, settings, story
from small_knowledge import WordEmbedder, write_knowledge

from engine.collection import OpenCollection, index_folder, read_live
from engine.config import Config, IndexConfig
from engine.errors import BusyError, RetrievalError
from engine.personas import Persona, load_persona
from engine.types import utc_now
from ingest import refresh as refresh_module
from ingest.index import build_index
from ingest.news_documents import news_documents
from ingest.refresh import _run_child, refresh, refresh_here
from ingest.verify import verify_index

DATE = utc_now().replace(microsecond=0).isoformat()
PERSONA = """id = "ada"
name = "Ada"
system_prompt = "You are Ada."
disclosure = "An AI."
feeds = ["{feed}"]
"""


@pytest.fixture
async def server() -> AsyncIterator[FeedServer]:
    async with FeedServer() as running:
        yield running


@pytest.fixture
def persona(tmp_path: Path, server: FeedServer) -> Persona:
    write_knowledge(tmp_path / "ada" / "knowledge")
    (tmp_path / "ada" / "persona.toml").write_text(PERSONA.format(feed=server.url("/feed")))
    return load_persona(tmp_path / "ada")


def items(server: FeedServer, *topics: str) -> str:
    return rss([Item(f"The {t}", server.url(f"/{t}"), story(t, 20), DATE, t) for t in topics])


async def test_refresh_here_indexes_folder_and_news_and_embeds_only_what_changed(
    server: FeedServer, persona: Persona, config: Config
) -> None:
    embedder = WordEmbedder()
    server.put("/feed", items(server, "bridge", "ferry"))
    first = await refresh_here(config, persona, embedder, news=settings())
    assert (first.new, first.documents, first.failed_sources) == (2, 7, 0)
    embedder.texts.clear()
    server.put("/feed", items(server, "comet", "bridge", "ferry"))
    second = await refresh_here(config, persona, embedder, news=settings())
    assert (second.new, second.documents) == (1, 8)
    assert embedder.texts and all("comet" in text for text in embedder.texts)
    third = await refresh_here(config, persona, embedder, news=settings())
    assert (third.new, third.changed) == (0, False)
    assert [stage["stage"] for stage in third.ledger] == ["sources", "pages", "entries", "articles"]
    assert verify_index(index_folder(config.data_path, "ada")).ok


async def test_refresh_here_takes_expired_news_out_of_the_index(
    server: FeedServer, persona: Persona, config: Config
) -> None:
    old = (utc_now() - timedelta(days=10)).isoformat()
    rows = [
        Item(f"The {t}", server.url(f"/{t}"), story(t, 20), d, t)
        for t, d in (("bridge", old), ("ferry", DATE))
    ]
    server.put("/feed", rss(rows))
    folder = index_folder(config.data_path, "ada")
    kept = await refresh_here(config, persona, WordEmbedder(), news=settings(max_age_days=11))
    assert (kept.new, kept.expired, kept.documents) == (2, 0, 7)
    done = await refresh_here(config, persona, WordEmbedder(), news=settings(max_age_days=9))
    assert (done.new, done.expired, done.documents) == (0, 1, 6)
    collection = OpenCollection(folder, read_live(folder))
    titles = {str(m["title"]) for m in collection.chroma.get(include=["metadatas"])["metadatas"]}
    collection.close()
    assert "The ferry" in titles
    assert "The bridge" not in titles


async def test_refresh_here_cuts_documents_as_the_settings_say(
    server: FeedServer, persona: Persona, config: Config
) -> None:
    server.put("/feed", items(server, "bridge"))
    long = await refresh_here(config, persona, WordEmbedder(), news=settings())
    small = config.model_copy(update={"index": IndexConfig(chunk_tokens=40, overlap_tokens=0)})
    short = await refresh_here(small, persona, WordEmbedder(), news=settings())
    assert short.changed
    assert short.chunks > long.chunks


async def test_refresh_here_with_all_sources_down_keeps_yesterdays_news(
    server: FeedServer, persona: Persona, config: Config
) -> None:
    server.put("/feed", items(server, "bridge"))
    await refresh_here(config, persona, WordEmbedder(), news=settings())
    server.status("/feed", 500)
    report = await refresh_here(config, persona, WordEmbedder(), news=settings(), backoff_s=0.01)
    assert (report.failed_sources, report.documents, report.changed) == (1, 6, False)
    assert "1 sources failed" in report.text


async def test_refresh_here_that_fails_while_building_leaves_the_old_index(
    server: FeedServer, persona: Persona, config: Config
) -> None:
    server.put("/feed", items(server, "bridge"))
    await refresh_here(config, persona, WordEmbedder(), news=settings())
    folder = index_folder(config.data_path, "ada")
    before = read_live(folder)

    class Breaks(WordEmbedder):
        def embed_now(self, texts: object, *, query: bool = False) -> object:  # type: ignore[override]
            raise RetrievalError("out of memory")

    server.put("/feed", items(server, "ferry"))
    with pytest.raises(RetrievalError, match="out of memory"):
        await refresh_here(config, persona, Breaks(), news=settings())  # type: ignore[arg-type]
    assert read_live(folder) == before
    assert verify_index(folder).ok
    report = await refresh_here(config, persona, WordEmbedder(), news=settings())
    assert report.documents == 7  # what was collected before the failure is not lost


async def test_refresh_in_a_child_finds_nothing_new_after_one_here(
    server: FeedServer, persona: Persona, config: Config
) -> None:
    """The child runs for real; the index holds everything already, so it needs no model."""
    server.put("/feed", items(server, "bridge"))

    class Named(WordEmbedder):
        name = "all-MiniLM-L6-v2"

    await refresh_here(config, persona, Named(), news=settings())
    report = await refresh(config, persona, news=settings())
    assert (report.documents, report.changed, report.failed_sources) == (6, False, 0)
    assert server.hits.count("/feed") == 2


async def test_refresh_in_a_child_beside_another_build_is_busy(persona: Persona, config: Config) -> None:
    from filelock import FileLock

    from ingest.index import LOCK

    folder = index_folder(config.data_path, "ada")
    folder.mkdir(parents=True)
    with FileLock(folder / LOCK), pytest.raises(BusyError):
        await refresh(config, persona, news=settings(), fetch=False)


async def test_child_that_dies_or_hangs_is_an_error_and_leaves_no_process(tmp_path: Path) -> None:
    died = ("-c", "import os; os._exit(9)")
    with pytest.raises(RetrievalError, match="exit status 9"):
        await _run_child("{}", 20.0, died)
    note = tmp_path / "pid"
    hangs = ("-c", f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    with pytest.raises(RetrievalError, match="longer than"):
        await _run_child("{}", 1.5, hangs)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


async def test_child_ends_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import threading, time; from ingest.refresh import _end_with_parent; "
        "threading.Thread(target=_end_with_parent, daemon=True).start(); "
        "print('up', flush=True); time.sleep(60)"
    )
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": refresh_module.ROOT},
    )
    assert child.stdin is not None and child.stdout is not None
    assert await child.stdout.readline() == b"up\n"
    child.stdin.close()  # what the system does when the parent is killed
    assert await asyncio.wait_for(child.wait(), 10) == 1


async def test_refresh_cancelled_kills_the_child_and_leaves_the_index(
    server: FeedServer, persona: Persona, config: Config
) -> None:
    build_index(persona.knowledge_path, index_folder(config.data_path, "ada"), WordEmbedder(), persona="ada")
    before = read_live(index_folder(config.data_path, "ada"))
    server.drip("/feed", 0.2)
    task = asyncio.create_task(refresh(config, persona, news=settings(timeout_s=60.0, read_timeout_s=60.0)))
    for _ in range(300):
        if server.hits:
            break
        await asyncio.sleep(0.05)
    assert server.hits == ["/feed"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert read_live(index_folder(config.data_path, "ada")) == before
    # Its lock is free at once, so the child is gone.
    report = await refresh_here(config, persona, WordEmbedder(), news=settings(), fetch=False)
    assert not report.changed


def test_news_cli_collects_and_lists_as_json(tmp_path: Path) -> None:
    """The command itself, on a feed that nobody serves: exit status 1 and the reason in the ledger."""
    import argparse

    from ingest.news_cli import add_parser

    (tmp_path / "ada" / "knowledge").mkdir(parents=True)
    (tmp_path / "ada" / "persona.toml").write_text(PERSONA.format(feed="http://127.0.0.1:9/feed"))
    (tmp_path / "config.toml").write_text('persona = "ada"\n')
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", default=str(tmp_path / "config.toml"))
    add_parser(parser.add_subparsers())
    for argv, status in ((["news", "--json"], 1), (["news", "--list", "--json"], 0), (["news"], 1)):
        args = parser.parse_args(argv)
        assert args.handler(args) == status
    assert news_documents(tmp_path / "data", "ada", tmp_path) == []


def test_news_cli_json_holds_the_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test_news_cli_collects_and_lists_as_json(tmp_path)
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["ledger"][0]["dropped"] == {"private address (set news.allow_private to allow it)": 1}
