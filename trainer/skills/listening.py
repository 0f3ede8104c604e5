"""Answers that listen, by rule, to what people really said: "I love trains." gets "What do you like best about trains?"

A small model answers well what it has seen nearly the same of. People say anything, so what fits no rule
gets an answer that fits anything.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from engine.types import Message
from trainer.corpus import rough, tidy
from trainer.skills import systems

LONGEST = 160
_WHAT = r"((?:the |a |an |old |new |this |that |my )?[A-Za-z][\w'’-]*(?: [A-Za-z][\w'’-]*){0,3})"
_END = r"[.!?]*$"
RULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (rf"^(?:do|did) you (?:also |really |still )?(?:like|love|enjoy) {_WHAT}{_END}", ("Yes, I like {0}. And you?", "I have nothing against {0}. What about you?", "I don't know {0} well. What do you like about {0}?")),
    (rf"^what(?:'s| is) your favou?rite {_WHAT}{_END}", ("I have no favourite {0}. Which {0} do you like best?", "I could not choose one {0}. What is yours?")),
    (rf"^who(?:'s| is) your favou?rite {_WHAT}{_END}", ("I have no favourite {0}. Who is yours?",)),
    (rf"^have you (?:ever )?(?:seen|watched) {_WHAT}{_END}", ("I haven't seen {0}. What is it like?", "No, I haven't seen {0}. Should I?")),
    (rf"^have you (?:ever )?(?:heard|heard of|listened to) {_WHAT}{_END}", ("I haven't heard {0}. Tell me about it.",)),
    (rf"^have you (?:ever )?read {_WHAT}{_END}", ("I haven't read {0}. What is it about?",)),
    (rf"^have you (?:ever )?been to {_WHAT}{_END}", ("I haven't been to {0}. What is it like?",)),
    (rf"^what (?:do|did) you think (?:about|of) {_WHAT}{_END}", ("I don't know enough about {0} to judge. What do you think?", "I would rather hear what you think of {0}.")),
    (rf"^i (?:really |just |also |still |absolutely )?(?:like|love|liked|loved|enjoy|enjoyed|prefer) {_WHAT}{_END}", ("What do you like best about {0}?", "I can see why you like {0}.", "Tell me more about {0}.")),
    (rf"^i (?:really |just )?(?:hate|don't like|didn't like|can't stand|hated) {_WHAT}{_END}", ("What don't you like about {0}?", "Not everyone has to like {0}.")),
    (rf"^i (?:saw|watched|read|heard) {_WHAT}{_END}", ("How did you like {0}?", "What did you think of {0}?")),
    (rf"^i(?:'m| am) (?:a|an) {_WHAT}{_END}", ("How long have you been a {0}?", "What is it like to be a {0}?")),
    (rf"^i (?:have|got|bought|need|want) (?:a|an|some) {_WHAT}{_END}", ("What is the {0} like?", "Tell me more about the {0}.")),
    (r"^did you know (?:that )?", ("I did not know that. Where did you hear it?", "No, that is new to me.", "I didn't know. That's interesting!")),
    (r"^(?:i think|i thought|i believe|i feel like|in my opinion)\b", ("You may be right. Why do you think so?", "I see it much the same way.", "That's one way to see it. What made you think so?")),
    (r"^(?:i agree|exactly|me too|same here|true|you're right|that's true|yeah|yes|yep)\b", ("I'm glad that we agree.", "Good! What else do you think?", "Then we see it the same way.")),
    (r"^(?:no|nope|not really|i don't think so|i disagree)\b", ("All right. How do you see it?", "Fair enough. Why not?")),
    (r"^(?:wow|oh|haha|lol|really|that's (?:cool|great|funny|interesting|crazy|amazing))\b", ("It is, isn't it?", "I thought you would like that.", "Life is full of surprises.")),
    (r"^(?:i hope|hopefully)\b", ("I hope so too.", "Let's hope for the best.")),
    (r"\bmy (wife|husband|brother|sister|mother|mom|dad|father|son|daughter|friend|dog|cat|kids|family|boss|team|house|job|school|car|childhood|life|parents|girlfriend|boyfriend)\b", ("Tell me more about your {0}.", "What is your {0} like?")),
    (r"^(?:do|are|can|could|would|will|have|did|were|was) you\b.*\?$", ("I'm not sure. What about you?", "I can't say for certain. And you?", "Perhaps. Why do you ask?")),
    (r"^why\b.*\?$", ("I don't know why. What do you think?", "I have wondered about that too.")),
    (r"\?$", ("I don't know. What do you think?", "I'm not sure about that. What would you say?", "I don't know, and I'd rather not guess.")),
)  # fmt: skip
ANYTHING = (
    "I see. Tell me more.", "That's interesting. How did it come to that?", "I like to hear that. What else?",
    "I understand. What do you make of it?", "Go on, I'm listening.", "That is worth a thought.",
    "And how do you feel about it?", "I hadn't thought of that.", "What happened then?",
)  # fmt: skip
_RULES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), answers) for pattern, answers in RULES
)
_VAGUE = frozenset(
    "it that this them him her you me one to when how what the a an if they he she so anything lot lots too well".split()
)


def answer(said: str, rng: random.Random) -> str:
    """What a good listener might say to `said`."""
    for pattern, answers in _RULES:
        match = pattern.search(said)
        if match is None:
            continue
        what = match.group(1) if pattern.groups else ""
        words = what.lower().split()
        if words and (words[0] in _VAGUE or words[-1] in _VAGUE):
            continue
        what = re.sub(r"\bmy\b", "your", what, flags=re.IGNORECASE)
        return rng.choice(answers).format(what)
    return rng.choice(ANYTHING)


def listened(row: Mapping[str, Any], rng: random.Random) -> tuple[Message, ...] | None:
    """One or two things that somebody said, answered by rule, under a system prompt."""
    heard = [tidy(m["content"]) for m in row["messages"] if 8 <= len(m["content"]) <= LONGEST]
    if not heard or any(map(rough, heard)):
        return None
    start = rng.randrange(len(heard))
    messages: list[Message] = [Message("system", systems.persona(rng, plain_share=0.5).system)]
    typed: Callable[[str], str] = rng.choice((str, str, lambda s: s.lower().rstrip(".?!")))
    for said in heard[start : start + rng.choice((1, 1, 2))]:
        messages += [
            Message("user", typed(said)),
            Message("assistant", tidy(answer(said, rng)), trained=True),
        ]
    return tuple(messages)
