"""A reply that may call tools: generate, call, generate again with the result.

A call is never streamed: text is held back until it cannot become one. Calls and results live in
the prompt of this reply alone; stored history gets what the user sees. A call that is malformed or
refused is told to the model once, then to the user; so is one beyond the limit. An error that the
answer does not own up to is added to it, since a made-up result would look like a real one.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from engine.prompt import Fitted
from engine.tools.format import may_be_call, parse_call
from engine.tools.toolbox import ToolBox
from engine.types import Chunk, Message, ToolRecord

Build = Callable[[Sequence[Message]], Awaitable[Fitted]]
Generate = Callable[[Fitted], AsyncIterator[Chunk]]
MAX_REFUSED = 1
_ADMITS = re.compile(
    r"\b(could|did|do|does|was|is|were)(n['’]t| not)\b|\bcan(['’]t|not| not)\b"
    r"|\bunable\b|\bsorry\b|\bwhich\b.*\?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Said:
    """How a reply ended."""

    text: str
    last: Chunk
    fitted: Fitted
    """The prompt that the final answer was written on."""
    tools: tuple[ToolRecord, ...]
    prompt_tokens: int
    """Of every generation together, as are `new_tokens`."""
    new_tokens: int


class ToolLoop:
    """Runs one reply at a time, as many side by side as asked for; it keeps nothing between them.

    Args:
        toolbox: what may be called; when it is empty the first generation is the reply.
        max_calls: calls that are run in one reply.
    """

    def __init__(self, toolbox: ToolBox, max_calls: int) -> None:
        self._toolbox = toolbox
        self._max_calls = max_calls

    async def run(self, build: Build, generate: Generate, offered: bool) -> AsyncGenerator[str | Said, None]:
        """Write one reply.

        Args:
            build: makes the prompt, with the calls and results so far behind the question.
            generate: streams an answer to a prompt.
            offered: whether the prompt lists the tools; else nothing is taken for a call.

        Yields:
            visible text piece by piece, then one `Said`.
        """
        offered = offered and bool(self._toolbox)
        tail: tuple[Message, ...] = ()
        records: list[ToolRecord] = []
        prompt_tokens = new_tokens = 0
        while True:
            fitted = await build(tail)
            text, shown, last = "", False, Chunk("")
            stream = generate(fitted)
            try:
                async for chunk in stream:
                    last = chunk
                    text += chunk.text
                    if shown:
                        if chunk.text:
                            yield chunk.text
                    elif text and (not offered or may_be_call(text) is False):
                        shown = True
                        yield text
            finally:
                await _aclose(stream)
            prompt_tokens += last.prompt_tokens
            new_tokens += last.new_tokens
            call = None if shown or last.finish == "cancelled" else parse_call(text)
            if call is None:
                if text and not shown:
                    yield text
                if said := _unsaid(records, text):
                    text += said
                    yield said
                break
            if sum(not r.refused for r in records) >= self._max_calls:
                text = f"I couldn't finish that: more than {self._max_calls} look-ups were needed."
                yield text
                break
            record = await self._toolbox.call(call)
            records.append(record)
            if sum(r.refused for r in records) > MAX_REFUSED:
                text = f"I couldn't look that up: {record.error}."
                yield text
                break
            tail = (*tail, Message("assistant", text.strip()), Message("tool", record.observation))
        yield Said(text, last, fitted, tuple(records), prompt_tokens, new_tokens)


def _unsaid(records: Sequence[ToolRecord], answer: str) -> str:
    """The last call's error, where it failed and the answer does not say so."""
    if not records or records[-1].ok or records[-1].error in answer or _ADMITS.search(answer):
        return ""
    last = records[-1]
    return f"\n\n({last.name or 'The tool'}: {last.error}.)"


async def _aclose(stream: AsyncIterator[Chunk]) -> None:
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()
