"""The stack folded into the base model: W' = W + s₁ B₁ A₁ + s₂ B₂ A₂, an ordinary model afterwards.

The sum is taken in float32 and rounded once, when it is stored. Checked twice: the merged model in
memory against the stack, then the stored one, read back. This module knows nothing of other formats.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import ModelError
from engine.model.hashes import model_hashes
from engine.model.lora import LoraWeights
from trainer.export.agree import Agreement, Logits, compare, insist, model_logits
from trainer.export.source import Source

_TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "chat_template.jinja",
)  # fmt: skip


def write_merged(
    source: Source,
    folder: Path,
    dtype: str,
    prompts: list[Tensor],
    expected: Logits,
    plain: Logits,
    shard_size: str = "5GB",
) -> dict[str, Agreement]:
    """Write the merged model into `folder`; the source's base model is used up.

    Args:
        dtype: float32, bfloat16 or float16, of the stored weights.
        expected, plain: logits of the stack and of the base.
        shard_size: of a safetensors file, at most.

    Returns:
        the agreement of the merged model `in_memory` and of the one read back, `stored`.

    Raises:
        ModelError: the merged model does not say what the stack says.
    """
    model = source.base.model
    for adapter in source.adapters:
        if adapter.dora:
            model = merged_by_peft(model, adapter.folder.path)
        else:
            merge(model, adapter.weights)
    in_memory = insist(compare(model_logits(model, prompts), expected, plain, "float32"), "The merged model")
    model.to(getattr(torch, dtype))
    model.save_pretrained(folder, max_shard_size=shard_size)
    copy_tokenizer(source.base.folder, folder)
    hashes, base = model_hashes(folder), source.base.hashes
    if (hashes.tokenizer, hashes.template) != (base.tokenizer, base.template):
        raise ModelError(f"The tokenizer of {source.base.folder} could not be copied whole; fetch it again.")
    model.to("meta")  # its memory is needed to read the stored one
    stored = read_back(folder, source.auto_class, source.base.device)
    agreement = compare(model_logits(stored, prompts), expected, plain, dtype)
    return {"in_memory": in_memory, "stored": insist(agreement, f"The merged model in {dtype}")}


@torch.no_grad()
def merge(model: Any, weights: LoraWeights) -> None:
    """Add an adapter's deltas to the layers' weights, in place and in float32."""
    from tqdm import tqdm
    from transformers.pytorch_utils import Conv1D

    for name, pair in tqdm(weights.items(), desc="merge", unit="layer", file=sys.stderr, disable=None):
        layer = model.get_submodule(name)
        _untie(model, layer)
        delta = pair.b.to(layer.weight.device) @ pair.a.to(layer.weight.device)  # (out, in)
        layer.weight += delta.T if isinstance(layer, Conv1D) else delta


def merged_by_peft(model: Any, folder: Path) -> Any:
    """The model with an adapter folded in by PEFT, which knows more kinds than sums of ranks."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(folder)).merge_and_unload(safe_merge=True)


def read_back(folder: Path, auto_class: str, device: torch.device) -> Any:
    """The stored model by plain transformers, computing in float32."""
    import transformers

    model = getattr(transformers, auto_class).from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True
    )
    return model.to(device).eval()


def copy_tokenizer(base: Path, folder: Path) -> None:
    """Copy the base's tokenizer and chat template byte for byte, so that their hashes stay."""
    for name in _TOKENIZER:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)


def _untie(model: Any, layer: nn.Module) -> None:
    """An output layer that shares the embedding's weight gets its own before it is changed."""
    embedding = model.get_input_embeddings()
    if layer is not embedding and layer.weight is embedding.weight:
        layer.weight = nn.Parameter(layer.weight.detach().clone(), requires_grad=False)
        model.config.tie_word_embeddings = False
