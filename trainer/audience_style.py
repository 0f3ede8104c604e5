"""Which audience does an answer speak to? A small classifier of style, learned from the answers themselves.

Multinomial naive Bayes over what makes a style and little of what makes a subject: its short and common
words as they are, and, as words of their own, the length of sentences, the reading level, questions,
words of address and the share of long words. It needs no download and takes any set of audiences. How
well it tells held-out reference answers apart is the ceiling of what a model can score by it.

Source: reading level by Flesch and Kincaid's grade, with syllables counted as groups of vowels.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from engine.chunks import sentences

STYLE_WEIGHT = 3
"""How often each measured trait counts beside the words."""
_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)?")
_VOWELS = re.compile(r"[aeiouy]+")


def reading_grade(text: str) -> float:
    """School grade for which a text is easy enough; 0 for no text."""
    words = _WORD.findall(text.casefold())
    if not words:
        return 0.0
    count = max(1, len(list(sentences(text))))
    syllables = sum(max(1, len(_VOWELS.findall(word))) for word in words)
    return max(0.0, 0.39 * len(words) / count + 11.8 * syllables / len(words) - 15.59)


def traits(text: str) -> Counter[str]:
    """The words of a text, and its style as words of their own."""
    words = _WORD.findall(text.casefold())
    found = Counter(words)
    if not words:
        return found
    long_share = sum(len(word) >= 9 for word in words) / len(words)
    per_sentence = len(words) / max(1, len(list(sentences(text))))
    style = [
        f"<grade {min(5, int(reading_grade(text) // 3))}>",
        f"<sentence {min(5, int(per_sentence // 6))}>",
        f"<long words {min(5, int(long_share * 12))}>",
        f"<words {min(6, len(words) // 15)}>",
        f"<asks {min(2, text.count('?'))}>",
        f"<you {min(2, found['you'] + found['your'])}>",
    ]
    for mark in style:
        found[mark] += STYLE_WEIGHT
    return found


class StyleClassifier:
    """Naive Bayes with add-one smoothing and equal priors.

    Args:
        answers: answers by audience, two audiences or more.
    """

    def __init__(self, answers: Mapping[str, Iterable[str]]) -> None:
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in sorted(answers)}
        for name, texts in answers.items():
            for text in texts:
                self._counts[name].update(traits(text))
        if len(self._counts) < 2 or not all(self._counts.values()):
            raise ValueError(
                "a style can be told from another one only: two audiences with answers are needed"
            )
        self._words = {word for counts in self._counts.values() for word in counts}
        self._totals = {name: counts.total() + len(self._words) for name, counts in self._counts.items()}

    @property
    def audiences(self) -> tuple[str, ...]:
        """What it tells apart."""
        return tuple(self._counts)

    def scores(self, text: str) -> dict[str, float]:
        """Log likelihood of a text's known traits for each audience."""
        known = {word: n for word, n in traits(text).items() if word in self._words}
        return {
            name: sum(n * math.log((counts[word] + 1) / self._totals[name]) for word, n in known.items())
            for name, counts in self._counts.items()
        }

    def of(self, text: str) -> str:
        """The likeliest audience; empty for a text that says nothing."""
        if not _WORD.search(text.casefold()):
            return ""
        scores = self.scores(text)
        return max(self.audiences, key=lambda name: scores[name])
