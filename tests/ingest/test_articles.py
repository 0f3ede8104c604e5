"""Canonical addresses, dates and text of pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from feed_server import NOW, page, story

from ingest.articles import canonical_url, sane_date, stated_url, url_key
from ingest.fetch_errors import WrongType
from ingest.pages import fragment_text, read_page

HTML = "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("HTTPS://News.Example.org:443/a?utm_source=x&id=7&fbclid=y#top", "https://news.example.org/a?id=7"),
        ("http://e.org", "http://e.org/"),
        ("http://e.org:8080/a/", "http://e.org:8080/a/"),
        ("http://[2001:db8::1]/a", "http://[2001:db8::1]/a"),
        ("mailto:a@e.org", ""),
        ("http://e.org:x/", ""),
        ("", ""),
    ],
)
def test_canonical_url_drops_only_what_tracks(given: str, canonical: str) -> None:
    assert canonical_url(given) == canonical


def test_url_key_of_variants_is_one_and_of_other_pages_another() -> None:
    same = ["https://www.e.org/a/?x=1&y=2", "http://e.org/a?y=2&x=1", "https://m.e.org/a?x=1&y=2#z"]
    assert len({url_key(url) for url in same}) == 1
    assert url_key("https://e.org/a?x=1") != url_key("https://e.org/a?x=2")


@pytest.mark.parametrize(
    ("stated", "believed"),
    [
        ("https://e.org/long-name", "https://e.org/long-name"),
        ("/long-name", "https://e.org/long-name"),
        ("https://www.e.org/long-name", "https://www.e.org/long-name"),
        ("https://other.org/story", "https://e.org/a"),
        ("https://e.org/", "https://e.org/a"),
        ("javascript:alert(1)", "https://e.org/a"),
        ("http://[", "https://e.org/a"),
        ("", "https://e.org/a"),
    ],
)
def test_stated_url_is_believed_only_about_its_own_site(stated: str, believed: str) -> None:
    assert stated_url("https://e.org/a?utm_source=feed", stated) == believed


def test_sane_date_of_the_future_or_before_print_is_none() -> None:
    assert sane_date(NOW + timedelta(hours=3), NOW) == NOW + timedelta(hours=3)
    assert sane_date(NOW + timedelta(days=3), NOW) is None
    assert sane_date(datetime(1, 1, 1), NOW) is None
    assert sane_date(datetime(2026, 11, 1), NOW) == datetime(2026, 11, 1, tzinfo=UTC)


def test_read_page_of_article_gives_its_text_without_the_navigation() -> None:
    text = f"{story('bridge')}\n\n{story('ferry')}"
    html = page("A bridge", text, date="2026-11-18T10:30:00+01:00", canonical="/2026/bridge")
    found = read_page(html.encode(), HTML, "https://e.org/b?utm_source=x")
    assert found.text == text
    assert (found.title, found.url) == ("A bridge", "https://e.org/2026/bridge")
    assert found.published_at == datetime(2026, 11, 18, 9, 30, tzinfo=UTC)


def test_read_page_without_a_date_stays_undated() -> None:
    """Neither the clock nor a year in the footer is a publication date."""
    assert read_page(page("T", story("bridge")).encode(), HTML, "https://e.org/b").published_at is None


def test_read_page_takes_the_date_of_json_ld_of_the_page_itself() -> None:
    ld = (
        '<script type="application/ld+json">{"@graph": [{"@type": "WebSite", "about": {"datePublished": '
        '"2001-01-01"}}, {"@type": "NewsArticle", "datePublished": "2026-11-17"}]}</script>'
        '<script type="application/ld+json">{broken</script>'
    )
    html = page("T", story("bridge")).replace("</head>", ld + "</head>")
    found = read_page(html.encode(), HTML, "https://e.org/b")
    assert found.published_at == datetime(2026, 11, 17, tzinfo=UTC)


def test_read_page_in_wrong_charset_reads_the_text() -> None:
    text = story("Brücke für Bürger")
    html = page("Die Brücke", text).replace('charset="utf-8"', 'charset="iso-8859-1"')
    found = read_page(html.encode(), "text/html; charset=iso-8859-1", "https://e.org/b")
    assert (found.title, found.text) == ("Die Brücke", text)


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"\x00\x01\x02", b"<nav><a href='/'>Home</a></nav>"])
def test_read_page_without_article_is_refused(body: bytes) -> None:
    with pytest.raises(WrongType):
        read_page(body, HTML, "https://e.org/b")


def test_fragment_text_of_escaped_markup_scripts_and_entities_is_plain() -> None:
    assert fragment_text("&lt;p&gt;One&lt;/p&gt;&lt;p&gt;Two&lt;/p&gt;") == "One\n\nTwo"
    assert fragment_text("<p>Safe</p><script>alert(1)</script><style>p{}</style>") == "Safe"
    assert fragment_text("Fish &amp; chips &#8211; 5 &lt; 6") == "Fish & chips – 5 < 6"
    assert fragment_text("a\u200bb\u202ec") == "abc"
