"""What the user told earlier in the conversation, taken up at once and remembered later."""

from __future__ import annotations

import random
from dataclasses import dataclass

from engine.types import Message
from trainer.skills import smalltalk, systems
from trainer.skills import words as w
from trainer.skills.case import Case, template
from trainer.skills.entities import Entities
from trainer.skills.scenario import articles


@dataclass(frozen=True, slots=True)
class Told:
    """Something people tell of themselves: how, the answers, and the question later."""

    kind: str
    says: tuple[str, ...]
    replies: tuple[str, ...]
    asks: tuple[str, ...]
    answers: tuple[str, ...]


def _told(kind: str, says: str, replies: str, asks: str, answers: str) -> Told:
    return Told(kind, *(tuple(t.split("|")) for t in (says, replies, asks, answers)))


THINGS: tuple[Told, ...] = (
    _told("name", "My name is {v}.|I'm {v}.|Hi, I'm {v}.|Hello, my name is {v}.|People call me {v}.", "Nice to meet you, {v}!|Hello {v}! How are you?|Pleased to meet you, {v}.|It's good to meet you, {v}.|Hi {v}! What brings you here?",
          "What is my name?|Do you remember my name?|whats my name|Who am I?", "Your name is {v}.|You are {v}."),
    _told("town", "I live in {v}.|I come from {v}.|I'm from {v}.|We moved to {v} last year.|My home is in {v}.", "How do you like it in {v}?|{v}! What is it like there?|I'd like to hear more about {v}.|{v} sounds like a nice place.",
          "Where do I live?|Do you remember where I live?|Which town do I live in?|where am i from", "You live in {v}.|You told me that you live in {v}."),
    _told("job", "I work as a {v}.|I'm a {v}.|I have a new job as a {v}.|I am a {v} by profession.", "A {v}! Do you enjoy it?|How long have you been a {v}?|That must be interesting. What do you like most about being a {v}?",
          "What is my job?|What do I do for a living?|Do you remember my job?|what do i work as", "You work as a {v}.|You are a {v}."),
    _told("food", "I love {v}.|My favourite food is {v}.|I had {v} for lunch.|I could eat {v} every day.", "{V} sounds delicious!|I hear that {v} is best when it's shared.|{V} is a fine choice.",
          "What is my favourite food?|What do I like to eat?|Which food do I love?", "You like {v}.|You told me that you like {v}."),
    _told("colour", "My favourite colour is {v}.|I painted my room {v}.|I bought a {v} coat.", "{V} is a lovely colour.|I like {v} too.|{V} suits many people.",
          "Which colour did I tell you about?|What colour did I mention?|What was the colour again?", "You mentioned {v}.|The colour was {v}."),
    _told("pet", "My dog is called {v}.|I have a cat named {v}.|We adopted a puppy and named it {v}.|My parrot {v} talks all day.", "{v} is a lovely name!|Give {v} a pat from me.|How old is {v}?|{v} must be great company.",
          "What is my pet called?|What is the name of my pet?|Do you remember my pet's name?", "Your pet is called {v}.|Its name is {v}."),
    _told("sport", "My hobby is {v}.|I started {v} this month.|I'm good at {v}.|My sister and I love {v}.", "{V} is great fun! How did you start?|What do you like about {v}?|{V} keeps you fit, I'm sure.",
          "Which sport do I like?|What sport do I do?|Which sport did I tell you about?", "You like {v}.|You told me about {v}."),
    _told("friend", "I met {v} today.|I had lunch with {v}.|My best friend is {v}.|{v} came to visit me.", "How is {v} doing?|That's nice! How long have you known {v}?|I'm glad that you saw {v}.",
          "Which friend did I tell you about?|Who did I mention?|What was my friend's name?", "You told me about {v}.|Your friend's name is {v}."),
)  # fmt: skip


def _value(rng: random.Random, e: Entities, kind: str) -> str:
    if kind == "name":
        return rng.choice((e.person().name, rng.choice(w.WOMEN + w.MEN)))
    if kind == "pet":
        return rng.choice((rng.choice(systems.NICKNAMES), e.stem()))
    return e.value({"friend": "person"}.get(kind, kind))


def generate(rng: random.Random, held_out: bool = False) -> Case:
    """One to three things told, perhaps small talk, then one of them asked."""
    e = Entities(rng, held_out)
    messages: list[Message] = [Message("system", systems.persona(rng, held_out, 0.5).system)]
    told = rng.sample(THINGS, rng.choice((1, 1, 2, 3)))
    values = [_value(rng, e, t.kind) for t in told]
    for thing, value in zip(told, values, strict=True):
        messages.append(Message("user", articles(rng.choice(thing.says).format(v=value))))
        reply = articles(rng.choice(thing.replies).format(v=value, V=value[0].upper() + value[1:]))
        messages.append(Message("assistant", reply, trained=True))
    if rng.random() < 0.25:
        talk = rng.choice(smalltalk.EXCHANGES)
        messages.append(Message("user", smalltalk.said(rng, talk, held_out)))
        messages.append(Message("assistant", rng.choice(talk.answers), trained=True))
    i = rng.randrange(len(told))
    messages.append(Message("user", template(rng, told[i].asks, held_out)))
    messages.append(
        Message("assistant", articles(rng.choice(told[i].answers).format(v=values[i])), trained=True)
    )
    return Case("memory", told[i].kind, tuple(messages), (values[i],))
