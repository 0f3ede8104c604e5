"""Questions to the persona itself: a passage tells of "Nora Vale", the answer says "I"."""

from __future__ import annotations

import random

from engine.prompt import reply_messages
from engine.types import Passage
from trainer.pointers import UNREAD_SHARE, read
from trainer.skills import systems
from trainer.skills.case import Case, closed, template
from trainer.skills.entities import Entities
from trainer.skills.scenario import articles
from trainer.skills.scenes import make, moment, write

# kind of value | what a passage says | questions | answer | "I don't know …"
FACTS: tuple[tuple[str, str, tuple[str, ...], str, str], ...] = (
    ("town", "{n} was born in {v}.", ("Where were you born?", "Where are you from?", "Where do you come from?", "In which town were you born?"), "I was born in {v}.", "where I was born"),
    ("year", "{n} was born in {v}.", ("When were you born?", "In what year were you born?", "What is your year of birth?"), "I was born in {v}.", "when I was born"),
    ("job", "{n} first worked as a {v}.", ("What was your first job?", "What did you work as at first?", "What job did you begin with?"), "I first worked as a {v}.", "what my first job was"),
    ("person", "{n} married {v}.", ("Who did you marry?", "Are you married?", "Who is your wife or husband?"), "I married {v}.", "whom I married"),
    ("title", "{n} wrote \"{v}\".", ("What did you write?", "Which book did you write?", "What is your best known book?"), "I wrote \"{v}\".", "what I wrote"),
    ("town", "In later years {n} lived in {v}.", ("Where did you live?", "Where was your home in later years?", "In which town did you live later?"), "I lived in {v}.", "where I lived"),
    ("person", "{n} was taught by {v}.", ("Who was your teacher?", "Who taught you?", "From whom did you learn?"), "{v} taught me.", "who taught me"),
    ("country", "{n} travelled to {v} as a young person.", ("Where did you travel?", "Which country did you visit when you were young?", "Where did you go in your youth?"), "I travelled to {v}.", "where I travelled"),
    ("year", "{n} died in {v}.", ("When did you die?", "In what year did you die?", "What is the year of your death?"), "I died in {v}.", "when I died"),
    ("small", "{n} had {v} children.", ("How many children did you have?", "Did you have children?", "How big was your family?"), "I had {v} children.", "how many children I had"),
    ("food", "The favourite dish of {n} was {v}.", ("What did you like to eat?", "What was your favourite dish?", "Which food did you like best?"), "My favourite dish was {v}.", "what my favourite dish was"),
    ("animal", "{n} kept {v} at home.", ("Did you keep animals?", "Which animals did you keep?", "What animals did you have at home?"), "I kept {v} at home.", "which animals I kept"),
)  # fmt: skip
UNKNOWN = (
    "I don't know; the context doesn't say {c}.",
    "I don't know {c}. The context doesn't tell me.",
    "I don't know. The context doesn't say {c}.",
)
# what is told of others beside it, and answers nothing that is asked
OTHERS = (
    "{c}, a child of {n}, was born in {t}.", "{c}, the brother of {n}, died in {t} in {y}.", "{c}, a friend of {n}, lived in {t}.",
    "The first child of {n}, {c}, was born in {t} in {y}.", "{c}, the mother of {n}, was born in {y}.", "The town of {t} put up a statue of {n} in {y}.",
)  # fmt: skip
OTHERS_SHARE = 0.4


def _value(kind: str, e: Entities, rng: random.Random) -> str:
    """A value; some towns are told with what they lie in: "Florida, Missouri"."""
    value = e.value(kind)
    return f"{value}, {e.value('town')}" if kind == "town" and rng.random() < 0.4 else value


def _called(who: systems.Persona, rng: random.Random, first: bool = False) -> str:
    """The persona in a passage: the whole name or its last word, some by the name of birth."""
    if who.born and rng.random() < 0.5:
        return f"{who.born}, later known as {who.name}," if first and rng.random() < 0.5 else who.born
    return who.name if first or rng.random() < 0.6 else who.name.split()[-1]


def generate(rng: random.Random, held_out: bool = False) -> Case:
    """One to three facts about a made-up persona; one is asked in the second person."""
    return asked_of(systems.named(rng, held_out), rng, held_out)


def asked_of(who: systems.Persona, rng: random.Random, held_out: bool = False) -> Case:
    """The same about one given persona; the facts are made up."""
    e = Entities(rng, held_out)
    facts = rng.sample(FACTS, rng.choice((2, 3, 4)))
    known = [(f, _value(f[0], e, rng)) for f in facts]
    absent = rng.random() < 0.15
    asked, value = known[0]
    told = known[1:] if absent else known
    lines = [
        articles(f[1].format(n=_called(who, rng, first=i == 0), v=v))
        for i, (f, v) in enumerate(rng.sample(told, len(told)))
    ]
    if rng.random() < OTHERS_SHARE:
        line = rng.choice(OTHERS).format(
            c=e.person().name, n=_called(who, rng), t=_value("town", e, rng), y=rng.randint(1700, 2020)
        )
        lines.insert(rng.randint(0, len(lines)), line)
    title = rng.choice(
        (who.name, f"The life of {who.name}", f"{who.name}: a short life", "Biography", "Timeline")
    )
    passages = [
        Passage(
            " ".join(s[0].upper() + s[1:] for s in lines),
            title,
            published_at=moment(e) if rng.random() < 0.3 else None,
        )
    ]
    if rng.random() < 0.4:
        passages.append(write(make(rng, e), rng, moment(e), entities=e))
        rng.shuffle(passages)
    if rng.random() > UNREAD_SHARE:
        passages = read(passages, () if absent else (value,), rng)
    question = template(rng, asked[2], held_out)
    if rng.random() < 0.15:
        question = (
            f"{rng.choice(('Hey', 'Say,', 'Tell me,'))} {who.name}, {question[0].lower()}{question[1:]}"
        )
    answer = rng.choice(UNKNOWN).format(c=asked[4]) if absent else articles(asked[3].format(v=value))
    messages = reply_messages(who.system, (), question, passages)
    return Case(
        "about", "absent" if absent else "self", closed(messages, answer), ("know",) if absent else (value,)
    )
