"""The retriever over real Chroma: what it finds, how it follows a refresh, how it fails."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from small_knowledge import WordEmbedder, news, real_embedder, write_knowledge

from engine.collection import POINTER, chroma_errors, index_folder, read_live, write_live
from engine.config import RetrieverConfig
from engine.errors import RetrievalError
from engine.retriever import ChromaRetriever
from engine.types import Retriever
from ingest.index import build_index

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index of the small knowledge, made with the word embedder."""
    folder = index_folder(tmp_path / "data", "ada")
    build_index(write_knowledge(tmp_path / "knowledge"), folder, WordEmbedder(), persona="ada")
    return folder


@pytest.fixture
async def retriever(folder: Path) -> AsyncIterator[ChromaRetriever]:
    found = ChromaRetriever(RetrieverConfig(min_similarity=0.05), folder, WordEmbedder())
    yield found
    await found.close()


def test_retriever_keeps_the_seams_contract(folder: Path) -> None:
    seam: Retriever = ChromaRetriever(RetrieverConfig(), folder, WordEmbedder())
    assert callable(seam.search)


async def test_search_gives_passages_with_their_origin(retriever: ChromaRetriever) -> None:
    best = (await retriever.search("Which dairy showed the cheese of two tons?", NOW))[0]
    assert best.title == "A very large cheese"
    assert best.text == "A dairy showed a cheese of two tons. It needed the milk of 38 farms."
    assert best.url == "https://example.org/2026/11/18/cheese"
    assert best.published_at == datetime(2026, 11, 18, 9, 30, tzinfo=UTC)
    assert 0.3 < best.similarity < 1.0
    assert best.id == "news/2026-11-18-cheese#0"


async def test_search_orders_by_score_and_keeps_k(folder: Path) -> None:
    retriever = ChromaRetriever(RetrieverConfig(min_similarity=0.05, k=2), folder, WordEmbedder())
    found = await retriever.search("the new machine will open with a mill and the bridge", NOW)
    await retriever.close()
    assert len(found) == 2
    assert found[0].score >= found[1].score


async def test_search_of_blank_query_finds_nothing_and_asks_nobody(tmp_path: Path) -> None:
    retriever = ChromaRetriever(RetrieverConfig(), tmp_path / "missing", WordEmbedder())
    assert await retriever.search(" \n", NOW) == ()


async def test_search_prefers_the_newer_of_two_reports(tmp_path: Path) -> None:
    text = "The new bridge in Harlow opens on {}. The mayor will cross it first."
    knowledge = write_knowledge(
        tmp_path / "knowledge",
        {
            "news/a.md": news("Harlow bridge opening", "2026-09-14", text.format("28 November")),
            "news/b.md": news("Harlow bridge opening", "2026-11-18", text.format("12 December")),
        },
    )
    build_index(knowledge, tmp_path / "index", real_embedder(), persona="ada")
    retriever = ChromaRetriever(RetrieverConfig(), tmp_path / "index", real_embedder())
    found = await retriever.search("When does the Harlow bridge open?", NOW)
    await retriever.close()
    assert "12 December" in found[0].text
    assert "28 November" in found[1].text
    assert abs(found[0].similarity - found[1].similarity) < 0.1


async def test_search_of_a_question_to_the_speaker_also_asks_by_name(tmp_path: Path) -> None:
    documents = {
        "twain.md": '---\ntitle: "Life"\n---\nMark Twain came from Missouri.\n',
        "zoo.md": '---\ntitle: "Zoo"\n---\nFour wolves live in the zoo.\n',
    }
    knowledge = write_knowledge(tmp_path / "knowledge", documents)
    build_index(knowledge, tmp_path / "index", real_embedder(), persona="twain")

    async def best(speaker: str, query: str) -> tuple[str, float]:
        config = RetrieverConfig(min_similarity=-1.0)
        retriever = ChromaRetriever(config, tmp_path / "index", real_embedder(), speaker)
        found = await retriever.search(query, NOW)
        await retriever.close()
        return found[0].id, found[0].similarity

    nameless = await best("", "Where did you come from?")
    named = await best("Mark Twain", "Where did you come from?")
    assert named[0] == "twain#0"
    assert named[1] > nameless[1] + 0.2
    # A "you" that means nobody does no harm, and other questions are asked as they are.
    for query in ("Can you tell me where the wolves live?", "Where do the wolves live?"):
        plain, addressed = await best("", query), await best("Mark Twain", query)
        assert addressed[0] == plain[0] == "zoo#0"
        assert addressed[1] == pytest.approx(plain[1], abs=1e-5)


# --- following a refresh -------------------------------------------------------------------


async def test_search_after_a_refresh_sees_it_without_restart(
    folder: Path, tmp_path: Path, retriever: ChromaRetriever
) -> None:
    assert not [p for p in await retriever.search("zeppelin landed", NOW) if "zeppelin" in p.text]
    old = read_live(folder).collection
    more = {"news/z.md": news("Zeppelin", "2026-11-19", "A zeppelin landed on the market square.")}
    knowledge = write_knowledge(tmp_path / "knowledge", more)
    await asyncio.to_thread(build_index, knowledge, folder, WordEmbedder(), persona="ada")
    assert not (folder / old).exists()
    assert "zeppelin" in (await retriever.search("zeppelin landed", NOW))[0].text


async def test_searches_during_refreshes_never_fail(
    folder: Path, tmp_path: Path, retriever: ChromaRetriever
) -> None:
    def refresh() -> None:
        for number in range(3):
            text = {"news/n.md": news("Number", "2026-11-19", f"The number is {number}.")}
            write_knowledge(tmp_path / "knowledge", text)
            build_index(tmp_path / "knowledge", folder, WordEmbedder(), persona="ada")

    refreshing = asyncio.create_task(asyncio.to_thread(refresh))
    searches = 0
    while not refreshing.done():
        assert await retriever.search("Which dairy showed the cheese of two tons?", NOW)
        searches += 1
        await asyncio.sleep(0.01)
    await refreshing
    assert searches > 3
    assert "2" in (await retriever.search("The number is", NOW))[0].text


async def test_search_with_other_searches_at_once_answers_each(retriever: ChromaRetriever) -> None:
    questions = ["cheese of two tons", "the new bridge over the river", "Ada was born in London"] * 5
    found = await asyncio.gather(*(retriever.search(q, NOW) for q in questions))
    firsts = [passages[0].id.split("#")[0] for passages in found]
    assert firsts == ["news/2026-11-18-cheese", "news/2026-11-02-bridge", "timeline/1815-12-10"] * 5


# --- failing -------------------------------------------------------------------------------


async def test_search_without_index_says_how_to_build_it(tmp_path: Path) -> None:
    retriever = ChromaRetriever(RetrieverConfig(), tmp_path / "none", WordEmbedder())
    with pytest.raises(RetrievalError, match="understudy index build"):
        await retriever.search("anything", NOW)
    await retriever.close()
    assert not (tmp_path / "none").exists()


async def test_search_with_missing_collection_raises_and_recovers_after_a_build(
    folder: Path, tmp_path: Path
) -> None:
    retriever = ChromaRetriever(RetrieverConfig(min_similarity=0.05), folder, WordEmbedder())
    shutil.rmtree(folder / read_live(folder).collection)
    for _ in range(2):
        with pytest.raises(RetrievalError, match=r"is missing; run `understudy index build`"):
            await retriever.search("cheese", NOW)
    await asyncio.to_thread(build_index, tmp_path / "knowledge", folder, WordEmbedder(), persona="ada")
    assert await retriever.search("cheese of two tons", NOW)
    await retriever.close()


async def test_search_with_collection_deleted_inside_chroma_raises(folder: Path) -> None:
    live = read_live(folder)
    other = f"{live.collection}x"
    (folder / live.collection).rename(folder / other)
    write_live(folder, replace(live, collection=other))
    retriever = ChromaRetriever(RetrieverConfig(), folder, WordEmbedder())
    with pytest.raises(RetrievalError, match="does not exist"):
        await retriever.search("cheese", NOW)
    await retriever.close()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"collection": "x"}', "\x00\xff"])
async def test_search_with_damaged_pointer_raises(folder: Path, content: str) -> None:
    (folder / POINTER).write_text(content, encoding="latin-1")
    retriever = ChromaRetriever(RetrieverConfig(), folder, WordEmbedder())
    with pytest.raises(RetrievalError, match=r"live\.json is damaged"):
        await retriever.search("cheese", NOW)
    await retriever.close()


async def test_search_with_garbage_in_the_database_raises(folder: Path) -> None:
    database = folder / read_live(folder).collection / "chroma.sqlite3"
    database.write_bytes(b"garbage " * 2000)
    retriever = ChromaRetriever(RetrieverConfig(), folder, WordEmbedder())
    with pytest.raises(RetrievalError, match="knowledge index failed while opening"):
        await retriever.search("cheese", NOW)
    await retriever.close()


async def test_search_with_another_embedder_than_the_index_raises(folder: Path) -> None:
    retriever = ChromaRetriever(RetrieverConfig(), folder, real_embedder())
    with pytest.raises(RetrievalError, match=r"embedder words, config\.toml names all-MiniLM-L6-v2"):
        await retriever.search("cheese", NOW)
    await retriever.close()


async def test_start_without_index_warns_and_does_not_raise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    retriever = ChromaRetriever(RetrieverConfig(), tmp_path / "none", WordEmbedder())
    await retriever.start()
    await retriever.start()
    await retriever.close()
    assert "not ready" in caplog.text


async def test_close_twice_then_search_raises_typed_error(retriever: ChromaRetriever) -> None:
    await retriever.search("cheese", NOW)
    await retriever.close()
    await retriever.close()
    with pytest.raises(RetrievalError, match="closed"):
        await retriever.search("cheese", NOW)


async def test_search_never_logs_the_question(
    retriever: ChromaRetriever, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="engine")
    await retriever.search("xyzzy cheese", NOW)
    assert "retrieved" in caplog.text
    assert "xyzzy" not in caplog.text


def test_chroma_errors_of_a_rust_panic_becomes_retrieval_error() -> None:
    panic = type("PanicException", (BaseException,), {})
    with pytest.raises(RetrievalError, match="while searching"), chroma_errors("searching"):
        raise panic("index out of range")
    with pytest.raises(KeyboardInterrupt), chroma_errors("searching"):
        raise KeyboardInterrupt


# --- a server ------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real Chroma server on a loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).parent / "chroma"), "run", "--path", str(tmp_path / "server")]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "the Chroma server ended"
                assert time.monotonic() < deadline, "the Chroma server did not start"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


async def test_retriever_with_a_server_searches_follows_and_reports_its_loss(
    tmp_path: Path, server: tuple[str, subprocess.Popen[bytes]]
) -> None:
    url, process = server
    knowledge, folder = write_knowledge(tmp_path / "knowledge"), tmp_path / "index"
    embedder = WordEmbedder()
    build = {"persona": "ada", "url": url}
    await asyncio.to_thread(build_index, knowledge, folder, embedder, **build)
    config = RetrieverConfig(url=url, min_similarity=0.05)
    retriever = ChromaRetriever(config, folder, embedder)
    assert "cheese" in (await retriever.search("cheese of two tons", NOW))[0].text
    embedded = len(embedder.texts)
    write_knowledge(knowledge, {"news/z.md": news("Zeppelin", "2026-11-19", "A zeppelin landed.")})
    ledger = await asyncio.to_thread(build_index, knowledge, folder, embedder, **build)
    assert ledger.embedded == len(embedder.texts) - embedded == 1
    assert "zeppelin" in (await retriever.search("zeppelin landed", NOW))[0].text
    names = await asyncio.to_thread(_collections, url)
    assert names == [json.loads((folder / POINTER).read_text())["collection"]]
    process.kill()
    process.wait()
    with pytest.raises(RetrievalError, match=r"retriever\.url"):
        await retriever.search("zeppelin", NOW)
    await retriever.close()


async def test_search_with_index_built_elsewhere_than_configured_raises(folder: Path) -> None:
    retriever = ChromaRetriever(RetrieverConfig(url="http://127.0.0.1:1"), folder, WordEmbedder())
    with pytest.raises(RetrievalError, match=r"not where config\.toml says"):
        await retriever.search("cheese", NOW)
    await retriever.close()


def _collections(url: str) -> list[str]:
    from engine.collection import close_client, open_client

    client = open_client(Path("."), url, "")
    try:
        return [c.name for c in client.list_collections()]
    finally:
        close_client(client)
