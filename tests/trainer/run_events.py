"""The events of a small run, as the trainer tells them; for tests of who listens."""

from __future__ import annotations

from typing import Any


def run_events(*, resumed: bool = False, **run: Any) -> list[dict[str, Any]]:
    """Two phases of two epochs with two steps each; the second one's second epoch is worse."""
    events: list[dict[str, Any]] = [
        {
            "kind": "run", "recipe": "dual-phase", "base": "models/starter", "quantization": "none",
            "phases": ["identity", "style"], "rows": 12, "trained": 8, "held_out": 2, "refused": 2,
            "processes": 1, "resumed": resumed, "refusals": ["a.jsonl:3: the response is empty"],
            "warnings": [], "hashes": {"base": "b" * 64, "data": "d" * 64}, "out": "adapters",
            "plan": {"batch_size": 2, "packing": True, "phase": [{"name": "identity", "r": 8}]},
            "command": "understudy train persona ada", **run,
        }
    ]  # fmt: skip
    held = {"identity": [1.5, 1.25], "style": [1.1, 1.9]}
    starts = {"identity": 2.0, "style": 1.25}
    reports = []
    for name in ("identity", "style"):
        events += phase_events(name, starts[name], held[name])
        reports.append(
            {
                "phase": name, "train_loss": [1.5, 1.0], "eval_loss": held[name], "start_loss": starts[name],
                "best_epoch": 2 if name == "identity" else 1, "trained_tokens": 40, "steps": 4,
                "stopped_early": name == "style",
                "stop_reason": "the loss of epoch 2 rose" if name == "style" else "", "packed": True,
                "seconds": 2.0, "tokens_per_s": 20.0, "peak_memory_mb": 512.0, "folder": f"adapters/{name}",
                "weights_hash": name[0] * 64,
            }
        )  # fmt: skip
    return [*events, {"kind": "end", "seconds": 4.0, "phases": reports}]


def phase_events(name: str, start_loss: float, held: list[float]) -> list[dict[str, Any]]:
    """One phase: its beginning, its steps and its epochs."""
    events: list[dict[str, Any]] = [
        {
            "kind": "phase", "phase": name, "parameters": 1000, "epochs": 2, "step": 0, "total_steps": 4,
            "packed": True, "start_loss": start_loss,
        }
    ]  # fmt: skip
    for step in range(1, 5):
        events.append(
            {
                "kind": "step", "phase": name, "epoch": (step + 1) // 2, "step": step, "total_steps": 4,
                "loss": 2.0 - step / 4, "lr": 1e-3 * step, "tokens": 10 * step, "tokens_per_s": 20.0,
                "elapsed_s": step / 2, "memory_mb": 500.0 + step,
            }
        )  # fmt: skip
        if step % 2 == 0:
            events.append(
                {
                    "kind": "epoch", "phase": name, "epoch": step // 2, "epochs": 2,
                    "train_loss": 2.0 - step / 4, "eval_loss": held[step // 2 - 1],
                }
            )  # fmt: skip
    return events
