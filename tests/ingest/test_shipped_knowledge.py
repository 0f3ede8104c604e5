"""The knowledge that ships with Mark Twain: sound, marked as a sample, and found by plain questions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from small_knowledge import real_embedder

from engine.collection import index_folder
from engine.config import RetrieverConfig
from engine.retriever import ChromaRetriever
from engine.types import Passage
from ingest.documents import Document, read_knowledge
from ingest.index import build_index
from ingest.records import make_records
from ingest.verify import verify_index

KNOWLEDGE = Path(__file__).parents[2] / "personas/mark-twain/knowledge"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the shipped knowledge with the real embedder."""
    folder = index_folder(tmp_path_factory.mktemp("data"), "mark-twain")
    build_index(KNOWLEDGE, folder, real_embedder(), persona="mark-twain")
    return folder


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    documents, refused = read_knowledge(KNOWLEDGE)
    assert refused == []
    return documents


def test_shipped_knowledge_holds_what_it_should(documents: list[Document]) -> None:
    kinds = [d.id.split("/")[0] if "/" in d.id else "other" for d in documents]
    assert kinds.count("timeline") >= 60
    assert kinds.count("news") >= 30
    assert kinds.count("other") >= 8


def test_shipped_knowledge_is_plain_ascii() -> None:
    for path in KNOWLEDGE.rglob("*.md"):
        assert path.read_bytes().isascii(), path.name


def test_shipped_news_is_marked_as_a_sample_and_named_after_its_date(documents: list[Document]) -> None:
    for story in (d for d in documents if d.id.startswith("news/")):
        assert story.source == "Understudy sample gazette", story.id
        assert story.published_at is not None
        day = story.published_at
        assert datetime(2026, 8, 1, tzinfo=UTC) <= day <= datetime(2026, 11, 20, tzinfo=UTC), story.id
        assert story.id.startswith(f"news/{day:%Y-%m-%d}-")
        slug = story.id[len("news/2026-11-18-") :]
        assert story.url == f"https://example.org/gazette/{day:%Y/%m/%d}/{slug}"
        assert 140 <= len(story.text.split()) <= 300, story.id


def test_shipped_passages_are_small_enough_for_three_in_a_small_prompt(documents: list[Document]) -> None:
    longest = max((r for d in documents for r in make_records(d)), key=lambda r: len(r.embedded_text))
    assert len(longest.text.split()) <= 90
    assert len(longest.embedded_text) < 620, longest.id


def test_shipped_index_verifies(folder: Path) -> None:
    checked = verify_index(folder)
    assert checked.ok
    assert checked.sampled >= 40


QUESTIONS = [
    ("When does the Harlow Bridge open?", "news/2026-11-18-harlow-bridge"),
    ("How much did the new bridge in Harlow cost?", "news/2026-11-18-harlow-bridge"),
    ("When will the airship Meridian fly for the first time?", "news/2026-11-17-larkspur"),
    ("How much will the restoration of the Cordelia Finch cost?", "news/2026-10-30-cordelia"),
    ("How many visitors came to the Lantern Festival?", "news/2026-10-14-quill-harbor-lantern"),
    ("Who won the Tamsin League?", "news/2026-10-02-badgers"),
    ("Which cat won the cat show?", "news/2026-11-20-quill-harbor-cat"),
    ("How far did the winning frog jump?", "news/2026-09-23-fennimore-frog"),
    ("Who beat the chess robot?", "news/2026-11-13-dunmere-robot"),
    ("When can I see the new comet?", "news/2026-08-27-ostrander"),
    ("How much snow fell in Dunmere?", "news/2026-11-15-tamsin-valley"),
    ("Is Quill Harbor still looking for a lighthouse keeper?", "news/2026-10-22-quill-harbor"),
    ("How heavy is the big cheese?", "news/2026-11-02-ostrander-cheese"),
    ("What happened to the great bell of Dunmere?", "news/2026-09-28-bellwether"),
    ("What is in the news today?", "news#headlines"),
    ("Where were you born?", "timeline/1835-11-30"),
    ("When did Mark Twain get his pilot licence?", "timeline/1859-04-09"),
    ("Who did you marry?", "timeline/1870-02-02"),
    ("When was Huckleberry Finn published in the United States?", "timeline/1885-02-18"),
    ("When did Susy die?", "timeline/1896-08-18"),
    ("When did you die?", "timeline/1910-04-21"),
    ("What does the name Mark Twain mean?", "the-name-mark-twain"),
    ("What is Understudy?", "about-understudy"),
    ("Are the stories of the gazette real?", "about-the-sample-gazette"),
    ("What were the names of your cats?", "habits-of-mark-twain"),
]


async def ask(folder: Path, query: str) -> list[Passage]:
    retriever = ChromaRetriever(RetrieverConfig(), folder, real_embedder(), "Mark Twain")
    try:
        return list(await retriever.search(query, NOW))
    finally:
        await retriever.close()


@pytest.mark.parametrize(("query", "expected"), QUESTIONS)
async def test_shipped_knowledge_answers_a_natural_question_in_the_top_3(
    folder: Path, query: str, expected: str
) -> None:
    found = [p.id for p in await ask(folder, query)]
    assert any(id_.startswith(expected) for id_ in found), found


@pytest.mark.parametrize(
    ("query", "newer", "word"),
    [
        ("When does the Harlow Bridge open?", "news/2026-11-18", "12 December"),
        ("When does the airship Meridian fly with passengers?", "news/2026-11-17", "1 December"),
        ("How much will the restoration of the Cordelia Finch cost?", "news/2026-10-30", "3.1 million"),
    ],
)
async def test_shipped_knowledge_puts_the_newer_of_two_stories_first(
    folder: Path, query: str, newer: str, word: str
) -> None:
    best = (await ask(folder, query))[0]
    assert best.id.startswith(newer)
    assert word in best.text


@pytest.mark.parametrize("query", ["What is the capital of Mongolia?", "How do I install a kernel module?"])
async def test_shipped_knowledge_has_nothing_for_a_foreign_question(folder: Path, query: str) -> None:
    assert await ask(folder, query) == []
