"""Flood control, lost connections, refused writes and bad tokens."""

from __future__ import annotations

import logging
import traceback

import pytest
from fake_relay import FakeRelay, reply, result
from telegram_double import GROUP, TOKEN, Fault, TelegramDouble
from telegram_run import build, running, settled, until

from bot.delivery import WENT_WRONG
from bot.types import Started
from engine.errors import ConfigError
from engine.types import Delta


async def test_flood_control_is_obeyed(server: TelegramDouble, relay: FakeRelay) -> None:
    server.fail("sendMessage", Fault(429, retry_after=1))
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)
    refused, accepted = server.of("sendMessage")
    assert accepted.at_s - refused.at_s >= 1.0
    assert server.texts(42) == ["You said: hello"]


async def test_flood_control_holds_for_the_whole_chat(server: TelegramDouble, relay: FakeRelay) -> None:
    server.fail("sendMessage", Fault(429, retry_after=1))
    async with running(server, relay):
        server.write("a")
        server.write("b")
        await until(lambda: len(relay.sent_ids) == 2)
    calls = server.of("sendMessage")
    assert len(calls) == 3
    assert calls[1].at_s - calls[0].at_s >= 1.0


async def test_second_poller_is_named_and_polling_recovers(
    server: TelegramDouble, relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    text = "Conflict: terminated by other getUpdates request"
    server.fail("getUpdates", Fault(409, text), Fault(409, text), Fault(502), Fault(429, retry_after=1))
    async with running(server, relay) as bot:
        await until(lambda: bot.status()["state"] == "conflict")
        assert bot.status()["ok"] is False
        server.write("hello")
        await until(lambda: relay.sent_ids)
        assert bot.status()["ok"] is True and bot.status()["account"] == "@TwainBot"
    assert caplog.text.count("Another program polls") == 1


async def test_webhook_is_removed_so_that_polling_works(server: TelegramDouble, relay: FakeRelay) -> None:
    server.fail("getUpdates", Fault(409, "Conflict: can't use getUpdates method while webhook is active"))
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)
    (call,) = server.of("deleteWebhook")
    assert call.params.get("drop_pending_updates") in (None, "False", "false")


@pytest.mark.parametrize("fault", [Fault(500), Fault(503), Fault(drop=True), Fault(401, "Unauthorized")])
async def test_poller_comes_back_after(server: TelegramDouble, relay: FakeRelay, fault: Fault) -> None:
    server.fail("getUpdates", fault, fault)
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)
    assert server.texts(42) == ["You said: hello"]


@pytest.mark.parametrize("method", ["sendMessage", "editMessageText"])
@pytest.mark.parametrize("fault", [Fault(500), Fault(drop=True)])
async def test_reply_survives_trouble_on_the_way(
    server: TelegramDouble, relay: FakeRelay, method: str, fault: Fault
) -> None:
    relay.answer = lambda incoming: reply("It goes on. And on.", pk=1, pause_s=0.05)
    server.fail(method, *[fault] * 4)  # more than one call retries by itself
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)
    assert server.texts(42) == ["It goes on. And on."]


async def test_edit_that_arrived_though_its_answer_was_lost_is_no_error(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    relay.answer = lambda incoming: [
        Started(1),
        Delta("First. "),
        0.2,
        Delta("Last."),
        result("First. Last.", pk=1),
    ]
    server.fail("editMessageText", *[Fault(drop=True, done=True)] * 2)
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)
    assert server.texts(42) == ["First. Last."]
    assert relay.failures == {}


@pytest.mark.parametrize(
    "fault", [Fault(403, "Forbidden: bot was blocked by the user"), Fault(400, "Bad Request: chat not found")]
)
async def test_chat_that_cannot_be_written_to_is_given_up(
    server: TelegramDouble, relay: FakeRelay, fault: Fault
) -> None:
    server.fail("sendMessage", fault)
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.failures)
        await settled(server)
    assert list(relay.failures) == [1]
    assert server.texts(42) == []


async def test_group_that_became_a_supergroup_is_answered_there(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    server.fail("sendMessage", Fault(400, migrate_to=-2002))
    async with running(server, relay):
        server.write("@TwainBot hi", chat={"id": -12, "type": "group", "title": "old"})
        server.write(chat={"id": -12, "type": "group", "title": "old"}, migrate_to_chat_id=-2002)
        await until(lambda: relay.sent_ids)
    assert server.texts(-2002) == ["You said: hi"]


class ExplodingRelay(FakeRelay):
    """Breaks its promise that every error becomes a notice."""

    def always_on(self, key: str) -> bool:
        if self.seen.get("blow") == "always_on":
            raise ZeroDivisionError
        return super().always_on(key)


async def test_exploding_handler_does_not_end_the_adapter(server: TelegramDouble) -> None:
    relay = ExplodingRelay()
    relay.answer = lambda incoming: [RuntimeError("boom")] if "boom" in incoming.text else reply("fine", pk=7)
    relay.answer_command = lambda name, args: [RuntimeError("boom")]
    async with running(server, relay):
        server.write("boom")
        await until(lambda: server.texts(42) == [WENT_WRONG])
        server.write("/why")
        await until(lambda: server.texts(42) == [WENT_WRONG] * 2)
        relay.seen["blow"] = "always_on"
        server.write("not to the bot", chat=GROUP)
        server.push({"message": {"no": "chat"}})
        server.junk = ["what", {"update_id": "what"}]
        server.write("fine?")
        await until(lambda: relay.sent_ids)
    assert server.texts(42)[-1] == "fine"


async def test_bad_token_is_one_sentence_without_the_token(server: TelegramDouble, relay: FakeRelay) -> None:
    for token in ("999999:" + "B" * 35, "malformed", "with space:x", "ümlaut:x"):
        bot = build(server, relay, token=token)
        with pytest.raises(ConfigError, match="BotFather") as caught:
            await bot.start()
        await bot.close()
        assert token not in "".join(traceback.format_exception(caught.value))


async def test_server_that_is_down_at_start_is_tried_again(server: TelegramDouble, relay: FakeRelay) -> None:
    server.fail("getMe", Fault(502), Fault(drop=True))
    async with running(server, relay):
        server.write("hello")
        await until(lambda: relay.sent_ids)


async def test_token_that_turns_out_wrong_later_ends_the_run(
    server: TelegramDouble, relay: FakeRelay
) -> None:
    server.fail("getMe", Fault(502), Fault(401, "Unauthorized"))
    bot = build(server, relay)
    await bot.start()
    with pytest.raises(ConfigError, match="BotFather"):
        await bot.run()
    await bot.close()


async def test_token_and_texts_never_reach_the_log(
    server: TelegramDouble, relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.fail("getMe", Fault(502))
    server.fail("getUpdates", Fault(drop=True), Fault(409, "Conflict"))
    server.fail("sendMessage", Fault(500), Fault(429, retry_after=1))
    relay.answer = lambda incoming: reply("xyzzy reply", pk=1)
    async with running(server, relay) as bot:
        server.write("plugh question")
        await until(lambda: relay.sent_ids)
        server.push({"message": {"text": "plugh question"}})
        await settled(server)
        assert TOKEN not in repr(bot._client) + str(bot.status())
    assert len(caplog.records) > 5
    assert "AAEtest" not in caplog.text
    assert "plugh" not in caplog.text and "xyzzy" not in caplog.text


async def test_privacy_mode_is_explained_once(relay: FakeRelay, caplog: pytest.LogCaptureFixture) -> None:
    async with TelegramDouble(reads_all=False) as server, running(server, relay):
        server.write("@TwainBot a", chat=GROUP)
        server.write("@TwainBot b", chat=GROUP)
        await until(lambda: len(relay.sent_ids) == 2)
    assert caplog.text.count("/setprivacy") == 1


async def test_close_while_a_reply_runs_leaves_it_pending(server: TelegramDouble, relay: FakeRelay) -> None:
    relay.answer = lambda incoming: [Started(1), Delta("It begins. "), 60.0]
    async with running(server, relay) as bot:
        server.write("hello")
        await until(lambda: relay.drafts)
        assert bot.status()["answering"] == 1
    assert relay.sent_ids == {} and relay.failures == {}
    await bot.close()
    await bot.run()  # a closed bot stays closed
