"""Documents of every kind become text with their own title and date; bad ones are refused by name."""

from __future__ import annotations

import argparse
import io
import json
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import ConfigError, InputError
from ingest.documents import read_knowledge
from ingest.documents_cli import add_parser
from ingest.extract import Extract, extract_file
from ingest.extract_out import extract_pairs, write_knowledge
from ingest.ledger import Stage

WORDS = "The ferry crosses the river every morning and carries letters, hens and one tired mule. "


def file(tmp_path: Path, name: str, body: bytes | str) -> Path:
    path = tmp_path / name
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    return path


def pdf(*lines: str, title: str = "", date: str = "", password: str = "") -> bytes:
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    page = writer.add_blank_page(400, 400)
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    named = DictionaryObject({NameObject(k): NameObject(v) for k, v in font.items()})
    fonts = DictionaryObject({NameObject("/F1"): named})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    stream = DecodedStreamObject()
    drawn = "".join(f"({line}) Tj 0 -14 Td " for line in lines)
    stream.set_data(f"BT /F1 12 Tf 10 380 Td {drawn} ET".encode())
    page[NameObject("/Contents")] = writer._add_object(stream)
    writer.metadata = {"/Title": title, "/CreationDate": date} if title else None
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def docx(**parts: bytes) -> bytes:
    import docx as library

    document = library.Document()
    document.core_properties.title = "Ferry rules"
    document.core_properties.created = datetime(2021, 5, 6, 7, 8, 9)
    document.add_heading("Rules", 1)
    document.add_paragraph(WORDS)
    table = document.add_table(1, 2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "mule", "two cents"
    out = io.BytesIO()
    document.save(out)
    if parts:
        with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, body in parts.items():
                archive.writestr(f"word/{name}.xml", body)
    return out.getvalue()


def test_extract_pdf_reads_text_title_and_date(tmp_path: Path) -> None:
    lines = ("The ferry crosses the ri-", "ver every morning and carries", "letters and hens.", "7")
    found = extract_file(file(tmp_path, "a.pdf", pdf(*lines, title="The ferry", date="D:20200102030405Z")))
    assert found.title == "The ferry"
    assert found.published_at == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.text == "The ferry crosses the river every morning and carries letters and hens."


def test_extract_docx_reads_headings_paragraphs_tables_title_and_date(tmp_path: Path) -> None:
    found = extract_file(file(tmp_path, "a.docx", docx()))
    assert found.title == "Ferry rules"
    assert found.published_at == datetime(2021, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert found.text == f"# Rules\n\n{WORDS.strip()}\n\nmule | two cents"


def test_extract_markdown_reads_front_matter_and_links(tmp_path: Path) -> None:
    body = "---\ntitle: 'Ferry'\ndate: 2022-03-04\n---\n"
    body += "# Other\n\nSee [the map](http://x) ![pic](a.png) <b>now</b>."
    found = extract_file(file(tmp_path, "a.md", body))
    assert (found.title, found.published_at) == ("Ferry", datetime(2022, 3, 4, tzinfo=UTC))
    assert found.text == "# Other\n\nSee the map  now."
    assert extract_file(file(tmp_path, "b.md", "# Head\n\ntext")).title == "Head"


def test_extract_html_reads_the_article_alone(tmp_path: Path) -> None:
    body = (
        "<html><head><title>Ferry news</title>"
        "<meta property='article:published_time' content='2023-01-02'></head>"
        f"<body><nav>Home About</nav><article><p>{WORDS * 4}</p></article>"
        "<script>evil()</script></body></html>"
    )
    found = extract_file(file(tmp_path, "a.html", body))
    assert (found.title, found.published_at) == ("Ferry news", datetime(2023, 1, 2, tzinfo=UTC))
    assert "ferry crosses" in found.text and "evil" not in found.text and "Home" not in found.text


def test_extract_text_is_named_by_its_file_and_has_no_date(tmp_path: Path) -> None:
    found = extract_file(file(tmp_path, "ferry_notes.txt", WORDS.encode("utf-16")))
    assert (found.title, found.published_at, found.text) == ("ferry notes", None, WORDS.strip())


def test_extract_date_in_the_future_is_no_date(tmp_path: Path) -> None:
    assert extract_file(file(tmp_path, "a.md", "---\ndate: 2999-01-01\n---\ntext")).published_at is None


BOMB = b"<a>" + b" " * 30_000_000
DTD = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("broken.pdf", lambda: b"%PDF-1.7\nnot really", "broken PDF"),
        ("locked.pdf", lambda: pdf("secret text that is long enough", title="x", password="pw"), "encrypted"),
        ("scan.pdf", lambda: pdf(), "no text layer"),
        ("bomb.docx", lambda: docx(bomb=BOMB), "zip bomb"),
        ("dtd.docx", lambda: docx(dtd=DTD), "entities"),
        ("dtd16.docx", lambda: docx(dtd=DTD.decode().encode("utf-16")), "entities"),
        ("broken.docx", lambda: docx()[:-200], "broken DOCX"),
        ("old.doc", lambda: b"\xd0\xcf\x11\xe0" + b"x" * 99, "old Office document"),
        ("data.pkl", lambda: b"\x80\x04.", "allowed: .pdf"),
        ("empty.txt", lambda: b" \n", "is empty"),
        ("binary.txt", lambda: b"a\x00b" * 9, "is not text"),
        ("menu.html", lambda: b"<html><body></body></html>", "no article text"),
    ],
)
def test_extract_bad_file_is_refused_by_name_and_reason(
    tmp_path: Path, name: str, make: object, reason: str
) -> None:
    path = file(tmp_path, name, make())  # type: ignore[operator]
    with pytest.raises(InputError, match=reason) as caught:
        extract_file(path)
    assert name in str(caught.value)


def test_extract_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdf", None)
    with pytest.raises(ConfigError, match=r"pypdf.*understudy\[ingest\]"):
        extract_file(file(tmp_path, "a.pdf", b"%PDF-1.4"))


def test_write_knowledge_is_read_back_and_never_replaces_a_stranger(tmp_path: Path) -> None:
    folder = tmp_path / "knowledge"
    at = datetime(2021, 1, 1, tzinfo=UTC)
    first = Extract("a.txt", "Timeline", WORDS, at, "https://e.org/a", "E")
    second = Extract("b.txt", "Timeline", WORDS + "More.", None)
    paths = write_knowledge([first, second], folder)
    assert [p.name for p in paths] == ["timeline-document.md", "timeline-document-2.md"]
    again = write_knowledge(
        [second, Extract("a.txt", "Timeline", WORDS + "New.", at, "https://e.org/a")], folder
    )
    assert [p.name for p in again] == ["timeline-document-2.md", "timeline-document.md"]
    documents, refused = read_knowledge(folder)
    assert refused == []
    assert {(d.title, d.url, d.published_at, d.source) for d in documents} == {
        ("Timeline", "https://e.org/a", at, "a.txt"),
        ("Timeline", "", None, "b.txt"),
    }
    assert any("New." in d.text for d in documents)


def test_extract_pairs_hold_every_passage_of_the_shared_chunker() -> None:
    stage = Stage("passages")
    rows = list(extract_pairs(Extract("a.txt", "The ferry", WORDS * 20 + "\n\nShort."), stage, max_words=60))
    assert rows[0]["instruction"] in (["What do you know about The ferry?"], ["Tell me about The ferry."])
    assert rows[1]["instruction"][1] == rows[0]["response"]
    assert stage.went_out == len(rows) and all(len(row["response"].split()) <= 60 for row in rows)


def test_documents_command_writes_both_and_reports_the_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = file(tmp_path, "a.md", f"# Ferry\n\n{WORDS * 3}"), file(tmp_path, "b.pdf", b"%PDF-1.4")
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    folder, pairs = tmp_path / "k", tmp_path / "p.jsonl"
    arguments = ["documents", str(good), str(bad), "--into", str(folder), "--pairs", str(pairs), "--json"]
    args = parser.parse_args(arguments)
    assert args.handler(args) == 1
    captured = capsys.readouterr()
    printed = json.loads(captured.out)
    assert printed["ledger"][0]["in"] == 2 and printed["ledger"][0]["out"] == 1
    assert "b.pdf is a broken PDF" in captured.err
    assert (folder / "ferry.md").is_file() and len(pairs.read_text().splitlines()) == printed["counts"][
        "pairs"
    ] == 1
