"""Summaries of turns that no longer fit, written by the unmodified base model.

Used only when `[history] summarize` is on. A summary is kept for as long as no further turn drops
out; it is never stored as history.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence

from engine.errors import ModelError
from engine.prompt import Renderer, transcript
from engine.types import GenerationRequest, Generator, Message, Prompt, Sampling, Turn

log = logging.getLogger(__name__)

SUMMARY_SYSTEM = "Summarize the conversation in two short sentences. Keep names, numbers and what was agreed."
MAX_SUMMARY_TOKENS = 80
MAX_CONVERSATIONS = 256


class Summarizer:
    """Summarizes dropped turns, remembering the newest summary of each conversation."""

    def __init__(self, generator: Generator, renderer: Renderer, context_tokens: int) -> None:
        self._generator = generator
        self._renderer = renderer
        self._budget = context_tokens - MAX_SUMMARY_TOKENS
        self._cache: OrderedDict[str, tuple[int, str]] = OrderedDict()

    async def summarize(self, key: str, dropped: Sequence[Turn], request_id: str = "") -> str:
        """One short paragraph about `dropped`; empty when the model fails, since a reply goes on without.

        Args:
            key: the conversation's key.
            dropped: the turns left out of the prompt, oldest first.
        """
        stamp = hash(tuple((t.at, t.text) for t in dropped))
        cached = self._cache.get(key)
        if cached and cached[0] == stamp:
            return cached[1]
        prompt = await asyncio.to_thread(self._fit, dropped)
        sampling = Sampling(max_new_tokens=MAX_SUMMARY_TOKENS, temperature=0.0)
        request = GenerationRequest(prompt, sampling, request_id=request_id)
        try:
            parts = [chunk.text async for chunk in self._generator.generate(request)]
        except ModelError as exc:
            log.warning("%s no summary: %s", request_id, exc)
            return ""
        summary = " ".join("".join(parts).split())
        self._cache[key] = (stamp, summary)
        self._cache.move_to_end(key)
        while len(self._cache) > MAX_CONVERSATIONS:
            self._cache.popitem(last=False)
        return summary

    def _fit(self, turns: Sequence[Turn]) -> Prompt:
        kept = list(turns)
        while True:
            text = transcript(kept, "What was said so far?")
            prompt = self._renderer.prompt((Message("system", SUMMARY_SYSTEM), Message("user", text)))
            if len(prompt.ids) <= self._budget or not kept:
                return prompt
            kept.pop(0)
