"""The model's light markdown as Telegram's MarkdownV2.

Bold, italic, strikethrough, inline code, fences, web links, bullets and headings are kept;
everything else is escaped, so that what the model wrote is what people read. The result never
shows more characters than the source had. This module knows no network and no message limit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby

_RESERVED = re.compile(r"([_*\[\]()~`>#+\-=|{}.!\\])")
_IN_CODE = re.compile(r"([`\\])")
_IN_URL = re.compile(r"([)\\])")
_ESCAPED = r"\\\1"
_PING = re.compile(r"()(?<![\w/])@(?=\w)")
_MARKED_PING = re.compile(
    r"(```(?:\\.|[^\\`])*```|`(?:\\.|[^\\`])*`|\]\((?:\\.|[^\\)])*\)|\\.)|(?<![\w/])@(?=\w)", re.DOTALL
)

_FENCE = re.compile(r"(?P<before>[^`]*?)(?P<marker>`{3,}|~{3,})[ \t]*(?P<lang>[\w+#.\-]{0,32})[ \t]*")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(?P<text>.*?)(?:[ \t]+#+)?[ \t]*")
_BULLET = re.compile(r"(?P<indent>\s*)[-*+][ \t]+(?P<text>\S.*)")
_TOKEN = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?P<ticks>`+)"
    r"|!?\[(?P<label>[^\[\]]+)\]\((?P<url>https?://(?:[^\s()<>]|\([^\s()<>]*\))+)(?:[ \t]+\"[^\"]*\")?\)"
    r"|<(?P<auto>https?://[^\s<>]+)>"
    r"|(?P<bare>https?://[^\s<>*`~]*[^\s<>*`~_])"
    r"|(?P<run>\*+|_+|~~+)"
)
_MARKERS = {"bold": "*", "italic": "_", "strike": "~"}  # in the order in which they are opened


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of one line in one style."""

    text: str
    styles: frozenset[str] = frozenset()
    code: bool = False
    url: str = ""


@dataclass(slots=True)
class _Delimiter:
    """A run of *, _ or ~ and what it turned out to open and close, innermost first."""

    char: str
    count: int
    can_open: bool
    can_close: bool
    opens: list[str] = field(default_factory=list)
    closes: list[str] = field(default_factory=list)


def escape(text: str) -> str:
    """Text that MarkdownV2 shows as it is."""
    return _RESERVED.sub(_ESCAPED, text)


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units, which is how Telegram counts."""
    return len(text) + sum(char > "\uffff" for char in text)


def without_pings(text: str, *, markdown: bool = False) -> str:
    """The text with an invisible joiner in each @name, so that nobody is notified.

    Args:
        text: plain text, or MarkdownV2, where code and the addresses of links stay as they are.
        markdown: which of the two it is.
    """
    pattern = _MARKED_PING if markdown else _PING
    return pattern.sub(lambda match: match[1] or "@\u2060", text)


def to_markdown_v2(text: str) -> str:
    """Light markdown as MarkdownV2.

    Args:
        text: what the model or a command wrote; an unclosed fence runs to the end.

    Returns:
        Text for `parse_mode=MarkdownV2`.
    """
    lines = iter(text.replace("\r\n", "\n").split("\n"))
    return "\n".join(_block(line, lines) for line in lines)


def _block(line: str, following: Iterator[str]) -> str:
    """One line, or a whole fence, which takes its other lines from `following`."""
    fence = _FENCE.fullmatch(line)
    if fence and (fence["marker"][0] == "`" or not fence["before"].strip()):
        before = fence["before"]
        code = _pre(list(_fenced(following, fence["marker"])), fence["lang"])
        return "\n".join(part for part in (_line(before) if before.strip() else "", code) if part)
    return _line(line)


def _fenced(following: Iterator[str], marker: str) -> Iterator[str]:
    for line in following:
        bare = line.rstrip()
        if bare.endswith(marker):
            last = bare.rstrip(marker[0])
            if marker not in last:
                if last.strip():
                    yield last
                return
        yield line


def _pre(lines: list[str], language: str) -> str:
    code = _IN_CODE.sub(_ESCAPED, "\n".join(lines))
    return f"```{language}\n{code}```" if code.strip() else ""


def _line(line: str) -> str:
    if heading := _HEADING.fullmatch(line):
        runs = _inline(heading["text"])
        return _emit(replace(run, styles=run.styles | {"bold"}) for run in runs)
    if bullet := _BULLET.fullmatch(line):
        return bullet["indent"] + "• " + _emit(_inline(bullet["text"]))
    return _emit(_inline(line))


# --- reading one line ----------------------------------------------------------------------


def _inline(text: str) -> list[Run]:
    """The styled pieces of one line."""
    parts = list(_tokens(text))
    _pair([part for part in parts if isinstance(part, _Delimiter)])
    return list(_styled(parts))


def _tokens(text: str) -> Iterator[Run | _Delimiter]:
    at = 0
    unclosed: set[int] = set()  # lengths of backtick runs without a partner, so that each is sought once
    while match := _TOKEN.search(text, at):
        yield Run(text[at : match.start()])
        at = match.end()
        if match["ticks"]:
            code, at = _code_span(text, match, unclosed)
            yield code
        elif match["label"]:
            for run in _inline(match["label"]):
                yield replace(run, url=match["url"], code=False)
        elif match["run"]:
            yield _delimiter(text, match)
        else:
            yield Run(match["escaped"] or match["auto"] or match["bare"])
    yield Run(text[at:])


def _code_span(text: str, ticks: re.Match[str], unclosed: set[int]) -> tuple[Run, int]:
    """The code that opens at `ticks` and where it ends, or the backticks themselves."""
    width = len(ticks[0])
    if width not in unclosed:
        closing = re.compile(rf"(?<!`)`{{{width}}}(?!`)").search(text, ticks.end())
        if closing:
            code = text[ticks.end() : closing.start()]
            if code.startswith(" ") and code.endswith(" ") and code.strip():
                code = code[1:-1]
            return Run(code, code=True), closing.end()
        unclosed.add(width)
    return Run(ticks[0]), ticks.end()


def _delimiter(text: str, match: re.Match[str]) -> _Delimiter:
    """Where a run of markers may open or close, by what stands beside it."""
    run = match["run"]
    before = text[match.start() - 1] if match.start() else " "
    after = text[match.end()] if match.end() < len(text) else " "
    left = not after.isspace() and (after.isalnum() or not before.isalnum())
    right = not before.isspace() and (before.isalnum() or not after.isalnum())
    inside_word = before.isalnum() and after.isalnum()
    if inside_word and (run[0] == "_" or run == "*"):  # snake_case and 2*3*4 are no emphasis
        left = right = False
    return _Delimiter(run[0], len(run), left, right)


def _pair(delimiters: list[_Delimiter]) -> None:
    """Match openers with closers; pairs nest, what is crossed by a pair stays literal."""
    stack: list[_Delimiter] = []
    waiting: Counter[str] = Counter()  # openers on the stack, so that a hopeless search is not begun
    for closer in delimiters:
        while closer.can_close and closer.count and waiting[closer.char]:
            while stack[-1].char != closer.char:
                waiting[stack.pop().char] -= 1
            opener = stack[-1]
            width = min(2, opener.count, closer.count)
            if closer.char == "~" and width < 2:
                break
            style = "strike" if closer.char == "~" else "bold" if width == 2 else "italic"
            opener.opens.append(style)
            closer.closes.append(style)
            opener.count -= width
            closer.count -= width
            if not opener.count:
                waiting[stack.pop().char] -= 1
        if closer.can_open and closer.count:
            stack.append(closer)
            waiting[closer.char] += 1


def _styled(parts: Iterable[Run | _Delimiter]) -> Iterator[Run]:
    depth: Counter[str] = Counter()
    styles: frozenset[str] = frozenset()
    for part in parts:
        if isinstance(part, Run):
            yield replace(part, styles=part.styles | styles) if styles else part
            continue
        if part.closes:
            depth.subtract(part.closes)
            styles = frozenset(+depth)
        yield Run(part.char * part.count, styles)
        if part.opens:
            depth.update(part.opens)
            styles = frozenset(+depth)


# --- writing one line ----------------------------------------------------------------------


def _emit(runs: Iterable[Run]) -> str:
    """MarkdownV2 of one line; markers are written only around text, so no empty pair arises."""
    out: list[str] = []
    shown = (run for run in runs if run.text)
    for url, group in groupby(shown, key=lambda run: run.url):
        body = _emit_group(group)
        out.append(f"[{body}]({_IN_URL.sub(_ESCAPED, url)})" if url else body)
    return "".join(out)


def _emit_group(runs: Iterable[Run]) -> str:
    out: list[str] = []
    opened: list[str] = []

    def switch(wanted: frozenset[str]) -> None:
        while not wanted.issuperset(opened):
            out.append(_MARKERS[opened.pop()])
        for style in _MARKERS:
            if style in wanted and style not in opened:
                opened.append(style)
                out.append(_MARKERS[style])

    for run in runs:
        if run.code:  # Telegram allows no other style on code
            switch(frozenset())
            out.append(f"`{_IN_CODE.sub(_ESCAPED, run.text)}`")
        else:
            switch(run.styles)
            out.append(escape(run.text))
    switch(frozenset())
    return "".join(out)
