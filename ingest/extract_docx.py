"""Text of DOCX files, behind a guard: they are zip archives, which may be bombs. Macros are never run."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest.extract import Extract, Refused
from ingest.optional import load

MAX_PARTS = 5_000
MAX_UNPACKED_BYTES = 200_000_000
MAX_RATIO = 200  # text packs about 10 to 1; bombs 1000 to 1
SMALL_BYTES = 1_000_000


def read_docx(body: bytes, path: Path) -> Extract:
    """Paragraphs and tables in order, headings marked with #; title and date of creation.

    Raises:
        Refused: no DOCX, broken, encrypted, or a zip bomb.
        ConfigError: python-docx is not installed.
    """
    _guard(body)
    docx = load("docx", "Reading DOCX")
    try:
        document = docx.Document(io.BytesIO(body))
        text = "\n\n".join(part for part in map(_block, document.iter_inner_content()) if part)
        title, created = document.core_properties.title or "", document.core_properties.created
    except Exception as exc:  # python-docx lets lxml's, zipfile's and its own errors through
        raise Refused(f"is a broken DOCX ({type(exc).__name__})") from exc
    return Extract(path.name, title, text, _aware(created))


def _guard(body: bytes) -> None:
    """Check what is inside before anything unpacks it."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            parts = archive.infolist()
            if len(parts) > MAX_PARTS or sum(p.file_size for p in parts) > MAX_UNPACKED_BYTES:
                raise Refused("unpacks to more than a document can be (a zip bomb?)")
            for part in parts:
                if part.file_size > SMALL_BYTES and part.file_size > MAX_RATIO * max(1, part.compress_size):
                    raise Refused("unpacks to more than a document can be (a zip bomb?)")
                if part.flag_bits & 1:
                    raise Refused("is encrypted; save it without a password")
                if part.filename.endswith((".xml", ".rels")):
                    _check_xml(archive, part)
            if "[Content_Types].xml" not in archive.namelist():
                raise Refused("is a zip archive but no DOCX")
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as exc:
        raise Refused("is a broken DOCX (its archive cannot be opened)") from exc


def _check_xml(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """Sizes in an archive's list may lie, so no more is read than they say; no DTD may declare entities."""
    with archive.open(part) as file:
        read = file.read(part.file_size + 1)
    if len(read) > part.file_size:
        raise Refused("is a zip archive that lies about its sizes")
    # UTF-16 parts would hide the word from a search for bytes
    if "<!DOCTYPE" in read.decode(
        "utf-16" if read[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1", "replace"
    ):
        raise Refused("declares its own entities, which no word processor writes")


def _block(block: Any) -> str:
    if hasattr(block, "rows"):
        rows = (
            dict.fromkeys(cell.text.strip() for cell in row.cells if cell.text.strip()) for row in block.rows
        )
        return "\n".join(" | ".join(cells) for cells in rows if cells)
    text = str(block.text).strip()
    style = str(getattr(block.style, "name", "") or "")
    return f"# {text}" if text and style.startswith(("Heading", "Title")) else text


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
