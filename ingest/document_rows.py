"""Documents as JSON lines into an index of their own: how `understudy eval retrieval` fills one.

The index is built by `ingest.index` as the persona's is: same chunks, same vectors, same checks.
This module knows nothing of cases or scores.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict

from engine.errors import InputError
from engine.rows import Given, Moment, Name, Unsaid, read_rows

if TYPE_CHECKING:  # numpy would slow --help
    from engine.config import Config
    from engine.embedder import TextEmbedder

EMPTY = "documents"


class DocumentRow(BaseModel):
    """One document; further keys are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: Name
    text: Given
    title: Annotated[str, Unsaid] = ""
    url: Annotated[str, Unsaid] = ""
    published_at: Moment = None


def index_documents(path: Path, folder: Path, embedder: TextEmbedder, config: Config) -> dict[str, str]:
    """Index a JSONL file of documents and make it live in `folder`. Blocks; shows progress on stderr.

    Args:
        path: rows `{"id", "title", "text", "url", "published_at"}`.
        folder: an empty folder, to be filled as `engine.collection.index_folder` is.
        embedder: whose vectors are stored.
        config: how long passages are.

    Returns:
        the document ids by the names that the index knows them by.

    Raises:
        InputError: a row is bad, or an id occurs twice.
        RetrievalError: the index cannot be built.
    """
    from tqdm import tqdm

    from engine.prompt import clean_text
    from ingest.documents import Document
    from ingest.index import build_index
    from ingest.settings import chunking

    rows = [case.row for case in read_rows(path, DocumentRow)]
    twice = [id_ for id_, count in Counter(row.id for row in rows).items() if count > 1]
    if twice:
        raise InputError(f"{path} has documents of the same id: {', '.join(twice[:20])}; ids must differ.")
    names = {f"d{number:06d}": row.id for number, row in enumerate(rows)}
    documents = [
        Document(name, clean_text(row.title) or "Document", clean_text(row.text), row.url, row.published_at)
        for name, row in zip(names, rows, strict=True)
    ]
    knowledge = folder / EMPTY
    knowledge.mkdir(parents=True, exist_ok=True)  # build_index reads a folder too; this one stays empty
    with tqdm(desc="embedding", unit="passage", file=sys.stderr, mininterval=1.0) as bar:

        def show(doing: str, done: int, of: int) -> None:
            if doing != bar.desc.removesuffix(": "):
                bar.reset(of)
                bar.set_description(doing)
            bar.update(done - bar.n)

        build_index(
            knowledge,
            folder,
            embedder,
            persona="evaluation",
            chunking=chunking(config),
            extra=documents,
            progress=show,
            must_recall=False,  # documents that say the same are for the measures to tell
        )
    return names
