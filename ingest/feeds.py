"""From an RSS or Atom document to its entries.

A malformed feed is read as far as it goes; its last entry is left out where the document breaks
off, since half of it may be missing. This module knows nothing of HTTP or storage.
"""

from __future__ import annotations

import hashlib
import io
import re
from calendar import timegm
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ingest.articles import canonical_url, clean_title
from ingest.charsets import decode
from ingest.fetch_errors import WrongType
from ingest.pages import fragment_text

HEAD_CHARS = 20_000  # where a doctype stands; patterns that backtrack see no more than this
TAIL_CHARS = 2_000

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_DOCTYPE = re.compile(r"<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>", re.S | re.I)
_ROOT = re.compile(r"<(?:\w+:)?(rss|feed|rdf)\b", re.I)
_END = re.compile(r"</(?:\w+:)?(?:rss|feed|rdf)\s*>\s*(?:<!--.*?-->\s*)*$", re.I | re.S)


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a feed or of a news service."""

    id: str
    """The feed's own name for it; empty when it gives none that can be relied on."""
    url: str
    """Canonical; empty when it has none."""
    link: str
    """The address as given, to be fetched."""
    title: str
    text: str
    """Summary or content, as plain text."""
    published_at: datetime | None
    source: str = ""

    @property
    def name(self) -> str:
        """What tells it from the other entries of its feed."""
        return self.id or self.url or self.title

    @property
    def digest(self) -> str:
        """Changes when anything of it does."""
        parts = (self.url, self.title, self.text, str(self.published_at))
        return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed that was read."""

    title: str
    entries: tuple[Entry, ...]
    malformed: str = ""
    """What is wrong with it; empty when it is well-formed."""
    cut_off: int = 0
    """Entries left out because the document breaks off in them."""


def read_feed(body: bytes, content_type: str, url: str) -> Feed:
    """Entries of a feed, in its own order.

    Args:
        body: as it came.
        content_type: the header, for its charset.
        url: where it came from; relative links are resolved against it.

    Raises:
        WrongType: it is no feed.
    """
    import feedparser  # type: ignore[import-untyped]

    text = _DECLARATION.sub("", decode(body, content_type).replace("\x00", "")).lstrip()
    if not _ROOT.search(text[:4000]):
        html = re.match(r"<(?:!doctype\s+html|html|head|body)\b", text, re.I)
        raise WrongType("is HTML, not a feed" if html else "is no RSS or Atom feed")
    head = {"content-type": "application/xml; charset=utf-8", "content-location": url}
    # A doctype serves only to define entities: feeds need none, and entities can be made to explode.
    data = io.BytesIO(_without_doctype(text).encode("utf-8", "replace"))
    parsed = feedparser.parse(data, response_headers=head, sanitize_html=False)
    malformed = _problem(parsed)
    rows = list(parsed.entries)
    cut = 1 if malformed and rows and not _END.search(text[-TAIL_CHARS:]) else 0
    if malformed and len(rows) == cut:
        raise WrongType("is malformed and holds no whole entry")
    title = clean_title(fragment_text(parsed.feed.get("title", "")))
    entries = tuple(_entry(row, title) for row in rows[: len(rows) - cut])
    return Feed(title, _without_shared_ids(entries), malformed, cut)


def _without_doctype(text: str) -> str:
    return _DOCTYPE.sub("", text[:HEAD_CHARS], count=1) + text[HEAD_CHARS:]


def _problem(parsed: Any) -> str:
    """What is malformed; a charset that was merely declared otherwise is no problem any more."""
    if not parsed.get("bozo"):
        return ""
    name = type(parsed.get("bozo_exception")).__name__
    return "" if name in ("CharacterEncodingOverride", "NonXMLContentType") else "is malformed XML"


def _entry(row: Any, feed_title: str) -> Entry:
    contents = [str(part.get("value", "")) for part in row.get("content", [])]
    texts = [fragment_text(part) for part in (*contents, str(row.get("summary", "")))]
    link = str(row.get("link", ""))
    source = row.get("source")
    outlet = source.get("title", "") if hasattr(source, "get") else ""
    return Entry(
        id=str(row.get("id", "")).strip(),
        url=canonical_url(link),
        link=link.strip(),
        title=clean_title(fragment_text(str(row.get("title", "")))),
        text=max(texts, key=len),
        published_at=_moment(row),
        source=clean_title(fragment_text(str(outlet))) or feed_title,
    )


def _moment(row: Any) -> datetime | None:
    """The publication date; of an entry that has none, the date of its last change."""
    for name in ("published_parsed", "updated_parsed"):
        parsed = row.get(name)
        if parsed:
            try:
                return datetime.fromtimestamp(timegm(parsed), UTC)
            except (ValueError, OverflowError, OSError):
                continue
    return None


def _without_shared_ids(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """An id that stands on entries with different links tells nothing and is dropped."""
    links: dict[str, set[str]] = {}
    for entry in entries:
        links.setdefault(entry.id, set()).add(entry.url)
    shared = {id_ for id_, urls in links.items() if len(urls) > 1}
    kept = [replace(entry, id="") if entry.id in shared else entry for entry in entries]
    # Entries that are still alike by name are told apart by their content.
    names = Counter(entry.name for entry in kept)
    return tuple(
        replace(entry, id=f"{entry.name} {entry.title}") if names[entry.name] > 1 else entry for entry in kept
    )
