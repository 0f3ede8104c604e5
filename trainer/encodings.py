"""Finds text that went through a wrong encoding, so that nobody trains a model on `â€™`.

Knows nothing of rows or files; it only reads a string.
"""

from __future__ import annotations

import re

# What cp1252 (or Latin-1) makes of UTF-8: a lead byte's character, then those of continuation bytes.
_CONTINUATION = "[\x80-\xbf" + "".join(
    bytes([b]).decode("cp1252") for b in range(0x80, 0xA0) if b not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
)
_GARBLED = re.compile(
    f"[\xc2-\xdf]{_CONTINUATION}]|[\xe0-\xef]{_CONTINUATION}]{{2}}|[\xf0-\xf4]{_CONTINUATION}]{{3}}"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def encoding_fault(text: str) -> str:
    """Why a text is not what its author wrote; empty where nothing is wrong.

    Returns:
        a phrase such as `'â€™' is '’' read in a wrong encoding`.
    """
    if "\ufffd" in text:
        return "it holds U+FFFD, which a failed decoding left behind"
    if _SURROGATE.search(text):
        return "it holds half of a surrogate pair"
    for match in _GARBLED.finditer(text):
        meant = _repaired(match[0])
        if meant:
            return f"{match[0]!r} is {meant!r} read in a wrong encoding"
    return ""


def _repaired(garbled: str) -> str:
    try:
        return b"".join(_byte(c) for c in garbled).decode("utf-8")
    except UnicodeError:
        return ""


def _byte(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:  # cp1252 leaves five bytes undefined; Latin-1 has them
        return character.encode("latin-1")
