"""Exports of models that are no Llama: layers kept the other way round, and an encoder beside the decoder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from export_home import IDS
from tiny import make_tiny_tokenizer

from bot.cli import main
from engine.adapters import WEIGHTS, Manifest, write_manifest
from engine.model.hashes import file_hash, model_hashes


def make_other_model(kind: str, path: Path) -> Path:
    """A tiny GPT-2 (whose layers keep their weights the other way round) or T5 with the tiny tokenizer."""
    from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    if kind == "gpt2":
        GPT2LMHeadModel(
            GPT2Config(vocab_size=512, n_embd=32, n_layer=2, n_head=2, n_positions=256, initializer_range=0.2)
        ).save_pretrained(path)
    else:
        T5ForConditionalGeneration(
            T5Config(vocab_size=512, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, pad_token_id=3,
                     decoder_start_token_id=3, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
        ).save_pretrained(path)  # fmt: skip
    make_tiny_tokenizer(path)
    return path


def make_peft_adapter(model: Path, place: Path, name: str, auto: Any, rank: int, targets: list[str]) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(rank)
    wrapped = get_peft_model(
        auto.from_pretrained(model), LoraConfig(r=rank, lora_alpha=3 * rank, target_modules=targets)
    )
    for key, parameter in wrapped.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(parameter, std=0.2)
    wrapped.save_pretrained(place)
    hashes = model_hashes(model)
    write_manifest(
        place,
        Manifest(
            name=name, base=str(model), base_hash=hashes.base, tokenizer_hash=hashes.tokenizer,
            template_hash=hashes.template, weights_hash=file_hash(place / WEIGHTS), rank=rank,
            alpha=3.0 * rank, target_modules=targets, created_at=datetime.now(UTC),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "targets"), [("gpt2", ["c_attn", "c_fc"]), ("t5", ["q", "v", "wo"])])
def test_export_other_architectures_say_what_their_stack_says(
    kind: str, targets: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import transformers
    from peft import PeftModel

    auto = getattr(transformers, "AutoModelForCausalLM" if kind == "gpt2" else "AutoModelForSeq2SeqLM")
    model, adapters = make_other_model(kind, tmp_path / "model"), tmp_path / "ada/adapters"
    make_peft_adapter(model, adapters / "a", "a", auto, 3, targets)
    make_peft_adapter(model, adapters / "b", "b", auto, 5, targets[:1])
    (tmp_path / "ada/persona.toml").write_text(
        'id = "ada"\nname = "Ada"\nsystem_prompt = "You are Ada."\ndisclosure = "An AI."\n', encoding="utf-8"
    )
    (tmp_path / "config.toml").write_text(
        'persona = "ada"\n[adapters]\nload = ["a", "b"]\n'
        '[profiles.starter]\nmodel = "model"\ndevice = "cpu"\ncontext_tokens = 256\n',
        encoding="utf-8",
    )
    inputs = {"input_ids": IDS, **({"decoder_input_ids": IDS} if kind == "t5" else {})}

    def logits(made: Any) -> torch.Tensor:
        with torch.no_grad():
            found: torch.Tensor = made.eval()(**inputs).logits
        return found

    def command(what: str, *options: str) -> int:
        config = ["--config", str(tmp_path / "config.toml")]
        return main([*config, "export", what, "--out", str(tmp_path / what), *options])

    stacked = PeftModel.from_pretrained(auto.from_pretrained(model), adapters / "a", adapter_name="a")
    stacked.load_adapter(adapters / "b", adapter_name="b")
    stacked.base_model.set_adapter(["a", "b"])
    right = logits(stacked)
    assert (right - logits(auto.from_pretrained(model))).abs().max() > 0.1
    assert command("merged", "--dtype", "float32") == 0
    assert (logits(auto.from_pretrained(tmp_path / "merged")) - right).abs().max() < 1e-4
    assert command("card") == 0 and auto.__name__ in (tmp_path / "card/README.md").read_text()
    if kind == "gpt2":
        assert command("vllm") == 0
        one = PeftModel.from_pretrained(auto.from_pretrained(model), tmp_path / "vllm")
        assert (logits(one) - right).abs().max() < 1e-4
    else:
        assert command("vllm") == 1 and "causal models" in capsys.readouterr().err
    assert command("ollama") == 1 and not (tmp_path / "ollama").exists()
