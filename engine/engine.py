"""From one incoming message to its grounded, streamed reply.

The engine reads as the message path: save, decide, retrieve, read, render, generate, save; where the
persona has tools, generating may call them (`engine.tools`). It knows no platform; storage, index
and model are seams (`engine.types`), so each can be a fake or a server.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Protocol

from engine.analyzer import Analyzer
from engine.config import Config
from engine.errors import Cancelled, InputError, RetrievalError
from engine.personas import Persona
from engine.prompt import Fitted, Renderer, clean_text, fit, newest_first
from engine.query import about, asked_of
from engine.summary import Summarizer
from engine.tools.format import tool_system
from engine.tools.loop import Said, ToolLoop
from engine.tools.toolbox import ToolBox
from engine.types import (
    AdapterInfo,
    Chunk,
    Decision,
    Delta,
    GenerationRequest,
    Generator,
    History,
    Incoming,
    Message,
    Passage,
    Reader,
    ReplyOptions,
    Result,
    Retriever,
    Sampling,
    Stack,
    Turn,
    utc_now,
)

log = logging.getLogger(__name__)

MIN_PROMPT_TOKENS = 64


class AdapterSource(Protocol):
    """Who knows which adapters are loaded."""

    def adapters(self) -> tuple[AdapterInfo, ...]:
        """Loaded adapters in stacking order."""


class Timer:
    """Milliseconds by stage, from one start."""

    def __init__(self) -> None:
        self.start = self._mark = time.perf_counter()
        self.ms: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Time since the last lap goes to `stage`."""
        now = time.perf_counter()
        self.ms[stage] = round((now - self._mark) * 1000, 1)
        self._mark = now

    def since_start(self, stage: str) -> None:
        """Time since the start goes to `stage`."""
        self.ms[stage] = round((time.perf_counter() - self.start) * 1000, 1)


class Engine:
    """Answers messages as the persona.

    Args:
        config: sampling, analyzer, history and profile settings.
        persona: who speaks.
        history, retriever, generator: the three seams.
        renderer: prompt renderer over the base model's tokenizer.
        adapters: who knows the loaded adapters; the worker itself in service.
        toolbox: what the persona may call; the default offers nothing.
        reader: looks for answers in the passages first; None leaves it all to the model.
    """

    def __init__(
        self,
        config: Config,
        persona: Persona,
        history: History,
        retriever: Retriever,
        generator: Generator,
        renderer: Renderer,
        adapters: AdapterSource,
        toolbox: ToolBox | None = None,
        reader: Reader | None = None,
    ) -> None:
        self.persona = persona
        self._config = config
        self._history = history
        self._retriever = retriever
        self._reader = reader
        self._generator = generator
        self._renderer = renderer
        self._adapters = adapters
        self._toolbox = toolbox or ToolBox()
        self._loop = ToolLoop(self._toolbox, config.tools.max_calls)
        self._context = config.active_profile.context_tokens
        self._analyzer = Analyzer(
            generator, renderer, config.analyzer, self._context - config.analyzer.max_query_tokens
        )
        self._summarizer = (
            Summarizer(generator, renderer, self._context) if config.history.summarize else None
        )

    async def reply(self, incoming: Incoming) -> AsyncGenerator[Delta | Result, None]:
        """Save a message and answer it; a message that was received before yields nothing.

        Yields:
            text deltas, then one Result.

        Raises:
            InputError, BusyError, Cancelled, ModelError, StorageError; never RetrievalError: without its
            index the engine answers without sources and says so in the result's note.
        """
        receipt = await self._history.receive(incoming)
        if receipt.fresh:
            async with aclosing(self.answer(receipt.message_pk, incoming)) as parts:
                async for part in parts:
                    yield part

    async def answer(self, message_pk: int, incoming: Incoming) -> AsyncGenerator[Delta | Result, None]:
        """Answer a message that is already saved; see `reply`. Closing the iterator cancels it."""
        timer = Timer()
        text = clean_text(incoming.text)
        if not text:
            raise InputError("That message is empty. Please write something.")
        turns = await self._history.turns(incoming.key, self._config.history.max_turns, message_pk)
        timer.lap("history")
        request_id = f"m{message_pk}"
        async with aclosing(self._respond(incoming, text, turns, request_id, timer)) as parts:
            async for part in parts:
                if isinstance(part, Result):
                    part = replace(part, message_pk=message_pk)
                    part = replace(part, reply_pk=await self._history.answer(message_pk, part))
                    log.info("%s answered in %.0f ms", request_id, part.timings_ms["total"])
                yield part

    async def complete(
        self,
        turns: Sequence[Turn],
        message: str,
        options: ReplyOptions,
        *,
        system: str | None = None,
        request_id: str = "",
    ) -> AsyncGenerator[Delta | Result, None]:
        """Answer without storing anything: the caller brings the whole conversation.

        Args:
            system: another system message than the persona's.
        """
        text = clean_text(message)
        if not text:
            raise InputError("The last message is empty.")
        incoming = Incoming("api", request_id, request_id, "", "", text, options=options)
        async with aclosing(self._respond(incoming, text, turns, request_id, Timer(), system)) as parts:
            async for part in parts:
                yield part

    # --- the steps -------------------------------------------------------------------------

    async def _respond(
        self,
        incoming: Incoming,
        text: str,
        turns: Sequence[Turn],
        request_id: str,
        timer: Timer,
        system: str | None = None,
    ) -> AsyncGenerator[Delta | Result, None]:
        tools = system is None  # who brings a system message of their own gets no tools of ours
        system = tool_system(self.persona.system, self._toolbox.specs) if system is None else system
        options = incoming.options
        self._stack(options)  # a wrong strength is told before anything is computed
        sampling = self._sampling(options)
        decision = await self._decide(options.retrieve, turns, text, request_id)
        timer.lap("decide")
        passages: Sequence[Passage] = ()
        note = ""
        if decision.retrieve:
            decision = replace(decision, query=await self._analyzer.rewrite(turns, text, request_id))
            timer.lap("rewrite")
            passages, note = await self._retrieve(decision.query, request_id)
            timer.lap("retrieve")
        if passages and self._reader is not None:
            question = about(asked_of(decision.query, text), self.persona.name)
            passages, note = await self._read(self._reader, question, passages, request_id)
            timer.lap("read")
        if passages and options.temperature is None:
            coolest = min(sampling.temperature, self._config.sampling.grounded_temperature)
            sampling = replace(sampling, temperature=coolest)
        active: tuple[AdapterInfo, ...] = ()
        ask = partial(self._prompt, system, incoming, text, turns, passages, sampling, request_id)

        async def build(tail: Sequence[Message]) -> Fitted:
            fitted = await ask(tail)
            if not tail:
                timer.lap("prompt")
            return fitted

        def generate(fitted: Fitted) -> AsyncIterator[Chunk]:
            nonlocal active
            # now, since adapters come and go live
            stack, active = self._stack(options, grounded=bool(passages))
            return self._generator.generate(GenerationRequest(fitted.prompt, sampling, stack, request_id))

        said: Said | None = None
        async with aclosing(self._loop.run(build, generate, tools)) as parts:
            async for part in parts:
                if isinstance(part, Said):
                    said = part
                    continue
                if "first_token" not in timer.ms:
                    timer.since_start("first_token")
                yield Delta(part)
        assert said is not None  # the loop ends with it or raises
        if said.last.finish == "cancelled":  # the worker is closing: half a reply is not a reply
            raise Cancelled("The reply was cut off because the service stops.")
        timer.lap("generate")
        if said.tools:
            timer.ms["tools"] = round(sum(r.ms for r in said.tools), 1)
            timer.ms["generate"] = round(timer.ms["generate"] - timer.ms["tools"], 1)
        timer.since_start("total")
        yield Result(
            reply=said.text.strip(),
            decision=decision,
            sources=tuple(newest_first(passages[: said.fitted.passages_shown])),  # as the prompt numbers them
            adapters=active,
            timings_ms=timer.ms,
            finish=said.last.finish or "stop",
            note=note,
            prompt_tokens=said.prompt_tokens,
            new_tokens=said.new_tokens,
            tools=said.tools,
        )

    async def _decide(
        self, forced: bool | None, turns: Sequence[Turn], text: str, request_id: str
    ) -> Decision:
        if forced is not None:
            return Decision(retrieve=forced, probability=float(forced), reason="forced")
        return await self._analyzer.decide(turns, text, request_id)

    async def _retrieve(self, query: str, request_id: str) -> tuple[Sequence[Passage], str]:
        try:
            passages = await self._retriever.search(query, utc_now())
        except RetrievalError as exc:
            log.warning("%s answers without sources: %s", request_id, exc)
            return (), f"No sources: {exc}"
        return passages, "" if passages else "Nothing in the index was close enough to the question."

    async def _read(
        self, reader: Reader, query: str, passages: Sequence[Passage], request_id: str
    ) -> tuple[Sequence[Passage], str]:
        try:
            return await reader.read(query, passages), ""
        except RetrievalError as exc:
            log.warning("%s answers without the reader: %s", request_id, exc)
            return passages, f"No reader: {exc}"

    def _told(self, turns: Sequence[Turn]) -> Sequence[Turn]:
        """The earlier turns that this profile's model is told of."""
        most = self._config.active_profile.history_turns
        return turns if most is None else turns[max(0, len(turns) - most) :]

    async def _prompt(
        self,
        system: str,
        incoming: Incoming,
        text: str,
        turns: Sequence[Turn],
        passages: Sequence[Passage],
        sampling: Sampling,
        request_id: str,
        tail: Sequence[Message] = (),
    ) -> Fitted:
        told = self._told(turns)
        room = min(sampling.max_new_tokens, self._context // 3)
        budget = max(MIN_PROMPT_TOKENS, self._context - room)
        build = partial(
            fit,
            self._renderer,
            turns=told,
            message=text,
            passages=passages,
            max_tokens=budget,
            user_name=incoming.user_name,
            named=incoming.is_group,
            tail=tail,
        )
        fitted = await asyncio.to_thread(build, system=system)
        dropped = turns[: len(turns) - len(told) + fitted.turns_dropped]
        if dropped and self._summarizer:
            summary = await self._summarizer.summarize(incoming.key, dropped, request_id)
            if summary:
                system = f"{system}\n\nEarlier in this conversation: {summary}"
                fitted = await asyncio.to_thread(build, system=system)
        return fitted

    def _sampling(self, options: ReplyOptions) -> Sampling:
        base = self._config.sampling.sampling()
        return Sampling(
            max_new_tokens=base.max_new_tokens if options.max_new_tokens is None else options.max_new_tokens,
            temperature=base.temperature if options.temperature is None else options.temperature,
            top_p=base.top_p if options.top_p is None else options.top_p,
            top_k=base.top_k,
            repetition_penalty=base.repetition_penalty,
            seed=secrets.randbits(31) if options.seed is None else options.seed,
        )

    def _stack(self, options: ReplyOptions, grounded: bool = False) -> tuple[Stack, tuple[AdapterInfo, ...]]:
        """This request's own stack: those it asked for, or the defaults, held back beside passages."""
        loaded = self._adapters.adapters()
        strengths = options.defaults if options.strengths is None else options.strengths
        if strengths is not None:
            names = {a.name for a in loaded}
            for name, value in strengths.items():
                if not 0.0 <= value <= 1.0:
                    raise InputError(f"Strength of {name} is {value}; allowed: 0 to 1.")
                if name not in names and value > 0:
                    have = ", ".join(sorted(names)) or "none"
                    raise InputError(f"No adapter named {name} is loaded; loaded: {have}.")
            loaded = tuple(replace(a, strength=strengths.get(a.name, 0.0)) for a in loaded)
        if grounded and options.strengths is None:
            most = self._config.active_profile.grounded_strengths
            loaded = tuple(replace(a, strength=min(a.strength, most.get(a.name, 1.0))) for a in loaded)
        active = tuple(a for a in loaded if a.strength > 0)
        return tuple((a.name, a.strength) for a in active), active
