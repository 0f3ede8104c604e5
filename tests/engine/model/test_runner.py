"""What the runner hands to a sequence."""

from __future__ import annotations

import torch

from engine.config import ProfileConfig
from engine.model.load import load_model
from engine.model.runner import Runner
from engine.types import GenerationRequest, Prompt, Sampling
from tests.engine.model.conftest import Tiny


def test_runner_repetition_penalty_spares_what_only_the_prompt_said(tiny: Tiny) -> None:
    loaded = load_model(str(tiny.model), ProfileConfig(model=str(tiny.model), dtype="float32", device="cpu"))
    runner = Runner(loaded)
    said, other = 40, 41
    logits = torch.zeros(loaded.model.config.vocab_size)
    logits[said], logits[other] = 1.0, 0.9
    request = GenerationRequest(
        Prompt((), (said, 30, said)), Sampling(temperature=0.0, repetition_penalty=2.0)
    )
    sequence = runner.open(request)
    sequence.advance(logits)
    assert sequence.feed.ids[-1] == said  # a name of the passages is no repetition
    sequence.advance(logits)
    assert sequence.feed.ids[-1] == other  # but saying it twice is
    runner.close(sequence)
