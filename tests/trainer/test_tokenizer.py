"""The starter tokenizer: any text survives, and the chat template is the one that is documented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.prompt import NO_RETRIEVE, RETRIEVE, Renderer
from engine.types import Message
from trainer.mixture import tokenizer_texts
from trainer.tokenizer import EOT, PAD, SPECIAL, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(tokenizer_texts(Path("/nowhere"), cases=400), 1500)


def test_tokenizer_any_text_survives_round_trip(tokenizer: Any) -> None:
    for text in ("Hello, world!", "naïve café — 3.14\n\n  two  spaces", "日本語 😀", "\t\x00end"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_tokenizer_digits_are_single_tokens(tokenizer: Any) -> None:
    tokens = tokenizer.tokenize("2026-11-20 1,234")
    assert all(sum(c.isdigit() for c in t) <= 1 for t in tokens)


def test_tokenizer_labels_differ_in_their_first_token(tokenizer: Any) -> None:
    first = [tokenizer(t, add_special_tokens=False)["input_ids"][0] for t in (RETRIEVE, NO_RETRIEVE)]
    assert first[0] != first[1]


def test_tokenizer_special_tokens_come_first_and_end_the_turn(tokenizer: Any) -> None:
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL)) == list(range(len(SPECIAL)))
    assert tokenizer.eos_token == EOT and tokenizer.pad_token == PAD
    assert tokenizer("hi")["input_ids"] == tokenizer("hi", add_special_tokens=False)["input_ids"]


def test_chat_template_renders_llama3_style(tokenizer: Any) -> None:
    rows = [{"role": "system", "content": " Be kind. "}, {"role": "user", "content": "Hi"}]
    assert tokenizer.apply_chat_template(rows, tokenize=False, add_generation_prompt=True) == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_renderer_mask_covers_exactly_the_answers_and_their_ends(tokenizer: Any) -> None:
    messages = (
        Message("system", "You are Kit."),
        Message("user", "Hi"),
        Message("assistant", "Hello!", trained=True),
        Message("user", "Bye"),
        Message("assistant", "See you."),
        Message("user", "Wait"),
        Message("assistant", "Yes?", trained=True),
    )
    done = Renderer(tokenizer).render(messages)
    trained = tokenizer.decode([i for i, m in zip(done.ids, done.mask, strict=True) if m])
    assert trained == f"Hello!{EOT}Yes?{EOT}"


def test_tokenizer_saved_and_loaded_renders_the_same(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    messages = (Message("user", "Hi"), Message("assistant", "Hello!", trained=True))
    assert Renderer(again).render(messages) == Renderer(tokenizer).render(messages)
    assert again.eos_token == EOT
