"""Reading a knowledge folder: what is read, and what is refused with which reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from small_knowledge import news, write_knowledge

from engine.errors import RetrievalError
from ingest.documents import Document, Refusal, read_knowledge, read_timeline


def read_one(folder: Path, name: str, content: str | bytes) -> tuple[list[Document], list[Refusal]]:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_knowledge(folder)


def test_read_knowledge_of_small_folder_reads_every_kind(tmp_path: Path) -> None:
    documents, refused = read_knowledge(write_knowledge(tmp_path))
    assert refused == []
    assert [d.id for d in documents] == [
        "about",
        "news/2026-11-02-bridge",
        "news/2026-11-18-cheese",
        "timeline/1815-12-10",
        "timeline/1843",
    ]
    bridge = documents[1]
    assert bridge.title == "Bridge to open on 28 November"
    assert bridge.url == "https://example.org/2026/11/02/bridge"
    assert bridge.source == "Test gazette"
    assert bridge.published_at == datetime(2026, 11, 2, tzinfo=UTC)
    assert bridge.text.startswith("The new bridge") and bridge.text.endswith("the date.")


def test_read_knowledge_of_missing_folder_raises(tmp_path: Path) -> None:
    with pytest.raises(RetrievalError, match="does not exist"):
        read_knowledge(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("news/a.md", '---\ntitle: "T"\n---\nText.\n', "is news without a date"),
        ("a.md", "Just text.\n", "has no front matter"),
        ("a.md", "---\ntitle: T\nText without an end.\n", "front matter without an end"),
        ("a.md", "---\nurl: https://example.org\n---\nText.\n", "title"),
        ("a.md", "---\ntitle:\n---\nText.\n", "title"),
        ("a.md", "---\ntitle: T\nauthor: me\n---\nText.\n", "author"),
        ("a.md", "---\ntitle: T\ntitle: U\n---\nText.\n", "title twice"),
        ("a.md", "---\ntitle: T\nnonsense\n---\nText.\n", "no key: value"),
        ("a.md", "---\ntitle: T\nurl: javascript:alert(1)\n---\nText.\n", "url"),
        ("a.md", "---\ntitle: T\npublished_at: yesterday\n---\nText.\n", "a date such as 2026-11-18"),
        ("a.md", "---\ntitle: T\npublished_at: 2026-02-30\n---\nText.\n", "a date such as"),
        ("a.md", "---\ntitle: T\n---\n \n", "is empty below its front matter"),
        ("a.md", "---\ntitle: T\n---\n\u200b\u200b\n", "is empty below its front matter"),
        ("a.md", "", "is empty"),
        ("a.md", "---\ntitle: Café\n---\nText.\n".encode("latin-1"), "is not UTF-8"),
        ("a.md", b"---\ntitle: T\n---\n\x00\x01binary", "is not text"),
        ("a.pdf", b"%PDF-1.7", "is no .md or .txt file"),
    ],
)
def test_read_knowledge_of_bad_file_refuses_it_by_name_and_reads_the_rest(
    tmp_path: Path, name: str, content: str | bytes, reason: str
) -> None:
    write_knowledge(tmp_path, {"good.md": '---\ntitle: "Good"\n---\nA good text.\n'})
    documents, refused = read_one(tmp_path, name, content)
    assert [d.id for d in documents] == ["good"]
    assert [r.name for r in refused] == [name]
    assert reason in refused[0].reason


def test_read_knowledge_of_huge_file_refuses_it(tmp_path: Path) -> None:
    content = b"---\ntitle: T\n---\n" + b"word " * 900_000
    documents, refused = read_one(tmp_path, "a.txt", content)
    assert documents == []
    assert "larger than 4 MB" in refused[0].reason


def test_read_knowledge_with_bom_crlf_and_time_zone_reads_it(tmp_path: Path) -> None:
    text = (
        "---\r\ntitle: 'It is: so'\r\npublished_at: 2026-11-18T09:30:00+02:00\r\n---\r\nOne.\r\n\r\nTwo.\r\n"
    )
    documents, refused = read_one(tmp_path, "a.txt", b"\xef\xbb\xbf" + text.encode())
    assert refused == []
    assert documents[0].title == "It is: so"
    assert documents[0].text == "One.\n\nTwo."
    zone = timezone(timedelta(hours=2))
    assert documents[0].published_at == datetime(2026, 11, 18, 9, 30, tzinfo=zone)


def test_read_knowledge_ignores_hidden_files_alone(tmp_path: Path) -> None:
    assert read_one(tmp_path, ".DS_Store", b"\x00") == ([], [])


def test_read_knowledge_with_the_same_text_twice_keeps_the_first(tmp_path: Path) -> None:
    text = news("Same", "2026-11-01", "The same text.")
    documents, refused = read_knowledge(
        write_knowledge(tmp_path, {"news/a.md": text, "news/b.md": text.replace("same text", "SAME  text")})
    )
    assert [d.id for d in documents] == ["news/a"]
    assert refused == [Refusal("news/b", "has the same text as news/a")]


def test_read_knowledge_with_one_name_and_two_endings_keeps_the_first(tmp_path: Path) -> None:
    two = {f"a.{end}": f"---\ntitle: T\n---\nText {end}.\n" for end in ("md", "txt")}
    documents, refused = read_knowledge(write_knowledge(tmp_path, two))
    assert [d.text for d in documents] == ["Text md."]
    assert [r.name for r in refused] == ["a"]


HEAD = '---\ntitle: "Life"\nsource: "records"\n---\n# Life\n\nA remark.\n'


def test_read_timeline_gives_each_event_its_date_source_and_id() -> None:
    text = "- 1870-02-02: They married (in Elmira) at home. (family record)\n- 1870-02-02: It snowed.\n"
    documents, refused = read_timeline(HEAD + text)
    assert refused == []
    first, second = documents
    assert (first.id, second.id) == ("timeline/1870-02-02", "timeline/1870-02-02-2")
    assert first.text == "They married (in Elmira) at home."
    assert (first.source, second.source) == ("family record", "records")
    assert first.title == "Life"
    assert first.published_at == datetime(1870, 2, 2, tzinfo=UTC)


@pytest.mark.parametrize("when", ["1884", "1884-12"])
def test_read_timeline_of_a_year_or_month_invents_no_day(when: str) -> None:
    documents, _ = read_timeline(f"{HEAD}- {when}: Something happened.\n")
    assert documents[0].published_at is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [("- In May it rained.", "has no date"), ("- 1870-02-30: Impossible.", "no date of the calendar")],
)
def test_read_timeline_of_bad_event_refuses_it_alone(line: str, reason: str) -> None:
    documents, refused = read_timeline(f"{HEAD}{line}\n- 1871: Good.\n")
    assert [d.text for d in documents] == ["Good."]
    assert reason in refused[0].reason
    assert refused[0].name.startswith("timeline.md: ")
