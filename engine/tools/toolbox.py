"""The tools of a persona: which there are, whether a call fits them, and the call itself.

A call never raises: whatever goes wrong becomes an observation that says so, for the model and the
user. Results are data; they are cleaned and cut before the model reads them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from engine.errors import ConfigError, ToolError
from engine.prompt import clean_text
from engine.tools.format import MAX_OBSERVATION_CHARS, ParsedCall, ToolSpec, observation_text
from engine.types import ToolRecord

log = logging.getLogger(__name__)
FAILED = "the tool failed"
LATE = "the tool did not answer in time"


class Tool(Protocol):
    """Something that the model may call."""

    @property
    def spec(self) -> ToolSpec:
        """What the model is told of it."""

    @property
    def arguments(self) -> type[BaseModel]:
        """Checks a call's arguments; it forbids what it does not know."""

    @property
    def late(self) -> str:
        """What is said when the time limit ends the call."""

    async def run(self, arguments: BaseModel) -> Mapping[str, Any]:
        """The result, JSON-ready. Raises ToolError, whose text model and user may read."""

    async def close(self) -> None:
        """Release connections. Idempotent."""


class ToolBox:
    """Runs checked calls under a time limit.

    Args:
        tools: what may be called; none means that nothing is offered.
        timeout_s: for one call, whatever it waits for.
        max_chars: of one result as the model reads it.
    """

    def __init__(
        self, tools: Sequence[Tool] = (), timeout_s: float = 10.0, max_chars: int = MAX_OBSERVATION_CHARS
    ) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}
        if len(self._tools) < len(tools):
            raise ConfigError("Two tools have the same name.")
        self._timeout_s = timeout_s
        self._max_chars = max_chars

    def __bool__(self) -> bool:
        return bool(self._tools)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told."""
        return tuple(tool.spec for tool in self._tools.values())

    async def call(self, call: ParsedCall) -> ToolRecord:
        """Run one call; its record says how it went. Only cancellation gets out of here."""
        start = time.perf_counter()
        observation: Mapping[str, Any]
        outcome, error = "ok", ""
        try:
            tool, arguments = self._checked(call)
        except ToolError as exc:
            outcome, error, observation = "refused", str(exc), exc.observation()
        else:
            try:
                async with asyncio.timeout(self._timeout_s):
                    observation = await tool.run(arguments)
            except TimeoutError:
                outcome, error = "failed", tool.late
                observation = {"error": error}
            except ToolError as exc:
                outcome, error, observation = "failed", str(exc), exc.observation()
            except Exception:  # a broken tool must not end the reply
                log.exception("%s failed", call.name)
                outcome, error = "failed", FAILED
                observation = {"error": error}
        ms = round((time.perf_counter() - start) * 1000, 1)
        log.info("tool %s: %s in %.0f ms", call.name or "?", outcome, ms)
        text = clean_text(observation_text(observation, self._max_chars))
        return ToolRecord(
            call.name, dict(call.arguments), text, outcome == "ok", outcome == "refused", error, ms
        )

    async def close(self) -> None:
        """Close every tool. Idempotent."""
        for tool in self._tools.values():
            await tool.close()

    def _checked(self, call: ParsedCall) -> tuple[Tool, BaseModel]:
        if call.error:
            raise ToolError(call.error)
        tool = self._tools.get(call.name)
        if tool is None:
            known = ", ".join(self._tools)
            raise ToolError(f"there is no tool named {call.name[:40]}; the tools are: {known}")
        try:
            return tool, tool.arguments.model_validate(dict(call.arguments))
        except ValidationError as exc:
            wrong = (f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in exc.errors())
            raise ToolError("; ".join(wrong)) from exc
