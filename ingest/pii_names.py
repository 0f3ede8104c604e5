"""Names of people who are only talked about, told by form: titles, introductions, common given names.

No language model: "Mrs. Harper", "my name is Tom Reed", "Margaret Whitlock" and "Margaret" are found,
a surname alone or a rare given name is not, and of places named like people some are taken. Given
names that are also common words (Will, Rose, Mark) count only within a sentence, before another
capitalised word.
"""

from __future__ import annotations

import re

from ingest.name_words import GIVEN, GIVEN_ALSO_WORDS, NO_NAMES
from ingest.pii_patterns import Finding

_SURNAME = r"[A-ZÀ-ÖØ-Þ][\w’'\-]*[a-zß-öø-ÿ][\w’'\-]*"
_TITLE = r"(?:Mr|Mrs|Ms|Miss|Mister|Madam|Dr|Doctor|Prof|Professor|Sir|Lady|Lord|Aunt|Uncle|Captain|Sergeant)"
_TOLD = r"(?:[Mm]y|[Hh]is|[Hh]er|[Tt]heir) name(?:’s|'s| is| was)|[Ii] (?:am|was) called|named|called after"
_ALSO = "|".join(sorted(GIVEN_ALSO_WORDS))
_NAMES = "|".join(sorted(GIVEN, key=lambda name: (-len(name), name)))
_AFTER = rf"(?:\s+(?:[A-Z]\.\s+)?{_SURNAME}){{0,2}}"
_PATTERNS = (
    re.compile(rf"\b{_TITLE}\.?\s+(?P<name>{_SURNAME}{_AFTER})"),
    re.compile(rf"\b(?:{_TOLD})\s+(?P<name>{_SURNAME}{_AFTER})"),
    re.compile(rf"(?<![\w’'\-])(?P<name>(?:{_NAMES}){_AFTER})(?![\w\-])"),
    re.compile(rf"(?<=[a-zß-öø-ÿ,] )(?P<name>(?:{_ALSO})\s+(?:[A-Z]\.\s+)?{_SURNAME})(?![\w\-])"),
)


class NameChecker:
    """Finds names of people by form."""

    def find(self, text: str) -> list[Finding]:
        """Findings of the kind PERSON; they may overlap."""
        return [
            Finding("PERSON", start, end)
            for pattern in _PATTERNS
            for match in pattern.finditer(text)
            for start, end in [_without_tail(match["name"], match.start("name"))]
            if end > start
        ]


def _without_tail(name: str, start: int) -> tuple[int, int]:
    """The span of a name without capitalised words that are no names, and without 's."""
    end = 0
    for word in re.finditer(r"\S+", name):
        if word[0].strip("’'").casefold() in NO_NAMES:
            break
        end = word.end()
    return start, start + len(re.sub(r"['’]s?$", "", name[:end]))
