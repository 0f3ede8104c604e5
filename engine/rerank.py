"""From candidates to passages: similarity blended with recency, and no document said twice.

Pure arithmetic on values; this module knows nothing of Chroma or embeddings.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from engine.config import RetrieverConfig
from engine.types import Passage

MAX_PER_DOCUMENT = 2
NEAR_BEST = 0.75
"""Candidates less similar than this part of the best one are dropped: recency is to choose among
passages about the matter, not to lift fresh ones about another. On 59 questions to the shipped
knowledge it raised hits at rank 1 from 38 to 42, with 2.4 passages in place of 2.9."""
SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk as the index returned it."""

    passage: Passage
    doc_id: str
    digest: str
    """Hash of title and text: equal digests say the same thing."""


def recency(published_at: datetime | None, now: datetime, half_life_days: float) -> float:
    """1 for today, halved with every half-life; 0 without a date.

    Args:
        published_at: timezone-aware; a date in the future counts as today.
        now: timezone-aware.
        half_life_days: after so many days the value has halved.
    """
    if published_at is None:
        return 0.0
    age_days = max(0.0, (now - published_at).total_seconds() / SECONDS_PER_DAY)
    return math.exp(-math.log(2.0) * age_days / half_life_days)


def blend(similarity: float, recent: float, recency_weight: float) -> float:
    """(1 - w) · similarity + w · recency."""
    return (1.0 - recency_weight) * similarity + recency_weight * recent


def rerank(candidates: Iterable[Candidate], config: RetrieverConfig, now: datetime) -> tuple[Passage, ...]:
    """The best passages, best first.

    Candidates below `min_similarity` or far below the most similar one are dropped, then at most
    two chunks of one document and one of several equal texts are kept, then the `k` best remain.
    """
    candidates = list(candidates)
    best = max((c.passage.similarity for c in candidates), default=0.0)
    floor = max(config.min_similarity, NEAR_BEST * best)
    scored = [
        (replace(c.passage, score=_score(c.passage, config, now)), c)
        for c in candidates
        if c.passage.similarity >= floor
    ]
    scored.sort(key=lambda pair: (-pair[0].score, -pair[0].similarity, pair[0].id))
    kept: list[Passage] = []
    per_document: Counter[str] = Counter()
    said: set[str] = set()
    for passage, candidate in scored:
        if candidate.digest in said or per_document[candidate.doc_id] >= MAX_PER_DOCUMENT:
            continue
        said.add(candidate.digest)
        per_document[candidate.doc_id] += 1
        kept.append(passage)
    return tuple(kept[: config.k])


def _score(passage: Passage, config: RetrieverConfig, now: datetime) -> float:
    recent = recency(passage.published_at, now, config.half_life_days)
    return blend(passage.similarity, recent, config.recency_weight)
