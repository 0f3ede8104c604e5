"""How alike texts are: replies by their characters, reports by their words and numbers.

Replies (`near_duplicates`): MinHash over character shingles finds candidates; the decision is the
Jaccard similarity of the shingle sets, so that a duplicate is never told by chance. Reports
(`same_wording`): runs of words, also where one text is a part of the other, and no number that the
other lacks. Knows nothing of pairs, articles or dates.

Source: Broder, On the resemblance and containment of documents (1997); banding as in Leskovec,
Rajaraman, Ullman, Mining of Massive Datasets, chapter 3.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHINGLE = 5
"""Characters."""
_BANDS, _ROWS = 32, 4  # at Jaccard 0.8 a pair is missed once in 10 million, at 0.6 once in 80
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_CHUNK = 4096  # shingles hashed at once, to bound memory

Shingles = NDArray[np.uint64]


def near_duplicates(texts: Sequence[str], threshold: float = 0.8) -> list[int | None]:
    """For each text, the index of an earlier kept text that it repeats, or None when it is kept.

    Args:
        threshold: least Jaccard similarity of the two shingle sets, above 0 to 1.
    """
    keys = _hash_keys()
    kept: dict[int, Shingles] = {}
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    out: list[int | None] = []
    for i, text in enumerate(texts):
        grams = shingles(text)
        bands = _bands(grams, keys)
        twin = None
        seen: set[int] = set()
        for band in enumerate(bands):
            for j in buckets.get(band, ()):
                if j not in seen and jaccard(grams, kept[j]) >= threshold:
                    twin = j
                    break
                seen.add(j)
            if twin is not None:
                break
        out.append(twin)
        if twin is None:
            kept[i] = grams
            for band in enumerate(bands):
                buckets[band].append(i)
    return out


def shingles(text: str) -> Shingles:
    """Sorted hashes of the runs of `SHINGLE` characters, case and punctuation set aside."""
    plain = " ".join(re.findall(r"\w+", text.casefold())) or text.strip()
    codes = np.frombuffer(plain.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    if len(codes) < SHINGLE:
        codes = np.pad(codes, (0, SHINGLE - len(codes)))
    hashed = np.zeros(len(codes) - SHINGLE + 1, dtype=np.uint64)
    for k in range(SHINGLE):
        hashed = _mix(hashed + codes[k : k + len(hashed)] + np.uint64(k + 1))
    return np.unique(hashed)


def jaccard(one: Shingles, other: Shingles) -> float:
    """Shared part of two shingle sets, 0..1."""
    shorter, longer = sorted((len(one), len(other)))
    if not longer or shorter == 0:
        return float(longer == 0)
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)


# --- reports -------------------------------------------------------------------------------

RUN = 5  # words
MIN_RUNS = 8  # shorter texts must be equal
_INSIDE = 0.8  # of the shorter text's runs: an agency report that one outlet cut
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"(?<!\w)\d[\d.,]*")


@dataclass(frozen=True, slots=True)
class Wording:
    """What two reports are compared by."""

    words: str
    """Folded, without punctuation."""
    runs: frozenset[int]
    """Hashes of `RUN` words."""
    numbers: frozenset[str]


def wording(text: str) -> Wording:
    """The wording of a text."""
    words = [word.casefold() for word in _WORD.findall(text)]
    runs = frozenset(hash(tuple(words[i : i + RUN])) for i in range(len(words) - RUN + 1))
    return Wording(" ".join(words), runs, frozenset(n.rstrip(".,") for n in _NUMBER.findall(text)))


def same_wording(one: Wording, other: Wording, alike: float, *, cut: bool) -> bool:
    """Whether two texts tell the same in the same words.

    Args:
        alike: least Jaccard similarity of their runs, above 0 to 1.
        cut: whether one may be a part of the other.

    Returns:
        False also where the shorter one holds a number that the longer one lacks: a table or a
        correction with other figures is a text of its own.
    """
    if one.words == other.words:
        return True
    small, large = sorted((one, other), key=lambda text: len(text.runs))
    if len(small.runs) < MIN_RUNS or not small.numbers <= large.numbers:
        return False
    shared = len(small.runs & large.runs)
    union = len(small.runs) + len(large.runs) - shared
    return (cut and shared >= _INSIDE * len(small.runs)) or shared >= alike * union


# --- hashing -------------------------------------------------------------------------------


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread the bits; unsigned arithmetic wraps on purpose."""
    values = values * _MULTIPLIER
    values ^= values >> np.uint64(29)
    return values * _MULTIPLIER


def _hash_keys() -> NDArray[np.uint64]:
    return _mix(np.arange(1, _BANDS * _ROWS + 1, dtype=np.uint64))


def _bands(grams: Shingles, keys: NDArray[np.uint64]) -> list[bytes]:
    """The signature's bands, as bytes to look up."""
    lowest = np.full(len(keys), np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(grams), _CHUNK):
        part = grams[start : start + _CHUNK]
        hashed = _mix(part[None, :] ^ keys[:, None])  # (keys, shingles)
        hashed ^= hashed >> np.uint64(32)
        lowest = np.minimum(lowest, hashed.min(axis=1))
    return [lowest[i : i + _ROWS].tobytes() for i in range(0, len(lowest), _ROWS)]
