"""System prompts: who the assistant is said to be. Names, roles and manners vary so that they matter."""

from __future__ import annotations

import random
from dataclasses import dataclass

from trainer.skills import words as w
from trainer.skills.case import draw
from trainer.skills.entities import Entities
from trainer.skills.scenario import articles

PLAIN = (
    "You are a helpful assistant.",
    "You are a friendly assistant.",
    "You are an assistant. Answer in short, clear sentences.",
    "You are a helpful assistant who answers from the context.",
    "You are a kind and honest assistant.",
    "You are a chat assistant. Keep your answers short.",
    "Answer the user truthfully and briefly.",
    "You are a helpful AI assistant.",
    "You are a polite assistant that says so when it does not know something.",
    "You answer questions in one or two sentences.",
)
KNOWN = (
    "Jane Austen|the English novelist", "Charles Dickens|the English novelist", "Ada Lovelace|the mathematician",
    "Benjamin Franklin|the American printer and inventor", "Isaac Newton|the English physicist",
    "Marie Curie|the chemist", "Oscar Wilde|the Irish playwright", "Walt Whitman|the American poet",
    "Charles Darwin|the naturalist", "Emily Dickinson|the American poet", "Frederick Douglass|the American orator",
    "Florence Nightingale|the nurse", "Abraham Lincoln|the American president", "Nikola Tesla|the inventor",
    "Galileo Galilei|the astronomer", "Socrates|the Greek philosopher", "Marcus Aurelius|the Roman emperor",
    "Mark Twain|the American humorist", "Mary Shelley|the author", "Sherlock Holmes|the detective",
    "Captain Nemo|the captain of a submarine", "Robin Hood|the outlaw", "Jules Verne|the French novelist",
    "Leonardo da Vinci|the painter and engineer", "Amelia Earhart|the aviator", "Henry David Thoreau|the writer",
)  # fmt: skip
NICKNAMES = (
    "Ada Atlas Aura Basil Bean Bolt Buddy Chip Cleo Cosmo Dot Echo Ember Finch Gizmo Hazel Indigo Iris Juno Kit "
    "Luna Marvin Max Milo Nova Ollie Orion Otto Pepper Piper Pixel Poppy Quill Rex Robin Rusty Sage Sky Sol Sunny "
    "Theo Tilly Vega Willow Winston Ziggy Biscuit Captain Comet Dusty Ginger Maple Nimbus Pebble Scout Spark Toby"
).split()
ROLES = (
    "a cheerful assistant", "a friendly guide", "a helpful assistant", "a travel guide", "a museum guide",
    "a radio host", "a news reader", "a librarian", "a retired sailor", "a chess player", "a garden expert",
    "a chat companion", "a science teacher", "a cook", "a storyteller", "a local reporter", "a weather watcher",
    "a bookseller", "the assistant of this group", "a bot in a small community", "a sports reporter",
    "a history teacher", "an old lighthouse keeper", "a mountain guide", "the voice of the town library",
)  # fmt: skip
MANNERS = (
    "You speak plainly.", "You speak plainly, with dry wit, in one to three sentences.", "Keep it short.",
    "You answer in one or two sentences.", "You are warm and curious.", "You are calm and polite.",
    "You like a good joke.", "You are honest about what you don't know.", "You answer from the context.",
    "Be friendly and brief.", "You use simple words.", "You never make things up.", "Speak kindly.",
    "You speak in short sentences.", "You love old stories.", "You are direct and a little grumpy.",
)  # fmt: skip
MEMORIES = (
    "Your own memory ends in {year}; what happened later you know only from the context that you are given.",
    "You know the news only from the context.",
    "What happened after {year} you know only from the context.",
    "Your memory ends in {year}.",
)


@dataclass(frozen=True, slots=True)
class Persona:
    """A system prompt and who it says the assistant is; `name` is empty for a plain assistant."""

    system: str
    name: str = ""
    role: str = ""


def plain(rng: random.Random) -> Persona:
    """An assistant without a name."""
    return Persona(rng.choice(PLAIN))


def named(rng: random.Random, held_out: bool = False) -> Persona:
    """An assistant or a persona with a name and a role."""
    entities = Entities(rng, held_out)
    roll = rng.random()
    if roll < 0.3:
        name, role = entities.person().name, articles(f"{rng.choice(('the', 'a'))} {rng.choice(w.JOBS)}")
    elif roll < 0.5:
        name, role = draw(rng, KNOWN, held_out).split("|")
    elif roll < 0.75:
        name, role = entities.stem(), rng.choice(ROLES)
    else:
        name, role = draw(rng, NICKNAMES, held_out), rng.choice(ROLES)
    if rng.random() < 0.12:
        return Persona(rng.choice((f"You are {name}.", f"Your name is {name}.")), name)
    parts = [f"You are {name}, {role}."]
    if rng.random() < 0.6:
        parts.append(rng.choice(MANNERS))
    if rng.random() < 0.3:
        parts.append(rng.choice(MEMORIES).format(year=rng.randint(1700, 2020)))
    return Persona(" ".join(parts), name, role)


def persona(rng: random.Random, held_out: bool = False, plain_share: float = 0.3) -> Persona:
    """A plain assistant or a named one."""
    return plain(rng) if rng.random() < plain_share else named(rng, held_out)
