"""What the tests of exports share: a home with a persona of two unlike adapters, and PEFT's own stack.

The adapters differ in rank, alpha, kind of scaling and modules, over grouped-query attention, so that
whatever is folded, concatenated, padded or reordered wrongly shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_tiny_adapter, make_tiny_model

from bot.cli import main

IDS = torch.tensor([[0, 40, 41, 90, 120, 7, 300, 301, 302, 44, 45, 46]])
Run = Callable[..., dict[str, Any]]


def make_home(root: Path) -> Path:
    """config.toml, a tiny model, and a persona with an ordinary adapter and a wider rsLoRA one."""
    make_tiny_model(root / "model")
    persona = root / "ada"
    attention = ("q_proj", "k_proj", "v_proj")
    make_tiny_adapter(
        root / "model", persona / "adapters" / "identity", "identity", r=4, alpha=8, targets=attention
    )
    make_tiny_adapter(
        root / "model", persona / "adapters" / "style", "style", r=12, alpha=6.0, seed=1,
        targets=("q_proj", "k_proj", "o_proj", "up_proj", "down_proj"), use_rslora=True,
        alpha_pattern={"o_proj": 3.0},
    )  # fmt: skip
    (persona / "persona.toml").write_text(
        'id = "ada"\nname = "Ada"\nsystem_prompt = "You are \\"Ada\\"."\ndisclosure = "An AI, not Ada."\n',
        encoding="utf-8",
    )
    (root / "config.toml").write_text(
        'persona = "ada"\n[profiles.starter]\nmodel = "model"\ndevice = "cpu"\ncontext_tokens = 256\n',
        encoding="utf-8",
    )
    return root


def runner(home: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`understudy export KIND --out OUT --json`: the report."""

    def command(kind: str, *options: str, fails: bool = False) -> dict[str, Any]:
        config = ["--config", str(home / "config.toml")]
        status = main([*config, "export", kind, "--out", str(out), "--json", *options])
        told = json.loads(capsys.readouterr().out)
        assert status == (1 if fails else 0), told
        return dict(told)

    return command


def base_model(home: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(home / "model", dtype=torch.float32).eval()


def stacked_logits(home: Path) -> torch.Tensor:
    """Logits of PEFT's own stack: the reference, which shares no code with the exports."""
    from peft import PeftModel

    model = PeftModel.from_pretrained(base_model(home), home / "ada/adapters/identity", adapter_name="a")
    model.load_adapter(home / "ada/adapters/style", adapter_name="b")
    model.base_model.set_adapter(["a", "b"])
    with torch.no_grad():
        logits: torch.Tensor = model.eval()(IDS).logits
        plain = base_model(home)(IDS).logits
    assert (logits - plain).abs().max() > 0.5  # far more than any tolerance below
    return logits


def difference(model: Any, expected: torch.Tensor) -> float:
    with torch.no_grad():
        return float((model.eval()(IDS).logits.float() - expected).abs().max())


def open_home(home: Path) -> Any:
    """The home as an export's source."""
    from engine.config import load_config
    from trainer.export.source import open_source

    return open_source(load_config(home / "config.toml"), None)
