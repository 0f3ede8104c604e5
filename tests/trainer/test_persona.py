"""Dual-phase training for real on a tiny model: frozen stays frozen, PEFT and the stack agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ada import make_ada, pairs
from small_models import one_thread  # noqa: F401 a fixture

from engine.adapters import read_manifest
from engine.config import Config
from engine.errors import ConfigError, InputError, ModelError
from engine.model.load import load_model
from trainer import adapterset
from trainer.bases import renderer_for
from trainer.persona import persona_job, train_persona
from trainer.recipe import load_recipe
from trainer.rundata import phase_examples, read_data

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
    persona = make_ada(root, pairs(16))
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


def persona_with(root: Path, rows: list[str], model: Path) -> tuple[Config, Path]:
    """A configuration and a persona folder with these lines as pairs."""
    folder = make_ada(root, rows)
    (root / "recipe.toml").write_text(RECIPE.replace("epochs = 3", "epochs = 1"), encoding="utf-8")
    profile = {"model": str(model), "device": "cpu", "dtype": "float32", "context_tokens": 256}
    return Config.model_validate({"root": root, "profiles": {"starter": profile}}), folder


def pair_lines(count: int) -> list[str]:
    return [json.dumps({"instruction": [f"Who, {i}?"], "response": f"Ada, {i}."}) for i in range(count)]


BAD = [
    '{"instruction": ["Hi"], "response": ""}',
    json.dumps({"instruction": ["Hi"], "response": "word " * 400}),
    '{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}',
]


def test_train_persona_refused_rows_are_reported_and_counted(
    trained: tuple[Path, dict[str, Any], Path], tmp_path: Path
) -> None:
    config, folder = persona_with(tmp_path, [*pair_lines(6), *BAD], trained[0])
    said: list[str] = []
    report = train_persona(config, folder, pair_files=[], recipe=tmp_path / "recipe.toml", say=said.append)
    assert report["rows"] == 9 and report["trained"] + report["held_out"] == 6
    assert sorted(line.split(":")[1] for line in report["refused"]) == ["7", "8", "9"]
    assert any("longer than the window of 256" in line for line in said)


def test_train_persona_strict_refuses_to_start(
    trained: tuple[Path, dict[str, Any], Path], tmp_path: Path
) -> None:
    config, folder = persona_with(tmp_path, [*pair_lines(6), *BAD], trained[0])
    with pytest.raises(InputError, match=r"(?s)3 of 9 rows are refused, and --strict is on.*a\.jsonl:7"):
        train_persona(config, folder, pair_files=[], recipe=tmp_path / "recipe.toml", strict=True)
    assert not (folder / "adapters").exists()


def test_train_persona_template_without_system_turn_is_warned_of_and_folded(tmp_path: Path) -> None:
    from small_models import save_small

    model = save_small("gpt2", tmp_path / "model", template=False)
    config, folder = persona_with(tmp_path, pair_lines(6), model)
    report = train_persona(config, folder, pair_files=[], recipe=tmp_path / "recipe.toml")
    assert any("no system turn" in line for line in report["warnings"])
    assert any("c_attn holds q, k and v" in line for line in report["warnings"])
    job = persona_job(config, folder, pair_files=[], recipe=tmp_path / "recipe.toml")
    renderer = renderer_for(load_model(job.base_ref, job.profile))
    text = renderer.tokenizer.decode(
        phase_examples(job, job.recipe.phase[1], read_data(job, renderer), renderer)[0][0].ids
    )
    assert text.startswith("You are Ada.") and text.endswith("<|eot_id|>") and text.count("<|eot_id|>") == 2


def test_phase_with_talk_trains_plain_small_talk_beside_its_pairs(
    trained: tuple[Path, dict[str, Any], Path], tmp_path: Path
) -> None:
    config, folder = persona_with(tmp_path, pair_lines(8), trained[0])
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        RECIPE.replace("identity_rate = 0.8", "identity_rate = 0.8\ntalk = 2.0"), encoding="utf-8"
    )
    job = persona_job(config, folder, pair_files=[], recipe=recipe)
    renderer = renderer_for(load_model(job.base_ref, job.profile))
    data = read_data(job, renderer)
    identity, style = (phase_examples(job, p, data, renderer) for p in job.recipe.phase)
    assert len(identity.train) == len(style.train) == len(data.train)
    assert len(identity.fresh(0)) == 2 * len(data.train) and not style.fresh(0)
    assert identity.fresh(0) == identity.fresh(0) != identity.fresh(1)


def test_train_persona_begins_where_the_saved_adapters_stood(
    trained: tuple[Path, dict[str, Any], Path], tmp_path: Path
) -> None:
    model, before, adapters = trained
    config, folder = persona_with(tmp_path, pairs(16), model)
    recipe = tmp_path / "recipe.toml"
    after = train_persona(config, folder, pair_files=[], recipe=recipe, start=adapters)
    had, has = before["phases"][0], after["phases"][0]
    assert has["start_loss"] == pytest.approx(min(had["eval_loss"]), rel=1e-4)
    assert has["weights_hash"] != had["weights_hash"]

    text = recipe.read_text(encoding="utf-8")
    for old, new in (("r = 4", "r = 2"), ("r = 4", 'target_modules = ["q"]\nr = 4')):
        recipe.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(InputError, match="same shape"):
            train_persona(config, folder, pair_files=[], recipe=recipe, start=adapters, fresh=True)
    recipe.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="give --from another"):
        train_persona(config, folder, pair_files=[], recipe=recipe, start=tmp_path, fresh=True)


def test_train_persona_base_of_pickles_is_refused(tmp_path: Path) -> None:
    from tiny import make_tiny_model

    model = make_tiny_model(tmp_path / "model")
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    config, folder = persona_with(tmp_path, pair_lines(6), model)
    with pytest.raises(ModelError, match="pickled weights, which are never loaded"):
        train_persona(config, folder, pair_files=[], recipe=tmp_path / "recipe.toml")


def test_train_persona_changed_frozen_adapter_is_refused(
    trained: tuple[Path, dict[str, Any], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = persona_with(tmp_path, pair_lines(6), trained[0])
    train = adapterset.train_phase

    def meddling(model: Any, phase: Any, *rest: Any, **more: Any) -> Any:
        report = train(model, phase, *rest, **more)
        if phase.name == "style":
            with torch.no_grad():
                next(p for n, p in model.named_parameters() if ".identity." in n).add_(1e-3)
        return report

    monkeypatch.setattr(adapterset, "train_phase", meddling)
    with pytest.raises(ModelError, match="changed a frozen adapter"):
        train_persona(config, folder, pair_files=[], recipe=tmp_path / "recipe.toml")
    assert not (folder / "adapters" / "style").exists()


def test_train_command_prints_one_json_object_and_writes_events(
    trained: tuple[Path, dict[str, Any], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from bot.cli import main

    _, folder = persona_with(tmp_path, pair_lines(6), trained[0])
    (tmp_path / "config.toml").write_text(
        f'[profiles.starter]\nmodel = "{trained[0]}"\ndevice = "cpu"\ncontext_tokens = 256\n',
        encoding="utf-8",
    )
    run = tmp_path / "run"
    common = ["--config", str(tmp_path / "config.toml"), "train", "persona", str(folder)]
    assert main([*common, "--recipe", str(tmp_path / "recipe.toml"), "--run-dir", str(run), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["run_dir"] == str(run) and len(report["phases"]) == 2
    events = [json.loads(line) for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [e["kind"] for e in events if e["kind"] != "step"] == [
        "run",
        "phase",
        "epoch",
        "phase",
        "epoch",
        "epoch",
        "end",
    ]
    step = next(e for e in events if e["kind"] == "step")
    wanted = {
        "phase",
        "epoch",
        "step",
        "total_steps",
        "loss",
        "lr",
        "tokens",
        "tokens_per_s",
        "elapsed_s",
        "memory_mb",
    }
    assert wanted < step.keys() and step["loss"] > 0 and step["memory_mb"] > 0


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


def test_load_recipe_bad_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(RECIPE.replace("epochs = 3", "epochs = 0"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"phase\.0\.epochs"):
        load_recipe(path)
