"""A log into source-attributed answers; reading logs; task shares; both rates of rag-test."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tiny import make_tiny_adapter, make_tiny_model

from bot.cli import main
from engine.prompt import grounded_question
from engine.types import Passage
from trainer.grounded_rows import BadRow, LogRow, cited, log_row, read_log, split_context
from trainer.rag_eval import judge, rates, read_cases
from trainer.ragdata import RagLedger, attributed, quality, rag_rows
from trainer.tasks import RECIPES, TASKS, analyze_tasks, score_tasks

ROOT = Path(__file__).parents[2]
BRIDGE = Passage(
    "The Harlow Bridge opens to traffic on 12 December, nine days late.",
    "Harlow Bridge opening moved",
    published_at=datetime(2026, 11, 20, tzinfo=UTC),
)
TOLL = Passage(
    "Councillors voted against a toll on the Harlow Bridge by eleven votes to four.", "No toll: council"
)
QUESTION = "When does the Harlow Bridge open?"
ANSWER = "The Harlow Bridge opens to traffic on 12 December. Councillors voted against a toll."


def row(**changes: Any) -> LogRow:
    return LogRow(**{"question": QUESTION, "answer": ANSWER, "passages": (BRIDGE, TOLL), **changes})


# --- reading ---------------------------------------------------------------------------------


def test_split_context_gives_back_what_the_engine_put_in() -> None:
    passages, question = split_context(grounded_question((BRIDGE, TOLL), QUESTION))
    assert question == QUESTION
    assert [(p.title, p.text, p.published_at) for p in passages] == [
        (BRIDGE.title, BRIDGE.text, BRIDGE.published_at),
        ("No toll", f"council: {TOLL.text}", None),  # without a date the first colon ends the title
    ]
    assert split_context("Context: none") == ((), "Context: none")


def test_split_context_gives_back_what_a_reader_had_found() -> None:
    read = (replace(BRIDGE, found="12; December"), replace(TOLL, found=""))
    passages, question = split_context(grounded_question(read, QUESTION))
    assert question == QUESTION
    assert [p.found for p in passages] == ["12; December", ""]
    assert grounded_question(passages, question) == grounded_question(read, QUESTION)


def test_log_row_three_kinds_are_read_alike() -> None:
    asked = grounded_question((BRIDGE,), QUESTION)
    pair = log_row({"instruction": ["Hi", "Hello", asked], "response": ANSWER, "source": "s", "id": "1"})
    chat = log_row({"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": asked},
                                 {"role": "assistant", "content": ANSWER}]})  # fmt: skip
    source = {"title": BRIDGE.title, "text": BRIDGE.text, "date": "2026-11-20"}
    own = log_row({"question": QUESTION, "answer": ANSWER, "sources": [source], "rating": "up"})
    assert pair.earlier == ("Hi", "Hello") and own.rating == "up"
    for read in (pair, chat, own):
        assert (read.question, read.answer, read.passages) == (QUESTION, ANSWER, (BRIDGE,))


@pytest.mark.parametrize(
    "line", ["[]", "{", '{"question": ""}', '{"messages": []}', '{"instruction": ["a"]}']
)
def test_read_log_bad_row_is_named_by_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"question": "a", "answer": "b"}) + "\n" + line + "\n", "utf-8")
    good, bad = read_log([path])
    assert isinstance(good, LogRow) and isinstance(bad, BadRow) and bad.where == "log.jsonl:2"


# --- answers ---------------------------------------------------------------------------------


def test_attributed_names_title_date_and_further_source_and_keeps_the_words() -> None:
    assert attributed(ANSWER, (BRIDGE, TOLL)) == (
        "According to Harlow Bridge opening moved (2026-11-20), the Harlow Bridge opens to traffic on "
        "12 December [1]. Councillors voted against a toll [2]."
    )


@pytest.mark.parametrize(
    "answer",
    [
        "On 12 December the bridge opens to traffic [1].",
        "Harlow Bridge opening moved says that it opens to traffic on 12 December.",
    ],
)
def test_attributed_answer_that_names_its_source_stays(answer: str) -> None:
    assert attributed(answer, (BRIDGE, TOLL)) == answer


def test_attributed_name_is_not_lowered_and_code_is_left_alone() -> None:
    answer = "Councillors voted against a toll.\n```\ntoll opens traffic bridge.\n```"
    out = attributed(answer, (BRIDGE, TOLL))
    assert out.startswith("According to No toll: council, Councillors voted") and out.endswith("bridge.\n```")


def test_attributed_without_support_is_nothing() -> None:
    assert attributed("Cats sleep all day long.", (BRIDGE, TOLL)) == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"passages": ()}, "not grounded in passages"),
        ({"rating": "down"}, "rated down"),
        ({"retried": True}, "retried"),
        ({"answer": "I don't know when the Harlow Bridge opens to traffic."}, "a refusal"),
        ({"answer": "yes"}, "score below 0.5"),
        ({"answer": "yes", "rating": "up"}, "no passage supports it"),
        ({"answer": ""}, "no answer"),
    ],
)
def test_rag_rows_unfit_row_is_dropped_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    ledger = RagLedger()
    assert list(rag_rows([row(**changes)], ledger, 0.5)) == []
    assert dict(ledger.dropped) == {reason: 1}


def test_rag_rows_every_row_is_counted_and_twins_go_once() -> None:
    ledger = RagLedger()
    made = list(rag_rows([row(), row(), row(rating="down"), BadRow("x:1", "bad")], ledger, 0.5))
    assert len(made) == ledger.kept == 1
    assert ledger.rows == 4 == ledger.kept + ledger.dropped.total() + len(ledger.refused)


def test_quality_supported_answer_beats_unsupported() -> None:
    assert quality(row()) > 0.9 > 0.5 > quality(row(answer="Cats sleep all day long in winter gardens."))


def test_rag_data_command_writes_pairs_and_chat_that_are_read_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.jsonl"
    asked = grounded_question((BRIDGE, TOLL), QUESTION)
    pair = {"instruction": ["Hi", "Hello", asked], "response": ANSWER, "source": "c", "id": "c-1"}
    log.write_text(
        json.dumps(pair) + "\n" + json.dumps({"question": "Hi", "answer": "Hello"}) + "\n", "utf-8"
    )
    out, chat = tmp_path / "pairs.jsonl", tmp_path / "chat.jsonl"
    assert main(["train", "rag-data", str(log), "--out", str(out), "--chat", str(chat), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["rows"], report["kept"], report["dropped"]) == (2, 1, {"not grounded in passages": 1})
    (written,) = read_log([out])
    assert isinstance(written, LogRow) and written.answer.startswith("According to")
    assert [m["role"] for m in json.loads(chat.read_text("utf-8"))["messages"]] == [
        "user", "assistant", "user", "assistant",
    ]  # fmt: skip


# --- tasks -----------------------------------------------------------------------------------

LABELLED: list[tuple[str, str, str]] = [
    ("rag_enhanced", "When does the museum close?", "According to the visitor guide, it closes at six [1]."),
    (
        "rag_enhanced",
        "Who runs the ferry now?",
        "Based on the article, Ilse Moran has run it since 1998 [2].",
    ),
    ("rag_enhanced", "What did the council decide?", "The document says there will be no toll [1]."),
    (
        "technical_implementation",
        "How do I install Docker on Ubuntu?",
        "1. Add the repository.\n2. Install it.",
    ),
    (
        "technical_implementation",
        "How can I configure nginx for TLS?",
        "Put the certificate into the server.",
    ),
    ("technical_implementation", "How do I set up a webhook to our server?", "Open the port first."),
    ("technical_implementation", "Steps to migrate a Postgres database?", "1. Dump it.\n2. Restore it."),
    ("technical_implementation", "How should we back up the database every night?", "With a cron job."),
    ("technical_implementation", "How to mount a disk on a Raspberry Pi", "Run sudo mount with the device."),
    ("ai_ml_education", "What is overfitting in machine learning?", "When a model learns its training data."),
    ("ai_ml_education", "Explain gradient descent to me", "It follows the gradient of the loss function."),
    (
        "ai_ml_education",
        "What is the difference between LoRA and full fine-tuning?",
        "LoRA trains few weights.",
    ),
    ("ai_ml_education", "How does attention work in transformers?", "Every token looks at the others."),
    (
        "ai_ml_education",
        "Why do neural networks need an activation?",
        "Without one they stay linear; see dropout.",
    ),
    ("ai_ml_education", "Can embeddings from two language models be compared?", "Not directly."),
    ("conversational_chat", "Good morning! How are you?", "I am well, thank you."),
    ("conversational_chat", "Tell me a joke", "A steamboat walks into a bar."),
    ("conversational_chat", "I'm so tired of this rain", "So is the river."),
    ("conversational_chat", "Do you like cats?", "More than I like most men."),
    ("conversational_chat", "Thanks, that helped", "You are welcome."),
    ("conversational_chat", "What do you think of fame?", "It is a vapor."),
    ("conversational_chat", "My dog ran away yesterday", "I am sorry to hear it."),
    ("conversational_chat", "Which colour suits a boat?", "White, until it sails."),
    (
        "code_generation",
        "Write a Python function that reverses a list",
        "```python\ndef f(x): return x[::-1]\n```",
    ),
    (
        "code_generation",
        "Can you generate a SQL query for the last ten orders?",
        "SELECT * FROM orders LIMIT 10",
    ),
    ("code_generation", "Fix this script, please: for i in range(10) print(i)", "```python\nprint(1)\n```"),
    ("code_generation", "Implement a class for a stack in JavaScript", "class Stack {\n}"),
    ("code_generation", "Give me a regex for dates", r"Use `\d{4}-\d{2}-\d{2}`."),
]


def test_score_tasks_labelled_exchanges_are_told_apart() -> None:
    wrong = [(task, q) for task, q, a in LABELLED if score_tasks(LogRow(q, a)).main != task]
    assert not wrong


def test_analyze_tasks_shares_add_up_and_primary_has_a_shipped_recipe() -> None:
    rows = [LogRow(q, a) for _, q, a in LABELLED] + [row()] * 12
    report = analyze_tasks(rows)
    assert report["primary"] == "rag_enhanced" and report["recipe"] == "rag-tuned"
    assert sum(part["share"] for part in report["tasks"].values()) == pytest.approx(1.0, abs=0.001)
    assert set(report["tasks"]) == set(TASKS) == set(RECIPES)
    shares = [part["share"] for part in report["tasks"].values()]
    assert shares == sorted(shares, reverse=True)
    for recipe, _ in RECIPES.values():
        assert (ROOT / "trainer" / "configs" / f"{recipe}.toml").is_file()


def test_tasks_command_prints_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for _, q, a in LABELLED), "utf-8")
    assert main(["train", "tasks", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == len(LABELLED)


# --- the test of context use and attribution --------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "used", "named"),
    [
        ("According to Harlow Bridge opening moved, on 12 December.", True, (1,)),
        ("It opens on the twelfth, they voted by eleven [2].", True, (2,)),
        ("Nobody knows when the Harlow Bridge will open [7].", False, ()),
    ],
)
def test_judge_reply_use_and_attribution_are_apart(reply: str, used: bool, named: tuple[int, ...]) -> None:
    judged = judge(row(), reply)
    assert (judged.used, judged.cited) == (used, named)


def test_judge_expect_decides_where_a_case_has_one() -> None:
    case = row(expect=(r"12\s+December|December 12",))
    assert judge(case, "On December 12.").used and not judge(case, "Traffic opens nine days late.").used


def test_cited_part_of_a_title_or_wrong_number_is_none() -> None:
    assert cited("Harlow Bridge opening moves [3] [0]", (BRIDGE, TOLL)) == set()


def test_rates_goals_are_exceeded_not_met() -> None:
    good, bare = judge(row(), "12 December, traffic [1]"), judge(row(), "12 December, traffic")
    assert rates([good] * 9 + [bare])["passed"] is False  # 90 % is not over 90 %
    assert rates([good] * 10)["passed"] is True and rates([])["passed"] is False


def test_rag_test_shipped_cases_hold_their_answers() -> None:
    from trainer.rag_eval import CASES

    cases = read_cases(CASES)
    assert len(cases) >= 30 and all(case.expect and case.passages for case in cases)


def test_rag_test_command_asks_the_engine_with_the_named_adapter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = make_tiny_model(tmp_path / "model")
    make_tiny_adapter(model, tmp_path / "grounded", "grounded")
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "persona.toml").write_text(
        'id = "ada"\nname = "Ada"\nsystem_prompt = "You are Ada."\ndisclosure = "An AI."\n', "utf-8"
    )
    config = tmp_path / "config.toml"
    config.write_text(
        'persona = "ada"\n[profiles.starter]\nmodel = "model"\ndevice = "cpu"\ndtype = "float32"\n'
        "context_tokens = 400\n[sampling]\nmax_new_tokens = 6\n[analyzer]\nmax_query_tokens = 16\n", "utf-8",
    )  # fmt: skip
    cases, out = tmp_path / "cases.jsonl", tmp_path / "out.jsonl"
    source = {"title": BRIDGE.title, "text": BRIDGE.text}
    cases.write_text((json.dumps({"question": QUESTION, "sources": [source]}) + "\n") * 3, "utf-8")
    command = ["train", "rag-test", str(cases), "--adapter", str(tmp_path / "grounded")]
    assert main(["--config", str(config), *command, "--out", str(out), "--limit", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["cases"] == 2 and report["stack"] == {"grounded": 1.0} and not report["passed"]
    assert len(out.read_text("utf-8").splitlines()) == 2
