"""Rewrites that can be trusted, those that cannot, and what is searched instead."""

import pytest

from engine.query import about, asked_of, spelled_out, trusted
from engine.types import Turn

TURNS = (
    Turn("user", "Did the Orrin Dam burst?"),
    Turn("assistant", "Part of the Orrin Dam gave way. No one knows why."),
)


@pytest.mark.parametrize(
    ("message", "query"),
    [
        ("was anybody hurt", "Was anybody hurt at the Orrin Dam?"),
        ("When was it built?", "When was the Orrin Dam built?"),
        ("And the Lorne Dam?", "Did the Lorne Dam burst?"),
        ("who said so", "Who said that part of the Orrin Dam gave way?"),
        ("What is the capital of Peru?", "What is the capital of Peru?"),
        ("How many of them were there in 1990?", "How many dams were there in 1990?"),
    ],
)
def test_trusted_rewrites_that_say_what_was_asked(message: str, query: str) -> None:
    assert trusted(query, message, TURNS)


@pytest.mark.parametrize(
    ("message", "query"),
    [
        ("was anybody hurt", "Canada, what hurt?"),  # nobody said Canada
        ("When was it built?", "When was the Orrin Dam built in 1820?"),  # nor 1820
        ("And the Lorne Dam?", "Did the Orrin Dam burst?"),  # Lorne is lost
        ("And in 1990?", "Did the Orrin Dam burst?"),  # the year is lost
        ("When was it built?", "When was it built?"),  # the pronoun is left
        ("who built it", "How long has the Orrin how long has the Orrin Dam?"),  # a loop
    ],
)
def test_trusted_rewrites_that_made_up_lost_or_left_something(message: str, query: str) -> None:
    assert not trusted(query, message, TURNS)


def test_spelled_out_is_question_first_sentence_of_the_answer_and_message() -> None:
    said = spelled_out("was anybody hurt", TURNS)
    assert said == "Did the Orrin Dam burst? Part of the Orrin Dam gave way. was anybody hurt"


def test_spelled_out_goes_back_to_a_question_that_leans_on_nothing() -> None:
    turns = (*TURNS, Turn("user", "When was it built?"), Turn("assistant", "In 1820."))
    assert "Orrin Dam" in spelled_out("Who built it?", turns)
    assert "Orrin" not in spelled_out("Who swims there?", (*TURNS, Turn("user", "What is a quokka?")))


def test_spelled_out_long_turns_are_cut() -> None:
    assert len(spelled_out("And?", (Turn("user", "word " * 500),))) < 200


def test_asked_of_is_the_rewrite_or_the_message_alone() -> None:
    assert asked_of("Who built the Orrin Dam?", "Who built it?") == "Who built the Orrin Dam?"
    assert asked_of(spelled_out("Who built it?", TURNS), "Who  built it?") == "Who built it?"


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("Where were you born?", "Where was Ada born?"),
        ("What is your favourite book?", "What is Ada's favourite book?"),
        ("When did you die?", "When did Ada die?"),
        ("Do you smoke?", "does Ada smoke?"),
        ("How old were you when you were married?", "How old was Ada when Ada was married?"),
        ("Could you tell me when the dam burst?", "Could you tell me when the dam burst?"),
        ("Do you know who built the dam?", "Do you know who built the dam?"),
        ("When did the dam burst?", "When did the dam burst?"),
    ],
)
def test_about_names_the_one_who_is_asked(question: str, named: str) -> None:
    assert about(question, "Ada") == named
