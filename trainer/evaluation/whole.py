"""`eval all`: the project's own held-out sets, and the numbers that the model cards show.

The skills are measured on the base model, or on the stack that is asked for; the persona's table
measures base, identity, style and both. Everything is greedy but the small talk whose ends are
counted, which is drawn as configured. This module knows nothing of how tables look.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.config import Config
from engine.errors import InputError
from engine.rows import Case, read_rows
from trainer.evaluation import prose, stacks, style, xquad
from trainer.evaluation.generated import SETS
from trainer.evaluation.options import Clock, Options
from trainer.evaluation.outcome import rounded
from trainer.evaluation.part import PARTS, READING_PARTS, answer_all, opened, run_part
from trainer.evaluation.session import Session

Say = Callable[[str], None]
SKILL_SETS = tuple(
    (part, kind)
    for part in ("analyzer", "rewrite", "grounded", "conflicts", "persona")
    for kind in ("natural", "held_out")
    if (part, kind) != ("persona", "natural")  # who are you?: in the persona's own table
)


async def evaluate_all(
    config: Config,
    options: Options,
    *,
    corpus: Path | None,
    out: Path | None,
    limit: int | None,
    say: Say,
    pairs: Sequence[Path] = (),
) -> dict[str, Any]:
    """One JSON-ready report; with `out`, also its tables and every generation in that folder.

    Args:
        corpus: for XQuAD, prose and style; None leaves these out.
        out: a folder; made if missing.
        limit: cases of every set.
        pairs: what the adapters were trained on, for perplexity; none: the persona's own.

    Raises:
        InputError: the corpus is no folder.
        UnderstudyError: model or adapters cannot be loaded.
    """
    _check_corpus(corpus)
    clock = Clock()
    wanted = options.strengths
    async with Session(config, _all_adapters(options), say) as started:
        session = started.having(strengths=wanted or {})
        report: dict[str, Any] = {**session.describe(), "sets": {}}
        for part, kind in SKILL_SETS:
            cases = shipped(part, kind, limit)
            with opened(out / f"{part}_{kind}.jsonl" if out else None) as file:
                report["sets"][f"{part}_{kind}"] = await run_part(
                    part, session, cases, file, what=f"{part} {kind}"
                )
        if session.reader is not None:
            report["without_reader"] = await _unread(session.having(reader=False), corpus, limit, out)
        report["endings"] = await _endings(started, limit, out)
        report["xquad"] = await _xquad(session, corpus, limit, out) if corpus else None
        report["prose"] = await prose.bits_per_byte(session, corpus, limit=limit, say=say) if corpus else None
        report |= await _table(config, started, corpus, limit, out, pairs, say)
    report["seconds"] = clock.seconds
    report = _rounded(report)
    if out is not None:
        from trainer.evaluation.report import tables

        _write(out / "eval.json", json.dumps(report, ensure_ascii=False, indent=1) + "\n")
        _write(out / "eval.md", tables(report))
        say(f"Wrote {out / 'eval.md'} and {out / 'eval.json'}")
    return report


async def _unread(
    session: Session, corpus: Path | None, limit: int | None, out: Path | None
) -> dict[str, Any]:
    """What the model makes of passages by itself: the sets that have some, and XQuAD."""
    sets: dict[str, Any] = {}
    for part, kind in SKILL_SETS:
        if part in READING_PARTS:
            with opened(out / f"{part}_{kind}_without_reader.jsonl" if out else None) as file:
                what = f"{part} {kind}, no reader"
                sets[f"{part}_{kind}"] = await run_part(
                    part, session, shipped(part, kind, limit), file, what=what
                )
    return {"sets": sets, "xquad": (await xquad.xquad(session, corpus, limit))[0] if corpus else None}


def _check_corpus(corpus: Path | None) -> None:
    if corpus is not None and not any(corpus.glob("*.jsonl.xz")):
        raise InputError(f"{corpus} holds no *.jsonl.xz files; name the corpus folder with --corpus.")


def shipped(part: str, kind: str, limit: int | None) -> list[Case[Any]]:
    """The first cases of a shipped set."""
    row_type = PARTS["persona" if part in ("identity", "smalltalk") else part].row
    return read_rows(SETS / f"{part}_{kind}.jsonl", row_type, limit)


def _all_adapters(options: Options) -> Options:
    """The options with every configured adapter loaded, as the persona's table needs them."""
    return replace(options, strengths=None)


async def _endings(session: Session, limit: int | None, out: Path | None) -> dict[str, Any]:
    """Small talk drawn as configured, by the configured stack."""
    cases = shipped("smalltalk", "natural", limit)
    drawn = session.having(decoding="sample", temperature=None)
    with opened(out / "smalltalk_natural.jsonl" if out else None) as file:
        replies = await answer_all("small talk", PARTS["persona"], drawn, cases, file)
    return stacks.endings(replies)


async def _xquad(session: Session, corpus: Path, limit: int | None, out: Path | None) -> dict[str, Any]:
    numbers, lines = await xquad.xquad(session, corpus, limit)
    with opened(out / "xquad.jsonl" if out else None) as file:
        if file is not None:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return numbers


async def _table(
    config: Config,
    session: Session,
    corpus: Path | None,
    limit: int | None,
    out: Path | None,
    files: Sequence[Path],
    say: Say,
) -> dict[str, Any]:
    """The persona's table, and the style classifier's own accuracy."""
    said = stacks.responses(session.persona, files) if corpus else []
    trained = style.train(corpus, session.persona.name, said) if corpus else None
    pairs = stacks.held_out_pairs(config, session.persona, session, files, say)
    grounded = [c for k in ("natural", "held_out") for c in shipped("grounded", k, limit)]
    table: dict[str, Any] = {}
    for name, strengths in stacks.loaded_stacks(session).items():
        with opened(out / f"persona_{name}.jsonl" if out else None) as file:
            table[name] = await stacks.stack_row(
                session.having(strengths=strengths),
                name,
                who=shipped("identity", "natural", limit),
                talk=shipped("smalltalk", "natural", limit),
                grounded=grounded,
                conflicts=shipped("conflicts", "natural", limit),
                pairs=pairs[:limit] if pairs else None,
                style=trained[0] if trained else None,
                out=file,
            )
    return {"persona_stacks": table, "style_classifier": trained[1] if trained else None}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in rounded(value).items()}
    return value


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise InputError(f"{path} cannot be written ({exc.strerror or exc}); name another --out.") from exc
