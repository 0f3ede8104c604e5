"""Building the index: what is embedded, what is swapped, and what a failure leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from small_knowledge import WordEmbedder, news, write_knowledge

import ingest.index as index_module
from engine.chunks import Chunking
from engine.collection import OpenCollection, index_folder, read_live, write_live
from engine.config import RetrieverConfig
from engine.embedder import Vectors
from engine.errors import BusyError, RetrievalError
from engine.retriever import ChromaRetriever
from ingest.copies import copy_collection
from ingest.documents import Document
from ingest.index import LOCK, Ledger, build_index
from ingest.records import HEADLINES, headlines, make_records
from ingest.vectors import Journal
from ingest.verify import index_stats, verify_index

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def knowledge(tmp_path: Path) -> Path:
    return write_knowledge(tmp_path / "knowledge")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return index_folder(tmp_path / "data", "ada")


def build(knowledge: Path, folder: Path, embedder: WordEmbedder | None = None, **more: Any) -> Ledger:
    return build_index(knowledge, folder, embedder or WordEmbedder(), persona="ada", **more)


def first_hit(folder: Path, query: str) -> str:
    async def ask() -> str:
        retriever = ChromaRetriever(RetrieverConfig(min_similarity=0.05), folder, WordEmbedder())
        try:
            return (await retriever.search(query, NOW))[0].text
        finally:
            await retriever.close()

    return asyncio.run(ask())


def collections(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_dir())


# --- what a build does ---------------------------------------------------------------------


def test_build_index_of_small_knowledge_counts_everything(knowledge: Path, folder: Path) -> None:
    write_knowledge(knowledge, {"bad.md": "no front matter\n"})
    ledger = build(knowledge, folder)
    assert (ledger.documents, ledger.chunks, ledger.embedded, ledger.reused) == (5, 5, 5, 0)
    assert [r.name for r in ledger.refused] == ["bad.md"]
    assert ledger.changed
    live = read_live(folder)
    assert live.collection == ledger.collection
    assert (live.persona, live.chunks, live.documents, live.embedder) == ("ada", 5, 5, "words")
    assert datetime.fromisoformat(live.built_at).tzinfo is not None


def test_build_index_stores_the_metadata_that_answers_need(knowledge: Path, folder: Path) -> None:
    build(knowledge, folder)
    collection = OpenCollection(folder, read_live(folder))
    found = collection.chroma.get(ids=["news/2026-11-18-cheese#0", "timeline/1815-12-10#0", "about#0"])
    collection.close()
    meta = dict(zip(found["ids"], found["metadatas"], strict=True))
    cheese = meta["news/2026-11-18-cheese#0"]
    assert cheese["doc_id"] == "news/2026-11-18-cheese"
    assert cheese["chunk"] == 0
    assert cheese["url"] == "https://example.org/2026/11/18/cheese"
    assert cheese["published_at"] == "2026-11-18T09:30:00+00:00"
    assert cheese["published_ts"] == int(datetime(2026, 11, 18, 9, 30, tzinfo=UTC).timestamp())
    assert meta["timeline/1815-12-10#0"]["published_ts"] < 0
    assert meta["timeline/1815-12-10#0"]["source"] == "family record"
    assert "published_at" not in meta["about#0"]


def test_build_index_again_embeds_only_what_changed(knowledge: Path, folder: Path) -> None:
    embedder = WordEmbedder()
    build(knowledge, folder, embedder)
    embedder.texts.clear()
    write_knowledge(
        knowledge,
        {
            "news/2026-11-02-bridge.md": news("Bridge opens later", "2026-11-18", "It opens in December."),
            "news/2026-11-19-fog.md": news("Fog", "2026-11-19", "Fog lay on the river."),
        },
    )
    (knowledge / "about.md").unlink()
    ledger = build(knowledge, folder, embedder)
    assert sorted(embedder.texts) == [
        "Bridge opens later. It opens in December.",
        "Fog. Fog lay on the river.",
    ]
    assert (ledger.documents, ledger.chunks, ledger.embedded, ledger.reused) == (5, 5, 2, 3)


def test_build_index_with_reused_vectors_finds_what_a_fresh_one_finds(
    knowledge: Path, folder: Path, tmp_path: Path
) -> None:
    build(knowledge, folder)
    assert build(knowledge, folder).embedded == 0
    build(knowledge, tmp_path / "fresh")
    for query in ("cheese of two tons", "born in London", "the machine weaves numbers"):
        assert first_hit(folder, query) == first_hit(tmp_path / "fresh", query)


def test_build_index_of_changed_metadata_alone_embeds_nothing_and_shows_it(
    knowledge: Path, folder: Path
) -> None:
    build(knowledge, folder)
    path = knowledge / "news/2026-11-18-cheese.md"
    path.write_text(path.read_text().replace("2026-11-18T09", "2026-11-19T09"))
    ledger = build(knowledge, folder, only_if_changed=True)
    assert ledger.changed
    assert ledger.embedded == 0
    assert index_stats(folder).newest.startswith("2026-11-19")


def test_build_index_if_changed_keeps_an_unchanged_collection(knowledge: Path, folder: Path) -> None:
    first = build(knowledge, folder)
    second = build(knowledge, folder, only_if_changed=True)
    assert not second.changed
    assert second.collection == first.collection
    assert (second.embedded, second.reused, second.chunks) == (0, 5, 5)
    assert read_live(folder).collection == first.collection


def test_build_index_if_changed_rebuilds_a_lost_collection(knowledge: Path, folder: Path) -> None:
    first = build(knowledge, folder)
    (folder / first.collection / "chroma.sqlite3").unlink()
    second = build(knowledge, folder, only_if_changed=True)
    assert second.changed
    assert second.embedded == 5
    assert verify_index(folder).ok


def test_build_index_sweeps_old_and_unfinished_builds_of_this_persona_only(
    knowledge: Path, folder: Path
) -> None:
    old = build(knowledge, folder).collection
    keep = ["ada-notes", "bob-20261118000000-abcdef"]
    for name in (*keep, "ada-20260101000000-0a1b2c"):
        (folder / name).mkdir()
    new = build(knowledge, folder).collection
    assert new != old
    assert collections(folder) == sorted([*keep, new])


def test_build_index_of_more_documents_than_a_batch_stores_all(tmp_path: Path, folder: Path) -> None:
    many = {f"news/{n}.md": news(f"Story {n}", "2026-11-01", f"Number {n} fell.") for n in range(75)}
    ledger = build(write_knowledge(tmp_path / "many", many), folder)
    assert (ledger.documents, ledger.chunks) == (75, 76)  # and the headlines
    checked = verify_index(folder)
    assert checked.ok
    assert checked.chunks == 76


# --- failing -------------------------------------------------------------------------------


class FailingEmbedder(WordEmbedder):
    """Works for a while, then its model breaks."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls

    def embed_now(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        self.calls -= 1
        if self.calls < 0:
            raise RetrievalError("The embedder words failed.")
        return super().embed_now(texts, query=query)


class ConstantEmbedder(WordEmbedder):
    """Every text is the same to it."""

    name = "constant"

    def embed_now(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        return np.full((len(texts), 64), 0.125, dtype=np.float32)


def serves_the_old(folder: Path, before: str) -> None:
    assert read_live(folder).collection == before
    assert collections(folder) == [before]
    assert verify_index(folder).ok
    assert "cheese" in first_hit(folder, "cheese of two tons")


def test_build_index_with_failing_embedder_leaves_the_old_one_serving(knowledge: Path, folder: Path) -> None:
    before = build(knowledge, folder).collection
    many = {f"news/{n}.md": news(f"Story {n}", "2026-11-01", f"Number {n} fell.") for n in range(60)}
    with pytest.raises(RetrievalError, match="words failed"):
        build(write_knowledge(knowledge, many), folder, FailingEmbedder(calls=2))
    serves_the_old(folder, before)


def test_build_index_that_does_not_find_its_own_chunks_is_not_swapped_in(
    knowledge: Path, folder: Path
) -> None:
    before = build(knowledge, folder).collection
    with pytest.raises(RetrievalError, match="do not find themselves"):
        build(knowledge, folder, ConstantEmbedder())
    serves_the_old(folder, before)


def test_build_index_of_emptied_folder_keeps_the_old_one(knowledge: Path, folder: Path) -> None:
    before = build(knowledge, folder).collection
    for path in [*knowledge.rglob("*.md")]:
        path.write_text("lost its head\n")
    with pytest.raises(RetrievalError, match=r"nothing that can be indexed: .*has no front matter"):
        build(knowledge, folder)
    serves_the_old(folder, before)


def test_build_index_while_another_runs_raises_busy(knowledge: Path, folder: Path) -> None:
    started, go = threading.Event(), threading.Event()

    class Waiting(WordEmbedder):
        def embed_now(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
            started.set()
            assert go.wait(20)
            return super().embed_now(texts, query=query)

    thread = threading.Thread(target=build, args=(knowledge, folder, Waiting()))
    thread.start()
    try:
        assert started.wait(20)
        with pytest.raises(BusyError, match="Another refresh"):
            build(knowledge, folder)
    finally:
        go.set()
        thread.join()
    assert verify_index(folder).ok
    build(knowledge, folder)  # the lock is free again


KILLED = """
    import sys, time
    from pathlib import Path
    sys.path[:0] = [{root!r}, {tests!r}]
    from small_knowledge import WordEmbedder
    import ingest.index as index

    def stuck(*_, **__):
        Path({marker!r}).touch()
        time.sleep(120)

    embedder = WordEmbedder()
    real = embedder.embed_now
    if {moment!r} == "embedding":
        embedder.embed_now = lambda texts, **_: real(texts) if len(embedder.texts) < 30 else stuck()
    elif {moment!r} == "writing":
        add, index.ROWS = index._add, 8
        index._add = lambda chroma, records, *more: (add(chroma, records[:20], *more), stuck())
    else:
        index.write_live = stuck
    index.build_index(Path({knowledge!r}), Path({folder!r}), embedder, persona="ada", only_if_changed=True)
"""


@pytest.mark.parametrize(  # with 60 stories the index is written whole, with 6 as a changed copy
    ("moment", "stories"), [("embedding", 60), ("writing", 60), ("writing", 6), ("swapping", 6)]
)
def test_build_index_killed_at_any_moment_leaves_the_old_one_serving(
    knowledge: Path, folder: Path, tmp_path: Path, moment: str, stories: int
) -> None:
    if stories == 6:
        write_knowledge(knowledge, many(50, "old"))
    before = build(knowledge, folder).collection
    write_knowledge(knowledge, many(stories))
    marker = tmp_path / "halfway"
    places = {
        "marker": marker,
        "knowledge": knowledge,
        "folder": folder,
        "root": ROOT,
        "tests": ROOT / "tests",
    }
    words = {k: str(v) for k, v in places.items()}
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(KILLED).format(**words, moment=moment)])
    try:
        deadline = time.monotonic() + 60
        while not marker.exists():
            assert process.poll() is None, "the build ended too early"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(BusyError):  # its lock is held across processes
            build(knowledge, folder)
        assert "cheese" in first_hit(folder, "cheese of two tons")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    # An unfinished one lies beside the live one, once it was begun.
    assert len(collections(folder)) == (1 if moment == "embedding" else 2)
    assert read_live(folder).collection == before
    assert verify_index(folder).ok
    assert "cheese" in first_hit(folder, "cheese of two tons")
    after = build(knowledge, folder)  # the system freed the lock
    assert collections(folder) == [after.collection]
    assert after.embedded < stories // 2 + 2  # what was embedded before the kill is not embedded again
    assert "Number 4 " in first_hit(folder, "Number 4 fell today")
    assert [p.name for p in folder.iterdir() if p.suffix == ".part"] == []


# --- changing a copy -----------------------------------------------------------------------


def many(count: int, kind: str = "new") -> dict[str, str]:
    """So many stories."""
    return {
        f"news/{kind}{n}.md": news(f"Story {n} {kind}", "2026-11-01", f"Number {n} fell {kind}.")
        for n in range(count)
    }


def stored(folder: Path) -> dict[str, tuple[str, dict[str, object], list[float]]]:
    """Everything that the live collection holds."""
    live = read_live(folder)
    collection = OpenCollection(folder, live)
    rows = collection.chroma.get(include=["documents", "metadatas", "embeddings"])
    collection.close()
    columns = zip(rows["documents"], rows["metadatas"], np.round(rows["embeddings"], 5).tolist(), strict=True)
    return dict(zip(rows["ids"], columns, strict=True))


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The collections that were made of a copy."""
    made: list[str] = []

    def noted(folder: Path, live: str, new: str) -> None:
        copy_collection(folder, live, new)
        made.append(new)

    monkeypatch.setattr(index_module, "copy_collection", noted)
    return made


def test_build_index_of_few_changes_in_a_copy_holds_what_a_whole_one_holds(
    knowledge: Path, folder: Path, tmp_path: Path, copies: list[str]
) -> None:
    write_knowledge(knowledge, many(60, "old"))
    build(knowledge, folder)
    assert copies == []
    (knowledge / "news/old7.md").unlink()
    write_knowledge(knowledge, {"news/old8.md": news("Story 8", "2026-11-02", "Number 8 rose again.")})
    path = knowledge / "news/2026-11-18-cheese.md"
    path.write_text(path.read_text().replace("url: https://example.org/2026/11/18/cheese\n", ""))
    write_knowledge(knowledge, many(2))
    ledger = build(knowledge, folder, only_if_changed=True)
    assert copies == [ledger.collection]
    build(knowledge, tmp_path / "fresh")
    assert copies == [ledger.collection]
    assert stored(folder) == stored(tmp_path / "fresh")
    assert ledger.embedded == 4  # the headlines, too
    assert collections(folder) == [ledger.collection]
    for query in ("Number 8 rose again", "cheese of two tons", "Number 1 fell new"):
        assert first_hit(folder, query) == first_hit(tmp_path / "fresh", query)


def test_build_index_of_many_small_changes_is_written_whole_in_the_end(
    knowledge: Path, folder: Path, copies: list[str]
) -> None:
    write_knowledge(knowledge, many(60, "old"))
    build(knowledge, folder)
    whole = []
    for night in range(4):  # 5 of 65 rows each, of which a fifth may go
        write_knowledge(knowledge, {k: v.replace("fell", f"fell {night}") for k, v in many(5, "old").items()})
        whole.append(build(knowledge, folder, only_if_changed=True).collection not in copies)
    assert whole == [False, False, True, False]


def test_build_index_while_the_old_one_is_open_changes_nothing_in_it(
    knowledge: Path, folder: Path, copies: list[str]
) -> None:
    write_knowledge(knowledge, many(60, "old"))
    live = build(knowledge, folder).collection
    old, rows = read_live(folder), stored(folder)
    reader = OpenCollection(folder, old)
    write_knowledge(knowledge, many(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "sweep", lambda *_: None)
        build(knowledge, folder, only_if_changed=True)
    assert len(copies) == 1
    assert len(stored(folder)) == len(rows) + 2
    assert reader.chroma.count() == len(rows)
    reader.close()
    write_live(folder, old)
    assert stored(folder) == rows
    assert read_live(folder).collection == live


@pytest.mark.parametrize("damage", ["copy", "check", "manifest", "graph", "asked"])
def test_build_index_whose_copy_fails_or_is_not_wanted_is_written_whole(
    knowledge: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, copies: list[str], damage: str
) -> None:
    write_knowledge(knowledge, many(60, "old"))
    before = build(knowledge, folder).collection
    write_knowledge(knowledge, many(2))
    if damage == "copy":
        monkeypatch.setattr(index_module, "copy_collection", fails("disk I/O error"))
    elif damage == "check":
        monkeypatch.setattr(
            index_module,
            "_change",
            lambda folder, new, live, *_: copy_collection(folder, live.collection, new.collection),
        )
    elif damage == "manifest":
        (folder / before / "rows.json").write_text("{}")
    elif damage == "graph":
        monkeypatch.setattr(index_module, "HNSW", {**index_module.HNSW, "max_neighbors": 24})
    ledger = build(knowledge, folder, only_if_changed=damage != "asked")
    assert (ledger.chunks, ledger.embedded) == (68, 2)  # the vectors are reused all the same
    assert copies == []
    assert collections(folder) == [ledger.collection]
    assert verify_index(folder).ok
    assert "Number 1 " in first_hit(folder, "Number 1 fell new")


def fails(words: str) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise RetrievalError(words)

    return fail


def test_build_index_with_other_chunks_is_a_change_that_embeds_only_other_texts(
    knowledge: Path, folder: Path
) -> None:
    text = " ".join(f"Sentence {n} tells of the river." for n in range(30))
    write_knowledge(knowledge, {"river.md": f'---\ntitle: "The river"\n---\n{text}\n'})
    first = build(knowledge, folder)
    same = build(knowledge, folder, only_if_changed=True)
    assert not same.changed
    other = build(knowledge, folder, only_if_changed=True, chunking=Chunking(50, 10))
    assert other.changed
    assert other.chunks > first.chunks
    assert other.reused == 5


def test_build_index_with_chunks_longer_than_the_embedder_reads_is_refused(
    knowledge: Path, folder: Path
) -> None:
    with pytest.raises(RetrievalError, match=r"reads 256 tokens .* allowed: 200 or less"):
        build(knowledge, folder, chunking=Chunking(201, 10))


def test_journal_of_torn_file_keeps_whole_rows_and_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "words")
    vectors = np.eye(3, 8, dtype=np.float32)
    journal.append(["a" * 32, "b" * 32], vectors[:2])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    assert list(journal.read()) == ["a" * 32]
    journal.append(["c" * 32], vectors[2:])
    found = journal.read()
    assert list(found) == ["a" * 32, "c" * 32]
    assert found["c" * 32].tolist() == vectors[2].tolist()
    journal.append(["d" * 32], np.eye(1, 4, dtype=np.float32))  # another model under the same name
    assert list(journal.read()) == ["d" * 32]
    path.write_bytes(b"\x08")
    assert journal.read() == {}
    journal.forget()
    assert Journal(tmp_path, "words").read() == {}


def test_build_index_lock_file_of_a_dead_process_is_no_obstacle(knowledge: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / LOCK).write_text("stale")
    assert build(knowledge, folder).chunks == 5


def test_build_index_in_a_folder_that_cannot_be_made_raises(knowledge: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RetrievalError, match="cannot be written"):
        build(knowledge, tmp_path / "file" / "index")


# --- checks and numbers --------------------------------------------------------------------


def test_verify_index_with_lost_chunks_names_both_counts(knowledge: Path, folder: Path) -> None:
    build(knowledge, folder)
    collection = OpenCollection(folder, read_live(folder))
    collection.chroma.delete(ids=["about#0"])
    collection.close()
    checked = verify_index(folder)
    assert not checked.ok
    assert checked.problems == ("it holds 4 chunks of 5",)


def test_verify_index_without_index_raises(folder: Path) -> None:
    with pytest.raises(RetrievalError, match="index build"):
        verify_index(folder)


def test_index_stats_of_small_knowledge_tells_dates_and_size(knowledge: Path, folder: Path) -> None:
    build(knowledge, folder)
    stats = index_stats(folder)
    assert (stats.live.chunks, stats.dated) == (5, 3)
    assert (stats.oldest[:10], stats.newest[:10]) == ("1815-12-10", "2026-11-18")
    assert stats.disk_bytes > 10_000


def test_write_live_killed_before_the_swap_leaves_the_old_pointer(knowledge: Path, folder: Path) -> None:
    build(knowledge, folder)
    before = read_live(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
        with pytest.raises(RetrievalError, match="no space left"):
            write_live(folder, replace(before, collection="other"))
    assert read_live(folder) == before
    assert json.loads((folder / "live.json").read_text())["collection"] == before.collection


def test_lock_is_released_after_a_failure(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(RetrievalError):
        build(tmp_path / "no knowledge", folder)
    with FileLock(folder / LOCK, timeout=0):
        pass


# --- records -------------------------------------------------------------------------------


def test_make_records_of_long_document_numbers_its_chunks_and_embeds_the_title() -> None:
    text = " ".join(f"Sentence {n} has five words." for n in range(40))
    records = make_records(Document("a/b", "The title", text), chunking=Chunking(60, 12))
    assert [r.id for r in records] == [f"a/b#{n}" for n in range(len(records))]
    assert len(records) == 5
    assert len({r.digest for r in records}) == 5
    assert records[2].embedded_text.startswith("The title. Sentence ")
    assert records[2].text.startswith("Sentence ")


def test_headlines_of_many_stories_are_the_newest_with_dates() -> None:
    days = [datetime(2026, 11, day, tzinfo=UTC) for day in range(1, 12)]
    stories = [Document(f"news/{d.day}", f"Story {d.day}", "Text.", published_at=d) for d in days]
    other = Document("essay", "An essay", "Text.", published_at=datetime(2026, 12, 1, tzinfo=UTC))
    digest = headlines([*stories, other])
    assert digest is not None
    assert digest.text.startswith("11 November 2026: Story 11. 10 November 2026: Story 10.")
    assert digest.text.count("Story") == HEADLINES
    assert digest.published_at == days[-1]


def test_headlines_of_few_stories_are_left_out() -> None:
    day = datetime(2026, 11, 1, tzinfo=UTC)
    stories = [Document(f"news/{n}", f"Story {n}", "Text.", published_at=day) for n in range(HEADLINES - 1)]
    assert headlines(stories) is None
