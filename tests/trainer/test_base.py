"""`train base` from another model's weights: the tokenizer is that model's."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest
from tiny import make_tiny_model

from engine.errors import ConfigError
from trainer.base import train_base

RECIPE = """
corpus = "{home}/corpus"
work = "{home}/work"
out = "{home}/out"
vocab_size = 300

[run]
max_minutes = 1
init_from = "{home}/first"

[run.model]
vocab_size = 300

[[run.stage]]
until = 1.0
seq_len = 64
weights = {{ prose = 1.0 }}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A first model, a corpus of one row, a work folder whose stores are built, and a recipe."""
    make_tiny_model(tmp_path / "first")
    (tmp_path / "corpus").mkdir()
    with lzma.open(tmp_path / "corpus" / "prose.jsonl.xz", "wt", encoding="utf-8") as file:
        file.write('{"text": "A pilot learns the river."}\n')
    (tmp_path / "work" / "data").mkdir(parents=True)
    (tmp_path / "work" / "data" / "done.json").write_text("[]", encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(RECIPE.format(home=tmp_path), encoding="utf-8")
    return tmp_path


def _vocabulary(folder: Path) -> object:
    return json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]


def test_data_stage_takes_the_tokenizer_of_the_model_that_it_begins_with(home: Path) -> None:
    train_base(home / "recipe.toml", corpus=None, out=None, stage="data")
    assert _vocabulary(home / "work" / "tokenizer") == _vocabulary(home / "first")


@pytest.mark.parametrize("stage", ["data", "train"])
def test_another_tokenizer_than_the_first_models_is_refused(home: Path, stage: str) -> None:
    train_base(home / "recipe.toml", corpus=None, out=None, stage="data")
    file = home / "work" / "tokenizer" / "tokenizer.json"
    changed = json.loads(file.read_text(encoding="utf-8"))
    vocabulary = changed["model"]["vocab"]
    a, b = list(vocabulary)[-2:]
    vocabulary[a], vocabulary[b] = vocabulary[b], vocabulary[a]
    file.write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(ConfigError, match="another tokenizer"):
        train_base(home / "recipe.toml", corpus=None, out=None, stage=stage)


def test_first_model_without_a_tokenizer_is_named(home: Path) -> None:
    (home / "first" / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"no tokenizer\.json"):
        train_base(home / "recipe.toml", corpus=None, out=None, stage="data")
