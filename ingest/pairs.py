"""Dialogues to training pairs: what was said before, and the persona's reply.

    dialogues ─ pii ─ turns ─ windows ─ decisions ─ near-duplicates ─ caps ─► rows ─ split

An instruction alternates backwards from its last turn, which is somebody else's: that is what the
trainer reads roles from. Everything here is deterministic: same input, same rows, same ids. This
module reads and writes no files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.errors import InputError
from engine.prompt import speaker_line
from ingest.dialogue import Dialogue
from ingest.ledger import Ledger
from ingest.pii import Scrubber
from ingest.pseudonyms import PERSON, Placeholders
from ingest.rows import PairOptions, Row, pair_id, word_count
from ingest.selection import capped, once, undecided
from ingest.speakers import stage_named
from ingest.turns import Stretch, Turn, fold_name, stretches


@dataclass(frozen=True, slots=True)
class Built:
    """Rows, and what a review sheet shows beside them."""

    rows: tuple[Row, ...]
    timelines: Mapping[str, tuple[tuple[str, float, float], ...]]
    """Source -> speaker, start and end in seconds, where the transcript has times."""


def build_pairs(
    dialogues: Iterable[Dialogue],
    options: PairOptions,
    ledger: Ledger,
    scrubber: Scrubber | None = None,
    decisions: Mapping[str, str] | None = None,
) -> Built:
    """Pairs of all dialogues, in order of source and time.

    Args:
        ledger: gets the stages from `files` on.
        scrubber: takes personal data out; None leaves it in.
        decisions: id -> `accept` or `reject`. What a person accepted is neither too short nor a
            near-duplicate nor over the cap.

    Raises:
        InputError: the target does not speak anywhere, or the check for personal data failed.
    """
    decisions = decisions or {}
    heard = _with_target(list(dialogues), options, ledger)
    rows: list[Row] = []
    timelines: dict[str, tuple[tuple[str, float, float], ...]] = {}
    for source, own in _by_source(heard).items():
        names, index, spans = Placeholders(), 0, []
        for dialogue in own:
            kinds = None
            if scrubber:
                scrubbed = scrubber.scrub(dialogue, stage_named(ledger, "personal data", "utterances"), names)
                dialogue, kinds = scrubbed.dialogue, scrubbed.kinds
            spans += [
                (u.speaker, u.start_s, u.end_s)
                for u in dialogue.utterances
                if u.speaker and u.start_s is not None and u.end_s is not None
            ]
            for stretch in stretches(
                dialogue,
                options.names,
                ledger,
                first_index=index,
                min_confidence=options.min_confidence,
                pause_s=options.pause_s,
                kinds=kinds,
            ):
                index = stretch[-1].index + 2
                rows += _windows(stretch, source, dialogue.recorded_at, options, ledger, decisions)
        timelines[source] = tuple(spans)
    rows = undecided(rows, decisions, ledger)
    rows = once(rows, options, decisions, ledger)
    return Built(tuple(capped(rows, options, decisions, ledger)), timelines)


def _with_target(dialogues: Sequence[Dialogue], options: PairOptions, ledger: Ledger) -> list[Dialogue]:
    stage = stage_named(ledger, "dialogues", "dialogues")
    heard = []
    speakers: dict[str, None] = {}
    for dialogue in dialogues:
        own = {u.speaker: None for u in dialogue.utterances if u.speaker}
        speakers |= own
        if any(fold_name(name) in options.names for name in own):
            stage.keep()
            heard.append(dialogue)
        else:
            stage.drop("the target does not speak", dialogue.source)
    if not heard:
        listed = ", ".join(list(speakers)[:12]) or "nobody"
        raise InputError(
            f"{options.target} does not speak in {len(dialogues)} dialogue(s); the speakers are: {listed}. "
            "Give another --target or an --alias."
        )
    return heard


def _by_source(dialogues: Iterable[Dialogue]) -> dict[str, list[Dialogue]]:
    """Dialogues of each source, in order of time."""
    groups: dict[str, list[Dialogue]] = defaultdict(list)
    for dialogue in dialogues:
        groups[dialogue.source].append(dialogue)
    return {source: sorted(groups[source], key=_moment) for source in sorted(groups)}


def _moment(dialogue: Dialogue) -> float:
    at = dialogue.recorded_at or next((u.at for u in dialogue.utterances if u.at), None)
    if at is None:
        return 0.0
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _windows(
    stretch: Stretch,
    source: str,
    recorded_at: datetime | None,
    options: PairOptions,
    ledger: Ledger,
    decisions: Mapping[str, str],
) -> list[Row]:
    stage = stage_named(ledger, "windows", "replies")
    rows = []
    place = {uid: i for i, turn in enumerate(stretch) for uid in turn.utterance_ids}
    for i, turn in enumerate(stretch):
        if not turn.is_target:
            continue
        where = f"{source} turn {turn.index + 1}"
        asked = i - 1
        if (j := place.get(turn.reply_to, asked)) < i and not stretch[j].is_target:
            asked = j  # a reply to something further up answers that, not what stands before it
        if asked < 0:
            stage.drop("nothing was said before it", where)
            continue
        before = stretch[max(0, asked + 2 - options.window_turns) : asked + 1]
        if before[0].is_target:
            before = before[1:]  # begins with somebody else, as the trainer wants it
        row = _row(before, turn, source, recorded_at)
        if word_count(row.response) < options.min_words and decisions.get(row.id) != "accept":
            stage.drop(f"reply under {options.min_words} words", where)
        elif options.drop_pii and set(row.kinds) - {PERSON}:
            stage.drop("personal data", where)
        else:
            stage.keep()
            rows.append(row)
    return rows


def _row(before: Sequence[Turn], reply: Turn, source: str, recorded_at: datetime | None) -> Row:
    others = {fold_name(name) for turn in before if not turn.is_target for name, _ in turn.lines}
    instruction = tuple(_text(turn, named=len(others) > 1) for turn in before)
    response = _text(reply, named=False)
    told = [t.confidence for t in (before[-1], reply) if t.confidence is not None]
    return Row(
        pair_id(source, instruction, response),
        source,
        instruction,
        response,
        before[0].index,
        reply.index,
        reply.start_s,
        min(told) if told else None,
        tuple(sorted({kind for turn in (*before, reply) for kind in turn.kinds})),
        recorded_at,
    )


def _text(turn: Turn, named: bool) -> str:
    if turn.is_target or not named:
        return "\n".join(text for _, text in turn.lines)
    return "\n".join(speaker_line(name, text) for name, text in turn.lines)
