"""A training that was killed goes on to the very weights of one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from ada import make_ada, pairs
from safetensors.torch import load_file
from small_models import one_thread  # noqa: F401 a fixture
from tiny import make_tiny_model

from engine.config import Config
from engine.errors import InputError
from trainer.events import read_events
from trainer.persona import train_persona

ROOT = Path(__file__).parents[2]
RECIPE = """
batch_size = 4
accumulation = 1
max_length = 256
held_out = 0.25
checkpoint_minutes = {minutes}
[[phase]]
name = "identity"
r = 4
alpha = 8
dropout = 0.1
learning_rate = 5e-3
epochs = 2
identity_rate = 0.8
[[phase]]
name = "style"
r = 8
alpha = 16
dropout = 0.1
learning_rate = 5e-3
epochs = 3
"""


class Killer:
    """Ends the process, or the training, right after a step was told."""

    def __init__(self, phase: str, step: int, *, softly: bool) -> None:
        self._at = (phase, step)
        self._softly = softly

    def event(self, event: Mapping[str, Any]) -> None:
        if event["kind"] == "step" and (event["phase"], event["step"]) == self._at:
            if self._softly:
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGKILL)


def prepare(root: Path) -> Path:
    """A base, a persona with 16 pairs, and a recipe that checkpoints after every step."""
    make_tiny_model(root / "model")
    make_ada(root, pairs(16))
    (root / "recipe.toml").write_text(RECIPE.format(minutes=0), encoding="utf-8")
    return root


def train(root: Path, out: Path, **options: Any) -> dict[str, Any]:
    profile = {"model": str(root / "model"), "device": "cpu", "dtype": "float32", "context_tokens": 256}
    config = Config.model_validate({"root": root, "profiles": {"starter": profile}})
    return train_persona(config, root / "ada", pair_files=[], recipe=root / "recipe.toml", out=out, **options)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return {
        f"{n}.{k}": v
        for n in ("identity", "style")
        for k, v in load_file(out / n / "adapter_model.safetensors").items()
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("resume"))


@pytest.fixture(scope="module")
def whole(root: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Report and weights of an uninterrupted run."""
    report = train(root, root / "whole" / "out")
    return report, weights(root / "whole" / "out")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        torch.testing.assert_close(value, other[key], rtol=1e-2, atol=1e-6)  # one step of bfloat16


@pytest.mark.timeout(400)
def test_training_killed_with_sigkill_resumes_to_the_same_weights(
    root: Path, whole: tuple[dict[str, Any], dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]; from pathlib import Path; "
        "from test_resume import Killer, train; "
        "train(Path(sys.argv[3]), Path(sys.argv[4]), observers=[Killer('style', 5, softly=False)])"
    )
    folders = [str(ROOT / "tests"), str(Path(__file__).parent), str(root), str(out)]
    done = subprocess.run([sys.executable, "-c", code, *folders], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    assert (out / "identity").is_dir() and not (out / "style").exists()

    before = (out / "identity" / "manifest.json").read_bytes()
    said: list[str] = []
    report = train(root, out, say=said.append)
    assert any("identity is finished already" in line for line in said)
    assert (out / "identity" / "manifest.json").read_bytes() == before  # not trained again
    same(weights(out), whole[1])
    for got, wanted in zip(report["phases"], whole[0]["phases"], strict=True):
        assert got["eval_loss"] == pytest.approx(wanted["eval_loss"], rel=1e-4)
        assert got["trained_tokens"] == wanted["trained_tokens"] and got["steps"] == wanted["steps"]
    events = read_events(Path(report["run_dir"]) / "events.jsonl")
    steps = [e["step"] for e in events if e["kind"] == "step" and e["phase"] == "style"]
    assert sorted(steps) == list(range(1, 10)) and events[-1]["kind"] == "end"


@pytest.mark.parametrize(("phase", "step"), [("identity", 2), ("style", 9)])
def test_training_interrupted_anywhere_resumes_to_the_same_weights(
    root: Path, whole: tuple[dict[str, Any], dict[str, torch.Tensor]], tmp_path: Path, phase: str, step: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(root, tmp_path / "out", observers=[Killer(phase, step, softly=True)])
    train(root, tmp_path / "out")
    same(weights(tmp_path / "out"), whole[1])


def test_resume_with_another_recipe_is_refused_and_fresh_starts_anew(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train(root, out, observers=[Killer("identity", 2, softly=True)])
    recipe = root / "recipe.toml"
    try:
        recipe.write_text(RECIPE.format(minutes=5), encoding="utf-8")
        with pytest.raises(KeyboardInterrupt):  # how often to checkpoint may change: it goes on
            train(root, out, observers=[Killer("identity", 3, softly=True)])
        recipe.write_text(RECIPE.format(minutes=0).replace("alpha = 16", "alpha = 32"), encoding="utf-8")
        with pytest.raises(InputError, match=r"began with another recipe; .*--fresh"):
            train(root, out)
        report = train(root, out, fresh=True)
        assert report["phases"][1]["steps"] == 9
    finally:
        recipe.write_text(RECIPE.format(minutes=0), encoding="utf-8")


def test_resume_with_other_data_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(root, tmp_path / "out", observers=[Killer("identity", 2, softly=True)])
    path = root / "ada" / "training" / "a.jsonl"
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(before.replace("number 3", "number three"), encoding="utf-8")
        with pytest.raises(InputError, match="began with another data"):
            train(root, tmp_path / "out")
    finally:
        path.write_text(before, encoding="utf-8")


def test_finished_run_is_not_repeated_unless_its_adapters_are_gone(
    root: Path, whole: tuple[dict[str, Any], dict[str, torch.Tensor]]
) -> None:
    out = root / "whole" / "out"
    stamp = (out / "style" / "manifest.json").stat().st_mtime_ns
    assert train(root, out)["phases"] == whole[0]["phases"]
    assert (out / "style" / "manifest.json").stat().st_mtime_ns == stamp
    (out / "style" / "adapter_model.safetensors").unlink()
    train(root, out)
    same(weights(out), whole[1])


def test_damaged_state_says_how_to_start_anew(root: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(root, tmp_path / "out", observers=[Killer("identity", 2, softly=True)])
    (state,) = (tmp_path / "runs").glob("*/state.safetensors")
    state.write_bytes(b"\x80\x04pickle")
    with pytest.raises(InputError, match="--fresh"):
        train(root, tmp_path / "out")
