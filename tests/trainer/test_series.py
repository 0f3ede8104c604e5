"""Several human questions about one paragraph: each is asked, and none is answered from what was cut away."""

import random

from engine.types import Message
from trainer import corpus
from trainer.series import MOST_QUESTIONS, series

PARAGRAPH = (
    "The old mill was built in 1901 by a baker named Torvald. Its stones came from Lindqvist's quarry. "
    "For forty years it ground the wheat of nine villages around the lake. In the great flood of spring "
    "its wheel was lost. A school moved into the empty house when the war was over. Since then the children "
    "have been taught in the room under the roof, where the flour was kept before. The head of the school "
    "is Marit Oseid, who lives nearby."
)
ASKED = {
    "Who built the mill?": "Torvald",
    "When was the mill built?": "1901",
    "Whose quarry did the stones come from?": "Lindqvist",
    "How many villages brought wheat?": "nine",
    "What was lost in the flood?": "its wheel",
    "Who leads the school?": "Marit Oseid",
}
STRANGER = "A comet was seen over Brunswick. Its tail was green."


def _rows() -> list[corpus.Row]:
    return [
        {
            "source": "squad_v1.1_part",
            "task": "grounded_qa",
            "context": [STRANGER, PARAGRAPH],
            "messages": [{"role": "user", "content": q}, {"role": "assistant", "content": f"{a} [2]"}],
        }
        for q, a in ASKED.items()
    ]


def _others() -> list[corpus.Row]:
    turns = [
        {"role": "user", "content": "What colour was the tail?"},
        {"role": "assistant", "content": "green [1]"},
    ]
    return [{"source": "squad_v1.1_part", "task": "grounded_qa", "context": [STRANGER], "messages": turns}]


def _pairs(messages: tuple[Message, ...]) -> list[tuple[str, str]]:
    """Questions with their answers."""
    turns = messages[1:]
    return [(a.content, b.content) for a, b in zip(turns[::2], turns[1::2], strict=True)]


def test_series_asks_every_row_and_answers_only_what_is_shown() -> None:
    refused = answered = strange = 0
    for seed in range(40):
        seen: set[str] = set()
        for messages in series(_rows(), _others(), random.Random(seed)):
            pairs = _pairs(messages)
            shown = pairs[0][0]
            assert len(pairs) <= MOST_QUESTIONS
            assert all(m.trained for m in messages if m.role == "assistant")
            for question, said in pairs:
                key = next(
                    q
                    for q in [*ASKED, "What colour was the tail?"]
                    if q.lower().rstrip("?") in question.lower()
                )
                words = ASKED.get(key, "green")
                if words.lower() in said.lower():
                    answered += 1
                    seen.add(key)
                    assert words in shown
                else:
                    refused += 1
                    strange += words == "green"
                    assert "know" in said
                    assert words not in shown
        assert seen >= set(ASKED)
    assert answered > 200
    assert refused > 5
    assert strange > 5  # questions on a paragraph that is not shown


def test_series_shows_a_second_paragraph_with_its_questions() -> None:
    made = [m for seed in range(20) for m in series(_rows(), _others(), random.Random(seed))]
    both = [m for m in made if "comet" in m[1].content]
    assert 0 < len(both) < len(made)
    assert any("green" in said for m in both for _, said in _pairs(m))


def test_series_long_paragraph_is_cut() -> None:
    rows = _rows()
    for row in rows:
        row["context"] = [f"{PARAGRAPH} {'Nothing else is known about these quiet years. ' * 30}"]
        row["messages"][1]["content"] = row["messages"][1]["content"].replace("[2]", "[1]")
    for messages in series(rows, [], random.Random(3)):
        assert len(messages[1].content.split()) < 140
