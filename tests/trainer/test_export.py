"""Every export, loaded by the libraries that its users have, against PEFT's own stack of the same adapters.

GGUF is `test_export_ollama.py`'s, other architectures `test_export_models.py`'s.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from export_home import IDS, Run, base_model, difference, make_home, open_home, runner, stacked_logits
from tiny import make_tiny_adapter, make_tiny_model

from engine.adapters import WEIGHTS, read_manifest, write_manifest
from engine.errors import AdapterError, InputError, ManifestMismatch, ModelError
from engine.model.hashes import file_hash, model_hashes
from engine.model.lora import LoraPair
from trainer.export import agree
from trainer.export.merged import write_merged
from trainer.export.place import REPORT, new_folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def expected(home: Path) -> torch.Tensor:
    return stacked_logits(home)


@pytest.fixture
def run(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(home, tmp_path / "out", capsys)


# --- merged --------------------------------------------------------------------------------


def test_export_merged_float32_plain_transformers_says_what_the_stack_says(
    home: Path, run: Run, tmp_path: Path, expected: torch.Tensor
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    report = run("merged", "--dtype", "float32")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")
    assert model.dtype == torch.float32 and difference(model, expected) < 1e-4
    assert report["check"]["max_abs_diff"] < 1e-4 and report["check"]["adapter_effect"] > 0.5
    made, base = model_hashes(tmp_path / "out"), model_hashes(home / "model")
    assert (made.tokenizer, made.template) == (base.tokenizer, base.template) and made.base != base.base
    assert AutoTokenizer.from_pretrained(tmp_path / "out").chat_template
    assert "FROM .\n" in (tmp_path / "out/Modelfile").read_text()
    files = [tmp_path / "out" / name for name in report["files"]]
    assert not any(f.suffix in {".bin", ".pt"} for f in files) and all(
        f.stat().st_mode & 0o044 for f in files
    )


def test_export_merged_bfloat16_is_rounded_once_from_the_float32_sum(
    home: Path, run: Run, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    run("merged", "--dtype", "bfloat16")
    stored = load_file(tmp_path / "out/model.safetensors")
    delta = torch.zeros(())
    for name, scaling in (("identity", 2.0), ("style", 6.0 / 12**0.5)):
        lora = load_file(home / "ada/adapters" / name / "adapter_model.safetensors")
        key = "base_model.model.model.layers.1.self_attn.q_proj.lora_{}.weight"
        delta = delta + scaling * (lora[key.format("B")] @ lora[key.format("A")])
    weight = base_model(home).state_dict()["model.layers.1.self_attn.q_proj.weight"] + delta
    got = stored["model.layers.1.self_attn.q_proj.weight"]
    assert got.dtype == torch.bfloat16
    off = got.float() - weight.bfloat16().float()
    assert (off != 0).float().mean() < 0.002  # but for sums that fall between two values
    assert off.abs().max() <= weight.abs().max() * 2**-7


def test_export_merged_output_layer_tied_to_the_embedding_is_untied(tmp_path: Path, home: Path) -> None:
    from safetensors.torch import load_file

    from trainer.export.merged import merge

    model = base_model(home)
    before = model.get_input_embeddings().weight.detach().clone()
    pair = LoraPair(torch.ones(1, 64), torch.ones(512, 1))
    merge(model, {"lm_head": pair})
    assert torch.equal(model.get_input_embeddings().weight, before)
    model.save_pretrained(tmp_path / "m")
    stored = load_file(tmp_path / "m/model.safetensors")
    assert torch.allclose(stored["lm_head.weight"], before + 1) and not model.config.tie_word_embeddings


# --- vllm ----------------------------------------------------------------------------------


def test_export_vllm_one_padded_adapter_is_the_stack_in_plain_peft(
    home: Path, run: Run, tmp_path: Path, expected: torch.Tensor
) -> None:
    from peft import PeftModel
    from safetensors.torch import load_file

    report = run("vllm")
    out = tmp_path / "out"
    assert difference(PeftModel.from_pretrained(base_model(home), out), expected) < 1e-4
    config = json.loads((out / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["use_rslora"], config["bias"]) == (
        16,
        16,
        False,
        "none",
    )
    assert sorted(config["target_modules"]) == [
        "down_proj",
        "k_proj",
        "o_proj",
        "q_proj",
        "up_proj",
        "v_proj",
    ]
    assert report["rank"] == 16 and report["columns"] == {"identity": [0, 4], "style": [4, 16]}
    weights = load_file(out / "adapter_model.safetensors")
    only_style = weights["base_model.model.model.layers.0.mlp.down_proj.lora_B.weight"]
    assert not only_style[:, :4].any() and only_style[:, 4:].any()
    assert len(weights) == 2 * 2 * 6  # layers, sides, modules


def test_export_vllm_rank_is_padded_and_the_name_follows_the_weights(
    home: Path, run: Run, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    first = run("vllm", "--adapter", "style")
    a = load_file(tmp_path / "out/adapter_model.safetensors")
    matrix = a["base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"]
    assert first["rank"] == 16 == matrix.shape[0] and not matrix[12:].any() and matrix[:12].any()
    body = json.loads((tmp_path / "out/load_lora_adapter.json").read_text())
    assert body == {"lora_name": first["name"], "lora_path": str(tmp_path / "out")} == first["request"]
    readme = (tmp_path / "out/README.md").read_text()
    assert "--max-lora-rank 16" in readme and f"--lora-modules {first['name']}=" in readme
    again = run("vllm", "--adapter", "style", "--force")
    other = run("vllm", "--adapter", "identity", "--force")
    assert first["name"] == again["name"] != other["name"] and other["name"].startswith("persona-")


def test_rank_sum_more_ranks_than_vllm_admits_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.export import ranksum

    monkeypatch.setattr(ranksum, "RANKS", (8,))
    source = open_home(home)
    with pytest.raises(AdapterError, match="add up to 16"):
        ranksum.rank_sum(source)


# --- card ----------------------------------------------------------------------------------


def test_export_card_front_matter_is_what_the_hub_reads(home: Path, run: Run, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    style = home / "ada/adapters/style"
    before = read_manifest(style)
    recipe = {"phase": {"learning_rate": 5e-5, "epochs": 3, "identity_rate": 0.2}, "batch_size": 2}
    metrics = {"eval_loss": [2.5, 2.25], "note": "a | b\n# not a heading"}
    told = before.model_copy(update={"recipe": recipe, "metrics": metrics, "data_hash": "d" * 64})
    write_manifest(style, told)
    try:
        run(
            "card",
            "--license",
            "llama3.2",
            "--base-model",
            "meta-llama/Llama-3.2-3B",
            "--dataset",
            "ada/talks",
        )
    finally:
        write_manifest(style, before)
    card = ModelCard.load(tmp_path / "out/README.md")
    data = card.data.to_dict()
    assert data["base_model"] == "meta-llama/Llama-3.2-3B" and data["library_name"] == "peft"
    assert data["license"] == "llama3.2" and data["datasets"] == ["ada/talks"] and "lora" in data["tags"]
    for wanted in (
        "An AI, not Ada.",
        "2.5, 2.25",
        "5e-05",
        "d" * 64,
        "| style | 12 | 6 |",
        "alpha / sqrt(rank)",
    ):
        assert wanted in card.text, wanted
    assert "\n# not a heading" not in card.text and "a \\| b" in card.text


def test_export_card_adapters_beside_it_load_by_the_cards_own_code(
    home: Path, run: Run, tmp_path: Path, expected: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("card", "--base-model", str(home / "model"))
    code = (tmp_path / "out/README.md").read_text().split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path / "out")
    scope: dict[str, Any] = {}
    exec(code, scope)  # noqa: S102 - the card's own snippet
    assert difference(scope["model"], expected) < 1e-4


# --- what goes wrong -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["merged", "vllm", "ollama", "card"])
def test_export_that_differs_from_the_stack_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    real = agree.stack_logits

    def shifted(*args: Any) -> list[torch.Tensor]:
        return [logits + 0.5 for logits in real(*args)]

    monkeypatch.setattr("trainer.export.run.stack_logits", shifted)
    told = run(kind, fails=True)
    assert "differ" in told["error"] and list(tmp_path.iterdir()) == []


def test_export_not_a_number_is_no_agreement() -> None:
    good = [torch.ones(3, 5)]
    bad = [torch.full((3, 5), float("nan"))]
    assert not agree.compare(bad, good, good, "float32").agrees
    assert agree.compare(good, good, good, "float32").agrees


def test_warnings_rounding_that_drowns_the_adapters_is_told() -> None:
    stack, plain = [torch.full((1, 4), 1.0)], [torch.full((1, 4), 1.001)]
    rounded = [torch.full((1, 4), 1.0008)]
    (told,) = agree.warnings(agree.compare(rounded, stack, plain, "bfloat16"))
    assert "80%" in told
    assert agree.warnings(agree.compare(stack, stack, plain, "bfloat16")) == []
    assert "change nothing" in agree.warnings(agree.compare(stack, stack, stack, "float32"))[0]


def test_export_out_not_empty_is_kept_unless_it_is_an_export_and_forced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "letters.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(InputError, match=r"not empty|no export"), new_folder(out, force):
            pass
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "letters.txt"]
    (out / REPORT).write_text("{}")
    with new_folder(out, True) as draft:
        (draft / "new.txt").write_text("new")
    assert [p.name for p in out.iterdir()] == ["new.txt"] and len(list(tmp_path.iterdir())) == 1


def test_new_folder_block_that_fails_keeps_the_older_export(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with new_folder(out, False) as draft:
        (draft / REPORT).write_text("{}")
    with pytest.raises(ModelError), new_folder(out, True) as draft:
        raise ModelError("no")
    assert [p.name for p in tmp_path.rglob("*")] == ["out", REPORT]


def test_export_dora_is_refused_with_the_reason(home: Path, run: Run, tmp_path: Path) -> None:
    path = home / "ada/adapters/style/adapter_config.json"
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), "use_dora": True}))
    try:
        assert "DoRA" in run("vllm", fails=True)["error"]
    finally:
        path.write_text(before)
    assert list(tmp_path.iterdir()) == []


def test_export_merged_single_dora_says_what_peft_says(home: Path, run: Run, tmp_path: Path) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    place = home / "ada/adapters/scaled"
    make_tiny_adapter(home / "model", place, "scaled", r=4, seed=2, targets=("q_proj", "v_proj"))
    told = read_manifest(place)
    torch.manual_seed(3)
    config = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj"], use_dora=True)
    model = get_peft_model(base_model(home), config)
    for key, parameter in model.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(parameter, std=0.05)
    model.save_pretrained(place)
    write_manifest(place, told.model_copy(update={"weights_hash": file_hash(place / WEIGHTS)}))
    right = PeftModel.from_pretrained(base_model(home), place).eval()(IDS).logits.detach()
    assert difference(base_model(home), right) > 0.1
    run("merged", "--dtype", "float32", "--adapter", "scaled")
    assert difference(AutoModelForCausalLM.from_pretrained(tmp_path / "out"), right) < 1e-4
    for more in (["vllm"], ["merged", "--adapter", "identity"]):
        assert "DoRA" in run(*more, "--adapter", "scaled", "--force", fails=True)["error"]


def test_export_merged_is_cut_into_shards_that_are_read_back_whole(home: Path, tmp_path: Path) -> None:
    source = open_home(home)
    prompts = agree.probe_ids(source.base, source.persona)
    weights = {adapter.name: adapter.weights for adapter in source.adapters}
    right = agree.stack_logits(source.base, dict(weights), source.stack, prompts)
    write_merged(source, tmp_path, "float32", prompts, right, right, shard_size="100KB")
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 2


def test_open_source_adapter_of_another_base_is_refused(home: Path, tmp_path: Path) -> None:
    from engine.config import Config
    from trainer.export.source import open_source

    other = make_tiny_model(tmp_path / "other", seed=9)
    config = Config.model_validate(
        {"root": home, "persona": "ada", "profiles": {"starter": {"model": str(other), "device": "cpu"}}}
    )
    with pytest.raises(ManifestMismatch, match="another base model"):
        open_source(config, None)
    with pytest.raises(AdapterError, match="named twice"):
        open_source(config, None, ["style", "style"])
