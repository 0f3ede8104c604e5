"""The service's own conversations into pairs: replies that were grounded, finished and well rated.

A reply is taken when it was sent, rests on retrieved passages, ended by itself, was not replaced by
/retry, has no more thumbs down than up, and its score is high enough; more thumbs up than down count
for more than the score. Whoever opted out is in none of it, neither as asker nor as context.
This module reads the history and changes nothing in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from engine.database import Database
from engine.feedback import OPT_OUT, RATING, balance, opt_out_scope, opted_out
from engine.history import SqlHistory
from engine.prompt import clean_text, grounded_question, speaker_line
from engine.tables import ConversationRow, MessageRow, ReplyRow
from engine.types import Incoming, Result
from ingest.jsonl import Row, pair_row
from ingest.ledger import Ledger
from ingest.pseudonyms import Pseudonyms

_WORD = re.compile(r"\w+")
_MIN_WORD_CHARS = 4  # shorter words are in every text


@dataclass(frozen=True, slots=True)
class Exchange:
    """One message and one reply to it, as stored."""

    incoming: Incoming
    result: Result
    state: str
    replaced: bool
    thread: tuple[int, int]
    """Conversation and epoch: turns of one epoch are context of one another."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is good enough, and how it is written."""

    persona: str
    """The persona's name, which is nobody's pseudonym."""
    min_score: float = 0.5
    turns: int = 10
    """Earlier turns as context, at most."""
    with_context: bool = True
    """Whether the last turn carries the passages, as it did when the reply was made."""


async def read_exchanges(url: str) -> tuple[list[Exchange], dict[str, str], dict[str, str]]:
    """All replies with their messages, oldest first; who opted out; ratings by scope.

    Raises:
        StorageError: the database cannot be read.
    """
    database, history = Database(url), SqlHistory(url)
    await database.start()
    try:

        async def work(session: AsyncSession) -> Sequence[tuple[MessageRow, ConversationRow, ReplyRow]]:
            query = (
                select(MessageRow, ConversationRow, ReplyRow)
                .join(ConversationRow, MessageRow.conversation_pk == ConversationRow.pk)
                .join(ReplyRow, and_(ReplyRow.message_pk == MessageRow.pk))
                .order_by(MessageRow.pk, ReplyRow.pk)
            )
            return [(m, c, r) for m, c, r in (await session.execute(query)).all()]

        rows = await database.read(work)
        # read last, so that nobody who opts out during the export is in it
        async with history:
            refusals, ratings = await history.settings(OPT_OUT), await history.settings(RATING)
    finally:
        await database.close()
    exchanges = [
        Exchange(
            incoming=message.incoming(conversation),
            result=reply.result(),
            state=message.state,
            replaced=reply.replaced_at is not None,
            thread=(conversation.pk, message.epoch),
        )
        for message, conversation, reply in rows
    ]
    return exchanges, refusals, ratings


def conversation_pairs(
    exchanges: Sequence[Exchange],
    refusals: dict[str, str],
    ratings: dict[str, str],
    options: ExportOptions,
    ledger: Ledger,
) -> Iterator[Row]:
    """Pairs of the replies that are good enough; other people's names are invented ones.

    Args:
        exchanges: all of them, oldest first.
        refusals: values of `opt_out` by scope; ratings: values of `rating` (see `engine.feedback`).
    """
    stage = ledger.stage("replies", "replies")
    out, thumbs = opted_out(refusals), balance(ratings)
    pseudonyms = Pseudonyms([options.persona])
    # those who opted out are made known too: others may have called them by name
    for e in exchanges:
        pseudonyms.know(e.incoming.user_name, key=(e.incoming.platform, e.incoming.user_id))
    earlier: dict[tuple[int, int], list[Exchange]] = {}
    for exchange in exchanges:
        where = f"reply {exchange.result.reply_pk}"
        if opt_out_scope(exchange.incoming.platform, exchange.incoming.user_id) in out:
            stage.drop("opted out", where)
            # their words are in the model's context of what follows, so context begins afresh
            earlier[exchange.thread] = []
            continue
        before = earlier.setdefault(exchange.thread, [])
        if reason := _unusable(exchange, thumbs.get(exchange.result.reply_pk, 0), options.min_score):
            stage.drop(reason, where)
        else:
            stage.keep()
            yield _pair(exchange, before, pseudonyms, options)
        if not exchange.replaced and exchange.state != "failed":
            before.append(exchange)


def score(result: Result) -> float:
    """How good a reply is by its form, 0 to 1.

    0.35 for length (full from 8 to 200 words, falling to nothing at 2 and at 400), 0.35 for the share
    of its longer words that its passages hold (full at 40 %), 0.2 for not repeating itself (distinct
    word triples), 0.1 for ending a sentence.
    """
    words = _WORD.findall(result.reply.casefold())
    count = len(words)
    length = min(max((count - 2) / 6, 0.0), 1.0, max((400 - count) / 200, 0.0))
    held = set(_WORD.findall(" ".join(p.text for p in result.sources).casefold()))
    telling = {word for word in words if len(word) >= _MIN_WORD_CHARS}
    grounded = min(1.0, len(telling & held) / (0.4 * len(telling))) if telling else 0.0
    triples = list(zip(words, words[1:], words[2:], strict=False))
    fresh = len(set(triples)) / len(triples) if triples else 1.0
    ended = 1.0 if result.reply.rstrip().rstrip("\"'”’)]*_").endswith((".", "!", "?", "…")) else 0.0
    return 0.35 * length + 0.35 * grounded + 0.2 * fresh + 0.1 * ended


def _unusable(exchange: Exchange, thumbs: int, min_score: float) -> str:
    """Why a reply is not exported; empty when it is. `thumbs`: up less down."""
    result = exchange.result
    if exchange.replaced:
        return "replaced by /retry"
    if exchange.state != "sent":
        return "never delivered"
    if not result.decision.retrieve or not result.sources:
        return "not grounded in passages"
    if result.finish != "stop":
        return f"ended by {result.finish}"
    if thumbs < 0:
        return "rated down"
    if not clean_text(exchange.incoming.text) or not clean_text(result.reply):
        return "no text"
    if thumbs <= 0 and score(result) < min_score:
        return f"score below {min_score:g}"
    return ""


def _pair(
    exchange: Exchange, before: Iterable[Exchange], pseudonyms: Pseudonyms, options: ExportOptions
) -> Row:
    turns: list[str] = []
    for earlier in list(before)[max(0, -(-options.turns // 2)) * -1 :] if options.turns > 1 else ():
        turns += [_said(earlier.incoming, pseudonyms), pseudonyms.scrub(clean_text(earlier.result.reply))]
    question = _said(exchange.incoming, pseudonyms)
    if options.with_context:
        question = grounded_question(exchange.result.sources, question)
    digest = hashlib.sha256(exchange.incoming.key.encode()).hexdigest()[:10]
    return pair_row(
        [*turns, question],
        pseudonyms.scrub(exchange.result.reply),
        f"conversations-{exchange.incoming.platform}-{digest}",
        f"conversation-{exchange.result.reply_pk}",
    )


def _said(incoming: Incoming, pseudonyms: Pseudonyms) -> str:
    text = pseudonyms.scrub(clean_text(incoming.text))
    if not incoming.is_group:
        return text
    return speaker_line(pseudonyms.label(incoming.user_name, (incoming.platform, incoming.user_id)), text)
