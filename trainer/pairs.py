"""Training pairs: JSON lines into messages, and into token ids with a loss mask.

    {"instruction": ["oldest turn", …, "the one that is answered"], "response": "…", "id": "…"}
    {"messages": [{"role": "user", "content": "…"}, …, {"role": "assistant", "content": "…"}]}

Bad rows are refused by file and line with the reason; nothing vanishes silently: rows in = trained
+ held out + refused.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Protocol, cast

from engine.errors import InputError
from engine.prompt import clean_text
from engine.types import Message, Role
from trainer.encodings import encoding_fault

_ANSWERED: dict[str, tuple[str, ...]] = {
    "assistant": ("user", "tool"),
    "user": ("assistant",),
    "tool": ("assistant",),
}
"""Whose turn may come before whose."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What was said, oldest first, and the persona's reply."""

    instruction: tuple[str, ...]
    response: str
    source: str = ""
    id: str = ""
    roles: tuple[Role, ...] = ()
    """Of the instruction's turns; empty: they alternate back from a last turn of the user's."""
    system: str = ""
    """In place of the persona's system message."""
    file: str = ""
    line: int = 0

    @property
    def where(self) -> str:
        """`file:line`, or the id where it came from no file."""
        return f"{self.file}:{self.line}" if self.file else self.id or self.source or "pair"


@dataclass(frozen=True, slots=True)
class Example:
    """A rendered pair."""

    ids: tuple[int, ...]  # (T,); the decoder's where there is an encoder
    mask: tuple[bool, ...]  # (T,), true on the response's tokens and its end of turn
    source: tuple[int, ...] = ()  # (S,), what an encoder reads

    def __len__(self) -> int:
        """Tokens of the longer side."""
        return max(len(self.ids), len(self.source))

    @property
    def trained(self) -> int:
        """Tokens that carry loss; nothing predicts a causal model's first."""
        return sum(self.mask if self.source else self.mask[1:])


class Renders(Protocol):
    """`engine.prompt.Renderer`, or the sequence-to-sequence one beside this module."""

    def render(self, messages: Sequence[Message], *, final_only: bool = False) -> object:
        """Something with `ids` and `mask`, and `source` where there is an encoder."""
        ...


@dataclass(slots=True)
class Ledger:
    """How many rows came in, how many are trained, and why the others are not."""

    rows: int = 0
    trained: int = 0
    held_out: int = 0
    refused: list[str] = field(default_factory=list)
    """`file:line: reason`, in order."""
    warnings: list[str] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    """Id -> where it was first seen."""

    def refuse(self, where: str, reason: str) -> None:
        """Count a row as refused."""
        self.refused.append(f"{where}: {reason}")

    def close(self, trained: int, held_out: int) -> None:
        """Set what became of the accepted rows; the sum must be what came in."""
        self.trained, self.held_out = trained, held_out
        assert self.rows == trained + held_out + len(self.refused), "a row vanished"


# --- reading ---------------------------------------------------------------------------------


def read_pairs(path: Path, ledger: Ledger) -> list[Pair]:
    """All usable rows of a JSONL file.

    Raises:
        InputError: the file cannot be read, or no row is usable.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as exc:
        raise InputError(f"{path} cannot be read as JSON lines: {exc}.") from exc
    pairs, before = [], len(ledger.refused)
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        ledger.rows += 1
        where = f"{path.name}:{number}"
        try:
            pair = replace(_pair(_row(line)), file=path.name, line=number)
            if pair.id and pair.id in ledger.ids:
                raise ValueError(f"id {pair.id} was used at {ledger.ids[pair.id]}")
        except ValueError as exc:
            ledger.refuse(where, str(exc))
            continue
        if pair.id:
            ledger.ids[pair.id] = where
        pairs.append(pair)
    if not pairs:
        problem = (ledger.refused[before:] or ["empty file"])[0]
        raise InputError(f"{path} holds no usable pair. First problem: {problem}")
    return pairs


def _row(line: bytes) -> dict[str, object]:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise ValueError(f"it is not UTF-8 (byte {exc.start + 1} of the line)") from exc
    except ValueError as exc:
        raise ValueError(f"it is not JSON ({exc})") from exc
    if not isinstance(row, dict):
        raise ValueError("it is not a JSON object")
    return row


def _pair(row: dict[str, object]) -> Pair:
    roles, texts, system = _turns(row)
    for what, text in [*((f"turn {i}", t) for i, t in enumerate(texts, 1)), ("the system turn", system)]:
        if fault := encoding_fault(text):
            raise ValueError(f"{what} has mixed encodings: {fault}")
    cleaned = tuple(clean_text(text) for text in texts)
    if not cleaned[-1]:
        raise ValueError("the response is empty")
    if not all(cleaned):
        raise ValueError(f"turn {cleaned.index('') + 1} is empty")
    for i, (role, after) in enumerate(pairwise(roles), 1):
        if role not in _ANSWERED.get(after, ()):
            raise ValueError(f"turns do not alternate: turn {i} is the {role}'s, turn {i + 1} the {after}'s")
    told = "" if all(role != "tool" for role in roles) else roles[:-1]
    return Pair(
        cleaned[:-1], cleaned[-1], str(row.get("source") or ""), str(row.get("id") or ""),
        cast(tuple[Role, ...], tuple(told)), clean_text(system),
    )  # fmt: skip


def _turns(row: dict[str, object]) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Roles and texts, the response last, and the row's own system text."""
    if "messages" in row:
        turns = [_turn(turn) for turn in _list(row["messages"], "messages")]
        if not turns or turns[-1][0] != "assistant":
            raise ValueError("messages must end with the assistant's response")
    else:
        if "response" not in row or "instruction" not in row:
            missing = "instruction" if "instruction" not in row else "response"
            raise ValueError(f"it has no {missing}")
        if not isinstance(row["response"], str):
            raise ValueError("the response is not a text")
        given = row["instruction"]
        listed = _list([given] if isinstance(given, str) else given, "instruction")
        turns = [
            (("user" if (len(listed) - i) % 2 else "assistant"), turn)
            if isinstance(turn, str)
            else _turn(turn)
            for i, turn in enumerate(listed)
        ]
        turns.append(("assistant", row["response"]))
    system = turns.pop(0)[1] if turns[0][0] == "system" else ""
    if len(turns) < 2:
        raise ValueError("there is no turn before the response")
    return tuple(role for role, _ in turns), tuple(text for _, text in turns), system


def _list(value: object, key: str) -> list[object]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{key} must be a list of one or more turns")
    return value


def _turn(value: object) -> tuple[str, str]:
    if not isinstance(value, dict) or not isinstance(value.get("content"), str):
        raise ValueError("a turn must be a text, or an object with role and content")
    role = value.get("role")
    if role not in ("system", "user", "assistant", "tool"):
        raise ValueError(f"a turn's role is {role!r}; allowed: system, user, assistant, tool")
    return str(role), value["content"]


# --- splitting -------------------------------------------------------------------------------


def split(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Train and held-out pairs; a pair's twin (same response) never lands on the other side.

    Raises:
        InputError: there are too few different pairs.
    """
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.response, []).append(pair)
    keys = sorted(groups)
    random.Random(seed).shuffle(keys)
    train: list[Pair] = []
    held_out: list[Pair] = []
    for key in keys:
        (held_out if len(held_out) < share * len(pairs) else train).extend(groups[key])
    if not train or not held_out:
        raise InputError("At least two different pairs are needed, one of them to hold out.")
    return train, held_out


# --- rendering -------------------------------------------------------------------------------


def pair_messages(pair: Pair, system: str, prefix: str = "") -> tuple[Message, ...]:
    """The conversation of a pair; `prefix` (such as `Hey Elon, …`) goes before the last user turn."""
    last = len(pair.instruction) - 1
    turns = []
    for i, text in enumerate(pair.instruction):
        role: Role = pair.roles[i] if pair.roles else "user" if (last - i) % 2 == 0 else "assistant"
        if i == last and prefix and role == "user":
            text = prefix.replace("…", text) if "…" in prefix else f"{prefix} {text}"
        turns.append(Message(role, text))
    while len(turns) > 1 and turns[0].role != "user":
        turns.pop(0)
    return (
        Message("system", pair.system or system),
        *turns,
        Message("assistant", pair.response, trained=True),
    )


def render_messages(messages: Sequence[Message], renderer: Renders) -> Example:
    """An example whose last message is trained."""
    rendered = renderer.render(messages, final_only=True)
    return Example(rendered.ids, rendered.mask, getattr(rendered, "source", ()))  # type: ignore[attr-defined]


def render_pair(pair: Pair, renderer: Renders, system: str, prefix: str, max_length: int) -> Example:
    """A pair, without its oldest turns where it is too long; the result may still be longer."""
    while True:
        example = render_messages(pair_messages(pair, system, prefix), renderer)
        if len(example) <= max_length or len(pair.instruction) == 1:
            return example
        pair = replace(pair, instruction=pair.instruction[1:], roles=pair.roles[1:])


def fitting(
    pairs: Iterable[Pair],
    renderer: Renders,
    system: str,
    prefixes: Sequence[str],
    max_length: int,
    ledger: Ledger,
) -> list[Pair]:
    """The pairs that fit the window with any of the prefixes; the others are refused."""
    prefix = max(prefixes, key=len, default="")
    kept = []
    for pair in pairs:
        texts = (*pair.instruction, pair.response, prefix, pair.system or system)
        if sum(len(text.encode()) + 64 for text in texts) > max_length:  # a token has a byte at least
            example = render_pair(pair, renderer, system, prefix, max_length)
            if len(example) > max_length:
                response = sum(example.mask)
                what = "the response" if response > max_length else "the last turn and its response"
                tokens = f"{len(example)} tokens, longer than the window of {max_length}"
                ledger.refuse(pair.where, f"{what}: {tokens}")
                continue
        kept.append(pair)
    return kept


def render_pairs(
    pairs: Sequence[Pair],
    renderer: Renders,
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
        ledger: gets the pairs that do not fit; there are none after `fitting`.
    """
    rng = random.Random(seed)
    examples = []
    for pair in pairs:
        prefix = rng.choice(prefixes) if prefixes and rng.random() < identity_rate else ""
        example = render_pair(pair, renderer, system, prefix, max_length)
        if len(example) > max_length:
            ledger.refuse(pair.where, f"it is longer than the window of {max_length} tokens")
        else:
            examples.append(example)
    return examples
