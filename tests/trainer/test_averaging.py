"""`train average`: the mean of weights, and what cannot be averaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny import make_tiny_model
from transformers import AutoModelForCausalLM

from bot.cli import main
from engine.errors import InputError
from trainer.averaging import average


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    return [make_tiny_model(tmp_path / f"run{seed}", seed=seed) for seed in (1, 2, 3)]


def test_mean_of_weights_by_share_loads_in_transformers(models: list[Path], tmp_path: Path) -> None:
    report = average(models, tmp_path / "mean", [2, 1, 1])
    parts = [load_file(m / "model.safetensors") for m in models]
    mean = load_file(tmp_path / "mean" / "model.safetensors")
    assert report["shares"] == [0.5, 0.25, 0.25] and mean.keys() == parts[0].keys()
    for name, tensor in mean.items():
        wanted = 0.5 * parts[0][name] + 0.25 * parts[1][name] + 0.25 * parts[2][name]
        torch.testing.assert_close(tensor, wanted)
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "mean").config.vocab_size > 0


def test_command_prints_one_json_object(
    models: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mean"
    assert main(["train", "average", *map(str, models[:2]), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shares"] == [0.5, 0.5]
    assert main(["train", "average", *map(str, models[:2]), "--out", str(out)]) == 1
    assert "not empty" in capsys.readouterr().err


def test_other_shape_tokenizer_or_count_is_refused(models: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "mean"
    with pytest.raises(InputError, match="num_hidden_layers differ"):
        average([models[0], make_tiny_model(tmp_path / "deep", n_layers=3)], out)
    with pytest.raises(InputError, match="two models or more"):
        average(models[:1], out)
    with pytest.raises(InputError, match="2 numbers above 0"):
        average(models[:2], out, [1, 0])
    tokenizer = models[1] / "tokenizer.json"
    changed = json.loads(tokenizer.read_text(encoding="utf-8"))
    changed["model"]["vocab"]["never said"] = 0
    tokenizer.write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(InputError, match="another tokenizer"):
        average(models, out)
    (models[1] / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"no model\.safetensors"):
        average(models, out)
    assert not out.exists()
