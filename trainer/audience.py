"""`understudy train audience-data`: labelled question/answer pairs into one training set an audience.

    {"audience": "student", "question": "…", "answer": "…"}        JSON lines, or CSV with these columns

    OUT/train/student.jsonl …   pairs, a file an audience
    OUT/labelled.jsonl          the same in one file, the audience named in the question, for one adapter
    OUT/held-out.jsonl          rows for the test, stratified by audience
    OUT/recipe.toml             one phase an audience, each alone on the base model

Any audience may be named; the shipped example has four. A question is held out with all its answers, so
that no fact of the test is trained on under another label. Bad rows are refused by line.
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.prompt import clean_text
from engine.toml_file import read_toml
from engine.toml_write import toml_text

HELD_OUT = 100
MAX_HELD_OUT_SHARE = 0.25
"""Of small sets, so that something is left to train on."""
MIN_TRAIN = 2
"""Different answers an audience needs: the trainer holds one out itself."""
PREFIX = "audience-"
"""Adapters are called by this and their audience."""
_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,40}$")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One answer for one audience."""

    audience: str
    question: str
    answer: str
    id: str = ""


@dataclass(slots=True)
class AudienceLedger:
    """What came in and what became of it: rows = trained + held out + refused."""

    rows: int = 0
    trained: Counter[str] = field(default_factory=Counter)
    held_out: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """All counts."""
        return {
            "rows": self.rows,
            "trained": dict(sorted(self.trained.items())),
            "held_out": dict(sorted(self.held_out.items())),
            "refused": self.refused,
        }


def make_audience_data(
    paths: Sequence[Path], out: Path, recipe: Path, *, held_out: int = HELD_OUT, seed: int = 0
) -> dict[str, Any]:
    """Write the sets and the recipe.

    Args:
        paths: JSON lines or CSV.
        out: a folder.
        recipe: TOML whose one phase is repeated for each audience.
        held_out: rows for the test; at most a quarter of all.

    Returns:
        the ledger and the files, as JSON.

    Raises:
        InputError: a file cannot be read, or an audience has too few rows.
        ConfigError: the recipe is missing or no TOML.
    """
    ledger = AudienceLedger()
    rows = list(_unique(read_labelled(paths, ledger), ledger))
    test, train = split_held_out(rows, held_out, seed)
    ledger.trained.update(row.audience for row in train)
    ledger.held_out.update(row.audience for row in test)
    audiences = sorted({row.audience for row in rows})
    for name in audiences:
        if len({row.answer for row in train if row.audience == name}) < MIN_TRAIN:
            raise InputError(f"Audience {name} has too few rows to train on; {MIN_TRAIN} or more are needed.")
    files = {name: out / "train" / f"{name}.jsonl" for name in audiences}
    for name, path in files.items():
        _write(path, [_pair(row, row.question) for row in train if row.audience == name])
    _write(out / "labelled.jsonl", [_pair(row, labelled_question(row)) for row in train])
    _write(out / "held-out.jsonl", [_row(row) for row in test])
    (out / "recipe.toml").write_text(audience_recipe(recipe, audiences), encoding="utf-8")
    return {
        "out": str(out),
        "audiences": audiences,
        "recipe": str(out / "recipe.toml"),
        "train_files": [str(path) for path in files.values()],
        "test_file": str(out / "held-out.jsonl"),
        **ledger.as_json(),
    }


def labelled_question(row: Labelled) -> str:
    """The question with its audience in words, for a single adapter or a bare model."""
    return f"Explain for this audience: {row.audience.replace('-', ' ')}. {row.question}"


def audience_recipe(recipe: Path, audiences: Sequence[str]) -> str:
    """A recipe's one phase for each audience, alone on the base and on its own file.

    Raises:
        InputError: the recipe has other than one phase.
        ConfigError: it is missing or no TOML.
    """
    data = read_toml(recipe, "name a recipe with --recipe")
    phases = data.pop("phase", [])
    if not isinstance(phases, list) or len(phases) != 1:
        raise InputError(f"{recipe} must have one phase; it is repeated for each audience.")
    made = [
        {**phases[0], "name": f"{PREFIX}{name}", "on": "base", "pairs": [f"{name}.jsonl"]}
        for name in audiences
    ]
    return toml_text({**data, "phase": made})


# --- reading ---------------------------------------------------------------------------------


def read_labelled(paths: Sequence[Path], ledger: AudienceLedger | None = None) -> Iterator[Labelled]:
    """Every good row; bad ones go into the ledger, or are errors where there is none.

    Raises:
        InputError: a file cannot be read.
    """
    for path in paths:
        for number, raw in _raw_rows(path):
            if ledger is not None:
                ledger.rows += 1
            try:
                yield _labelled(raw)
            except (ValueError, KeyError, TypeError, AttributeError) as exc:
                why = f"{exc.args[0]} is missing" if isinstance(exc, KeyError) else str(exc)
                if ledger is None:
                    raise InputError(f"{path.name}:{number}: {why}.") from exc
                ledger.refused.append(f"{path.name}:{number}: {why}")


def _raw_rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be read as UTF-8: {exc}.") from exc
    if path.suffix.lower() == ".csv":
        reader = csv.DictReader(io.StringIO(text))
        for row in reader:
            yield reader.line_num, {str(k).strip().casefold(): v for k, v in row.items() if k}
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError:
                yield number, None


def _labelled(raw: Any) -> Labelled:
    if not isinstance(raw, Mapping):
        raise ValueError("is no JSON object")
    audience = "-".join(re.findall(r"[a-z0-9]+", str(raw["audience"] or "").casefold()))
    if not _NAME.match(audience):
        raise ValueError("audience is empty or no name")
    question, answer = (clean_text(str(raw[key] or "")) for key in ("question", "answer"))
    if not question or not answer:
        raise ValueError("question is empty" if not question else "answer is empty")
    return Labelled(audience, question, answer, str(raw.get("id") or ""))


def _unique(rows: Iterator[Labelled], ledger: AudienceLedger) -> Iterator[Labelled]:
    seen: set[tuple[str, str]] = set()
    for row in rows:
        key = (row.audience, _plain(row.question))
        if key in seen:
            ledger.refused.append(f"{row.audience}: {row.question[:60]!r} is asked twice")
            continue
        seen.add(key)
        yield row


# --- splitting -------------------------------------------------------------------------------


def split_held_out(rows: Sequence[Labelled], count: int, seed: int) -> tuple[list[Labelled], list[Labelled]]:
    """Rows for the test and for training.

    Args:
        count: rows for the test; at most a quarter of all. Each audience gets its share of them, as
            exactly as whole questions allow.
    """
    wanted = min(count, int(len(rows) * MAX_HELD_OUT_SHARE))
    quota = _shares(Counter(row.audience for row in rows), wanted)
    groups: dict[str, list[Labelled]] = {}
    for row in rows:
        groups.setdefault(_plain(row.question), []).append(row)
    keys = sorted(groups)
    random.Random(seed).shuffle(keys)
    test: list[Labelled] = []
    train: list[Labelled] = []
    for key in keys:
        needed = Counter(row.audience for row in groups[key])
        fits = all(quota[name] >= n for name, n in needed.items())
        if fits:
            quota.subtract(needed)
        (test if fits else train).extend(groups[key])
    return test, train


def _shares(counts: Counter[str], total: int) -> Counter[str]:
    """`total` parted by `counts`, whole numbers, largest remainders first."""
    everything = max(1, counts.total())
    exact = {name: total * n / everything for name, n in counts.items()}
    shares = Counter({name: int(x) for name, x in exact.items()})
    for name in sorted(exact, key=lambda n: (-(exact[n] % 1), n))[: total - shares.total()]:
        shares[name] += 1
    return shares


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _pair(row: Labelled, question: str) -> dict[str, Any]:
    return {"instruction": [question], "response": row.answer, "source": f"{PREFIX}{row.audience}"}


def _row(row: Labelled) -> dict[str, str]:
    return {"audience": row.audience, "question": row.question, "answer": row.answer}


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
