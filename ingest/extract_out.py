"""Extracts into a knowledge folder, and into pairs; the same chunker serves both.

This module does not know where extracts come from.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.chunks import Chunking, split_chunks, split_passages
from ingest.documents import TIMELINE
from ingest.extract import Extract
from ingest.jsonl import Row, pair_row
from ingest.ledger import Stage
from ingest.outfiles import write_files

MIN_WORDS = 12
OPENERS = ("What do you know about {}?", "Tell me about {}.")
FOLLOWERS = ("Go on.", "What else?", "Tell me more.")


def knowledge_text(extract: Extract) -> str:
    """A document as `ingest.documents` reads it: front matter, then paragraphs."""
    head = [f'title: "{extract.title}"']
    if extract.url:
        head.append(f"url: {extract.url}")
    if extract.published_at is not None:
        head.append(f"published_at: {extract.published_at.isoformat()}")
    head.append(f'source: "{_line(extract.source or extract.name)[:200]}"')
    return "\n".join(["---", *head, "---", "", extract.text.strip(), ""])


def write_knowledge(extracts: Iterable[Extract], folder: Path) -> list[Path]:
    """One file for each extract; a document that was written before is replaced, others never are.

    Returns:
        the files, in order.

    Raises:
        StorageError: the folder cannot be written; nothing was changed.
    """
    texts: dict[Path, str] = {}
    for extract in extracts:
        texts[_place(extract, folder, texts)] = knowledge_text(extract)
    write_files(texts)
    return list(texts)


def extract_pairs(extract: Extract, stage: Stage, *, max_words: int | None = None) -> Iterator[Row]:
    """A pair for each passage: the first is asked for by title, the others follow on.

    Args:
        extract: one document.
        stage: counts passages.
        max_words: longest passage; None: as long as in the index. Nothing is said twice either
            way: a reply that begins with the end of the last one would be learned.
    """
    source = slug(extract.title)
    before = ""
    opener = _pick(OPENERS, source).format(extract.title)
    passages = (
        split_passages(extract.text, Chunking(overlap_tokens=0))
        if max_words is None
        else split_chunks(extract.text, max_words)
    )
    for passage in passages:
        if len(passage.split()) < MIN_WORDS:
            stage.drop(f"shorter than {MIN_WORDS} words", extract.name)
            continue
        stage.keep()
        digest = hashlib.sha256(f"{extract.name}\x00{passage}".encode()).hexdigest()[:12]
        asked = [opener, before, _pick(FOLLOWERS, digest)] if before else [opener]
        yield pair_row(asked, passage, source, f"{source}-{digest}")
        before = passage


def slug(title: str) -> str:
    """A short name of ASCII letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-")
    return short or "document-" + hashlib.sha256(title.encode()).hexdigest()[:8]


def _place(extract: Extract, folder: Path, taken: dict[Path, str]) -> Path:
    """A free name, or the one that this very document has already."""
    name = slug(extract.title)
    name = f"{name}-document" if f"{name}.md" == TIMELINE else name
    mark = (
        f"url: {extract.url}" if extract.url else f'source: "{_line(extract.source or extract.name)[:200]}"'
    )
    for number in range(1, 10_000):
        path = folder / (f"{name}.md" if number == 1 else f"{name}-{number}.md")
        if path not in taken and (not path.exists() or mark in _head(path)):
            return path
    raise AssertionError("ten thousand documents of one title")


def _head(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="replace")[:4000]
    return text.split("\n---", 1)[0].splitlines()


def _line(text: str) -> str:
    return " ".join(text.split())


def _pick(choices: tuple[str, ...], key: str) -> str:
    return choices[int(hashlib.sha256(key.encode()).hexdigest(), 16) % len(choices)]
