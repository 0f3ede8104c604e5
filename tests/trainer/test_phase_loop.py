"""The loop over one phase: packing and the number of processes change no result, divergence stops it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import examples, one_thread, small_model  # noqa: F401 one_thread is a fixture

from engine.errors import ModelError
from trainer import headloss, losses
from trainer.attach import adapter_hash, trained_parameters
from trainer.events import JsonlObserver, ProgressBar, read_events
from trainer.headloss import frozen_head_loss
from trainer.lora import attach, evaluate, train_phase
from trainer.recipe import Phase, Recipe

ROOT = Path(__file__).parents[2]
LENGTHS = [9, 40, 17, 30, 28, 12, 33, 21, 14, 25, 38, 11]


def recipe(phase: dict[str, Any] | None = None, **changes: Any) -> Recipe:
    first = {
        "name": "one",
        "r": 4,
        "alpha": 8,
        "dropout": 0.0,
        "learning_rate": 1e-2,
        "epochs": 2,
        **(phase or {}),
    }
    sizes = {"batch_size": 2, "accumulation": 2, "max_length": 64}
    return Recipe.model_validate({**sizes, "phase": [first], **changes})


def run(plan: Recipe, family: str = "llama", **options: Any) -> tuple[Any, Any]:
    """The trained model and the report of a small training."""
    phase: Phase = plan.phase[0]
    torch.manual_seed(0)
    model = attach(small_model(family), phase, [])
    source = 20 if family == "t5" else 0
    report = train_phase(
        model,
        phase,
        plan,
        examples(LENGTHS, source=source),
        examples(LENGTHS, source=source)[:4],
        3,
        **options,
    )
    return model, report


def test_train_phase_packed_and_padded_reach_the_same_weights() -> None:
    packed, report = run(recipe())
    padded, other = run(recipe(packing=False))
    assert report.packed and not other.packed
    assert report.eval_loss == pytest.approx(other.eval_loss, rel=1e-4)
    for one, two in zip(
        trained_parameters(packed).values(), trained_parameters(padded).values(), strict=True
    ):
        torch.testing.assert_close(one, two, rtol=1e-2, atol=2e-4)


def test_train_phase_shows_pairs_in_every_epoch_and_fresh_examples_once() -> None:
    own = examples(LENGTHS)
    parts = [examples([13, 29, 35], 7), examples([10, 18, 22], 8)]
    _, plain = run(recipe())
    _, report = run(recipe(), fresh=lambda epoch: parts[epoch])
    assert plain.trained_tokens == 2 * sum(e.trained for e in own)
    assert report.trained_tokens == plain.trained_tokens + sum(e.trained for part in parts for e in part)
    assert (plain.steps, report.steps) == (2 * 3, 2 * 4)  # 12 and 12 + 3 examples, four a step


def test_train_phase_same_seed_same_weights_and_dropout_follows_the_seed() -> None:
    hashes = [adapter_hash(run(recipe({"dropout": 0.2}, seed=seed))[0], ["one"]) for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_train_phase_encoder_decoder_learns() -> None:
    model, report = run(recipe({"epochs": 4, "learning_rate": 3e-2}), "t5")
    assert report.best_epoch > 0 and min(report.eval_loss) < report.start_loss
    assert report.train_loss[-1] < report.train_loss[0]
    assert report.trained_tokens == 4 * sum(LENGTHS)
    assert evaluate(model, examples(LENGTHS, source=20)[:4], 2, 3) == pytest.approx(
        min(report.eval_loss), rel=1e-4
    )


def test_train_phase_bfloat16_base_keeps_float32_masters() -> None:
    plan = recipe({"learning_rate": 1e-5, "epochs": 1})
    model = attach(small_model("llama").to(torch.bfloat16), plan.phase[0], [])
    assert {p.dtype for p in trained_parameters(model).values()} == {torch.bfloat16}
    report = train_phase(model, plan.phase[0], plan, examples(LENGTHS), examples([10], 1), 3)
    assert report.packed and report.train_loss[0] > 0


@pytest.mark.parametrize(
    ("quantization", "dtype"), [("nf4", "float32"), ("nf4", "bfloat16"), ("int8", "float32")]
)
def test_train_phase_quantised_base_on_the_cpu_learns_after_an_evaluation(
    quantization: str, dtype: str, tmp_path: Path
) -> None:
    from tiny import make_tiny_model

    from engine.config import ProfileConfig
    from engine.model.load import load_model

    folder = make_tiny_model(tmp_path / "model")
    settings = {"device": "cpu", "quantization": quantization, "dtype": dtype, "context_tokens": 256}
    plan = recipe({"target_modules": "all-linear"})
    model = attach(load_model(str(folder), ProfileConfig.model_validate(settings)).model, plan.phase[0], [])
    report = train_phase(model, plan.phase[0], plan, examples(LENGTHS), examples(LENGTHS)[:4], 3)
    assert report.packed and report.best_epoch == 2
    assert report.eval_loss[1] < report.eval_loss[0] < report.start_loss


def scripted(monkeypatch: pytest.MonkeyPatch, held_out: list[float]) -> None:
    """Held-out losses, the untrained adapter's first."""
    left = iter(held_out)
    monkeypatch.setattr("trainer.lora.mean_loss", lambda *_: next(left))


def test_train_phase_divergence_stops_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [5.0, 4.0, 3.0, 4.6])
    said: list[str] = []
    _, report = run(recipe({"epochs": 6}), progress=said.append)
    assert report.stopped_early and report.best_epoch == 2 and report.eval_loss == (4.0, 3.0, 4.6)
    assert report.stop_reason == "the held-out loss of epoch 3, 4.600, is more than 1.5 times the best, 3.000"
    assert said[-1] == f"one stopped: {report.stop_reason}"


def test_train_phase_patience_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [5.0, 4.0, 4.1, 4.2, 4.3])
    _, report = run(recipe({"epochs": 6}, patience=2))
    assert report.eval_loss == (4.0, 4.1, 4.2) and report.stop_reason == "no epoch after epoch 1 was better"


@pytest.mark.parametrize(("keep", "held_out", "epoch"), [
    ("last", [5.0, 4.0, 4.2, 4.4], 3),
    ("best", [5.0, 4.0, 4.2, 4.4], 1),
    ("last", [5.0, 4.0, 4.2, float("nan")], 2),
])  # fmt: skip
def test_train_phase_leaves_the_epoch_loaded_that_the_recipe_names(
    monkeypatch: pytest.MonkeyPatch, keep: str, held_out: list[float], epoch: int
) -> None:
    """The others' weights are forgotten."""
    left, seen = iter(held_out), list[str]()

    def measured(model: Any, *_: Any) -> float:
        seen.append(adapter_hash(model, ["one"]))
        return next(left)

    monkeypatch.setattr("trainer.lora.mean_loss", measured)
    model, report = run(recipe({"keep": keep, "epochs": 3}))
    assert report.best_epoch == epoch and len(set(seen)) == 4
    assert adapter_hash(model, ["one"]) == seen[epoch]


def test_train_phase_held_out_loss_that_is_no_number_keeps_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [5.0, 4.0, float("nan")])
    _, report = run(recipe({"epochs": 6}))
    assert report.best_epoch == 1 and report.stop_reason == "the held-out loss of epoch 2 was not a number"


def test_train_phase_loss_that_is_no_number_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import trainer.lora

    def broken(model: Any, batch: Any) -> tuple[torch.Tensor, int]:
        loss, count = losses.summed_loss(model, batch)
        return loss * float("nan"), count

    monkeypatch.setattr(trainer.lora, "summed_loss", broken)
    with pytest.raises(ModelError, match=r"step 1 was not a number; lower its learning_rate"):
        run(recipe())


def test_frozen_head_loss_in_chunks_is_cross_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headloss, "CHUNK_LOGITS", 1)
    monkeypatch.setattr(headloss, "MIN_ROWS", 3)
    torch.manual_seed(0)
    hidden = torch.randn(10, 8, requires_grad=True)
    weight, bias, labels = torch.randn(50, 8), torch.randn(50), torch.randint(50, (10,))
    loss = frozen_head_loss(hidden, weight, bias, labels)
    (loss * 0.5).backward()
    assert hidden.grad is not None
    got = hidden.grad.clone()
    hidden.grad = None
    wanted = torch.nn.functional.cross_entropy(hidden @ weight.T + bias, labels, reduction="sum")
    (wanted * 0.5).backward()
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(got, hidden.grad)


def test_events_tell_every_step_and_survive_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "run" / "events.jsonl"
    run(recipe(), observers=[JsonlObserver(path), ProgressBar()])
    with path.open("a", encoding="utf-8") as file:
        file.write('{"kind": "st')
    events = read_events(path)
    assert [e["kind"] for e in events] == [
        "phase",
        "step",
        "step",
        "step",
        "epoch",
        "step",
        "step",
        "step",
        "epoch",
    ]
    steps = [e for e in events if e["kind"] == "step"]
    assert [e["step"] for e in steps] == [1, 2, 3, 4, 5, 6] and steps[0]["total_steps"] == 6
    assert [e["epoch"] for e in steps] == [1, 1, 1, 2, 2, 2]
    tokens = [e["tokens"] for e in steps]
    assert tokens == sorted(tokens) and tokens[-1] == 2 * sum(e.trained for e in examples(LENGTHS))


@pytest.mark.timeout(400)  # three interpreters start; seconds on a machine that is not busy
def test_two_processes_of_accelerate_reach_the_weights_of_one(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from test_phase_loop import recipe, run; from trainer.processes import Processes\n"
        "import json, torch; from trainer.attach import trained_parameters\n"
        "model, report = run(recipe()); peers = Processes()\n"
        "total = float(sum(p.detach().double().abs().sum() for p in trained_parameters(model).values()))\n"
        "told = json.dumps([peers.count, report.eval_loss, total])\n"
        "open(f'{sys.argv[3]}/{peers.index}', 'w').write(told)\n"
    )
    script = tmp_path / "two.py"
    script.write_text(code, encoding="utf-8")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    port = str(20000 + os.getpid() % 20000)
    folders = [str(ROOT / "tests"), str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(
        [*launch, "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
         "--main_process_port", port, str(script), *folders],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (json.loads((tmp_path / str(i)).read_text(encoding="utf-8")) for i in (0, 1))
    assert one[0] == 2 and one == two
    model, report = run(recipe())
    total = float(sum(p.detach().double().abs().sum() for p in trained_parameters(model).values()))
    assert one[1] == pytest.approx(report.eval_loss, rel=1e-4)
    assert one[2] == pytest.approx(total, rel=1e-3)
