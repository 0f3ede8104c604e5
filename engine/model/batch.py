"""Replies that are written side by side: one forward feeds the last token of each.

For every layer the keys and values of all rows lie in one tensor, each row from its left end, so that
an index is a position. A reply's own cache is copied in once, when its prompt has been read; from
step to step nothing is copied. Where a row leaves, the last one takes its place.

Rows round differently beside others: matrix products of another shape add up in another order. This
module knows nothing of prompts, sampling or adapters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from engine.model.sequence import Feed

_TOKENS = 256  # room grows by this many
_KV = tuple[Tensor, Tensor]


class Batch:
    """The replies that share forwards, and their keys and values. For one thread.

    Args:
        device: where the model is.
        cache_name: what the model's `forward` calls its cache.
    """

    def __init__(self, device: torch.device, cache_name: str) -> None:
        self._device, self._cache_name = device, cache_name
        self._feeds: list[Feed] = []
        self._layers: list[_Layer] = []
        self.at = torch.zeros(0, dtype=torch.long, device=device)  # (n,) where each row writes next
        self.rows = torch.zeros(0, dtype=torch.long, device=device)  # (n,) 0 … n - 1
        self.longest = 0
        """Tokens of the longest row."""

    def __len__(self) -> int:
        return len(self._feeds)

    def arrange(self, feeds: Sequence[Feed]) -> list[Feed]:
        """Let exactly these feeds be the rows; each has one token to be fed.

        Feeds that come in give their caches away; those that leave are forgotten.

        Returns:
            the feeds in the order of the rows.
        """
        for feed in [f for f in self._feeds if f not in feeds]:
            self.drop(feed)
        for feed in feeds:
            if feed not in self._feeds:
                self._take_in(feed)
        lengths = [f.fed for f in self._feeds]
        self.longest = max(lengths, default=0)
        self._make_room(len(lengths), self.longest + 1)
        self.at = torch.tensor(lengths, device=self._device)
        self.rows = torch.arange(len(lengths), device=self._device)
        return list(self._feeds)

    def inputs(self) -> dict[str, Any]:
        """What the model is given, for n rows: ids and positions (n, 1), mask (n, longest + 1), cache."""
        ids = [[feed.ids[-1]] for feed in self._feeds]
        seen = torch.arange(self.longest + 1, device=self._device)
        return {
            "input_ids": torch.tensor(ids, device=self._device),
            "position_ids": self.at[:, None],
            "attention_mask": (seen <= self.at[:, None]).long(),
            self._cache_name: Cache(layers=list(self._layers)),
            "use_cache": True,
        }

    def drop(self, feed: Feed) -> None:
        """Forget a row; no matter if there is none."""
        if feed not in self._feeds:
            return
        row, last = self._feeds.index(feed), len(self._feeds) - 1
        if row < last:
            kept = slice(0, self._feeds[last].fed)
            for layer in self._layers:
                layer.keys[row, :, kept].copy_(layer.keys[last, :, kept])
                layer.values[row, :, kept].copy_(layer.values[last, :, kept])
            self._feeds[row] = self._feeds[last]
        self._feeds.pop()
        if not self._feeds:
            self._layers = []

    def dissolve(self) -> None:
        """Give every reply its own cache back."""
        for row, feed in enumerate(self._feeds):
            feed.cache = DynamicCache()
            for index, layer in enumerate(self._layers):
                kept = slice(0, feed.fed)
                feed.cache.update(layer.keys[row : row + 1, :, kept].clone(),
                                  layer.values[row : row + 1, :, kept].clone(), index)  # fmt: skip
        self._feeds, self._layers = [], []

    # --- inside ----------------------------------------------------------------------------

    def _take_in(self, feed: Feed) -> None:
        """Copy a reply's cache into a new last row."""
        own: list[_KV] = [(layer.keys, layer.values) for layer in feed.cache.layers]
        if not self._layers:
            self._layers = [_Layer(self, *pair) for pair in own]
        row = len(self._feeds)
        self._make_room(row + 1, feed.fed + 1)
        for layer, (keys, values) in zip(self._layers, own, strict=True):
            layer.keys[row, :, : feed.fed].copy_(keys[0])
            layer.values[row, :, : feed.fed].copy_(values[0])
        self._feeds.append(feed)
        feed.cache = None

    def _make_room(self, rows: int, tokens: int) -> None:
        """Let every layer have at least this room; what it holds stays."""
        have_rows, have_tokens = self._layers[0].room if self._layers else (rows, tokens)
        if rows <= have_rows and tokens <= have_tokens:
            return
        rows = have_rows if rows <= have_rows else 1 << (rows - 1).bit_length()
        tokens = have_tokens if tokens <= have_tokens else -(-tokens // _TOKENS) * _TOKENS
        for layer in self._layers:
            layer.grow(rows, tokens)


class _Layer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values of all rows, each (rows, heads, tokens, head_dim)."""

    def __init__(self, batch: Batch, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self._batch = batch
        self.keys = keys.new_zeros(0, keys.shape[1], 0, keys.shape[3])
        self.values = values.new_zeros(0, values.shape[1], 0, values.shape[3])
        self.is_initialized = True

    @property
    def room(self) -> tuple[int, int]:
        return self.keys.shape[0], self.keys.shape[2]

    def grow(self, rows: int, tokens: int) -> None:
        had_rows, had_tokens = self.room
        for name in ("keys", "values"):
            old: Tensor = getattr(self, name)
            new = old.new_zeros(rows, old.shape[1], tokens, old.shape[3])  # garbage would be NaN times 0
            new[:had_rows, :, :had_tokens] = old
            setattr(self, name, new)

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> _KV:
        """Write one token a row, (n, heads, 1, head_dim), and return all that the rows hold."""
        at, rows, end = self._batch.at, self._batch.rows, self._batch.longest + 1
        self.keys[rows, :, at] = key_states[:, :, 0]
        self.values[rows, :, at] = value_states[:, :, 0]
        return self.keys[: len(rows), :, :end], self.values[: len(rows), :, :end]

    def get_seq_length(self) -> int:
        return self._batch.longest
