"""The pretraining loop on a tiny model: it learns, stops, resumes and refuses."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from trainer import snapshot
from trainer.crossentropy import eval_loss, summed_loss
from trainer.optim import lr_factor, orthogonalize
from trainer.pretrain import PretrainConfig, PretrainError, load_model, pretrain
from trainer.pretrain_run import Run
from trainer.store import StoreWriter

MODEL = {
    "vocab_size": 64, "d_model": 32, "n_layers": 2, "n_heads": 2, "n_kv_heads": 1,
    "d_ff": 48, "context": 64,
}  # fmt: skip


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """Puts back what `config.threads` sets for the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, count in (("a", 300), ("a.val", 20), ("b", 300)):
        with StoreWriter(tmp_path / "data" / name) as writer:
            for _ in range(count):
                start, n = int(rng.integers(64)), int(rng.integers(8, 40))
                writer.append([(start + i) % 64 for i in range(n)], [1] * n)
    return tmp_path / "data"


def _config(data_dir: Path, run: str = "run", **changes: Any) -> PretrainConfig:
    values: dict[str, Any] = {
        "data_dir": data_dir,
        "run_dir": data_dir.parent / run,
        "model": MODEL,
        "stage": [
            {"until": 0.5, "seq_len": 32, "weights": {"a": 1.0, "b": 1.0}},
            {"until": 1.0, "seq_len": 64, "weights": {"a": 2.0, "b": 1.0}},
        ],
        "optim": {"warmup_steps": 4},
        "max_tokens": 30_000,
        "row_tokens": 256,
        "rows_per_step": 2,
        "dtype": "fp32",
        "compile": False,
        "tensorboard": False,
        "log_steps": 1,
        "device": "cpu",
        "threads": 1,
    }
    return PretrainConfig.model_validate(values | changes)


def _weights(run_dir: Path) -> dict[str, torch.Tensor]:
    saved = snapshot.load_latest(run_dir)
    assert saved is not None
    weights: dict[str, torch.Tensor] = saved["model"]
    return weights


@pytest.mark.parametrize(("kind", "dtype"), [("muon", "fp32"), ("adamw", "bf16")])
def test_pretrain_learns_and_keeps_the_best(data_dir: Path, kind: str, dtype: str) -> None:
    config = _config(data_dir, optim={"kind": kind, "warmup_steps": 4}, dtype=dtype)
    result = pretrain(config, quiet=True)
    assert result.finished
    assert result.tokens >= 30_000
    assert result.eval_loss is not None
    assert result.eval_loss < 2.0  # chance is ln 64 = 4.16
    lines = [json.loads(line) for line in (config.run_dir / "log.jsonl").open()]
    assert {"step", "tokens", "loss", "lr", "tokens_per_s", "elapsed_s"} <= set(lines[0])
    assert load_model(config.run_dir / "best.pt").shape == config.model.shape()


def test_resuming_equals_an_uninterrupted_run(data_dir: Path) -> None:
    whole = _config(data_dir, "whole", max_tokens=8_000)
    parts = _config(data_dir, "parts", max_tokens=8_000)
    pretrain(whole, quiet=True)
    while not pretrain(parts, quiet=True, stop_after_steps=5).finished:
        pass
    a, b = _weights(whole.run_dir), _weights(parts.run_dir)
    assert all(torch.equal(a[name], b[name]) for name in a)


_CHILD = """
import sys
from trainer.pretrain import PretrainConfig, pretrain
config = PretrainConfig.model_validate_json(open(sys.argv[1]).read())
pretrain(config, quiet=True)
"""


def _child(config: PretrainConfig) -> subprocess.Popen[bytes]:
    path = config.data_dir.parent / f"{config.run_dir.name}.json"
    path.write_text(config.model_dump_json())
    command = [sys.executable, "-c", _CHILD, str(path)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})


def test_resuming_after_kill_equals_an_uninterrupted_run(data_dir: Path) -> None:
    whole = _config(data_dir, "whole", max_tokens=12_000)
    killed = _config(data_dir, "killed", max_tokens=12_000, checkpoint_minutes=0.0)  # every step
    child = _child(killed)
    deadline = time.monotonic() + 60
    while len(snapshot.steps(killed.run_dir)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    pretrain(whole, quiet=True)
    assert pretrain(killed, quiet=True).finished
    a, b = _weights(whole.run_dir), _weights(killed.run_dir)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert len(snapshot.steps(killed.run_dir)) == snapshot.KEEP


def test_sigterm_stops_with_a_checkpoint(data_dir: Path) -> None:
    config = _config(data_dir, max_tokens=10**9)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    result = pretrain(config, quiet=True)
    assert not result.finished
    saved = snapshot.load_latest(config.run_dir)
    assert saved is not None
    assert saved["progress"]["step"] == result.step > 0


def test_budget_in_minutes_counts_over_resumes(data_dir: Path) -> None:
    config = _config(data_dir, max_tokens=None, max_minutes=1e3)
    first = pretrain(config, quiet=True, stop_after_steps=3)
    second = pretrain(config, quiet=True, stop_after_steps=3)
    assert second.minutes > first.minutes > 0
    spent = _config(data_dir, max_tokens=None, max_minutes=first.minutes)
    assert pretrain(spent, quiet=True).finished
    assert pretrain(spent, quiet=True).step == second.step


def test_stores_and_stages_may_change_on_resume(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    pretrain(_config(data_dir), quiet=True, stop_after_steps=3)
    changed = _config(data_dir, stage=[{"seq_len": 16, "weights": {"b": 1.0}}])
    assert pretrain(changed, quiet=True).finished
    assert "stage changed" in caplog.text


def test_damaged_newest_checkpoint_falls_back_to_the_one_before(data_dir: Path) -> None:
    config = _config(data_dir, checkpoint_minutes=0.0)
    pretrain(config, quiet=True, stop_after_steps=4)
    newest = snapshot.steps(config.run_dir)[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    assert pretrain(config, quiet=True).finished


def test_another_shape_in_run_dir_is_refused(data_dir: Path) -> None:
    pretrain(_config(data_dir), quiet=True, stop_after_steps=1)
    with pytest.raises(PretrainError, match="another shape"):
        pretrain(_config(data_dir, model={**MODEL, "n_layers": 1}), quiet=True)


def test_missing_store_says_how_to_mend_it(data_dir: Path) -> None:
    config = _config(data_dir, stage=[{"seq_len": 16, "weights": {"nope": 1.0}}])
    with pytest.raises(PretrainError, match="build it"):
        pretrain(config, quiet=True)


def test_config_loads_from_toml_and_refuses_unknown_keys(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    text = 'data_dir = "d"\nrun_dir = "r"\nmax_minutes = 5\n[[stage]]\nweights = {a = 1}\n'
    path.write_text(text)
    assert PretrainConfig.load(path).stage[0].weights == {"a": 1.0}
    path.write_text("sped = 1\n" + text)
    with pytest.raises(ValidationError, match="sped"):
        PretrainConfig.load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_tokens": None},
        {"stage": []},
        {"stage": [{"until": 0.5, "seq_len": 16, "weights": {"a": 1.0}}]},
        {"stage": [{"seq_len": 512, "weights": {"a": 1.0}}]},
    ],
)
def test_config_that_cannot_run_is_refused(data_dir: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _config(data_dir, **changes)


def test_chunked_loss_and_gradients_equal_torchs() -> None:
    hidden = torch.randn(2500, 16, requires_grad=True)
    head = torch.randn(40, 16, requires_grad=True)
    labels = torch.randint(0, 40, (2500,))
    summed_loss(hidden, head, labels, 0.5).backward()
    ours = (hidden.grad, head.grad)
    hidden.grad = head.grad = None
    peer = torch.nn.functional.cross_entropy(hidden @ head.T, labels, reduction="sum")
    (0.5 * peer).backward()
    assert eval_loss(hidden, head, labels) == pytest.approx(peer.item(), rel=1e-5)
    for mine, theirs in zip(ours, (hidden.grad, head.grad), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_orthogonalize_brings_singular_values_near_one() -> None:
    update = torch.randn(3, 24, 48, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalize(update, 5, torch.float32))
    assert values.min() > 0.5
    assert values.max() < 1.5


def test_lr_factor_warms_holds_and_decays() -> None:
    factors = [lr_factor(s / 100, s, 10, 0.25, "linear", 0.0) for s in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[10:76] == [1.0] * 66
    assert factors[100] == 0.0
    assert lr_factor(0.5, 50, 10, 1.0, "cosine", 0.1) == pytest.approx(0.55)


def test_best_held_out_loss_is_forgotten_when_the_stages_change(data_dir: Path) -> None:
    config = _config(data_dir)
    pretrain(config, quiet=True, stop_after_steps=3)
    saved = snapshot.load_latest(config.run_dir)
    assert saved is not None
    saved["progress"]["best_eval"] = 0.001  # by the old weights; nothing would ever be better
    same, other = Run(config), Run(_config(data_dir, stage=[{"seq_len": 16, "weights": {"b": 1.0}}]))
    same.restore(saved)
    other.restore(saved)
    assert same.progress.best_eval == 0.001
    assert other.progress.best_eval is None
