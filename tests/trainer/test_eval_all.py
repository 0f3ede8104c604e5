"""`eval all` over a tiny model and a corpus of a few rows: every table is filled, and lands in the card."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from eval_tiny import make_project

from bot.cli import main
from trainer.evaluation import prose, style, xquad
from trainer.evaluation.outcome import Outcome
from trainer.evaluation.report import BEGIN, END, put_into_card, tables
from trainer.evaluation.stacks import endings


def _xz(path: Path, rows: list[dict[str, Any]]) -> None:
    with lzma.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def _prose_rows(author: str, words: str, n: int = 400) -> list[dict[str, Any]]:
    text = " ".join([words] * 12)
    return [
        {"author": author, "title": f"Book {i % 9} of {author}", "text": f"Part {i} of {author}.\n{text}"}
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    rows = [
        {
            "source": "xquad_en",
            "task": "grounded_qa",
            "context": ["The cat sat.", f"The dog ran {i} miles."],
            "messages": [
                {"role": "user", "content": "How far did the dog run?"},
                {"role": "assistant", "content": f"{i} miles [2]"},
            ],
        }
        for i in range(3)
    ]
    _xz(root / xquad.FILE, rows)
    _xz(root / f"{style.OWN}.jsonl.xz", _prose_rows("Ada", "I reckon the loom is a considerable humbug."))
    _xz(root / f"{style.OTHERS}.jsonl.xz", _prose_rows("Bea", "The rabbit hopped over the meadow with joy."))
    return root


def test_eval_all_writes_one_object_the_tables_and_every_generation(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    project, out, card = make_project(tmp_path / "project"), tmp_path / "out", tmp_path / "card.md"
    card.write_text("# Card\n", encoding="utf-8")
    command = ["--config", str(project), "eval", "all", "--corpus", str(folder), "--limit", "1", "--json"]
    assert main([*command, "--out", str(out), "--card", str(card)]) == 0
    report = json.loads(capfd.readouterr().out)
    assert json.loads((out / "eval.json").read_text(encoding="utf-8")) == report
    assert {n for s in report["sets"].values() for n in [s["n"]]} == {1} and len(report["sets"]) == 9
    assert set(report["persona_stacks"]) == {"base", "identity", "style", "both"}
    assert report["xquad"]["n"] == 1 and report["endings"]["n"] == 1
    assert report["prose"]["bits_per_byte"] > 0 and report["prose"]["ngram_bits_per_byte"] > 0
    assert report["style_classifier"]["accuracy"] > 0.9
    assert report["persona_stacks"]["base"]["perplexity"] is None  # the tiny persona has no pairs
    text = (out / "eval.md").read_text(encoding="utf-8")
    for words in ("| skill |", "bits per byte", "| ada | base | identity | style | both |", "XQuAD"):
        assert words in text
    assert card.read_text(encoding="utf-8") == f"# Card\n\n{BEGIN}\n{text.strip()}\n{END}\n"
    names = {p.name for p in out.glob("*.jsonl")}
    assert {"grounded_natural.jsonl", "xquad.jsonl", "persona_both.jsonl", "smalltalk_natural.jsonl"} <= names


def test_eval_all_corpus_without_files_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project(tmp_path / "project")
    command = ["--config", str(project), "eval", "all", "--corpus", str(tmp_path), "--json"]
    assert main(command) == 1
    assert "--corpus" in json.loads(capsys.readouterr().out)["error"]


def test_put_into_card_second_time_replaces_the_first(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text("# Card\n", encoding="utf-8")
    put_into_card(card, "one")
    card.write_text(card.read_text(encoding="utf-8") + "\nLast words.\n", encoding="utf-8")
    put_into_card(card, "two")
    assert card.read_text(encoding="utf-8") == f"# Card\n\n{BEGIN}\ntwo\n{END}\nLast words.\n"


def test_endings_cut_off_long_looping_and_empty_replies_are_not_proper() -> None:
    def reply(text: str, finish: str = "stop", tokens: int = 9) -> Outcome:
        return Outcome(True, "pass", text, finish=finish, new_tokens=tokens)

    got = endings(
        [
            reply("A fine day to you."),
            reply("A fine day to", "length", 200),
            reply("on and on we go on and on we go on and on we go"),
            reply(""),
        ]
    )
    assert got["proper_rate"] == 0.25 and got["ended"] == 0.5 and got["short"] == 0.75
    assert got["no_loop"] == 0.75


def test_prose_held_out_windows_come_only_from_rows_that_training_leaves(folder: Path, renderer: Any) -> None:
    text = prose.held_out(folder, style.OWN, renderer, None)
    assert text.windows and text.size_bytes > 0
    for window in text.windows:
        assert window[0] == prose.start_id(renderer) and len(window) <= prose.WINDOW
    trained = {w[1:30] for w in prose.training_windows(folder, renderer, 10**9)}
    assert trained and not trained & {w[1:30] for w in text.windows}


def test_prose_bytes_are_those_of_the_windows(folder: Path, renderer: Any) -> None:
    text = prose.held_out(folder, style.OWN, renderer, None)
    decoded = "".join(renderer.tokenizer.decode(w[1:]) for w in text.windows)
    assert len(decoded.encode()) == text.size_bytes


def test_xquad_questions_are_those_with_an_answer_and_their_passage(folder: Path) -> None:
    found = xquad.read_questions(folder / xquad.FILE, None, 0)
    for seed in range(9):  # the few words that people gave, never the sentence around them
        assert xquad.read_questions(folder / xquad.FILE, None, seed) == found
    assert len(found) == 3 and all("miles" in q.passage.text for q in found)
    assert len(xquad.read_questions(folder / xquad.FILE, 2, 0)) == 2


def test_style_without_the_authors_rows_trains_nothing(folder: Path) -> None:
    assert style.train(folder, "Nobody") is None


def test_style_books_that_hold_a_line_of_the_personas_are_left_out(folder: Path) -> None:
    every = style.train(folder, "Ada")
    assert every and every[1]["accuracy"] > 0.9 and "own_talk" not in every[1]
    assert style.train(folder, "Ada", ["Nobody ever asked the loom for its humbug."]) is not None
    assert style.train(folder, "Ada", ["I reckon the loom is a considerable humbug."]) is None


def test_style_speeches_of_books_that_were_read_are_not_judged(folder: Path, tmp_path: Path) -> None:
    for name in (style.OWN, style.OTHERS):
        (tmp_path / f"{name}.jsonl.xz").write_bytes((folder / f"{name}.jsonl.xz").read_bytes())
    said = {
        "Ada": "I reckon the loom is a considerable humbug.",
        "Bea": "The rabbit hopped over the meadow with joy.",
    }
    titles = ("Unread by", *(f"Book {i} of" for i in range(9)))
    rows = [
        {"author": who, "title": f"{title} {who}", "messages": [{"role": "assistant", "content": text}]}
        for who, text in said.items()
        for title in titles
    ]
    _xz(tmp_path / f"{style.TALK}.jsonl.xz", rows)
    trained = style.train(tmp_path, "Ada")
    assert trained
    unread = [t for t in titles if t == "Unread by" or style.tested(f"Ada: {t} Ada")]
    assert trained[1]["own_talk"] == 1.0 and trained[1]["others_talk"] == 0.0
    assert trained[1]["n_own_talk"] == len(unread) < len(titles)


def test_tables_without_a_corpus_say_what_is_missing() -> None:
    n = {"name": 1, "style": 1, "pairs": 0, "grounded": 1, "conflicts": 1}
    row = {"name_given": 1.0, "style_rate": None, "lexicon_rate": 0.0, "perplexity": None}
    report = {
        "model": "m", "model_hash": "h", "stack": {}, "persona": "ada", "decoding": "greedy", "sets": {},
        "endings": None, "xquad": None, "prose": None, "style_classifier": None,
        "persona_stacks": {"base": {**row, "grounded": 0.5, "fresh_rate": 0.5, "n": n}},
    }  # fmt: skip
    text = tables(report)
    assert "Style needs --corpus." in text and "| perplexity on held-out pairs | – |" in text


def test_tables_tell_what_the_model_does_without_the_reader() -> None:
    numbers = {"pass_rate": 0.5, "n": 4, "by_kind": {"absent": {"right": 0.75, "n": 4}}}
    unread = {"pass_rate": 0.25, "n": 4, "by_kind": {"absent": {"right": 0.25, "n": 4}}}
    report = {
        "model": "m",
        "model_hash": "0",
        "stack": {},
        "persona": "ada",
        "decoding": "greedy",
        "sets": {"grounded_held_out": numbers},
        "xquad": {"f1": 0.6, "n": 9},
        "without_reader": {"sets": {"grounded_held_out": unread}, "xquad": {"f1": 0.3, "n": 9}},
    }
    text = tables(report)
    assert "| answer absent: says so | 75.0 % | 25.0 % | 4 |" in text
    assert "F1 | 60.0 | 30.0 | 9 |" in text
