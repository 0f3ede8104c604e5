"""A training that begins with saved adapters goes on from them, or says why it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ada import make_ada, pairs
from small_models import one_thread  # noqa: F401 a fixture
from tiny import make_tiny_model

from engine.adapters import read_manifest
from engine.config import Config
from engine.errors import InputError
from trainer.persona import train_persona

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
keep = "last"
"""


def test_a_phase_begins_where_the_saved_adapter_stood(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    profile = {"model": str(make_tiny_model(tmp_path / "model")), "device": "cpu", "dtype": "float32"}
    config = Config.model_validate({"root": tmp_path, "profiles": {"starter": profile}})
    persona = make_ada(tmp_path, pairs(16))
    first = train_persona(config, persona, pair_files=[], recipe=recipe)["phases"][0]
    assert first["eval_loss"][-1] < first["start_loss"]

    options = {"pair_files": [], "recipe": recipe, "start": persona / "adapters", "out": tmp_path / "more"}
    second = train_persona(config, persona, **options)["phases"][0]  # type: ignore[arg-type]
    assert second["start_loss"] == pytest.approx(first["eval_loss"][-1], rel=1e-4)
    assert read_manifest(tmp_path / "more" / "identity").weights_hash == second["weights_hash"]
    assert second["weights_hash"] != first["weights_hash"]

    for change, told in (("r = 4", "r = 8"), ('"identity"', '"manner"')):
        recipe.write_text(RECIPE.replace(change, told), encoding="utf-8")
        with pytest.raises(InputError, match=r"same shape|give --from another"):
            train_persona(config, persona, **{**options, "out": tmp_path / json.dumps(told)})  # type: ignore[arg-type]
