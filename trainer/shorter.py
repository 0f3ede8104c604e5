"""Questions in fewer words: people leave out what the one they ask knows.

"Who extinguished the blaze after an hour and a half?" becomes "Who extinguished the blaze?" and "When
was the Harlow Bridge opened?" becomes "When was the bridge opened?". Knows nothing of passages: whether the
shorter question still has one answer is the caller's business.
"""

from __future__ import annotations

import random
import re

_NOUNS = (
    "airport|army|bank|battle|bridge|building|bureau|canal|castle|centre|center|church|club|college|commission|committee|"
    "company|corporation|council|county|court|department|district|empire|festival|foundation|garden|gardens|group|hall|"
    "highway|hospital|hotel|house|institute|island|islands|lake|league|library|line|magazine|mill|ministry|mountain|"
    "mountains|museum|newspaper|orchestra|palace|park|parliament|party|prison|railway|region|republic|river|road|school|"
    "senate|society|stadium|station|street|team|temple|theatre|theater|tower|treaty|tunnel|union|university|valley|war"
)
_NAMED = re.compile(rf"\b[Tt]he (?:[A-Z][\w’'.-]+ )+(?P<n>{_NOUNS})\b", re.IGNORECASE)
_TAIL = re.compile(
    r"^(?P<q>(?:Who|When|Where|Why|How many [\w-]+|What (?:did|does|is|was|were)|Which [\w-]+)\b.{4,}?)"
    r" (?:in|on|at|during|after|before|for|with|from|since|near|by|under|between|against)"
    r" (?:(?!\w+ed\b)[\w’',.-]+ ?){1,6}\?$"
)
_DANGLING = re.compile(
    r"\b(?:the|an?|of|and|to|in|on|at|for|with|from|by|is|was|were|did|does|his|her|its|their)$"
)
MIN_WORDS = 4


def shorter(question: str, rng: random.Random, share: float = 0.4) -> str:
    """The question without its last detail, or with a plain noun for a name, each at `share`."""
    if rng.random() < share and (found := _NAMED.search(question)):
        name = found[0].split()
        if all(w[0].isupper() for w in name[1:]):
            the = "The" if found[0][0] == "T" else "the"
            question = f"{question[: found.start()]}{the} {found['n'].lower()}{question[found.end() :]}"
    if rng.random() < share and (cut := _TAIL.match(question)):
        kept = cut["q"].rstrip(" ,")
        if len(kept.split()) >= MIN_WORDS and not _DANGLING.search(kept):
            question = f"{kept}?"
    return question
