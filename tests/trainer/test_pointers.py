"""Made-up findings: mostly right, at times missing, wrong or loose, and never from another passage."""

import random

from engine.prompt import POSSIBLE
from engine.types import Passage
from trainer.pointers import asked_again, read

BRIDGE = Passage("The Harlow Bridge opens on 12 December. It was to open on 28 November.", "Harlow Bridge")
MILL = Passage("The Otley Mill was built by Ann Carter in 1901.", "Otley Mill")


def _found(values: tuple[str, ...], passage: Passage = BRIDGE, n: int = 1000) -> list[str]:
    rng = random.Random(5)
    return [read([passage], values, rng)[0].found or "" for _ in range(n)]


def test_read_first_value_that_the_passage_holds_is_found_in_most_cases() -> None:
    found = _found(("12 December", "28 November"))
    assert 0.85 < found.count("12 December") / len(found) < 0.97
    assert 0.02 < found.count("") / len(found) < 0.12


def test_read_findings_are_words_of_their_passage() -> None:
    for text in _found(("12 December",)):
        assert text in BRIDGE.text


def test_read_passage_without_the_value_has_a_finding_now_and_then() -> None:
    found = _found(("12 December",), MILL)
    assert 0.03 < sum(map(bool, found)) / len(found) < 0.15
    assert not any("December" in text for text in found)


def test_asked_again_repeats_the_prompts_last_lines() -> None:
    turn = asked_again([BRIDGE, MILL], ("1901",), "When was it built?", random.Random(1))
    assert turn.role == "user" and turn.content.startswith(POSSIBLE)
    assert turn.content.endswith("\nQuestion: When was it built?")
