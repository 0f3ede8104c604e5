"""`eval retrieval`: does the index find the documents that answer a query?

A temporary Chroma collection is built from the given documents with the project's own chunks,
embeddings, retriever and reranking. A document counts once, at the rank of its best passage. As
many passages are looked at as the retriever weighs (k times overfetch), so the first k are those of
service and ranks go on behind them; `mrr` counts to rank 10. This module does not know how an index
is built: it is given that.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from engine.config import Config
from engine.embedder import Embedder, TextEmbedder, embedder_ref
from engine.errors import InputError
from engine.personas import load_persona
from engine.retriever import ChromaRetriever
from engine.rows import Case, read_rows
from engine.types import Passage, utc_now
from trainer.evaluation.cases import RetrievalRow
from trainer.evaluation.metrics import ndcg_at, rate, recall_at, reciprocal_rank
from trainer.evaluation.outcome import rounded, source_line

Indexer = Callable[[Path, Path, TextEmbedder, Config], Mapping[str, str]]
"""Fills an index folder from a file of documents; returns their ids by their names in the index."""
KEYS = ("recall_at_3", "mrr", "ndcg_at_3", "n")
AT, DEPTH = 3, 10


async def run(
    config: Config,
    documents: Path,
    cases: Path,
    index_documents: Indexer,
    *,
    limit: int | None = None,
    out: TextIO | None = None,
    embedder: TextEmbedder | None = None,
) -> dict[str, Any]:
    """recall_at_3, mrr, ndcg_at_3 and n.

    Args:
        config: the retriever section and the persona, who is asked where a query says "you".
        documents, cases: JSONL files.
        index_documents: builds the index.
        limit: only so many cases.
        out: one line a case.
        embedder: instead of the configured one; its owner closes it.

    Raises:
        InputError: bad rows, or a case names a document that is not there.
        RetrievalError: the index cannot be built or searched.
    """
    from tqdm import tqdm

    rows = read_rows(cases, RetrievalRow, limit)
    own = Embedder(embedder_ref(config)) if embedder is None else None
    used = embedder or own
    assert used is not None
    with tempfile.TemporaryDirectory(prefix="understudy-eval-") as folder:
        try:
            names = await asyncio.to_thread(index_documents, documents, Path(folder), used, config)
            _check(rows, set(names.values()), cases)
            settings = config.retriever.model_copy(
                update={"url": "", "k": config.retriever.k * config.retriever.overfetch, "overfetch": 1}
            )
            persona = load_persona(config.persona_path)
            retriever = ChromaRetriever(settings, Path(folder), used, persona.name)
            found: list[list[str]] = []
            try:
                for case in tqdm(rows, desc="retrieval", unit="case", mininterval=1.0):
                    passages = await retriever.search(case.row.query, _asked(case.row))
                    ranked = _documents(passages, names)
                    found.append(ranked)
                    if out is not None:
                        line = _line(case, passages, ranked, names, config.retriever.k)
                        out.write(json.dumps(line, ensure_ascii=False) + "\n")
            finally:
                await retriever.close()
        finally:
            if own is not None:
                own.close()
    return {**rounded(measures(rows, found)), "documents": len(names)}


def measures(cases: Sequence[Case[RetrievalRow]], found: Sequence[Sequence[str]]) -> dict[str, float]:
    """The means over all cases. found: each case's documents, best first, none twice."""
    pairs = [(ranked, frozenset(case.row.relevant)) for case, ranked in zip(cases, found, strict=True)]
    n = len(pairs)
    return {
        "recall_at_3": sum(recall_at(ranked, relevant, AT) for ranked, relevant in pairs) / n,
        "mrr": sum(reciprocal_rank(ranked[:DEPTH], relevant) for ranked, relevant in pairs) / n,
        "ndcg_at_3": sum(ndcg_at(ranked, relevant, AT) for ranked, relevant in pairs) / n,
        "n": n,
        "hit_at_1": rate([bool(ranked) and ranked[0] in relevant for ranked, relevant in pairs]),
    }


def _documents(passages: Sequence[Passage], names: Mapping[str, str]) -> list[str]:
    """The documents of passages, each at its best passage's place."""
    return list(dict.fromkeys(names[p.id.rsplit("#", 1)[0]] for p in passages))


def _asked(row: RetrievalRow) -> datetime:
    return row.asked_at or utc_now()


def _check(rows: Sequence[Case[RetrievalRow]], known: set[str], path: Path) -> None:
    lost = [f"line {c.line}: {id_!r}" for c in rows for id_ in c.row.relevant if id_ not in known]
    if lost:
        raise InputError(
            f"{path} names documents that --documents does not hold; mend or remove:\n  " + "\n  ".join(lost)
        )


def _line(
    case: Case[RetrievalRow],
    passages: Sequence[Passage],
    ranked: Sequence[str],
    names: Mapping[str, str],
    k: int,
) -> dict[str, Any]:
    relevant = frozenset(case.row.relevant)
    rank = next((i for i, id_ in enumerate(ranked, 1) if id_ in relevant), None)
    return {
        "line": case.line,
        "row": case.raw,
        "generation": "",
        "verdict": "pass" if rank is not None and rank <= AT else "fail",
        "rank": rank,
        "ranked": list(ranked[:DEPTH]),
        "sources": [{"id": names[p.id.rsplit("#", 1)[0]], **source_line(p)} for p in passages[:k]],
    }
