"""Text of PDF files. Scans are refused: this module does not recognise letters in pictures."""

from __future__ import annotations

import logging
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from ingest.extract import MAX_TEXT_CHARS, Extract, Refused
from ingest.optional import load

MAX_PAGES = 5_000
MIN_CHARS_A_PAGE = 20  # less is page numbers and stamps on a scan


def read_pdf(body: bytes, path: Path) -> Extract:
    """Text, title and date of creation.

    Raises:
        Refused: broken, encrypted, too long, or without a text layer.
        ConfigError: pypdf is not installed.
    """
    import io

    pypdf = load("pypdf", "Reading PDF")
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of every small fault of a file
    try:
        reader = pypdf.PdfReader(io.BytesIO(body), strict=False)
        # an empty user password only asks viewers to forbid copying; anything else keeps us out
        if reader.is_encrypted and not reader.decrypt(""):
            raise Refused("is encrypted; save it without a password")
        if len(reader.pages) > MAX_PAGES:
            raise Refused(f"has more than {MAX_PAGES} pages; split it")
        pages = _pages(reader)
        title, date = _metadata(reader)
    except Refused:
        raise
    except (pypdf.errors.DependencyError, pypdf.errors.FileNotDecryptedError, NotImplementedError) as exc:
        raise Refused(f"is encrypted in a way that cannot be read ({exc})") from exc
    except Exception as exc:  # a broken file raises KeyError, TypeError, RecursionError and more
        raise Refused(f"is a broken PDF ({type(exc).__name__})") from exc
    if not pages:
        raise Refused("has no pages")
    if sum(len(page.strip()) for page in pages) < MIN_CHARS_A_PAGE * len(pages):
        raise Refused("has no text layer (a scan?); run text recognition (OCR) on it first")
    return Extract(path.name, title, _flow(pages), date)


def _pages(reader: Any) -> list[str]:
    pages: list[str] = []
    size = 0
    for page in reader.pages:
        pages.append(page.extract_text() or "")
        size += len(pages[-1])
        if size > MAX_TEXT_CHARS:
            raise Refused(f"holds more than {MAX_TEXT_CHARS} characters; split it")
    return pages


def _metadata(reader: Any) -> tuple[str, datetime | None]:
    """Title and date of creation; a malformed one is none."""
    info = reader.metadata
    if info is None:
        return "", None
    try:
        date = info.creation_date
    except ValueError:
        date = None
    return str(info.title or ""), date


def _flow(pages: list[str]) -> str:
    """Paragraphs of all pages: running heads and page numbers out, words cut at line ends joined."""
    split = [[line.strip() for line in page.splitlines()] for page in pages]
    heads = _running(split)
    text = "\n".join(
        "\n".join(line for line in page if line not in heads and not _number(line)) for page in split
    )
    text = re.sub(r"(\w)[-\u00ad]\n(?=[a-z])", r"\1", text)
    # a line that ends a sentence and is clearly shorter than its neighbours ends a paragraph
    lines = text.split("\n")
    width = (
        sorted(len(line) for line in lines if line)[int(0.8 * sum(1 for line in lines if line))]
        if text.strip()
        else 0
    )
    out = []
    for line in lines:
        out.append(line)
        if line.endswith((".", "!", "?", "”", '"')) and len(line) < 0.8 * width:
            out.append("")
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", "\n".join(out)))
    return "\n\n".join(part for part in paragraphs if part)


def _running(pages: list[list[str]]) -> set[str]:
    """First and last lines that stand on most pages."""
    if len(pages) < 4:
        return set()
    edges = Counter(line for page in pages for line in {*page[:1], *page[-1:]} if line)
    return {line for line, count in edges.items() if count > 0.6 * len(pages)}


def _number(line: str) -> bool:
    return bool(re.fullmatch(r"(?:page\s+)?[-–—]?\s*\d{1,4}\s*[-–—]?(?:\s*(?:of|/)\s*\d{1,4})?", line, re.I))
