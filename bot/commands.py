"""The commands that every adapter offers, written once.

/help /new /reset /forget /retry /why /stats /optout /optin /audience for everyone; /admin … for the ids in
`[limits] admins` and the terminal. Answers are plain text with light markdown. Adapters only pass names
and arguments.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from bot.admin import Admin
from bot.notices import explain
from bot.relay import Relay
from bot.types import Event, Notice
from engine.errors import PermissionDenied, UnderstudyError
from engine.feedback import OPT_OUT, opt_out_scope
from engine.history import SqlHistory
from engine.personas import Persona
from engine.types import Incoming, Passage, Result, ToolRecord

log = logging.getLogger(__name__)

COMMANDS: dict[str, str] = {
    "help": "what I am and what I can do",
    "new": "start a new conversation; the old one is kept but no longer read",
    "reset": "erase this conversation from the database",
    "forget": "erase all that you ever wrote to me here and elsewhere, with my replies; asks once more",
    "retry": "answer your last message again",
    "why": "how the last reply came about: decision, query, sources, adapters, timings",
    "stats": "numbers of this conversation",
    "optout": "keep what you write, here and elsewhere, out of what I may be trained on",
    "optin": "allow it again",
    "audience": "whom I explain things to: a name of the list that it shows, or off",
}
"""Name -> what it does; adapters register exactly these."""
PRIVATE = frozenset({"forget", "why", "stats", "optout", "optin", "audience"})
"""Answered to the caller alone."""
CONFIRM_S = 60.0
"""Within which /forget must be said a second time."""


class Commands:
    """Runs commands for any adapter."""

    def __init__(self, relay: Relay, history: SqlHistory, persona: Persona, admin: Admin) -> None:
        self._relay = relay
        self._history = history
        self._persona = persona
        self._admin = admin
        self._started_at = time.monotonic()
        self._asked_at: dict[tuple[str, str], float] = {}  # by platform and user: when /forget was said
        self._plain: dict[str, Callable[[Incoming], Awaitable[str]]] = {
            "help": self._help,
            "new": self._new,
            "reset": self._reset,
            "forget": self._forget,
            "why": self._why,
            "stats": self._stats,
            "optout": self._opt_out,
            "optin": self._opt_in,
        }

    async def run(self, name: str, args: str, caller: Incoming) -> AsyncGenerator[Event, None]:
        """Run one command; every error becomes a Notice."""
        if not self._relay.admits(caller):
            return
        try:
            if name == "retry":
                async with aclosing(self._relay.retry(caller)) as events:
                    async for event in events:
                        yield event
            elif name == "admin":
                yield Notice(await self._admin.run(args, caller), private=True)
            elif name == "audience":
                yield Notice(await self._audience(args, caller), private=True)
            elif name in self._plain:
                yield Notice(await self._plain[name](caller), private=name in PRIVATE)
            else:
                known = " ".join(f"/{c}" for c in COMMANDS)
                yield Notice(f"There is no command /{name[:40]}. There are {known}.", private=True)
        except PermissionDenied as exc:
            log.warning("%s:%s may not use /admin", caller.platform, caller.user_id)
            yield Notice(explain(exc), private=True)
        except UnderstudyError as exc:
            log.warning("/%s failed", name, exc_info=True)
            yield Notice(explain(exc), private=True)

    async def _help(self, caller: Incoming) -> str:
        lines = [self._persona.greeting, "", self._persona.disclosure, ""]
        lines += [f"/{name}: {what}" for name, what in COMMANDS.items()]
        if self._admin.is_admin(caller):
            lines += ["", *self._admin.usage()]
        return "\n".join(lines).strip()

    async def _new(self, caller: Incoming) -> str:
        await self._history.new(caller.key)
        return "A new conversation begins; I no longer read what came before."

    async def _reset(self, caller: Incoming) -> str:
        erased = await self._history.reset(caller.key)
        return (
            f"Erased this conversation: {erased} message{'' if erased == 1 else 's'} and the replies to them."
        )

    async def _forget(self, caller: Incoming) -> str:
        who, now = (caller.platform, caller.user_id), time.monotonic()
        self._asked_at = {k: at for k, at in self._asked_at.items() if now - at < CONFIRM_S}
        if self._asked_at.pop(who, None) is None:
            self._asked_at[who] = now
            return (
                f"This erases all that you wrote to me on {caller.platform.capitalize()}, in every chat, "
                "with my replies and your reactions. It cannot be undone. To do it, say /forget again within "
                f"{CONFIRM_S:.0f} seconds."
            )
        erased = await self._history.forget_user(caller.platform, caller.user_id)
        return f"Erased {erased} message{'' if erased == 1 else 's'} of yours and my replies to them."

    async def _why(self, caller: Incoming) -> str:
        last = await self._history.last(caller.key)
        return why_text(last[1]) if last else "There is no reply yet to explain."

    async def _stats(self, caller: Incoming) -> str:
        stats = await self._history.stats(caller.key)
        up_h = (time.monotonic() - self._started_at) / 3600
        lines = [
            f"{stats.messages} messages, {stats.replies} replies, {stats.retrieved} of them with retrieval.",
            f"Median reply: {stats.median_total_ms / 1000:.1f} s." if stats.replies else "",
            f"The service has been up for {up_h:.1f} h.",
        ]
        return "\n".join(line for line in lines if line)

    async def _audience(self, args: str, caller: Incoming) -> str:
        if self._relay.audiences is None:
            return "No audiences are set up here; the operator can add some (docs/audience.md)."
        return await self._relay.audiences.command(args, caller)

    async def _opt_out(self, caller: Incoming) -> str:
        await self._history.set_setting(opt_out_scope(caller.platform, caller.user_id), OPT_OUT, "1")
        return (
            "Done: nothing that you wrote or will write to me is used for training, and no reply to it. "
            "Files that were exported before stay as they are. /reset erases this conversation; /optin "
            "takes this back."
        )

    async def _opt_in(self, caller: Incoming) -> str:
        await self._history.set_setting(opt_out_scope(caller.platform, caller.user_id), OPT_OUT, None)
        return "Done: what you write to me, names replaced, may be used for training again. /optout ends it."


def why_text(result: Result) -> str:
    """Everything that led to a reply, as a few lines of text."""
    decision = result.decision
    verdict = "RETRIEVE" if decision.retrieve else "NO_RETRIEVE"
    how = "forced" if decision.reason == "forced" else f"P(RETRIEVE) = {decision.probability:.2f}"
    lines = [f"Decision: {verdict} ({how})"]
    if decision.query:
        lines.append(f"Query: {decision.query}")
    lines += [_source_line(i, p) for i, p in enumerate(result.sources, 1)]
    if not result.sources:
        lines.append("Sources: none")
    lines += [_tool_line(t) for t in result.tools]
    if result.note:
        lines.append(f"Note: {result.note}")
    adapters = ", ".join(f"{a.name} {a.hash} at {a.strength:g}" for a in result.adapters)
    lines.append(f"Adapters: {adapters or 'none, the base model'}")
    lines.append("Timings: " + ", ".join(f"{k} {v:.0f} ms" for k, v in result.timings_ms.items()))
    return "\n".join(lines)


def _tool_line(record: ToolRecord) -> str:
    arguments = ", ".join(f"{k}={v}" for k, v in record.arguments.items())
    return f"Tool: {record.name or '?'}({arguments}) in {record.ms:.0f} ms: {record.observation}"


def _source_line(number: int, passage: Passage) -> str:
    date = f", {passage.published_at:%Y-%m-%d}" if passage.published_at else ""
    url = f" {passage.url}" if passage.url else ""
    found = f', found "{passage.found}"' if passage.found else ""
    return f"[{number}] {passage.title}{date}, score {passage.score:.2f}{found}{url}"
