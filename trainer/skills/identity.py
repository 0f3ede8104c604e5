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
LEADS = (
    "Tell me {c}.", "Could you tell me {c}?", "Can you say {c}?", "I would like to hear {c}.", "May I know {c}?", "Do you mind telling me {c}?",
    "I want to know {c}.", "I wonder {c}.", "Please let me know {c}.", "First of all, {c}?", "My friend asks {c}.", "Before we begin, tell me {c}.",
    "I forgot {c}.", "You have not told me {c}.", "Would you kindly tell me {c}?", "Be so good as to tell me {c}.", "One thing: {c}?", "Let me ask {c}.",
    "I need to know {c}.", "Now tell us {c}.", "Everybody here wants to know {c}.", "For my notes: {c}?",
)  # fmt: skip
CORES = (
    "who you are", "your name", "what your name is", "who I am talking to", "who I'm speaking with", "who is there", "who is answering me",
    "what I should call you", "how you are called", "your full name", "who is behind these words", "who wrote that", "under what name people know you",
    "what you call yourself", "who sends me these lines", "what it says on your door", "what your mother called you", "whose words these are",
)  # fmt: skip
SHORT = (
    "Name and trade?", "Identify yourself.", "Your name, friend?", "Which name do you go by?", "What do your friends call you?",
    "Who goes there?", "And your name is?", "You are?", "What is the name?", "Under what name do you write?",
    "Who sits at the other end?", "What do I write on the envelope?", "Whose voice is that?", "Who is it?", "Sorry, who?", "A name, please.",
    "With what name do you sign?", "By what name shall I remember you?", "I did not catch your name.", "Do tell me who I have here.",
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
    if kind == "who" and rng.random() < 0.6:
        question = who_in_other_words(rng, held_out)
        return question, _named_answer(rng, kind, who)
    asks = WHO if kind == "who" else tuple(a for a in AI if who.name or "{name}" not in a)
    question = draw(rng, asks, held_out).format(name=who.name)
    return question, _named_answer(rng, kind, who)


def who_in_other_words(rng: random.Random, held_out: bool = False) -> str:
    """ "Who are you?" as people put it: a lead and what is wanted, or something short."""
    if rng.random() < 0.3:
        return draw(rng, SHORT, held_out)
    question = draw(rng, LEADS, held_out).format(c=draw(rng, CORES, held_out))
    roll = rng.random()
    if roll < 0.15:
        return question.lower().rstrip("?.")
    if roll < 0.3:
        return f"{rng.choice(('Hello.', 'Good evening.', 'Excuse me.', 'One moment.'))} {question}"
    return question


def _named_answer(rng: random.Random, kind: str, who: systems.Persona) -> str:
    if not who.name:
        return rng.choice(UNNAMED if kind == "who" else AI_UNNAMED)
    known = tuple(f for f in NAMED if who.role or "{role}" not in f)
    return rng.choice(known if kind == "who" else AI_NAMED).format(name=who.name, role=who.role)
