"""All scenarios, and news items made from them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from engine.types import Passage
from trainer.skills import scenes_business, scenes_events, scenes_news, scenes_places, scenes_society
from trainer.skills.case import template
from trainer.skills.entities import Entities
from trainer.skills.phrases import in_few_words
from trainer.skills.scenario import Fact, Scenario, Subject, subject
from trainer.synonyms import reworded

FEW_WORDS_SHARE = 0.65
"""A sentence begins with the question's own words, and a small model that does not know the kind of fact goes
on with words of its own; a few words are the passage's."""
REWORDED_SHARE = 0.35
SCENES: tuple[Scenario, ...] = (
    scenes_places.SCENES
    + scenes_events.SCENES
    + scenes_business.SCENES
    + scenes_society.SCENES
    + scenes_news.SCENES
)


@dataclass(frozen=True, slots=True)
class Item:
    """A news item: its subject, the facts it tells and their values."""

    scene: Scenario
    subject: Subject
    facts: tuple[Fact, ...]
    values: tuple[str, ...]

    def ask(self, index: int, rng: random.Random, held_out: bool = False) -> str:
        """A question for one of its facts; in training now and then with synonyms for its words."""
        asked = template(rng, self.facts[index].asks, held_out)
        if not held_out and rng.random() < REWORDED_SHARE:
            asked = reworded(asked, rng)
        return self.subject.fill(asked)

    def answer(self, index: int, rng: random.Random) -> str:
        """The answer in a full sentence; pronouns are rarer than names."""
        answers = self.facts[index].answers
        text = answers[0] if rng.random() < 0.7 else rng.choice(answers)
        return self.subject.fill(text, self.values[index])

    def reply(self, index: int, rng: random.Random) -> str:
        """What is answered from passages: a few words more often than a sentence."""
        if rng.random() < FEW_WORDS_SHARE:
            return in_few_words(self.values[index])
        return self.answer(index, rng)


def make(
    rng: random.Random,
    entities: Entities,
    scene: Scenario | None = None,
    n_facts: int = 0,
    of: Subject | None = None,
) -> Item:
    """An item with distinct values; held-out facts only where the entities are held out."""
    scene = scene or rng.choice(SCENES)
    allowed = [f for f in scene.facts if entities.held_out or not f.held]
    facts = rng.sample(allowed, min(len(allowed), n_facts or rng.choice((1, 2, 2, 3, 3, 4))))
    values: list[str] = []
    for one in facts:
        value = entities.value(one.kind)
        while value in values:
            value = entities.value(one.kind)
        values.append(value)
    return Item(scene, of or subject(scene, entities, rng), tuple(facts), tuple(values))


BEFORE = (
    "Officials said that {t}", "The town council said that {t}", "According to a report, {t}", "It was announced that {t}",
    "As reported last week, {t}", "After long talks it is clear that {t}", "The local paper reports that {t}",
    "A spokeswoman confirmed that {t}", "People have waited for the news: {t}", "It is now official: {t}",
    "According to {p}, {t}", "{p} told reporters that {t}", "In a short statement, {c} said that {t}",
)  # fmt: skip
AFTER = (
    "Further details will follow.", "The next report is expected in a month.", "Not everyone was happy about it.",
    "It was the talk of the day.", "Neighbours were surprised.", "Several newspapers wrote about it.",
    "There was applause at the end.", "The weather was fine.", "Questions remain open.", "Many people took photographs.",
    "Children got in free of charge.", "The work took longer than planned.", "A second report is being prepared.",
    "The mood was good.", "Nobody wanted to comment on the rumours.", "Experts had predicted as much.",
    "It rained in the afternoon, but few people went home.", "Some had travelled a long way.",
)  # fmt: skip
_LOWER = ("The ", "It ", "He ", "She ", "A ", "An ", "About ", "Building ", "Tickets ", "Entry ", "Each ", "Teams ", "Second ",
          "In ", "From ", "After ", "Only ", "At ", "On ", "For ", "Since ", "Because ",
          "Under ", "Behind ", "Drivers ", "Some ", "Shares ", "Visitors ", "Breaking ", "Sales ")  # fmt: skip


def framed(text: str, rng: random.Random, entities: Entities | None) -> str:
    """Now and then a sentence as somebody's report."""
    if entities is None or rng.random() > 0.18:
        return text
    inner = text[0].lower() + text[1:] if text.startswith(_LOWER) else text
    form = rng.choice(BEFORE)
    person = entities.person().name if "{p}" in form else ""
    company = entities.company() if "{c}" in form else ""
    return form.format(t=inner, p=person, c=company)


def _again(say: str, item: Item, rng: random.Random) -> str:
    """A sentence that is not the first: the subject may be "the bridge" in it."""
    if item.subject.pronoun != "it" or rng.random() < 0.5:
        return say
    return say.replace("{x}", f"the {item.scene.noun}").replace(
        "{X}", f"The {item.scene.noun}" if rng.random() < 0.3 else "{X}"
    )


def write(
    item: Item, rng: random.Random, today: datetime, extra: str = "", entities: Entities | None = None
) -> Passage:
    """The item as a dated passage. Facts come in any order; the first sentence names the subject."""
    order = list(range(len(item.facts)))
    rng.shuffle(order)
    sentences = [
        framed(
            item.subject.fill(
                _again(rng.choice(item.facts[i].says), item, rng) if n else rng.choice(item.facts[i].says),
                item.values[i],
                pronoun=n > 0 and rng.random() < 0.6,
            ),
            rng,
            entities,
        )
        for n, i in enumerate(order)
    ]
    if rng.random() < 0.25:
        sentences.insert(rng.randint(1, len(sentences)), rng.choice(AFTER))
    if item.scene.colour and rng.random() < 0.35:
        sentences.insert(rng.randint(1, len(sentences)), rng.choice(item.scene.colour))
    if extra:
        sentences.insert(rng.randint(1, len(sentences)), extra)
    title = item.subject.fill(rng.choice(item.scene.titles))
    return Passage(" ".join(sentences), title[0].upper() + title[1:], published_at=today)


def moment(entities: Entities, days: int = 0) -> datetime:
    """`days` after the stream's today."""
    return datetime(entities.today.year, entities.today.month, entities.today.day, tzinfo=UTC) + timedelta(
        days
    )


def pronounced(item: Item, question: str) -> str:
    """The question with its subject replaced by a pronoun."""
    p = item.subject.pronoun
    its = {"it": "its", "he": "his", "she": "her"}[p]
    him = {"it": "it", "he": "him", "she": "her"}[p]
    question = question.replace(f"{item.subject.name}'s", its)
    for before in (" by ", " of ", " at ", " for ", " to ", " with ", " in ", " see ", " under "):
        question = question.replace(f"{before}{item.subject.name}", f"{before}{him}")
    return question.replace(item.subject.name, p)
