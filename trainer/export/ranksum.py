"""The stack as ONE LoRA adapter in PEFT's format, exact: the ranks of all adapters side by side.

    A = [A₁; A₂; 0]      B = [s₁B₁, s₂B₂, 0]      r = α = padded rank, so PEFT's own factor is 1

    columns   0 … 7      8 … 39       40 … 63
              identity   style        zeros, up to a rank that vLLM's --max-lora-rank admits

Each adapter's own factor (α / r, or α / √r with rsLoRA) is in its B before the concatenation. A
module that an adapter lacks gets zeros in that adapter's columns; a module that no adapter has, but
that PEFT would match by its name, gets zeros altogether.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.adapters import WEIGHTS
from engine.errors import AdapterError
from engine.model.hashes import file_hash
from engine.model.lora import LoraPair
from trainer.export.agree import Agreement, Logits, compare, insist, model_logits, stack_logits
from trainer.export.source import Source

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM allows as --max-lora-rank."""


@dataclass(frozen=True, slots=True)
class RankSum:
    """The whole stack as one adapter."""

    rank: int
    """Padded."""
    spans: tuple[tuple[str, int, int], ...]
    """Adapter, its first column, and the one after its last."""
    pairs: dict[str, LoraPair]  # A: (rank, in), B: (out, rank), by the module's full name

    @property
    def suffixes(self) -> list[str]:
        """Last parts of the modules' names, as PEFT's target_modules."""
        return sorted({name.rpartition(".")[2] for name in self.pairs})


def rank_sum(source: Source, padded: bool = True) -> RankSum:
    """Concatenate the adapters of a stack.

    Args:
        padded: to the next rank that vLLM admits.

    Raises:
        AdapterError: the ranks add up to more than vLLM admits, or it is no causal model.
    """
    if source.base.model.config.is_encoder_decoder:
        raise AdapterError("vLLM and llama.cpp take adapters of causal models alone; export it merged.")
    spans, at = [], 0
    for adapter in source.adapters:
        spans.append((adapter.name, at, at + adapter.rank))
        at += adapter.rank
    rank = next((r for r in RANKS if r >= at), 0) if padded else at
    if not rank:
        raise AdapterError(
            f"The ranks of {', '.join(a.name for a in source.adapters)} add up to {at}; vLLM admits at most "
            f"{RANKS[-1]}. Export fewer with --adapter, or export a merged model."
        )
    pairs = {}
    for module, (inner, outer) in _sizes(source).items():
        a, b = torch.zeros(rank, inner), torch.zeros(outer, rank)
        for adapter, (_, first, _) in zip(source.adapters, spans, strict=True):
            if pair := adapter.weights.get(module):
                a[first : first + pair.rank] = pair.a
                b[:, first : first + pair.rank] = pair.b
        pairs[module] = LoraPair(a, b)
    return RankSum(rank, tuple(spans), pairs)


def write_rank_sum(
    source: Source, summed: RankSum, folder: Path, dtype: str, prompts: list[Tensor], expected: Logits,
    plain: Logits,
) -> tuple[str, Agreement]:  # fmt: skip
    """Write the adapter and compare what plain PEFT makes of it with the stack.

    Returns:
        the SHA-256 of its weights, and the agreement.

    Raises:
        ModelError: it does not say what the stack says.
    """
    from peft import LoraConfig, TaskType
    from safetensors.torch import save_file
    from transformers.pytorch_utils import Conv1D

    exact = stack_logits(source.base, {"sum": summed.pairs}, (("sum", 1.0),), prompts)
    insist(compare(exact, expected, plain, "float32"), "The rank-sum before rounding")
    kind = getattr(torch, dtype)
    tensors = {}
    for module, pair in summed.pairs.items():
        tensors[f"base_model.model.{module}.lora_A.weight"] = pair.a.to(kind).contiguous()
        tensors[f"base_model.model.{module}.lora_B.weight"] = pair.b.to(kind).contiguous()
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)
    model = source.base.model
    config = LoraConfig(
        r=summed.rank,
        lora_alpha=summed.rank,
        target_modules=summed.suffixes,
        fan_in_fan_out=any(isinstance(model.get_submodule(m), Conv1D) for m in summed.pairs),
        task_type=TaskType.CAUSAL_LM,
        base_model_name_or_path=source.base_name,
        inference_mode=True,
    )
    config.save_pretrained(str(folder))
    agreement = compare(peft_logits(model, [folder], prompts), expected, plain, dtype)
    return file_hash(folder / WEIGHTS), insist(agreement, "The rank-sum adapter")


def peft_logits(model: Any, folders: list[Path], prompts: list[Tensor]) -> Logits:
    """Logits with adapters loaded by plain PEFT, stacked; the model is plain again afterwards."""
    from peft import PeftModel

    names = [f"adapter{i}" for i in range(len(folders))]
    wrapped = PeftModel.from_pretrained(model, str(folders[0]), adapter_name=names[0])
    try:
        for name, folder in zip(names[1:], folders[1:], strict=True):
            wrapped.load_adapter(str(folder), adapter_name=name)
        wrapped.base_model.set_adapter(names)
        return model_logits(wrapped.eval(), prompts)
    finally:
        wrapped.unload()


def _sizes(source: Source) -> dict[str, tuple[int, int]]:
    """(in, out) of every module that PEFT will match by the changed modules' last names."""
    from transformers.pytorch_utils import Conv1D

    suffixes = {module.rpartition(".")[2] for module in source.modules()}
    sizes = {}
    for name, layer in source.base.model.named_modules():
        if name.rpartition(".")[2] not in suffixes:
            continue
        if isinstance(layer, torch.nn.Linear):
            sizes[name] = (layer.in_features, layer.out_features)
        elif isinstance(layer, Conv1D):
            sizes[name] = (int(layer.nx), int(layer.nf))
    return sizes
