"""Undoing the compression of an answer while it arrives, within a limit.

A small answer can unpack to any size, so the library's own unpacking is not used. This module knows
nothing of HTTP beyond the names of encodings.
"""

from __future__ import annotations

import zlib

from ingest.fetch_errors import TooLarge, Unreachable, WrongType


class Unpacker:
    """Undoes gzip or deflate without ever holding more than the limit.

    Args:
        encoding: the Content-Encoding header; empty for plain.
        limit: bytes, for the message.

    Raises:
        WrongType: another encoding.
    """

    def __init__(self, encoding: str, limit: int) -> None:
        self._encoding = encoding.strip().lower()
        self._limit = limit
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise WrongType(f"content encoding {self._encoding[:30]}")
        self._packed = self._encoding not in ("", "identity")
        self._inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, told by the first bytes
        self._started = False

    def feed(self, part: bytes, room: int) -> bytes:
        """Plain bytes of a part. Raises TooLarge when they do not fit into `room`."""
        out = self._unpacked(part, room) if self._packed else part
        if len(out) > room:
            raise TooLarge(f"larger than {self._limit} bytes once unpacked")
        self._started = True
        return out

    def finish(self) -> None:
        """Raises Unreachable when the packed data ends too early."""
        if self._packed and self._started and not self._inflate.eof:
            raise Unreachable("ends in the middle of its compressed data")

    def _unpacked(self, part: bytes, room: int) -> bytes:
        try:
            out = self._inflate.decompress(part, room + 1)
            while self._inflate.eof and self._inflate.unused_data[:2] == b"\x1f\x8b" and len(out) <= room:
                rest = self._inflate.unused_data  # gzip files may be strung together
                self._inflate = zlib.decompressobj(wbits=47)
                out += self._inflate.decompress(rest, room + 1 - len(out))
        except zlib.error as exc:
            if self._started or self._encoding != "deflate":
                raise Unreachable("broken compression") from exc
            self._encoding = "raw deflate"  # some servers leave out the header
            self._inflate = zlib.decompressobj(wbits=-15)
            return self._unpacked(part, room)
        return out
