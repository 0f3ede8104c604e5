"""Documents into plain text with title and date: PDF, DOCX, Markdown, HTML and text.

What a document says of its own date is used; the clock and the file's times never are. Nothing in a
document is executed. This module knows nothing of chunks or indexes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import InputError
from engine.prompt import clean_text
from ingest.articles import clean_title, parse_date, sane_date
from ingest.charsets import decode

MAX_BYTES = 100_000_000
MAX_TEXT_CHARS = 3_500_000  # a knowledge folder takes files up to 4 MB

_FRONT = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.S)
_KEY = re.compile(r"^(title|date|published_at|url|source)\s*:\s*(.+?)\s*$", re.I | re.M)
_HEADING = re.compile(r"^#\s+(.+?)\s*#*\s*$", re.M)


@dataclass(frozen=True, slots=True)
class Extract:
    """One document's text."""

    name: str
    """The file's name, or the page's address."""
    title: str
    text: str
    """Paragraphs separated by empty lines."""
    published_at: datetime | None = None
    url: str = ""
    source: str = ""


class Refused(Exception):
    """Ends the reading of one document; its text is the reason."""


def extract_file(path: Path) -> Extract:
    """Text, title and date of a document.

    Raises:
        InputError: it cannot be used; the message names the file and the reason.
        ConfigError: a package for this kind of document is not installed.
    """
    try:
        size = path.stat().st_size if path.is_file() else -1
        if size < 0:
            raise Refused("does not exist or is no file")
        if size > MAX_BYTES:
            raise Refused(f"is larger than {MAX_BYTES // 1_000_000} MB")
        body = path.read_bytes()
        if not body.strip():
            raise Refused("is empty")
        found = _reader(path, body)(body, path)
        text = clean_text(found.text)
        if not text:
            raise Refused("holds no text")
        if len(text) > MAX_TEXT_CHARS:
            raise Refused(f"holds more than {MAX_TEXT_CHARS} characters; split it")
    except Refused as exc:
        raise InputError(f"{path} {exc}.") from exc
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    title = clean_title(found.title) or clean_title(re.sub(r"[_\s]+", " ", path.stem)) or "Untitled"
    # a clock far ahead is wrong, and a wrong date would outrank every true one
    published_at = sane_date(found.published_at, datetime.now(UTC))
    return Extract(path.name, title, text, published_at, found.url, clean_title(found.source)[:200])


def _reader(path: Path, body: bytes) -> Callable[[bytes, Path], Extract]:
    """How to read a file: by what it is, then by what it is called."""
    suffix = path.suffix.lower()
    if body[:1024].lstrip().startswith(b"%PDF-") or suffix == ".pdf":
        from ingest.extract_pdf import read_pdf

        return read_pdf
    if body.startswith(b"\xd0\xcf\x11\xe0"):
        raise Refused("is an old Office document or an encrypted one; save it as .docx without a password")
    if suffix in (".docx", ".docm"):
        from ingest.extract_docx import read_docx

        return read_docx
    readers = {".md": read_markdown, ".markdown": read_markdown, ".txt": read_plain, "": read_plain}
    readers |= {".html": read_html, ".htm": read_html, ".xhtml": read_html}
    if suffix not in readers:
        raise Refused(f"is of a kind that cannot be read ({suffix}); allowed: .pdf .docx .md .html .txt")
    return readers[suffix]


def read_plain(body: bytes, path: Path) -> Extract:
    """A text file; it tells neither title nor date."""
    return Extract(path.name, "", _text(body))


def read_markdown(body: bytes, path: Path) -> Extract:
    """Markdown: front matter or the first heading names it; links keep their words."""
    text = _text(body).replace("\r\n", "\n")
    front = _FRONT.match(text)
    keys = {k.lower(): v.strip("\"'") for k, v in _KEY.findall(front[1])} if front else {}
    text = text[front.end() :] if front else text
    heading = _HEADING.search(text)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)
    text = re.sub(r"\[([^\]]+)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)", r"\1", text)
    text = re.sub(r"</?[a-zA-Z][^<>]*>", "", text)
    url = keys.get("url", "")
    return Extract(
        path.name,
        keys.get("title", "") or (heading[1] if heading else ""),
        text,
        parse_date(keys.get("published_at") or keys.get("date") or ""),
        url if re.fullmatch(r"https?://\S+", url) else "",
        keys.get("source", ""),
    )


def read_html(body: bytes, path: Path) -> Extract:
    """A saved page: its article, without menus."""
    from ingest.fetch_errors import WrongType
    from ingest.optional import load
    from ingest.pages import read_page

    load("trafilatura", "Reading HTML")
    try:
        page = read_page(body, "text/html", "")
    except WrongType as exc:
        raise Refused(exc.reason) from exc
    return Extract(path.name, page.title, page.text, page.published_at, page.url, page.source)


def _text(body: bytes) -> str:
    text = decode(body)
    if "\x00" in text:
        raise Refused("is not text")
    return text
