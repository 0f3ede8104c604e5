"""Context-aware decoding as a Generator, and what the names of all decodings mean.

greedy: the likeliest token, temperature 0. sample: the configured temperature. context-aware: what
the passages change in the model's mind counts more, by taking off what it would say without them.

Source: context-aware decoding, https://arxiv.org/abs/2305.14739.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from engine.model.worker import ModelWorker
from engine.types import Chunk, Contrast, GenerationRequest, Prompt


class ContextAware:
    """A Generator that decodes one case against its prompt without passages.

    Args:
        worker: runs both prompts side by side.
        bare: the prompt without passages.
        weight: 0 is plain decoding; the paper uses 0.5, and 1 where knowledge conflicts.
    """

    def __init__(self, worker: ModelWorker, bare: Prompt, weight: float) -> None:
        self._worker, self._bare, self._weight = worker, bare, weight

    def generate(self, request: GenerationRequest) -> AsyncIterator[Chunk]:
        """Stream the reply; see `engine.types.Generator`."""
        return self._worker.generate(replace(request, contrast=Contrast(self._bare, self._weight)))

    async def choose(self, prompt: Prompt, labels: Sequence[str], request_id: str = "") -> Sequence[float]:
        """Probabilities of labels, decoded plainly."""
        return await self._worker.choose(prompt, labels, request_id)

    async def close(self) -> None:
        """The worker is its owner's."""
