"""A small knowledge folder, the real embedder loaded once, and a cheap one for tests of mechanics."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from engine.embedder import Embedder, Vectors

DOCUMENTS = {
    "timeline.md": """---
title: "The life of Ada"
---
- 1815-12-10: Ada was born in London on 10 December 1815. (family record)
- 1843: In 1843 Ada published her notes on the machine. (publication record)
""",
    "news/2026-11-02-bridge.md": """---
title: "Bridge to open on 28 November"
url: https://example.org/2026/11/02/bridge
published_at: 2026-11-02
source: "Test gazette"
---
The new bridge over the river will open on 28 November 2026. The mayor announced the date.
""",
    "news/2026-11-18-cheese.md": """---
title: "A very large cheese"
url: https://example.org/2026/11/18/cheese
published_at: 2026-11-18T09:30:00+00:00
---
A dairy showed a cheese of two tons. It needed the milk of 38 farms.
""",
    "about.md": """---
title: "About the machine"
---
The machine weaves numbers as a loom weaves flowers. It has a mill and a store.
""",
}


def write_knowledge(folder: Path, documents: dict[str, str] | None = None) -> Path:
    """Write documents (by default the small set) into `folder` and return it."""
    for name, text in (DOCUMENTS if documents is None else documents).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def news(title: str, day: str, text: str) -> str:
    """A news document."""
    return f'---\ntitle: "{title}"\npublished_at: {day}\n---\n{text}\n'


@cache
def real_embedder() -> Embedder:
    """all-MiniLM-L6-v2, loaded once for the whole test run."""
    return Embedder()


class WordEmbedder:
    """Each word has a random direction, a text is their sum: shared words make texts similar."""

    name = "words"

    def __init__(self) -> None:
        self.texts: list[str] = []
        """All that was embedded, questions left out."""

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        return self.embed_now(texts, query=query)

    def embed_now(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        if not query:
            self.texts += texts
        vectors = np.full((len(texts), 96), 1e-3, dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in text.lower().split():
                row += _direction(word.strip(".,?"))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@cache
def _direction(word: str) -> Vectors:
    rng = np.random.default_rng(zlib.crc32(word.encode()))
    return rng.normal(size=96).astype(np.float32)
