"""Questions for anything that a sentence names: the answer stands in it, and the rest of the clause asks."""

from __future__ import annotations

import random

import pytest

from trainer.cloze import clozes


def asked(sentence: str, title: str = "") -> dict[str, set[str]]:
    """Questions by answer, over many draws."""
    found: dict[str, set[str]] = {}
    for seed in range(30):
        for q in clozes(sentence, title, random.Random(seed)):
            found.setdefault(q.span, set()).add(q.text)
    return found


@pytest.mark.parametrize(
    ("sentence", "span", "question"),
    [
        ("The mill was built in 1904 by the town.", "1904", "When was the mill built by the town?"),
        (
            "The fire killed about 40 people in town.",
            "about 40",
            "How many people did the fire kill in town?",
        ),
        (
            "The new bridge will cost $4 million a year.",
            "$4 million",
            "How much will the new bridge cost a year?",
        ),
        (
            "The oldest house stands in Selby by the river.",
            "Selby",
            "Where the oldest house stands by the river?",
        ),
        ("The prize of the year went to Ada Brook.", "Ada Brook", "Who did the prize of the year go to?"),
        ("The firm bought the Grand Hotel in spring.", "the Grand Hotel", "What did the firm buy in spring?"),
    ],
)
def test_each_kind_of_answer_is_asked_for(sentence: str, span: str, question: str) -> None:
    assert question in asked(sentence)[span]


def test_answer_stands_in_the_sentence_and_not_in_the_question() -> None:
    sentence = "In May 1921 Tom Hale of Leeds sold 300 of his 2,000 cows to the Bell Company for 40 pounds."
    found = asked(sentence)
    assert {"May 1921", "2,000", "the Bell Company", "40 pounds"} <= set(found)
    for span, questions in found.items():
        assert span in sentence
        assert all(span not in q for q in questions)


def test_a_name_that_describes_is_no_answer() -> None:
    found = asked("Aphrodite is the Greek goddess of love and beauty.")
    assert not any(span.removeprefix("the ") == "Greek" for span in found)


def test_a_pronoun_at_the_start_becomes_the_title() -> None:
    found = asked("She moved to York in 1921 with her sons.", "Ada Brook")
    assert any("Ada Brook" in q for q in found["1921"])


@pytest.mark.parametrize("sentence", ["Too short here.", "No full stop at the end of this one in 1921"])
def test_what_is_no_sentence_is_not_asked(sentence: str) -> None:
    assert not asked(sentence)
