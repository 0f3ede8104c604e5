"""Every shipped recipe trains for real on a tiny model, and plain PEFT reads what it saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from ada import make_ada, pairs
from small_models import one_thread, save_small  # noqa: F401 one_thread is a fixture
from tiny import make_tiny_model

from engine.adapters import open_adapter, read_manifest
from engine.config import Config
from engine.errors import AdapterError, ConfigError
from trainer import adapterset
from trainer.evaluating import eval_mode
from trainer.persona import persona_job, train_persona
from trainer.recipe import Recipe, load_recipe

CONFIGS = Path(__file__).parents[2] / "trainer" / "configs"
NAMES = sorted(p.stem for p in CONFIGS.glob("*.toml") if "[[phase]]" in p.read_text(encoding="utf-8"))
FAMILY = {"document-assistant-dialogpt": "gpt2", "document-assistant-flan-t5": "t5"}
PROBE = torch.arange(20, 60).unsqueeze(0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a persona, twelve pairs and a base of each family."""
    root = tmp_path_factory.mktemp("recipes")
    make_tiny_model(root / "llama")
    save_small("gpt2", root / "gpt2", template=False)
    save_small("t5", root / "t5", template=False)
    make_ada(root, pairs(12))
    return root


def config(root: Path, family: str) -> Config:
    profile = {"model": str(root / family), "device": "cpu", "context_tokens": 256}
    return Config.model_validate({"root": root, "profiles": {"starter": profile}})


def shortened(name: str) -> Recipe:
    """The recipe as shipped, but one epoch of small steps on the test's own base."""
    recipe = load_recipe(CONFIGS / f"{name}.toml")
    phases = [phase.model_copy(update={"epochs": 1, "warmup_steps": 0}) for phase in recipe.phase]
    return recipe.model_copy(
        update={"phase": phases, "base": "", "batch_size": 8, "accumulation": 1, "replay": 0.0}
    )


def logits(model: Any) -> torch.Tensor:
    inputs = {"input_ids": PROBE}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = PROBE
    eval_mode(model)
    with torch.no_grad():
        return model(**inputs).logits.float()


@pytest.mark.parametrize("name", NAMES)
def test_shipped_recipe_trains_and_plain_peft_gives_the_same_logits(
    name: str, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    family = FAMILY.get(name, "llama")
    recipe = shortened(name)
    seen: list[torch.Tensor] = []
    save = adapterset.save_adapter

    def watched(model: Any, *rest: Any) -> Any:
        seen.append(logits(model))
        return save(model, *rest)

    monkeypatch.setattr(adapterset, "save_adapter", watched)
    monkeypatch.setattr("trainer.persona.load_recipe", lambda path: recipe)
    report = train_persona(
        config(world, family),
        world / "ada",
        pair_files=[],
        recipe=CONFIGS / f"{name}.toml",
        out=tmp_path / "out",
    )
    assert report["rows"] == 12 == report["trained"] + report["held_out"]
    assert all(phase["steps"] > 0 and phase["train_loss"][0] > 0 for phase in report["phases"])

    auto = AutoModelForSeq2SeqLM if family == "t5" else AutoModelForCausalLM
    plain = auto.from_pretrained(world / family, **quantised(recipe))
    base_logits = logits(plain)
    model = None
    stack: list[str] = []
    for phase, wanted in zip(recipe.phase, seen, strict=True):
        folder = tmp_path / "out" / phase.name
        assert sorted(p.name for p in folder.iterdir()) == [
            "adapter_config.json",
            "adapter_model.safetensors",
            "manifest.json",
        ]
        if model is None:
            model = PeftModel.from_pretrained(plain, folder, adapter_name=phase.name)
        else:
            model.load_adapter(folder, adapter_name=phase.name)
        stack = [*stack, phase.name] if phase.on == "stack" else [phase.name]
        if not phase.learns_prompt:
            model.base_model.set_adapter(stack)
        torch.testing.assert_close(logits(model), wanted, rtol=1e-4, atol=1e-4)
    if any(phase["best_epoch"] for phase in report["phases"]):
        assert (seen[-1] - base_logits).abs().max() > 1e-6


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "dual-phase",
            [
                ("identity", 8, 16, 0.05, ["q", "k", "v"], 1e-4, 0.05, 5, 0.8),
                ("style", 32, 64, 0.1, ["q", "k", "v"], 5e-5, 0.05, 3, 0.2),
            ],
        ),
        ("one-adapter", [("persona", 40, 80, 0.1, ["q", "k", "v"], 5e-5, 0.05, 4, [0.8, 0.2])]),
        ("audience-qlora", [("audience", 16, 32, 0.05, "all-linear", 2e-4, 0.0, 3, 0.0)]),
        ("document-assistant", [("documents", 16, 32, 0.1, ["q", "k", "v"], 2e-4, 0.0, 3, 0.0)]),
        ("rag-tuned", [("grounded", 20, 40, 0.1, ["q", "v", "k"], 2e-4, 0.0, 3, 0.0)]),
    ],
)
def test_shipped_recipe_has_its_numbers(name: str, wanted: list[tuple[Any, ...]]) -> None:
    recipe = load_recipe(CONFIGS / f"{name}.toml")
    assert wanted == [
        (
            p.name,
            p.r,
            p.alpha,
            p.dropout,
            p.target_modules,
            p.learning_rate,
            p.weight_decay,
            p.epochs,
            p.identity_rate,
        )
        for p in recipe.phase
    ]


def test_shipped_recipes_have_their_batches_and_windows() -> None:
    found = {n: load_recipe(CONFIGS / f"{n}.toml") for n in NAMES}
    dual, big = found["dual-phase"], found["llama-3.2-3b"]
    assert (dual.batch_size, dual.accumulation, dual.max_length, dual.held_out) == (2, 4, 4096, 0.15)
    assert big.phase == dual.phase and (big.quantize, big.gradient_checkpointing) == ("nf4", True)
    assert (found["rag-tuned"].batch_size, found["rag-tuned"].phase[0].warmup_steps) == (3, 100)
    for name in NAMES:
        if name.startswith("document-assistant"):
            assert (found[name].batch_size, found[name].accumulation, found[name].max_length) == (4, 4, 512)
            assert found[name].phase == found["document-assistant"].phase


def one_phase(**changes: Any) -> Recipe:
    phase = {"name": "persona", "r": 4, "alpha": 8, "learning_rate": 1e-2, "epochs": 1, **changes}
    return Recipe.model_validate({"batch_size": 8, "accumulation": 1, "max_length": 256, "phase": [phase]})


def train(
    world: Path, out: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, **job: Any
) -> dict[str, Any]:
    monkeypatch.setattr("trainer.persona.load_recipe", lambda path: recipe)
    return train_persona(
        config(world, "llama"), world / "ada", pair_files=[], recipe=Path("x.toml"), out=out, **job
    )


@pytest.mark.parametrize("method", ["dora", "prefix", "p-tuning"])
def test_method_that_cannot_be_stacked_says_so_and_is_refused(
    method: str, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = train(world, tmp_path / "out", one_phase(method=method), monkeypatch)
    manifest = read_manifest(tmp_path / "out" / "persona")
    assert manifest.method == method and "rank-masked stack" in manifest.serving
    assert any("rank-masked stack" in line for line in report["warnings"])
    with pytest.raises(AdapterError):
        open_adapter(tmp_path / "out" / "persona")


def test_rslora_adapter_can_be_served(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(world, tmp_path / "out", one_phase(method="rslora"), monkeypatch)
    folder = open_adapter(tmp_path / "out" / "persona")
    assert folder.spec.use_rslora and folder.manifest.serving == ""


def test_prefix_tuning_learns(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = train(
        world, tmp_path / "out", one_phase(method="prefix", epochs=4, learning_rate=5e-2), monkeypatch
    )
    (phase,) = report["phases"]
    assert min(phase["eval_loss"]) < phase["start_loss"] - 0.1 and not phase["packed"]


def test_multi_adapter_phases_train_apart_on_their_own_files(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = []
    for name in ("books", "talks"):
        paths.append(tmp_path / f"{name}.jsonl")
        rows = [{"instruction": [f"{name} {i}?"], "response": f"From {name}, {i}."} for i in range(6)]
        paths[-1].write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    shared = {"r": 4, "alpha": 8, "learning_rate": 1e-2, "epochs": 1, "on": "base"}
    phases = [{**shared, "name": n, "pairs": [f"{n}*"]} for n in ("books", "talks")]
    recipe = Recipe.model_validate({"batch_size": 8, "max_length": 256, "phase": phases})
    monkeypatch.setattr("trainer.persona.load_recipe", lambda path: recipe)
    job = persona_job(
        config(world, "llama"), world / "ada", pair_files=paths, recipe=Path("x"), out=tmp_path / "out"
    )
    report = adapterset.train_adapters(job)
    assert [read_manifest(tmp_path / "out" / n).parent for n in ("books", "talks")] == [None, None]
    assert report["composed_loss"] > 0
    assert report["phases"][0]["start_loss"] != report["phases"][1]["start_loss"]  # other rows are held out


@pytest.mark.parametrize(
    ("phases", "problem"),
    [
        ([{"name": "a"}, {"name": "a"}], "same name"),
        ([{"name": "a", "method": "dora"}, {"name": "b"}], "does not add up"),
        ([{"name": "a"}, {"name": "b", "method": "dora"}], "does not add up"),
        ([{"name": "a", "method": "prefix"}, {"name": "b", "on": "base"}], "only phase"),
        ([{"name": "a", "target_modules": "some-linear"}], "all-linear"),
    ],
)
def test_load_recipe_phases_that_do_not_fit_are_refused(
    tmp_path: Path, phases: list[dict[str, str]], problem: str
) -> None:
    lines = []
    for phase in phases:
        lines += [
            "[[phase]]",
            *(f'{k} = "{v}"' for k, v in phase.items()),
            "learning_rate = 1e-3",
            "epochs = 1",
        ]
    path = tmp_path / "r.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ConfigError, match=problem):
        load_recipe(path)


def quantised(recipe: Recipe) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    if recipe.quantize != "nf4":
        return {"dtype": torch.float32}
    kind = {
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": torch.float32,
    }
    quantization = BitsAndBytesConfig(load_in_4bit=True, **kind)
    return {"dtype": torch.float32, "quantization_config": quantization, "device_map": {"": "cpu"}}
