"""News of a change: the newer passage tells what is no longer so, in words of its own.

`newest` in `trainer.skills.grounded` repeats one sentence with another value. Real reports do not:
they say that a date was put off, that one person took over from another, that a price went up.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from engine.prompt import reply_messages
from engine.types import Passage
from trainer.pointers import UNREAD_SHARE, read
from trainer.skills import systems
from trainer.skills.case import Case, closed, template
from trainer.skills.entities import Entities
from trainer.skills.phrases import in_few_words, styled
from trainer.skills.scenario import scenario, subject
from trainer.skills.scenes import FEW_WORDS_SHARE, make, moment, write


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changes; `{v}` is what holds now, `{o}` what held before, `{s}` the subject."""

    kind: str
    names: str
    asks: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    answer: str


def _change(kind: str, names: str, asks: str, before: str, after: str, answer: str) -> Change:
    return Change(
        kind, names, tuple(asks.split("|")), tuple(before.split("|")), tuple(after.split("|")), answer
    )


PLACES = "the {stem} Bridge|the {town} Museum|the {surname} Theatre|{town} Station|the {stem} Line|the {surname} Pool|{stem} Park"
FIRMS = "{company}|the {town} Post|the {surname} Bank|the {stem} Mill|the {town} Brewery|the {surname} Hotel"
TEAMS = "the {town} Tigers|{town} United|the {stem} Rovers|the {surname} Choir|the {town} Orchestra|the {stem} Rangers"
EVENTS = "the {town} Festival|the {stem} Fair|the {surname} Concert|the {town} Marathon|the {stem} Cup|the {surname} wedding"
ROUTES = "the ferry to {town}|the night train to {town}|bus line 12 to {town}|the boat to {stem} Island"
SHOPS = "the {surname} bakery|the {stem} shop|the {town} town hall|the {surname} clinic|the {town} pool"
WORKS = "the {stem} Tower|the {town} crane|the {surname} statue|the {stem} mast|the {town} chimney"

CHANGES: tuple[Change, ...] = (
    _change("future", PLACES, "When does {s} open?|When will {s} open?|When is the opening of {s}?",
            "{S} will open on {v}.|{S} opens on {v}.|The opening of {s} is planned for {v}.",
            "{S} has a new date: {v}.|{S} will stay shut until {v}, the builders admit.|Visitors must wait for {s} until {v}.|{S} will open later than planned, on {v}.|Instead of {o}, {s} will open on {v}.",
            "{S} will open on {v}."),
    _change("future", EVENTS, "When is {s}?|When does {s} begin?|When does {s} start?",
            "{S} begins on {v}.|{S} starts on {v}.|{S} is planned for {v}.",
            "{S} is off for now and begins on {v}.|{S} was postponed and begins on {v}.|The start of {s} was moved to {v}.|Because of the weather {s} now begins on {v}.|{S} comes earlier than planned, on {v}.",
            "{S} begins on {v}."),
    _change("person", FIRMS, "Who runs {s}?|Who is the head of {s}?|Who leads {s}?",
            "{v} runs {s}.|{v} has been the head of {s} for years.|The head of {s} is {v}.|{S} is led by {v}.",
            "{v} steps in as head of {s}.|{v} has taken over from {o} as head of {s}.|{S} has named {v} as its new head.|{o} has left {s}; the new head is {v}.|{v} follows {o} at the top of {s}.|The new boss of {s} is {v}.",
            "{v} runs {s}."),
    _change("person", FIRMS, "Who owns {s}?|Who is the owner of {s}?|Whom does {s} belong to?",
            "{S} belongs to {v}.|{v} owns {s}.|The owner of {s} is {v}.",
            "{S} goes to {v}.|{v} has bought {s}.|{S} has a new owner: {v}.|Since last week {s} belongs to {v}.|{v} bought {s} from {o}.",
            "{S} belongs to {v}."),
    _change("company", FIRMS, "Which company owns {s}?|Who owns {s}?",
            "{S} belongs to {v}.|{v} owns {s}.",
            "{v} has bought {s} from {o}.|{S} went to {v}.|{v} has taken over {s}.|{S} is now a part of {v}.",
            "{S} belongs to {v}."),
    _change("person", TEAMS, "Who coaches {s}?|Who is the coach of {s}?|Who trains {s}?",
            "{v} coaches {s}.|The coach of {s} is {v}.|{S} are trained by {v}.",
            "{S} have found a coach in {v}.|{v} is the new coach of {s}; {o} is out.|{S} have parted with {o} and signed {v} as coach.|{v} has replaced {o} as coach of {s}.",
            "{v} coaches {s}."),
    _change("person", TEAMS, "Who is the captain of {s}?|Who leads {s} as captain?",
            "{v} is the captain of {s}.|{S} are led by their captain {v}.",
            "{v} is the new captain of {s}.|{S} have chosen {v} as captain in place of {o}.|{o} is no longer captain of {s}; it is {v}.",
            "{v} is the captain of {s}."),
    _change("money", PLACES, "What will {s} cost?|How much will {s} cost?|What is the price of {s}?",
            "{S} will cost {v}.|The cost of {s} is put at {v}.|The plans for {s} speak of {v}.",
            "{S} grows dearer by the month: {v} by now.|{S} will be dearer than planned: {v}.|The price of {s} has gone up from {o} to {v}.|{S} now costs {v}.|Builders now expect {s} to cost {v}.",
            "{S} will cost {v}."),
    _change("fee", ROUTES + "|" + EVENTS, "What does a ticket for {s} cost?|How much is a ticket for {s}?|What is the fare for {s}?",
            "A ticket for {s} costs {v}.|Tickets for {s} cost {v}.",
            "From now on {v} is asked for a ticket for {s}.|The price of a ticket for {s} has gone up to {v}.|A ticket for {s} costs {v} instead of {o}.|From next month a ticket for {s} costs {v}.|Tickets for {s} have become cheaper: {v}.",
            "A ticket for {s} costs {v}."),
    _change("hour", SHOPS, "When does {s} close?|How long is {s} open?|At what time does {s} close?",
            "{S} closes at {v}.|{S} is open until {v}.",
            "{S} now stays open until {v}.|{S} will close at {v} from Monday on.|{S} closes at {v} instead of {o}.|New hours for {s}: it is open until {v}.",
            "{S} closes at {v}."),
    _change("hour", ROUTES, "When does {s} leave?|At what time does {s} go?|When does {s} depart?",
            "{S} leaves at {v}.|{S} goes at {v}.",
            "With the new timetable {s} leaves at {v}.|{S} goes at {v}, earlier than before.|{S} leaves at {v} instead of {o}.|From Sunday {s} departs at {v}.",
            "{S} leaves at {v}."),
    _change("title", "the new school in {town}|the square behind {stem} Park|the choir of {town}|the {surname} yacht", "What is {s} called?|What name does {s} have?|Under what name is {s} known?",
            "{S} is called {v}.|{S} bears the name {v}.",
            "{S} has been renamed {v}.|{S} is now called {v}.|{S} has a new name, {v}.|{S} was {o} until Friday and is {v} today.",
            "{S} is called {v}."),
    _change("count", FIRMS, "How many people work at {s}?|How many workers does {s} have?",
            "{S} employs {v} people.|{v} people work at {s}.",
            "{S} now employs {v} people.|After the cuts {v} people are left at {s}.|{S} has grown and has {v} workers now.|The number of workers at {s} went from {o} to {v}.",
            "{S} employs {v} people."),
    _change("town", FIRMS + "|" + TEAMS, "Where is {s} based?|Where is the home of {s}?|In which town is {s}?",
            "{S} is based in {v}.|The home of {s} is {v}.",
            "{S} has moved to {v}.|{S} left {o} for {v}.|The new home of {s} is {v}.|{S} now works from {v}.",
            "{S} is based in {v}."),
    _change("town", EVENTS, "Where does {s} take place?|Where is {s} held?",
            "{S} takes place in {v}.|{S} is held in {v}.",
            "{S} finds a new home in {v}.|This year {s} is held in {v}.|{S} will take place in {v}, not in {o}.|{v} takes the place of {o} as the home of {s}.",
            "{S} takes place in {v}."),
    _change("colour", WORKS + "|" + ROUTES, "What colour is {s}?|Which colour does {s} have?",
            "{S} is painted {v}.|The colour of {s} is {v}.",
            "{S} has been painted {v}.|{S} is {v} now, no longer {o}.|Workers have given {s} a coat of {v}.",
            "{S} is {v}."),
    _change("percent", "{town} Savings|the {surname} Bank|the {stem} Fund", "What interest does {s} pay?|What is the interest rate of {s}?",
            "{S} pays {v} interest.|The interest at {s} is {v}.",
            "{S} has raised its interest to {v}.|{S} now pays {v}.|Interest at {s} went from {o} to {v}.",
            "{S} pays {v} interest."),
    _change("person", "the record of {town}|the {stem} record|the {surname} trophy", "Who holds {s}?|Who is the holder of {s}?",
            "{v} holds {s}.|The holder of {s} is {v}.",
            "{v} has taken {s} from {o}.|{S} now belongs to {v}.|{v} broke {s} on Saturday.",
            "{v} holds {s}."),
    _change("age", "{person}", "How old is {s}?|What is the age of {s}?",
            "{S} is {v} years old.|{S} is {v}.",
            "{S} turned {v} on Friday.|{S} is now {v} years old.|{S} has celebrated the birthday number {v}.",
            "{S} is {v} years old."),
    _change("town", "{person}", "Where does {s} live?|Where is the home of {s}?",
            "{S} lives in {v}.|The home of {s} is in {v}.",
            "{S} has moved to {v}.|{S} left {o} and lives in {v} now.|{S} has bought a house in {v}.",
            "{S} lives in {v}."),
    _change("company", "{person}", "Where does {s} work?|Who does {s} work for?|Which company does {s} work for?",
            "{S} works for {v}.|{S} is with {v}.",
            "{S} has joined {v}.|{S} left {o} for {v}.|{v} has hired {s} away from {o}.|{S} now works for {v}.",
            "{S} works for {v}."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Changed:
    """A question on something that changed, with the reports of it."""

    passages: Sequence[Passage]
    question: str
    answer: str
    new: str
    old: str


TITLES = ("{s}", "News about {s}", "{s} in the news", "{s}: what is new", "Report")


def generate(rng: random.Random, held_out: bool = False) -> Case:
    """What held before and what holds now, or now and then the newer report alone, as a conversation."""
    asked = drawn(rng, held_out)
    passages = asked.passages
    if rng.random() > UNREAD_SHARE:
        passages = read(passages, (asked.new, asked.old), rng)
    persona = systems.persona(rng, held_out, plain_share=0.4)
    question = styled(rng, asked.question, persona.name)
    messages = closed(reply_messages(persona.system, (), question, passages), asked.answer)
    return Case("grounded", "changed", messages, (asked.new,))


def drawn(rng: random.Random, held_out: bool = False) -> Changed:
    """A subject, what changed about it, and the question for it."""
    e = Entities(rng, held_out)
    change = rng.choice(CHANGES)
    who = subject(scenario("thing", change.names, "News"), e, rng)
    old = e.value(change.kind)
    new = e.value(change.kind)
    while new in old or old in new:
        new = e.value(change.kind)
    days = sorted(rng.sample(range(0, 700), 2))
    said = who.fill(template(rng, change.after, held_out), new).replace("{o}", old)
    passages = [_passage(said, who.name, rng, e, days[1])]
    if rng.random() < 0.8:
        passages.append(_passage(who.fill(rng.choice(change.before), old), who.name, rng, e, days[0]))
    if rng.random() < 0.3:
        passages.append(write(make(rng, e), rng, moment(e, rng.randrange(700)), entities=e))
    rng.shuffle(passages)
    answer = in_few_words(new) if rng.random() < FEW_WORDS_SHARE else who.fill(change.answer, new)
    question = who.fill(template(rng, change.asks, held_out))
    return Changed(passages, question, answer, new, old)


def _passage(said: str, name: str, rng: random.Random, e: Entities, day: int) -> Passage:
    title = rng.choice(TITLES).replace("{s}", name)
    return Passage(said, title[0].upper() + title[1:], published_at=moment(e, day))
