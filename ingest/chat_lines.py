"""From messages to dialogues: merging, sessions, and the lines of talk that replies make.

In a busy group several talks interleave. A reply to the last words of a line goes on with that
line; a reply to an older message starts a line of its own, with that message as its context; what
comes next without a reply follows the line that spoke last. A long silence ends all lines. This
module knows no export format and no names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ingest.chat_message import ChatMessage
from ingest.dialogue import Utterance
from ingest.ledger import Stage


@dataclass(slots=True)
class Line:
    """One line of talk; `copied` is its number of leading utterances that another line holds too."""

    utterances: list[Utterance]
    copied: int = 0


def weave(
    messages: Iterable[ChatMessage], merging: Stage, *, merge_window_s: float, session_gap_s: float
) -> Iterator[Line]:
    """The lines of a chat, thread by thread, in order.

    Args:
        messages: of one chat, in order; speakers are author ids.
        merging: counts messages in, utterances out.
        merge_window_s: seconds within which messages of one author are one utterance.
        session_gap_s: seconds of silence after which a new dialogue begins.
    """
    threads: dict[str, list[ChatMessage]] = {}
    for message in messages:
        threads.setdefault(message.thread, []).append(message)
    for thread in threads.values():
        loom = _Loom(merging, merge_window_s, session_gap_s)
        for message in thread:
            loom.add(message)
        yield from loom.lines


class _Loom:
    """The lines of one thread while they are made."""

    def __init__(self, merging: Stage, merge_window_s: float, session_gap_s: float) -> None:
        self.lines: list[Line] = []
        self._merging = merging
        self._merge_s = merge_window_s
        self._gap_s = session_gap_s
        self._current: Line | None = None
        self._last: ChatMessage | None = None
        self._home: dict[str, tuple[Line, int]] = {}  # message id -> line and position of its utterance
        self._session: set[int] = set()  # identities of the lines of this session

    def add(self, message: ChatMessage) -> None:
        """Put a message where it belongs."""
        if self._silence_before(message):
            self._current = None
            self._session.clear()
        line = self._line_for(message)
        if self._belongs_to_last(line, message):
            last = line.utterances[-1]
            line.utterances[-1] = replace(last, text=f"{last.text}\n{message.text}")
            self._merging.drop("joined to the same author's message before")
        else:
            line.utterances.append(_utterance(message))
            self._merging.keep()
        self._home[message.id] = (line, len(line.utterances) - 1)
        self._current, self._last = line, message

    def _line_for(self, message: ChatMessage) -> Line:
        if not message.reply_to:
            return self._current or self._open(Line([]))
        if message.reply_to not in self._home:
            # it answers something that was dropped or never exported: no context is better than a wrong one
            return self._open(Line([]))
        line, place = self._home[message.reply_to]
        if id(line) in self._session and self._open_end(line, place, message.author_id):
            return line
        return self._open(Line([line.utterances[place]], copied=1))

    def _open_end(self, line: Line, place: int, author: str) -> bool:
        """Whether a line ends with the utterance at `place`, or with it and the answerer's own words."""
        after = line.utterances[place + 1 :]
        return not after or (len(after) == 1 and after[0].speaker == author)

    def _belongs_to_last(self, line: Line, message: ChatMessage) -> bool:
        if line is not self._current or self._last is None or not line.utterances:
            return False
        if len(line.utterances) <= line.copied or line.utterances[-1].speaker != message.author_id:
            return False
        if message.author_id != self._last.author_id:
            return False
        if message.at is None or self._last.at is None:
            return True
        return abs((message.at - self._last.at).total_seconds()) <= self._merge_s

    def _silence_before(self, message: ChatMessage) -> bool:
        if self._last is None or self._last.at is None or message.at is None:
            return False
        return (message.at - self._last.at).total_seconds() > self._gap_s

    def _open(self, line: Line) -> Line:
        self.lines.append(line)
        self._session.add(id(line))
        return line


def _utterance(message: ChatMessage) -> Utterance:
    return Utterance(
        speaker=message.author_id,
        text=message.text,
        at=message.at,
        id=message.id,
        reply_to=message.reply_to,
    )
