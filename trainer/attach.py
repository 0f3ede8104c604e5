"""Puts a recipe's adapters onto a model through PEFT, freezes all but one, and hashes them.

    y = W x + s₁ B₁ A₁ x (phase 1, frozen) + s₂ B₂ A₂ x (phase 2, trained)       s = α / r

All adapters are attached before the model's first forward: bitsandbytes repacks 4-bit weights for
the CPU then, and PEFT can wrap no repacked layer. Source: https://arxiv.org/abs/2106.09685
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import ModelError
from trainer.recipe import Phase
from trainer.targets import Targets, find_targets


def attach(model: Any, phase: Phase, earlier: Sequence[str]) -> Any:
    """Put a fresh adapter on the model; it and the earlier ones are active, it alone is trained.

    Args:
        model: a transformers model, or the PeftModel of other phases.
        earlier: names of the adapters that stay active and frozen.

    Raises:
        ConfigError: the model has no module of a name in `target_modules`.
    """
    from peft import PeftModel, get_peft_model

    config = peft_config(model, phase)
    if isinstance(model, PeftModel):
        model.add_adapter(phase.name, config, autocast_adapter_dtype=False)
    else:
        model = get_peft_model(model, config, adapter_name=phase.name, autocast_adapter_dtype=False)
    dtype = _compute_dtype(model)
    for name, parameter in model.named_parameters():
        if _belongs(name, phase.name):
            parameter.data = parameter.data.to(dtype)
    activate(model, phase.name, earlier)
    return model


def peft_config(model: Any, phase: Phase) -> Any:
    """PEFT's description of a phase's adapter."""
    from peft import LoraConfig, PrefixTuningConfig, PromptEncoderConfig, TaskType

    task = TaskType.SEQ_2_SEQ_LM if model.config.is_encoder_decoder else TaskType.CAUSAL_LM
    if phase.method == "prefix":
        return PrefixTuningConfig(task_type=task, num_virtual_tokens=phase.virtual_tokens)
    if phase.method == "p-tuning":
        width = model.get_input_embeddings().weight.shape[1]
        return PromptEncoderConfig(
            task_type=task, num_virtual_tokens=phase.virtual_tokens, encoder_hidden_size=width
        )
    targets = phase_targets(model, phase)
    return LoraConfig(
        r=phase.r,
        lora_alpha=phase.alpha,  # type: ignore[arg-type]
        lora_dropout=phase.dropout,
        target_modules=list(targets.modules),
        fan_in_fan_out=targets.transposed,
        task_type=task,
        bias="none",
        use_dora=phase.method == "dora",
        use_rslora=phase.method == "rslora",
    )


def phase_targets(model: Any, phase: Phase) -> Targets:
    """The model's modules that a phase adapts; none where it learns a prompt."""
    if phase.learns_prompt:
        return Targets(())
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return find_targets(base, phase.target_modules)


def activate(model: Any, name: str, earlier: Sequence[str]) -> None:
    """Make `name` and the earlier adapters active, and `name` alone trainable."""
    if not model.peft_config[name].is_prompt_learning:
        model.base_model.set_adapter([*earlier, name])
    for key, parameter in model.named_parameters():
        parameter.requires_grad_(_belongs(key, name))


def adapter_hash(model: Any, names: Sequence[str]) -> str:
    """SHA-256 over the weights of the named adapters inside a PeftModel."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        if any(_belongs(key, name) for name in names):
            digest.update(key.encode())
            digest.update(value.detach().to(torch.float32).cpu().numpy().tobytes())
    return digest.hexdigest()


def trained_parameters(model: Any) -> dict[str, nn.Parameter]:
    """What `activate` left trainable, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def adapter_weights(model: Any, phase: Phase) -> dict[str, Tensor]:
    """The adapter in PEFT's own naming, on the CPU: matrices in bfloat16, prompts in float32."""
    from peft.utils import get_peft_model_state_dict

    dtype = torch.float32 if phase.learns_prompt else torch.bfloat16
    state = get_peft_model_state_dict(model, adapter_name=phase.name)
    return {key: value.detach().to(dtype).contiguous().cpu() for key, value in state.items()}


def install_weights(model: Any, phase: Phase, weights: Mapping[str, Tensor]) -> None:
    """Put saved weights into an attached adapter, so that what goes on is what was saved."""
    from peft.utils import set_peft_model_state_dict

    if phase.learns_prompt:
        return  # saved in float32, and never beneath another phase
    dtype = _compute_dtype(model)
    state = {key: value.to(dtype) for key, value in weights.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = set_peft_model_state_dict(model, state, adapter_name=phase.name)
    if result is not None and result.unexpected_keys:
        raise ModelError(f"The weights of {phase.name} do not fit the model; train with --fresh.")


def _belongs(key: str, name: str) -> bool:
    return f".{name}." in f"{key}." and ("lora_" in key or "prompt_encoder" in key)


def _compute_dtype(model: Any) -> torch.dtype:
    """What adapters are kept in: bfloat16 beside a bfloat16 model (masters are float32), else float32."""
    dtype = model.get_input_embeddings().weight.dtype
    return torch.bfloat16 if dtype == torch.bfloat16 else torch.float32
