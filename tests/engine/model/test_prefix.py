"""Cached beginnings: found by exact tokens and adapters, within a budget, and without changing a bit."""

from __future__ import annotations

import pytest
import torch

from engine.adapters import open_adapter
from engine.config import ProfileConfig
from engine.model.load import load_model
from engine.model.lora import read_lora
from engine.model.prefix import KeyValues, PrefixCache, piece_end, piece_ends
from engine.model.runner import Runner
from engine.types import AdapterInfo, Chunk, GenerationRequest, Prompt, Sampling, Stack
from tests.engine.model.conftest import Tiny


def layers(tokens: int) -> KeyValues:
    return ((torch.randn(1, 2, tokens, 4), torch.randn(1, 2, tokens, 4)),)  # 64 bytes a token


@pytest.mark.parametrize(
    ("length", "ends"),
    [(1, []), (63, []), (64, [64]), (300, [64, 128, 256]), (3100, [64, 128, 256, 512, 1024, 2048, 3072])],
)
def test_pieces_double_and_then_stay(length: int, ends: list[int]) -> None:
    assert piece_ends(length) == ends
    at, pieces = 0, []
    while at < length:
        at = piece_end(at, length)
        pieces.append(at)
    assert pieces[-1] == length
    assert [p for p in pieces if p in ends] == ends


def test_prefix_common_beginning_is_found_up_to_a_whole_piece() -> None:
    cache = PrefixCache(1 << 20)
    first, second = tuple(range(300)), (*range(200), *range(900, 1000))
    kept = layers(256)
    cache.keep((), first[:256], kept)
    length, found = cache.find((), second)
    assert length == 128
    assert torch.equal(found[0][0], kept[0][0][:, :, :128])
    assert cache.find((), first[:64]) == (0, ())  # the last token must be fed, for its logits


def test_prefix_other_adapters_find_nothing() -> None:
    cache = PrefixCache(1 << 20)
    ids = tuple(range(100))
    cache.keep((("style@1", 1.0),), ids[:64], layers(64))
    assert cache.find((), ids)[0] == 0
    assert cache.find((("style@1", 0.5),), ids)[0] == 0
    assert cache.find((("style@2", 1.0),), ids)[0] == 0
    assert cache.find((("style@1", 1.0),), ids)[0] == 64
    cache.forget("style@1")
    assert cache.find((("style@1", 1.0),), ids)[0] == 0
    assert cache.used_bytes == 0


def test_prefix_budget_drops_the_least_recently_used() -> None:
    cache = PrefixCache(2 * 64 * 64)
    prompts = [tuple(range(i, i + 100)) for i in (0, 1000, 2000)]
    cache.keep((), prompts[0][:64], layers(64))
    cache.keep((), prompts[1][:64], layers(64))
    assert cache.find((), prompts[0])[0] == 64  # used again, so prompt 1 is the oldest
    cache.keep((), prompts[2][:64], layers(64))
    assert [cache.find((), p)[0] for p in prompts] == [64, 0, 64]
    cache.keep((), tuple(range(5000, 5256)), layers(256))  # more than the whole budget
    assert [cache.find((), p)[0] for p in prompts] == [64, 0, 64]


def test_prefix_longer_beginning_replaces_the_shorter() -> None:
    cache = PrefixCache(1 << 20)
    ids = tuple(range(128))
    cache.keep((), ids[:64], layers(64))
    cache.keep((), ids, layers(128))
    assert cache.used_bytes == 128 * 64


# --- in the runner -------------------------------------------------------------------------


def make_runner(tiny: Tiny, prefix_bytes: int) -> Runner:
    runner = Runner(load_model(str(tiny.model), ProfileConfig(device="cpu", dtype="bfloat16")), prefix_bytes)
    adapter = open_adapter(tiny.identity)
    runner.shelf.put(AdapterInfo("identity", "", 8, 1.0), tiny.identity, read_lora(adapter))
    return runner


def text(runner: Runner, ids: tuple[int, ...], stack: Stack) -> tuple[str, int]:
    """A seeded reply, and in how many steps its prompt was read."""
    sequence = runner.open(GenerationRequest(Prompt((), ids), Sampling(max_new_tokens=20, seed=5), stack))
    chunks: list[Chunk] = []
    steps = 0
    while not chunks or chunks[-1].finish is None:
        chunk = runner.step(sequence)
        if chunk is None:
            steps += 1
        else:
            chunks.append(chunk)
    runner.close(sequence)
    return "".join(c.text for c in chunks), steps + 1


def test_runner_cached_beginning_changes_no_bit(tiny: Tiny) -> None:
    """bfloat16, where other shapes would show; the reply of a warm cache is that of no cache at all."""
    warm, cold = make_runner(tiny, 1 << 24), make_runner(tiny, 0)
    ids = tuple(4 + i % 500 for i in range(300))
    other = (*ids[:200], 9, 8, 7)
    persona: Stack = (("identity", 1.0),)
    for stack in ((), persona):
        expected = text(cold, ids, stack)
        assert expected[1] == 4  # 64 + 64 + 128 + 44 tokens
        assert text(warm, ids, stack) == expected
        assert text(warm, ids, stack) == (expected[0], 1)  # all whole pieces were cached
        assert text(warm, other, stack) == (text(cold, other, stack)[0], 1)  # 128 of 203 tokens were
    assert warm.choose(other, ("RETRIEVE", "NO_RETRIEVE")) == cold.choose(other, ("RETRIEVE", "NO_RETRIEVE"))


def test_runner_base_never_reads_what_the_persona_cached(tiny: Tiny) -> None:
    runner = make_runner(tiny, 1 << 24)
    ids = tuple(4 + i % 500 for i in range(150))
    expected = make_runner(tiny, 0).choose(ids, ("RETRIEVE", "NO_RETRIEVE"))
    text(runner, ids, (("identity", 1.0),))
    assert runner.choose(ids, ("RETRIEVE", "NO_RETRIEVE")) == expected


def test_runner_unloaded_adapter_leaves_no_prefix(tiny: Tiny) -> None:
    runner = make_runner(tiny, 1 << 24)
    text(runner, tuple(range(4, 104)), (("identity", 1.0),))
    assert runner._prefixes.used_bytes > 0
    runner.shelf.drop("identity")
    assert runner._prefixes.used_bytes == 0
