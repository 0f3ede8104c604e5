"""What the index stores: chunks with their metadata, and a fingerprint of them all.

This module knows nothing of files, embeddings or Chroma.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.chunks import MAX_WORDS, split_chunks
from ingest.documents import NEWS, Document

HEADLINES = 6


@dataclass(frozen=True, slots=True)
class Record:
    """One chunk as it is stored."""

    id: str
    digest: str
    """Hash of title and text: what the vector depends on."""
    text: str
    meta: dict[str, str | int]

    @property
    def embedded_text(self) -> str:
        """What is embedded: a chunk in the middle of a document needs its title to be found."""
        return f"{self.meta['title']}. {self.text}"


def make_records(document: Document, max_words: int = MAX_WORDS) -> list[Record]:
    """A document's chunks with the metadata that answers need."""
    published = document.published_at
    records = []
    for number, text in enumerate(split_chunks(document.text, max_words)):
        digest = hashlib.sha256(f"{document.title}\n{text}".encode()).hexdigest()[:32]
        meta: dict[str, str | int] = {
            "doc_id": document.id,
            "title": document.title,
            "url": document.url,
            "source": document.source,
            "chunk": number,
            "digest": digest,
        }
        if published is not None:
            meta["published_at"] = published.isoformat()
            meta["published_ts"] = int(published.timestamp())
        records.append(Record(f"{document.id}#{number}", digest, text, meta))
    return records


def headlines(documents: Sequence[Document]) -> Document | None:
    """A document that answers "What is in the news?": no single story is similar to that question.

    Returns:
        the newest headlines with their dates, or None where there are too few to need it.
    """
    news = [(d.published_at, d.title) for d in documents if d.published_at and d.id.startswith(f"{NEWS}/")]
    if len(news) < HEADLINES:
        return None
    newest = sorted(news, reverse=True)[:HEADLINES]
    text = " ".join(f"{day.day} {day:%B %Y}: {title}." for day, title in newest)
    return Document(
        f"{NEWS}#headlines", "Today's news: the latest headlines", text, published_at=newest[0][0]
    )


def fingerprint(records: Sequence[Record], embedder: str) -> str:
    """Equal for equal content, metadata and embedder."""
    rows = [embedder, *(f"{r.id}\n{r.text}\n{json.dumps(r.meta, sort_keys=True)}" for r in records)]
    return hashlib.sha256("\x00".join(rows).encode()).hexdigest()[:32]
