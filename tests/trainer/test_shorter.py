"""Questions in fewer words."""

import random

import pytest

from trainer.shorter import shorter


@pytest.mark.parametrize(
    ("question", "short"),
    [
        ("Who extinguished the blaze after an hour and a half?", "Who extinguished the blaze?"),
        ("When was the Harlow Bridge opened?", "When was the bridge opened?"),
        ("The Grand Hotel was sold when?", "The hotel was sold when?"),
        ("How many people died in the fire?", "How many people died?"),
    ],
)
def test_shorter_drops_the_detail(question: str, short: str) -> None:
    assert shorter(question, random.Random(1), share=1.0) == short


@pytest.mark.parametrize(
    "question",
    [
        "Who led the army?",
        "Where is it?",
        "When was the treaty signed?",
        "What is the capital of France?",
        "Who runs the new bridge?",
    ],
)
def test_shorter_keeps_what_has_nothing_to_drop(question: str) -> None:
    assert shorter(question, random.Random(1), share=1.0) == question


def test_shorter_is_drawn() -> None:
    question = "How many people died in the fire?"
    drawn = {shorter(question, random.Random(seed)) for seed in range(20)}
    assert drawn == {question, "How many people died?"}
