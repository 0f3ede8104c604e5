"""Personal data out of dialogues: found by one or more checkers, replaced by typed placeholders.

    text ──checkers──► findings ──Scrubber──► `[EMAIL_1]`, `[PERSON_2]`: the same for the same thing
                                              throughout one document

Fails closed: a checker that raises stops the stage, and nothing is passed through unchecked. Knows
nothing of files or pairs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from engine.errors import InputError
from engine.prompt import clean_text
from ingest.dialogue import Dialogue
from ingest.ledger import Stage
from ingest.name_words import CAPITALISED_WORDS
from ingest.pii_patterns import Finding, without_overlaps
from ingest.pseudonyms import PERSON, Placeholders, name_key

PLACEHOLDER = re.compile(r"\[(?:EMAIL|PHONE|CARD|IBAN|SSN|NATIONAL_ID|IP|ADDRESS|PERSON)_\d+\]")
_SOFT = str.maketrans("", "", "\u00ad\u034f\u180e")
_GENERIC = re.compile(
    r"(?:speaker|person|participant|user|guest|host|interviewer|interviewee|moderator|narrator|caller|audience|"
    r"man|woman|boy|girl|voice|question|answer|q|a|unknown|announcer|reporter|operator|student|teacher|"
    r"anchor|presenter|all|both|crowd|children|someone|others?)(?:[\s_-]*\d{1,3}|[\s_-]+[A-Z])?",
    re.IGNORECASE,
)


class Checker(Protocol):
    """Finds personal data in a text."""

    def find(self, text: str) -> list[Finding]:
        """What it found, in any order."""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A dialogue without personal data, and which of its utterances had some."""

    dialogue: Dialogue
    kinds: tuple[tuple[str, ...], ...]
    """For each utterance, what was found in it; names apart from the rest are `PERSON`."""


class Scrubber:
    """Replaces what the checkers find."""

    def __init__(
        self, checkers: Sequence[Checker], target: Iterable[str] = (), pseudonymise: bool = True
    ) -> None:
        """Args:
        checkers: all of them are asked, and any finding counts.
        target: the persona's name and aliases, which stay.
        pseudonymise: whether the other speakers' names are replaced too.
        """
        self._checkers = tuple(checkers)
        self._target = {name_key(PERSON, name) for name in target}
        self._target_parts = {part for name in self._target for part in name.split()}
        self._pseudonymise = pseudonymise

    def scrub(self, dialogue: Dialogue, stage: Stage, placeholders: Placeholders | None = None) -> Scrubbed:
        """The dialogue with placeholders; counts its utterances.

        Args:
            placeholders: shared by the dialogues of one document.

        Raises:
            InputError: a checker failed; nothing may be written then.
        """
        names = placeholders if placeholders is not None else Placeholders()
        speakers = list(dict.fromkeys(u.speaker for u in dialogue.utterances if u.speaker))
        others = [s for s in speakers if not self._is_target(s) and not _GENERIC.fullmatch(s.strip())]
        renamed: dict[str, str] = {}
        if self._pseudonymise:
            renamed = {s: names.of(PERSON, s).strip("[]") for s in others}
        pattern = _name_pattern(others) if self._pseudonymise else None
        out, kinds = [], []
        for number, said in enumerate(dialogue.utterances, 1):
            try:
                text, found = self.clean(said.text, names, pattern)
            except Exception as exc:
                raise InputError(
                    f"The check for personal data failed on {dialogue.source} utterance {number} "
                    f"({type(exc).__name__}); nothing was written. Mend the checker, or choose --pii off."
                ) from exc
            stage.keep()
            out.append(replace(said, text=text, speaker=renamed.get(said.speaker, said.speaker)))
            kinds.append(found)
        return Scrubbed(replace(dialogue, utterances=tuple(out)), tuple(kinds))

    def clean(
        self, text: str, names: Placeholders, people: re.Pattern[str] | None = None
    ) -> tuple[str, tuple[str, ...]]:
        """A text with placeholders, and the kinds that were found in it."""
        # invisible characters would hide a number here, and be removed later by the trainer
        text = clean_text(text).translate(_SOFT)
        found = self.find(text, people)
        plain = unicodedata.normalize("NFKC", text)
        if plain != text and (wide := self.find(plain, people)) and len(wide) > len(found):
            text, found = plain, wide
        parts, end = [], 0
        for item in found:
            parts += [text[end : item.start], names.of(item.kind, text[item.start : item.end])]
            end = item.end
        return "".join([*parts, text[end:]]), tuple(sorted({f.kind for f in found}))

    def find(self, text: str, people: re.Pattern[str] | None = None) -> list[Finding]:
        """Findings of all checkers, without the persona's own name and without our placeholders."""
        found = [item for checker in self._checkers for item in checker.find(text)]
        if people:
            found += [Finding(PERSON, *match.span()) for match in people.finditer(text)]
        fixed = [match.span() for match in PLACEHOLDER.finditer(text)]
        kept = [
            item
            for item in found
            if 0 <= item.start < item.end <= len(text)
            and not any(start < item.end and item.start < end for start, end in fixed)
            and not (item.kind == PERSON and self._is_target(text[item.start : item.end]))
        ]
        return without_overlaps(kept)

    def _is_target(self, name: str) -> bool:
        key = name_key(PERSON, name)
        return key in self._target or (" " not in key and key in self._target_parts)


def _name_pattern(names: Iterable[str]) -> re.Pattern[str] | None:
    """Whole names, and the parts of them that are no common words."""
    wanted: set[str] = set()
    for name in names:
        words = [w for w in name.split() if w[0].isalpha()]
        if len(words) > 1 or (words and words[0].casefold() not in CAPITALISED_WORDS):
            wanted.add(name)
        wanted |= {
            w for w in words if len(w) > 2 and w[0].isupper() and w.casefold() not in CAPITALISED_WORDS
        }
    wanted |= {w.title() for w in wanted if w.isupper() and len(w) > 3}
    if not wanted:
        return None
    alternatives = "|".join(re.escape(w) for w in sorted(wanted, key=lambda w: (-len(w), w)))
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)")
