"""The rank-masked stack: several adapters in one matrix pair, switched per row by a mask.

    y = W x + B (m ⊙ (A x))        A: (R, in)   B: (out, R)   m: (rows or tokens, R)

           ┌ identity, r = 8 ┐┌──── style, r = 32 ────┐
    m  =  [ 1 1 1 1 1 1 1 1   1 1 1 1 1 1 1 … 1 1 1 1 ]   the stack
          [ 1 1 1 1 1 1 1 1   0 0 0 0 0 0 0 … 0 0 0 0 ]   identity alone
          [ 0 0 0 0 0 0 0 0   0 0 0 0 0 0 0 … 0 0 0 0 ]   the unmodified base model, bit for bit
          [ 1 1 1 1 1 1 1 1   ½ ½ ½ ½ ½ ½ ½ … ½ ½ ½ ½ ]   style at half strength

Each adapted layer holds one A and one B with the ranks of all loaded adapters side by side, every
adapter's own scaling folded into its B. Rows of one batch may differ, since nothing is toggled.

One thread owns a stack. It says which rows the next forward has with `with stack.rows(mask)`; out
of such a block every layer is the base layer, so forgetting it cannot leak an adapter. This module
knows nothing of files, requests or threads.

Source: LoRA, https://arxiv.org/abs/2106.09685; rsLoRA, https://arxiv.org/abs/2312.03732.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import AdapterError
from engine.model.lora import LoraPair, LoraWeights
from engine.types import Stack


class Layout:
    """Which adapter has how many ranks, in column order; layers adapted alike share one object."""

    __slots__ = ("spans",)

    def __init__(self, spans: tuple[tuple[str, int], ...]) -> None:
        self.spans = spans


class Columns(NamedTuple):
    """A mask spelled out for one layout; None where a step can be left out."""

    scale: Tensor | None  # (R,), (B, 1, R) or (1, T, R); None: every column is 1
    on: Tensor | None  # like scale, bool; None: no column is 0
    touched: Tensor | None  # (B, 1, 1) or (1, T, 1), bool; None: every row has a column that is not 0


class RowMask:
    """Which adapters, at which strengths, each row (or token) of a forward runs with.

    It may be kept for as long as the stack lives: after adapters come or go it spells itself out
    anew, and an adapter that it names but that is gone counts as off.

    Args:
        rows: one Stack a row; rows that are all alike may be given as one.
        per_token: the rows are the tokens of one packed sequence, instead of a batch's sequences.
        device: where the mask is needed.
        dtype: of the adapters' matrices.
    """

    def __init__(
        self, rows: Sequence[Stack], per_token: bool, device: torch.device, dtype: torch.dtype
    ) -> None:
        alike = all(row == rows[0] for row in rows)
        self._rows = [dict(row) for row in (rows[:1] if alike else rows)]
        self._per_token = per_token
        self._device, self._dtype = device, dtype
        self._columns: dict[Layout, Columns | None] = {}

    @property
    def base(self) -> bool:
        """Whether every row is the unmodified base model."""
        return not any(strength for row in self._rows for strength in row.values())

    def columns(self, layout: Layout) -> Columns | None:
        """The mask for one layout; None when no column is on in any row."""
        try:
            return self._columns[layout]
        except KeyError:
            return self._columns.setdefault(layout, self._spell_out(layout))

    def _spell_out(self, layout: Layout) -> Columns | None:
        values = [
            [row.get(name, 0.0) for name, rank in layout.spans for _ in range(rank)] for row in self._rows
        ]
        scale = torch.tensor(values, device=self._device, dtype=torch.float32)  # (rows, R)
        on = scale != 0
        if not on.any():
            return None
        touched = on.any(-1, keepdim=True)
        lead: tuple[int, ...] = ()  # one row fits any input, also flattened ones
        if len(self._rows) > 1:
            lead = (1, len(self._rows)) if self._per_token else (len(self._rows), 1)
        return Columns(
            None if bool((scale == 1).all()) else scale.to(self._dtype).view(*lead, -1),
            None if bool(on.all()) else on.view(*lead, -1),
            None if bool(touched.all()) else touched.view(*lead, 1),
        )


class _Current:
    """The mask of the forward that runs now; shared by a stack and its layers, and by nobody else."""

    __slots__ = ("mask",)

    def __init__(self) -> None:
        self.mask: RowMask | None = None


class MaskedLinear(nn.Module):
    """A linear layer and the adapters' columns beside it.

    Args:
        base: nn.Linear, bitsandbytes' 4- or 8-bit linear, or GPT-2's Conv1D; it is not touched.
        current: where the mask of the running forward is found.
    """

    a: Tensor  # (R, in)
    b: Tensor  # (out, R)

    def __init__(self, base: nn.Module, current: _Current) -> None:
        super().__init__()
        self.base = base
        self._current = current
        self.pairs: dict[str, LoraPair] = {}
        self.layout = Layout(())

    @property
    def weight(self) -> Any:
        """The base layer's; some models look at its dtype."""
        return self.base.weight

    @property
    def bias(self) -> Any:
        """The base layer's."""
        return self.base.bias

    def arrange(self, pairs: dict[str, LoraPair], layout: Layout) -> None:
        """Take these pairs, in this order, as the columns."""
        self.a = torch.cat([pair.a for pair in pairs.values()], dim=0)
        self.b = torch.cat([pair.b for pair in pairs.values()], dim=1)
        ranks = [pair.rank for pair in pairs.values()]
        slices = zip(pairs, torch.split(self.a, ranks, 0), torch.split(self.b, ranks, 1), strict=True)
        self.pairs = {name: LoraPair(a, b) for name, a, b in slices}  # views: no weight is held twice
        self.layout = layout

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, T, in) -> (B, T, out). Without a mask, or for a masked-out row, the base's own bits."""
        y: Tensor = self.base(x)
        mask = self._current.mask
        columns = None if mask is None else mask.columns(self.layout)
        if columns is None:
            return y
        h = F.linear(x.to(self.a.dtype), self.a)  # (B, T, R)
        if columns.scale is not None:
            if columns.scale.dim() > x.dim():  # such as experts that see only some of the tokens
                raise AdapterError("This layer flattens its batch; it cannot serve rows that differ.")
            h = h * columns.scale
        if columns.on is not None:  # 0 * inf would be NaN: a column that is off is replaced, not scaled
            h = torch.where(columns.on, h, 0.0)
        adapted = y + F.linear(h, self.b).to(y.dtype)
        if columns.touched is None:
            return adapted
        return torch.where(columns.touched, adapted, y)  # -0.0 + 0.0 is 0.0: a base row keeps its bits


class RankStack:
    """The adapters installed in one model.

    Args:
        model: the base model; layers are replaced in place while adapters are installed.
        device: where the matrices live.
        dtype: of the matrices, the model's compute dtype.
    """

    def __init__(self, model: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        self._model = model
        self._device, self._dtype = device, dtype
        self._current = _Current()
        self._layers: dict[str, MaskedLinear] = {}
        self._layouts: dict[tuple[tuple[str, int], ...], Layout] = {}
        self._names: list[str] = []

    @property
    def names(self) -> tuple[str, ...]:
        """Installed adapters, in column order."""
        return tuple(self._names)

    def add(self, name: str, weights: LoraWeights) -> None:
        """Install an adapter behind the others; nothing changes when it is refused.

        Raises:
            AdapterError: the name is taken, or the weights do not fit the model's layers.
        """
        if name in self._names:
            raise AdapterError(f"Adapter {name} is loaded already; unload or reload it.")
        for module, pair in weights.items():
            self._check(name, module, pair)
        placed = {m: LoraPair(self._place(p.a), self._place(p.b)) for m, p in weights.items()}
        for module, pair in placed.items():
            layer = self._layers.get(module) or self._install(module)
            self._arrange(layer, {**layer.pairs, name: pair})
        self._names.append(name)
        self._forget_layouts()

    def remove(self, name: str) -> None:
        """Take an adapter out; layers without any become the plain layers they were.

        Raises:
            AdapterError: there is no such adapter.
        """
        if name not in self._names:
            raise AdapterError(f"Adapter {name} is not loaded.")
        self._names.remove(name)
        for module, layer in list(self._layers.items()):
            rest = {key: pair for key, pair in layer.pairs.items() if key != name}
            if rest and len(rest) < len(layer.pairs):
                self._arrange(layer, rest)
            elif not rest:
                self._put(module, layer.base)
                del self._layers[module]
        self._forget_layouts()

    def mask(self, rows: Sequence[Stack], *, per_token: bool = False) -> RowMask:
        """The mask for a forward over these rows; an empty Stack is the base model.

        Args:
            rows: one Stack for all rows, or one for each sequence (or token) of the batch.
            per_token: rows are tokens of a packed sequence of shape (1, T).
        """
        return RowMask(rows, per_token, self._device, self._dtype)

    @contextmanager
    def rows(self, mask: RowMask) -> Iterator[None]:
        """Forwards inside the block run with this mask. Not re-entrant, for the owning thread only."""
        assert self._current.mask is None, "a forward is running already"
        self._current.mask = None if mask.base else mask
        try:
            yield
        finally:
            self._current.mask = None

    def _check(self, name: str, module: str, pair: LoraPair) -> None:
        try:
            target = self._model.get_submodule(module)
        except AttributeError as exc:
            raise AdapterError(
                f"Adapter {name} changes {module}, which this model lacks; it was trained on another model."
            ) from exc
        sizes = _sizes(target.base if isinstance(target, MaskedLinear) else target)
        if sizes is None:
            raise AdapterError(f"Adapter {name} changes {module}, which is not a linear layer.")
        if sizes != (pair.a.shape[1], pair.b.shape[0]):
            raise AdapterError(
                f"Adapter {name}: {module} maps {pair.a.shape[1]} to {pair.b.shape[0]} values in the adapter "
                f"and {sizes[0]} to {sizes[1]} in this model; it was trained on another model."
            )

    def _place(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, self._dtype)

    def _install(self, module: str) -> MaskedLinear:
        layer = MaskedLinear(self._model.get_submodule(module), self._current)
        layer.train(self._model.training)
        self._layers[module] = layer
        self._put(module, layer)
        return layer

    def _arrange(self, layer: MaskedLinear, pairs: dict[str, LoraPair]) -> None:
        spans = tuple((name, pair.rank) for name, pair in pairs.items())
        layer.arrange(pairs, self._layouts.setdefault(spans, Layout(spans)))

    def _forget_layouts(self) -> None:
        self._layouts = {layer.layout.spans: layer.layout for layer in self._layers.values()}

    def _put(self, module: str, layer: nn.Module) -> None:
        parent, _, child = module.rpartition(".")
        setattr(self._model.get_submodule(parent), child, layer)


def _sizes(layer: nn.Module) -> tuple[int, int] | None:
    """(in, out) of a layer that can be adapted; None for any other."""
    from transformers.pytorch_utils import Conv1D

    if isinstance(layer, nn.Linear):  # bitsandbytes' layers are subclasses, their weights packed
        return layer.in_features, layer.out_features
    if isinstance(layer, Conv1D):
        return int(layer.nx), int(layer.nf)
    return None
