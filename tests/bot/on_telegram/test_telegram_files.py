"""What Telegram's files, captions and pictures do."""

from __future__ import annotations

from typing import Any

import pytest
from fake_relay import FakeRelay
from telegram_double import TelegramDouble
from telegram_run import PHOTO, running, settled, until


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"photo": PHOTO}, "photos"),
        ({"voice": {"file_id": "v", "file_unique_id": "v", "duration": 1}}, "voice"),
        ({"location": {"latitude": 1.0, "longitude": 2.0}}, "locations"),
        (
            {"document": {"file_id": "d", "file_unique_id": "d", "file_name": "a.zip", "file_size": 9}},
            "files",
        ),
        (
            {"document": {"file_id": "d", "file_unique_id": "d", "file_name": "a.txt", "file_size": 200_000}},
            "100 kB",
        ),
    ],
)
async def test_dm_without_text_gets_a_sentence(
    server: TelegramDouble, relay: FakeRelay, fields: dict[str, Any], word: str
) -> None:
    async with running(server, relay):
        server.write(**fields)
        await until(lambda: server.texts(42))
    assert word in server.texts(42)[0]
    assert relay.handled == []


async def test_caption_counts_as_text_and_text_file_is_read(server: TelegramDouble, relay: FakeRelay) -> None:
    server.files["f1"] = b"one\n```two```\n"
    document = {
        "file_id": "f1",
        "file_unique_id": "f1",
        "file_name": "notes.txt",
        "mime_type": "text/plain",
        "file_size": 14,
    }
    async with running(server, relay):
        server.write(photo=PHOTO, caption="What is this?")
        server.write(document=document, caption="Sum it up")
        await until(lambda: len(relay.sent_ids) == 2)
    first, second = relay.handled
    assert first.text == "What is this?"
    assert [a.filename for a in first.attachments] == ["photo"]
    assert second.text == "Sum it up\n\nnotes.txt:\n````\none\n```two```\n````"
    assert second.attachments[0].size_bytes == 14


@pytest.mark.parametrize(("data", "word"), [(b"\x00\x01", "not a text file"), (None, "could not fetch")])
async def test_file_that_cannot_be_read_gets_a_sentence(
    server: TelegramDouble, relay: FakeRelay, data: bytes | None, word: str
) -> None:
    if data is not None:
        server.files["f"] = data
    async with running(server, relay):
        server.write(document={"file_id": "f", "file_unique_id": "f", "file_name": "n.txt", "file_size": 2})
        await until(lambda: server.texts(42))
    assert word in server.texts(42)[0]
    assert relay.handled == []


async def test_sentence_about_files_is_not_for_those_who_are_blocked(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    relay.blocked.add("42")
    async with running(server, relay):
        server.write(photo=PHOTO)
        await settled(server)
    assert server.texts(42) == []
