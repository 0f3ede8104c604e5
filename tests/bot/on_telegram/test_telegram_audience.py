"""Who is answered on Telegram."""

from __future__ import annotations

from typing import Any

import pytest
from fake_relay import FakeRelay
from telegram_double import ADA, GROUP, TelegramDouble
from telegram_run import ANONYMOUS, PHOTO, SHOUT, running, settled, until, writes

from bot.telegram_channel import Place

# --- who is answered -----------------------------------------------------------------------

BOT_MESSAGE = {
    "message_id": 50,
    "date": 1,
    "chat": GROUP,
    "from": {"id": 7, "is_bot": True, "first_name": "Mark"},
    "text": "hm",
}


@pytest.mark.parametrize(
    ("text", "fields", "heard"),
    [
        ("@TwainBot what is new?", {}, "what is new?"),
        ("🎩 so, @twainbot, what is new?", {}, "🎩 so, what is new?"),
        ("@TWAINBOT: hello", {}, "hello"),
        ("hey @TwainBot, hello", {}, "hey, hello"),
        ("go on", {"reply_to_message": BOT_MESSAGE}, "go on"),
        (
            "Mark, hello",
            {"entities": [{"type": "text_mention", "offset": 0, "length": 4, "user": BOT_MESSAGE["from"]}]},
            "hello",
        ),
        (
            "",
            {
                "photo": PHOTO,
                "caption": "@TwainBot nice?",
                "caption_entities": [{"type": "mention", "offset": 0, "length": 9}],
            },
            "nice?",
        ),
    ],
)
async def test_group_message_to_the_bot_is_answered(
    server: TelegramDouble, relay: FakeRelay, text: str, fields: dict[str, Any], heard: str
) -> None:
    async with running(server, relay):
        message_id = server.write(text, chat=GROUP, **fields)
        await until(lambda: relay.sent_ids)
    (incoming,) = relay.handled
    assert (incoming.text, incoming.conversation, incoming.is_group) == (heard, "chat:-1001", True)
    (call,) = writes(server, -1001)
    assert call.params["reply_parameters"] == {"message_id": message_id, "allow_sending_without_reply": True}


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "just talking"},
        {"text": "@SomebodyElse what is new?"},
        {"text": "mail me at x@TwainBot.org"},
        {"text": "@TwainBot hi", "sender": SHOUT},
        {"text": "@TwainBot hi", "sender_chat": {"id": -9, "type": "channel"}, "is_automatic_forward": True},
        {
            "text": "first",
            "topic": 5,
            "reply_to_message": {**BOT_MESSAGE, "forum_topic_created": {"name": "t", "icon_color": 1}},
        },
        {"text": "/help@OtherBot"},
        {"text": "/weather today"},
        {"photo": PHOTO},
        {"location": {"latitude": 1.0, "longitude": 2.0}},
        {"new_chat_members": [ADA]},
    ],
)
async def test_group_message_to_others_is_left_alone(
    server: TelegramDouble, relay: FakeRelay, fields: dict[str, Any]
) -> None:
    async with running(server, relay):
        server.write(chat=GROUP, **fields)
        await settled(server)
    assert [i.text for i in relay.handled] == ["last"]
    assert relay.commands == []
    assert server.texts(-1001) == []


async def test_always_on_conversation_is_answered_without_a_mention(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    relay.on_keys.add("telegram:chat:-1001/topic:5")
    async with running(server, relay):
        server.write("elsewhere", chat=GROUP, topic=6)
        server.write("here", chat=GROUP, topic=5)
        server.write(
            chat=GROUP,
            topic=5,
            sticker={
                "file_id": "s",
                "file_unique_id": "s",
                "type": "regular",
                "width": 1,
                "height": 1,
                "is_animated": False,
                "is_video": False,
            },
        )
        await settled(server)
    assert [i.text for i in relay.handled] == ["here", "last"]


async def test_topics_are_conversations_of_their_own(server: TelegramDouble, relay: FakeRelay) -> None:
    async with running(server, relay):
        server.write("@TwainBot in five", chat=GROUP, topic=5)
        server.write("@TwainBot in general", chat=GROUP, message_thread_id=77)  # a reply thread, no topic
        await until(lambda: len(relay.sent_ids) == 2)
    assert [i.conversation for i in relay.handled] == ["chat:-1001/topic:5", "chat:-1001"]
    assert [c.params.get("message_thread_id") for c in writes(server, -1001)] == ["5", None]


def test_place_is_the_inverse_of_its_key() -> None:
    for place in (Place(42), Place(-1001, 5)):
        assert Place.parse(place.conversation) == place


async def test_anonymous_admin_is_known_by_the_group(server: TelegramDouble, relay: FakeRelay) -> None:
    async with running(server, relay):
        server.write("@TwainBot hi", chat=GROUP, sender=ANONYMOUS, sender_chat=GROUP, author_signature="Boss")
        await until(lambda: relay.sent_ids)
    assert [(i.user_id, i.user_name) for i in relay.handled] == [("-1001", "Boss")]


async def test_channel_post_edit_and_own_message_are_left_alone(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)
        edited = server.again()["message"]
        server.push({"edited_message": {**edited, "edit_date": 2, "text": "changed"}})
        server.push({"channel_post": {**edited, "chat": {"id": -5, "type": "channel"}}})
        server.push({"my_chat_member": {"bad": "shape"}})
        server.write("me", sender=dict(server.me))
        await settled(server)
    assert [i.text for i in relay.handled] == ["hello", "last"]
