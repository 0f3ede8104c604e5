"""What people and things are called instead: the same thing by the same word everywhere.

`Pseudonyms` gives people invented names, as chats need them, where names are all there is of people.
All are made known first; then labels and texts are rewritten in one pass, so that a replacement is
never replaced again. `Placeholders` numbers whatever a checker of personal data finds: `[EMAIL_1]`,
`[PERSON_2]`. People who are only talked about are found by checkers alone. Knows no file format.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from ingest.name_words import LOWER_CASE_WORDS

_NAMES = """
Alex Robin Sam Jordan Casey Riley Morgan Jamie Avery Quinn Taylor Dana Kim Lee Toni Nico Sasha Noa Remy
Andy Charlie Ariel Blair Devon Ellis Emery Finley Harper Hayden Jules Kai Kendall Lane Logan Marley Micah
Nicky Parker Peyton Reese Rowan Rory Shay Skyler Stevie Sydney Tatum Terry Vic Wren Yael Zion
"""
NAMES = tuple(_NAMES.split())

_TITLE_WORDS = "dr mr mrs ms prof sir von van der de la del di da den el al bin ibn the and"
_TITLES = frozenset(_TITLE_WORDS.split())
_PART = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_HANDLE = re.compile(r"(?<![\w.+/@-])@([A-Za-z0-9_](?:[\w.]{0,30}\w)?)")
_EVERYBODY = frozenset({"everyone", "here", "all", "channel", "role", "someone", "alle", "todos"})


PERSON = "PERSON"
Key = tuple[str, str]
"""Platform, and a person's id there."""


class Pseudonyms:
    """Gives every person but the target one invented name.

    Args:
        target: names of the target, which stay as they are.
    """

    def __init__(self, target: Iterable[str]) -> None:
        self._kept = {term.casefold() for name in target for term in (name, *_parts(name))}
        self._person: dict[str, int] = {}  # folded name or handle -> person
        self._exact: dict[str, int] = {}  # terms of which only this spelling is a name
        self._keys: dict[Key, int] = {}
        self._claimed: set[tuple[str, int]] = set()
        self._names: dict[int, str] = {}
        self._people = 0
        self._pattern: re.Pattern[str] | None = None

    def know(self, name: str, others: Iterable[str] = (), key: Key | None = None) -> None:
        """Make a person known.

        Args:
            name: the display name; its parts are names too.
            others: such as user names, which count only as a whole.
            key: platform and id there; two ids of one platform are two people, whatever their names.
        """
        # "Maria 🌸" is as often written without the flower
        plain = " ".join(word for word in name.split() if re.search(r"\w", word))
        terms = [t for t in (name.strip(), plain, *(o.strip().lstrip("@") for o in others)) if t]
        if not terms:
            return
        person = self._identify(terms, key)
        for term in terms:
            self._add(term, person, whole=True)
            digits = re.sub(r"\D", "", term)
            if len(digits) >= 7 and not _parts(term):  # WhatsApp mentions unsaved numbers so: @15551234567
                self._add(digits, person, whole=True)
        for part in _parts(name):
            self._add(part, person)
        self._pattern = None

    def label(self, name: str, key: Key | None = None) -> str:
        """The invented name of a person; one who is unknown is made known."""
        person = self._keys.get(key) if key else self._person.get(name.strip().casefold())
        if person is None:
            self.know(name, key=key)
            person = self._keys.get(key) if key else self._person.get(name.strip().casefold())
        return "someone" if person is None else self._invent(person)

    def scrub(self, text: str) -> str:
        """The text with every known name, and every @mention, replaced."""
        if self._pattern is None:
            self._pattern = self._compile()
        return _HANDLE.sub(self._mention, self._pattern.sub(self._replaced, text))

    # --- steps -----------------------------------------------------------------------------

    def _identify(self, terms: list[str], key: Key | None) -> int:
        """The person of these names; nobody else on the same platform."""
        if key is not None and key in self._keys:
            return self._keys[key]
        known = (self._person.get(t.casefold()) for t in terms if len(t) > 2)
        free = (p for p in known if p is not None and (key is None or (key[0], p) not in self._claimed))
        person = next(free, None)
        if person is None:
            person, self._people = self._people, self._people + 1
        if key is not None:
            self._keys[key] = person
            self._claimed.add((key[0], person))
        return person

    def _add(self, term: str, person: int, *, whole: bool = False) -> None:
        folded = term.casefold()
        if not whole and folded in self._kept:
            return  # another person's first name that the target bears too
        if not whole and (folded in LOWER_CASE_WORDS or len(term) <= 2):
            self._exact.setdefault(term[:1].upper() + term[1:], person)
        elif whole and (folded in LOWER_CASE_WORDS or (len(term) <= 2 and term.isascii())):
            self._exact.setdefault(term[:1].upper() + term[1:], person)
            self._person.setdefault(folded, person)
        else:
            self._person.setdefault(folded, person)

    def _invent(self, person: int) -> str:
        """Names are given in the order in which people are first needed; no real name is used."""
        if person not in self._names:
            taken = set(self._names.values())
            taken_folded = {name.casefold() for name in taken}
            free = (
                name
                for name in NAMES
                if name.casefold() not in self._person
                and name not in self._exact
                and name.casefold() not in self._kept
                and name.casefold() not in taken_folded
            )
            self._names[person] = next(free, f"Person {person + 1}")
        return self._names[person]

    def _compile(self) -> re.Pattern[str]:
        folded = [t for t in self._person if t not in LOWER_CASE_WORDS and (len(t) > 2 or not t.isascii())]
        parts = [rf"(?i:{_bounded(t)})" for t in sorted(folded, key=len, reverse=True)]
        parts += [_bounded(t) for t in sorted(self._exact, key=len, reverse=True)]
        return re.compile("|".join(parts) or r"(?!)")

    def _replaced(self, match: re.Match[str]) -> str:
        found = match[0]
        at = "@" if found.startswith("@") else ""
        name = found.removeprefix("@")
        if name.casefold() in self._kept:
            return found
        person = self._person.get(name.casefold())
        if person is None:
            person = self._exact[name]
        return f"{at}{self._invent(person)}"

    def _mention(self, match: re.Match[str]) -> str:
        name = match[1]
        folded = name.casefold()
        if folded in self._kept or folded in _EVERYBODY or name in self._names.values():
            return match[0]
        if name == "Person":  # "@Person 60", made by `_invent`
            return match[0]
        return f"@{self.label(name)}"


@dataclass(slots=True)
class Placeholders:
    """What each thing of one document is called instead."""

    names: dict[tuple[str, str], str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def of(self, kind: str, value: str) -> str:
        """The placeholder of a thing; a lone first or last name is the person whose name has it."""
        key = (kind, name_key(kind, value))
        if key not in self.names and kind == PERSON:
            wholes = {v for (k, name), v in self.names.items() if k == PERSON and key[1] in name.split()}
            if len(wholes) == 1:
                self.names[key] = wholes.pop()
        if key not in self.names:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.names[key] = f"[{kind}_{self.counts[kind]}]"
        return self.names[key]


def name_key(kind: str, value: str) -> str:
    """A thing's name without what differs between its mentions: case, punctuation, a genitive's s."""
    folded = unicodedata.normalize("NFKC", value).casefold()
    if kind in (PERSON, "ADDRESS"):
        return re.sub(r"['’]s?$", "", " ".join(re.findall(r"[\w'’-]+", folded)))
    return re.sub(r"[^\w@+]", "", folded)


def _bounded(term: str) -> str:
    """A pattern that finds a name as a word; scripts without spaces have no words to go by."""
    flexible = r"\s+".join(re.escape(word) for word in term.split())
    if _UNSPACED.search(term):
        return f"@?{flexible}"
    return rf"(?<!\w)@?{flexible}(?!\w)"


def _parts(name: str) -> list[str]:
    """First and last names of a display name, without titles, decoration and words with digits."""
    words = [word for word in name.split() if not any(c.isdigit() or c == "_" for c in word)]
    found = [part for word in words for part in _PART.findall(word)]
    return [p for p in found if len(p) > 1 and p.casefold() not in _TITLES]
