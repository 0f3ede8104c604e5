"""Keeps the KV of prompts' beginnings, so that a constant prompt or a long history is read once.

Prompts are always read in the same pieces (64 tokens, then up to 128, 256, 512, 1024, and 1024 each
from there), and only whole pieces are reused. So a prompt gives the same bits whether its beginning
was cached or not, and a seeded reply stays repeatable.

Entries are found by who wrote them (adapter versions and strengths; base is the empty key) and by
their tokens: base and persona never share one. This module knows nothing of models or text.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

_FIRST, _LARGEST = 64, 1024  # tokens

Key = tuple[tuple[str, float], ...]
KeyValues = tuple[tuple[Tensor, Tensor], ...]
"""For each layer the keys and values, each (1, heads, tokens, head_dim)."""


def piece_end(start: int, length: int) -> int:
    """Where the piece of a prompt that begins at `start` ends; `length` is the prompt's."""
    end = _FIRST
    while end <= start:
        end = end * 2 if end < _LARGEST else end + _LARGEST
    return min(end, length)


def piece_ends(length: int) -> list[int]:
    """All the ends of whole pieces within `length` tokens, smallest first."""
    ends: list[int] = []
    at = 0
    while (at := piece_end(at, length + 1)) <= length:
        ends.append(at)
    return ends


@dataclass(frozen=True, slots=True)
class _Entry:
    ids: tuple[int, ...]
    layers: KeyValues
    size_bytes: int


class PrefixCache:
    """Least recently used beginnings within a memory budget. For one thread.

    Args:
        budget_bytes: 0 keeps nothing.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._entries: OrderedDict[tuple[Key, tuple[int, ...]], _Entry] = OrderedDict()
        self.used_bytes = 0

    def find(self, key: Key, ids: Sequence[int]) -> tuple[int, KeyValues]:
        """The longest cached beginning of `ids`, at least one token short of all of them.

        Returns:
            its length in tokens (0: none) and its keys and values, as views.
        """
        ids = tuple(ids)
        for end in reversed(piece_ends(len(ids) - 1)):
            head = ids[:end]
            for at, entry in self._entries.items():
                if at[0] == key and entry.ids[:end] == head:
                    self._entries.move_to_end(at)
                    return end, tuple((k[:, :, :end], v[:, :, :end]) for k, v in entry.layers)
        return 0, ()

    def keep(self, key: Key, ids: Sequence[int], layers: KeyValues) -> None:
        """Remember the keys and values of these tokens; what is a beginning of them is let go."""
        size = sum(k.nbytes + v.nbytes for k, v in layers)
        if size > self._budget_bytes:
            return
        entry = _Entry(tuple(ids), layers, size)
        for at, other in list(self._entries.items()):
            if at[0] == key and entry.ids[: len(other.ids)] == other.ids:
                self._drop(at)
        self._entries[(key, entry.ids)] = entry
        self.used_bytes += size
        while self.used_bytes > self._budget_bytes:
            self._drop(next(iter(self._entries)))

    def forget(self, adapter: str) -> None:
        """Drop what an adapter version had a part in."""
        for at in list(self._entries):
            if any(name == adapter for name, _ in at[0]):
                self._drop(at)

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self.used_bytes = 0

    def _drop(self, at: tuple[Key, tuple[int, ...]]) -> None:
        self.used_bytes -= self._entries.pop(at).size_bytes
