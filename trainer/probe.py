"""A quick look at what a checkpoint can do: held-out cases of each skill, answered greedily.

This module knows nothing of training; it reads a model folder and returns numbers.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.prompt import LABELS, RETRIEVE, Renderer
from trainer.skills import about, analyzer, copying, grounded, identity, memory, rewrite, smalltalk, tools
from trainer.skills.case import Case, Generate

GENERATORS: tuple[Generate, ...] = (
    grounded.generate,
    rewrite.generate,
    identity.generate,
    about.generate,
    memory.generate,
    copying.generate,
    tools.generate,
)
DENIALS = ("know", "doesn't say", "does not say", "doesn't mention")


def probe(
    model_dir: Path | str,
    n: int = 48,
    seed: int = 0,
    *,
    held_out: bool = True,
    batch: int = 16,
    max_new_tokens: int = 80,
    samples: int = 0,
) -> dict[str, float]:
    """Share of cases whose answer holds what it must, by skill and kind.

    Args:
        model_dir: a folder that transformers can load, tokenizer included.
        n: cases of each skill; grounded gets twice as many.
        held_out: names and wordings that training never saw; False asks with the trained ones.
        samples: how many answers to print beside their prompts' last lines.

    Returns:
        e.g. {"grounded": 0.71, "grounded.single": 0.8, "analyzer": 0.95, "analyzer.margin": 0.9, …}
    """
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir).eval()
    renderer, rng = Renderer(tokenizer), random.Random(f"probe:{seed}")
    cases = [
        make(rng, held_out) for make in GENERATORS for _ in range(n * (2 if make is grounded.generate else 1))
    ]
    answers = answer(model, renderer, cases, batch, max_new_tokens)
    hits: dict[str, list[bool]] = defaultdict(list)
    for case, text in zip(cases, answers, strict=True):
        ok = holds(case, text)
        hits[case.skill].append(ok)
        hits[f"{case.skill}.{case.kind}"].append(ok)
    out = {k: round(sum(v) / len(v), 3) for k, v in sorted(hits.items())}
    out |= decide(model, renderer, [analyzer.generate(rng, held_out) for _ in range(2 * n)], batch)
    if samples:
        _show(model, renderer, rng, cases, answers, samples, batch, max_new_tokens)
    return out


def holds(case: Case, text: str) -> bool:
    """Whether an answer contains all that it must; refusals count only where one is due."""
    low = text.lower()
    if case.kind == "absent":
        return any(d in low for d in DENIALS)
    if case.skill == "rewrite":
        return case.expect[0].lower() in low
    if case.skill == "identity" and not case.expect:
        return any(w in low for w in ("assistant", "an ai", "program"))
    return all(e.lower() in low for e in case.expect)


@torch.inference_mode()
def answer(
    model: Any, renderer: Renderer, cases: Sequence[Case], batch: int, max_new_tokens: int
) -> list[str]:
    """Greedy answers, in order; prompts of like length share a batch."""
    prompts = [renderer.prompt(c.prompt).ids for c in cases]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    out = [""] * len(cases)
    tokenizer = renderer.tokenizer
    for at in range(0, len(order), batch):
        part = order[at : at + batch]
        ids, attention = _padded([prompts[i] for i in part], tokenizer.pad_token_id)
        made = model.generate(
            input_ids=ids,
            attention_mask=attention,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        texts = tokenizer.batch_decode(made[:, ids.shape[1] :], skip_special_tokens=True)
        for i, text in zip(part, texts, strict=True):
            out[i] = text.strip()
    return out


@torch.inference_mode()
def decide(model: Any, renderer: Renderer, cases: Sequence[Case], batch: int) -> dict[str, float]:
    """Accuracy of the labels' first tokens, and the mean probability given to the right one."""
    tokenizer = renderer.tokenizer
    first = [tokenizer(label, add_special_tokens=False)["input_ids"][0] for label in LABELS]
    right: list[float] = []
    by_label: dict[str, list[bool]] = defaultdict(list)
    for at in range(0, len(cases), batch):
        part = cases[at : at + batch]
        ids, attention = _padded([renderer.prompt(c.prompt).ids for c in part], tokenizer.pad_token_id)
        logits = model(input_ids=ids, attention_mask=attention).logits[:, -1]  # (B, V)
        retrieve = logits[:, first].float().softmax(-1)[:, 0]  # (B,)
        for case, p in zip(part, retrieve.tolist(), strict=True):
            p_right = p if case.kind == RETRIEVE else 1 - p
            right.append(p_right)
            by_label[case.kind].append(p_right > 0.5)
    out = {f"analyzer.{k}": round(sum(v) / len(v), 3) for k, v in sorted(by_label.items())}
    return out | {
        "analyzer": round(sum(p > 0.5 for p in right) / len(right), 3),
        "analyzer.probability": round(sum(right) / len(right), 3),
    }


def _padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Left-padded ids and attention mask, (B, T) each."""
    width = max(map(len, rows))
    ids = torch.tensor([[pad] * (width - len(r)) + list(r) for r in rows])
    mask = torch.tensor([[0] * (width - len(r)) + [1] * len(r) for r in rows])
    return ids, mask


def _show(
    model: Any,
    renderer: Renderer,
    rng: random.Random,
    cases: Sequence[Case],
    answers: Sequence[str],
    samples: int,
    batch: int,
    max_new_tokens: int,
) -> None:
    """Prints a few answers of each skill, small talk included."""
    talk = [smalltalk.generate(rng, False) for _ in range(samples)]
    told = answer(model, renderer, talk, batch, max_new_tokens)
    shown: dict[str, int] = defaultdict(int)
    for case, text in [*zip(cases, answers, strict=True), *zip(talk, told, strict=True)]:
        shown[case.skill] += 1
        if shown[case.skill] <= samples:
            asked = case.prompt[-1].content[-400:]
            print(f"[{case.skill}.{case.kind}] {asked}\n  -> {text}\n  == {case.answer}")
