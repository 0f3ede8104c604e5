"""`understudy train tools-data`: a synthetic tool-use set as chat rows, for any base model.

Each row is a conversation that ends with the assistant's turn to be learned: a call (thought, then
call) or a final answer that uses a tool's result. `train persona --pairs` reads the rows as they
are. The weather in them is made up; nothing is fetched.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from engine.errors import InputError
from engine.personas import load_persona
from engine.tools.format import may_be_call, tool_system
from engine.tools.specs import WEATHER
from engine.types import Message
from trainer.skills import grounded, smalltalk, tools
from trainer.skills.case import Case

MAX_COUNT = 1_000_000
NO_CALL_SHARE = 0.15  # of a persona's rows: small talk and grounded answers though tools are listed
_NAMED = re.compile(r"(?:You are|Your name is) ([A-Z][^,.\n]*)")
_OTHERS = {"plain", "unable", "another"}  # cases that hang on other system messages than the persona's


def write_tools_data(out: Path, count: int, seed: int, persona: Path | None = None) -> dict[str, Any]:
    """Write the set.

    Args:
        out: JSON lines; overwritten.
        count: rows.
        seed: same seed, same rows.
        persona: a persona's folder; its system message then heads every row, and its wit decides
            whether answers are witty. None: a different one for each conversation.

    Returns:
        rows, calls, answers, and rows by kind.

    Raises:
        InputError: the count is out of range, or `out` cannot be written.
    """
    if not 1 <= count <= MAX_COUNT:
        raise InputError(f"--count is {count}; allowed: 1 to {MAX_COUNT}.")
    system = load_persona(persona).system if persona else ""
    kinds: Counter[str] = Counter()
    calls = 0
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", encoding="utf-8") as file, tqdm(total=count, unit="row", disable=None) as bar:
            for n, (kind, messages) in zip(
                range(count), rows(random.Random(f"{seed}:tools"), system), strict=False
            ):
                row = {
                    "id": f"tools-{seed}-{n:06d}",
                    "source": f"synthetic:{kind}",
                    "messages": [{"role": m.role, "content": m.content} for m in messages],
                }
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                kinds[kind] += 1
                calls += may_be_call(messages[-1].content) is True
                bar.update()
    except OSError as exc:
        raise InputError(f"{out} cannot be written: {exc}.") from exc
    return {
        "out": str(out),
        "rows": count,
        "calls": calls,
        "answers": count - calls,
        "kinds": dict(sorted(kinds.items())),
    }


def rows(rng: random.Random, system: str = "") -> Iterator[tuple[str, Sequence[Message]]]:
    """Kind and messages without end, a row for each trained turn, none of them twice."""
    seen: set[tuple[Message, ...]] = set()
    while True:
        case = _persona_case(rng, system) if system else tools.generate(rng)
        for i, message in enumerate(case.messages):
            row = case.messages[: i + 1]
            if message.trained and row not in seen:
                seen.add(row)
                yield case.kind, row


def _persona_case(rng: random.Random, system: str) -> Case:
    """A case under the persona's own system message."""
    if rng.random() < NO_CALL_SHARE:
        other = rng.choice((grounded.generate, smalltalk.generate))(rng)
        while _addressed(other):
            other = grounded.generate(rng)
        return _headed(Case("tools", "plain", other.messages), system)
    wry = _witty(system)
    while True:
        case = tools.generate(rng)
        if case.kind not in _OTHERS and _witty(case.messages[0].content) is wry and not _addressed(case):
            return _headed(case, system)


def _addressed(case: Case) -> bool:
    """Whether somebody says the name of the persona that the case was made with."""
    name = _NAMED.match(case.messages[0].content)
    return name is not None and any(name[1] in m.content for m in case.messages[1:])


def _witty(system: str) -> bool:
    return any(word in system.lower() for word in ("wit", "joke", "humor", "humour"))


def _headed(case: Case, system: str) -> Case:
    head = Message("system", tool_system(system, [WEATHER]))
    return Case(case.skill, case.kind, (head, *case.messages[1:]), case.expect)
