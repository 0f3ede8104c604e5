"""What people say about replies and about their own words: votes, and opting out.

Both are kept among the settings of the history:

    user:<platform>:<user id>            opt_out   1
    reply:<row of the reply>             rating    up | down      an operator's verdict
    reply:<row>/by:<digest of a person>  rating    up | down      a reader's vote, one each

A vote names nobody: its voter is a digest. This module knows no platform and no command.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import String, and_, cast, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from engine.storable import storable_id
from engine.tables import ConversationRow, MessageRow, ReplyRow, SettingRow

OPT_OUT, RATING = "opt_out", "rating"
OFF = ("", "0", "false", "no")
"""Values of `opt_out` that mean the person did not opt out."""
Thumb = Literal["up", "down"]

_SCOPE = re.compile(r"reply:(\d+)(?:/by:[0-9a-f]+)?")
_DIGEST_CHARS = 24


@dataclass(frozen=True, slots=True)
class Ballot:
    """Somebody's thumb for a reply that a platform shows."""

    platform: str
    place: str
    """The conversation's key inside the platform, or the part of it before a slash."""
    user_id: str
    thumb: Thumb | None
    """None takes the vote back."""
    message_id: str = ""
    """The platform's id of a message that shows the reply or a part of it."""
    reply_pk: int = 0
    """The reply's row, where the platform shows no messages of its own."""
    only: Thumb | None = None
    """Take the vote back only if it is this one: the other thumb may have been given since."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A stored reply, and where it was given."""

    reply_pk: int
    conversation: str


def opt_out_scope(platform: str, user_id: str) -> str:
    """The scope under which a user's `opt_out` is set."""
    return storable_id(f"user:{platform}:{user_id}")


def rating_scope(reply_pk: int, voter: tuple[str, str] | None = None) -> str:
    """The scope of a reply's `rating`; with a voter (platform and user id), of that person's vote."""
    return f"reply:{reply_pk}" + (f"/by:{_digest(*voter)}" if voter else "")


def opted_out(settings: Mapping[str, str]) -> frozenset[str]:
    """The scopes of those who opted out, of all values of `opt_out`."""
    return frozenset(scope for scope, value in settings.items() if value.strip().lower() not in OFF)


def balance(ratings: Mapping[str, str]) -> dict[int, int]:
    """For each rated reply how many more thumbs point up than down, of all values of `rating`."""
    sums: Counter[int] = Counter()
    for scope, value in ratings.items():
        match = _SCOPE.fullmatch(scope)
        if match and value in ("up", "down"):
            sums[int(match[1])] += 1 if value == "up" else -1
    return dict(sums)


async def shown_reply(session: AsyncSession, ballot: Ballot) -> Shown | None:
    """The reply that a ballot is about; None when it is none of ours, or was erased."""
    place = storable_id(ballot.place)
    inside = ConversationRow.name.startswith(f"{place}/", autoescape=True)
    mark = cast(ReplyRow.sent_ids, String).contains(f'"{storable_id(ballot.message_id)}"', autoescape=True)
    query = (
        select(ReplyRow.pk, ConversationRow.name)
        .join(MessageRow, ReplyRow.message_pk == MessageRow.pk)
        .join(ConversationRow, MessageRow.conversation_pk == ConversationRow.pk)
        .where(ConversationRow.platform == storable_id(ballot.platform))
        .where(or_(ConversationRow.name == place, inside))
        .where(ReplyRow.pk == ballot.reply_pk if ballot.reply_pk else mark)
        .order_by(ReplyRow.pk.desc())
        .limit(1)
    )
    row = (await session.execute(query)).first()
    return Shown(row[0], row[1]) if row else None


async def cast_vote(session: AsyncSession, reply_pk: int, ballot: Ballot) -> None:
    """Set or take back a person's vote."""
    scope = rating_scope(reply_pk, (ballot.platform, ballot.user_id))
    theirs = and_(SettingRow.scope == scope, SettingRow.name == RATING)
    if ballot.thumb is None and ballot.only is not None:
        theirs = and_(theirs, SettingRow.value == ballot.only)
    await session.execute(delete(SettingRow).where(theirs))
    if ballot.thumb is not None:
        session.add(SettingRow(scope=scope, name=RATING, value=ballot.thumb))


async def forget_votes(session: AsyncSession, reply_pks: Iterable[int]) -> None:
    """Remove what was said about replies that are being erased."""
    gone = {f"reply:{pk}" for pk in reply_pks}
    rated = await session.scalars(select(SettingRow.scope).where(SettingRow.name == RATING))
    scopes = [scope for scope in rated if scope.partition("/")[0] in gone]
    for scope in scopes:
        await session.execute(delete(SettingRow).where(SettingRow.name == RATING, SettingRow.scope == scope))


async def forget_voter(session: AsyncSession, platform: str, user_id: str) -> None:
    """Remove all votes of a person."""
    theirs = SettingRow.scope.endswith(f"/by:{_digest(platform, user_id)}", autoescape=True)
    await session.execute(delete(SettingRow).where(SettingRow.name == RATING, theirs))


def _digest(platform: str, user_id: str) -> str:
    return hashlib.sha256(f"{platform}\0{user_id}".encode("utf-8", "surrogatepass")).hexdigest()[
        :_DIGEST_CHARS
    ]
