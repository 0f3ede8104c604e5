"""What the reader is trained on: spans that are where they are said to be, and passages that hold none."""

from __future__ import annotations

import json
import lzma
import random
from itertools import islice
from pathlib import Path

from trainer import corpus
from trainer.readings import best_sentence, news, people, placed, readings

PARAGRAPH = "The mill was built in 1901 by Torvald. In 1901 its wheel was lost. It is red."


def write_corpus(folder: Path, paragraphs: int = 150) -> None:
    """A SQuAD-like file: two questions each on many halls."""
    rows = []
    for n in range(paragraphs):
        text = f"Hall {n} opened in {1800 + n}. It was built by Ann Carter {n}. Trees stand around it."
        other = f"Pool {n} is blue. Nobody swims there."
        for q, a in (
            (f"When did hall {n} open?", str(1800 + n)),
            (f"Who built hall {n}?", f"Ann Carter {n}"),
        ):
            messages = [{"role": "user", "content": q}, {"role": "assistant", "content": f"{a} [2]"}]
            rows.append(
                {
                    "source": "squad_v1.1_part",
                    "task": "grounded_qa",
                    "context": [other, text],
                    "messages": messages,
                }
            )
    with lzma.open(folder / "grounded_squad_part.jsonl.xz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def test_placed_answer_is_found_in_its_own_sentence() -> None:
    told = "In 1901 its wheel was lost."
    one = placed("When was the wheel lost?", "Mill", PARAGRAPH, "1901", told)
    assert one and PARAGRAPH[one.start : one.end] == "1901" and one.start > PARAGRAPH.index("Torvald")


def test_placed_number_inside_a_longer_one_is_no_answer() -> None:
    assert placed("How many?", "Mill", "It has 1901 stones.", "190") is None


def test_best_sentence_shares_the_questions_words() -> None:
    assert best_sentence(PARAGRAPH, "When was the wheel lost?", "1901") == "In 1901 its wheel was lost."


def test_news_spans_stand_in_their_texts_and_many_passages_hold_none() -> None:
    rows = list(islice(news(random.Random(3)), 600))
    answered = [r for r in rows if r.end > r.start]
    assert 0.3 < len(answered) / len(rows) < 0.8
    assert all(r.text[r.start : r.end].strip() for r in answered)


def test_people_held_out_paragraphs_are_never_trained_on(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    training = {r.question for r in islice(people(tmp_path, random.Random(1)), 1500)}
    held_out = {r.question for r in islice(people(tmp_path, random.Random(1), held_out=True), 60)}
    assert held_out and training and not held_out & training


def test_people_withheld_sentence_leaves_nothing_to_find(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    rows = [r for r in islice(people(tmp_path, random.Random(2)), 800) if r.end == r.start]
    asked = {
        r["messages"][0]["content"]: corpus.asked_and_answered(r)[1]
        for r in corpus.rows(tmp_path / "grounded_squad_part.jsonl.xz")
    }
    known = [r for r in rows if r.question in asked]
    assert len(known) > 50
    assert not any(asked[r.question] in r.text for r in known)


def test_readings_same_seed_gives_the_same_rows(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    first, again = (list(islice(readings(tmp_path, random.Random(9)), 80)) for _ in range(2))
    assert first == again
