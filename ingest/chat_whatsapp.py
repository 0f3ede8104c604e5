"""WhatsApp's text export, as Android and iOS write it, in any of the usual date and clock formats.

The order of day, month and year is not told anywhere, so it is found over the whole file. The
export marks neither forwards nor replies. This module knows nothing of merging or pseudonyms.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from engine.errors import InputError
from engine.prompt import clean_text
from ingest.chat_message import Chat, ChatMessage
from ingest.ledger import Stage

DateOrder = Literal["dmy", "mdy", "ymd"]
_MARKS = "\u200e\u200f\u202a-\u202e\ufeff"
_STAMP = (
    r"(?P<a>\d{1,4})(?P<sep>[./-])(?P<b>\d{1,2})[./-](?P<c>\d{1,4})\.?,?\s+(?:(?:um|at|às|à)\s+)?"
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2}))?(?:\s*(?P<half>[AaPp])\.?\s?[Mm]\.?)?"
)
_IOS = re.compile(rf"^[{_MARKS}]*\[{_STAMP}\]\s?(?P<rest>.*)$")
_ANDROID = re.compile(rf"^[{_MARKS}]*{_STAMP}\s+-\s(?P<rest>.*)$")
_MENTION = re.compile("@\u2068([^\u2069\n]{1,80})\u2069")

_ENCRYPTED = re.compile(
    r"end-to-end encrypted|Ende-zu-Ende-verschlüsselt|cifrad[oa]s de extremo a extremo"
    r"|chiffrés de bout en bout"
    r"|crittografati end-to-end|criptografia de ponta a ponta",
    re.I,
)
_SYSTEM_HEAD = re.compile(
    r"\b(changed (the (subject|group)|this group|their phone)|created (the )?group|added|removed|left"
    r"|hat (den Betreff|die Gruppe)|cambió (el asunto|la descripción)"
    r"|a (changé|modifié) (le sujet|l'objet))\b",
    re.I,
)
_DELETED = re.compile(
    r"^(this message was deleted|you deleted this message|diese nachricht wurde gelöscht"
    r"|du hast diese nachricht gelöscht|(se )?eliminó este mensaje|eliminaste este mensaje"
    r"|este mensaje fue eliminado|ce message a été supprimé|vous avez supprimé ce message"
    r"|questo messaggio è stato eliminato|esta mensagem foi apagada|mensagem apagada)"
    r"( by admin .*)?\.?$",
    re.I,
)
_PLACEHOLDER = re.compile(r"^<[^<>\n]{3,60}>$")  # "<Media omitted>" in whatever language
_OMITTED = re.compile(
    r"^(image|video|audio|gif|document|contact card|video note|view once \w+) omitted$"
    r"|^(bild|video|audio|dokument|kontaktkarte|gif) weggelassen$"
    r"|^(imagen|video|audio|gif|documento|tarjeta de contacto) omitid[oa]$",
    re.I,
)
_STICKER = re.compile(r"^sticker (omitted|weggelassen|omitido)$|^\S+\.webp \([^()\n]+\)$", re.I)
_ATTACHED = re.compile(r"^(\S[^\n]{0,120}\.\w{2,5} \([^()\n]+\)|<[^<>:\n]{3,20}: [^<>\n]+>)(\n|$)")
_EDITED = re.compile(
    r"\s*<[^<>\n]*(edited|bearbeitet|editó|editado|editada|modifié|modificato)[^<>\n]*>$", re.I
)
_POLL = re.compile(r"^(POLL|UMFRAGE|ENCUESTA|SONDAGE|SONDAGGIO|ENQUETE):")
_PLACE = re.compile(r"^(live )?location( shared|: https?://)|^(standort|ubicación): https?://", re.I)
_CALL = re.compile(r"^(missed )?(group )?(voice|video) call\b[^.!?\n]{0,40}$", re.I)


@dataclass(slots=True)
class _Row:
    line: int
    stamp: re.Match[str]
    body: str


def read_whatsapp(text: str, file: str, stage: Stage, order: DateOrder | None = None) -> list[Chat]:
    """The one chat of an export; rows that are no message of a person go to the ledger.

    Args:
        text: the whole file.
        file: the file's name, for the ledger; it also names the chat.
        stage: counts every row, with its further lines.
        order: of day, month and year, where it is known; otherwise it is found.

    Raises:
        InputError: this is no WhatsApp export, or its dates contradict one another.
    """
    rows = _rows(text)
    if not rows:
        raise InputError(
            f"{file} is no chat export that can be read: no line begins with a date and a time as "
            "WhatsApp writes them. Telegram and Discord chats are exported as JSON."
        )
    order = order or date_order([row.stamp for row in rows], file)
    messages: list[ChatMessage] = []
    names: dict[str, str] = {}
    mentioned: set[str] = set()
    for row in rows:
        where = f"{file} line {row.line}"
        author, raw = _split(row.body)
        mentioned |= set(_MENTION.findall(raw))
        at = _moment(row.stamp, order)
        said, edited = _without_edit_mark(_caption(clean_text(raw)))
        if reason := _unusable(author, raw, said, at):
            stage.drop(reason, where)
            continue
        stage.keep()
        names[author] = author
        messages.append(ChatMessage(str(row.line), author, said, at, where=where, edited=edited))
    return [
        Chat(
            platform="whatsapp",
            id=file,
            name=file,
            messages=tuple(messages),
            names=names,
            mentioned=frozenset(mentioned),
            notes={"date_order": order},
        )
    ]


def date_order(stamps: Sequence[re.Match[str]], file: str = "the file") -> DateOrder:
    """The order of day, month and year in which all dates of a file are dates.

    Where both orders are possible, the one in which time runs backwards less often; then the
    custom: month first only with slashes and a 12-hour clock.

    Raises:
        InputError: no order fits all dates.
    """
    if all(len(s["a"]) == 4 for s in stamps):
        return "ymd"
    orders: tuple[DateOrder, ...] = ("dmy", "mdy")
    possible = [order for order in orders if all(_moment(s, order) for s in stamps)]
    if not possible:
        # a few pasted lines may look like stamps: go with a clear majority of the dates
        fits = {order: sum(_moment(s, order) is not None for s in stamps) for order in orders}
        best: DateOrder = max(orders, key=lambda order: fits[order])
        if fits[best] < 0.95 * len(stamps):
            raise InputError(
                f"{file} holds dates with the day first and dates with the month first; split it where "
                "the format changes and give --date-order for each part."
            )
        return best
    backwards = {order: _backwards([_moment(s, order) for s in stamps]) for order in possible}
    least = min(backwards.values())
    possible = [order for order in possible if backwards[order] == least]
    american = stamps[0]["sep"] == "/" and any(s["half"] for s in stamps)
    custom: DateOrder = "mdy" if american else "dmy"
    return custom if custom in possible else possible[0]


def _backwards(moments: Iterable[datetime | None]) -> int:
    times = [m for m in moments if m is not None]
    return sum(later < earlier for earlier, later in itertools.pairwise(times))


def _rows(text: str) -> list[_Row]:
    """Rows with their further lines. A file is of one style, so pasted lines of the other are text."""
    lines = re.split(r"\r\n|\r|\n", text)
    style = next((s for line in lines for s in (_IOS, _ANDROID) if s.match(line)), None)
    rows: list[_Row] = []
    for number, line in enumerate(lines, 1):
        match = style.match(line) if style else None
        if match:
            rows.append(_Row(number, match, match["rest"]))
        elif rows:
            rows[-1].body += "\n" + line
    return rows


def _split(body: str) -> tuple[str, str]:
    """Author and text; the author is empty for rows that WhatsApp wrote."""
    author, colon, text = body.partition(": ")
    if not colon:  # an empty message keeps its colon only
        author, text = (body[:-1], "") if body.rstrip().endswith(":") and len(body) < 60 else ("", body)
    author = clean_text(author).lstrip("~").strip("\u202f\xa0 ")
    if "\n" in author or len(author) > 60 or _is_system(author):
        return "", body
    return author, text


def _is_system(head: str) -> bool:
    """Whether what stands before a colon is WhatsApp's, such as `Ada changed the subject to "x`."""
    return bool(_ENCRYPTED.search(head)) or bool(_SYSTEM_HEAD.search(head) and re.search("[\"'“„«]", head))


def _unusable(author: str, raw: str, text: str, at: datetime | None) -> str:
    """Why a row is no message that somebody wrote; empty when it is one."""
    if at is None:
        return "no date of the calendar"
    if not author or _ENCRYPTED.search(text):
        return "system row"
    if _DELETED.match(text):
        return "deleted message"
    if _STICKER.match(text):
        return "sticker"
    if _PLACEHOLDER.match(text) or _OMITTED.match(text):
        return "media without text"
    if _POLL.match(text):
        return "poll"
    if _PLACE.match(text):
        return "location"
    if _CALL.match(text):
        return "call"
    if not text or text == "null":
        return "media without text" if _ATTACHED.match(clean_text(raw)) else "no text"
    if raw.startswith("\u200e") and not _ATTACHED.match(clean_text(raw)):
        return "system row"  # iOS marks its own sentences so
    return ""


def _caption(text: str) -> str:
    """The text below an attachment's file name."""
    if _STICKER.match(text):
        return text
    match = _ATTACHED.match(text)
    return text[match.end() :].strip() if match else text


def _without_edit_mark(text: str) -> tuple[str, bool]:
    if _PLACEHOLDER.match(text):
        return text, False
    shorter = _EDITED.sub("", text)
    return shorter, shorter != text


def _moment(stamp: re.Match[str], order: DateOrder) -> datetime | None:
    """The time of a stamp, None when it is none in this order."""
    parts = dict(zip(order, (stamp["a"], stamp["b"], stamp["c"]), strict=True))
    year, hour = int(parts["y"]), int(stamp["hour"])
    if stamp["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if stamp["half"] in "Pp" else 0)
    try:
        return datetime(
            year + 2000 if len(parts["y"]) <= 2 else year,
            int(parts["m"]),
            int(parts["d"]),
            hour,
            int(stamp["minute"]),
            int(stamp["second"] or 0),
            tzinfo=UTC,
        )
    except ValueError:
        return None
