"""The footer under a reply: which pages it drew on.

This module knows how links and small print are written, and nothing of how a message is sent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from engine.prompt import clean_text
from engine.types import Passage, Result

MAX_SOURCES = 3
MAX_TITLE_CHARS = 80


def source_footer(result: Result, limit: int, *, markup: Literal["plain", "discord"] = "plain") -> str:
    """The sources of a reply, one a line, at most three; empty when there are none.

    Args:
        result: passages of one page share a line: `[1][3] Title, 2026-11-18 https://…`.
        limit: characters; a line that does not fit is left out.
        markup: `discord` writes small print, escapes the title and suppresses the link's preview.
    """
    pages: dict[tuple[str, str], list[int]] = {}
    for number, source in enumerate(result.sources, 1):
        pages.setdefault((source.title, source.url), []).append(number)
    lines: list[str] = []
    for numbers in list(pages.values())[:MAX_SOURCES]:
        line = _source_line(numbers, result.sources[numbers[0] - 1], markup == "discord")
        if len("\n".join([*lines, line])) <= limit:
            lines.append(line)
    return "\n".join(lines)


def _source_line(numbers: Sequence[int], source: Passage, discord: bool) -> str:
    title = " ".join(clean_text(source.title).split()) or "untitled"
    if len(title) > MAX_TITLE_CHARS:
        title = title[: MAX_TITLE_CHARS - 1].rstrip() + "…"
    url = source.url if re.fullmatch(r"https?://[^\s<>]+", source.url) else ""
    if discord:
        title = re.sub(r"([\\*_~`|\[\]()<>#@:])", r"\\\1", title)
        url = f"<{url}>" if url else ""
    date = f", {source.published_at:%Y-%m-%d}" if source.published_at else ""
    marks = "".join(f"[{n}]" for n in numbers)
    return f"{'-# ' if discord else ''}{marks} {title}{date} {url}".rstrip()


def plain_footer(result: Result) -> str:
    """The default footer: sources without any markup."""
    return source_footer(result, 600)
