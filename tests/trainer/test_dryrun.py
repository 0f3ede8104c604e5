"""A dry run tells what the training then does, without reading a weight."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ada import make_ada, pairs
from small_models import one_thread  # noqa: F401 a fixture

from bot.cli import main
from engine.config import Config
from trainer.dryreport import report_text
from trainer.dryrun import dry_run, lengths, segments
from trainer.pairs import Example
from trainer.persona import persona_job, train_persona

RECIPE = """
batch_size = 2
accumulation = 2
max_length = 200
held_out = 0.25
[[phase]]
name = "identity"
r = 4
learning_rate = 5e-3
epochs = 2
identity_rate = 0.8
[[phase]]
name = "style"
r = 8
learning_rate = 5e-3
epochs = 1
"""
BAD = [
    json.dumps({"instruction": ["Hi"], "response": " "}),
    json.dumps({"instruction": ["Hi"], "response": "word " * 400}),
]


def make_persona(root: Path, model: Path, rows: list[str]) -> tuple[Config, Path]:
    """A configuration (also on disk), a persona with these rows, and the recipe beside them."""
    folder = make_ada(root, rows)
    (root / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    profile = {"model": str(model), "device": "cpu", "dtype": "float32", "context_tokens": 512}
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in profile.items())
    (root / "config.toml").write_text(f"[profiles.starter]\n{lines}\n", encoding="utf-8")
    return Config.model_validate({"root": root, "profiles": {"starter": profile}}), folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path, Path]:
    """Configuration, persona and root: 13 good rows, 2 bad ones, a tiny model."""
    from tiny import make_tiny_model

    root = tmp_path_factory.mktemp("dry")
    model = make_tiny_model(root / "model")
    config, folder = make_persona(root, model, [*pairs(13), *BAD])
    return config, folder, root


def told(config: Config, folder: Path, root: Path) -> dict[str, Any]:
    return dry_run(persona_job(config, folder, pair_files=[], recipe=root / "recipe.toml"))


@pytest.fixture(scope="module")
def dry(home: tuple[Config, Path, Path]) -> dict[str, Any]:
    """The dry run of it."""
    report = told(*home)
    assert not (home[1] / "runs").exists() and not (home[1] / "adapters").exists()
    return report


def test_dry_run_tells_what_the_training_then_does(
    home: tuple[Config, Path, Path], dry: dict[str, Any]
) -> None:
    config, folder, root = home
    real = train_persona(config, folder, pair_files=[], recipe=root / "recipe.toml", out=root / "out")
    for key in ("rows", "trained", "held_out", "refused"):
        assert dry[key] == real[key]
    assert [p["steps"] for p in dry["phases"]] == [p["steps"] for p in real["phases"]]
    assert [p["trained_tokens"] for p in dry["phases"]] == [p["trained_tokens"] for p in real["phases"]]


def test_dry_run_reads_no_weights(home: tuple[Config, Path, Path], tmp_path: Path) -> None:
    from tiny import make_tiny_model

    model = make_tiny_model(tmp_path / "model")
    (model / "model.safetensors").unlink()
    config, folder = make_persona(tmp_path, model, pairs(8))
    assert told(config, folder, tmp_path)["trained"] == 6


def test_dry_run_refused_rows_are_told_with_their_reasons(dry: dict[str, Any]) -> None:
    assert dry["rows"] == 15 == dry["trained"] + dry["held_out"] + len(dry["refused"])
    empty, long = dry["refused"]
    assert empty == "a.jsonl:14: the response is empty"
    assert long.startswith("a.jsonl:15: the response") and "longer than the window of 200" in long


def test_dry_run_marks_exactly_the_trained_tokens(dry: dict[str, Any]) -> None:
    text = report_text(dry, color=False)
    marked = re.findall(r"«([^»]*)»", text)
    assert len(marked) == 6
    assert all(re.fullmatch(r"I am Ada, number \d+\.<\|eot_id\|>", found) for found in marked)
    green = report_text(dry, color=True)
    assert "«" not in green and len(re.findall(r"\x1b\[1;32mI am Ada, number", green)) == 6


def test_dry_run_memory_names_the_chosen_row_and_other_sizes(
    home: tuple[Config, Path, Path], dry: dict[str, Any]
) -> None:
    memory = dry["memory"]
    (chosen,) = [row for row in memory["base"] if row["chosen"]]
    assert (chosen["bits"], chosen["checkpointing"], memory["device"]) == ("fp32", False, "cpu")
    parts = ("weights", "adapters", "optimizer", "activations", "passing")
    assert chosen["total"] == sum(chosen[part] for part in parts)
    weights = (home[2] / "model" / "model.safetensors").stat().st_size
    assert chosen["weights"] == pytest.approx(weights, rel=0.05)
    assert set(memory["other_sizes"]) == {"Llama 1B", "Llama 3B", "Llama 8B"}


@pytest.mark.parametrize("family", ["gpt2", "t5"])
def test_dry_run_other_families_are_told_too(family: str, tmp_path: Path) -> None:
    from small_models import save_small

    model = save_small(family, tmp_path / "model", template=False)
    (model / "model.safetensors").unlink()
    dry = told(*make_persona(tmp_path, model, pairs(8)), tmp_path)
    assert "has no system turn" in dry["warnings"][0]
    (marked,) = [part["text"] for part in dry["phases"][0]["shown"][0] if part["trained"]]
    assert marked.startswith("I am Ada, number")
    assert all(row["total"] > row["weights"] > 0 for row in dry["memory"]["base"])


def test_segments_control_characters_of_a_row_do_not_reach_the_terminal(
    home: tuple[Config, Path, Path],
) -> None:
    from engine.model.load import load_tokenizer

    tokenizer = load_tokenizer(str(home[2] / "model"))
    ids = tokenizer("a\x1b[2Jb\nc\u202ed", add_special_tokens=False)["input_ids"]
    (part,) = segments(Example(tuple(ids), (True,) * len(ids)), tokenizer)
    assert part == {"text": "a\ufffd[2Jb\nc\ufffdd", "trained": True}


def test_lengths_histogram_counts_every_example_once() -> None:
    made = [Example((1,) * n, (True,) * n) for n in [10, *range(20, 120), 500]]
    size = lengths(made)
    assert (size["min"], size["max"], size["median"], size["p95"]) == (10, 500, 69.5, 115)
    assert sum(count for *_, count in size["histogram"]) == 102
    assert size["histogram"][0][0] == 10 and size["histogram"][-1][1] >= 500
    assert lengths(made[:1])["histogram"] == [[10, 10, 1]]


def test_dry_run_command_prints_one_json_object_and_strict_fails(
    home: tuple[Config, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, folder, root = home
    command = ["--config", str(root / "config.toml"), "train", "persona", str(folder), "--dry-run", "--json"]
    command += ["--recipe", str(root / "recipe.toml")]
    assert main(command) == 0
    assert [p["phase"] for p in json.loads(capsys.readouterr().out)["phases"]] == ["identity", "style"]
    assert main([*command, "--strict"]) == 1
    assert len(json.loads(capsys.readouterr().out)["refused"]) == 2


def test_train_command_leaves_event_files_and_a_card(
    home: tuple[Config, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, folder, root = home
    command = ["--config", str(root / "config.toml"), "train", "persona", str(folder), "--json"]
    command += ["--recipe", str(root / "recipe.toml"), "--out", str(tmp_path / "out")]
    assert main([*command, "--run-dir", str(tmp_path / "run")]) == 0
    assert json.loads(capsys.readouterr().out)["trained"] == 9
    assert len(list((tmp_path / "run" / "tensorboard").glob("*/events.out.tfevents.*"))) == 2
    card = (tmp_path / "run" / "card.html").read_text(encoding="utf-8")
    assert "15 rows in = 9 trained + 4 held out + 2 refused" in card
    assert "a.jsonl:14: the response is empty" in card
