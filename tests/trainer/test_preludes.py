"""Preludes: a share of the pairs stands behind others; what has a conversation of its own keeps it."""

from __future__ import annotations

from trainer.pairs import Pair, pair_messages
from trainer.preludes import MOST, behind_others

PAIRS = [Pair((f"question {n}",), f"answer {n}") for n in range(200)]


def test_a_share_of_pairs_stands_behind_other_exchanges_and_keeps_its_response() -> None:
    spoken = behind_others(PAIRS, 0.4, 0)
    assert [p.response for p in spoken] == [p.response for p in PAIRS]
    longer = [p for p in spoken if len(p.instruction) > 1]
    assert 50 < len(longer) < 110
    assert {(len(p.instruction) - 1) // 2 for p in longer} == set(range(1, MOST + 1))
    for pair in longer:
        roles = [m.role for m in pair_messages(pair, "S")]
        assert roles == ["system", *("user", "assistant") * (len(roles) // 2)]
        assert pair.response not in pair.instruction
        assert pair.instruction[-1] == pair.response.replace("answer", "question")
    assert spoken == behind_others(PAIRS, 0.4, 0) != behind_others(PAIRS, 0.4, 1)


def test_pairs_with_turns_or_a_system_of_their_own_stay_as_they_are() -> None:
    own = [Pair(("a", "b", "c"), "d"), Pair(("a",), "b", system="You are terse.")]
    assert behind_others([*own, *PAIRS], 1.0, 0)[:2] == own
    assert behind_others(PAIRS, 0.0, 0) == PAIRS
