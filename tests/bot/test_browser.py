"""The page in headless Chromium, served by the real server over loopback; relay and panel are fakes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from fake_web import CARD, CHATTY, GROUNDED, FakeCompleter, FakeRelay, serving

from bot.types import Notice
from bot.web import WebServer
from engine.config import WebConfig
from engine.types import Passage, Result

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is absent; on Debian: apt-get install chromium"),
]

ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
QUESTION = "When does the Harlow Bridge open?"
DESKTOP, PHONE = (1280, 800), (360, 740)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    async with playwright.async_playwright() as engine:
        browser = await engine.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@dataclass(slots=True)
class Visit:
    """An open page, and what it did behind the reader's back."""

    page: Page
    server: WebServer
    complaints: list[str]
    addresses: list[str]

    async def say(self, text: str) -> None:
        await self.page.fill("#text", text)
        await self.page.press("#text", "Enter")

    async def answered(self) -> None:
        await self.page.wait_for_selector(".theirs.last .foot .retry")


@asynccontextmanager
async def visit(
    chromium: Browser, relay: FakeRelay, size: tuple[int, int] = DESKTOP, **options: object
) -> AsyncIterator[Visit]:
    """Open the page of a fresh server in a fresh browser profile."""
    async with serving(relay) as server:
        viewport = {"width": size[0], "height": size[1]}
        context = await chromium.new_context(viewport=viewport, locale="en-GB", **options)  # type: ignore[arg-type]
        context.set_default_timeout(8000)
        page = await context.new_page()
        found = Visit(page, server, [], [])
        page.on(
            "console", lambda m: found.complaints.append(m.text) if m.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("request", lambda request: found.addresses.append(request.url))
        await page.goto(server.url)
        await page.wait_for_selector("body.ready")
        try:
            yield found
        finally:
            await context.close()


def telling(text: str, **changes: object) -> FakeRelay:
    """A relay whose every reply is `text`."""
    return FakeRelay(answer=lambda _: replace(CHATTY, reply=text, **changes))  # type: ignore[arg-type]


async def width_beyond(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    return int(await page.evaluate("document.documentElement.scrollWidth - innerWidth"))


# --- a conversation ----------------------------------------------------------------------------


async def test_page_opened_introduces_the_persona_and_asks_nobody_else(chromium: Browser) -> None:
    async with visit(chromium, FakeRelay()) as seen:
        page = seen.page
        assert await page.title() == "Mark Twain"
        assert await page.inner_text("#greeting") == CARD.greeting
        assert (await page.inner_text("#disclosure")).startswith("An AI speaking as")
        assert await page.locator(".chip").all_inner_texts() == list(CARD.suggestions)
        assert seen.complaints == []
        assert all(address.startswith(seen.server.url) for address in seen.addresses)


async def test_question_typed_is_answered_word_by_word_with_sources_and_why(chromium: Browser) -> None:
    relay = FakeRelay(hold_after=5)
    async with visit(chromium, relay) as seen:
        page = seen.page
        await seen.say(QUESTION)
        await asyncio.wait_for(relay.held.wait(), 5)
        await page.locator(".theirs .prose", has_text="opens on").wait_for()
        assert await page.locator(".caret").count() == 1
        assert await page.locator("#stop").is_visible() and not await page.locator("#send").is_visible()
        relay.gate.set()
        await seen.answered()
        assert await page.locator(".caret").count() == 0
        assert await page.locator(".prose strong").inner_text() == "3rd of December"
        assert await page.locator(".bubble").inner_text() == QUESTION

        cards = page.locator(".cards a")
        assert await cards.count() == 3
        assert await cards.first.get_attribute("href") == GROUNDED.sources[0].url
        assert await cards.first.get_attribute("rel") == "noopener noreferrer"
        card = await cards.first.inner_text()
        assert GROUNDED.sources[0].title in card and "18 Nov 2026" in card and "0.86" in card

        await page.click(".explain")
        panel = await page.inner_text("#why")
        for wanted in (
            "Search the index",
            "0.97",
            GROUNDED.decision.query,
            GROUNDED.sources[2].title,
            "similarity 0.58",
            "b81e44d2097c",
            "r32",
            "Rewrite query",
            "322 ms",
            "2.40 s",
            "74 tokens, 39/s",
        ):
            assert wanted in panel, wanted
        assert seen.complaints == []


async def test_suggestion_clicked_is_asked(chromium: Browser) -> None:
    relay = FakeRelay(answer=lambda _: CHATTY)
    async with visit(chromium, relay) as seen:
        await seen.page.click(".chip >> nth=1")
        await seen.answered()
        assert not await seen.page.locator("#hello").is_visible()
        assert await seen.page.locator(".cards").count() == 0
    assert relay.handled[0].text == CARD.suggestions[1]


async def test_switches_moved_change_the_next_request(chromium: Browser) -> None:
    relay = FakeRelay(answer=lambda _: CHATTY)
    async with visit(chromium, relay) as seen:
        page = seen.page
        await seen.say("as it is")
        await seen.answered()
        await page.locator("label.switch", has_text="style").click()
        await page.get_by_label("Strength of identity").fill("0.4")
        await page.locator(".segments label", has_text="Off").click()
        await seen.say("as I want it")
        await page.locator(".theirs .retry").nth(1).wait_for()
        await page.click(".theirs.last .explain")
        panel = await page.inner_text("#why")
    first, second = (incoming.options for incoming in relay.handled)
    assert (first.strengths, first.retrieve) == (None, None)
    assert (second.strengths, second.retrieve) == ({"identity": 0.4, "style": 0.0}, False)
    assert "Set by you" in panel and "0.40" in panel and "style" not in panel


async def test_adapter_unloaded_by_an_admin_leaves_the_strip(chromium: Browser) -> None:
    relay = FakeRelay(answer=lambda _: CHATTY)
    async with visit(chromium, relay) as seen:
        assert await seen.page.locator(".adapter").count() == 2
        relay.loaded = relay.loaded[:1]
        await seen.say("Hello")
        await seen.page.locator(".adapter", has_text="style").wait_for(state="detached")
        assert await seen.page.locator(".adapter").all_inner_texts() != []
        relay.loaded = ()
        await seen.say("Hello again")
        await seen.page.get_by_text("Base model, no adapter loaded").wait_for()


async def test_retry_replaces_the_last_reply(chromium: Browser) -> None:
    replies = iter(["First thought.", "Second thought."])
    relay = FakeRelay(answer=lambda _: replace(CHATTY, reply=next(replies)))
    async with visit(chromium, relay) as seen:
        await seen.say("Hello")
        await seen.answered()
        await seen.page.click(".theirs.last .retry")
        await seen.page.locator(".prose", has_text="Second thought.").wait_for()
        await seen.answered()
        assert await seen.page.locator("article").count() == 1
        assert await seen.page.locator(".bubble").count() == 1
    assert [name for name, *_ in relay.commands] == ["retry"]


async def test_thumbs_pressed_by_keyboard_rate_change_and_take_back(chromium: Browser) -> None:
    relay = FakeRelay()
    async with visit(chromium, relay) as seen:
        await seen.say(QUESTION)
        await seen.answered()
        group = seen.page.get_by_role("group", name="Rate this reply")
        good, bad = (group.get_by_role("button", name=name) for name in ("Good reply", "Bad reply"))
        for number, press in enumerate((good, bad, bad), 1):
            await press.press("Enter")
            await seen.page.locator(".thumb[disabled]").first.wait_for(state="detached")
            assert len(relay.ballots) == number
            states = [await b.get_attribute("aria-pressed") for b in (good, bad)]
            assert states == [["true", "false"], ["false", "true"], ["false", "false"]][number - 1]
        assert [(b.thumb, b.reply_pk) for b in relay.ballots] == [("up", 1), ("down", 1), (None, 1)]
        relay.handled.clear()  # the reply was erased meanwhile: the press does not stay
        await good.click()
        await seen.page.locator("#spoken", has_text="no such reply").wait_for(state="attached")
        assert await good.get_attribute("aria-pressed") == "false"
        box, meta = await group.bounding_box(), await seen.page.locator(".theirs .meta").bounding_box()
        assert box and meta and box["x"] + box["width"] <= meta["x"]


async def test_page_reloaded_shows_the_conversation_and_new_clears_it(chromium: Browser) -> None:
    relay = FakeRelay()
    async with visit(chromium, relay) as seen:
        page = seen.page
        await seen.say(QUESTION)
        await seen.answered()
        await page.reload()
        await seen.answered()
        assert await page.locator(".bubble").inner_text() == QUESTION
        assert await page.locator(".cards a").count() == 3
        await page.click("#new")
        await page.locator("#hello").wait_for()
        assert await page.locator(".turn").count() == 0
    assert [name for name, *_ in relay.commands] == ["new"]


async def test_command_typed_runs_and_shows_its_answer(chromium: Browser) -> None:
    relay = FakeRelay()
    async with visit(chromium, relay) as seen:
        await seen.say("/admin adapters list")
        await seen.page.locator(".service", has_text="/admin adapters list").wait_for()
    assert relay.handled == []
    assert [(name, args) for name, args, _ in relay.commands] == [("admin", "adapters list")]


# --- keyboard, scrolling, sizes ------------------------------------------------------------------


async def test_keyboard_alone_writes_lines_sends_and_opens_and_closes_the_panel(chromium: Browser) -> None:
    relay = FakeRelay(answer=lambda _: CHATTY)
    async with visit(chromium, relay) as seen:
        page = seen.page
        assert await page.evaluate("document.activeElement.id") == "text"
        await page.keyboard.type("one")
        await page.keyboard.press("Shift+Enter")
        await page.keyboard.type("two")
        await page.keyboard.press("Enter")
        await seen.answered()
        assert await page.input_value("#text") == ""
        await page.focus(".explain")
        await page.keyboard.press("Enter")
        await page.locator("#why").wait_for()
        await page.keyboard.press("Escape")
        assert not await page.locator("#why").is_visible()
        assert await page.evaluate("document.activeElement.classList.contains('explain')")
        await page.focus("#text")
        await page.keyboard.press("Enter")  # nothing written, nothing sent
    assert [incoming.text for incoming in relay.handled] == ["one\ntwo"]


async def test_reader_who_scrolled_up_is_left_alone_while_the_reply_grows(chromium: Browser) -> None:
    relay = telling("\n\n".join(f"Paragraph {number}." for number in range(80)))
    relay.delay_s = 0.005
    async with visit(chromium, relay) as seen:
        page = seen.page
        await seen.say("Go on")
        await page.get_by_text("Paragraph 30.").wait_for()
        at_end = "(s => s.scrollHeight - s.scrollTop - s.clientHeight)(document.getElementById('scroll'))"
        assert await page.evaluate(at_end) < 64
        await page.evaluate("document.getElementById('scroll').scrollTop = 40")
        await seen.answered()
        assert await page.evaluate("document.getElementById('scroll').scrollTop") == 40
        await page.click("#latest")
        assert await page.evaluate(at_end) < 64
        assert not await page.locator("#latest").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_phone_width_never_scrolls_sideways(chromium: Browser, scheme: str) -> None:
    wide = Passage("x" * 400, "y" * 120, "https://news.example/" + "z" * 300, similarity=0.5, score=0.5)
    text = (
        "a" * 400
        + "\n\n```\n"
        + "b" * 400
        + "\n```\n\n- "
        + "c" * 300
        + "\n\nhttps://example.org/"
        + "d" * 300
    )
    relay = telling(text, decision=GROUNDED.decision, sources=(wide, wide, wide), note="n" * 200)
    async with visit(chromium, relay, PHONE, color_scheme=scheme, has_touch=True, is_mobile=True) as seen:
        page = seen.page
        assert await width_beyond(page) <= 0
        await seen.say("w" * 300)
        await seen.answered()
        assert await width_beyond(page) <= 0
        await page.click("#tune-toggle")
        assert await page.get_by_label("Strength of style").is_visible()
        assert await width_beyond(page) <= 0
        await page.click(".theirs.last .explain")
        await page.locator(".passages summary").first.click()
        assert await width_beyond(page) <= 0
        sideways = (
            "[...document.querySelectorAll('.scroll, .why-body')].filter(e => e.scrollWidth > e.clientWidth)"
        )
        assert await page.evaluate(f"{sideways}.length") == 0
        box = await page.locator("#why").bounding_box()
        assert box is not None and box["y"] > 100 and round(box["y"] + box["height"]) == PHONE[1]
        await page.touchscreen.tap(180, 40)  # outside of the sheet
        assert not await page.locator("#why").is_visible()
        dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (dark == "rgb(22, 21, 23)") == (scheme == "dark")


# --- what may not happen -----------------------------------------------------------------------


async def test_markup_from_the_model_stays_text(chromium: Browser) -> None:
    evil = "<img src=x onerror=hacked=1><script>hacked=1</script>"
    text = f"{evil}\n\n**{evil}** `{evil}`\n\n- {evil}\n\n```\n{evil}\n```\n\n[a](javascript:hacked=1) [b](https://example.org/b)"
    source = Passage(evil, evil, "javascript:hacked=1", similarity=0.9, score=0.9)
    relay = telling(text, decision=replace(GROUNDED.decision, query=evil), sources=(source,), note=evil)
    async with visit(chromium, relay) as seen:
        page = seen.page
        await seen.say(evil)
        await seen.answered()
        await page.click(".explain")
        await page.click(".passages summary")
        assert await page.evaluate("typeof hacked") == "undefined"
        assert await page.locator("img, .log script, .why script").count() == 0
        assert (await page.locator(".prose").inner_text()).count(evil) == 5
        assert await page.locator(".bubble").inner_text() == evil
        addresses = await page.locator("a").evaluate_all("links => links.map(link => link.href)")
        assert addresses == ["https://example.org/b"]
        assert seen.complaints == []


async def test_endless_markers_do_not_hang_the_page(chromium: Browser) -> None:
    text = "`" * 3000 + "*" * 3000 + "_" * 3000 + "[" * 3000 + "**a" * 1000
    async with visit(chromium, telling(text)) as seen:
        await seen.say("Go on")
        await asyncio.wait_for(seen.answered(), 6)


# --- what goes wrong -----------------------------------------------------------------------------


async def test_stop_pressed_cancels_and_try_again_asks_anew(chromium: Browser) -> None:
    relay = FakeRelay(hold_after=4)
    async with visit(chromium, relay) as seen:
        page = seen.page
        await seen.say(QUESTION)
        await asyncio.wait_for(relay.held.wait(), 5)
        await page.click("#stop")
        await asyncio.wait_for(relay.cancelled.wait(), 5)
        assert "Stopped." in await page.inner_text(".trouble")
        relay.gate.set()
        await page.click(".again")
        await seen.answered()
        assert await page.locator(".bubble").count() == 1
    assert [incoming.text for incoming in relay.handled] == [QUESTION, QUESTION]
    assert relay.handled[0].message_id != relay.handled[1].message_id


async def test_page_closed_midway_offers_the_message_again(chromium: Browser) -> None:
    relay = FakeRelay(hold_after=4)
    async with visit(chromium, relay) as seen:
        page = seen.page
        await seen.say(QUESTION)
        await asyncio.wait_for(relay.held.wait(), 5)
        await page.reload()
        await page.get_by_text("This message was not answered.").wait_for()
        relay.gate.set()
        await page.click(".again")
        await seen.answered()
        assert await page.locator(".bubble").all_inner_texts() == [QUESTION]


async def test_busy_service_is_told_kindly_and_can_be_asked_again(chromium: Browser) -> None:
    busy = "I am busy with other conversations right now. Please try again in a moment."
    answers: list[Notice | Result] = [Notice(busy), CHATTY]
    async with visit(chromium, FakeRelay(answer=lambda _: answers.pop(0))) as seen:
        page = seen.page
        await seen.say("Hello")
        await page.get_by_text(busy).first.wait_for()
        assert await page.locator(".speaker").count() == 0  # the service speaks, not the persona
        await page.click(".again")
        await seen.answered()
        assert await page.locator(".trouble").count() == 0


async def test_message_too_large_is_refused_with_the_servers_sentence(chromium: Browser) -> None:
    async with visit(chromium, FakeRelay()) as seen:
        # Six bytes each in JSON.
        await seen.page.evaluate("document.getElementById('text').value = '\\u0001'.repeat(180000)")
        await seen.page.press("#text", "Enter")
        await seen.page.locator(".trouble", has_text="too large").wait_for()


async def test_server_gone_and_back_is_noticed_and_mended(chromium: Browser) -> None:
    relay = FakeRelay(hold_after=3)
    async with visit(chromium, relay) as seen:
        page = seen.page
        await seen.say(QUESTION)
        await asyncio.wait_for(relay.held.wait(), 5)
        await seen.server.close()
        await page.locator(".trouble").wait_for()
        await page.locator("#offline").wait_for()
        await page.fill("#text", "kept while offline")
        await page.press("#text", "Enter")
        assert await page.input_value("#text") == "kept while offline"

        port = int(seen.server.url.rpartition(":")[2])
        relay.gate.set()
        again = WebServer(WebConfig(port=port), relay, relay, CARD, FakeCompleter())
        await again.start()
        try:
            await page.locator("#offline").wait_for(state="hidden")
            await page.click(".again")
            await seen.answered()
            assert await page.input_value("#text") == "kept while offline"
        finally:
            await page.close()
            await again.close()
