"""Bytes of a text file to text: the encoding is told from the bytes, and garbage is refused.

This module knows nothing of transcripts; it never guesses between two plausible alphabets.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from pathlib import Path

from engine.errors import InputError

MAX_BYTES = 256 * 2**20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before utf-16, whose BOM it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FORBIDDEN = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_MAX_ACCENTED = 0.3


def read_text(path: Path) -> str:
    """The text of a file, its line ends made `\\n`.

    Raises:
        InputError: the file cannot be read, is too large or is not text.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"{path} has {size >> 20} MiB; a text file may have {MAX_BYTES >> 20}.")
        data = path.read_bytes()
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    return decode(data, str(path))


def decode(data: bytes, where: str) -> str:
    """Text of bytes in UTF-8, UTF-16, UTF-32 (with BOM), or Western single-byte encoding.

    Args:
        where: the file's name, for the error.

    Raises:
        InputError: the bytes are not text in any of them.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _checked(_try(data, encoding), where, f"begins like {encoding} but is not")
    text = _try(data, "utf-8")
    if text is None or "\x00" in text:
        text = _utf16_without_bom(data) or (_western(data) if text is None else None)
    return _checked(text, where, "is not text in UTF-8, UTF-16 or Latin-1")


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _utf16_without_bom(data: bytes) -> str | None:
    """Latin-script UTF-16: nearly every second byte is zero."""
    half = max(1, len(data) // 2)
    for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if data[start::2].count(0) > 0.7 * half and data[1 - start :: 2].count(0) < 0.05 * half:
            return _try(data, encoding)
    return None


def _western(data: bytes) -> str | None:
    """Windows-1252 or Latin-1, unless most letters are accented: that is another alphabet misread."""
    text = _try(data, "cp1252") or _try(data, "latin-1") or ""
    letters = [c for c in text if c.isalpha() or unicodedata.category(c)[0] == "S"]
    accented = sum(ord(c) > 127 for c in letters)
    return None if accented > _MAX_ACCENTED * max(1, len(letters)) else text


def _checked(text: str | None, where: str, problem: str) -> str:
    if text is None or _FORBIDDEN.search(text):
        raise InputError(f"{where} {problem}. Save it as UTF-8 and try again.")
    return text.replace("\r\n", "\n").replace("\r", "\n")
