"""Packing: token stores to batches of whole documents, end to end, without padding.

A batch is a few packed rows of exactly `row_tokens`; documents are placed best-fit, and one
that fits nowhere opens the next batch, so a row wastes well under 1 %. The draw is a pure
function of (seed, state): the small, JSON-able state goes in the checkpoint and the next
batch follows from it with no replay. Knows nothing of models, devices or losses.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.guide import sources
from trainer.store import Store

log = logging.getLogger(__name__)

PROSE_SHARE = 0.9  # an example with more of its tokens trained is prose, and may be cut
MAX_PENDING = 24  # pieces that wait for the next batch
_MAX_SKIPS = 10_000  # examples in a row that are too long before we give up


class PackingError(ValueError):
    """The stores and weights given cannot make a batch."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A document, or a cut of a long prose one: `ids[start:end]` of an example."""

    store: str
    index: int
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Row:
    """One packed row of M tokens, D documents, K trained positions."""

    ids: Tensor  # (M,) int64
    positions: Tensor  # (M,) int64, from 0 in each document
    bounds: Tensor  # (D + 1,) int64; rows past the last are padding
    sources: Tensor  # (K,) int64: the row whose hidden state predicts
    labels: Tensor  # (K,) int64: the token it must predict
    guides: Tensor  # (G, 3) int64: where a copied token is predicted, its source, its document's start

    @property
    def n_tokens(self) -> int:
        """Tokens that are not padding."""
        return int(self.bounds[-1])


@dataclass(slots=True)
class PackState:
    """All that decides the next batch, besides the seed, stores and weights."""

    consumed: dict[str, int] = field(default_factory=dict)  # examples drawn, by store
    debt: dict[str, float] = field(default_factory=dict)  # tokens owed to each store
    pending: list[Piece] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PackState:
        pending = [Piece(**piece) for piece in data["pending"]]
        return cls(dict(data["consumed"]), dict(data["debt"]), pending)


class Packer:
    """Draws batches from a mixture of stores.

    Each store is read in a fresh shuffle every epoch, so nothing repeats before all was
    seen. Tokens follow the weights exactly over time: the store with the largest debt is
    next. Examples longer than `seq_len` are cut when they are prose, else left for a stage
    with longer rows.

    Args:
        stores: by name.
        seed: of the shuffles.
        row_tokens: M, tokens in a row.
        rows: rows in a batch.
        state: where to go on from; a new one starts at the beginning.
        guided: stores whose rows get `guides`.
    """

    def __init__(
        self,
        stores: Mapping[str, Store],
        seed: int,
        row_tokens: int,
        rows: int,
        state: PackState | None = None,
        guided: Collection[str] = (),
    ) -> None:
        self._stores = dict(stores)
        self._seed, self._row_tokens, self._rows, self._guided = seed, row_tokens, rows, guided
        self.state = state or PackState()
        self.state.pending = [p for p in self.state.pending if self._still_there(p)]
        self._orders: dict[str, tuple[int, NDArray[np.int64]]] = {}

    def batch(self, weights: Mapping[str, float], seq_len: int) -> list[Row]:
        """The next batch.

        Args:
            weights: each store's share of tokens, any scale; zero or absent is none.
            seq_len: the longest document, at most `row_tokens`.

        Raises:
            PackingError: no positive weight, an unknown store, a row that is too short, or
                a store with nothing of this length.
        """
        shares = self._shares(weights, seq_len)
        bins: list[list[Piece]] = [[] for _ in range(self._rows)]
        room = [self._row_tokens] * self._rows
        waiting, self.state.pending = self.state.pending, []
        while len(self.state.pending) < MAX_PENDING and max(room) >= 8:
            if not waiting:
                waiting = self._draw(shares, seq_len)
            piece = waiting.pop(0)
            fits = [i for i in range(self._rows) if room[i] >= len(piece)]
            if not fits:
                self.state.pending.append(piece)
                continue
            best = max(fits, key=lambda i: room[i]) if len(piece) < 64 else fits[0]
            bins[best].append(piece)
            room[best] -= len(piece)
        self.state.pending.extend(waiting)
        return [pack_row(pieces, self._stores, self._row_tokens, self._guided) for pieces in bins]

    def _shares(self, weights: Mapping[str, float], seq_len: int) -> dict[str, float]:
        positive = {name: w for name, w in weights.items() if w > 0}
        unknown = sorted(set(positive) - set(self._stores))
        if unknown:
            raise PackingError(f"no store named {', '.join(unknown)}; have {sorted(self._stores)}")
        if not positive:
            raise PackingError("no store has a positive weight")
        if seq_len > self._row_tokens:
            raise PackingError(f"documents of {seq_len} tokens do not fit rows of {self._row_tokens}")
        total = sum(positive.values())
        return {name: w / total for name, w in positive.items()}

    def _draw(self, shares: Mapping[str, float], seq_len: int) -> list[Piece]:
        """The next example of the store that is owed most, whole or cut."""
        debt = self.state.debt
        name = max(shares, key=lambda n: (debt.get(n, 0.0), n))
        pieces = self._next_pieces(name, seq_len)
        taken = sum(map(len, pieces))
        for other, share in shares.items():
            debt[other] = debt.get(other, 0.0) + share * taken
        debt[name] -= taken
        return pieces

    def _next_pieces(self, name: str, seq_len: int) -> list[Piece]:
        store = self._stores[name]
        for _ in range(min(_MAX_SKIPS, 2 * len(store)) + 1):
            count = self.state.consumed.get(name, 0)
            self.state.consumed[name] = count + 1
            index = int(self._order(name, count // len(store))[count % len(store)])
            pieces = cut(store, name, index, seq_len)
            if pieces:
                return pieces
        raise PackingError(f"store {name} has no trained example of up to {seq_len} tokens")

    def _order(self, name: str, epoch: int) -> NDArray[np.int64]:
        cached = self._orders.get(name)
        if cached is None or cached[0] != epoch:
            rng = np.random.default_rng([self._seed, zlib.crc32(name.encode()), epoch])
            cached = (epoch, rng.permutation(len(self._stores[name])))
            self._orders[name] = cached
        return cached[1]

    def _still_there(self, piece: Piece) -> bool:
        store = self._stores.get(piece.store)
        if store is None or piece.index >= len(store):
            return False
        return bool(piece.end <= store.offsets[piece.index + 1] - store.offsets[piece.index])


def cut(store: Store, name: str, index: int, seq_len: int) -> list[Piece]:
    """An example as pieces of at most `seq_len`; none if it must wait or trains nothing."""
    _, mask = store.example(index)
    length, trained = len(mask), int(np.count_nonzero(mask[1:]))
    if not trained:
        return []
    if length <= seq_len:
        return [Piece(name, index, 0, length)]
    if trained < PROSE_SHARE * length:
        return []
    edges = range(0, length, seq_len)
    return [Piece(name, index, a, min(a + seq_len, length)) for a in edges if length - a > 1]


def pack_row(
    pieces: Iterable[Piece],
    stores: Mapping[str, Store],
    row_tokens: int,
    guided: Collection[str] = (),
) -> Row:
    """Lays pieces end to end in one row; the first token of a document is never a label.

    Args:
        guided: stores whose documents get `guides`.
    """
    ids = np.zeros(row_tokens, dtype=np.int64)
    positions = np.zeros(row_tokens, dtype=np.int64)
    trained = np.zeros(row_tokens, dtype=bool)
    bounds = [0]
    guides: list[tuple[int, int, int]] = []
    for piece in pieces:
        all_ids, all_mask = stores[piece.store].example(piece.index)
        a, b = bounds[-1], bounds[-1] + len(piece)
        ids[a:b] = all_ids[piece.start : piece.end]
        positions[a:b] = np.arange(len(piece))
        trained[a + 1 : b] = all_mask[piece.start + 1 : piece.end] != 0
        if piece.store in guided:
            told = sources(ids[a:b].tolist(), all_mask[piece.start : piece.end].tolist())
            guides += [(a + at, a + source, a) for at, source in told]
        bounds.append(b)
    where = np.flatnonzero(trained)
    return Row(
        ids=torch.from_numpy(ids),
        positions=torch.from_numpy(positions),
        bounds=torch.tensor(bounds, dtype=torch.int64),
        sources=torch.from_numpy(where - 1),
        labels=torch.from_numpy(ids[where]),
        guides=torch.tensor(guides, dtype=torch.int64).reshape(-1, 3),
    )


def held_out_rows(store: Store, name: str, row_tokens: int, seq_len: int, max_tokens: int) -> Iterator[Row]:
    """The first examples of a held-out store in file order, packed; the same every time."""
    stores, filled, total = {name: store}, 0, 0
    waiting: list[Piece] = []
    for index in range(len(store)):
        for piece in cut(store, name, index, seq_len):
            if filled + len(piece) > row_tokens:
                yield pack_row(waiting, stores, row_tokens)
                waiting, filled = [], 0
            if total + len(piece) > max_tokens:
                break
            waiting.append(piece)
            filled += len(piece)
            total += len(piece)
    if waiting:
        yield pack_row(waiting, stores, row_tokens)
