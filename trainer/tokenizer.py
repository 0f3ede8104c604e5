"""The starter model's tokenizer: byte-level BPE with Llama-3 style chat tokens.

This module knows nothing of where the text comes from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from engine.errors import InputError

BOS, EOS_TEXT = "<|begin_of_text|>", "<|end_of_text|>"
HEADER, END_HEADER, EOT, PAD = "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|pad|>"
RESERVED = tuple(f"<|reserved_{i}|>" for i in range(10))
SPECIAL = (BOS, EOS_TEXT, HEADER, END_HEADER, EOT, PAD, *RESERVED)
TEMPLATE = Path(__file__).with_name("chat_template.jinja")

# Words with the mark before them, single digits, punctuation runs, line ends, spaces.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train_tokenizer(texts: Iterable[str], vocab_size: int = 4096) -> PreTrainedTokenizerFast:
    """Learn merges from texts.

    Args:
        texts: samples of everything that the model will read.
        vocab_size: all entries, special tokens and the 256 bytes included.

    Returns:
        a tokenizer with the chat template set; any text survives encoding and decoding.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=20,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOT,
        pad_token=PAD,
        additional_special_tokens=[t for t in SPECIAL if t not in (BOS, EOT, PAD)],
        chat_template=TEMPLATE.read_text(encoding="utf-8"),
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
        add_bos_token=False,
    )


def vocabulary(folder: Path) -> Any:
    """Tokens, ids and merges of a folder's tokenizer.json; equal where token ids mean the same.

    Raises:
        InputError: the file is damaged.
    """
    file = folder / "tokenizer.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))["model"]
    except (ValueError, KeyError) as exc:
        raise InputError(f"{file} is damaged ({exc}); copy it from its model again.") from exc
