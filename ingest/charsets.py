"""Bytes to text when the declared charset may be missing or wrong.

Valid UTF-8 is UTF-8, whatever is declared: text in another charset passes as such by no accident.
After that the declarations are tried, then a guess from the bytes. This module knows no markup
beyond where a charset is declared.
"""

from __future__ import annotations

import codecs
import re

HEAD_BYTES = 2048  # declarations stand at the beginning
WESTERN = 0.15  # accents are rarer than this; the letters of other scripts are far more
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_IN_TYPE = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.I)
_IN_BODY = re.compile(rb"(?:encoding|charset)\s*=\s*[\"']?([\w.:-]+)", re.I)
_LIKE_ASCII = re.compile(r"iso2022|hz|utf-16|utf-32")  # their bytes can pass for UTF-8
_LATIN = {"iso8859-1", "ascii"}  # the web means windows-1252 by these


def decode(body: bytes, content_type: str = "") -> str:
    """The text of an answer; bytes that fit nothing become U+FFFD."""
    for bom, name in _BOMS:
        if body.startswith(bom):
            return body.decode(name, "replace")
    declared = [name for name in (_declared_type(content_type), _declared_body(body)) if name]
    special = [name for name in declared if _LIKE_ASCII.match(name)]
    for name in [*special, "utf-8", *declared]:
        text = _strict(body, name)
        if text is not None and not (name == "utf-8" and "\x00" in text):
            return text
    return _guess(body)


def _declared_type(content_type: str) -> str:
    match = _IN_TYPE.search(content_type)
    return _known(match[1]) if match else ""


def _declared_body(body: bytes) -> str:
    match = _IN_BODY.search(body[:HEAD_BYTES])
    return _known(match[1].decode("ascii", "replace")) if match else ""


def _known(name: str) -> str:
    try:
        known = codecs.lookup(name).name
    except LookupError:
        return ""
    return "cp1252" if known in _LATIN else known


def _strict(body: bytes, name: str) -> str | None:
    try:
        return body.decode(name)
    except (UnicodeError, LookupError):
        return None


def _guess(body: bytes) -> str:
    """Western text where few bytes are beyond ASCII, else what the bytes look like."""
    few = sum(byte > 0x7F for byte in body) <= WESTERN * len(body)
    western = _strict(body, "cp1252") if few else None
    if western is not None:
        return western
    from charset_normalizer import from_bytes

    best = from_bytes(body[:200_000]).best()
    names = ["cp1252"] if best is None else [best.encoding, "cp1252"]
    for name in names:
        text = _strict(body, name)
        if text is not None:
            return text
    return body.decode("utf-8", "replace")
