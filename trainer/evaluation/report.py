"""The report of `eval all` as Markdown tables that a model card can include.

This module only formats; what is not in the report is not in the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import InputError

BEGIN, END = "<!-- evaluation -->", "<!-- /evaluation -->"
Report = Mapping[str, Any]
SKILLS: tuple[tuple[str, str, str, str], ...] = (
    ("grounded", "held_out", "single twins series both belief injection", "fact from passages, unseen names"),
    ("grounded", "natural", "one_passage among_others", "fact from passages, hand-written"),
    ("conflicts", "natural", "against_memory", "passage contradicts memory: passage wins, hand-written"),
    ("conflicts", "natural", "newer_passage", "newer of two passages wins, hand-written"),
    ("conflicts", "held_out", "", "newest of two or three passages wins"),
    ("grounded", "held_out", "absent", "answer absent: says so"),
    ("grounded", "natural", "not_in_the_passages", "answer absent: says so, hand-written"),
    ("analyzer", "natural", "", "retrieval decision, hand-written"),
    ("analyzer", "held_out", "", "retrieval decision"),
    ("rewrite", "natural", "", "query rewrite: the referent named, hand-written"),
    ("rewrite", "held_out", "", "query rewrite: the referent named"),
    ("persona", "held_out", "", "gives the name of its system prompt"),
)  # fmt: skip
RATES = {"analyzer": "accuracy", "rewrite": "hit_rate", "conflicts": "fresh_rate"}
NO_GPT2 = (
    "No GPT-2-style baseline of this size is trained; one of 4.5 M parameters stands beside a Llama in "
    "benchmarks/results/scaling.json (docs/decisions.md)."
)


def tables(report: Report) -> str:
    """All tables."""
    parts = [_skills(report), _prose(report), _stacks(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def put_into_card(path: Path, text: str) -> None:
    """Put tables into a model card, in the place of the last ones; at its end where there are none.

    Raises:
        InputError: the card cannot be read or written.
    """
    block = f"{BEGIN}\n{text.strip()}\n{END}\n"
    try:
        card = path.read_text(encoding="utf-8") if path.is_file() else ""
        before, mark, rest = card.partition(BEGIN)
        after = rest.partition(END)[2].lstrip("\n") if mark else ""
        if not mark and before.strip():
            before = before.rstrip() + "\n\n"
        path.write_text(before + block + after, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} cannot be written ({exc}); name another --card.") from exc


def _skills(report: Report) -> str:
    rows = []
    alone = report.get("without_reader") or {"sets": {}}
    for part, kind, kinds, words in SKILLS:
        found, unread = (_share(r["sets"].get(f"{part}_{kind}", {}), part, kinds) for r in (report, alone))
        if found is not None:
            by_itself = _percent(unread[0]) if unread else "–"
            rows.append(f"| {words} | {_percent(found[0])} | {by_itself} | {found[1]} |")
    asked, unread_f1 = report.get("xquad"), alone.get("xquad")
    if asked and asked["n"]:
        by_itself = f"{100 * unread_f1['f1']:.1f}" if unread_f1 else "–"
        rows.append(
            f"| XQuAD English, passage given: F1 | {100 * asked['f1']:.1f} | {by_itself} | {asked['n']} |"
        )
    ends = report.get("endings")
    if ends:
        words = "replies that end properly, under 200 tokens, no loops (drawn as configured)"
        rows.append(f"| {words} | {_percent(ends['proper_rate'])} | – | {ends['n']} |")
    stack = ", ".join(report["stack"]) or "base alone"
    head = (
        f"Measured by `understudy eval all` on {report['model']} ({report['model_hash']}), {stack}, "
        f"persona {report['persona']}, {report['decoding']}:"
    )
    columns = "| skill | as served | without the reader | cases |\n|---|---:|---:|---:|\n"
    return f"{head}\n\n{columns}" + "\n".join(rows)


def _share(numbers: Report, part: str, kinds: str) -> tuple[float, int] | None:
    """The part's rate, or that of some kinds of its rows together, and how many rows."""
    if not numbers:
        return None
    if not kinds:
        return numbers[RATES.get(part, "pass_rate")], numbers["n"]
    wanted = [v for k, v in numbers.get("by_kind", {}).items() if k.replace(" ", "_") in kinds.split()]
    n = sum(v["n"] for v in wanted)
    return (sum(v["right"] * v["n"] for v in wanted) / n, n) if n else None


def _prose(report: Report) -> str:
    prose = report.get("prose")
    if not prose or not prose["n"]:
        return ""
    rows = [
        f"| {name} | {bits:.3f} | {prose['ngram_by_file'][name]:.3f} |"
        for name, bits in prose["by_file"].items()
    ]
    total = f"| all | {prose['bits_per_byte']:.3f} | {prose['ngram_bits_per_byte']:.3f} |"
    ngram = (
        f"{prose['ngram_order']}-gram of {prose['ngram_bytes'] / 1e6:.1f} MB, trained on "
        f"{prose['ngram_tokens'] / 1e6:.1f} M tokens"
    )
    model = f"model, {prose['model_bytes'] / 1e6:.1f} MB"
    head = f"| held-out prose, bits per byte | {model} | {ngram} |\n|---|---:|---:|"
    return "\n".join([head, *rows, total]) + f"\n\n{NO_GPT2}"


def _stacks(report: Report) -> str:
    table = report.get("persona_stacks")
    if not table:
        return ""
    names = list(table)
    lines = (
        ("gives the persona's name", "name_given", _percent),
        ("passes for the author's style", "style_rate", _percent),
        ("uses a word of the style lexicon", "lexicon_rate", _percent),
        ("perplexity on held-out pairs", "perplexity", lambda v: f"{v:.1f}"),
        ("grounded answers", "grounded", _percent),
        ("newer or contradicting passage wins", "fresh_rate", _percent),
    )
    n = table[names[0]]["n"]
    rows = [
        f"| {words} | "
        + " | ".join("–" if table[s][key] is None else show(table[s][key]) for s in names)
        + " |"
        for words, key, show in lines
    ]
    counts = ", ".join(f"{what} {count}" for what, count in n.items())
    judge = report.get("style_classifier")
    note = _judged(judge) if judge else "Style needs --corpus."
    head = f"| {report['persona']} | {' | '.join(names)} |\n|---|{'---:|' * len(names)}"
    return "\n".join([head, *rows]) + f"\n\nCases: {counts}. {note}"


def _judged(judge: Mapping[str, Any]) -> str:
    """How good the style classifier is."""
    said = (
        f"Style is judged by a classifier that is right about {_percent(judge['accuracy'])} of {judge['n']} "
        "pieces of 8 to 30 words from books it never saw; half would be guessing."
    )
    if "own_talk" not in judge or "others_talk" not in judge:
        return said
    return (
        f"{said} Of the author's own characters' speeches in other books {_percent(judge['own_talk'])} pass, "
        f"of those in other authors' books {_percent(judge['others_talk'])}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
