"""Cutting a long text into messages that a platform accepts.

`cut` takes one message off the front; `split` repeats it. Where a text is cut is a matter of
preference: between paragraphs, lines, sentences or words, in this order, and not inside a code
block, an inline markdown span or a grapheme cluster as long as there is another place. A code
block that has to be cut is closed and opened again. This module knows no platform: the limit and
the unit it is counted in are arguments.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Measure = Callable[[str], int]
"""Length of a text in a platform's units; at least 1 for every character, and additive."""

Span = tuple[int, int]

LOOKAHEAD = 256  # characters past the limit that are read to see where a span closes
MAX_CLUSTER = 64  # characters; a longer grapheme cluster is a prank and may be cut

_TICKS = re.compile(r"`{3,}")
_LANGUAGE = re.compile(r"[\w+#.\-]{1,20}(?=[ \t]*\n)")
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_LINE = re.compile(r"\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?…:;。！？])[\"'”’)\]*_]*(?P<at>\s+)")
_SPACE = re.compile(r"\s+")
_CLOSED = re.compile(
    r"(?<!\\)(?:"
    r"(?P<ticks>`+)(?!`)[^\n]+?(?<!`)(?P=ticks)(?!`)"
    r"|!?\[[^\]\n]*\]\([^)\s]*\)"
    r"|<[^<>\s]+>"
    r"|(?P<twin>\*\*|__|~~|\|\|)(?=\S)[^\n]+?(?P=twin)"
    r"|(?<![\w*])\*(?=[^\s*])[^*\n]+\*(?!\*)"
    r"|(?<!\w)_(?=[^\s_])[^_\n]+_(?!\w)"
    r")"
)
_OPENER = re.compile(r"(?<![\w\\*_~|`])(?:\*\*|__|~~|\|\||\*|_|`+|!?\[|<(?=[@#:/a-z]))(?=\S)")


@dataclass(frozen=True, slots=True)
class _Fence:
    """A code block: where its marker, its body and what follows it begin."""

    start: int
    body: int
    end: int
    marker: str
    language: str
    closed: bool


def utf16_units(text: str) -> int:
    """Length in UTF-16 code units, as Telegram counts."""
    return len(text) + sum(char > "\uffff" for char in text)


def split(text: str, limit: int, *, length: Measure = len) -> list[str]:
    """Cut a text into messages.

    Args:
        text: what is to be sent; blank text gives no message.
        limit: longest message, in the units of `length`.
        length: how the platform counts: `len` (code points) or `utf16_units`.

    Returns:
        The messages in order. Without the whitespace at the cuts and the markers that close and
        reopen a cut code block, they join to `text`.

    Raises:
        ValueError: the limit is below 1.
    """
    parts: list[str] = []
    rest = text
    while rest.strip():
        head, rest = cut(rest, limit, length=length)
        if head.strip():
            parts.append(head)
    return parts


def cut(text: str, limit: int, *, length: Measure = len) -> tuple[str, str]:
    """The first message of a text and what remains; the remainder is empty when all of it fits.

    Raises:
        ValueError: the limit is below 1.
    """
    if limit < 1:
        raise ValueError(f"limit is {limit}; a message needs at least 1.")
    if len(text) <= limit and length(text) <= limit:
        return text, ""
    blank = len(text) - len(text.lstrip())
    if blank >= _reach(text, limit, length):
        return "", text[blank:]
    at = _place(text, _reach(text, limit, length))
    fence = _fence_at(text, at)
    if fence is not None:
        closer = f"\n{fence.marker}"
        opener = f"{fence.marker}{fence.language}\n"
        room = limit - length(closer)
        if room >= 2 * length(opener):
            at = _place(text, _reach(text, room, length))
            fence = _fence_at(text, at)
            if fence is not None:
                return _cut_fence(text, at, fence)
    return text[:at].rstrip(), _trim(text[at:])


def close_fence(text: str) -> str:
    """The text with a code block closed that is still open at its end (a reply that is being written)."""
    fence = next((f for f in _fences(text) if not f.closed), None)
    if fence is None or fence.body >= len(text):
        return text
    return f"{text.rstrip()}\n{fence.marker}"


# --- where to cut --------------------------------------------------------------------------


def _reach(text: str, limit: int, length: Measure) -> int:
    """How many characters of `text` fit into `limit`, at least 1."""
    top = min(len(text), limit)
    if length is len or length(text[:top]) <= limit:
        return max(1, top)
    return max(1, bisect_right(range(1, top + 1), limit, key=lambda n: length(text[:n])))


def _place(text: str, reach: int) -> int:
    """The best position of a cut: 0 < position <= reach, and something to show before it."""
    window = text[: reach + LOOKAHEAD]
    fences = list(_fences(window))
    held = [(f.start, f.end) for f in fences] + list(_inline(window, reach, fences))
    first = len(window) - len(window.lstrip()) + 1
    half = max(first, reach // 2)
    in_code = [f for f in fences if f.start < reach < f.end]

    def last(pattern: re.Pattern[str], floor: int, allowed: Callable[[int], bool]) -> int | None:
        group = "at" if "at" in pattern.groupindex else 0
        spots = (m.start(group) for m in pattern.finditer(window, 0, min(len(window), reach + 1)))
        return max((p for p in spots if floor <= p <= reach and allowed(p)), default=None)

    def free(p: int) -> bool:
        return not any(a < p < b for a, b in held)

    def code_line(p: int) -> bool:
        return any(f.body < p < f.end for f in in_code)

    def no_opening_line(p: int) -> bool:
        return not any(f.start < p <= f.body for f in fences)

    for pattern, floor, allowed in (
        (_PARAGRAPH, half, free),
        (_LINE, half, free),
        (_SENTENCE, half, free),
        (_SPACE, half, free),
        (_LINE, half, code_line),
        (_SPACE, first, free),
        (_LINE, first, code_line),
        (_SPACE, first, no_opening_line),
    ):
        found = last(pattern, floor, allowed)
        if found is not None:
            return found
    return _cluster_start(text, reach, first)


def _cluster_start(text: str, at: int, floor: int) -> int:
    """The last position up to `at` that is between two grapheme clusters."""
    for p in range(at, max(floor, at - MAX_CLUSTER) - 1, -1):
        if not _joined(text, p):
            return p
    return at - 1 if at > floor and _is_low(text[at : at + 1]) else at


def _joined(text: str, p: int) -> bool:
    """Whether the characters on both sides of position `p` belong to one grapheme cluster."""
    if not 0 < p < len(text):
        return False
    before, after = text[p - 1], text[p]
    if _is_low(after) or (before == "\r" and after == "\n"):
        return True
    if before == "\u200d" or after == "\u200d" or unicodedata.category(after) in ("Mn", "Mc", "Me"):
        return True
    if 0x1F3FB <= ord(after) <= 0x1F3FF or 0xE0020 <= ord(after) <= 0xE007F:  # skin tones, flag tags
        return True
    if _is_flag(after) and _is_flag(before):
        run = 0
        while run < p and _is_flag(text[p - 1 - run]):
            run += 1
        return run % 2 == 1  # flags are pairs of letters
    return _is_jamo(before) and 0x1160 <= ord(after) <= 0x11FF


def _is_low(char: str) -> bool:
    return "\udc00" <= char <= "\udfff"


def _is_flag(char: str) -> bool:
    return 0x1F1E6 <= ord(char) <= 0x1F1FF


def _is_jamo(char: str) -> bool:
    return 0x1100 <= ord(char) <= 0x11FF or 0xAC00 <= ord(char) <= 0xD7A3


def _trim(rest: str) -> str:
    """What follows a cut, without the whitespace at it; the indentation of its first line stays."""
    bare = rest.lstrip()
    space = rest[: len(rest) - len(bare)]
    return space[space.rfind("\n") + 1 :] + bare if "\n" in space else bare


# --- markdown ------------------------------------------------------------------------------


def _fences(text: str) -> Iterator[_Fence]:
    """The code blocks of a text, in order; the last one may be open."""
    at = 0
    while (mark := _TICKS.search(text, at)) is not None:
        line_end = text.find("\n", mark.end())
        language = _LANGUAGE.match(text, mark.end())
        body = mark.end()
        if line_end >= 0 and (language or not text[mark.end() : line_end].strip()):
            body = line_end
        elif line_end < 0 and "`" not in text[mark.end() :]:
            body = len(text)  # the opening line is still being written
        ends = (m for m in _TICKS.finditer(text, mark.end()) if len(m[0]) >= len(mark[0]))
        closing = next(ends, None)
        at = closing.end() if closing else len(text)
        yield _Fence(mark.start(), body, at, mark[0], language[0] if language else "", closing is not None)


def _fence_at(text: str, at: int) -> _Fence | None:
    """The code block that a cut at `at` would open up, if its body has begun by then."""
    fence = next((f for f in _fences(text[:at]) if not f.closed), None)
    if fence is None or not text[fence.body : at].strip():
        return None
    whole = next(f for f in _fences(text) if f.start == fence.start)
    return whole if whole.body < at else None


def _cut_fence(text: str, at: int, fence: _Fence) -> tuple[str, str]:
    """Cut inside a code block: close it before the cut and open it again after."""
    head = f"{text[:at].rstrip()}\n{fence.marker}"
    rest = text[at:].removeprefix("\n")
    closing = re.match(r"\s*" + fence.marker + r"`*[ \t]*(?:\n|$)", rest)
    if closing is not None:  # nothing but the closing marker was left of the block
        return head, _trim(rest[closing.end() :])
    return head, f"{fence.marker}{fence.language}\n{rest}"


def _inline(text: str, reach: int, fences: list[_Fence]) -> Iterator[Span]:
    """Inline spans (bold, code, links …) that should stay whole, code blocks left out."""
    closed: list[Span] = []
    for match in _CLOSED.finditer(text):
        if not any(f.start < match.end() and match.start() < f.end for f in fences):
            closed.append(match.span())
    yield from closed
    # A span that opens shortly before the limit and whose end is not in sight yet.
    line = max(text.rfind("\n", 0, reach) + 1, reach // 2)
    for match in _OPENER.finditer(text, line, reach):
        if not any(a <= match.start() < b for a, b in [*closed, *((f.start, f.end) for f in fences)]):
            yield (match.start(), reach + 1)
            return
