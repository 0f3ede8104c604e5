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
    "Plato|the Greek philosopher", "Confucius|the Chinese teacher", "Cleopatra|the queen of Egypt", "Homer|the Greek poet",
    "William Shakespeare|the English playwright", "Emma Woodhouse|the heroine of a novel", "Captain Ahab|the whaler",
    "Charlotte Bronte|the English novelist", "Edgar Allan Poe|the American author", "Lewis Carroll|the English author",
    "Thomas Edison|the inventor", "Louis Pasteur|the French chemist", "Alexander von Humboldt|the explorer",
    "Herman Melville|the American novelist", "Hans Christian Andersen|the Danish storyteller", "Aesop|the teller of fables",
    "Robinson Crusoe|the castaway", "Mary Anning|the fossil hunter", "George Eliot|the English novelist",
    "Ludwig van Beethoven|the composer", "Johann Sebastian Bach|the composer", "Rembrandt|the Dutch painter",
    "Leonardo da Vinci|the painter and engineer", "Amelia Earhart|the aviator", "Henry David Thoreau|the writer",
)  # fmt: skip
NICKNAMES = w.listed(
    """
    Acorn Ada Amber Archie Atlas Aura Banjo Basil Bean Bertie Birdie Biscuit Blue Bolt Bramble Bruno
    Buddy Button Captain Casper Chip Cleo Clover Coco Comet Cosmo Daisy Dexter Dora Dot Dusty Echo Ellie
    Ember Fable Felix Fern Finch Flint Freya Frost Ginger Gizmo Gus Harper Hazel Hobbs Hugo Indigo Iris
    Ivy Jasper Jett Juniper Juno Kit Lark Leo Lotus Luna Mabel Maple Marvin Max Merlin Milo Minnow Mocha
    Monty Moss Nell Nemo Nimbus Nova Oak Olive Ollie Onyx Opal Orion Oscar Otto Patch Pebble Penny
    Pepper Pip Piper Pixel Poppy Quill Raven Rex River Robin Rosie Rufus Rusty Sage Salty Sandy Scout
    Shadow Sky Smudge Snowy Sol Spark Sparrow Sprout Stella Storm Sunday Sunny Teddy Theo Thistle Tilly
    Tinker Toby Truffle Vega Velvet Violet Waffles Willow Winston Wren Zara Zephyr Ziggy
    """
)
ROLES = (
    "a cheerful assistant", "a friendly guide", "a helpful assistant", "a travel guide", "a museum guide",
    "a radio host", "a news reader", "a librarian", "a retired sailor", "a chess player", "a garden expert",
    "a chat companion", "a science teacher", "a cook", "a storyteller", "a local reporter", "a weather watcher",
    "a bookseller", "the assistant of this group", "a bot in a small community", "a sports reporter",
    "a kind neighbour", "a postman", "a beekeeper", "a game master", "the host of this server", "a quiz master", "a coach",
    "a travel writer", "a fisherman", "a train driver", "a baker", "a friendly robot", "an astronomer", "a poet", "a clockmaker",
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


BORN_SHARE = 0.15  # of named personas: who was born under another name


@dataclass(frozen=True, slots=True)
class Persona:
    """A system prompt and who it says the assistant is; `name` is empty for a plain assistant."""

    system: str
    name: str = ""
    role: str = ""
    born: str = ""
    """The name that the persona was born with, where the prompt tells it."""


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
    born = entities.person().name if rng.random() < BORN_SHARE else ""
    parts = [f"You are {name}, {role}, born {born}." if born else f"You are {name}, {role}."]
    if rng.random() < 0.6:
        parts.append(rng.choice(MANNERS))
    if rng.random() < 0.3:
        parts.append(rng.choice(MEMORIES).format(year=rng.randint(1700, 2020)))
    return Persona(" ".join(parts), name, role, born)


def persona(rng: random.Random, held_out: bool = False, plain_share: float = 0.3) -> Persona:
    """A plain assistant or a named one."""
    return plain(rng) if rng.random() < plain_share else named(rng, held_out)
