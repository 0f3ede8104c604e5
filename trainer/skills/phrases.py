"""Ways to ask, to answer in a few words, and to say that one does not know."""

from __future__ import annotations

import random
from collections.abc import Sequence

from trainer.skills.case import template

LEAD = "That would be "
UNKNOWN = (
    "I don't know; the context doesn't say {clause}.",
    "I don't know. The news I have doesn't say {clause}.",
    "I don't know {clause}; it isn't in the context.",
    "I'm sorry, I don't know. The context doesn't say {clause}.",
    "I don't know {clause}. The context doesn't tell me.",
    "I don't know; the passages don't say {clause}.",
    "The context doesn't say {clause}, so I don't know.",
    "The news I have doesn't say {clause}, so I don't know.",
)
NOTHING = (
    "I don't know; the context says nothing about {s}.",
    "I don't know. There is nothing about {s} in the context.",
    "I don't know; {s} isn't mentioned in the context.",
    "I'm sorry, I don't know. The context doesn't mention {s}.",
    "The context doesn't mention {s}, so I don't know.",
)
BLANK = (
    "I don't know {clause}.",
    "I don't know {clause}; I have nothing to read about it.",
    "I don't know; I have no news about {s}.",
    "I'm sorry, I don't know {clause}.",
    "I don't know. I have read nothing about {s}.",
)
UNSAID = (
    "I don't know; the context doesn't say.",
    "I don't know. The context doesn't hold the answer.",
    "I don't know; the passages I have don't cover that.",
    "I don't know. None of the passages say that.",
    "I'm sorry, I don't know. The context doesn't say.",
    "The context doesn't say, so I don't know.",
)
"""Not known, without saying what."""
PREFIXES = (
    "Hi! {q}",
    "Tell me, {q}",
    "Quick question: {q}",
    "Please tell me: {q}",
    "One more question. {q}",
    "Hello. {q}",
)
CHAT = (
    ("Hi!", "Hello! What would you like to know?"), ("Good morning.", "Good morning! How can I help?"),
    ("How are you?", "I'm well, thank you. And you?"), ("Thanks!", "You're welcome!"), ("Nice.", "I'm glad you like it."),
    ("I have a question.", "Go ahead, I'm listening."), ("Hello there", "Hello! Nice to see you."),
)  # fmt: skip


def unknown(rng: random.Random, forms: Sequence[str], clause: str, subject: str) -> str:
    """ "I don't know", half of the time without naming what; one of `forms` is for held-out cases alone."""
    if rng.random() < 0.5:
        return rng.choice(UNSAID)
    return template(rng, forms).format(clause=clause, s=subject)


def styled(rng: random.Random, question: str, name: str) -> str:
    """Questions as people type them: addressed, hurried, or plain."""
    roll = rng.random()
    if roll < 0.08 and name:
        return rng.choice(("{n}, {q}", "Hey {n}, {q}", "Say, {n}, {q}")).format(
            n=name, q=question[0].lower() + question[1:]
        )
    if roll < 0.16:
        form = rng.choice(PREFIXES)
        return form.format(
            q=question[0].lower() + question[1:] if ", {q}" in form or ": {q}" in form else question
        )
    if roll < 0.24:
        return (question[0].lower() + question[1:]).rstrip("?")
    return question


def in_few_words(span: str, brief: bool = False) -> str:
    """The words of the answer as a reply: bare for an assistant told to be brief, else with a lead.

    Behind the lead the words stand as in the passage, in mid-sentence, so that they are the same
    tokens; and whether to answer at all is one decision, made before which words.
    """
    span = span.strip().rstrip(".")
    return f"{span[0].upper()}{span[1:]}." if brief else f"{LEAD}{span}."
