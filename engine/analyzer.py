"""Decides whether to retrieve, and rewrites the query, on the unmodified base model.

The decision is read from the probabilities of the two labels as the next words, never from free
text. The rewrite is generated only when something is retrieved and there is history to resolve.
This module knows nothing of the index or the persona.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from engine.config import AnalyzerConfig
from engine.prompt import LABELS, Renderer, analyzer_messages, clean_text, rewrite_messages
from engine.query import spelled_out, trusted
from engine.types import Decision, GenerationRequest, Generator, Message, Prompt, Sampling, Turn

log = logging.getLogger(__name__)

MessageBuilder = Callable[[Sequence[Turn], str], tuple[Message, ...]]


class Analyzer:
    """The query analyzer.

    Args:
        generator: whoever runs the base model.
        renderer: the prompt renderer, shared with the engine.
        config: threshold, how many turns are seen, how long a query may be.
        max_prompt_tokens: prompts are cut to this: oldest turns first, then the message's tail.
    """

    def __init__(
        self, generator: Generator, renderer: Renderer, config: AnalyzerConfig, max_prompt_tokens: int
    ) -> None:
        self._generator = generator
        self._renderer = renderer
        self._config = config
        self._max_prompt_tokens = max_prompt_tokens

    async def decide(self, turns: Sequence[Turn], message: str, request_id: str = "") -> Decision:
        """RETRIEVE or not, with the probability; the query is left empty. Raises ModelError, BusyError."""
        prompt = await asyncio.to_thread(self._fit, analyzer_messages, turns, message)
        probability = (await self._generator.choose(prompt, LABELS, request_id))[0]
        return Decision(retrieve=probability >= self._config.threshold, probability=probability)

    async def rewrite(self, turns: Sequence[Turn], message: str, request_id: str = "") -> str:
        """A standalone query: the message itself when there is no history to resolve it with."""
        plain = " ".join(clean_text(message).split())[:500]
        if not turns or not self._config.history_turns:
            return plain
        prompt = await asyncio.to_thread(self._fit, rewrite_messages, turns, message)
        sampling = Sampling(
            max_new_tokens=self._config.max_query_tokens, temperature=0.0, repetition_penalty=1.0
        )
        parts = [
            chunk.text
            async for chunk in self._generator.generate(
                GenerationRequest(prompt, sampling, request_id=request_id)
            )
        ]
        query = " ".join("".join(parts).split())
        if not any(c.isalnum() for c in query):
            log.info("%s rewrite empty, the message itself is the query", request_id)
            return plain
        seen = turns[-self._config.history_turns :]
        if not trusted(query, plain, seen):
            log.info("%s rewrite not trusted, the last turns and the message are the query", request_id)
            return spelled_out(plain, seen)
        return query

    def _fit(self, build: MessageBuilder, turns: Sequence[Turn], message: str) -> Prompt:
        """The prompt within its budget, the newest turns and the head of the message kept."""
        seen = list(turns[-self._config.history_turns :]) if self._config.history_turns else []
        text = clean_text(message)
        while True:
            prompt = self._renderer.prompt(build(seen, text))
            over = len(prompt.ids) - self._max_prompt_tokens
            if over <= 0 or not text:
                return prompt
            if seen:
                seen.pop(0)
            else:
                text = text[: max(0, min(len(text) - 1, int(len(text) * 0.8)))]
