"""A strict reader of MarkdownV2, by the rules of the Bot API; refuses what Telegram would refuse."""

from __future__ import annotations

from dataclasses import dataclass

RESERVED = set("_*[]()~`>#+-=|{}.!")
STYLES = {"*": "bold", "_": "italic", "__": "underline", "~": "strikethrough", "||": "spoiler"}


class MarkdownError(ValueError):
    """The text as Telegram's servers describe it in a 400."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A styled part; offset and length are in UTF-16 units of the visible text."""

    type: str
    offset: int
    length: int
    argument: str = ""


def units(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def parse(source: str) -> tuple[str, list[Entity]]:
    """The visible text and its entities. Raises MarkdownError."""
    return _Reader(source).read()


@dataclass(slots=True)
class _Open:
    mark: str
    type: str
    offset: int
    argument: str = ""


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.out: list[str] = []
        self.offset = 0
        self.open: list[_Open] = []
        self.entities: list[Entity] = []

    def read(self) -> tuple[str, list[Entity]]:
        while self.at < len(self.source):
            char = self.source[self.at]
            following = self.source[self.at + 1 : self.at + 2]
            in_code = bool(self.open) and self.open[-1].type in ("code", "pre")
            if char == "\\" and following and 0 < ord(following) <= 126:
                self._show(following)
                self.at += 2
            elif char not in RESERVED or (in_code and char != "`"):
                self._show(char)
                self.at += 1
            elif self.open and self._closes():
                self._close()
            else:
                self._begin(char)
        if self.open:
            raise MarkdownError(f"Can't find end of {self.open[-1].type} entity")
        return "".join(self.out), sorted(self.entities, key=lambda e: (e.offset, -e.length))

    def _show(self, char: str) -> None:
        self.out.append(char)
        self.offset += units(char)

    def _closes(self) -> bool:
        top = self.open[-1]
        if top.mark == "_":  # two in a row are always underline
            return self._sees("_") and not self._sees("__")
        return self._sees("]") if top.mark == "[" else self._sees(top.mark)

    def _sees(self, mark: str) -> bool:
        return self.source.startswith(mark, self.at)

    def _close(self) -> None:
        top = self.open.pop()
        self.at += len(top.mark)
        argument = top.argument
        if top.mark == "[":
            if not self._sees("("):
                raise MarkdownError("a link without an address")
            argument = self._address()
        if self.offset > top.offset:
            self.entities.append(Entity(top.type, top.offset, self.offset - top.offset, argument))

    def _address(self) -> str:
        self.at += 1
        url: list[str] = []
        while not self._sees(")"):
            if self._sees("\\") and self.at + 1 < len(self.source):
                self.at += 1
            if self.at >= len(self.source):
                raise MarkdownError("Can't find end of a URL")
            url.append(self.source[self.at])
            self.at += 1
        self.at += 1
        return "".join(url)

    def _begin(self, char: str) -> None:
        mark = next((m for m in ("__", "||", "```") if self._sees(m)), char)
        if mark == "```":
            self.at += 3
            self._begin_pre()
        elif mark in STYLES or mark in ("`", "["):
            kind = STYLES.get(mark) or {"`": "code", "[": "text_link"}[mark]
            if any(o.type == kind for o in self.open):
                raise MarkdownError(f"{kind} inside {kind}")
            if kind == "code" and self.open:
                raise MarkdownError("code inside another entity")
            self.open.append(_Open(mark, kind, self.offset))
            self.at += len(mark)
        else:
            raise MarkdownError(f"Character '{char}' is reserved and must be escaped with the preceding '\\'")

    def _begin_pre(self) -> None:
        if self.open:
            raise MarkdownError("pre inside another entity")
        end = self.at
        while end < len(self.source) and not self.source[end].isspace() and self.source[end] != "`":
            end += 1
        language = ""
        if end < len(self.source) and self.source[end] != "`":
            language, self.at = self.source[self.at : end], end
        if self._sees("\n"):
            self.at += 1
        self.open.append(_Open("```", "pre", self.offset, language))
