"""Exchanges put before a pair, so that its response is learned in the middle of a conversation too.

Pairs of one exchange teach a small model to answer the first message; behind others the same question gets
another answer. Only the last response is trained, as ever.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from trainer.pairs import Pair

MOST = 3
"""Exchanges before a pair."""


def behind_others(pairs: Sequence[Pair], share: float, seed: int) -> list[Pair]:
    """The pairs in their order, a share of those of one exchange behind one to `MOST` others of the list.

    Pairs with turns of their own before the last, with a system text or with tools stay as they are.
    """
    if not share:
        return list(pairs)
    rng = random.Random(f"preludes:{seed}")
    short = [pair for pair in pairs if is_one_exchange(pair)]
    spoken = []
    for pair in pairs:
        if is_one_exchange(pair) and rng.random() < share:
            others = rng.sample(short, min(rng.randint(1, MOST), len(short)))
            earlier = [t for o in others if o.response != pair.response for t in (*o.instruction, o.response)]
            pair = replace(pair, instruction=(*earlier, *pair.instruction))
        spoken.append(pair)
    return spoken


def is_one_exchange(pair: Pair) -> bool:
    """Whether it is a message and its response alone, under the persona's own system message."""
    return len(pair.instruction) == 1 and not pair.roles and not pair.system
