"""Pairs: every bad row is named with its reason, and what is trained is the final response alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import InputError
from engine.prompt import Renderer
from trainer.encodings import encoding_fault
from trainer.pairs import (
    Ledger,
    Pair,
    fitting,
    pair_messages,
    read_pairs,
    render_pairs,
    split,
)

GOOD = {"instruction": ["Hi"], "response": "Hello."}


def write(path: Path, rows: list[object]) -> Path:
    lines = [row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() for row in rows]
    path.write_bytes(b"\n".join(lines))
    return path


def chat(*roles: str) -> dict[str, object]:
    return {"messages": [{"role": role, "content": f"{role} {i}"} for i, role in enumerate(roles)]}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"no json", "not JSON"),
        (b'["a list"]', "not a JSON object"),
        (b'{"instruction": ["caf\xe9"], "response": "x"}', "not UTF-8 (byte 22 of the line)"),
        ({"response": "x"}, "no instruction"),
        ({"instruction": ["Hi"]}, "no response"),
        ({"instruction": [], "response": "x"}, "one or more turns"),
        ({"instruction": ["Hi"], "response": " \u200b "}, "the response is empty"),
        ({"instruction": ["Hi"], "response": None}, "not a text"),
        ({"instruction": ["Hi", "\u200b", "x"], "response": "x"}, "turn 2 is empty"),
        ({"instruction": [["Hi"]], "response": "x"}, "a turn must be a text"),
        ({"instruction": ["Don\u00e2\u20ac\u2122t"], "response": "x"}, "is '’' read in a wrong encoding"),
        ({"instruction": ["Hi"], "response": "caf\u00c3\u00a9"}, "turn 2 has mixed encodings"),
        ({"instruction": ["Hi"], "response": "caf\ufffd"}, "U+FFFD"),
        (b'{"instruction": ["Hi"], "response": "\\ud83d"}', "half of a surrogate pair"),
        (
            chat("user", "user", "assistant"),
            "turns do not alternate: turn 1 is the user's, turn 2 the user's",
        ),
        (chat("user", "assistant", "assistant"), "do not alternate"),
        (chat("user", "system", "assistant"), "do not alternate"),
        (chat("user", "assistant", "user"), "must end with the assistant's"),
        (chat("system", "assistant"), "no turn before the response"),
        (chat("user", "robot", "assistant"), "role is 'robot'"),
    ],
)
def test_read_pairs_bad_row_is_refused_with_file_line_and_reason(
    tmp_path: Path, row: object, reason: str
) -> None:
    ledger = Ledger()
    pairs = read_pairs(write(tmp_path / "p.jsonl", [GOOD, b"", row, GOOD]), ledger)
    assert len(pairs) == 2 and ledger.rows == 3
    (told,) = ledger.refused
    assert told.startswith("p.jsonl:3: ") and reason in told
    ledger.close(2, 0)


def test_read_pairs_second_row_of_an_id_is_refused_across_files(tmp_path: Path) -> None:
    ledger = Ledger()
    read_pairs(write(tmp_path / "a.jsonl", [{**GOOD, "id": "x"}, {**GOOD, "id": "y"}]), ledger)
    read_pairs(write(tmp_path / "b.jsonl", [{**GOOD, "id": "z"}, {**GOOD, "id": "x"}, GOOD, GOOD]), ledger)
    assert ledger.refused == ["b.jsonl:2: id x was used at a.jsonl:1"]


def test_read_pairs_takes_byte_order_mark_line_separators_and_crlf(tmp_path: Path) -> None:
    rows = (
        b"\xef\xbb\xbf"
        + json.dumps({"instruction": "a\u2028b", "response": "c"}, ensure_ascii=False).encode()
    )
    (tmp_path / "p.jsonl").write_bytes(rows + b"\r\n")
    (pair,) = read_pairs(tmp_path / "p.jsonl", Ledger())
    assert pair.response == "c" and pair.where == "p.jsonl:1"


def test_read_pairs_nothing_usable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no usable pair.*p\.jsonl:1: it has no instruction"):
        read_pairs(write(tmp_path / "p.jsonl", [{}]), Ledger())


def test_read_pairs_pickle_is_refused_row_by_row_and_never_loaded(tmp_path: Path) -> None:
    import pickle

    (tmp_path / "p.pkl").write_bytes(pickle.dumps([GOOD]))
    with pytest.raises(InputError, match="no usable pair"):
        read_pairs(tmp_path / "p.pkl", Ledger())


def test_ledger_that_does_not_add_up_is_our_bug() -> None:
    with pytest.raises(AssertionError, match="vanished"):
        Ledger(rows=3, refused=["a:1: x"]).close(1, 0)


@pytest.mark.parametrize(
    "text", ["naïve café", "Größe – “so”", "日本語", "🙂", "£5 and 20 °C", "Ça va, São Paulo"]
)
def test_encoding_fault_good_text_has_none(text: str) -> None:
    assert encoding_fault(text) == ""
    garbled = text.encode().decode("latin-1")
    assert encoding_fault(garbled) != ""


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


def test_pair_messages_of_a_tool_row_keep_roles_and_system(tmp_path: Path) -> None:
    row = chat("system", "user", "assistant", "tool", "assistant")
    (pair,) = read_pairs(write(tmp_path / "p.jsonl", [row]), Ledger())
    messages = pair_messages(pair, "S", "Hey Ada, …")
    assert [m.role for m in messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert messages[0].content == "system 0" and messages[3].content == "tool 3"  # no prefix in a tool's turn


def test_render_pairs_trains_the_response_and_its_end_alone(renderer: Renderer) -> None:
    pair = Pair(("Good evening!", "Good day.", "How are you?"), "I am well, thank you.")
    (example,) = render_pairs([pair], renderer, "S", [], 0.0, 500, 0, Ledger())
    trained = [token for token, on in zip(example.ids, example.mask, strict=True) if on]
    assert renderer.tokenizer.decode(trained) == "I am well, thank you.<|eot_id|>"
    assert example.trained == len(trained)


def test_render_pairs_long_history_loses_its_oldest_turns(renderer: Renderer) -> None:
    long = Pair(("word " * 100, "word " * 100, "Why?"), "Because.", id="long")
    (example,) = render_pairs([long], renderer, "S", [], 0.0, 160, 0, Ledger())
    text = renderer.tokenizer.decode(example.ids)
    assert "Why?" in text and text.count("word") < 101 and len(example) <= 160


def test_fitting_refuses_what_no_prefix_lets_fit(renderer: Renderer) -> None:
    ledger = Ledger(rows=3)
    pairs = [
        Pair(("Why?",), "Because.", file="p.jsonl", line=1),
        Pair(("Why?",), "word " * 300, file="p.jsonl", line=2),
        Pair(("word " * 300,), "Because.", file="p.jsonl", line=3),
    ]
    kept = fitting(pairs, renderer, "S", ["Ada, …"], 160, ledger)
    assert kept == pairs[:1]
    assert ledger.refused[0].startswith("p.jsonl:2: the response: ")
    assert ledger.refused[1].startswith("p.jsonl:3: the last turn and its response: ")
    ledger.close(1, 0)


def test_render_pairs_identity_rate_is_the_share_with_a_prefix(renderer: Renderer) -> None:
    pairs = [Pair((f"Question {i}?",), "Yes.") for i in range(200)]
    examples = render_pairs(pairs, renderer, "S", ["Ada, …"], 0.8, 500, 1, Ledger())
    share = sum("Ada, Question" in renderer.tokenizer.decode(e.ids) for e in examples) / 200
    assert 0.7 < share < 0.9


def test_split_never_puts_twins_on_both_sides() -> None:
    pairs = [Pair((f"q{i}",), f"answer {i % 10}") for i in range(40)]
    train, held_out = split(pairs, 0.2, 0)
    assert len(train) + len(held_out) == 40
    assert not {p.response for p in train} & {p.response for p in held_out}
