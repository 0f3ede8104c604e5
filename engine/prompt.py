"""One renderer of conversations, for training and for inference.

`render` turns messages into token ids and a loss mask through the tokenizer's own chat template,
so that what is trained is what is served. `fit` drops the oldest turns first until a prompt fits
its budget. The prompt texts themselves (analyzer, rewrite, grounded answer) also live here, since
the starter model is trained on exactly these. Text from users and the web is data: special tokens
inside it are broken up before tokenizing.

This module does not know where messages or passages come from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.errors import InputError, ModelError
from engine.types import Message, Passage, Prompt, Role, Turn

RETRIEVE, NO_RETRIEVE = "RETRIEVE", "NO_RETRIEVE"
LABELS = (RETRIEVE, NO_RETRIEVE)

ANALYZER_SYSTEM = (
    "Decide whether the last message needs a search. "
    "Facts (what, when, where, who, how many), companies, events, news and unclear names: RETRIEVE. "
    "Greetings, small talk, opinions, feelings and philosophy: NO_RETRIEVE. "
    "Answer with one word."
)
REWRITE_SYSTEM = (
    "Rewrite the last user question as a standalone question that can be understood without the conversation."
)
CONTEXT_HEAD = "Context, newest first:"
CONTEXT_RULE = (
    "The context is newer than your memory: where they differ, trust the context. "
    "If it does not hold the answer, say that you don't know."
)
POSSIBLE = "Possible answers: "
NONE_FOUND = "none found"
QUESTION = "Question: "
MAX_AHEAD_CHARS = 300
"""Of a long question this much stands before the passages too."""
TOOL_RESULT = "Tool result: "
MAX_NAME_CHARS = 32
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")


@dataclass(frozen=True, slots=True)
class Rendered:
    """Token ids of a conversation and, beside each, whether it carries loss."""

    ids: tuple[int, ...]  # (T,)
    mask: tuple[bool, ...]  # (T,)


# --- text from outside ---------------------------------------------------------------------


def clean_text(text: str) -> str:
    """Drop control, zero-width and direction-override characters and lone surrogates; keep newlines."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text).strip()


def clean_name(name: str) -> str:
    """A display name that cannot pass for another line or another speaker."""
    name = re.sub(r"[\s:<>|\[\]]+", " ", clean_text(name)).strip()
    return name[:MAX_NAME_CHARS].strip() or "someone"


def speaker_line(name: str, text: str) -> str:
    """`Name: text`, further lines indented so that a message cannot fake another speaker's line."""
    return f"{clean_name(name)}: " + text.replace("\n", "\n  ")


# --- prompt texts --------------------------------------------------------------------------


def transcript(turns: Sequence[Turn], message: str, max_turn_chars: int = 300) -> str:
    """The analyzer's and rewriter's view of a conversation: short turns, then the last question."""
    lines = []
    for turn in turns:
        who = "User" if turn.role == "user" else "Assistant"
        text = " ".join(turn.text.split())
        lines.append(f"{who}: {text[:max_turn_chars]}")
    head = "Conversation:\n" + "\n".join(lines) + "\n\n" if lines else ""
    return f"{head}Last question: {' '.join(message.split())}"


def analyzer_messages(turns: Sequence[Turn], message: str) -> tuple[Message, ...]:
    """The prompt whose next word is RETRIEVE or NO_RETRIEVE."""
    return (
        Message("system", ANALYZER_SYSTEM),
        Message("user", transcript(turns, message)),
    )


def rewrite_messages(turns: Sequence[Turn], message: str) -> tuple[Message, ...]:
    """The prompt whose answer is the standalone query."""
    return (
        Message("system", REWRITE_SYSTEM),
        Message("user", transcript(turns, message)),
    )


def passage_line(number: int, passage: Passage) -> str:
    """`[1] Title (2026-11-20): text` on one line."""
    date = f" ({passage.published_at:%Y-%m-%d})" if passage.published_at else ""
    title = " ".join(clean_text(passage.title).split())
    return f"[{number}] {title}{date}: {' '.join(clean_text(passage.text).split())}"


def newest_first(passages: Sequence[Passage]) -> list[Passage]:
    """Dated passages, the newest first, then those without a date in the order given.

    What a model has to know of two passages that differ is then which stands first, not how to
    compare two dates.
    """
    dated = [p for p in passages if p.published_at]
    dated.sort(key=lambda p: _moment(p.published_at), reverse=True)
    return dated + [p for p in passages if not p.published_at]


def _moment(when: datetime | None) -> datetime:
    """`when` with a time zone; UTC where it has none."""
    assert when is not None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def possible_answers(passages: Sequence[Passage]) -> str:
    """What a reader found in the passages, by their numbers in the prompt; empty where nobody looked.

    `Possible answers: [1] the autumn of 2028; [3] 2027` on one line of its own.
    """
    if all(p.found is None for p in passages):
        return ""
    found = [
        f"[{i}] {' '.join(clean_text(p.found).split())}"
        for i, p in enumerate(newest_first(passages), 1)
        if p.found
    ]
    return f"{POSSIBLE}{'; '.join(found) or NONE_FOUND}\n"


def grounded_question(passages: Sequence[Passage], question: str) -> str:
    """The last user turn: question, passages newest first, the rule that the context wins, question.

    What a reader found in the passages stands before the second question.

    A causal model reads each passage once and knows then only what stands before it; told the
    question first, it can mark the answer as it reads. Source: query-aware contextualization in
    "Lost in the Middle", https://arxiv.org/abs/2307.03172.
    """
    lines = "\n".join(passage_line(i, p) for i, p in enumerate(newest_first(passages), 1))
    ahead = " ".join(question.split())[:MAX_AHEAD_CHARS]
    found = possible_answers(passages)
    return f"{QUESTION}{ahead}\n\n{CONTEXT_HEAD}\n{lines}\n\n{CONTEXT_RULE}\n\n{found}{QUESTION}{question}"


def reply_messages(
    system: str,
    turns: Sequence[Turn],
    message: str,
    passages: Sequence[Passage] = (),
    *,
    user_name: str = "",
    named: bool = False,
) -> tuple[Message, ...]:
    """The persona's prompt.

    Args:
        system: the persona's system message.
        turns: history, oldest first; consecutive turns of one role are joined.
        message: what is to be answered.
        passages: retrieved context; it goes into the last turn only.
        user_name: who wrote `message`.
        named: whether user turns carry their speakers' names (groups do).
    """
    history: list[Message] = []
    for turn in turns:
        text = clean_text(turn.text)
        if turn.role == "user" and named:
            text = speaker_line(turn.user_name, text)
        if history and history[-1].role == turn.role:
            history[-1] = Message(turn.role, f"{history[-1].content}\n{text}")
        else:
            history.append(Message(turn.role, text))
    last = clean_text(message)
    if named:
        last = speaker_line(user_name, last)
    if passages:
        last = grounded_question(passages, last)
    if history and history[-1].role == "user":
        last = f"{history.pop().content}\n{last}"
    return (Message("system", system), *history, Message("user", last))


# --- rendering -----------------------------------------------------------------------------


class Renderer:
    """Renders messages through a tokenizer's chat template.

    Args:
        tokenizer: a transformers tokenizer with a chat template. The renderer only reads it; give
            it its own instance when another thread uses one too.
    """

    def __init__(self, tokenizer: Any) -> None:
        if not getattr(tokenizer, "chat_template", None):
            raise ModelError(
                "The model's tokenizer has no chat template; use an instruct/chat model or add "
                "chat_template.jinja to its folder."
            )
        self.tokenizer = tokenizer
        special = sorted(
            set(tokenizer.all_special_tokens) | set(tokenizer.get_added_vocab()), key=len, reverse=True
        )
        self._special = re.compile("|".join(re.escape(t) for t in special if t.strip())) if special else None
        self._system_ok = self._supports("system")
        self._tool_ok = self._supports("tool")

    def render(self, messages: Sequence[Message], *, final_only: bool = False) -> Rendered:
        """Ids and loss mask of a whole conversation.

        Args:
            messages: the conversation; assistant messages with `trained` carry loss.
            final_only: train on the last assistant message alone, whatever `trained` says.

        Returns:
            ids and mask of equal length T; the mask is true on the tokens of trained assistant
            turns, their end-of-turn token included.

        Raises:
            ModelError: the template rewrites earlier turns when later ones are added, so no loss
                mask can be told.
        """
        folded = self._fold(messages)
        text = self._text(folded, generation=False)
        spans: list[tuple[int, int]] = []
        for i, message in enumerate(folded):
            wanted = message.role == "assistant" and (i == len(folded) - 1 if final_only else message.trained)
            if not wanted:
                continue
            prefix = self._text(folded[:i], generation=True)
            through = self._text(folded[: i + 1], generation=False)
            if not (through.startswith(prefix) and text.startswith(through)):
                raise ModelError("The chat template changes earlier turns; its loss mask cannot be told.")
            spans.append((len(prefix), len(through.rstrip("\n")) if i + 1 == len(folded) else len(through)))
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        mask = [any(a <= s < b for a, b in spans) for s, _ in encoded["offset_mapping"]]
        return Rendered(tuple(encoded["input_ids"]), tuple(mask))

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        """Ids that end where the assistant's answer begins."""
        text = self._text(self._fold(messages), generation=True)
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return Prompt(tuple(messages), tuple(ids))

    def count(self, text: str) -> int:
        """Number of tokens of plain text."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def safe(self, text: str) -> str:
        """`text` with every special token in it broken up, so that it stays data."""
        if self._special is None:
            return text
        return self._special.sub(lambda m: m[0][0] + " " + m[0][1:], text)

    def _text(self, messages: Sequence[Message], *, generation: bool) -> str:
        rows = [{"role": m.role, "content": self.safe(m.content)} for m in messages]
        if not rows:
            return ""
        out: str = self.tokenizer.apply_chat_template(rows, tokenize=False, add_generation_prompt=generation)
        return out

    def _supports(self, role: Role) -> bool:
        """Whether the template shows messages of a role (system first, tool behind a call)."""
        hi, call = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}
        probe = {"role": role, "content": "zq"}
        try:
            rows = [probe, hi] if role == "system" else [hi, call, probe]
            return "zq" in self.tokenizer.apply_chat_template(rows, tokenize=False)
        except Exception:  # templates raise jinja errors of their own making
            return False

    def _fold(self, messages: Sequence[Message]) -> list[Message]:
        """Roles that the template lacks, told by those it has: tool results come from the user."""
        out = self._fold_system(messages)
        if self._tool_ok:
            return out
        return [Message("user", f"{TOOL_RESULT}{m.content}") if m.role == "tool" else m for m in out]

    def _fold_system(self, messages: Sequence[Message]) -> list[Message]:
        """Put the system text into the first user turn where the template has no system role."""
        out = list(messages)
        if self._system_ok or not out or out[0].role != "system":
            return out
        system, rest = out[0], out[1:]
        if not rest:
            return [Message("user", system.content)]
        return [Message(rest[0].role, f"{system.content}\n\n{rest[0].content}", rest[0].trained), *rest[1:]]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt within its budget, and what it took to fit it."""

    prompt: Prompt
    turns_dropped: int
    """How many of the oldest turns were left out."""
    passages_shown: int
    """How many passages, best first, are in the prompt."""


def fit(
    renderer: Renderer,
    system: str,
    turns: Sequence[Turn],
    message: str,
    passages: Sequence[Passage],
    max_tokens: int,
    *,
    user_name: str = "",
    named: bool = False,
    tail: Sequence[Message] = (),
) -> Fitted:
    """The reply prompt within a token budget, oldest turns dropped first, then the lowest passages.

    Args:
        tail: what comes behind the message and is never dropped: tool calls and their results.

    Raises:
        InputError: the message alone does not fit.
    """
    kept, shown = list(turns), list(passages)
    while True:
        messages = reply_messages(system, kept, message, shown, user_name=user_name, named=named)
        prompt = renderer.prompt((*messages, *tail))
        if len(prompt.ids) <= max_tokens:
            return Fitted(prompt, len(turns) - len(kept), len(shown))
        if kept:
            over = len(prompt.ids) - max_tokens
            while kept and over > 0:
                over -= renderer.count(kept.pop(0).text)
        elif shown:
            shown.pop()
        else:
            raise InputError(
                f"That message is too long: it takes {len(prompt.ids)} tokens and {max_tokens} fit. "
                "Please shorten it."
            )
