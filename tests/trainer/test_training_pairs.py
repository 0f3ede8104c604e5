"""Pairs: every bad row is named, and what is trained is the final response alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.prompt import Renderer
from trainer.pairs import Ledger, Pair, pair_messages, read_pairs, render_pairs


def write(path: Path, rows: list[object]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_read_pairs_counts_in_equal_counts_out(tmp_path: Path) -> None:
    good = {"instruction": ["Hi"], "response": "Hello."}
    bad = [
        "no json",
        {"instruction": [], "response": "x"},
        {"instruction": ["Hi"], "response": "  "},
        {"instruction": ["Hi", "\u200b"], "response": "x"},
        {"response": "x"},
    ]
    ledger = Ledger()
    pairs = read_pairs(write(tmp_path / "p.jsonl", [good, *bad, good]), ledger)
    assert len(pairs) == 2 and ledger.rows == 7 and len(ledger.refused) == 5
    assert "p.jsonl:2:" in ledger.refused[0] and "response is empty" in ledger.refused[2]


def test_read_pairs_nothing_usable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no usable pair"):
        read_pairs(write(tmp_path / "p.jsonl", ["{}"]), Ledger())


def test_pair_messages_roles_alternate_back_from_the_last_user_turn() -> None:
    pair = Pair(("a", "b", "c", "d"), "e")
    messages = pair_messages(pair, "S", "Hey Ada, …")
    assert [(m.role, m.content) for m in messages] == [
        ("system", "S"),
        ("user", "b"),
        ("assistant", "c"),
        ("user", "Hey Ada, d"),
        ("assistant", "e"),
    ]
    assert [m.trained for m in messages] == [False] * 4 + [True]


def test_render_pairs_long_history_loses_its_oldest_turns(renderer: Renderer) -> None:
    ledger = Ledger()
    long = Pair(("word " * 100, "word " * 100, "Why?"), "Because.", id="long")
    endless = Pair(("Why?",), "word " * 300, id="endless")
    (example,) = render_pairs([long, endless], renderer, "S", [], 0.0, 160, 0, ledger)
    text = renderer.tokenizer.decode(example.ids)
    assert "Why?" in text and text.count("word") < 101
    assert ledger.refused == ["endless: longer than 160 tokens"]


def test_render_pairs_identity_rate_is_the_share_with_a_prefix(renderer: Renderer) -> None:
    pairs = [Pair((f"Question {i}?",), "Yes.") for i in range(200)]
    examples = render_pairs(pairs, renderer, "S", ["Ada, …"], 0.8, 500, 1, Ledger())
    share = sum("Ada, Question" in renderer.tokenizer.decode(e.ids) for e in examples) / 200
    assert 0.7 < share < 0.9
