"""The serving engine, composed for evaluation: the same model worker, prompts, analyzer and sampler.

What the bot's composition root does for conversations, this does for cases: nothing is stored, the
given passages take the place of the index's, and several cases are in flight at once. This module
knows nothing of what a case has to hold.
"""

from __future__ import annotations

import asyncio
import copy
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from tqdm import tqdm

from engine.analyzer import Analyzer
from engine.config import Config
from engine.engine import Engine
from engine.errors import AdapterError, InputError
from engine.model.load import load_tokenizer
from engine.model.worker import ModelWorker
from engine.personas import load_persona
from engine.prompt import Renderer, reply_messages
from engine.reader import configured_reader
from engine.secrets import read_env
from engine.tools.build import make_toolbox
from engine.types import (
    Decision,
    Generator,
    Incoming,
    Passage,
    Receipt,
    ReplyOptions,
    Result,
    Retriever,
    Stack,
    Turn,
)
from trainer.evaluation.decoding import ContextAware
from trainer.evaluation.options import Options

C = TypeVar("C")
T = TypeVar("T")


class GivenPassages:
    """A Retriever whose index holds one case's passages: every search returns them, in order."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = tuple(passages)

    async def search(self, query: str, now: datetime) -> Sequence[Passage]:
        """The passages, whatever is asked."""
        return self._passages


class NoHistory:
    """A History that keeps nothing: cases bring their own turns."""

    async def receive(self, incoming: Incoming) -> Receipt:
        """Nothing is stored."""
        return Receipt(0, fresh=True)

    async def turns(self, key: str, limit: int, before_pk: int | None = None) -> Sequence[Turn]:
        """There are none."""
        return ()

    async def answer(self, message_pk: int, result: Result) -> int:
        """Nothing is stored."""
        return 0


class Session:
    """A started model worker with the engine around it; use it as `async with`.

    Args:
        config: profile, persona, adapters, sampling and analyzer, as served.
        options: how cases are answered.
        say: told what is loaded, a line each.
    """

    def __init__(self, config: Config, options: Options, say: Callable[[str], None]) -> None:
        self.config, self.options = config, options
        self._say = say
        self.persona = load_persona(config.persona_path)
        self.worker = ModelWorker(config.model_ref, config.active_profile, config.worker)
        self.reader = configured_reader(config, self.persona) if options.reader else None
        self.toolbox = make_toolbox(config.tools, self.persona.tools, read_env(config.path(".env")))

    async def __aenter__(self) -> Session:
        """Load model, adapters and tokenizer. Raises UnderstudyError with what to mend."""
        self._say(f"Loading {self.config.active_profile.model} …")
        try:
            await self.worker.start()
            await self._load_adapters()
            self.renderer = Renderer(await asyncio.to_thread(load_tokenizer, self.config.model_ref))
            if self.reader is not None:
                await self.reader.start()
        except BaseException:
            await self.worker.close()
            raise
        analyzer = self.config.analyzer
        room = self.config.active_profile.context_tokens - analyzer.max_query_tokens
        self.analyzer = Analyzer(self.worker, self.renderer, analyzer, room)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.worker.close()
        await self.toolbox.close()
        if self.reader is not None:
            await self.reader.close()

    async def _load_adapters(self) -> None:
        """The configured adapters; one that is asked for by --stack must load, others may be missing."""
        wanted = {n for n, value in (self.options.strengths or {}).items() if value > 0}
        for name in dict.fromkeys([*self.config.adapters.load, *sorted(wanted)]):
            if self.options.strengths is not None and name not in wanted:
                continue
            try:
                strength = self.config.strength_of(name)
                await self.worker.load_adapter(self.persona.adapters_path / name, name, strength=strength)
            except AdapterError as exc:
                if name in wanted or self.config.adapters.required:
                    raise
                self._say(f"Adapter {name} is left out: {exc}")

    # --- what a case may ask for -----------------------------------------------------------

    async def decide(self, turns: Sequence[Turn], message: str) -> Decision:
        """The analyzer's verdict on a message."""
        return await self.analyzer.decide(self._recent(turns), message)

    async def rewrite(self, turns: Sequence[Turn], message: str) -> str:
        """The query as the engine would search it."""
        return await self.analyzer.rewrite(self._recent(turns), message)

    async def reply(
        self,
        index: int,
        message: str,
        *,
        turns: Sequence[Turn] = (),
        passages: Sequence[Passage] | None = None,
        system: str | None = None,
    ) -> Result:
        """The engine's reply to a message, nothing stored.

        Args:
            index: of the case, for its seed.
            passages: what the index is taken to have found; None: nothing is searched.
            system: another system message than the persona's.

        Raises:
            InputError: the message cannot be answered as it is.
        """
        options = ReplyOptions(
            seed=self.options.seed + index,
            temperature=self._temperature(),
            strengths=self.options.strengths,
            retrieve=passages is not None,
        )
        engine = self._engine(GivenPassages(passages or ()), self._generator(message, turns, system))
        parts = engine.complete(
            self._recent(turns), message, options, system=system, request_id=f"case-{index}"
        )
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, Result):
                    return part
        raise InputError("The engine gave no result.")

    async def each(
        self, what: str, cases: Sequence[C], job: Callable[[int, C], Awaitable[T]]
    ) -> AsyncIterator[T]:
        """Run a job for every case, several at once, and yield the results in the cases' order."""
        worker = self.config.worker
        gate = asyncio.Semaphore(min(2 * worker.max_active, worker.queue_size + worker.max_active))
        with tqdm(total=len(cases), desc=what, unit="case", file=sys.stderr, mininterval=1.0) as bar:

            async def one(index: int, case: C) -> T:
                async with gate:
                    result = await job(index, case)
                bar.update()
                return result

            tasks = [asyncio.create_task(one(i, case)) for i, case in enumerate(cases)]
            try:
                for task in tasks:
                    yield await task
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    # --- what it is ------------------------------------------------------------------------

    def having(self, **changes: Any) -> Session:
        """The same worker with other options, such as another stack or decoding."""
        other = copy.copy(self)
        other.options = replace(self.options, **changes)
        return other

    def stack(self) -> Stack:
        """The adapters of a reply, as the worker knows them."""
        chosen = self.options.strengths
        if chosen is None:
            return self.worker.default_stack()
        return tuple((a.name, chosen[a.name]) for a in self.worker.adapters() if chosen.get(a.name, 0) > 0)

    def describe(self) -> dict[str, object]:
        """What was measured: model, adapters, persona and decoding."""
        stack = dict(self.stack())
        return {
            "model": self.config.active_profile.model,
            "model_hash": self.worker.hashes.base[:12],
            "persona": self.persona.id,
            "adapters": {a.name: a.hash for a in self.worker.adapters() if a.name in stack},
            "stack": stack,
            "grounded_strengths": {} if self.options.strengths is not None else self._most(),
            "reader": self.config.active_profile.reader if self.reader and self.options.reader else "",
            "decoding": self.options.decoding,
            "temperature": self._temperature(),
            "seed": self.options.seed,
        }

    def _most(self) -> dict[str, float]:
        """What a reply with passages gets of each adapter at most."""
        return dict(self.config.active_profile.grounded_strengths)

    def _temperature(self) -> float:
        if self.options.temperature is not None:
            return self.options.temperature
        return self.config.sampling.temperature if self.options.decoding == "sample" else 0.0

    def _recent(self, turns: Sequence[Turn]) -> Sequence[Turn]:
        """As many turns as are read back from the database in service."""
        most = self.config.history.max_turns
        return turns[-most:] if most else ()

    def _engine(self, retriever: Retriever, generator: Generator) -> Engine:
        return Engine(
            self.config, self.persona, NoHistory(), retriever, generator, self.renderer, self.worker,
            self.toolbox, self.reader if self.options.reader else None,
        )  # fmt: skip

    def _generator(self, message: str, turns: Sequence[Turn], system: str | None) -> Generator:
        if self.options.decoding != "context-aware":
            return self.worker
        bare = reply_messages(self.persona.system if system is None else system, self._recent(turns), message)
        return ContextAware(self.worker, self.renderer.prompt(bare), self.options.context_weight)
