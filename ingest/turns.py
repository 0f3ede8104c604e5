"""Utterances to turns: consecutive ones of a speaker merged, everybody but the target as one side.

Within a stretch the turns alternate between the others and the target, which is what the trainer
takes roles from. A stretch ends at a `GAP`, at an utterance that is not trusted, and at a long
silence in a chat. Knows nothing of windows or files.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ingest.dialogue import Dialogue, Utterance
from ingest.ledger import Ledger
from ingest.speakers import stage_named


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says until the other answers."""

    index: int
    """Place among the source's turns; grows with time over all of its dialogues."""
    is_target: bool
    lines: tuple[tuple[str, str], ...]
    """Speaker and text, one a speaker's stay."""
    utterance_ids: tuple[str, ...] = ()
    reply_to: str = ""
    start_s: float | None = None
    end_s: float | None = None
    confidence: float | None = None
    kinds: tuple[str, ...] = ()
    """Kinds of personal data that were found in it."""


Stretch = list[Turn]


def fold_name(name: str) -> str:
    """A speaker's name as it is compared: case, width and spaces set aside."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def stretches(
    dialogue: Dialogue,
    target: frozenset[str],
    ledger: Ledger,
    *,
    first_index: int = 0,
    min_confidence: float = 0.0,
    pause_s: float = 6 * 3600.0,
    kinds: Sequence[tuple[str, ...]] | None = None,
) -> list[Stretch]:
    """Alternating turns of a dialogue, cut where the conversation is not known to go on.

    Args:
        target: folded names of the persona.
        first_index: index of the first turn.
        min_confidence: utterances below it are dropped, and end the stretch.
        pause_s: a silence between two messages of a chat that ends the stretch.
        kinds: personal data found, for each utterance.
    """
    said, merged = stage_named(ledger, "utterances", "utterances"), stage_named(ledger, "turns", "utterances")
    out: list[Stretch] = []
    current: list[tuple[Utterance, tuple[str, ...]]] = []
    index, last_at = first_index, None

    def close() -> None:
        nonlocal index
        turns = list(_merged(current, target, index))
        index += len(turns) + 1  # a number left free, so that a cut is seen in the indexes
        merged.keep(len(turns))
        if len(current) > len(turns):
            merged.drop("merged into the turn before", count=len(current) - len(turns))
        if turns:
            out.append(turns)
        current.clear()

    for number, utterance in enumerate(dialogue.utterances):
        where = f"{dialogue.source} utterance {number + 1}"
        if not utterance.text.strip() or not utterance.speaker:
            said.drop("a gap" if not utterance.speaker else "no text", where)
            if not utterance.speaker:
                close()
            continue
        if utterance.confidence is not None and utterance.confidence < min_confidence:
            said.drop("low confidence", where)
            close()
            continue
        said.keep()
        at = _utc(utterance.at)
        if at and last_at and abs((at - last_at).total_seconds()) > pause_s:
            close()
        last_at = at or last_at
        current.append((utterance, kinds[number] if kinds else ()))
    close()
    return out


def _utc(at: datetime | None) -> datetime | None:
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


def _merged(
    said: Iterable[tuple[Utterance, tuple[str, ...]]], target: frozenset[str], index: int
) -> Iterator[Turn]:
    group: list[tuple[Utterance, tuple[str, ...]]] = []
    side = False
    for item in said:
        is_target = fold_name(item[0].speaker) in target
        if group and is_target != side:
            yield _turn(group, side, index)
            index, group = index + 1, []
        side = is_target
        group.append(item)
    if group:
        yield _turn(group, side, index)


def _turn(group: Sequence[tuple[Utterance, tuple[str, ...]]], is_target: bool, index: int) -> Turn:
    lines: list[tuple[str, str]] = []
    for said, _ in group:
        text = said.text.strip()
        if lines and (is_target or fold_name(lines[-1][0]) == fold_name(said.speaker)):
            joint = "\n" if said.at else " "  # messages stay lines, speech runs on
            lines[-1] = (lines[-1][0], f"{lines[-1][1]}{joint}{text}")
        else:
            lines.append((said.speaker, text))
    told = [said.confidence for said, _ in group if said.confidence is not None]
    ends = [said.end_s for said, _ in group if said.end_s is not None]
    return Turn(
        index,
        is_target,
        tuple(lines),
        tuple(said.id for said, _ in group if said.id),
        group[0][0].reply_to,
        next((said.start_s for said, _ in group if said.start_s is not None), None),
        max(ends) if ends else None,
        min(told) if told else None,
        tuple(sorted({kind for _, kinds in group for kind in kinds})),
    )
