"""Chat exports with edits, deletions, forwards, media, emoji and system rows become dialogues."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InputError
from ingest.chat_whatsapp import read_whatsapp
from ingest.chats import ChatImport, ChatOptions, import_chats
from ingest.dialogue_file import parse_dialogues, write_dialogues
from ingest.ledger import Ledger, Stage

T0 = 1_700_000_000


def tg(id: int, who: str | None, text: Any, at: int, **more: Any) -> dict[str, Any]:
    row = {"id": id, "type": "message", "date": "2023-11-14T22:13:20", "date_unixtime": str(T0 + at)}
    return {**row, "from": who, "from_id": f"user{(who or 'gone').lower()}", "text": text, **more}


def telegram(tmp_path: Path, *rows: dict[str, Any], name: str = "result.json") -> Path:
    path = tmp_path / name
    data = {"name": "Maria Lopez", "type": "private_group", "id": 77, "messages": list(rows)}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def dc(id: int, who: str, text: str, at: int, **more: Any) -> dict[str, Any]:
    stamp = f"2024-01-01T10:{at // 60:02d}:{at % 60:02d}+00:00"
    author = {"id": f"9{len(who)}{ord(who[0])}", "name": who.lower(), "nickname": who, "isBot": False}
    row = {"id": str(id), "type": "Default", "timestamp": stamp, "timestampEdited": None, "content": text}
    return {**row, "author": author, "attachments": [], "embeds": [], "mentions": [], **more}


def discord(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    path = tmp_path / "channel.json"
    channel = {"id": "500", "type": "GuildTextChat", "name": "general"}
    data = {"guild": {"id": "1", "name": "Club"}, "channel": channel, "messages": list(rows)}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def whatsapp(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "WhatsApp Chat with Maria.txt"
    path.write_text(text, encoding="utf-8")
    return path


def imported(*files: Path, target: str = "Ada", **options: Any) -> tuple[ChatImport, Ledger]:
    ledger = Ledger()
    result = import_chats(files, ChatOptions(target, **options), ledger)
    ledger.close()
    return result, ledger


def lines(result: ChatImport) -> list[list[tuple[str, str]]]:
    return [[(u.speaker, u.text) for u in d.utterances] for d in result.dialogues]


def texts(result: ChatImport) -> list[list[str]]:
    return [[u.text for u in d.utterances] for d in result.dialogues]


# --- Telegram --------------------------------------------------------------------------------


def test_telegram_every_kind_of_row_is_used_or_counted(tmp_path: Path) -> None:
    path = telegram(
        tmp_path,
        {
            "id": 1,
            "type": "service",
            "date": "2023-11-14T22:13:20",
            "actor": "Maria Lopez",
            "action": "create",
        },
        tg(2, "Maria Lopez", ["hi ", {"type": "mention", "text": "@ada"}, {"type": "bold", "text": "!"}], 0),
        tg(3, "Ada", "old words", 10, edited="2023-11-14T22:20:00"),
        tg(4, "Maria Lopez", "not mine", 20, forwarded_from="Some One"),
        tg(5, "Maria Lopez", "", 21, photo="photos/1.jpg"),
        tg(6, "Maria Lopez", "look!", 22, photo="photos/2.jpg"),
        tg(7, "Maria Lopez", "", 23, media_type="sticker", file="s.webp", sticker_emoji="🙂"),
        tg(8, "Maria Lopez", "", 24, poll={"question": "?", "answers": []}),
        tg(9, None, "I am gone", 25),
        tg(10, "Ada", "🎉🎉", 26),
        tg(11, "Ada", "by bot", 27, via_bot="@gif"),
        tg(12, "Ada", "", 28),
        {"id": 13, "type": "message", "date": "yesterday", "from": "Ada", "text": "x"},
        {**tg(14, None, "x", 29), "from_id": None},
        "junk",  # type: ignore[arg-type]
        tg(15, "Maria Lopez", "forwarded by hidden", 30, forwarded_from=None),
    )
    result, ledger = imported(path)
    assert ledger.stages[0].came_in == 16
    assert dict(ledger.stages[0].dropped) == {
        "service row": 1,
        "forwarded": 2,
        "media without text": 1,
        "sticker": 1,
        "poll": 1,
        "made by a bot": 1,
        "no text": 1,
        "malformed row": 2,
        "no author": 1,
    }
    (line,) = lines(result)
    assert [text for _, text in line] == ["hi @ada!", "old words", "look!", "I am gone", "🎉🎉"]
    speakers = [who for who, _ in line]
    assert speakers[1] == speakers[4] == "Ada"
    assert len({speakers[0], speakers[3], "Ada"}) == 3
    assert result.counts["edited"] == 1


def test_telegram_reply_to_older_message_starts_from_it(tmp_path: Path) -> None:
    path = telegram(
        tmp_path,
        tg(1, "Bea", "first question", 0),
        tg(2, "Cid", "second question", 10),
        tg(3, "Ada", "answer to the first", 20, reply_to_message_id=1),
        tg(4, "Bea", "thanks", 30),
        tg(5, "Ada", "answer to the second", 40, reply_to_message_id=2),
        tg(6, "Ada", "answers what is gone", 50, reply_to_message_id=999),
    )
    result, ledger = imported(path)
    assert texts(result) == [
        ["first question", "second question", "answer to the second"],
        ["first question", "answer to the first", "thanks"],
    ]
    assert dict(ledger.stages[-1].dropped) == {"nobody but the target speaks": 1}
    assert result.counts["context_copies"] == 1


def test_telegram_window_merges_and_silence_parts(tmp_path: Path) -> None:
    path = telegram(
        tmp_path,
        tg(1, "Bea", "one", 0),
        tg(2, "Bea", "two", 300),
        tg(3, "Bea", "three", 601),
        tg(4, "Ada", "yes", 700),
        tg(5, "Bea", "next day", 700 + 6 * 3600 + 1),
        tg(6, "Ada", "morning", 700 + 6 * 3600 + 60),
    )
    result, ledger = imported(path)
    assert texts(result) == [["one\ntwo", "three", "yes"], ["next day", "morning"]]
    assert ledger.stages[2].dropped["joined to the same author's message before"] == 1
    assert result.dialogues[1].recorded_at is not None
    assert int(result.dialogues[1].recorded_at.timestamp()) == T0 + 700 + 6 * 3600 + 1


def test_telegram_topics_are_kept_apart(tmp_path: Path) -> None:
    topic = {"type": "service", "date": "2023-11-14T22:13:20", "action": "topic_created"}
    path = telegram(
        tmp_path,
        {"id": 1, "title": "cats", **topic},
        {"id": 2, "title": "dogs", **topic},
        tg(3, "Bea", "a cat?", 0, reply_to_message_id=1),
        tg(4, "Cid", "a dog?", 1, reply_to_message_id=2),
        tg(5, "Ada", "no dog", 2, reply_to_message_id=4),
        tg(6, "Ada", "a cat", 3, reply_to_message_id=1),
    )
    result, _ = imported(path)
    assert sorted(texts(result)) == [["a cat?", "a cat"], ["a dog?", "no dog"]]


def test_telegram_full_export_reads_all_chats_but_bots(tmp_path: Path) -> None:
    chat = {
        "name": "Bea",
        "type": "personal_chat",
        "id": 1,
        "messages": [tg(1, "Bea", "hi", 0), tg(2, "Ada", "ho", 1)],
    }
    bot = {"name": "Bot", "type": "bot_chat", "id": 2, "messages": [tg(1, "Ada", "/start", 0)]}
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"chats": {"list": [chat]}, "left_chats": {"list": [bot]}}), encoding="utf-8")
    result, ledger = imported(path)
    assert texts(result) == [["hi", "ho"]]
    assert ledger.stages[0].dropped["chat with a bot"] == 1


def test_telegram_overlapping_exports_give_each_message_once_in_its_last_version(tmp_path: Path) -> None:
    old = telegram(tmp_path, tg(1, "Bea", "hi", 0), tg(2, "Ada", "teh", 1), name="a.json")
    new = telegram(tmp_path, tg(2, "Ada", "the", 1, edited="x"), tg(3, "Bea", "ok", 2), name="b.json")
    result, ledger = imported(old, new)
    assert texts(result) == [["hi", "the", "ok"]]
    assert ledger.stages[1].dropped["same message in another export"] == 1


def test_telegram_names_are_nowhere_in_the_output(tmp_path: Path) -> None:
    path = telegram(
        tmp_path,
        tg(1, "Maria Lopez", "I am Maria, ask @maria_l or Ivan Petrov", 0),
        tg(2, "Ada", "dear maria Lopez!", 1),
        tg(3, "Ada", "copied", 2, forwarded_from="Ivan Petrov"),
    )
    result, _ = imported(path)
    out = tmp_path / "out.jsonl"
    write_dialogues(out, result.dialogues)
    written = out.read_text(encoding="utf-8").casefold()
    assert not [name for name in ("maria", "lopez", "ivan", "petrov") if name in written]
    assert '"ada"' in written
    kept, _ = imported(path, keep_names=True)
    assert kept.dialogues[0].utterances[0].speaker == "Maria Lopez"
    assert kept.dialogues[0].utterances[1].text == "dear maria Lopez!"


def test_keep_names_namesake_of_the_target_stays_another_speaker(tmp_path: Path) -> None:
    path = telegram(
        tmp_path,
        tg(1, "Bea", "hi", 0),
        tg(2, "Ada", "ho", 1),
        {**tg(3, "Ada", "me too", 2), "from_id": "user9"},
    )
    result, _ = imported(path, target="userada", keep_names=True)
    assert lines(result) == [[("Bea", "hi"), ("Ada", "ho"), ("Ada 2", "me too")]]


# --- Discord ---------------------------------------------------------------------------------


def test_discord_every_kind_of_row_is_used_or_counted(tmp_path: Path) -> None:
    bot = {"id": "42", "name": "helper", "nickname": "Helper", "isBot": True}
    ada = {"id": "9365", "name": "ada", "nickname": "Ada"}
    path = discord(
        tmp_path,
        dc(1, "Bea", "hey <@9365> see <#500> <:wave:77> <@&5> <@404>", 0, mentions=[ada]),
        dc(2, "Ada", "seen 👍", 5, timestampEdited="2024-01-01T11:00:00+00:00", isPinned=True),
        dc(3, "Bea", "", 6, type="ChannelPinnedMessage", reference={"messageId": "2", "channelId": "500"}),
        dc(4, "Bea", "", 7, attachments=[{"id": "1", "fileName": "a.png"}]),
        dc(5, "Bea", "", 8, stickers=[{"id": "2"}]),
        dc(6, "Zed", "beep", 9, author=bot),
        dc(
            7,
            "Bea",
            "",
            10,
            reference={"type": "Forward", "messageId": "8"},
            forwardedMessage={"content": "x"},
        ),
        dc(8, "Bea", "joined", 11, type="GuildMemberJoin"),
        dc(9, "Bea", "", 12),
        {"id": "10", "type": "Default"},
    )
    result, ledger = imported(path)
    assert dict(ledger.stages[0].dropped) == {
        "system row": 2,
        "media without text": 1,
        "sticker": 1,
        "made by a bot": 1,
        "forwarded": 1,
        "no text": 1,
        "malformed row": 1,
    }
    assert texts(result) == [["hey @Ada see #general :wave: @role @someone", "seen 👍"]]
    assert result.counts["edited"] == 1


def test_discord_reply_follows_its_reference(tmp_path: Path) -> None:
    path = discord(
        tmp_path,
        dc(1, "Bea", "first", 0),
        dc(2, "Cid", "second", 5),
        dc(3, "Ada", "to the first", 9, type="Reply", reference={"messageId": "1", "channelId": "500"}),
        dc(4, "Ada", "to a deleted one", 12, type="Reply", reference=None),
        dc(5, "Ada", "to another channel", 13, type="Reply", reference={"messageId": "1", "channelId": "8"}),
    )
    result, ledger = imported(path)
    assert texts(result) == [["first", "to the first"]]
    assert dict(ledger.stages[-1].dropped) == {"nobody but the target speaks": 2, "the target is silent": 1}


def test_discord_target_is_found_by_user_name(tmp_path: Path) -> None:
    path = discord(tmp_path, dc(1, "Bea", "hi", 0), dc(2, "Ada", "ho", 1))
    assert imported(path, target="@ADA")[0].counts["target"] == "Ada"


# --- WhatsApp --------------------------------------------------------------------------------

ANDROID = """\
12/31/20, 9:15\u202fPM - Messages and calls are end-to-end encrypted. Nobody else can read them.
12/31/20, 9:15\u202fPM - Maria created group "Fun: the group"
12/31/20, 9:16\u202fPM - Maria changed the subject from "Fun: a" to "Fun: b"
12/31/20, 9:16\u202fPM - Maria: Hello: are you there?
Second line

3/4 of it
12/31/20, 9:17\u202fPM - Ada: Yes 🎉 <This message was edited>
12/31/20, 9:18\u202fPM - Maria: <Media omitted>
12/31/20, 9:19\u202fPM - Maria: This message was deleted
12/31/20, 9:19\u202fPM - Ada: You deleted this message
12/31/20, 9:20\u202fPM - Maria: IMG-20201231-WA0001.jpg (file attached)
our cat
12/31/20, 9:21\u202fPM - Maria: STK-1.webp (file attached)
12/31/20, 9:22\u202fPM - Maria: null
12/31/20, 12:05\u202fAM - Ada: <3 ask @\u2068Maria\u2069
"""

IOS = """\
\ufeff[31.12.20, 21:15:30] Fun: \u200eMessages and calls are end-to-end encrypted.
[31.12.20, 21:15:31] ~\u202fMaria: hi
12/31/20, 9:16 PM - Maria: a pasted line
\u200e[31.12.20, 21:15:40] Maria: \u200eimage omitted
[31.12.20, 21:15:41] Maria: \u200eThis message was deleted.
[31.12.20, 21:15:42] Fun: \u200eMaria added Bob
[31.12.20, 21:16:00] Ada: ho
"""


def test_whatsapp_android_rows_are_used_or_counted(tmp_path: Path) -> None:
    result, ledger = imported(whatsapp(tmp_path, ANDROID))
    assert dict(ledger.stages[0].dropped) == {
        "system row": 3,
        "media without text": 1,
        "deleted message": 2,
        "sticker": 1,
        "no text": 1,
    }
    said = [text for line in texts(result) for text in line]
    assert "Hello: are you there?\nSecond line\n\n3/4 of it" in said
    assert "Yes 🎉" in said and "our cat" in said
    assert not any("Maria" in text for text in said)
    assert result.counts["edited"] == 1
    assert result.dialogues[0].recorded_at is not None


def test_whatsapp_ios_rows_are_used_or_counted(tmp_path: Path) -> None:
    result, ledger = imported(whatsapp(tmp_path, IOS))
    assert texts(result)[0][0].startswith("hi\n12/31/20, 9:16 PM - ")
    assert texts(result)[0][1] == "ho"
    assert dict(ledger.stages[0].dropped) == {"system row": 2, "media without text": 1, "deleted message": 1}


@pytest.mark.parametrize(
    ("stamps", "order", "last"),
    [
        (["1/2/24, 10:00", "13/2/24, 10:00"], "dmy", (2024, 2, 13, 10)),
        (["1/2/24, 10:00", "2/13/24, 10:00"], "mdy", (2024, 2, 13, 10)),
        (["2024-01-02, 10:00", "2024-03-04, 10:00"], "ymd", (2024, 3, 4, 10)),
        (["1/2/24, 10:00", "1/3/24, 10:00", "2/1/24, 10:00"], "mdy", (2024, 2, 1, 10)),
        (["1/2/24, 10:00", "2/2/24, 10:00", "1/3/24, 10:00"], "dmy", (2024, 3, 1, 10)),
        (["1/2/24, 12:10 am", "1/2/24, 12:10 pm"], "mdy", (2024, 1, 2, 12)),
        (["1/2/24, 9:10 a. m.", "1/2/24, 9:10 p. m."], "mdy", (2024, 1, 2, 21)),
        (["01.02.24 um 10:00", "01.02.24 um 10:30"], "dmy", (2024, 2, 1, 10)),
    ],
)
def test_whatsapp_date_order_is_found_over_the_file(
    stamps: list[str], order: str, last: tuple[int, int, int, int]
) -> None:
    (chat,) = read_whatsapp("\n".join(f"{s} - Ada: x" for s in stamps), "f.txt", Stage("read"))
    at = chat.messages[-1].at
    assert chat.notes["date_order"] == order
    assert at is not None and (at.year, at.month, at.day, at.hour) == last


def test_whatsapp_contradicting_dates_are_refused() -> None:
    text = "\n".join(f"{d}/24, 10:00 - Ada: x" for d in ("13/2", "2/13", "14/2", "2/14"))
    with pytest.raises(InputError, match="--date-order"):
        read_whatsapp(text, "f.txt", Stage("read"))


# --- all -------------------------------------------------------------------------------------


def test_import_unknown_target_names_those_who_wrote(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'Zoe'.*Ada, Bea|'Zoe'.*Bea, Ada"):
        imported(telegram(tmp_path, tg(1, "Bea", "hi", 0), tg(2, "Ada", "ho", 1)), target="Zoe")


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (b"", "empty"),
        (b"PK\x03\x04rest", "zip"),
        (b"just words\n", "no chat export"),
        (b'{"messages": [', "broken JSON"),
        (b'{"other": 1}', "neither"),
    ],
)
def test_import_file_of_another_kind_is_refused(tmp_path: Path, body: bytes, match: str) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes(body)
    with pytest.raises(InputError, match=match):
        imported(path)


def test_dialogue_file_reads_what_it_wrote(tmp_path: Path) -> None:
    result, _ = imported(
        telegram(tmp_path, tg(1, "Bea", "hi", 0), tg(2, "Ada", "ho", 1, reply_to_message_id=1))
    )
    out = tmp_path / "sub" / "dialogues.jsonl"
    write_dialogues(out, result.dialogues)
    assert tuple(parse_dialogues(out.read_text(encoding="utf-8"), "d", Stage("read"))) == result.dialogues
    assert [p.name for p in out.parent.iterdir()] == ["dialogues.jsonl"]
