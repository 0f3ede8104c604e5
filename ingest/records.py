"""What the index stores: chunks with their metadata, and a fingerprint of them all.

This module knows nothing of files, embeddings or Chroma.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from engine.chunks import Chunking, WordLengths, split_passages
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
    row: str
    """Hash of all that is stored: equal rows need not be written again."""

    @property
    def embedded_text(self) -> str:
        """What is embedded: a chunk in the middle of a document needs its title to be found."""
        return f"{self.meta['title']}. {self.text}"


def make_records(
    document: Document, chunking: Chunking | None = None, lengths: WordLengths | None = None
) -> list[Record]:
    """A document's chunks with the metadata that answers need.

    Args:
        document: what is cut.
        chunking: sizes of the chunks; the default is the chunker's.
        lengths: measures words; the default is the bundled embedder's tokenizer.
    """
    published = document.published_at
    records = []
    for number, text in enumerate(split_passages(document.text, chunking, lengths)):
        digest = _hash(f"{document.title}\n{text}")
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
        row = _hash(f"{text}\n{json.dumps(meta, sort_keys=True)}")
        records.append(Record(f"{document.id}#{number}", digest, text, meta, row))
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


def fingerprint(records: Sequence[Record], form: str) -> str:
    """Equal for equal content and metadata that are stored in one form.

    Args:
        records: all that is indexed.
        form: how it is stored: embedder, chunking, kind of graph.
    """
    return _hash("\x00".join([form, *(f"{r.id}\n{r.row}" for r in records)]))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
