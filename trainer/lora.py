"""One phase of persona training: a LoRA on a frozen base, earlier phases frozen beneath it.

    y = W x + s₁ B₁ A₁ x (phase 1, frozen) + s₂ B₂ A₂ x (phase 2, trained)       s = α / r

Loss is taken on the final response's tokens alone. The best epoch by held-out loss is kept, and
the frozen adapters are hashed before and after. Source: https://arxiv.org/abs/2106.09685
"""

from __future__ import annotations

import hashlib
import logging
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from engine.errors import ModelError
from trainer.pairs import Example
from trainer.recipe import Phase, Recipe

log = logging.getLogger(__name__)

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""ids (B, T), attention mask (B, T), labels (B, T) with -100 where there is no loss."""


@dataclass(frozen=True, slots=True)
class PhaseReport:
    """How a phase went; losses are nats per trained token."""

    phase: str
    train_loss: tuple[float, ...]
    eval_loss: tuple[float, ...]
    best_epoch: int
    """Counted from 1; 0 is the untrained adapter."""
    start_loss: float
    trained_tokens: int
    stopped_early: bool


def attach(model: Any, phase: Phase, earlier: Sequence[str]) -> Any:
    """Put a fresh adapter on top of the earlier ones; only the new one requires gradients.

    Args:
        model: a transformers model, or the PeftModel of the earlier phases.
        earlier: names of the adapters that stay active and frozen.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    config = LoraConfig(
        r=phase.r,
        lora_alpha=phase.alpha,  # type: ignore[arg-type]
        lora_dropout=phase.dropout,
        target_modules=list(phase.target_modules),
        task_type=TaskType.CAUSAL_LM,
        bias="none",
    )
    if earlier:
        model.add_adapter(phase.name, config)
    else:
        model = get_peft_model(model, config, adapter_name=phase.name)
    model.base_model.set_adapter([*earlier, phase.name])
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(f".{phase.name}." in name and "lora_" in name)
    return model


def adapter_hash(model: Any, names: Sequence[str]) -> str:
    """SHA-256 over the weights of the named adapters inside a PeftModel."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        if any(f".{name}." in key for name in names):
            digest.update(key.encode())
            digest.update(value.detach().to(torch.float32).cpu().numpy().tobytes())
    return digest.hexdigest()


def train_phase(
    model: Any,
    phase: Phase,
    recipe: Recipe,
    train: Sequence[Example],
    held_out: Sequence[Example],
    pad_id: int,
    progress: Callable[[str], None] = lambda _: None,
) -> PhaseReport:
    """Train the adapter named `phase.name` in place and leave its best epoch loaded.

    Args:
        model: the PeftModel that `attach` returned.
        train, held_out: rendered examples.
        pad_id: token used for padding.
        progress: told one line after each epoch.

    Raises:
        ModelError: the loss is not a number.
    """
    torch.manual_seed(recipe.seed)
    rng = random.Random(recipe.seed)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=phase.learning_rate, weight_decay=phase.weight_decay)
    steps_per_epoch = math.ceil(len(train) / (recipe.batch_size * recipe.accumulation))
    total_steps = steps_per_epoch * phase.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _rate(step, min(phase.warmup_steps, total_steps // 4), total_steps)
    )
    start = best = evaluate(model, held_out, recipe.batch_size, pad_id)
    best_state, best_epoch = _snapshot(model), 0
    train_losses: list[float] = []
    eval_losses: list[float] = []
    tokens = 0
    for epoch in range(1, phase.epochs + 1):
        order = list(range(len(train)))
        rng.shuffle(order)
        loss, seen = _epoch(model, [train[i] for i in order], recipe, parameters, optimizer, schedule, pad_id)
        tokens += seen
        train_losses.append(loss)
        eval_losses.append(evaluate(model, held_out, recipe.batch_size, pad_id))
        progress(f"{phase.name} epoch {epoch}: train {loss:.4f}, held out {eval_losses[-1]:.4f}")
        if not math.isfinite(eval_losses[-1]):
            raise ModelError(f"Phase {phase.name} diverged; lower its learning_rate.")
        if eval_losses[-1] < best:
            best, best_epoch, best_state = eval_losses[-1], epoch, _snapshot(model)
        elif eval_losses[-1] > best * recipe.divergence:
            break
    model.load_state_dict(best_state, strict=False)
    return PhaseReport(
        phase.name,
        tuple(train_losses),
        tuple(eval_losses),
        best_epoch,
        start,
        tokens,
        stopped_early=len(eval_losses) < phase.epochs,
    )


@torch.no_grad()
def evaluate(model: Any, examples: Sequence[Example], batch_size: int, pad_id: int) -> float:
    """Mean loss in nats per trained token."""
    model.eval()
    total, count = 0.0, 0
    for batch in batches(examples, batch_size, pad_id):
        loss, n = _loss_sum(model, batch)
        total += loss.item()
        count += n
    return total / max(1, count)


def batches(examples: Sequence[Example], size: int, pad_id: int) -> list[Batch]:
    """Right-padded micro-batches in the given order."""
    out = []
    for at in range(0, len(examples), size):
        group = examples[at : at + size]
        width = max(len(e.ids) for e in group)
        ids = torch.full((len(group), width), pad_id, dtype=torch.long)
        attend = torch.zeros((len(group), width), dtype=torch.long)
        labels = torch.full((len(group), width), -100, dtype=torch.long)
        for row, example in enumerate(group):
            n = len(example.ids)
            ids[row, :n] = torch.tensor(example.ids)
            attend[row, :n] = 1
            labels[row, :n] = torch.where(
                torch.tensor(example.mask), torch.tensor(example.ids), torch.tensor(-100)
            )
        out.append((ids, attend, labels))
    return out


def _epoch(
    model: Any,
    examples: Sequence[Example],
    recipe: Recipe,
    parameters: list[torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    pad_id: int,
) -> tuple[float, int]:
    model.train()
    total, count = 0.0, 0
    micro = batches(examples, recipe.batch_size, pad_id)
    for at in range(0, len(micro), recipe.accumulation):
        group = micro[at : at + recipe.accumulation]
        trained = sum(int((labels[:, 1:] != -100).sum()) for _, _, labels in group)
        for batch in group:
            loss, _ = _loss_sum(model, batch)
            # Divided by the step's tokens, not by micro-batches, so short replies weigh no more.
            (loss / max(1, trained)).backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        count += trained
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
    return total / max(1, count), count


def _loss_sum(model: Any, batch: Batch) -> tuple[torch.Tensor, int]:
    """Summed cross entropy; logits are computed at trained positions only."""
    ids, attend, labels = (t.to(model.device) for t in batch)
    causal = model.get_base_model()
    hidden = causal.model(input_ids=ids, attention_mask=attend, use_cache=False).last_hidden_state
    target = labels[:, 1:]
    keep = target != -100
    logits = causal.lm_head(hidden[:, :-1][keep]).float()  # (n, V)
    return F.cross_entropy(logits, target[keep], reduction="sum"), int(keep.sum())


def _rate(step: int, warmup: int, total: int) -> float:
    """Linear warm-up, then cosine to a tenth."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, total - warmup)
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _snapshot(model: Any) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
