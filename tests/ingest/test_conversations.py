"""The service's own chats: only grounded, finished, well-rated replies, and nobody who opted out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.database import migrate
from engine.feedback import OPT_OUT, RATING, opt_out_scope, rating_scope
from engine.history import SqlHistory
from engine.prompt import CONTEXT_HEAD
from engine.types import Decision, FinishReason, Incoming, Passage, Result
from ingest.conversations import ExportOptions, conversation_pairs, read_exchanges, score
from ingest.jsonl import Row
from ingest.ledger import Ledger

PASSAGE = Passage("The ferry crosses the brown river every morning and carries letters and hens.", "Ferry")
GOOD = "Every morning the ferry crosses the brown river, and it carries letters and even hens."


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path / 'h.db'}"
    migrate(url)
    return url


class Chat:
    """A short history, message by message."""

    def __init__(self, history: SqlHistory) -> None:
        self._history = history
        self._number = 0

    async def say(
        self,
        text: str,
        reply: str = GOOD,
        *,
        user: str = "1",
        name: str = "Maria",
        group: bool = False,
        sources: Sequence[Passage] = (PASSAGE,),
        finish: FinishReason = "stop",
        sent: bool = True,
        retried: str = "",
    ) -> int:
        self._number += 1
        incoming = Incoming("discord", "9", str(self._number), user, name, text, is_group=group)
        receipt = await self._history.receive(incoming)
        reply_pk = 0
        for one in (retried, reply) if retried else (reply,):
            decision = Decision(bool(sources), 0.9)
            result = Result(one, decision, tuple(sources), (), {"total": 1.0}, finish=finish)
            reply_pk = await self._history.answer(receipt.message_pk, result)
        if sent:
            await self._history.sent(receipt.message_pk, ["x"])
        return reply_pk


async def export(url: str, **options: object) -> tuple[list[Row], dict[str, int]]:
    ledger = Ledger()
    exchanges, opted_out, ratings = await read_exchanges(url)
    chosen = ExportOptions("Ada", **options)  # type: ignore[arg-type]
    rows = list(conversation_pairs(exchanges, opted_out, ratings, chosen, ledger))
    ledger.close()
    return rows, dict(ledger.stages[0].dropped)


async def test_export_takes_good_replies_and_counts_the_others(url: str) -> None:
    async with SqlHistory(url) as history:
        chat = Chat(history)
        await chat.say("When does the ferry go?", retried="I do not want to answer that.")
        await chat.say("Hello!", "Hello to you too, my friend.", sources=())
        await chat.say("And then?", finish="length")
        await chat.say("Was it sent?", sent=False)
        await chat.say("Short?", "Yes")
        down = await chat.say("Wrong?")
        await history.set_setting(rating_scope(down), RATING, "down")
        up = await chat.say("Liked?", "Ferry.")
        tie = await chat.say("Disputed?", "No")
        for reply, votes in ((up, "up up down"), (tie, "up down")):
            for number, thumb in enumerate(votes.split()):
                scope = rating_scope(reply, ("discord", str(number)))
                await history.set_setting(scope, RATING, thumb)
    rows, dropped = await export(url)
    assert dropped == {
        "replaced by /retry": 1,
        "not grounded in passages": 1,
        "ended by length": 1,
        "never delivered": 1,
        "score below 0.5": 2,
        "rated down": 1,
    }
    assert [row["response"] for row in rows] == [GOOD, "Ferry."]
    assert list(rows[0]) == ["instruction", "response", "source", "id"]
    (asked,) = rows[0]["instruction"]
    assert asked.startswith(
        f"Question: When does the ferry go?\n\n{CONTEXT_HEAD}\n[1] Ferry: "
    ) and asked.endswith("Question: When does the ferry go?")
    assert "I do not want" not in str(rows)
    assert len(rows[1]["instruction"]) % 2 == 1


async def test_export_leaves_out_who_opted_out_as_asker_and_as_context(url: str) -> None:
    async with SqlHistory(url) as history:
        chat = Chat(history)
        await chat.say("Before all", user="2", name="Bea", group=True)
        await chat.say("My secret", user="1", group=True)
        await chat.say("Maria, what was that?", user="2", name="Bea", group=True)
        out = opt_out_scope("discord", "1")
        assert out == "user:discord:1"
        await history.set_setting(out, OPT_OUT, "1")
    rows, dropped = await export(url, with_context=False)
    assert dropped == {"opted out": 1}
    assert [len(row["instruction"]) for row in rows] == [1, 1]
    assert "secret" not in str(rows) and "Maria" not in str(rows) and "Bea" not in str(rows)
    async with SqlHistory(url) as history:
        await history.set_setting(out, OPT_OUT, None)
    assert "secret" in str((await export(url))[0])


async def test_export_context_is_of_the_same_epoch_and_no_longer_than_asked(url: str) -> None:
    async with SqlHistory(url) as history:
        chat = Chat(history)
        await chat.say("Old words")
        await history.new("discord:9")
        for number in range(4):
            await chat.say(f"Question {number}")
    rows, _ = await export(url, with_context=False, turns=4)
    assert [len(row["instruction"]) for row in rows] == [1, 1, 3, 5, 5]
    assert rows[4]["instruction"] == ["Question 1", GOOD, "Question 2", GOOD, "Question 3"]
    rows, _ = await export(url, with_context=False, turns=0)
    assert {len(row["instruction"]) for row in rows} == {1}


async def test_export_groups_name_speakers_by_invented_names(url: str) -> None:
    async with SqlHistory(url) as history:
        await Chat(history).say("I am Maria", f"Maria, {GOOD}", group=True)
    ((row,), _) = await export(url, with_context=False)
    name = row["instruction"][0].split(":")[0]
    assert row["instruction"] == [f"{name}: I am {name}"] and row["response"] == f"{name}, {GOOD}"
    assert name != "Maria"


def test_score_prefers_grounded_whole_fresh_replies() -> None:
    def of(reply: str) -> float:
        return score(Result(reply, Decision(True, 1.0), (PASSAGE,), (), {}))

    assert of(GOOD) > 0.95
    assert (
        of("Bananas grow yellow beneath tropical skies whenever monsoons permit planting.") < of(GOOD) - 0.2
    )
    assert of(" ".join(["ferry river"] * 300)) < 0.5
    assert of(GOOD.rstrip(".")) < of(GOOD)
    assert 0.0 <= of("") < 0.3
