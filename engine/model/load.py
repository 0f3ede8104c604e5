"""Loads a language model, decoder or encoder-decoder, with a chat template, from a folder or by its hub id.

Safetensors only: pickled weights and remote code are never run. The weights may be quantised by
bitsandbytes while they are read. This module knows nothing of adapters or requests.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.config import ProfileConfig
from engine.errors import ModelError
from engine.model.hashes import ModelHashes, find_model, model_hashes, template_text, weight_files

log = logging.getLogger(__name__)

_MARK = "zq"  # a word that no template contains


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A base model that is ready to run, and what identifies it."""

    ref: str
    """As configured: a folder or hub id."""
    folder: Path
    model: Any
    """A transformers language model in eval mode, its parameters frozen."""
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    """Compute dtype; adapters are kept in it."""
    hashes: ModelHashes
    context: int
    """Longest prompt plus reply, in tokens."""
    vocab_size: int
    """Rows of the embedding: every token id is below it."""
    eos_ids: frozenset[int]
    """Tokens that end a reply."""

    @property
    def base_hash(self) -> str:
        """SHA-256 of the weights."""
        return self.hashes.base

    @property
    def tokenizer_hash(self) -> str:
        """SHA-256 of tokenizer.json."""
        return self.hashes.tokenizer

    @property
    def template_hash(self) -> str:
        """SHA-256 of the chat template."""
        return self.hashes.template


def load_model(ref: str, profile: ProfileConfig) -> LoadedModel:
    """Load a base model. Blocks for seconds to minutes; the calling thread owns the result.

    Args:
        ref: a folder or a Hugging Face id; the `model` of the profile is not looked at.
        profile: device, dtype, quantisation and context.

    Raises:
        ModelError: the model is missing, gated, corrupt or too large, or has no chat template; the
            message says how to mend it.
    """
    began = time.perf_counter()
    folder = find_model(ref)
    template_text(folder)
    weight_files(folder)
    device = pick_device(profile.device)
    dtype = pick_dtype(profile.dtype, device)
    tokenizer = load_tokenizer(str(folder))
    with _explained(ref):
        model = _read_weights(folder, profile, device, dtype)
    vocab_size = int(model.get_input_embeddings().weight.shape[0])
    if len(tokenizer) > vocab_size:
        raise ModelError(
            f"{ref}: its tokenizer has {len(tokenizer)} tokens, its model {vocab_size}; they do not belong "
            "together. Fetch or train the model again."
        )
    longest = getattr(model.config, "max_position_embeddings", None) or profile.context_tokens
    loaded = LoadedModel(
        ref=ref,
        folder=folder,
        model=model,
        tokenizer=tokenizer,
        device=device,
        dtype=dtype,
        hashes=model_hashes(folder),
        context=min(profile.context_tokens, int(longest)),
        vocab_size=vocab_size,
        eos_ids=end_tokens(model, tokenizer),
    )
    log.info(
        "model %s on %s in %s, %.0f ms",
        loaded.base_hash[:12],
        device,
        dtype,
        _ms(time.perf_counter() - began),
    )
    return loaded


def load_tokenizer(ref: str) -> Any:
    """A tokenizer of its own for another thread, such as the renderer's.

    Raises:
        ModelError: as `load_model`.
    """
    from transformers import AutoTokenizer

    folder = find_model(ref)
    template = template_text(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        tokenizer.chat_template = tokenizer.chat_template or template  # the fallback of its family
        return tokenizer
    except Exception as exc:  # the tokenizer library raises plain Exceptions
        raise ModelError(
            f"The tokenizer in {folder} cannot be read ({_first_line(exc)}); fetch or train the model again."
        ) from exc


def pick_device(wanted: str) -> torch.device:
    """The device of a profile; auto is CUDA, then Apple's MPS, then the CPU.

    Raises:
        ModelError: that device is not there.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            f"device is {wanted}, but torch sees {torch.cuda.device_count()} CUDA devices; set device = "
            '"auto" in config.toml\'s profile, or install a CUDA build of torch.'
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ModelError('device is mps, which this machine lacks; set device = "auto" in config.toml.')
    return device


def pick_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """The compute dtype of a profile; auto is float32 on the CPU, else bfloat16 where it is supported."""
    if wanted != "auto":
        dtype: torch.dtype = getattr(torch, wanted)
        return dtype
    if device.type == "cpu":
        return torch.float32
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return torch.float16


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end a reply: the configured ones, and what the template puts behind an answer."""
    found: set[int] = set()
    for source in (model.generation_config.eos_token_id, model.config.eos_token_id, tokenizer.eos_token_id):
        found.update([source] if isinstance(source, int) else source or [])
    rows = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": _MARK}]
    text: str = tokenizer.apply_chat_template(rows, tokenize=False)
    behind = tokenizer(text.rpartition(_MARK)[2].lstrip(), add_special_tokens=False)["input_ids"]
    if behind and behind[0] in tokenizer.all_special_ids:
        found.add(behind[0])
    return frozenset(found)


# --- reading the weights -------------------------------------------------------------------


def is_encoder_decoder(folder: Path) -> bool:
    """Whether a model's config.json says so.

    Raises:
        ModelError: the file is missing or cannot be read.
    """
    try:
        return bool(
            json.loads((folder / "config.json").read_text(encoding="utf-8")).get("is_encoder_decoder")
        )
    except FileNotFoundError as exc:
        raise ModelError(f"{folder} has no config.json; fetch or train the model again.") from exc
    except (OSError, ValueError, AttributeError) as exc:
        raise ModelError(f"{folder / 'config.json'} cannot be read ({exc}); fetch the model again.") from exc


def _read_weights(folder: Path, profile: ProfileConfig, device: torch.device, dtype: torch.dtype) -> Any:
    import transformers
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    options: dict[str, Any] = {}
    if profile.quantization != "none":
        options["quantization_config"] = _quantization(profile.quantization, dtype)
    if device.type != "cpu" or options:
        options["device_map"] = {"": device}
    auto = transformers.AutoModelForCausalLM
    if is_encoder_decoder(folder):
        auto = transformers.AutoModelForSeq2SeqLM
    model, report = auto.from_pretrained(
        folder,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        output_loading_info=True,
        **options,
    )
    for what in ("missing_keys", "mismatched_keys"):  # transformers would fill these with random numbers
        if report.get(what):
            raise ModelError(
                f"{folder}: {len(report[what])} of the model's tensors are missing or of another shape than "
                "config.json says; fetch or train the model again."
            )
    model.eval()
    model.requires_grad_(False)
    return model


def _quantization(kind: str, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if kind == "int8":  # it computes in float16, and says so at every layer of every token
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def out_of_memory(exc: BaseException) -> bool:
    """Whether an error says that memory, the device's or the machine's, ran out."""
    if isinstance(exc, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(exc, RuntimeError) and "can't allocate memory" in str(exc)


@contextmanager
def _explained(ref: str) -> Iterator[None]:
    """Map whatever reading a model raises, once; the libraries beneath share no base class."""
    try:
        yield
    except ModelError:
        raise
    except Exception as exc:
        if out_of_memory(exc):
            raise ModelError(
                f'{ref} does not fit into memory; set quantization = "nf4" in config.toml\'s profile, or '
                "choose a smaller model."
            ) from exc
        raise ModelError(
            f"{ref} cannot be loaded ({type(exc).__name__}: {_first_line(exc)}); if its files are damaged, "
            "fetch or train it again; it must be a language model that needs no code of its own."
        ) from exc


def _first_line(exc: BaseException) -> str:
    lines = str(exc).strip().splitlines() or ["no details"]
    return lines[0][:200].rstrip(".")


def _ms(seconds: float) -> float:
    return seconds * 1e3
