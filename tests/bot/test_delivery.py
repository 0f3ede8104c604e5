"""Delivery in virtual time: pace, parts, footers, slow platforms, broken streams, drafts."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from fake_relay import TWAIN, FakeRelay, Script, play, reply, result

from bot.delivery import LEFTOVER, NO_ANSWER, WENT_WRONG, Delivered, MessageGone, deliver, source_footer
from bot.types import ChannelGone, Notice, SlowDown, Started
from engine.errors import StorageError
from engine.types import Delta, Passage


class VirtualClock:
    """Time that jumps to the next sleeper as soon as nothing else can run."""

    def __init__(self) -> None:
        self._now_s = 100.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> float:
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        waiter = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_s + max(0.0, seconds), self._count, waiter))
        await waiter

    async def tick(self) -> None:
        while True:
            for _ in range(25):
                await asyncio.sleep(0)
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            if self._sleepers:
                self._now_s, _, waiter = heapq.heappop(self._sleepers)
                waiter.set_result(None)


class FakeChannel:
    """Keeps messages by id and every call with its time; `faults` are raised by the next calls."""

    def __init__(self, clock: VirtualClock, limit: int = 2000, interval_s: float = 1.0) -> None:
        self.limit, self.edit_interval_s, self._clock = limit, interval_s, clock
        self.calls: list[tuple[float, str, str, bool]] = []
        self.messages: dict[str, str] = {}
        self.faults: list[Exception | None] = []
        self.called = asyncio.Event()
        self.typing_from_s: list[float] = []
        self.typing_until_s: list[float] = []
        self.typing_fault: Exception | None = None

    def _call(self, what: str, text: str, final: bool) -> None:
        self.calls.append((self._clock.now(), what, text, final))
        self.called.set()
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        assert 0 < len(text) <= self.limit

    async def send(self, text: str, *, final: bool) -> str:
        self._call("send", text, final)
        key = f"m{len(self.messages)}"
        self.messages[key] = text
        return key

    async def edit(self, message_id: str, text: str, *, final: bool) -> None:
        self._call("edit", text, final)
        self.messages[message_id] = text

    @asynccontextmanager
    async def typing(self) -> AsyncIterator[None]:
        if self.typing_fault is not None:
            raise self.typing_fault
        self.typing_from_s.append(self._clock.now())
        try:
            yield
        finally:
            self.typing_until_s.append(self._clock.now())


Run = Callable[..., Any]


@pytest.fixture
async def clock() -> AsyncIterator[VirtualClock]:
    virtual = VirtualClock()
    ticker = asyncio.create_task(virtual.tick())
    yield virtual
    ticker.cancel()
    with suppress(asyncio.CancelledError):
        await ticker


@pytest.fixture
def channel(clock: VirtualClock) -> FakeChannel:
    return FakeChannel(clock)


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay()


@pytest.fixture
def run(clock: VirtualClock, channel: FakeChannel, relay: FakeRelay) -> Run:
    async def deliver_script(script: Script, **options: Any) -> Delivered:
        return await deliver(play(script, clock.sleep), channel, relay, clock=clock, **options)

    return deliver_script


def gaps(channel: FakeChannel) -> list[float]:
    times = [call[0] for call in channel.calls]
    return [b - a for a, b in itertools.pairwise(times)]


async def test_deliver_slow_stream_is_shown_by_edits_no_faster_than_the_interval(
    run: Run, channel: FakeChannel, relay: FakeRelay
) -> None:
    text = "One two three. " + "word " * 60 + "end."
    done = await run(reply(text, pk=7, pause_s=0.1))
    assert channel.messages == {"m0": text}
    assert channel.calls[0][1] == "send"
    assert 4 <= len(channel.calls) <= 8
    assert min(gaps(channel)) >= 1.0
    assert channel.calls[-1][3] and not channel.calls[0][3], "only the last call is final"
    assert relay.drafts == {7: ("m0",)} and relay.sent_ids == {7: ("m0",)}
    assert done.outcome == "sent" and done.ids == ("m0",) and done.result is not None


async def test_deliver_first_sentence_is_sent_before_the_interval_is_over(
    run: Run, channel: FakeChannel
) -> None:
    await run([Started(1), Delta("Well now. "), 0.2, Delta("More"), 3.0, result("Well now. More")])
    assert channel.calls[0][0] == 100.0 and channel.calls[0][2] == "Well now."


async def test_deliver_few_words_wait_for_the_interval(run: Run, channel: FakeChannel) -> None:
    await run([Started(1), 0.5, Delta("Well"), 5.0, Delta(" now"), result("Well now")])
    assert channel.calls[0][:3] == (101.5, "send", "Well")


async def test_deliver_quick_reply_is_one_call(run: Run, channel: FakeChannel, relay: FakeRelay) -> None:
    await run(reply("Hello there"))
    assert [(c[1], c[2], c[3]) for c in channel.calls] == [("send", "Hello there", True)]
    assert relay.sent_ids == {1: ("m0",)}


async def test_deliver_typing_lasts_from_started_to_the_first_text(run: Run, channel: FakeChannel) -> None:
    await run([Started(1), 3.0, Delta("Well now. "), 5.0, result("Well now.")])
    assert channel.typing_from_s == [100.0] and channel.typing_until_s == [103.0]


async def test_deliver_typing_fails_and_the_reply_still_comes(run: Run, channel: FakeChannel) -> None:
    channel.typing_fault = ChannelGone("no typing here")
    done = await run(reply("Hello there"))
    assert done.outcome == "sent" and channel.messages == {"m0": "Hello there"}


async def test_deliver_told_to_slow_down_waits_and_sends_the_newest_text(
    run: Run, channel: FakeChannel
) -> None:
    channel.faults = [None, SlowDown(7.5)]
    text = "First sentence. " + "word " * 40 + "end."
    await run(reply(text, pause_s=0.1))
    refused, after = channel.calls[1], channel.calls[2]
    assert after[0] - refused[0] >= 7.5
    assert after[2] == text, "the wait was longer than the stream, so the whole text is next"
    assert channel.messages == {"m0": text}


async def test_deliver_slow_down_on_every_other_call_never_loses_the_end(
    run: Run, channel: FakeChannel, relay: FakeRelay
) -> None:
    channel.faults = [SlowDown(0.1), None] * 50
    text = "A sentence. " * 40
    await run(reply(text.strip(), pause_s=0.05))
    assert channel.messages == {"m0": text.strip()} and relay.sent_ids == {1: ("m0",)}
    assert min(gaps(channel)) >= 1.0


async def test_deliver_long_reply_goes_on_in_a_new_message(
    run: Run, channel: FakeChannel, relay: FakeRelay
) -> None:
    channel.limit = 100
    text = " ".join(f"word{n}" for n in range(60))
    done = await run(reply(text, pk=3, pause_s=0.05))
    assert len(channel.messages) == 5 and " ".join(channel.messages.values()) == text
    assert list(done.ids) == list(channel.messages) == list(relay.sent_ids[3])
    final = {text for _, _, text, is_final in channel.calls if is_final}
    assert set(channel.messages.values()) <= final, "each part is finalised"


async def test_deliver_open_code_block_is_closed_while_it_streams(run: Run, channel: FakeChannel) -> None:
    text = "So. \n```py\nx = 1\ny = 2\n```"
    await run(
        [Started(1), Delta("So. \n```py\nx = 1\n"), 2.0, Delta("y = 2\n"), 2.0, Delta("```"), result(text)]
    )
    assert channel.calls[0][2] == "So. \n```py\nx = 1\n```"
    assert channel.messages == {"m0": text}


async def test_deliver_footer_is_part_of_the_last_edit(run: Run, channel: FakeChannel) -> None:
    await run(reply("It was so.", TWAIN), footer=lambda r: source_footer(r, 500, markup="discord"))
    assert channel.messages == {
        "m0": "It was so.\n-# [1] The \\*Times\\*, 2026-11-18 <https://news.example/a>"
    }


async def test_deliver_footer_that_does_not_fit_is_a_part_of_its_own(
    run: Run, channel: FakeChannel, relay: FakeRelay
) -> None:
    channel.limit = 60
    await run(reply("a" * 55, TWAIN), footer=lambda _: "the footer")
    assert list(channel.messages.values()) == ["a" * 55, "the footer"]
    assert relay.sent_ids == {1: ("m0", "m1")}


@pytest.mark.parametrize("empty", ["", "  \n"])
async def test_deliver_empty_reply_becomes_a_sentence(run: Run, channel: FakeChannel, empty: str) -> None:
    done = await run([Started(1), Delta(empty), result(empty, TWAIN)])
    assert channel.messages == {"m0": NO_ANSWER} and done.outcome == "sent"


async def test_deliver_reply_that_differs_from_its_stream_is_corrected(
    run: Run, channel: FakeChannel
) -> None:
    channel.limit = 30
    streamed = "A long first part. And a second part of it. "
    await run([Started(1), Delta(streamed), 5.0, result("Short after all.")])
    assert list(channel.messages.values()) == ["Short after all.", LEFTOVER]


async def test_deliver_notice_is_sent_and_is_no_reply(
    run: Run, channel: FakeChannel, relay: FakeRelay
) -> None:
    done = await run([Notice("busy, try again")])
    assert channel.messages == {"m0": "busy, try again"} and done.outcome == "noticed"
    assert not relay.drafts and not relay.sent_ids and not relay.failures


async def test_deliver_long_notice_is_split(run: Run, channel: FakeChannel) -> None:
    channel.limit = 50
    await run([Notice("line of notice\n" * 10)])
    assert len(channel.messages) > 2 and min(gaps(channel)) >= 1.0


async def test_deliver_duplicate_sends_nothing(run: Run, channel: FakeChannel) -> None:
    assert (await run([])).outcome == "nothing"
    assert channel.calls == [] and channel.typing_from_s == []


async def test_deliver_channel_gone_is_recorded_as_failed(
    run: Run, channel: FakeChannel, relay: FakeRelay
) -> None:
    channel.faults = [ChannelGone("no permission")]
    done = await run(reply("Hello there", pk=9))
    assert done.outcome == "gone" and relay.failures == {9: "no permission"} and not relay.sent_ids


async def test_deliver_stream_raises_after_text_marks_the_draft_and_leaves_it_pending(
    run: Run, channel: FakeChannel, relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    done = await run([Started(4), Delta("Well now. "), 2.0, Delta("And"), RuntimeError("boom")])
    assert channel.messages == {"m0": "Well now. And …"} and done.outcome == "pending"
    assert relay.drafts == {4: ("m0",)} and not relay.sent_ids and not relay.failures
    assert "the stream failed" in caplog.text and "Well now" not in caplog.text


async def test_deliver_stream_ends_without_result_marks_the_draft(
    run: Run, channel: FakeChannel, relay: FakeRelay
) -> None:
    done = await run([Started(4), Delta("Well now. "), 2.0, Notice("The model failed.")])
    assert list(channel.messages.values()) == ["Well now. …", "The model failed."]
    assert done.outcome == "pending" and not relay.sent_ids


async def test_deliver_stream_raises_before_text_says_so(
    run: Run, channel: FakeChannel, relay: FakeRelay
) -> None:
    done = await run([Started(4), RuntimeError("boom")])
    assert channel.messages == {"m0": WENT_WRONG} and done.outcome == "pending"
    assert not relay.sent_ids and not relay.drafts


async def test_deliver_drafts_of_a_stopped_process_are_edited_and_the_surplus_marked(
    run: Run, channel: FakeChannel, relay: FakeRelay
) -> None:
    channel.messages = {"old0": "Half a", "old1": "reply"}
    done = await run(reply("A whole reply.", pk=5), drafts=("old0", "old1"))
    assert channel.messages == {"old0": "A whole reply.", "old1": LEFTOVER}
    assert all(what == "edit" for _, what, _, _ in channel.calls)
    assert done.ids == ("old0",) and relay.sent_ids == {5: ("old0",)}


async def test_deliver_draft_that_was_deleted_is_sent_anew(
    run: Run, channel: FakeChannel, relay: FakeRelay
) -> None:
    channel.faults = [MessageGone()]
    done = await run(reply("A whole reply.", pk=5), drafts=("old0",))
    assert channel.messages == {"m0": "A whole reply."} and done.ids == ("m0",)
    assert relay.sent_ids == {5: ("m0",)}


async def test_deliver_reply_deleted_while_written_is_given_up(
    run: Run, channel: FakeChannel, relay: FakeRelay
) -> None:
    channel.faults = [None, MessageGone()]
    done = await run([Started(6), Delta("Well now. "), 3.0, result("Well now. More.")])
    assert done.outcome == "gone" and "deleted" in relay.failures[6]


async def test_deliver_cancelled_leaves_it_pending_and_closes_the_stream(
    clock: VirtualClock, channel: FakeChannel, relay: FakeRelay
) -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[Any]:
        try:
            yield Started(8)
            yield Delta("Well now. ")
            await asyncio.Event().wait()
        finally:
            closed.set()

    task = asyncio.create_task(deliver(endless(), channel, relay, clock=clock))
    await channel.called.wait()
    await clock.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set() and len(channel.calls) == 1
    assert len(channel.typing_from_s) == len(channel.typing_until_s)
    assert relay.drafts == {8: ("m0",)} and not relay.sent_ids and not relay.failures


async def test_deliver_database_fails_and_the_reply_still_comes(
    run: Run, channel: FakeChannel, relay: FakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(message_pk: int, ids: object) -> None:
        raise StorageError("The disk is full.")

    relay.drafted = relay.sent = broken  # type: ignore[method-assign,assignment]
    await run(reply("Hello there"))
    assert channel.messages == {"m0": "Hello there"} and "could not be recorded" in caplog.text


async def test_deliver_slow_channel_never_holds_up_the_stream(
    clock: VirtualClock, channel: FakeChannel, relay: FakeRelay
) -> None:
    channel.edit_interval_s = 1000.0
    ended_s: list[float] = []

    async def stream() -> AsyncIterator[Any]:
        async for event in play(reply("Well now. " * 30, pause_s=0.01), clock.sleep):
            yield event
        ended_s.append(clock.now())

    await deliver(stream(), channel, relay, clock=clock)
    assert ended_s[0] - 100.0 < 2.0


# --- footers -------------------------------------------------------------------------------


def test_source_footer_no_sources_is_empty() -> None:
    assert source_footer(result("x"), 500) == ""


def test_source_footer_plain_has_number_title_date_and_link() -> None:
    assert source_footer(result("x", TWAIN), 500) == "[1] The *Times*, 2026-11-18 https://news.example/a"


def test_source_footer_one_page_with_several_passages_is_one_line() -> None:
    other = replace(TWAIN, title="Other")
    footer = source_footer(result("x", TWAIN, other, TWAIN), 500)
    assert footer.split("\n")[0].startswith("[1][3] The") and footer.count("\n") == 1


def test_source_footer_has_three_lines_at_most_and_respects_the_limit() -> None:
    many = [replace(TWAIN, title=f"T{n}" * 50) for n in range(6)]
    assert source_footer(result("x", *many), 2000).count("\n") == 2
    short = source_footer(result("x", *many), 150)
    assert short.count("\n") == 0 and 0 < len(short) <= 150


@pytest.mark.parametrize(
    "title", ["[x](http://evil.example)", "**bold** <@1> @everyone", "a\nb\u200b", "||spoiler||", ""]
)
def test_source_footer_discord_title_cannot_format_ping_or_break_the_line(title: str) -> None:
    line = source_footer(result("x", Passage("", title, "https://e.org/x")), 500, markup="discord")
    assert "\n" not in line and line.startswith("-# [1] ") and line.endswith(" <https://e.org/x>")
    shown = line.removesuffix(" <https://e.org/x>").removeprefix("-# [1] ")
    for raw in ("**", "](", "<@", "||", "\u200b"):
        assert raw not in shown


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://e.org/a b", "https://e.org/<x>", "file:///etc"]
)
def test_source_footer_odd_link_is_left_out(url: str) -> None:
    assert source_footer(result("x", Passage("", "T", url)), 500, markup="discord") == "-# [1] T"
