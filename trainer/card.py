"""The base model's card: what it is, what it read, how it learned and what it can do, from the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LINEAGE = "training.json"
PROBE_CASES = 200
"""Generated held-out cases of each skill behind the card's numbers."""
LICENCE_NOTE = (
    "Nothing of these texts is in the repository; the weights were trained on them. Share-alike sources are "
    "named so that the attribution travels with the model."
)
SOURCES: tuple[tuple[str, str, str], ...] = (
    ("English Wikipedia, extract of about 2015", "CC BY-SA 3.0 / GFDL", "prose, passages, rewriting"),
    ("English Wikinews, to 2022", "CC BY 2.5", "prose, passages"),
    ("Project Gutenberg: 46 authors, Twain, Franklin", "public domain in the US", "prose, dialogue"),
    ("SQuAD v1.1 (part)", "CC BY-SA 4.0", "passages"),
    ("CANARD (dev), TREC CAsT 2019–2021", "CC BY-SA 4.0, MIT", "rewriting"),
    ("Self-dialogue Corpus", "BSD-3-Clause", "small talk"),
    ("Topical-Chat (valid, test)", "CDLA-Sharing-1.0", "small talk"),
    ("databricks-dolly-15k (part)", "CC BY-SA 3.0", "instructions"),
    ("OneStopEnglish", "CC BY-SA 4.0", "prose"),
    ("OpenStax US History, Introduction to Philosophy", "CC BY 4.0 (2025 editions)", "prose"),
    ("Schema-Guided Dialogue (weather and others, part)", "CC BY-SA 4.0", "tool calls"),
    ("Conversations written by trainer/skills", "MIT", "every skill below"),
)  # fmt: skip
HELD_OUT = (
    "Never trained on: XQuAD English, TREC CAsT 2022, and a share of the generators' names, wordings and "
    "question kinds, which the numbers below are measured on."
)
SKILLS: tuple[tuple[str, str], ...] = (
    ("grounded", "answers from passages, all kinds"),
    ("grounded.single", "one fact among passages"),
    ("grounded.newest", "newest of conflicting passages"),
    ("grounded.belief", "passage contradicts common belief: passage wins"),
    ("grounded.absent", "answer absent: says so"),
    ("analyzer", "RETRIEVE or NO_RETRIEVE"),
    ("rewrite", "query rewrite, exact"),
    ("identity", "gives the system prompt's name"),
    ("tools.call", "calls the right tool, arguments included"),
    ("copying", "copies what it is told to"),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What log.jsonl says of a training run."""

    steps: int
    tokens: int
    minutes: float
    curve: tuple[tuple[int, float], ...]
    """(tokens, training loss)."""
    evals: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """One run in a model's lineage, as training.json beside its weights keeps it."""

    n_layers: int
    d_model: int
    steps: int
    tokens: int
    minutes: float


def read_lineage(folder: Path | None) -> tuple[Stage, ...]:
    """The runs behind a model folder, first one first; none where it keeps no training.json."""
    if folder is None or not (folder / LINEAGE).is_file():
        return ()
    return tuple(Stage(**row) for row in json.loads((folder / LINEAGE).read_text(encoding="utf-8")))


def write_lineage(folder: Path, stages: Sequence[Stage]) -> None:
    """Keep the runs behind a model beside its weights."""
    text = json.dumps([asdict(stage) for stage in stages], indent=2)
    (folder / LINEAGE).write_text(text + "\n", encoding="utf-8")


def read_run(log_file: Path) -> Run:
    """Read a run's log."""
    rows = [json.loads(line) for line in log_file.read_text(encoding="utf-8").splitlines() if line.strip()]
    train = [r for r in rows if r["kind"] == "train"]
    evals = [r for r in rows if r["kind"] == "eval"]
    last = rows[-1]
    return Run(
        steps=last["step"],
        tokens=last["tokens"],
        minutes=last["elapsed_s"] / 60,
        curve=tuple((r["tokens"], r["loss"]) for r in train),
        evals=tuple(evals),
    )


def write_curve(run: Run, path: Path) -> None:
    """Plot training and held-out loss against tokens."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(7, 3.6), dpi=110)
    axis.plot(
        [t / 1e6 for t, _ in run.curve], [y for _, y in run.curve], lw=0.8, color="#bbb", label="training"
    )
    for name in ("skills", "grounded", "chat", "prose"):
        points = [(e["tokens"] / 1e6, e[name]) for e in run.evals if name in e]
        axis.plot([x for x, _ in points], [y for _, y in points], marker=".", label=f"held out: {name}")
    axis.set_xlabel("million tokens read")
    axis.set_ylabel("loss, nats per trained token")
    axis.set_ylim(0, 6)
    axis.grid(alpha=0.2)
    axis.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def card_text(
    run: Run,
    lineage: Sequence[Stage],
    shape: dict[str, Any],
    parameters: int,
    measured: dict[str, float],
    size: int,
    longest: int,
) -> str:
    """The card as Markdown.

    Args:
        run: the last run.
        lineage: every run, the last one included.
        longest: tokens of the longest training example.
    """
    rows = "\n".join(f"| {a} | {b} | {c} |" for a, b, c in SOURCES)
    skills = "\n".join(f"| {words} | {measured[key]:.0%} |" for key, words in SKILLS if key in measured)
    last = run.evals[-1] if run.evals else {}
    losses = ", ".join(f"{k} {last[k]:.2f}" for k in ("skills", "grounded", "chat", "prose") if k in last)
    runs = "\n".join(
        f"| {i} | {s.d_model} x {s.n_layers} | {s.steps:,} | {s.tokens / 1e6:.1f} M | {s.minutes:.0f} |"
        for i, s in enumerate(lineage, 1)
    )
    return f"""# Understudy starter model

A very small chat model, so that everything can be tried on any CPU without a download. It was trained
to copy facts out of passages, to decide whether a message needs a search, to rewrite queries, to call
tools and to make small talk; the tables say how often it succeeds. For real work use a bigger base.

- Llama architecture, {parameters / 1e6:.1f} M parameters: {shape["d_model"]} wide,
  {shape["n_layers"]} layers, {shape["n_heads"]} heads ({shape["n_kv_heads"]} for keys and values), inner
  {shape["d_ff"]}, tied embeddings; {shape["vocab_size"]} tokens of byte-level BPE; positions to
  {shape["context"]}, trained on examples of up to {longest} tokens.
- {size / 1e6:.1f} MB of bf16 safetensors. Chat template in Llama-3 style: system, user, assistant, tool.
- {sum(s.tokens for s in lineage) / 1e6:.1f} M tokens read in {len(lineage)} runs, each starting from the last
  one's weights; what is new writes zeros at first, so a wider or deeper model starts out as its predecessor.

| run | width x layers | steps | tokens | minutes, two CPU threads or fewer |
|---:|---:|---:|---:|---:|
{runs}

Held-out loss at the end, in nats per trained token: {losses}.

![Loss of the last run against tokens](loss.png)

## What it can do
Greedy answers to generated cases whose names and wordings were never trained on
(`understudy train probe models/starter --cases {PROBE_CASES}`, transformers' own `generate`;
in four of five prompts with passages stands what a reader would have found, made up, mostly right):

| skill | right |
|---|---:|
{skills}

## What it read
| source | licence | for |
|---|---|---|
{rows}

{LICENCE_NOTE}

{HELD_OUT}

## How to make it again
`understudy train base --corpus DIR` with `trainer/configs/starter.toml`.
"""
