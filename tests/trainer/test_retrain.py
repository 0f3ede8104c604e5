"""Retraining for real on a tiny model: live when better, aside when not, skipped without new rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import make_tiny_model

from engine.adapter_versions import current, versions
from engine.config import Config
from engine.errors import InputError
from engine.prompt import grounded_question
from engine.types import Passage
from trainer.grounded_rows import LogRow
from trainer.retrain import _is_held_out, retrain
from trainer.retrain_gate import Measured, verdict

RECIPE = """
batch_size = 4
accumulation = 1
max_length = 256
held_out = 0.2
[[phase]]
name = "grounded"
r = 4
alpha = 8
learning_rate = 5e-3
epochs = 2
"""


def rows(start: int, count: int) -> str:
    made = []
    for i in range(start, start + count):
        asked = grounded_question(
            (Passage(f"Boat {i} leaves at {i}.", f"Boat {i}"),), f"When does boat {i} leave?"
        )
        made.append(
            {
                "instruction": [asked],
                "response": f"According to Boat {i}, it leaves at {i} [1].",
                "id": f"r{i}",
            }
        )
    return "".join(json.dumps(row) + "\n" for row in made)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path]:
    root = tmp_path_factory.mktemp("retrain")
    model = make_tiny_model(root / "model")
    (root / "ada").mkdir()
    (root / "ada" / "persona.toml").write_text(
        'id = "ada"\nname = "Ada"\nsystem_prompt = "You are Ada."\ndisclosure = "An AI."\n', "utf-8"
    )
    (root / "recipe.toml").write_text(RECIPE, "utf-8")
    profile = {"model": str(model), "device": "cpu", "dtype": "float32", "context_tokens": 256}
    sampling = {"max_new_tokens": 4}
    config = Config.model_validate(
        {"root": root, "persona": "ada", "profiles": {"starter": profile}, "sampling": sampling}
    )
    return config, root


def run(home: tuple[Config, Path], log: str, **more: Any) -> dict[str, Any]:
    config, root = home
    (root / "log.jsonl").write_text(log, "utf-8")
    return retrain(config, "grounded", pair_files=[root / "log.jsonl"], recipe=root / "recipe.toml", **more)


def test_retrain_goes_live_then_skips_then_keeps_a_worse_one_aside(
    home: tuple[Config, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = home[1] / "ada" / "adapters" / "grounded"
    case = LogRow("When?", "", (Passage("The boat leaves.", "Boat"),))
    first = run(home, rows(0, 40), cases=[case])
    assert first["state"] == "live" and first["compared_with"] == "the base model"
    assert first["rows"] == 40 == first["train"] + first["held_out"]
    assert first["new_adapter"]["held_out_loss"] < first["old_adapter"]["held_out_loss"]
    assert current(live) == first["hash"] and versions(live) == ()

    skipped = run(home, rows(0, 42), min_new=3)
    assert skipped["state"] == "skipped" and skipped["new"] == 2 and current(live) == first["hash"]

    # The same measures, exchanged: the gate must keep what it calls worse from going live.
    import trainer.retrain as module

    real = module.held_out_losses
    monkeypatch.setattr(module, "held_out_losses", lambda *args: sorted(real(*args), reverse=True))
    worse = run(home, rows(0, 60), min_new=3)
    assert worse["state"] == "refused" and "worse" in worse["reasons"][0]
    assert current(live) == first["hash"] and live.with_name(f"grounded@{worse['hash']}").is_dir()

    again = run(home, rows(0, 60), min_new=1)
    assert again["state"] == "skipped"  # the same rows are not tried every night
    log = (live.parent / "grounded@retrain.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["state"] for line in log] == ["live", "skipped", "refused", "skipped"]
    assert not [p for p in live.parent.iterdir() if p.name.startswith(".")]


def test_is_held_out_is_a_fixed_share() -> None:
    import hashlib

    keys = [hashlib.sha256(str(i).encode()).hexdigest()[:16] for i in range(2000)]
    assert 0.12 < sum(map(_is_held_out, keys)) / 2000 < 0.18


def test_retrain_recipe_of_two_phases_is_refused(home: tuple[Config, Path]) -> None:
    config, root = home
    (root / "two.toml").write_text(
        RECIPE + RECIPE[RECIPE.index("[[phase]]") :].replace("grounded", "other"), "utf-8"
    )
    with pytest.raises(InputError, match="one phase"):
        retrain(config, "grounded", pair_files=[], recipe=root / "two.toml")


@pytest.mark.parametrize(
    ("new", "old", "reason"),
    [
        (Measured(1.0, 0.9, 0.9), Measured(1.0, 0.9, 0.9), ""),
        (Measured(1.01, 0.9, 0.9), Measured(1.0, 0.8, 0.8), "held-out loss"),
        (Measured(float("nan"), 0.9, 0.9), Measured(1.0, 0.8, 0.8), "held-out loss"),
        (Measured(0.5, 0.7, 0.9), Measured(1.0, 0.8, 0.8), "context use 70.0%"),
        (Measured(0.5, 0.9, 0.7), Measured(1.0, 0.8, 0.8), "attribution 70.0%"),
        (Measured(0.5), Measured(1.0), ""),
    ],
)
def test_verdict_any_worse_measure_keeps_it_from_going_live(
    new: Measured, old: Measured, reason: str
) -> None:
    judged = verdict(new, old)
    assert judged.passed is not bool(reason)
    assert not reason or reason in judged.reasons[0]
