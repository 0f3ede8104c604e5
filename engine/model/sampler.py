"""Draws the next token from the logits of one sequence.

In this order, as transformers' processors do: repetition penalty, temperature, top-k, top-p. In service
the penalty counts the reply alone: over the prompt it would push answers off the names and numbers of
the retrieved passages that they are to repeat. Each request draws from a random generator of its own
on the CPU, so a seed repeats a reply whatever else runs, and on whatever device. This module knows
nothing of text or models.

Source: repetition penalty, https://arxiv.org/abs/1909.05858; top-p, https://arxiv.org/abs/1904.09751.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from engine.errors import ModelError
from engine.types import Sampling

_SEED_BITS = 63


class Sampler:
    """Sampling state of one request.

    Args:
        sampling: how to draw.
        seen_ids: tokens that count as said already.
        vocab_size: V, the width of the logits.
        device: where the logits come from.
    """

    def __init__(
        self, sampling: Sampling, seen_ids: Sequence[int], vocab_size: int, device: torch.device
    ) -> None:
        self._sampling = sampling
        self._seen: Tensor | None = None  # (V,) bool
        if sampling.repetition_penalty != 1.0:
            self._seen = torch.zeros(vocab_size, dtype=torch.bool, device=device)
            self._seen[torch.tensor(list(seen_ids), dtype=torch.long, device=device)] = True
        self._random = torch.Generator()
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed % (1 << _SEED_BITS))

    def draw(self, logits: Tensor) -> int:
        """The next token, which then counts as seen. logits: (V,).

        Raises:
            ModelError: the logits are not finite.
        """
        ids, probs = self.distribution(logits)
        choice = 0 if len(ids) == 1 else int(torch.multinomial(probs, 1, generator=self._random))
        token = int(ids[choice])
        if self._seen is not None:
            self._seen[token] = True
        return token

    def distribution(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens that may be drawn, most likely first, and their weights. logits: (V,).

        Returns:
            ids (K,) and weights (K,) on the CPU; the weights of tokens cut by top-p are 0, the others
            are proportional to their probabilities.
        """
        sampling = self._sampling
        scores = self._penalize(logits.float())
        if sampling.temperature == 0.0:
            best, at = scores.max(-1, keepdim=True)
            _check_finite(best)
            return at.cpu(), torch.ones(1)
        count = min(sampling.top_k or len(scores), len(scores))
        top, ids = (t.cpu() for t in torch.topk(scores, count))  # sorted, largest first
        _check_finite(top)
        probs = torch.softmax((top - top[0]) / sampling.temperature, -1)
        if sampling.top_p < 1.0:
            before = probs.cumsum(-1) - probs  # the first has 0 before it, so one is always kept
            probs = torch.where(before < sampling.top_p, probs, 0.0)
        return ids, probs

    def _penalize(self, scores: Tensor) -> Tensor:
        if self._seen is None:
            return scores
        penalty = self._sampling.repetition_penalty
        return torch.where(self._seen, torch.where(scores < 0, scores * penalty, scores / penalty), scores)


def _check_finite(top: Tensor) -> None:
    """NaN sorts above everything, so the first of the sorted scores tells of any."""
    if not math.isfinite(float(top[0])):
        raise ModelError(
            "The model's output is not finite: its weights are damaged, or float16 overflows; set "
            'dtype = "bfloat16" or "float32" in config.toml\'s profile.'
        )
