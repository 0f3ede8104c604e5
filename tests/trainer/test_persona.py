"""Dual-phase training for real on a tiny model: frozen stays frozen, PEFT and the stack agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.adapters import read_manifest
from engine.config import Config
from engine.errors import ConfigError, InputError
from trainer.pairs import Pair
from trainer.persona import split, train_persona
from trainer.recipe import load_recipe

RECIPE = """
batch_size = 4
accumulation = 1
max_length = 256
held_out = 0.25
[[phase]]
name = "identity"
r = 4
alpha = 8
learning_rate = 5e-3
epochs = 3
identity_rate = 0.8
[[phase]]
name = "style"
r = 8
alpha = 16
learning_rate = 5e-3
epochs = 2
identity_rate = 0.2
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Path]:
    """Model folder, report and output folder of one training."""
    from tiny import make_tiny_model

    root = tmp_path_factory.mktemp("persona")
    model = make_tiny_model(root / "model")
    persona = root / "ada"
    (persona / "training").mkdir(parents=True)
    (persona / "persona.toml").write_text(
        'id = "ada"\nname = "Ada"\nidentity_prefixes = ["Ada, …"]\n'
        'system_prompt = "You are Ada."\ndisclosure = "An AI speaking as Ada."\n',
        encoding="utf-8",
    )
    rows = [{"instruction": [f"Who are you, {i}?"], "response": f"I am Ada, number {i}."} for i in range(16)]
    (persona / "training" / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    recipe = root / "recipe.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    profile = {"model": str(model), "device": "cpu", "dtype": "float32", "context_tokens": 256}
    config = Config.model_validate({"root": root, "profiles": {"starter": profile}})
    report = train_persona(config, persona, pair_files=[], recipe=recipe)
    return model, report, persona / "adapters"


def test_train_persona_loss_falls_and_every_row_is_counted(
    trained: tuple[Path, dict[str, Any], Path],
) -> None:
    _, report, _ = trained
    assert report["rows"] == 16 == report["trained"] + report["held_out"] + len(report["refused"])
    identity, style = report["phases"]
    assert min(identity["eval_loss"]) < identity["start_loss"]
    assert style["start_loss"] == pytest.approx(min(identity["eval_loss"]), rel=0.05)
    assert min(style["eval_loss"]) < style["start_loss"]


def test_train_persona_manifests_name_base_and_parent(trained: tuple[Path, dict[str, Any], Path]) -> None:
    _, _, adapters = trained
    identity, style = (read_manifest(adapters / name) for name in ("identity", "style"))
    assert identity.parent is None
    assert style.parent is not None and style.parent.weights_hash == identity.weights_hash
    assert identity.base_hash == style.base_hash and style.rank == 8


def test_train_persona_saved_adapters_load_with_plain_peft(
    trained: tuple[Path, dict[str, Any], Path],
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model_dir, _, adapters = trained
    base = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32)
    ids = torch.arange(20, 60).unsqueeze(0)
    with torch.no_grad():
        plain = base(ids).logits
        stacked = PeftModel.from_pretrained(base, adapters / "identity", adapter_name="identity")
        stacked.load_adapter(adapters / "style", adapter_name="style")
        stacked.base_model.set_adapter(["identity", "style"])
        both = stacked(ids).logits
    assert (both - plain).abs().max() > 1e-3


def test_split_never_puts_twins_on_both_sides() -> None:
    pairs = [Pair((f"q{i}",), f"answer {i % 10}") for i in range(40)]
    train, held_out = split(pairs, 0.2, 0)
    assert len(train) + len(held_out) == 40
    assert not {p.response for p in train} & {p.response for p in held_out}


def test_train_persona_without_pairs_says_where_to_put_them(tmp_path: Path, config: Config) -> None:
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "persona.toml").write_text(
        'id = "bare"\nname = "B"\nsystem_prompt = "s"\ndisclosure = "d"\n', encoding="utf-8"
    )
    recipe = tmp_path / "r.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    with pytest.raises(InputError, match="--pairs"):
        train_persona(config, folder, pair_files=[], recipe=recipe)


@pytest.mark.parametrize("name", ["dual-phase.toml", "starter-persona.toml"])
def test_shipped_recipe_is_the_dual_phase(name: str) -> None:
    recipe = load_recipe(Path(__file__).parents[2] / "trainer" / "configs" / name)
    assert [(p.name, p.r, p.alpha, p.identity_rate) for p in recipe.phase] == [
        ("identity", 8, 16, 0.8),
        ("style", 32, 64, 0.2),
    ]


def test_load_recipe_bad_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(RECIPE.replace("epochs = 3", "epochs = 0"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"phase\.0\.epochs"):
        load_recipe(path)
