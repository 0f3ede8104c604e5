"""Documents into a training set: questions and continuations made of the documents' own sentences.

No teacher model writes anything: every answer is a sentence or passage of the document, and the
question is made of its title, its headings and its words, in five ways:

    about          What is TITLE about?                          → the first passage
    heading        What does TITLE say about HEADING?            → a passage of that section
    definition     What is SUBJECT?                              → the sentence "SUBJECT is …"
    cloze          Complete this sentence from TITLE: … ____ …   → the whole sentence
    continuation   Continue this passage from TITLE: FIRST HALF  → the second half

Input are Markdown files with front matter, as `understudy ingest documents --into` writes them of
PDF, DOCX, HTML and text. This module knows nothing of models, tokens or recipes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.chunks import MAX_WORDS, sentences, split_chunks
from engine.errors import InputError
from engine.prompt import clean_text

MIN_WORDS = 5
"""Shorter sentences and passages teach nothing."""
KINDS = ("about", "heading", "definition", "cloze", "continuation")
GAP = "____"

_FRONT = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.S)
_KEY = re.compile(r"^(title|source)\s*:\s*(.+?)\s*$", re.M)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*\s*$")
_DEFINES = re.compile(
    r"^(?P<what>(?:The|An?)\s+[^,;:]{2,60}?|[A-Z][^,;:]{1,60}?)\s+(?P<verb>is|are|was|were|means)\s+\S"
)
_PRONOUNS = frozenset("it this that these those there he she they we you i here what which who".split())
_NUMBER = re.compile(r"(?<![\w.,])\d[\d.,:]*\d(?![\w])|(?<![\w.,])\d(?![\w.,]\d)")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w’'-]+(?: [A-Z][\w’'-]+){0,2}")
_WORD = re.compile(r"[A-Za-z][a-z’'-]{5,}")


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading; the heading is empty before the first."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """One document, cut at its headings."""

    title: str
    source: str
    """The file it was made of."""
    sections: tuple[Section, ...]


@dataclass(slots=True)
class SetLedger:
    """What came in, what was made of it and what was left out."""

    documents: int = 0
    passages: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def pairs(self) -> int:
        """Rows made."""
        return self.kinds.total()

    def as_json(self) -> dict[str, Any]:
        """All counts."""
        return {
            "documents": self.documents,
            "passages": self.passages,
            "pairs": self.pairs,
            "kinds": {kind: self.kinds[kind] for kind in KINDS},
            "left_out": dict(self.left_out),
            "refused": self.refused,
        }


def build_documents_set(
    paths: Sequence[Path],
    out: Path,
    *,
    max_words: int = MAX_WORDS,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Write the pairs of documents as JSON lines.

    Args:
        paths: Markdown or text files, or folders of them.
        max_words: of a passage.
        say: told a line each for what was refused.

    Returns:
        the ledger as JSON.

    Raises:
        InputError: no file can be read, or nothing could be made of them.
    """
    ledger = SetLedger()
    rows: dict[str, dict[str, Any]] = {}
    for path in _files(paths):
        try:
            document = read_document(path)
        except InputError as exc:
            ledger.refused.append(str(exc))
            say(f"refused: {exc}")
            continue
        ledger.documents += 1
        for row in document_pairs(document, ledger, max_words=max_words):
            if row["id"] in rows:
                ledger.kinds[row["kind"]] -= 1
                ledger.left_out["same pair again"] += 1
            rows[row["id"]] = row
    if not rows:
        raise InputError(
            f"No training pair could be made of {ledger.documents} documents; they need whole sentences of "
            f"{MIN_WORDS} words or more. " + (ledger.refused or [""])[0]
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_suffix(".tmp")
    draft.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows.values()), "utf-8")
    draft.replace(out)
    return {"out": str(out), **ledger.as_json()}


def read_document(path: Path) -> Document:
    """A document of a Markdown or text file.

    Raises:
        InputError: it cannot be read, or holds no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read as UTF-8 text: {exc}.") from exc
    front = _FRONT.match(text)
    keys = {k: v.strip("\"'") for k, v in _KEY.findall(front[1])} if front else {}
    body = clean_text(text[front.end() :] if front else text)
    sections = tuple(_sections(body))
    if not sections:
        raise InputError(f"{path} holds no text.")
    title = clean_text(keys.get("title", "")) or path.stem.replace("-", " ").replace("_", " ")
    return Document(title, keys.get("source") or path.name, sections)


def document_pairs(
    document: Document, ledger: SetLedger, *, max_words: int = MAX_WORDS
) -> Iterator[dict[str, Any]]:
    """The rows of a document in reading order, each with its source, id and kind."""
    first = True
    for section in document.sections:
        for passage in split_chunks(section.text, max_words):
            ledger.passages += 1
            if len(passage.split()) < MIN_WORDS:
                ledger.left_out[f"passages under {MIN_WORDS} words"] += 1
                continue
            for kind, question, answer in _questions(document.title, section.heading, passage, first):
                ledger.kinds[kind] += 1
                digest = hashlib.sha256(f"{kind}\x00{question}\x00{answer}".encode()).hexdigest()[:16]
                yield {
                    "instruction": [question],
                    "response": answer,
                    "source": document.source,
                    "id": f"document-{digest}",
                    "kind": kind,
                }
            first = False


def _questions(title: str, heading: str, passage: str, first: bool) -> Iterator[tuple[str, str, str]]:
    """Kind, question and answer of everything that a passage gives."""
    if first:
        yield "about", f"What is {title} about?", passage
    if heading and heading.casefold() != title.casefold():
        yield "heading", f"What does {title} say about {heading}?", passage
    whole = list(sentences(passage))
    for sentence in whole:
        if len(sentence.split()) < MIN_WORDS:
            continue
        if question := _definition(sentence):
            yield "definition", question, sentence
        if gapped := _cloze(sentence):
            yield "cloze", f"Complete this sentence from {title}: {gapped}", sentence
    middle = len(whole) // 2
    if middle:
        begin, rest = " ".join(whole[:middle]), " ".join(whole[middle:])
        yield "continuation", f"Continue this passage from {title}: {begin}", rest


def _definition(sentence: str) -> str:
    """`What is SUBJECT?` of a sentence that says what its subject is; empty for others."""
    match = _DEFINES.match(sentence)
    if match is None or match["what"].split()[0].casefold() in _PRONOUNS:
        return ""
    what, verb = match["what"], match["verb"]
    if len(what.split()) > 7:
        return ""
    article, _, rest = what.partition(" ")
    subject = f"{article.lower()} {rest}" if article in ("The", "A", "An") else what
    return f"What does {subject} mean?" if verb == "means" else f"What {verb} {subject}?"


def _cloze(sentence: str) -> str:
    """The sentence with its most telling word left out: a number, then a name, then the longest word."""
    for pattern in (_NUMBER, _NAME):
        if found := list(pattern.finditer(sentence)):
            gap = found[-1]
            break
    else:
        words = list(_WORD.finditer(sentence, len(sentence.split()[0])))
        if not words:
            return ""
        gap = max(words, key=lambda m: len(m[0]))
    return sentence[: gap.start()] + GAP + sentence[gap.end() :]


def _sections(body: str) -> Iterator[Section]:
    heading: str = ""
    lines: list[str] = []
    for line in [*body.split("\n"), None]:
        match = _HEADING.match(line) if line is not None else None
        if line is not None and match is None:
            lines.append(line)
            continue
        if text := "\n".join(lines).strip():
            yield Section(heading, text)
        heading, lines = (match[1] if match else ""), []


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix.lower() in (".md", ".txt"))
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path} does not exist; name Markdown files or folders of them.")
    if not found:
        raise InputError("There is no .md or .txt file; make them with `understudy ingest documents --into`.")
    return found
