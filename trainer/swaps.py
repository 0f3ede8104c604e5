"""Real texts with other names and numbers, so that what they say can be read there and nowhere else.

People, years and figures are replaced the same way wherever they stand in the texts given (entity
substitution, https://arxiv.org/abs/2109.05052): a model that remembers the article is wrong, one that
reads it is right. This module knows nothing of questions.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from trainer.skills import words as w
from trainer.skills.entities import Entities

MOST_YEARS = 60  # by which all years are moved, to either side
_CAPITAL = r"[A-Z][a-z’'-]+"
_PERSON = re.compile(rf"\b(?P<first>{_CAPITAL}) (?:[A-Z]\. )?(?P<last>{_CAPITAL})\b")
_YEAR = re.compile(r"(?<![\d,.])(?:1[3-9]\d\d|20[0-2]\d)(?![\d,.]\d|\d)")
_FIGURE = re.compile(r"(?<![\d,.$£€])[1-9]\d{1,2}(?:,\d{3})*(?![\d,.]\d|\d|st|nd|rd|th)")
_WOMEN, _MEN = frozenset(w.WOMEN), frozenset(w.MEN)


def swapped(texts: Sequence[str], rng: random.Random) -> list[str]:
    """The texts with other people, years and figures, the same ones in all of them.

    Args:
        texts: what belongs together, such as a title and its paragraphs.
        rng: draws the replacements; names kept for evaluation are never drawn.
    """
    entities, joined = Entities(rng), "\n".join(texts)
    named = {m[0]: m for m in _PERSON.finditer(joined) if m["first"] in w.FIRST_NAMES}
    for told, m in sorted(named.items()):
        new = _person(m["first"], entities, rng)
        joined = joined.replace(told, new)
        if m["last"] not in w.FIRST_NAMES:
            joined = re.sub(rf"\b{re.escape(m['last'])}\b", new.split()[-1], joined)
    shift = rng.choice((-1, 1)) * rng.randint(1, MOST_YEARS)
    joined = _YEAR.sub(lambda m: str(int(m[0]) + shift), joined)
    figures: dict[str, str] = {}
    joined = _FIGURE.sub(lambda m: figures.setdefault(m[0], _figure(m[0], rng)), joined)
    return joined.split("\n")


def _person(first: str, entities: Entities, rng: random.Random) -> str:
    """Another person, a woman where the first name is a woman's."""
    last = entities.surname()
    if first in _WOMEN or first in _MEN:
        return f"{rng.choice(w.WOMEN if first in _WOMEN else w.MEN)} {last}"
    return entities.person().name


def _figure(number: str, rng: random.Random) -> str:
    """A number of as many digits."""
    return "".join(
        d if not d.isdigit() else str(rng.randint(1, 9) if n == 0 else rng.randrange(10))
        for n, d in enumerate(number)
    )
