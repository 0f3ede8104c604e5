"""Examples into micro-batches: end to end in one row, or padded beside examples of like length.

    packed   ids        [ a a a a | b b b b b b | c c ]        bounds  [0, 4, 10, 12]
             positions  [ 0 1 2 3 | 0 1 2 3 4 5 | 0 1 ]
    shared   ids        [ s s | a a | b b b b ]                bounds  [2, 4, 8], shared 2
             positions  [ 0 1 | 2 3 | 2 3 4 5 ]
    padded   ids        [ a a a a . . ]
                        [ b b b b b b ]

A system message that all examples of a row begin with is computed once; each attends to it and to
itself. How examples are grouped inside an optimizer step never changes the step's gradient: losses are
summed over tokens and divided by the whole step's. Knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from trainer.pairs import Example

IGNORED = -100
WORTH_SHARING = 0.1  # of a row's tokens; below, plain packed attention is as fast


@dataclass(frozen=True, slots=True)
class Batch:
    """What one forward takes. Packed rows have `bounds` and `positions`, padded ones `attend`."""

    ids: Tensor  # (B, T)
    labels: Tensor  # (B, T), IGNORED where there is no loss; not shifted
    attend: Tensor | None = None  # (B, T), 1 on tokens, 0 on padding
    positions: Tensor | None = None  # (1, T), from 0 in each example
    bounds: Tensor | None = None  # (examples + 1,), where each begins; stays on the CPU
    shared: int = 0  # tokens before bounds[0], which every example of a packed row begins with
    source: Tensor | None = None  # (B, S), an encoder's
    source_attend: Tensor | None = None  # (B, S)

    @property
    def trained(self) -> int:
        """Tokens that carry loss. A causal model predicts no first token."""
        labels = self.labels if self.source is not None else self.labels[:, 1:]
        return int((labels != IGNORED).sum())

    @property
    def tokens(self) -> int:
        """Tokens that are computed, padding included."""
        return self.ids.numel() + (0 if self.source is None else self.source.numel())

    def to(self, device: Any) -> Batch:
        """The batch on a device; `bounds` stays."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        stays = ("bounds", "shared")
        return Batch(**{k: v if v is None or k in stays else v.to(device) for k, v in moved.items()})


@dataclass(frozen=True, slots=True)
class Layout:
    """How a training groups its examples."""

    batch_size: int
    pad_id: int
    pack_tokens: int = 0
    """Most tokens of a packed row; 0: pad."""
    share: bool = False
    """Compute what a packed row's examples begin with only once."""

    def batches(self, examples: Sequence[Example]) -> list[Batch]:
        """All examples, each once; like lengths together."""
        order = sorted(examples, key=len, reverse=True)
        if self.pack_tokens:
            rows = bins(order, self.pack_tokens)
            return [packed(row, self._shared(row)) for row in rows]
        groups = [order[at : at + self.batch_size] for at in range(0, len(order), self.batch_size)]
        return [padded(group, self.pad_id) for group in groups]

    def _shared(self, row: Sequence[Example]) -> int:
        if not self.share:
            return 0
        start = common_start(row)
        saved = start * (len(row) - 1)
        return start if saved >= WORTH_SHARING * sum(map(len, row)) else 0


def bins(longest_first: Sequence[Example], most_tokens: int) -> list[list[Example]]:
    """First-fit decreasing: few rows of at most so many tokens (one longer example has its own)."""
    rows: list[list[Example]] = []
    room: list[int] = []
    for example in longest_first:
        at = next((i for i, free in enumerate(room) if len(example) <= free), len(rows))
        if at == len(rows):
            rows.append([])
            room.append(max(most_tokens, len(example)))
        rows[at].append(example)
        room[at] -= len(example)
    return rows


def common_start(examples: Sequence[Example]) -> int:
    """Tokens that all examples begin with, short of any token that predicts a trained one."""
    if len(examples) < 2:
        return 0
    most = min(e.mask.index(True) if True in e.mask else len(e.ids) for e in examples) - 1
    first, last = min(e.ids for e in examples), max(e.ids for e in examples)  # all others lie between
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return max(0, min(same, most))


def packed(examples: Sequence[Example], shared: int = 0) -> Batch:
    """One row, no padding. An example's first token is nobody's target.

    Args:
        shared: tokens that all examples begin with; they stand in the row once.
    """
    lengths = torch.tensor([shared, *(len(e.ids) - shared for e in examples)])
    start = torch.tensor(examples[0].ids[:shared], dtype=torch.long)
    ids = torch.cat([start, *(torch.tensor(e.ids[shared:]) for e in examples)])
    unlabelled = torch.full((shared,), IGNORED)
    labels = torch.cat([unlabelled, *(_labels(e, causal=True)[shared:] for e in examples)])
    positions = torch.cat([torch.arange(shared), *(torch.arange(shared, len(e.ids)) for e in examples)])
    return Batch(ids[None], labels[None], positions=positions[None], bounds=lengths.cumsum(0), shared=shared)


def padded(examples: Sequence[Example], pad_id: int) -> Batch:
    """One row an example, padded on the right."""
    causal = not examples[0].source
    ids, attend = _fill([torch.tensor(e.ids) for e in examples], pad_id)
    labels, _ = _fill([_labels(e, causal=causal) for e in examples], IGNORED)
    if causal:
        return Batch(ids, labels, attend)
    source, source_attend = _fill([torch.tensor(e.source) for e in examples], pad_id)
    return Batch(ids, labels, attend, source=source, source_attend=source_attend)


def _labels(example: Example, *, causal: bool) -> Tensor:
    labels = torch.where(torch.tensor(example.mask), torch.tensor(example.ids), torch.tensor(IGNORED))
    if causal:  # the example before it in a row must not predict it
        labels[0] = IGNORED
    return labels


def _fill(rows: Sequence[Tensor], value: int) -> tuple[Tensor, Tensor]:
    """(B, longest) padded with `value`, and where the tokens are."""
    width = max(len(row) for row in rows)
    out = torch.full((len(rows), width), value, dtype=torch.long)
    attend = torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
        attend[i, : len(row)] = 1
    return out, attend
