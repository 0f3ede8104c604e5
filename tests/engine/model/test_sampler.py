"""The sampler against transformers' own logits processors."""

from __future__ import annotations

import pytest
import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from engine.errors import ModelError
from engine.model.sampler import Sampler
from engine.types import Sampling

CPU = torch.device("cpu")
V = 200
PROMPT = (3, 7, 7, 150)


def some_logits(seed: int) -> torch.Tensor:
    return torch.randn(V, generator=torch.Generator().manual_seed(seed)) * 3


def dense(sampler: Sampler, logits: torch.Tensor) -> torch.Tensor:
    """The sampler's distribution as probabilities over the vocabulary."""
    ids, weights = sampler.distribution(logits)
    return torch.zeros(V).index_put((ids,), weights / weights.sum())


@pytest.mark.parametrize("temperature", [0.3, 0.7, 2.0])
@pytest.mark.parametrize("top_k", [0, 1, 50, 1000])
@pytest.mark.parametrize("top_p", [0.05, 0.9, 1.0])
@pytest.mark.parametrize("penalty", [1.0, 1.1, 0.7])
def test_sampler_distribution_equals_transformers(
    temperature: float, top_k: int, top_p: float, penalty: float
) -> None:
    processors = LogitsProcessorList(
        [RepetitionPenaltyLogitsProcessor(penalty), TemperatureLogitsWarper(temperature)]
    )
    if top_k:
        processors.append(TopKLogitsWarper(top_k))
    processors.append(TopPLogitsWarper(top_p))
    for seed in range(3):
        logits = some_logits(seed)
        sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=penalty)
        mine = dense(Sampler(sampling, PROMPT, V, CPU), logits)
        theirs = torch.softmax(processors(torch.tensor([PROMPT]), logits[None]), -1)[0]
        assert torch.allclose(mine, theirs, atol=1e-6)


def test_sampler_penalty_covers_what_was_drawn() -> None:
    logits = torch.zeros(V)
    logits[5], logits[6] = 2.0, 1.9
    sampler = Sampler(Sampling(temperature=0.0, repetition_penalty=1.2), (), V, CPU)
    assert [sampler.draw(logits) for _ in range(2)] == [5, 6]


def test_sampler_greedy_takes_the_maximum() -> None:
    sampler = Sampler(Sampling(temperature=0.0, repetition_penalty=1.0), PROMPT, V, CPU)
    for seed in range(5):
        assert sampler.draw(some_logits(seed)) == int(some_logits(seed).argmax())


def test_sampler_tiny_temperature_is_greedy_without_overflow() -> None:
    sampler = Sampler(Sampling(temperature=1e-30, repetition_penalty=1.0), PROMPT, V, CPU)
    assert sampler.draw(some_logits(0)) == int(some_logits(0).argmax())


def test_sampler_draws_follow_the_distribution() -> None:
    sampler = Sampler(
        Sampling(temperature=1.0, top_p=1.0, top_k=0, repetition_penalty=1.0, seed=4), (), V, CPU
    )
    logits = torch.full((V,), -30.0)
    logits[10], logits[20] = 0.0, 1.0986123  # odds 1 : 3
    drawn = [sampler.draw(logits) for _ in range(2000)]
    assert set(drawn) == {10, 20}
    assert drawn.count(20) / 2000 == pytest.approx(0.75, abs=0.04)


@pytest.mark.parametrize("seed", [0, 17, -5, 2**80])
def test_sampler_seed_repeats_whatever_else_is_drawn(seed: int) -> None:
    def draw(disturb: bool) -> list[int]:
        sampler = Sampler(Sampling(temperature=2.0, seed=seed), PROMPT, V, CPU)
        other = Sampler(Sampling(temperature=2.0, seed=99), PROMPT, V, CPU)
        out = []
        for i in range(20):
            if disturb:
                other.draw(some_logits(i))
                torch.rand(7)
            out.append(sampler.draw(some_logits(i)))
        return out

    assert draw(False) == draw(True)


def test_sampler_without_seed_differs() -> None:
    def draw() -> list[int]:
        sampler = Sampler(Sampling(temperature=5.0, top_p=1.0, top_k=0), (), V, CPU)
        return [sampler.draw(some_logits(i)) for i in range(20)]

    assert draw() != draw()


@pytest.mark.parametrize("temperature", [0.0, 0.7])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_sampler_logits_not_finite_is_a_model_error(temperature: float, bad: float) -> None:
    logits = some_logits(0)
    logits[11] = bad
    with pytest.raises(ModelError, match="not finite"):
        Sampler(Sampling(temperature=temperature), PROMPT, V, CPU).draw(logits)
