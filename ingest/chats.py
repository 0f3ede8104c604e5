"""Chat exports into dialogues: Telegram and Discord JSON, WhatsApp text.

The target's name stays; everybody else gets an invented one unless names are to be kept. What is
not used is counted with its reason. This module does not make pairs.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.prompt import clean_name
from ingest.charsets import decode
from ingest.chat_discord import is_discord, read_discord
from ingest.chat_lines import Line, weave
from ingest.chat_message import Chat, ChatMessage
from ingest.chat_telegram import is_telegram, read_telegram
from ingest.chat_whatsapp import DateOrder, read_whatsapp
from ingest.dialogue import Dialogue
from ingest.ledger import Ledger, Stage
from ingest.pseudonyms import Pseudonyms

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """How chats become dialogues."""

    target: str
    """Display name, user name or platform id of the person who is imitated."""
    merge_window_s: float = 300.0
    session_gap_h: float = 6.0
    keep_names: bool = False
    date_order: DateOrder | None = None
    """Of WhatsApp's dates; None finds it out."""

    def __post_init__(self) -> None:
        if not self.target.strip():
            raise InputError("--target is empty; give the name of the person who is imitated.")
        if not 0 <= self.merge_window_s <= 86400:
            raise InputError(f"--merge-window is {self.merge_window_s:g}; allowed: 0 to 86400 seconds.")
        if not 0 < self.session_gap_h <= 24 * 365:
            raise InputError(
                f"--session-gap is {self.session_gap_h:g}; allowed: above 0, at most 8760 hours."
            )


@dataclass(frozen=True, slots=True)
class ChatImport:
    """What was read."""

    dialogues: tuple[Dialogue, ...]
    counts: dict[str, Any]


def import_chats(files: Sequence[Path], options: ChatOptions, ledger: Ledger) -> ChatImport:
    """Read exports and make dialogues in which the target speaks with others.

    Raises:
        InputError: a file is no chat export, or the target wrote in none of them.
    """
    reading = ledger.stage("messages", "messages")
    chats = [chat for path in files for chat in read_chats(path, reading, options.date_order)]
    chats = _without_repeats(chats, ledger.stage("repeats", "messages"))
    target_ids, target_names = _find_target(chats, options.target)
    labels = _Labels(chats, target_ids, target_names, keep_names=options.keep_names)
    merging, choosing = ledger.stage("merge", "messages"), ledger.stage("dialogues", "dialogues")
    dialogues: list[Dialogue] = []
    copies = 0
    for chat in chats:
        for line in weave(
            chat.messages,
            merging,
            merge_window_s=options.merge_window_s,
            session_gap_s=options.session_gap_h * 3600,
        ):
            dialogue = labels.dialogue(chat, line)
            if reason := _useless(line, target_ids[chat.platform]):
                choosing.drop(reason, f"{dialogue.source} message {line.utterances[0].id}")
                continue
            choosing.keep()
            copies += line.copied
            dialogues.append(dialogue)
    counts = {
        "chats": len(chats),
        "dialogues": len(dialogues),
        "utterances": sum(len(d.utterances) for d in dialogues),
        "context_copies": copies,
        "edited": sum(m.edited for chat in chats for m in chat.messages),
        "people_renamed": labels.renamed,
        "target": labels.target,
        "notes": {chat.source: dict(chat.notes) for chat in chats if chat.notes},
    }
    return ChatImport(tuple(dialogues), counts)


def read_chats(path: Path, stage: Stage, order: DateOrder | None = None) -> list[Chat]:
    """The chats of one export file, whichever of the three formats it is.

    Raises:
        InputError: it cannot be read or is no chat export; the message names the file.
    """
    try:
        body = path.read_bytes()
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    if body.startswith(b"PK\x03\x04"):
        raise InputError(f"{path} is a zip archive; unpack it and give the .txt or .json file inside.")
    text = decode(body).removeprefix("\ufeff")
    if not text.strip() or "\x00" in text:
        raise InputError(f"{path} is {'no text' if text.strip() else 'empty'}; give a chat export.")
    if path.suffix.lower() != ".json" and not text.lstrip().startswith("{"):
        return read_whatsapp(text, path.name, stage, order)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InputError(f"{path} is broken JSON ({exc}); export the chat again.") from exc
    if is_discord(data):
        return read_discord(data, path.name, stage)
    if is_telegram(data):
        return read_telegram(data, path.name, stage)
    raise InputError(
        f"{path} is JSON, but neither of Telegram Desktop (messages or chats) nor of DiscordChatExporter "
        "(channel and messages)."
    )


def _without_repeats(chats: Iterable[Chat], stage: Stage) -> list[Chat]:
    """Exports of one chat that overlap are one chat, each message once, in order of time."""
    merged: dict[tuple[str, str], Chat] = {}
    for chat in chats:
        key = (chat.platform, chat.id)
        before = merged.get(key)
        if before is None:
            merged[key] = chat
            stage.keep(len(chat.messages))
            continue
        known = {m.id: i for i, m in enumerate(before.messages)}
        messages = list(before.messages)
        for message in chat.messages:
            if message.id in known and chat.platform != "whatsapp":
                messages[known[message.id]] = message  # the later export has the last version
                stage.drop("same message in another export", message.where)
            else:
                messages.append(message)
                stage.keep()
        merged[key] = replace(
            chat,
            messages=tuple(messages),
            names={**before.names, **chat.names},
            handles={**before.handles, **chat.handles},
            mentioned=before.mentioned | chat.mentioned,
        )
    return [replace(chat, messages=_in_order(chat.messages)) for chat in merged.values()]


def _in_order(messages: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...]:
    """By time; messages of one moment stay as they were exported."""
    if any(m.at is None for m in messages):
        return messages
    return tuple(sorted(messages, key=lambda m: m.at.timestamp() if m.at else 0.0))


def _find_target(chats: Sequence[Chat], wanted: str) -> tuple[dict[str, set[str]], set[str]]:
    """The target's author ids by platform, and all names of theirs.

    Raises:
        InputError: nobody of that name wrote; the message names those who wrote most.
    """
    folded = wanted.strip().lstrip("@").casefold()
    ids: dict[str, set[str]] = {chat.platform: set() for chat in chats}
    names: set[str] = set()
    wrote: Counter[str] = Counter()
    for chat in chats:
        for message in chat.messages:
            wrote[chat.names.get(message.author_id) or message.author_id] += 1
        for id_, name in chat.names.items():
            called = {name, *chat.handles.get(id_, ())}
            if folded == id_.casefold() or folded in {c.casefold() for c in called}:
                ids[chat.platform].add(id_)
                names |= {c for c in called if c}
    if not any(ids.values()):
        there = ", ".join(name for name, _ in wrote.most_common(8)) or "nobody"
        raise InputError(f"--target {wanted!r} wrote nothing in these chats; those who did: {there}.")
    return ids, names


def _useless(line: Line, target_ids: set[str]) -> str:
    speakers = {u.speaker for u in line.utterances}
    if not speakers & target_ids:
        return "the target is silent"
    if len(speakers) == 1:
        return "nobody but the target speaks"
    return ""


class _Labels:
    """Speakers' labels and scrubbed texts."""

    def __init__(
        self,
        chats: Sequence[Chat],
        target_ids: dict[str, set[str]],
        target_names: set[str],
        *,
        keep_names: bool,
    ) -> None:
        shown = [c.names[i] for c in chats for i in target_ids[c.platform] if c.names.get(i)]
        self.target = clean_name(Counter(shown).most_common(1)[0][0] if shown else "target")
        self._ids = target_ids
        self._pseudonyms: Pseudonyms | None = None if keep_names else Pseudonyms(target_names)
        self._speakers: set[str] = set()
        self._kept: dict[str, list[tuple[str, str]]] = {}
        if self._pseudonyms is not None:
            self._make_known(chats, self._pseudonyms, target_names)

    def _make_known(self, chats: Sequence[Chat], pseudonyms: Pseudonyms, target_names: set[str]) -> None:
        folded = {name.casefold() for name in target_names}
        for chat in chats:
            for id_, name in chat.names.items():
                if id_ not in self._ids[chat.platform]:
                    pseudonyms.know(name or id_, chat.handles.get(id_, ()), (chat.platform, id_))
            for name in sorted(chat.mentioned):
                if name.casefold() not in folded:
                    pseudonyms.know(name)

    @property
    def renamed(self) -> int:
        """How many speakers got an invented name."""
        return len(self._speakers) if self._pseudonyms is not None else 0

    def dialogue(self, chat: Chat, line: Line) -> Dialogue:
        """A line with labels for author ids."""
        utterances = tuple(
            replace(u, speaker=self._speaker(chat, u.speaker), text=self._text(u.text))
            for u in line.utterances
        )
        fresh = line.utterances[min(line.copied, len(line.utterances) - 1)]
        source = f"{chat.platform}:{chat.name}" if self._pseudonyms is None and chat.name else chat.source
        return Dialogue(source, utterances, fresh.at)

    def _speaker(self, chat: Chat, author_id: str) -> str:
        if author_id in self._ids[chat.platform]:
            return self.target
        name = chat.names.get(author_id) or ""
        key = (chat.platform, author_id)
        if self._pseudonyms is not None:
            self._speakers.add(self._pseudonyms.label(name or author_id, key))
            return self._pseudonyms.label(name or author_id, key)
        label = clean_name(name or "Deleted account")
        alike = self._kept.setdefault(
            label.casefold(), [(chat.platform, "target")] if self._is(label) else []
        )
        if key not in alike:
            alike.append(key)
        # two people of one name must not become one speaker, least of all the target
        return label if alike[0] == key else f"{label} {alike.index(key) + 1}"

    def _is(self, label: str) -> bool:
        return label.casefold() == self.target.casefold()

    def _text(self, text: str) -> str:
        return text if self._pseudonyms is None else self._pseudonyms.scrub(text)
