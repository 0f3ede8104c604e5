"""The arithmetic of every part: rates, ranking measures, answer F1, string and loop checks.

Pure functions on plain values; this module knows nothing of files or models.
"""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise

_SPACE = re.compile(r"\s+")
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:[,\u00a0\u202f']\d{3})+(?!\d)")  # 1,000, also with hard spaces
_NO_DIGIT = re.compile(r"\D")
_QUOTES = str.maketrans("‘’‛“”„–—−", "'''\"\"\"---")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def rate(hits: Sequence[bool]) -> float:
    """Share of True; 0 of nothing."""
    return sum(hits) / len(hits) if hits else 0.0


# --- decisions -----------------------------------------------------------------------------


def classification(gold: Sequence[bool], said: Sequence[bool]) -> dict[str, float]:
    """accuracy, precision, recall and f1 of the positive class; a ratio without a denominator is 0."""
    both = sum(g and s for g, s in zip(gold, said, strict=True))
    precision = both / sum(said) if any(said) else 0.0
    recall = both / sum(gold) if any(gold) else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    accuracy = rate([g == s for g, s in zip(gold, said, strict=True)])
    return {"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1}


# --- ranking -------------------------------------------------------------------------------


def recall_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of the relevant ids among the first k. `ranked` holds no id twice."""
    return sum(id_ in relevant for id_ in ranked[:k]) / len(set(relevant))


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """1 / rank of the first relevant id; 0 when none was found."""
    return next((1 / rank for rank, id_ in enumerate(ranked, 1) if id_ in relevant), 0.0)


def ndcg_at(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Discounted gain of the first k (relevant: 1, discount: log2(rank + 1)) over the best possible."""
    gain = sum(1 / math.log2(rank + 1) for rank, id_ in enumerate(ranked[:k], 1) if id_ in relevant)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(set(relevant))) + 1))
    return gain / best


# --- strings -------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Text for comparing: NFKC, lower case, one kind of quote and dash, single spaces, 1000 for 1,000."""
    text = _GROUPED.sub(lambda found: _NO_DIGIT.sub("", found[0]), text)
    text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    return _SPACE.sub(" ", text).strip().casefold()


def contains(text: str, wanted: str) -> bool:
    """Whether `wanted` occurs in `text`, both made `plain`; a number never matches inside a longer one."""
    needle = plain(wanted)
    left = r"(?<!\d)(?<!\d[.,])" if needle[:1].isdigit() else ""
    right = r"(?!\d)(?![.,]\d)" if needle[-1:].isdigit() else ""
    return re.search(f"{left}{re.escape(needle)}{right}", plain(text)) is not None


def freshness(text: str, fresh: Sequence[str], stale: Sequence[str]) -> str:
    """fresh: one of `fresh` is named; stale: one of `stale` is, and none of `fresh`; else neither."""
    if any(contains(text, one) for one in fresh):
        return "fresh"
    return "stale" if any(contains(text, one) for one in stale) else "neither"


def matches(text: str, must: Sequence[re.Pattern[str]], must_not: Sequence[re.Pattern[str]]) -> bool:
    """Whether every one of `must` is found in the text and none of `must_not`."""
    return all(p.search(text) for p in must) and not any(p.search(text) for p in must_not)


# --- answers -------------------------------------------------------------------------------


def squad_words(text: str) -> list[str]:
    """Words as SQuAD compares them: lower case, without punctuation and articles.

    Source: https://arxiv.org/abs/1606.05250, section 6.
    """
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def answer_f1(answer: str, gold: str) -> float:
    """Harmonic mean of the precision and recall of an answer's words."""
    said, wanted = squad_words(answer), squad_words(gold)
    if not said or not wanted:
        return float(said == wanted)
    common = sum((Counter(said) & Counter(wanted)).values())
    return 2 * common / (len(said) + len(wanted))


def loops(text: str, words: int = 4, times: int = 3) -> bool:
    """Whether some run of `words` words occurs `times` times, or one word so many times in a row."""
    said = re.findall(r"\w+", text.lower())
    runs = Counter(tuple(said[i : i + words]) for i in range(len(said) - words + 1))
    if runs and max(runs.values()) >= times:
        return True
    streak = 1
    for before, word in pairwise(said):
        streak = streak + 1 if word == before else 1
        if streak > times:
            return True
    return False
