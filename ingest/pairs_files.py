"""`ingest pairs` from files to files: transcripts in, rows, split and side notes out.

Beside `pairs.jsonl` stand `train.jsonl`, `held_out.jsonl`, and `pairs.meta.jsonl`, which holds what
the review sheet shows and the trainer does not read. Knows nothing of the command line.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import InputError
from ingest.decisions import load_decisions
from ingest.dialogue import Dialogue
from ingest.ledger import Ledger
from ingest.outfiles import write_files
from ingest.pairs import Built, build_pairs
from ingest.pii import Checker, Scrubber
from ingest.pii_names import NameChecker
from ingest.pii_patterns import PatternChecker
from ingest.pii_presidio import PresidioChecker, is_installed, language_model, load_analyzer
from ingest.rows import PairOptions
from ingest.speakers import stage_named
from ingest.split import Split, split_rows
from ingest.transcripts import TranscriptOptions, read_transcript, source_name

MAX_SPANS = 2000
"""Of a source's timeline, in the side notes."""


@dataclass(frozen=True, slots=True)
class PairsResult:
    """What a run wrote."""

    files: dict[str, str]
    counts: dict[str, int]
    sources: dict[str, int]
    refused: tuple[str, ...]


def make_pairs(
    paths: Sequence[Path],
    out: Path,
    options: PairOptions,
    reading: TranscriptOptions,
    scrubber: Scrubber | None,
    decisions_path: Path,
    held_share: float,
    ledger: Ledger,
    progress: Callable[[str], None] = lambda name: None,
) -> PairsResult:
    """Read every file, build the pairs and write them.

    Args:
        progress: told each file's name when it has been read.

    Raises:
        InputError: no file is usable, no pair is left, or the check for personal data failed;
            nothing is written then.
        StorageError: a result cannot be written.
    """
    if reading.rttm and len(paths) > 1:
        raise InputError("--rttm goes with one transcript; beside several, name each like its .rttm file.")
    files = _out_files(out)
    _refuse_inputs(paths, (*files.values(), decisions_path))
    made = load_decisions(decisions_path)
    dialogues, refused = read_all(paths, reading, ledger, progress)
    choices = {key: value.decision for key, value in made.items()}
    built = build_pairs(dialogues, options, ledger, scrubber, choices)
    if not built.rows:
        raise InputError(f"No pair is left of {len(dialogues)} dialogue(s).\n{ledger.as_text()}")
    split = split_rows(built.rows, ledger, held_share)
    ledger.close()
    write_files(
        {
            files["meta"]: meta_text(built, split),
            files["train"]: "".join(row.as_line() for row in split.train),
            files["held_out"]: "".join(row.as_line() for row in split.held_out),
            files["pairs"]: "".join(row.as_line() for row in built.rows),
        }
    )
    counts = {"pairs": len(built.rows), "train": len(split.train), "held_out": len(split.held_out)}
    sources = dict(Counter(row.source for row in built.rows))
    return PairsResult({k: str(v) for k, v in files.items()}, counts, sources, tuple(refused))


def make_scrubber(mode: str, names: str, options: PairOptions) -> Scrubber | None:
    """The scrubber of `--pii` and `--names`.

    Args:
        mode: replace, drop or off.
        names: auto (Presidio's language model when it is there, else names told by form), presidio,
            speakers (those of the transcript) or off.

    Raises:
        InputError: Presidio is wanted and not usable.
    """
    if mode == "off":
        return None
    checkers: list[Checker] = [PatternChecker()]
    if names == "presidio" or (names == "auto" and is_installed()):
        finds_names = names == "presidio" or bool(language_model())
        checkers.append(PresidioChecker(load_analyzer(names=finds_names)))
    if names == "auto" and not (is_installed() and language_model()):
        checkers.append(NameChecker())
    return Scrubber(checkers, (options.target, *options.aliases), pseudonymise=names != "off")


def read_all(
    paths: Sequence[Path], reading: TranscriptOptions, ledger: Ledger, progress: Callable[[str], None]
) -> tuple[list[Dialogue], list[str]]:
    """Dialogues of all files, and why the others were refused.

    Raises:
        InputError: none is usable.
    """
    stage = ledger.stage("files", "files")
    names = Counter(source_name(path) for path in paths)
    seen: set[Path] = set()
    dialogues: list[Dialogue] = []
    refused: list[str] = []
    for path in paths:
        if path.resolve() in seen:
            stage.drop("given twice", path.name)
            continue
        seen.add(path.resolve())
        name = source_name(path)
        source = name if names[name] == 1 else f"{path.resolve().parent.name}/{path.name}"
        trial = Ledger()  # a refused file leaves no half counts behind
        try:
            dialogues += read_transcript(path, trial, reading, source)
        except InputError as exc:
            refused.append(str(exc))
            stage.drop("refused", path.name)
            continue
        stage.keep()
        _add(ledger, trial)
        progress(path.name)
    if not dialogues:
        raise InputError("\n".join(refused) or "No file was given.")
    return dialogues, refused


def _add(ledger: Ledger, other: Ledger) -> None:
    for part in other.stages:
        stage = stage_named(ledger, part.name, part.unit)
        stage.keep(part.went_out)
        for reason, count in part.dropped.items():
            stage.drop(reason, count=count)
            stage.examples[reason] = (stage.examples[reason] + part.examples.get(reason, []))[:5]


def _out_files(out: Path) -> dict[str, Path]:
    return {
        "pairs": out,
        "train": out.with_name("train.jsonl"),
        "held_out": out.with_name("held_out.jsonl"),
        "meta": meta_path(out),
    }


def meta_path(pairs: Path) -> Path:
    """Where the side notes of a pairs file stand."""
    return pairs.with_name(f"{pairs.stem}.meta.jsonl")


def _refuse_inputs(paths: Sequence[Path], written: Sequence[Path]) -> None:
    if len({path.resolve() for path in written}) < len(written):
        raise InputError("--out may not be named train.jsonl, held_out.jsonl or like the decisions file.")
    inputs = {path.resolve() for path in paths}
    for path in written:
        if path.resolve() in inputs:
            raise InputError(f"{path} is an input and would be overwritten; give another --out.")


def meta_text(built: Built, split: Split) -> str:
    """The side notes: a line for each row, then one for each source."""
    side = {row.id: "train" for row in split.train} | {row.id: "held_out" for row in split.held_out}
    lines: list[dict[str, Any]] = [
        {
            "id": row.id,
            "start_s": row.start_s,
            "confidence": None if row.confidence is None else round(row.confidence, 4),
            "pii": list(row.kinds),
            "side": side.get(row.id, "cut"),
            "turns": [row.first_turn, row.last_turn],
        }
        for row in built.rows
    ]
    for source, spans in built.timelines.items():
        step = max(1, -(-len(spans) // MAX_SPANS))
        shown = [[name, round(start, 2), round(end, 2)] for name, start, end in spans[::step]]
        lines.append({"timeline": source, "spans": shown})
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
