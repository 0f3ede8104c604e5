"""What a worker says is what the model says, alone or beside others."""

from __future__ import annotations

import asyncio

import pytest
import torch
from transformers import AutoModelForCausalLM

from engine.errors import (
    AdapterError,
    InputError,
)
from engine.model import load as load_module
from engine.model.load import load_tokenizer
from engine.model.sequence import Sequence
from engine.prompt import LABELS
from engine.types import Chunk, Prompt, Stack
from tests.engine.model.conftest import Tiny
from tests.engine.model.worker.kit import BOTH, IDS, OTHER_IDS, collect, request, running


async def test_worker_greedy_reply_equals_transformers(tiny: Tiny) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny.model)
    ids = torch.tensor([IDS])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, min_new_tokens=12, do_sample=False,
        pad_token_id=3, eos_token_id=None,
    )  # fmt: skip
    expected = load_tokenizer(str(tiny.model)).decode(out[0, len(IDS) :], skip_special_tokens=True)
    async with running(tiny) as worker:
        text, last = await collect(worker, request())
    assert text == expected.rstrip("\ufffd")
    assert (last.finish, last.prompt_tokens, last.new_tokens) == ("length", 40, 12)


async def test_worker_end_token_stops_the_reply(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    advance = Sequence.advance

    def spying(sequence: Sequence, logits: torch.Tensor) -> Chunk:
        drawn.append(int(logits.argmax()))
        return advance(sequence, logits)

    monkeypatch.setattr(Sequence, "advance", spying)
    async with running(tiny) as worker:
        whole, _ = await collect(worker, request())
    at = next(i for i in range(3, 12) if drawn[i] not in drawn[:i])
    monkeypatch.setattr(load_module, "end_tokens", lambda *_: frozenset({drawn[at]}))
    async with running(tiny) as worker:
        text, last = await collect(worker, request())
    assert (last.finish, last.new_tokens) == ("stop", at)
    assert whole.startswith(text)


async def test_worker_reply_is_clipped_to_the_room_left(tiny: Tiny) -> None:
    async with running(tiny) as worker:
        ids = tuple(4 + i % 400 for i in range(507))
        _, last = await collect(worker, request(ids, tokens=100))
        assert (last.finish, last.new_tokens) == ("length", 5)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ((), "empty"),
        (tuple(range(4, 500)) + IDS, "too long: it takes 536 .* 512"),
        ((4, 512), "another tokenizer"),
    ],
)
async def test_worker_prompt_that_cannot_be_run_is_an_input_error(
    tiny: Tiny, ids: tuple[int, ...], message: str
) -> None:
    async with running(tiny) as worker:
        with pytest.raises(InputError, match=message):
            await collect(worker, request(ids))
        with pytest.raises(InputError, match=message):
            await worker.choose(Prompt((), ids), LABELS)
        assert (await collect(worker, request()))[1].finish == "length"


async def test_worker_requests_side_by_side_equal_the_requests_alone(tiny: Tiny) -> None:
    """Rows of different stacks share the thread, the layers and their mask between steps."""
    stacks: list[Stack] = [(), BOTH, (("identity", 1.0),), (("style", 0.5),)]
    async with running(tiny, adapters=True) as worker:
        alone = [await collect(worker, request(stack=stack, tokens=25)) for stack in stacks]
        together = await asyncio.gather(
            *(collect(worker, request(stack=stack, tokens=25)) for stack in stacks),
            collect(worker, request(OTHER_IDS, BOTH, tokens=40)),
        )
    assert list(together[:4]) == alone
    assert len({text for text, _ in alone}) == 4  # the stacks do differ


async def test_worker_seeded_reply_repeats_beside_others(tiny: Tiny) -> None:
    seeded = request(stack=BOTH, tokens=25, temperature=1.5, repetition_penalty=1.1, seed=7)
    free = request(OTHER_IDS, tokens=25, temperature=1.5)
    async with running(tiny, adapters=True) as worker:
        alone = await collect(worker, seeded)
        together = await asyncio.gather(collect(worker, free), collect(worker, seeded), collect(worker, free))
    assert together[1] == alone
    assert together[0] != together[2]


async def test_worker_default_stack_follows_strengths(tiny: Tiny) -> None:
    async with running(tiny, adapters=True) as worker:
        assert worker.default_stack() == BOTH
        info = await worker.set_strength("style", 0.25)
        assert info.strength == 0.25
        assert worker.default_stack() == (("identity", 1.0), ("style", 0.25))
        await worker.set_strength("identity", 0)
        assert worker.default_stack() == (("style", 0.25),)
        assert [(a.name, a.rank, a.strength, len(a.hash)) for a in worker.adapters()] == [
            ("identity", 8, 0.0, 12),
            ("style", 32, 0.25, 12),
        ]
        with pytest.raises(InputError, match="allowed: 0 to 1"):
            await worker.set_strength("style", 1.5)
        with pytest.raises(AdapterError, match="loaded: identity, style"):
            await worker.set_strength("humour", 1.0)


async def test_worker_strength_zero_is_the_base_model(tiny: Tiny) -> None:
    async with running(tiny, adapters=True) as worker:
        base = await collect(worker, request())
        assert await collect(worker, request(stack=(("style", 0.0), ("identity", 0.0)))) == base


@pytest.mark.parametrize(
    ("stack", "error", "message"),
    [
        ((("humour", 1.0),), AdapterError, "humour is not loaded; loaded: identity, style"),
        ((("style", 1.5),), InputError, "allowed: 0 to 1"),
        ((("style", float("nan")),), InputError, "allowed: 0 to 1"),
        ((("style", 1.0), ("style", 0.5)), InputError, "named twice"),
    ],
)
async def test_worker_wrong_stack_fails_that_request_only(
    tiny: Tiny, stack: Stack, error: type[Exception], message: str
) -> None:
    async with running(tiny, adapters=True) as worker:
        with pytest.raises(error, match=message):
            await collect(worker, request(stack=stack))
        assert (await collect(worker, request(stack=BOTH)))[1].finish == "length"
