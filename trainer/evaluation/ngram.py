"""An n-gram language model over tokens: what a plain table of the same size as the model can do.

Interpolated Kneser-Ney with one discount an order; the counts of the highest orders are pruned, the
rarest first, until the table fits its size. It stays a proper distribution: what pruning takes away
goes to the lower orders. This module knows nothing of text.

Source: https://doi.org/10.1006/csla.1999.0128 (Chen and Goodman).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.int64]
Floats = NDArray[np.float64]
ENTRY_BYTES = 12  # an 8-byte key and a 4-byte discounted count
CONTEXT_BYTES = 16  # an 8-byte key, a 4-byte total and a 4-byte weight of the lower order


@dataclass(frozen=True, slots=True)
class _Order:
    keys: Keys  # (K,) sorted: context tokens and the word
    counts: Floats  # (K,) discounted
    contexts: Keys  # (C,) sorted
    totals: Floats  # (C,) before pruning and discounting
    left: Floats  # (C,) share that goes to the lower order

    @property
    def size_bytes(self) -> int:
        return len(self.keys) * ENTRY_BYTES + len(self.contexts) * CONTEXT_BYTES


class _Counted:
    """All n-grams of one order, before any are pruned."""

    def __init__(self, keys: Keys, counts: Floats, bits: int) -> None:
        self._keys, self._counts = keys, counts
        ones, twos = int((counts == 1).sum()), int((counts == 2).sum())
        self._discount = ones / (ones + 2 * twos) if ones and twos else 0.5
        self._contexts, self._starts = np.unique(keys >> bits, return_index=True)
        self._totals = np.add.reduceat(counts, self._starts)

    def above(self, floor: float) -> _Order:
        """The tables without the n-grams that count `floor` or less."""
        kept = np.where(self._counts > floor, self._counts - self._discount, 0.0)
        mass = np.add.reduceat(kept, self._starts)
        used, chosen = mass > 0, kept > 0
        left = 1.0 - mass / self._totals
        return _Order(self._keys[chosen], kept[chosen], self._contexts[used], self._totals[used], left[used])


class Ngram:
    """A trained model.

    Args:
        windows: token ids, each window beginning with the start token.
        vocab_size: V; V ** order must stay below 2 ** 63.
        max_bytes: of all tables together.
        order: tokens looked at, the predicted one included.
    """

    def __init__(
        self, windows: Sequence[Sequence[int]], vocab_size: int, max_bytes: int, order: int = 4
    ) -> None:
        self._bits = max(1, (vocab_size - 1).bit_length())
        if self._bits * order > 62:
            raise ValueError(f"{order} tokens of a vocabulary of {vocab_size} do not fit into 63 bits")
        self._vocab_size = vocab_size
        order = min(order, max(map(len, windows)))
        raw = [self._count(windows, n) for n in range(1, order + 1)]
        counts = [self._kneser_ney(raw, n) for n in range(1, order + 1)]
        del raw
        tables = [_Counted(keys, c, self._bits) for keys, c in counts]
        self.orders = [table.above(0.0) for table in tables]
        floor = [0.0] * order
        while self.size_bytes > max_bytes and order > 1:
            n = max(range(1, order), key=lambda i: self.orders[i].size_bytes)
            floor[n] += max(1.0, floor[n] // 4)
            self.orders[n] = tables[n].above(floor[n])

    @property
    def size_bytes(self) -> int:
        """Of all tables."""
        return sum(order.size_bytes for order in self.orders)

    def log_probabilities(self, window: Sequence[int]) -> Floats:
        """Natural log of the probability of each token but the first, given those before it, (T - 1)."""
        ids = np.asarray(window, dtype=np.int64)
        p = np.full(len(ids) - 1, 1.0 / self._vocab_size)
        for n, order in enumerate(self.orders, 1):
            if len(ids) < n or not len(order.contexts):
                break
            keys = self._keys(ids, n)  # n-grams that end at n-1, …
            if n == 1:
                keys = keys[1:]
            first = len(p) - len(keys)
            p[first:] = self._mixed(order, keys, p[first:])
        result: Floats = np.log(p)
        return result

    # --- counting --------------------------------------------------------------------------

    def _keys(self, ids: Keys, n: int) -> Keys:
        """Every run of n tokens as one number."""
        keys = np.zeros(len(ids) - n + 1, dtype=np.int64)
        for i in range(n):
            keys = (keys << self._bits) | ids[i : len(ids) - n + 1 + i]
        return keys

    def _count(self, windows: Sequence[Sequence[int]], n: int) -> tuple[Keys, Floats]:
        """Distinct n-grams, sorted, with how often each occurs; none reaches over a window's end."""
        parts = []
        for window in windows:
            ids = np.asarray(window, dtype=np.int64)
            if len(ids) >= n:
                parts.append(self._keys(ids, n) if n > 1 else ids[1:])
        keys, counts = np.unique(np.concatenate(parts), return_counts=True)
        return keys, counts.astype(np.float64)

    def _kneser_ney(self, raw: Sequence[tuple[Keys, Floats]], n: int) -> tuple[Keys, Floats]:
        """The highest order keeps its counts; below, an n-gram counts by its different left neighbours.

        N-grams at a window's beginning have no left neighbour and keep their counts.
        """
        keys, counts = raw[n - 1]
        if n == len(raw):
            return keys, counts
        longer = raw[n][0] & ((1 << (self._bits * n)) - 1)
        tails, neighbours = np.unique(longer, return_counts=True)
        at = np.searchsorted(tails, keys)
        found = (at < len(tails)) & (tails[np.minimum(at, len(tails) - 1)] == keys)
        out = np.where(found, neighbours[np.minimum(at, len(tails) - 1)], counts)
        return keys, out.astype(np.float64)

    def _mixed(self, order: _Order, keys: Keys, lower: Floats) -> Floats:
        """Discounted share + weight · lower order; the lower order alone where no context is known."""
        heads = keys >> self._bits
        at = np.minimum(np.searchsorted(order.contexts, heads), len(order.contexts) - 1)
        known = order.contexts[at] == heads
        where = np.minimum(np.searchsorted(order.keys, keys), len(order.keys) - 1)
        counts = np.where(order.keys[where] == keys, order.counts[where], 0.0)
        mixed = counts / order.totals[at] + order.left[at] * lower
        result: Floats = np.where(known, mixed, lower)
        return result
