"""Tiny random models of every family that the trainer knows; built by transformers, no download."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from trainer.pairs import Example

_SMALL = {
    "vocab_size": 512,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "bos_token_id": 0,
    "eos_token_id": 3,
    "pad_token_id": 3,
}
CAUSAL = ("gpt2", "llama", "mistral", "phi3", "qwen2")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """For a whole module that imports it: tiny products gain nothing from more threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small_config(family: str, **changes: Any) -> Any:
    """A configuration of a family: gpt2, llama, mistral, phi3, qwen2 or t5."""
    import transformers

    if family == "gpt2":
        sizes = {"vocab_size": 512, "n_positions": 256, "n_embd": 32, "n_layer": 2, "n_head": 4}
        ends = {"bos_token_id": 0, "eos_token_id": 3, "initializer_range": 0.2}
        return transformers.GPT2Config(**{**sizes, **ends, "attn_pdrop": 0.0, **changes})
    if family == "t5":
        sizes = {"vocab_size": 512, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
        ends = {"pad_token_id": 3, "eos_token_id": 3, "decoder_start_token_id": 3}
        return transformers.T5Config(**{**sizes, **ends, "feed_forward_proj": "gated-gelu", **changes})
    names = {"llama": "Llama", "mistral": "Mistral", "phi3": "Phi3", "qwen2": "Qwen2"}
    return getattr(transformers, f"{names[family]}Config")(**{**_SMALL, **changes})


def small_model(family: str, **changes: Any) -> Any:
    """A random model of a family, in eval mode."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    auto = AutoModelForSeq2SeqLM if family == "t5" else AutoModelForCausalLM
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return auto.from_config(small_config(family, **changes)).eval()


def save_small(family: str, path: Path, *, template: bool) -> Path:
    """A random model with the tiny tokenizer, saved; without a chat template if told so."""
    from tiny import make_tiny_tokenizer
    from transformers import AutoTokenizer

    make_tiny_tokenizer(path)
    if not template:
        tokenizer = AutoTokenizer.from_pretrained(path)
        tokenizer.chat_template = None
        (path / "chat_template.jinja").unlink()
        tokenizer.save_pretrained(path)
    small_model(family).save_pretrained(path)
    return path


def examples(lengths: list[int], seed: int = 0, *, source: int = 0) -> list[Example]:
    """Random examples whose last third is trained; with a source of `source` tokens for an encoder."""
    rng = random.Random(seed)
    made = []
    for length in lengths:
        ids = tuple(rng.randrange(4, 512) for _ in range(length))
        mask = tuple(source > 0 or i >= length * 2 // 3 for i in range(length))
        made.append(Example(ids, mask, tuple(rng.randrange(4, 512) for _ in range(source))))
    return made
