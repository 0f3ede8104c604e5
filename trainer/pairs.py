"""Training pairs: `{"instruction": [turns…], "response": "…"}` JSONL into messages.

The instruction's turns alternate and end with the one that is answered. Bad rows are refused by
line number with the reason; nothing vanishes silently.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import InputError
from engine.prompt import Renderer, clean_text
from engine.types import Message


@dataclass(frozen=True, slots=True)
class Pair:
    """What was said, oldest first, and the persona's reply."""

    instruction: tuple[str, ...]
    response: str
    source: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A rendered pair."""

    ids: tuple[int, ...]  # (T,)
    mask: tuple[bool, ...]  # (T,), true on the response's tokens and its end of turn


@dataclass(slots=True)
class Ledger:
    """How many rows came in, how many are trained, and why the others are not."""

    rows: int = 0
    trained: int = 0
    held_out: int = 0
    refused: list[str] = field(default_factory=list)


def read_pairs(path: Path, ledger: Ledger) -> list[Pair]:
    """All usable rows of a JSONL file.

    Raises:
        InputError: the file cannot be read, or no row is usable.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read as UTF-8 JSON lines: {exc}.") from exc
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        ledger.rows += 1
        try:
            pairs.append(_pair(json.loads(line)))
        except (ValueError, KeyError, TypeError) as exc:
            ledger.refused.append(f"{path.name}:{number}: {exc}")
    if not pairs:
        raise InputError(
            f"{path} holds no usable pair. First problem: {(ledger.refused or ['empty file'])[0]}"
        )
    return pairs


def _pair(row: dict[str, object]) -> Pair:
    instruction, response = row["instruction"], row["response"]
    if isinstance(instruction, str):
        instruction = [instruction]
    if not isinstance(instruction, list) or not instruction:
        raise ValueError("instruction must be a list of one or more turns")
    turns = tuple(clean_text(str(turn)) for turn in instruction)
    if not all(turns):
        raise ValueError("instruction has an empty turn")
    if not isinstance(response, str) or not clean_text(response):
        raise ValueError("response is empty")
    return Pair(turns, clean_text(response), str(row.get("source", "")), str(row.get("id", "")))


def pair_messages(pair: Pair, system: str, prefix: str = "") -> tuple[Message, ...]:
    """The conversation of a pair; `prefix` (such as `Hey Elon, …`) goes before the last user turn."""
    last = len(pair.instruction) - 1
    turns = []
    for i, text in enumerate(pair.instruction):
        role = "user" if (last - i) % 2 == 0 else "assistant"
        if i == last and prefix:
            text = prefix.replace("…", text) if "…" in prefix else f"{prefix} {text}"
        turns.append(Message("user" if role == "user" else "assistant", text))
    if turns[0].role == "assistant":
        turns.pop(0)
    return (Message("system", system), *turns, Message("assistant", pair.response, trained=True))


def render_pairs(
    pairs: Sequence[Pair],
    renderer: Renderer,
    system: str,
    prefixes: Sequence[str],
    identity_rate: float,
    max_length: int,
    seed: int,
    ledger: Ledger,
) -> list[Example]:
    """Render pairs for one phase; too long ones lose their oldest turns first.

    Args:
        identity_rate: share of examples that get one of `prefixes`.
        max_length: tokens.
    """
    rng = random.Random(seed)
    examples = []
    for pair in pairs:
        prefix = rng.choice(prefixes) if prefixes and rng.random() < identity_rate else ""
        rendered = renderer.render(pair_messages(pair, system, prefix), final_only=True)
        while len(rendered.ids) > max_length and len(pair.instruction) > 1:
            pair = Pair(pair.instruction[1:], pair.response, pair.source, pair.id)
            rendered = renderer.render(pair_messages(pair, system, prefix), final_only=True)
        if len(rendered.ids) > max_length:
            ledger.refused.append(f"{pair.id or pair.source or 'pair'}: longer than {max_length} tokens")
            continue
        examples.append(Example(rendered.ids, rendered.mask))
    return examples
