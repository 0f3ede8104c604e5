"""What a made-up news item is about: a subject and the facts that can be told and asked of it.

In the texts `{v}` is the fact's value, `{S}` and `{s}` the subject at the start of a sentence and
inside one, `{X}` and `{x}` the subject or its pronoun. Alternatives are separated by `|`.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from trainer.skills.entities import Entities

_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])")


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: how it is said, asked, answered, and named in "I don't know …"."""

    kind: str
    says: tuple[str, ...]
    asks: tuple[str, ...]
    answers: tuple[str, ...]
    clause: str
    held: bool = False
    """A kind of question that training never sees."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of subject with its facts."""

    noun: str
    names: tuple[str, ...]
    titles: tuple[str, ...]
    facts: tuple[Fact, ...]
    colour: tuple[str, ...] = ()
    """Sentences without a fact, which make passages less bare."""


def fact(kind: str, says: str, asks: str, answers: str, clause: str, held: bool = False) -> Fact:
    """A `Fact` from texts whose alternatives are separated by `|`."""
    return Fact(kind, tuple(says.split("|")), tuple(asks.split("|")), tuple(answers.split("|")), clause, held)


def scenario(noun: str, names: str, titles: str, *facts: Fact, colour: str = "") -> Scenario:
    """A `Scenario` from texts whose alternatives are separated by `|`."""
    return Scenario(
        noun,
        tuple(names.split("|")),
        tuple(titles.split("|")),
        facts,
        tuple(colour.split("|")) if colour else (),
    )


@dataclass(frozen=True, slots=True)
class Subject:
    """A drawn subject: "the Harlow Bridge" and "it"."""

    name: str
    pronoun: str

    @property
    def start(self) -> str:
        """The name at the start of a sentence."""
        return self.name[0].upper() + self.name[1:]

    def fill(self, text: str, value: str = "", pronoun: bool = False) -> str:
        """`text` with its slots filled; `pronoun` puts the pronoun into `{X}`."""
        text = (
            text.replace("{X}", self.pronoun.capitalize() if pronoun else self.start)
            .replace("{x}", self.name)
            .replace("{S}", self.start)
            .replace("{s}", self.name)
            .replace("{v}", value)
        )
        return sentence(text)


def articles(text: str) -> str:
    """`text` with "a" before a vowel as "an"."""
    return _ARTICLE.sub(r"\1n ", text)


def sentence(text: str) -> str:
    """`text` with "a" before a vowel as "an" and, where it ends like a sentence, a capital first."""
    text = articles(text)
    return text[0].upper() + text[1:] if text[-1] in ".?!" else text


def subject(of: Scenario, entities: Entities, rng: random.Random) -> Subject:
    """A subject of a scenario; its name pattern holds one of {stem} {town} {company} {title} {person}."""
    pattern = rng.choice(of.names)
    if "{person}" in pattern:
        person = entities.person()
        return Subject(pattern.replace("{person}", person.name), person.pronoun)
    for slot, make in (
        ("{stem}", entities.stem),
        ("{town}", entities.town),
        ("{company}", entities.company),
        ("{title}", entities.title),
        ("{surname}", entities.surname),
        ("{street}", lambda: entities.value("street")),
    ):
        if slot in pattern:
            pattern = pattern.replace(slot, make())
    return Subject(pattern, "it")
