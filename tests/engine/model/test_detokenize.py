"""Text deltas never end inside a character, and add up to the whole text."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.model.detokenize import Detokenizer
from engine.model.load import load_tokenizer
from tests.engine.model.conftest import Tiny


@pytest.fixture(scope="module")
def tokenizer(tiny: Tiny) -> Any:
    return load_tokenizer(str(tiny.model))


def stream(tokenizer: Any, ids: list[int]) -> list[str]:
    text = Detokenizer(tokenizer)
    return [*(text.push(token) for token in ids), text.flush()]


@pytest.mark.parametrize(
    "text", ["The river runs.", " two  spaces\n\n", "naïve 😀 日本語 👩‍👩‍👧 שלום", "e\u0301"]
)
def test_detokenizer_deltas_add_up_to_the_text(tokenizer: Any, text: str) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    deltas = stream(tokenizer, ids)
    assert "".join(deltas) == text
    assert all("\ufffd" not in delta for delta in deltas)


def test_detokenizer_special_tokens_leave_no_text(tokenizer: Any) -> None:
    ids = tokenizer("The<|eot_id|> river<|start_header_id|>", add_special_tokens=False)["input_ids"]
    assert "".join(stream(tokenizer, ids)) == "The river"


def test_detokenizer_incomplete_character_at_the_end_is_dropped(tokenizer: Any) -> None:
    ids = tokenizer("ok 😀", add_special_tokens=False)["input_ids"]
    assert "".join(stream(tokenizer, ids[:-1])) == "ok "


def test_detokenizer_replacement_character_of_the_model_is_kept(tokenizer: Any) -> None:
    ids = tokenizer("a\ufffdb", add_special_tokens=False)["input_ids"]
    assert "".join(stream(tokenizer, ids)) == "a\ufffdb"


def test_detokenizer_random_tokens_equal_whole_decoding(tokenizer: Any) -> None:
    """Rubbish bytes, as an untrained model writes them: same text, and no endless holding back."""
    rng = random.Random(0)
    for _ in range(50):
        ids = [rng.randrange(4, 300) for _ in range(40)]
        whole = tokenizer.decode(ids, skip_special_tokens=True)
        deltas = stream(tokenizer, ids)
        assert "".join(deltas).replace("\ufffd", "") == whole.replace("\ufffd", "")
        gaps = "".join("." if delta else "_" for delta in deltas[:-1])
        assert "_" * 10 not in gaps
