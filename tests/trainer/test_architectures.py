"""Every family: the recipe's words find its layers, and packed rows give the padded rows' gradients."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from small_models import CAUSAL, examples, one_thread, small_model  # noqa: F401 one_thread is a fixture

from engine.errors import ConfigError
from trainer.attach import attach, trained_parameters
from trainer.batching import Layout, common_start
from trainer.losses import summed_loss
from trainer.packattention import can_pack, packing
from trainer.pairs import Example
from trainer.recipe import Phase
from trainer.targets import find_targets

PHASE = Phase(
    name="one", r=4, alpha=8, dropout=0.0, target_modules=["q", "v", "o"], learning_rate=1e-3, epochs=1
)


@pytest.mark.parametrize(
    ("family", "qkv", "mlp"),
    [
        ("llama", ("k_proj", "q_proj", "v_proj"), ("down_proj", "gate_proj", "up_proj")),
        ("mistral", ("k_proj", "q_proj", "v_proj"), ("down_proj", "gate_proj", "up_proj")),
        ("qwen2", ("k_proj", "q_proj", "v_proj"), ("down_proj", "gate_proj", "up_proj")),
        ("phi3", ("qkv_proj",), ("down_proj", "gate_up_proj")),
        ("t5", ("k", "q", "v"), ("wi_0", "wi_1", "wo")),
    ],
)
def test_find_targets_words_become_the_familys_modules(
    family: str, qkv: tuple[str, ...], mlp: tuple[str, ...]
) -> None:
    model = small_model(family)
    assert find_targets(model, ["q", "k", "v"]).modules == qkv
    assert find_targets(model, ["gate", "up", "down"]).modules == mlp
    assert not find_targets(model, "all-linear").transposed


def test_find_targets_gpt2_is_fused_and_transposed() -> None:
    model = small_model("gpt2")
    targets = find_targets(model, ["q_proj", "v"])
    assert targets.modules == ("c_attn",) and targets.transposed
    assert "q, k and v" in targets.notes[0]
    assert find_targets(model, ["o", "up", "down"]).modules == ("attn.c_proj", "mlp.c_fc", "mlp.c_proj")


def test_find_targets_all_linear_leaves_the_head_out() -> None:
    assert find_targets(small_model("gpt2"), "all-linear").modules == ("c_attn", "c_fc", "c_proj")
    assert "lm_head" not in find_targets(small_model("llama"), "all-linear").modules


def test_find_targets_unknown_name_lists_what_the_model_has() -> None:
    with pytest.raises(ConfigError, match=r"names gate, which this model lacks; it has c_attn, c_fc, c_proj"):
        find_targets(small_model("gpt2"), ["gate"])


def test_find_targets_second_adapter_sees_the_same_layers() -> None:
    model = attach(small_model("llama"), PHASE, [])
    wide = PHASE.model_copy(update={"name": "two", "target_modules": "all-linear"})
    model = attach(model, wide, ["one"])
    assert sorted(model.peft_config["two"].target_modules) == sorted(
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    )


def with_start(count: int) -> list[Example]:
    """Examples that begin with the same tokens, one of them trained from the first token behind them."""
    made = examples([9, 40, 17, 3, 28])
    start = tuple(range(100, 100 + count))
    return [Example((*start, *e.ids), (*(False for _ in start), *e.mask)) for e in made]


def losses_and_gradients(
    model: Any, layout: Layout, made: list[Example] | None = None
) -> tuple[float, list[torch.Tensor]]:
    model.zero_grad()
    total = 0.0
    with packing(model.get_base_model()) if layout.pack_tokens else nullcontext():
        for batch in layout.batches(made or examples([9, 40, 17, 3, 28])):
            loss, _ = summed_loss(model, batch)
            loss.backward()
            total += loss.item()
    return total, [p.grad.clone() for p in trained_parameters(model).values()]


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", CAUSAL)
def test_packed_row_has_the_padded_rows_loss_and_gradients(family: str, checkpointing: bool) -> None:
    model = attach(small_model(family, **dropless(family)), PHASE, [])
    for name, parameter in trained_parameters(model).items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    model.eval()
    if checkpointing:
        model.train()
        model.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
    assert can_pack(model.get_base_model(), 40)
    alone, wanted = losses_and_gradients(model, Layout(1, 3))
    padded, padded_grads = losses_and_gradients(model, Layout(5, 3))
    packed, packed_grads = losses_and_gradients(model, Layout(5, 3, 60))
    assert padded == pytest.approx(alone, rel=1e-5)
    assert packed == pytest.approx(alone, rel=1e-5)
    for got in (padded_grads, packed_grads):
        for a, b in zip(got, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("family", CAUSAL)
def test_shared_start_is_computed_once_and_changes_nothing(family: str, checkpointing: bool) -> None:
    model = attach(small_model(family, **dropless(family)), PHASE, [])
    for name, parameter in trained_parameters(model).items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    if checkpointing:
        model.train()
        model.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
    made = with_start(12)
    shared = Layout(5, 3, 200, share=True)
    (batch,) = shared.batches(made)
    assert batch.shared == 12 and batch.tokens == sum(map(len, made)) - 4 * 12
    alone, wanted = losses_and_gradients(model, Layout(1, 3), made)
    once, got = losses_and_gradients(model, shared, made)
    assert once == pytest.approx(alone, rel=1e-5)
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def dropless(family: str) -> dict[str, float]:
    return {"resid_pdrop": 0.0, "embd_pdrop": 0.0} if family == "gpt2" else {}


def test_common_start_ends_before_what_predicts_a_trained_token() -> None:
    ids = tuple(range(10))
    trained = [tuple(i >= n for i in range(10)) for n in (4, 6)]
    assert common_start([Example(ids, trained[0]), Example(ids, trained[1])]) == 3
    other = (*ids[:2], 77, *ids[3:])
    assert common_start([Example(ids, trained[0]), Example(other, trained[1])]) == 2
    assert common_start([Example(ids, trained[0])]) == 0
    assert common_start([Example(ids, (True,) * 10), Example(ids, trained[0])]) == 0


def test_summed_loss_is_what_transformers_computes() -> None:
    model = small_model("llama")
    (batch,) = Layout(4, 3).batches(examples([9, 40, 17]))
    loss, count = summed_loss(model, batch)
    theirs = model(input_ids=batch.ids, attention_mask=batch.attend, labels=batch.labels).loss
    assert loss.item() / count == pytest.approx(theirs.item(), rel=1e-5)


def test_summed_loss_of_an_encoder_decoder_is_what_transformers_computes() -> None:
    model = small_model("t5")
    (batch,) = Layout(4, 3).batches(examples([9, 12, 5], source=20))
    loss, count = summed_loss(model, batch)
    theirs = model(input_ids=batch.source, attention_mask=batch.source_attend, labels=batch.labels).loss
    assert count == 26 == batch.trained
    assert loss.item() / count == pytest.approx(theirs.item(), rel=1e-5)


def test_can_pack_refuses_short_windows_and_unknown_families() -> None:
    assert not can_pack(small_model("mistral", sliding_window=16), 17)
    assert can_pack(small_model("mistral", sliding_window=16), 16)
    assert not can_pack(small_model("t5"), 8)


def test_packing_puts_the_models_own_attention_back() -> None:
    model = small_model("llama")
    before = model.config._attn_implementation
    with packing(model):
        assert model.config._attn_implementation != before
    assert model.config._attn_implementation == before
