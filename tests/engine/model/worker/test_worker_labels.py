"""Choosing between labels reads the base model."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from engine.errors import ModelError
from engine.model.load import load_tokenizer
from engine.model.runner import Runner
from engine.prompt import LABELS, Renderer
from engine.types import Message, Prompt
from tests.engine.model.conftest import Tiny
from tests.engine.model.worker.kit import IDS, OTHER_IDS, Gate, collect, request, running, until


async def test_worker_choose_reads_the_base_model(tiny: Tiny) -> None:
    """Against transformers; the loaded adapters must not show, whatever their strength."""
    renderer = Renderer(load_tokenizer(str(tiny.model)))
    prompt = renderer.prompt([Message("user", "When does the bridge open?")])
    heads = [renderer.tokenizer(label, add_special_tokens=False)["input_ids"][0] for label in LABELS]
    assert heads[0] != heads[1]
    with torch.inference_mode():
        logits = AutoModelForCausalLM.from_pretrained(tiny.model)(torch.tensor([prompt.ids])).logits[0, -1]
    expected = torch.softmax(logits[heads], -1).tolist()
    async with running(tiny, adapters=True) as worker:
        for _ in range(2):  # the second time from the cached prefix
            assert await worker.choose(prompt, LABELS, "r") == pytest.approx(expected, abs=1e-5)
        swapped = await worker.choose(prompt, LABELS[::-1])
    assert swapped == pytest.approx(expected[::-1], abs=1e-5)
    assert sum(swapped) == pytest.approx(1.0)


async def test_worker_choose_reads_behind_what_labels_share(tiny: Tiny) -> None:
    tokenizer = load_tokenizer(str(tiny.model))
    shared = tokenizer("When ", add_special_tokens=False)["input_ids"]
    labels = ("When a", "When b")
    heads = [tokenizer(label, add_special_tokens=False)["input_ids"] for label in labels]
    at = next(i for i in range(9) if heads[0][i] != heads[1][i])
    assert at > 0, shared
    ids = (*IDS, *heads[0][:at])
    with torch.inference_mode():
        logits = AutoModelForCausalLM.from_pretrained(tiny.model)(torch.tensor([ids])).logits[0, -1]
    expected = torch.softmax(logits[[heads[0][at], heads[1][at]]], -1).tolist()
    async with running(tiny) as worker:
        assert await worker.choose(Prompt((), IDS), labels) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("labels", [("YES", "YES"), ("YES", ""), (), ("When a", "When b", "No", "No")])
async def test_worker_choose_labels_alike_is_a_model_error(tiny: Tiny, labels: tuple[str, ...]) -> None:
    async with running(tiny) as worker:
        with pytest.raises(ModelError, match=r"[Ll]abels"):
            await worker.choose(Prompt((), IDS), labels)


async def test_worker_choose_is_answered_while_replies_run(
    tiny: Tiny, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decision waits for no whole reply, even when every active place is taken."""
    choose, at_step = Runner.choose, []

    def spying(runner: Runner, *args: Any) -> tuple[float, ...]:
        at_step.append(gate.steps)
        return choose(runner, *args)

    monkeypatch.setattr(Runner, "choose", spying)
    async with running(tiny, max_active=1) as worker:
        gate.close(after=6)
        replies = [asyncio.create_task(collect(worker, request(tokens=50))) for _ in range(2)]
        await gate.wait_held()
        deciding = asyncio.create_task(worker.choose(Prompt((), OTHER_IDS), LABELS))
        await until(lambda: worker.info()["queued"] == 2)
        gate.open()
        await asyncio.gather(deciding, *replies)
        assert at_step == [7]
