"""Reading feeds, NewsAPI answers and charsets."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from feed_server import Item, page, rss

from engine.secrets import Secret
from ingest.charsets import decode
from ingest.feeds import read_feed
from ingest.fetch_errors import WrongType
from ingest.newsapi import query_url, read_answer
from ingest.settings import NewsConfig

URL = "https://news.example.org/feed.xml"
XML = "application/rss+xml"


def test_read_feed_of_rss_gives_entries_with_dates_and_plain_text() -> None:
    items = [
        Item("A &amp; B", "/2026/a?utm_source=rss", "<p>One <b>bold</b> word.</p><p>Two.</p>", guid="1"),
        Item("Undated", "https://news.example.org/b", "Text", date=None),
    ]
    feed = read_feed(rss(items).encode(), XML, URL)
    first, second = feed.entries
    assert (feed.title, feed.malformed) == ("Test gazette", "")
    assert first.title == "A & B"
    assert first.url == "https://news.example.org/2026/a"
    assert first.link == "https://news.example.org/2026/a?utm_source=rss"
    assert first.text == "One bold word.\n\nTwo."
    assert first.published_at == datetime(2026, 11, 18, 9, 30, tzinfo=UTC)
    assert second.published_at is None


def test_read_feed_of_atom_takes_published_before_updated() -> None:
    atom = """<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title>
      <entry><id>x</id><title type="html">One &amp;lt; two</title><link href="https://e.org/1"/>
      <published>2026-11-01T00:00:00+02:00</published><updated>2026-11-09T00:00:00Z</updated>
      <content type="html">&lt;p&gt;Long content.&lt;/p&gt;</content><summary>Short</summary></entry>
      <entry><id>y</id><title>U</title><link href="https://e.org/2"/><updated>2026-11-09T00:00:00Z</updated>
      </entry></feed>"""
    one, two = read_feed(atom.encode(), "application/atom+xml", URL).entries
    assert one.published_at == datetime(2026, 10, 31, 22, tzinfo=UTC)
    assert (one.title, one.text) == ("One < two", "Long content.")
    assert two.published_at == datetime(2026, 11, 9, tzinfo=UTC)


def test_read_feed_of_malformed_xml_keeps_what_is_whole() -> None:
    text = rss([Item("One", "https://e.org/1", "First text"), Item("Two", "https://e.org/2", "Second text")])
    cut = text[: text.index("Second") + 3]
    feed = read_feed(cut.encode(), XML, URL)
    assert feed.malformed
    assert [e.title for e in feed.entries] == ["One"]
    assert feed.cut_off == 1
    stray = read_feed(text.replace("First text", "Q & A").encode(), XML, URL)
    assert stray.malformed
    assert [e.title for e in stray.entries] == ["One", "Two"]


@pytest.mark.parametrize(
    ("body", "why"),
    [(page("Home", "Hello."), "HTML"), ("", "no RSS"), ("{}", "no RSS"), ("<rss><chan", "no whole entry")],
)
def test_read_feed_of_something_else_is_refused(body: str, why: str) -> None:
    with pytest.raises(WrongType, match=why):
        read_feed(body.encode(), XML, URL)


def test_read_feed_with_exploding_or_outer_entities_expands_none() -> None:
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "ha" * 10}">' for n in range(9))
    text = rss([Item("One", "https://e.org/1", "Text")]).replace("<title>One", "<title>One&e8;&f;")
    outer = '<!ENTITY f SYSTEM "file:///etc/passwd">'
    feed = read_feed(text.replace("<rss", f"<!DOCTYPE rss [{bomb}{outer}]><rss").encode(), XML, URL)
    assert all(len(e.title) < 40 and "root:" not in e.title for e in feed.entries)


def test_read_feed_of_text_made_to_slow_patterns_is_quick() -> None:
    started = time.process_time()
    for hostile in ("<!DOCTYPE[" * 30_000, "</rss><!--" * 30_000, "&lt;p" * 30_000, "<script" * 30_000):
        with suppress(WrongType):
            read_feed(f"<rss><channel><item><title>{hostile}".encode(), XML, URL)
    assert time.process_time() - started < 5.0


def test_read_feed_where_entries_share_an_id_keeps_both() -> None:
    items = [
        Item("One", "https://e.org/1", "Text", guid="same"),
        Item("Two", "https://e.org/2", "Text", guid="same"),
        Item("Three", "https://e.org/", "Text"),
        Item("Four", "https://e.org/", "Text"),
    ]
    names = [e.name for e in read_feed(rss(items).encode(), XML, URL).entries]
    assert len(set(names)) == 4


@pytest.mark.parametrize(
    ("written", "declared"),
    [
        ("utf-8", "iso-8859-1"),
        ("cp1252", "utf-8"),
        ("cp1252", "iso-8859-1"),
        ("utf-8", ""),
        ("utf-16", "utf-8"),
        ("utf-8", "no-such-charset"),
    ],
)
def test_decode_of_wrongly_declared_charset_reads_the_text(written: str, declared: str) -> None:
    text = (
        "<p>Die Brücke über den Fluß öffnet für alle Bürger, sagte der Bürgermeister. Déjà vu – “ja”.</p>" * 3
    )
    assert decode(text.encode(written), f"text/html; charset={declared}") == text


def test_decode_of_cyrillic_and_japanese_follows_what_the_document_declares() -> None:
    russian = '<?xml version="1.0" encoding="windows-1251"?><a>Новый мост через реку открыт</a>'
    assert decode(russian.encode("cp1251"), "text/xml; charset=utf-8") == russian
    japanese = '<meta charset="iso-2022-jp">橋が開通した'
    assert decode(japanese.encode("iso2022_jp"), "text/html") == japanese


def test_read_answer_of_newsapi_gives_entries_without_removed_ones() -> None:
    articles = [
        {
            "source": {"id": None, "name": "Gazette"},
            "title": "Bridge",
            "description": "A bridge opened.",
            "url": "https://g.example/bridge?utm_medium=x",
            "publishedAt": "2026-11-18T09:30:00Z",
            "content": "A bridge opened on Monday in the… [+1234 chars]",
        },
        {"source": {}, "title": "[Removed]", "url": "https://removed.com", "publishedAt": None},
    ]
    (entry,) = read_answer(json.dumps({"status": "ok", "articles": articles}).encode())
    assert (entry.source, entry.url) == ("Gazette", "https://g.example/bridge")
    assert entry.published_at == datetime(2026, 11, 18, 9, 30, tzinfo=UTC)
    assert entry.text.endswith("in the…")


@pytest.mark.parametrize("body", [b"<html>", b'{"status": "error", "articles": []}', b"[]"])
def test_read_answer_of_something_else_is_refused(body: bytes) -> None:
    with pytest.raises(WrongType):
        read_answer(body)


def test_query_url_holds_no_key() -> None:
    key = Secret("very-secret")
    assert "secret" not in query_url(NewsConfig(), "steam boats")
    assert "secret" not in repr(key)
    assert "q=steam+boats" in query_url(NewsConfig(), "steam boats")
