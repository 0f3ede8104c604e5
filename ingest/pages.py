"""From a page's HTML to its text, and to what it says about itself.

Dates come from what the page states for machines (JSON-LD, meta tags, a time element), never from
words in its text and never from the clock. This module knows nothing of HTTP or storage.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.articles import clean_paragraphs, clean_title, parse_date, stated_url
from ingest.charsets import decode
from ingest.fetch_errors import WrongType

_DATES = (
    "//meta[@property='article:published_time' or @property='og:article:published_time']/@content",
    "//meta[@itemprop='datePublished']/@content",
    "//*[@itemprop='datePublished']/@datetime",
    "//meta[@name='date' or @name='pubdate' or @name='publishdate' or @name='DC.date.issued'"
    " or @name='dcterms.created' or @name='citation_publication_date' or @name='parsely-pub-date']/@content",
    "//time[@pubdate]/@datetime",
    "//article//header//time/@datetime",
)
_TITLES = ("//meta[@property='og:title']/@content", "//title/text()", "//h1//text()")
_HEADING = ("//h1//text()",)
_SITES = ("//meta[@property='og:site_name']/@content",)
_CANONICAL = ("//link[@rel='canonical']/@href", "//meta[@property='og:url']/@content")
_SHUT = re.compile(r"<(script|style|template|noscript)\b.*?(?:</\1\s*>|$)", re.I | re.S)
_BLOCK = re.compile(r"</?(?:p|div|br|li|ul|ol|h[1-6]|blockquote|tr|table|section|article)\b[^>]*>", re.I)
_ENTITY_TAG = re.compile(r"&lt;/?(?:p|br|div|a|b|i|em|strong|img|span)\b", re.I)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says."""

    url: str
    """Canonical address."""
    title: str
    text: str
    published_at: datetime | None
    source: str


def read_page(body: bytes, content_type: str, url: str) -> Page:
    """Text and metadata of a fetched page.

    Args:
        body: as it came.
        content_type: the header, for its charset.
        url: where it was found, after redirects.

    Raises:
        WrongType: it holds no article text.
    """
    html = decode(body, content_type)
    if "\x00" in html:
        raise WrongType("is not text")
    if content_type.split(";")[0].strip().lower() == "text/plain":
        return Page(stated_url(url, ""), "", clean_paragraphs(html), None, "")
    tree = _tree(html)
    if tree is None:
        raise WrongType("is no HTML")
    title = clean_title(_first(tree, _TITLES))
    text = _without_heading(clean_paragraphs(_main_text(html)), {title, clean_title(_first(tree, _HEADING))})
    if not text:
        raise WrongType("holds no article text")
    return Page(
        url=stated_url(url, _first(tree, _CANONICAL)),
        title=title,
        text=text,
        published_at=_published(tree),
        source=clean_title(_first(tree, _SITES)),
    )


def fragment_text(fragment: str) -> str:
    """Plain text of a feed's summary or content, which may be HTML, even escaped twice."""
    import html as entities

    markup = entities.unescape(fragment) if _ENTITY_TAG.search(fragment) else fragment
    if "<" not in markup:
        return clean_paragraphs(entities.unescape(markup))
    tree = _tree("<div>" + _BLOCK.sub(lambda m: "\n\n" + m[0] + "\n\n", _SHUT.sub(" ", markup)) + "</div>")
    return "" if tree is None else clean_paragraphs(str(tree.text_content()))


def _without_heading(text: str, headings: set[str]) -> str:
    """The text without its title, which is kept beside it."""
    first, _, rest = text.partition("\n\n")
    return rest if first in headings else text


def _main_text(html: str) -> str:
    import trafilatura

    text = trafilatura.extract(
        html, output_format="txt", include_comments=False, include_tables=False, include_formatting=False
    )
    return text or ""


def _tree(html: str) -> Any:
    from lxml import etree  # type: ignore[import-untyped]
    from lxml.html import HTMLParser, document_fromstring  # type: ignore[import-untyped]

    try:
        # Bytes with a stated charset: lxml refuses text that carries an XML declaration of another.
        parser = HTMLParser(encoding="utf-8", no_network=True)
        return document_fromstring(html.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError):
        return None


def _first(tree: Any, paths: tuple[str, ...]) -> str:
    for path in paths:
        for value in tree.xpath(path):
            if str(value).strip():
                return str(value).strip()
    return ""


def _published(tree: Any) -> datetime | None:
    stated = [*_json_ld_dates(tree), *(str(v) for path in _DATES for v in tree.xpath(path))]
    return next((moment for value in stated if (moment := parse_date(value)) is not None), None)


def _json_ld_dates(tree: Any) -> Iterator[str]:
    for script in tree.xpath("//script[@type='application/ld+json']/text()"):
        try:
            yield from _dates_in(json.loads(str(script)), 0)
        except (ValueError, RecursionError):
            continue  # broken JSON-LD is common, and only one of several places


def _dates_in(value: Any, depth: int) -> Iterator[str]:
    """datePublished of the objects themselves or of a list or @graph of them, not of what they mention."""
    if depth > 3:
        return
    if isinstance(value, list):
        for one in value:
            yield from _dates_in(one, depth + 1)
    elif isinstance(value, dict):
        if isinstance(value.get("datePublished"), str):
            yield value["datePublished"]
        yield from _dates_in(value.get("@graph", []), depth + 1)
