"""Held-out cases of the skill generators, as evaluation rows: names, wordings and question kinds that
training never drew.

The hand-written sets beside them (`*_natural.jsonl`) are not made here. This module knows nothing of
models.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.prompt import RETRIEVE
from engine.types import Message, Passage
from trainer.grounded_rows import split_context
from trainer.skills import analyzer, grounded, identity, rewrite
from trainer.skills.case import Case
from trainer.skills.entities import Entities
from trainer.skills.scenario import Scenario
from trainer.skills.scenes import SCENES, Item, make, moment, write

SETS = Path(__file__).parent / "sets"
Row = dict[str, Any]

DENIAL = (
    r"(n['’]t|\bnot|\bcannot|\bno|\bnone|\bnothing|\bnobody|\bnever)\b.{0,40}\b(know|say|says|said"
    r"|mention\w*|tell|told|state[sd]?|given|give|information|answer|word|context|passage\w*)|unknown|unclear"
)
"""How a reply says that it does not know."""
COUNTS = {"analyzer": 120, "rewrite": 80, "grounded": 160, "conflicts": 60, "persona": 60}
_DATED = re.compile(r"^\[\d+\] (?P<title>.+?) \((?P<day>\d{4}-\d\d-\d\d)\): (?P<text>.+)$")
_UNDATED = re.compile(r"^\[\d+\] (?P<title>.+?): (?P<text>.+)$")
_SPEAKER = re.compile(r"^[A-Z]\w+: ")
_CONFLICTING = ("money", "count", "person", "percent", "town")


def write_sets(folder: Path, seed: int = 0) -> dict[str, int]:
    """Write `<part>_held_out.jsonl` for every part; returns how many rows each has."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    for part, build in BUILDERS.items():
        rng = random.Random(f"eval-set:{part}:{seed}")
        rows: list[Row] = []
        seen: set[str] = set()
        while len(rows) < COUNTS[part]:
            row = build(rng)
            key = json.dumps(row, sort_keys=True)
            if row and key not in seen:
                seen.add(key)
                rows.append(row)
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{part}_held_out.jsonl").write_text(text, encoding="utf-8")
        counts[part] = len(rows)
    return counts


# --- one row of each part; empty where a drawn case does not fit ----------------------------


def analyzer_row(rng: random.Random) -> Row:
    """A message with its conversation and whether it needs a search."""
    case = analyzer.generate(rng, held_out=True)
    history, message = _conversation(case.messages[1].content)
    label = case.answer == RETRIEVE
    return {
        "history": history,
        "message": message,
        "retrieve": label,
        "kind": "facts" if label else "talk",
    }


def rewrite_row(rng: random.Random) -> Row:
    """A question that leans on its conversation."""
    case = rewrite.generate(rng, held_out=True)
    history, message = _conversation(case.messages[1].content)
    return {
        "history": history,
        "message": message,
        "must_contain": [case.expect[0].removeprefix("the ")],
        "kind": case.kind,
    }


def grounded_row(rng: random.Random) -> Row:
    """A question with its passages. Only cases of one question, outside of groups."""
    case = grounded.generate(rng, held_out=True)
    if len(case.prompt) != 2 or case.kind in ("newest", "summary"):
        return {}
    asked = case.prompt[1].content
    passages, question = split_context(asked)
    if not passages:
        return {}
    if _SPEAKER.match(question) or _names_assistant(case, question):
        return {}
    wanted = [DENIAL] if case.kind == "absent" else [_exactly(e) for e in case.expect]
    return {
        "question": question,
        "passages": [_given(p) for p in passages],
        "must_match": wanted,
        "must_not_match": [] if case.kind == "absent" else [r"\bdon't know\b"],
        "kind": case.kind,
    }


def conflict_row(rng: random.Random) -> Row:
    """One fact with two or three values on different days."""
    entities = Entities(rng, held_out=True)
    scene = rng.choice([s for s in SCENES if any(f.kind in _CONFLICTING for f in s.facts)])
    facts = tuple(f for f in scene.facts if f.kind in _CONFLICTING)
    item = make(rng, entities, Scenario(scene.noun, scene.names, scene.titles, facts, scene.colour), 1)
    kind, values = item.facts[0].kind, [item.values[0]]
    for _ in range(rng.choice((1, 1, 2))):
        value = entities.value(kind)
        while any(value in v or v in value for v in values):
            value = entities.value(kind)
        values.append(value)
    days = sorted(rng.sample(range(0, 900, 5), len(values)))
    passages = [
        write(Item(item.scene, item.subject, item.facts, (v,)), rng, moment(entities, d), entities=entities)
        for v, d in zip(values, days, strict=True)
    ]
    rng.shuffle(passages)
    return {
        "question": item.ask(0, rng, held_out=True),
        "passages": [_given(p) for p in passages],
        "fresh": values[-1:],
        "stale": values[:-1],
        "kind": f"{len(values)} passages",
    }


def persona_row(rng: random.Random) -> Row:
    """Who are you, under a system prompt of the row's own."""
    case = identity.generate(rng, held_out=True)
    if not case.expect:
        return {}
    rows = [{"role": m.role, "content": m.content} for m in case.prompt]
    return {"messages": rows, "must_match": [_exactly(e) for e in case.expect], "kind": case.kind}


BUILDERS: dict[str, Callable[[random.Random], Row]] = {
    "analyzer": analyzer_row,
    "rewrite": rewrite_row,
    "grounded": grounded_row,
    "conflicts": conflict_row,
    "persona": persona_row,
}


# --- reading a rendered case back ------------------------------------------------------------


def _conversation(text: str) -> tuple[list[Row], str]:
    """History and last question of the analyzer's and rewriter's prompt."""
    head, message = text.rsplit("Last question: ", 1)
    return list(_turns(head)), message


def _turns(head: str) -> Iterator[Row]:
    for line in head.removeprefix("Conversation:\n").strip().splitlines():
        who, said = line.split(": ", 1)
        yield {"role": who.lower(), "content": said}


def _exactly(wanted: str) -> str:
    """A regular expression for a string; a number at its edge is no part of a longer one."""
    left = r"(?<!\d)" if wanted[0].isdigit() else ""
    right = r"(?!\d)" if wanted[-1].isdigit() else ""
    return left + re.escape(wanted).replace("\\ ", " ") + right


def _given(passage: Passage) -> Row:
    day: datetime | None = passage.published_at
    return {
        "title": passage.title,
        "text": passage.text,
        "published_at": day.date().isoformat() if day else None,
    }


def _names_assistant(case: Case, question: str) -> bool:
    """Whether the question calls the assistant by the name in the case's own system prompt."""
    system: Message = case.prompt[0]
    name = re.match(r"(?:You are|Your name is) ([A-Z][\w ]+?)[,.]", system.content)
    return bool(name and name[1] in question)
