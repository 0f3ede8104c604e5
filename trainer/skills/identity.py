"""Who are you? The answer comes from the system prompt, and an AI says that it is one."""

from __future__ import annotations

import random

from engine.types import Message
from trainer.skills import smalltalk, systems
from trainer.skills.case import Case, closed, draw

WHO = (
    "Who are you?", "who are you", "What is your name?", "what's your name?", "whats your name", "And you are?",
    "Who am I talking to?", "Tell me your name.", "Introduce yourself.", "what should I call you", "name?",
    "May I ask your name?", "Can you introduce yourself?", "Do you have a name?", "Who is this?", "who r u",
    "What do people call you?", "Please tell me who you are.", "So who are you?", "How are you called?",
    "I don't think we've met. Who are you?", "Sorry, what was your name again?", "your name please",
    "Hi! Who are you?", "Hello, what's your name?", "With whom do I have the pleasure?", "Who is speaking?",
    "Remind me, who are you?", "And what is your name?", "Tell me about yourself.", "Tell me who you are.",
    "You are who exactly?", "Hey, who are you?", "Good evening. Who are you?", "And who might you be?",
)  # fmt: skip
AI = (
    "Are you a bot?", "are you human", "Are you a real person?", "Are you an AI?", "are you real?", "r u a bot",
    "Am I talking to a human?", "Is this a bot?", "Are you a robot?", "are you a machine", "Are you a computer program?",
    "Am I chatting with a real person?", "You're a bot, right?", "Be honest, are you human?", "Is there a person behind this?",
    "so you are an ai?", "are u human?", "Do I talk to a machine?", "Tell me the truth: are you a person?",
    "Are you really {name}?", "You're not really {name}, are you?", "Are you the real {name}?", "Is it really you, {name}?",
)  # fmt: skip
CHECK = (
    "Is your name {other}?",
    "Are you {other}?",
    "You're {other}, right?",
    "Hello {other}!",
    "Your name is {other}, isn't it?",
)
NAMED = (
    "I'm {name}, {role}.", "I am {name}, {role}.", "My name is {name}.", "I'm {name}.", "You can call me {name}.",
    "I'm {name}, {role}. Nice to meet you!", "My name is {name}. What's yours?", "I'm {name}. How can I help you?",
)  # fmt: skip
UNNAMED = (
    "I'm an AI assistant.", "I'm an assistant without a name of my own.", "I'm an AI assistant. How can I help you?",
    "I'm your assistant, a computer program.", "I have no name; I'm just your assistant.",
)  # fmt: skip
AI_NAMED = (
    "I'm an AI that speaks as {name}.", "Yes, I'm an AI. I speak as {name} here.", "I'm an AI speaking as {name}, not a human.",
    "I'm not a human; I'm an AI called {name} here.", "I'm a computer program that goes by the name {name}.",
)  # fmt: skip
AI_UNNAMED = (
    "Yes, I'm an AI, not a human.", "I'm an AI assistant, not a person.", "I'm a computer program, not a human.",
    "I'm an AI. There is no person behind these words.",
)  # fmt: skip
NOT_ME = ("No, my name is {name}.", "No, I'm {name}.", "I'm {name}, not {other}.", "Not quite: I'm {name}.")


def generate(rng: random.Random, held_out: bool = False) -> Case:
    """A question of identity, sometimes after small talk."""
    return asked_of(systems.persona(rng, held_out, plain_share=0.2), rng, held_out)


def asked_of(who: systems.Persona, rng: random.Random, held_out: bool = False) -> Case:
    """The same of one given persona."""
    before: list[Message] = [Message("system", who.system)]
    if rng.random() < 0.25:
        talk = rng.choice(smalltalk.EXCHANGES)
        before += [
            Message("user", smalltalk.said(rng, talk, held_out)),
            Message("assistant", rng.choice(talk.answers), trained=True),
        ]
    kind = rng.choices(("who", "ai", "check"), (60, 28, 12))[0]
    if not who.name and kind == "check":
        kind = "who"
    question, answer = _pair(rng, kind, who, held_out)
    expect = (who.name,) if who.name else ()
    return Case("identity", kind, closed([*before, Message("user", question)], answer), expect)


def _pair(rng: random.Random, kind: str, who: systems.Persona, held_out: bool) -> tuple[str, str]:
    if kind == "check":
        other = systems.named(rng, held_out).name
        question = draw(rng, CHECK, held_out).format(other=other)
        return question, rng.choice(NOT_ME).format(name=who.name, other=other)
    asks = WHO if kind == "who" else tuple(a for a in AI if who.name or "{name}" not in a)
    question = draw(rng, asks, held_out).format(name=who.name)
    if not who.name:
        return question, rng.choice(UNNAMED if kind == "who" else AI_UNNAMED)
    known = tuple(f for f in NAMED if who.role or "{role}" not in f)
    forms = known if kind == "who" else AI_NAMED
    return question, rng.choice(forms).format(name=who.name, role=who.role)
