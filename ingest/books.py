"""A plain-text book, as Project Gutenberg publishes it, into its chapters' paragraphs.

Header, licence, contents, headings, page numbers, illustrations and notes of transcribers are taken
away, each counted. This module makes no pairs (`ingest.book_pairs`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.errors import InputError
from engine.prompt import clean_text
from ingest.ledger import Stage

_START = re.compile(r"^\*{3}\s*START OF (?:THE|THIS) PROJECT GUTENBERG.*$", re.I | re.M)
_END = re.compile(
    r"^(?:\*{3}\s*END OF (?:THE|THIS) PROJECT GUTENBERG.*|End of (?:the )?Project Gutenberg.*)$", re.I | re.M
)
_SMALL_PRINT = re.compile(r"^\*END\*?\s*THE SMALL PRINT!.*$", re.I | re.M)
_FIELD = re.compile(r"^(Title|Author):\s*(\S.*)$", re.M)

_ILLUSTRATION = re.compile(r"\[(?:Illustration|Picture|Frontispiece|Image)\b[^\]]*\]", re.I)
_NOTE = re.compile(r"\[?\s*(?:Transcriber|Transcriptor|Editor)['’]?s?['’]?\s+notes?\b", re.I)
_FOOTNOTE = re.compile(r"\[Footnote\b[^\]]*\]|^\s*\[\d{1,3}\]\s+\S", re.I)
_FOOTNOTE_MARK = re.compile(r"\[(?:\d{1,3}|[*†‡A-Z])\]")
_PAGE_MARK = re.compile(r"\[Pg?\.?\s*\d+\]|\{\d{1,4}\}|\[Page \d+\]", re.I)
_PAGE_LINE = re.compile(r"^\s*[\[({]?\s*(?:p(?:age|g)?\.?\s*)?\d{1,4}\s*[\])}]?\s*$", re.I)
_ROMAN = r"[IVXLC]{1,8}"
_CHAPTER = re.compile(
    rf"^(?:(?i:(?:chapter|book|part|volume|vol\.|section|letter|canto|act|scene|stave)\s+"
    rf"(?:{_ROMAN}\b|\d{{1,3}}\b|the\s+(?:first|last|\w+th|second|third)\b"
    r"|(?:(?:twenty|thirty|forty|fifty)[- ]?)?"
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|\w+ty|first|last)\b))"
    rf"|{_ROMAN}\.?$|\d{{1,3}}\.?$"
    r"|(?i:prologue|epilogue|preface|introduction|introductory|foreword|afterword|appendix|conclusion|notice"
    r"|explanatory|dedication|errata|footnotes?|the end|finis)\b(?=[^a-z]*$))"
)
_CONTENTS = re.compile(r"^(?:table of )?contents\.?:?$|^(?:list of )?illustrations\.?:?$|^index\.?$", re.I)
_ENTRY = re.compile(
    rf"^\s*(?:(?:CHAPTER|PART|BOOK)\b|{_ROMAN}\.|\d{{1,3}}\.)|(?:\.\s?){{3,}}|\s\d{{1,4}}\s*$", re.I
)
_CREDIT = re.compile(r"^(?:produced|prepared|transcribed|scanned|e-?text) (?:by|prepared)\b|proofread", re.I)
_RULE = re.compile(r"^[\s*·•.\-_—=~+#]+$")
PICTURE = "\x01"  # stands for a caption until it is counted
_SPEECH = "\"'“‘«"


@dataclass(frozen=True, slots=True)
class Book:
    """A book's prose."""

    title: str
    author: str
    """Empty where the file does not tell."""
    chapters: tuple[tuple[str, ...], ...]
    """Paragraphs of each chapter, on one line each but for verse."""


def read_book(text: str, name: str, stage: Stage) -> Book:
    """The chapters of a book.

    Args:
        text: the whole file.
        name: the file's name, for the ledger and as the title where the file tells none.
        stage: counts paragraphs.

    Raises:
        InputError: Project Gutenberg's header or licence is there but cannot be told from the book.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    fields = dict(reversed(_FIELD.findall(text[:20_000])))
    body = _ILLUSTRATION.sub(PICTURE, _body(text, name))
    chapters: list[list[str]] = [[]]
    for place, kind, paragraph in _Reader(_blocks(body)).read():
        if kind:
            stage.drop(kind, f"{name} paragraph {place}")
            if kind == "chapter heading" and chapters[-1]:
                chapters.append([])
        else:
            stage.keep()
            chapters[-1].append(paragraph)
    title = fields.get("Title", "").strip() or name.rsplit(".", 1)[0]
    return Book(title, fields.get("Author", "").strip(), tuple(tuple(c) for c in chapters if c))


def _body(text: str, name: str) -> str:
    """What stands between Project Gutenberg's header and licence."""
    start = _START.search(text) or _SMALL_PRINT.search(text)
    end = _END.search(text, start.end() if start else 0)
    if start is None and "project gutenberg" in text.casefold():
        raise InputError(
            f"{name} speaks of Project Gutenberg but has no *** START OF … *** line, so its header and "
            "licence cannot be told from the book; take them away by hand, or download the plain text again."
        )
    if start is not None and end is None:
        raise InputError(f"{name} has no *** END OF … *** line: it is cut off; download it again.")
    return text[start.end() if start else 0 : end.start() if end else len(text)]


def _blocks(body: str) -> Iterator[tuple[str, list[str]]]:
    """Runs of lines between empty ones, page numbers and marks taken out, with what was wrong with them."""
    for raw in re.split(r"\n[ \t]*\n", body):
        lines = [_PAGE_MARK.sub("", line).replace(PICTURE, " ") for line in raw.split("\n")]
        kept = [line for line in lines if line.strip() and not _PAGE_LINE.match(line)]
        if kept:
            yield "", kept
        elif raw.strip():
            yield ("illustration" if PICTURE in raw else "page number"), [raw.strip()]


class _Reader:
    """Goes through blocks and says of each why it is no prose, or gives its paragraph."""

    def __init__(self, blocks: Iterator[tuple[str, list[str]]]) -> None:
        self._blocks = blocks
        self._begun = False  # the first real paragraph or chapter was seen
        self._contents = False
        self._note = ""  # inside a note: the reason for what follows
        self._after_heading = False

    def read(self) -> Iterator[tuple[int, str, str]]:
        """Number, reason (empty for prose) and paragraph of every block."""
        for number, (reason, lines) in enumerate(self._blocks, 1):
            kind = reason or self._kind(lines)
            yield number, kind, "" if kind else _paragraph(lines)

    def _kind(self, lines: list[str]) -> str:
        text = " ".join(line.strip() for line in lines)
        if self._note:
            closed = "]" in text
            if self._note == "bracket":
                self._note = "" if closed else "bracket"
                return "transcriber's note"
            if not _is_heading(lines):
                return "transcriber's note"
            self._note = ""
        if _NOTE.match(text):
            bracket = text.lstrip().startswith("[")
            self._note = ("" if "]" in text else "bracket") if bracket else "open"
            return "transcriber's note"
        if _RULE.match(text):
            return "ornament"
        if _FOOTNOTE.match(text):
            return "footnote"
        if _CONTENTS.match(text.strip("_ ")):
            self._contents = True
            return "contents"
        if self._contents and not _is_prose(lines):
            return "contents"
        self._contents = False
        return self._kind_in_text(lines, text)

    def _kind_in_text(self, lines: list[str], text: str) -> str:
        after_heading, self._after_heading = self._after_heading, False
        if _is_heading(lines):
            self._after_heading = bool(_CHAPTER.match(text))
            self._begun |= self._after_heading  # capitals alone may be the title page's
            return "chapter heading"
        if (
            after_heading
            and len(text.split()) <= 15
            and text[-1] not in ".!?:;,”\"'’—-"
            and text[0] not in _SPEECH
        ):
            return "chapter heading"  # the chapter's title, below its number
        if _CREDIT.search(text) and not self._begun:
            return "title page"
        if not self._begun and not _is_prose(lines):
            return "title page"
        self._begun = True
        return ""


def _is_heading(lines: list[str]) -> bool:
    text = " ".join(line.strip() for line in lines).strip("_= ")
    if len(lines) > 4 or len(text.split()) > 18 or not text or text[0] in _SPEECH:
        return False
    if _CHAPTER.match(text):
        # "Part of the way…" and "I." are told apart by how they end and by their capitals
        return len(text.split()) <= 3 or (not text.endswith((",", ";")) and text.split()[0].isupper())
    letters = [c for c in text if c.isalpha()]
    return len(letters) >= 3 and all(c.isupper() for c in letters) and len(text.split()) <= 12


def _is_prose(lines: list[str]) -> bool:
    """Whether a block among contents or title pages is a paragraph of the book itself."""
    text = " ".join(line.strip() for line in lines)
    if _ENTRY.search(lines[0]) or text.count("—") + text.count("--") >= 3:
        return False
    return len(text.split()) >= 20 and text.rstrip("_")[-1] in ".!?:;”\"'’" and text[0] not in "©"


def _paragraph(lines: list[str]) -> str:
    """One line of text; verse keeps its lines."""
    verse = len(lines) > 1 and all(line.startswith("    ") for line in lines)
    text = ("\n" if verse else " ").join(" ".join(line.split()) for line in lines)
    text = re.sub(r"(?<!\w)_([^_]+)_(?!\w)", r"\1", _FOOTNOTE_MARK.sub("", text))
    return clean_text(re.sub(r" {2,}", " ", text))
