"""The web adapter over real loopback connections: uvicorn serves, httpx asks, relay and panel are fakes."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fake_web import ADAPTERS, CARD, CHATTY, GROUNDED, FakeCompleter, FakeRelay, serving

from bot.types import Notice, Pending
from bot.web import PAGE_PATH, WebServer
from bot.web_guard import MAX_BODY_BYTES, allowed_hosts
from bot.web_sessions import OpenMessages, Unanswered
from engine.config import WebConfig
from engine.errors import ConfigError, StorageError
from engine.types import Incoming

QUESTION = "When does the Harlow Bridge open?"


Shared = tuple[httpx.AsyncClient, FakeRelay, FakeCompleter]

one_server = pytest.mark.asyncio(loop_scope="module")
"""For tests of many inputs: they share a server, since starting one takes longer than asking it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Shared]:
    relay, completer = FakeRelay(), FakeCompleter()
    async with serving(relay, completer) as server, browser(server) as client:
        yield client, relay, completer


@pytest.fixture
def shared(running: Shared) -> Shared:
    _, relay, completer = running
    for record in (relay.handled, relay.commands, relay.delivered, completer.requests):
        record.clear()
    return running


def fresh(server: WebServer, **options: Any) -> httpx.AsyncClient:
    """A client without a cookie. There is no TLS here, and loading its certificates takes longest."""
    return httpx.AsyncClient(base_url=server.url, timeout=10.0, verify=False, **options)


@asynccontextmanager
async def browser(server: WebServer) -> AsyncIterator[httpx.AsyncClient]:
    async with fresh(server) as client:
        await client.get("/api/state")  # as the page does first; brings the cookie
        yield client


def message(text: str = QUESTION, **options: object) -> dict[str, object]:
    return {"text": text, "message_id": uuid.uuid4().hex, **options}


def events(body: str) -> list[tuple[str, dict[str, object]]]:
    """Named events of a stream, comments left out."""
    found = []
    for block in body.split("\n\n"):
        rows = dict(row.split(": ", 1) for row in block.split("\n") if row and not row.startswith(":"))
        if rows:
            found.append((rows.get("event", "message"), json.loads(rows["data"])))
    return found


# --- the page ------------------------------------------------------------------------------


async def test_page_opened_answers_html_with_security_headers_and_no_cookie() -> None:
    async with serving() as server, fresh(server) as client:
        page = await client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "referrer-policy" in page.headers
    # A strict cookie is withheld on links from elsewhere; the page itself must not replace it then.
    assert "set-cookie" not in page.headers


async def test_page_files_name_nothing_from_elsewhere_and_hold_no_inline_code() -> None:
    page = (PAGE_PATH / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", page)
    for path in PAGE_PATH.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"""(src|href|url\(|from|import)\s*[=("' ]+\s*(https?:)?//""", text), path.name
        assert "innerHTML" not in text and "insertAdjacentHTML" not in text, path.name


@one_server
@pytest.mark.parametrize("name", [path.name for path in PAGE_PATH.iterdir()])
async def test_static_file_asked_for_is_served_for_revalidation(name: str, shared: Shared) -> None:
    client, *_ = shared
    first = await client.get(f"/static/{name}")
    again = await client.get(f"/static/{name}", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    assert first.headers["cache-control"] == "no-cache"


@one_server
@pytest.mark.parametrize("path", ["/static/../web.py", "/static/%2e%2e/web.py", "/static/..%2fweb.py"])
async def test_static_path_outside_the_folder_is_not_found(path: str, shared: Shared) -> None:
    client, *_ = shared
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 404")


@one_server
async def test_state_read_tells_persona_adapters_and_limits(shared: Shared) -> None:
    client, *_ = shared
    state = (await client.get("/api/state")).json()
    assert state["persona"]["name"] == "Mark Twain"
    assert state["persona"]["suggestions"] == list(CARD.suggestions)
    assert [a["name"] for a in state["adapters"]] == ["identity", "style"]
    assert state["adapters"][1] == {
        "name": "style",
        "hash": ADAPTERS[1].hash,
        "rank": 32,
        "strength": 1.0,
        "phase": "style",
    }
    assert state["limits"]["max_body_bytes"] == MAX_BODY_BYTES


# --- chat ----------------------------------------------------------------------------------


@one_server
async def test_chat_asked_streams_started_deltas_result_in_order(shared: Shared) -> None:
    client, relay, _ = shared
    answer = await client.post("/api/chat", json=message())
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.text)
    names = [name for name, _ in found]
    assert names == ["started", *["delta"] * (len(names) - 2), "result"]
    assert "".join(data["text"] for name, data in found if name == "delta") == GROUNDED.reply
    result = found[-1][1]
    assert result["reply"] == GROUNDED.reply
    assert (result["retrieve"], result["probability"], result["forced"]) == (True, 0.9731, False)
    assert result["sources"][0]["date"] == "2026-11-18"
    assert result["adapters"][0] == {"name": "identity", "hash": ADAPTERS[0].hash, "rank": 8, "strength": 1.0}
    assert result["timings_ms"]["total"] == 2397.4
    assert relay.delivered == [1]


async def test_chat_streaming_sends_deltas_before_the_reply_is_complete() -> None:
    relay = FakeRelay(hold_after=3)
    async with (
        serving(relay) as server,
        browser(server) as client,
        client.stream("POST", "/api/chat", json=message()) as answer,
    ):
        rows = answer.aiter_lines()
        seen = [await anext(rows) for _ in range(12)]
        assert sum(row == "event: delta" for row in seen) == 3
        relay.gate.set()
        rest = [row async for row in rows]
    assert "event: result" in rest


@one_server
async def test_chat_options_given_reach_the_relay(shared: Shared) -> None:
    client, relay, _ = shared
    options = {"strengths": {"identity": 1, "style": 0.5}, "retrieve": False, "seed": 7}
    answer = await client.post("/api/chat", json=message(**options))
    await client.post("/api/chat", json=message())
    first, second = (incoming.options for incoming in relay.handled)
    assert (first.strengths, first.retrieve, first.seed) == ({"identity": 1.0, "style": 0.5}, False, 7)
    assert (second.strengths, second.retrieve, second.seed) == (None, None, None)
    assert events(answer.text)[-1][1]["forced"] is True


async def test_chat_two_browsers_never_share_a_conversation() -> None:
    relay = FakeRelay()
    async with serving(relay) as server, browser(server) as one, browser(server) as other:
        await one.post("/api/chat", json=message("mine"))
        await one.post("/api/chat", json=message("mine again"))
        await other.post("/api/chat", json=message("yours"))
        histories = [(await client.get("/api/history")).json()["turns"] for client in (one, other)]
        cookie = one.cookies["understudy_session"]
    keys = [incoming.key for incoming in relay.handled]
    assert keys[0] == keys[1] != keys[2]
    assert re.fullmatch(r"web:session:[0-9a-f]{16}", keys[0])
    assert keys[0].removeprefix("web:session:") not in cookie
    assert [turn["text"] for turn in histories[1] if turn["role"] == "user"] == ["yours"]


async def test_session_cookie_is_strict_hidden_from_scripts_and_given_once() -> None:
    async with serving() as server, fresh(server) as client:
        cookie = (await client.get("/api/state")).headers["set-cookie"]
        again = await client.get("/api/state")
    assert re.search(r"understudy_session=[0-9a-f]{32};", cookie)
    assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
    assert "set-cookie" not in again.headers


async def test_session_cookie_behind_a_tls_proxy_is_secure() -> None:
    async with serving() as server, fresh(server, headers={"X-Forwarded-Proto": "https"}) as client:
        cookie = (await client.get("/api/state")).headers["set-cookie"]
    assert "Secure" in cookie


async def test_session_cookie_made_up_by_the_client_is_replaced() -> None:
    async with serving() as server, fresh(server) as client:
        answer = await client.get("/api/state", headers={"Cookie": "understudy_session=../../etc"})
    assert "understudy_session=" in answer.headers["set-cookie"]


@one_server
async def test_chat_same_message_id_twice_is_answered_once(shared: Shared) -> None:
    client, relay, _ = shared
    body = message()
    await client.post("/api/chat", json=body)
    again = await client.post("/api/chat", json=body)
    assert len(relay.handled) == 1
    assert [name for name, _ in events(again.text)] == ["notice"]


async def test_chat_notice_from_the_relay_is_passed_on() -> None:
    relay = FakeRelay(answer=lambda _: Notice("I am busy. Please try again."))
    async with serving(relay) as server, browser(server) as client:
        answer = await client.post("/api/chat", json=message())
        opened = (await client.get("/api/history")).json()["open"]
    assert events(answer.text) == [("started", {}), ("notice", {"text": "I am busy. Please try again."})]
    assert opened is None


async def test_chat_person_not_admitted_is_refused() -> None:
    async with serving(FakeRelay(admit=False)) as server, browser(server) as client:
        answers = [
            await client.post("/api/chat", json=message()),
            await client.post("/api/command", json={"name": "help"}),
        ]
    assert [answer.status_code for answer in answers] == [403, 403]
    # The operator needs the visitor's id to let them in.
    assert re.search(r'"web:[0-9a-f]{16}" to allowed_users', answers[0].json()["error"]["message"])


@one_server
async def test_command_retry_streams_a_reply_and_help_a_notice(shared: Shared) -> None:
    client, relay, _ = shared
    await client.post("/api/chat", json=message())
    retried = await client.post(
        "/api/command", json={"name": "retry", "strengths": {"identity": 0.4}, "seed": 3}
    )
    helped = await client.post("/api/command", json={"name": "help", "args": "me"})
    found = events(retried.text)
    assert (found[0][0], found[-1][0]) == ("started", "result")
    assert [a["strength"] for a in found[-1][1]["adapters"]] == [0.4]
    assert events(helped.text) == [("notice", {"text": "/help me"})]
    assert relay.delivered == [1, 1]


async def test_why_asked_tells_how_the_last_reply_came_about() -> None:
    async with serving(FakeRelay(answer=lambda _: CHATTY)) as server, browser(server) as client:
        before = (await client.get("/api/why")).json()
        await client.post("/api/chat", json=message())
        after = (await client.get("/api/why")).json()
    assert before == {"result": None}
    assert after["result"]["reply"] == CHATTY.reply
    assert after["result"]["retrieve"] is False


async def test_chat_quiet_stream_carries_heartbeats() -> None:
    relay = FakeRelay(hold_after=1)
    comments = 0
    async with (
        serving(relay, heartbeat_s=0.05) as server,
        browser(server) as client,
        client.stream("POST", "/api/chat", json=message()) as answer,
    ):
        async for row in answer.aiter_lines():
            comments += row.startswith(":")
            if comments == 2:
                relay.gate.set()
    assert comments >= 2


# --- what ends early -------------------------------------------------------------------------


async def test_chat_client_leaving_cancels_and_leaves_the_message_open() -> None:
    relay = FakeRelay(hold_after=2)
    async with serving(relay) as server, browser(server) as client:
        async with client.stream("POST", "/api/chat", json=message()) as answer:
            await asyncio.wait_for(relay.held.wait(), 3)
            running = (await client.get("/api/history")).json()["open"]
            assert answer.status_code == 200
        await asyncio.wait_for(relay.cancelled.wait(), 3)
        left = (await client.get("/api/history")).json()
        relay.gate.set()
        await client.post("/api/chat", json=message())
        answered = (await client.get("/api/history")).json()
    assert running == {"text": QUESTION, "running": True}
    assert left == {"turns": [], "open": {"text": QUESTION, "running": False}}
    assert answered["open"] is None
    assert relay.given_up == [(1, "superseded")]
    assert relay.delivered == [2]


async def test_chat_stopped_while_a_later_message_runs_is_not_shown_again() -> None:
    # The server may notice that a stream was closed only after the next message has come.
    relay = FakeRelay(hold_after=2)
    async with serving(relay) as server, browser(server) as client:
        async with client.stream("POST", "/api/chat", json=message("first")):
            await asyncio.wait_for(relay.held.wait(), 3)
            relay.held.clear()
            second = asyncio.create_task(client.post("/api/chat", json=message("second")))
            await asyncio.wait_for(relay.held.wait(), 3)
        await asyncio.wait_for(relay.cancelled.wait(), 3)
        relay.gate.set()
        await second
        opened = (await client.get("/api/history")).json()["open"]
    assert opened is None


async def test_command_new_forgets_the_open_message() -> None:
    relay = FakeRelay(hold_after=1)
    async with serving(relay) as server, browser(server) as client:
        async with client.stream("POST", "/api/chat", json=message()):
            await asyncio.wait_for(relay.held.wait(), 3)
        await asyncio.wait_for(relay.cancelled.wait(), 3)
        await client.post("/api/command", json={"name": "new"})
        history = (await client.get("/api/history")).json()
    assert history == {"turns": [], "open": None}
    assert relay.given_up == [(1, "superseded")]


async def test_chat_relay_failing_midway_ends_with_a_notice_and_the_server_lives_on() -> None:
    class Failing(FakeRelay):
        async def sent(self, message_pk: int, ids: object) -> None:
            raise RuntimeError("secret detail")

    async with serving(Failing()) as server, browser(server) as client:
        answer = await client.post("/api/chat", json=message())
        alive = await client.get("/api/state")
    name, data = events(answer.text)[-1]
    assert name == "notice" and "operator's log" in str(data["text"])
    assert "secret detail" not in answer.text
    assert alive.status_code == 200


async def test_chat_relay_failing_at_once_answers_500_without_detail() -> None:
    class Failing(FakeRelay):
        async def handle(self, incoming: Incoming) -> AsyncIterator[Notice]:
            raise RuntimeError("secret detail")
            yield Notice("")

    async with serving(Failing()) as server, browser(server) as client:
        answer = await client.post("/api/chat", json=message())
    assert answer.status_code == 500
    assert "operator's log" in answer.json()["error"]["message"]
    assert "secret detail" not in answer.text


async def test_chat_reply_stored_but_not_marked_sent_is_still_shown() -> None:
    class Broken(FakeRelay):
        async def sent(self, message_pk: int, ids: object) -> None:
            raise StorageError("the disk is full")

    async with serving(Broken()) as server, browser(server) as client:
        answer = await client.post("/api/chat", json=message())
    assert events(answer.text)[-1][0] == "result"


async def test_start_finds_what_a_stopped_process_left() -> None:
    relay = FakeRelay()
    async with serving(relay) as server, browser(server) as client:
        await client.post("/api/chat", json=message())
        asked, cookies = relay.handled[0], dict(client.cookies)
    relay.left = [Pending(1, asked, reply="stored, never marked"), Pending(2, asked)]
    relay.delivered.clear()
    async with (
        serving(relay) as server,
        fresh(server, cookies=cookies) as client,
    ):
        opened = (await client.get("/api/history")).json()["open"]
    assert opened == {"text": QUESTION, "running": False}
    assert relay.delivered == [1]


def test_open_messages_beyond_the_limit_are_given_up_oldest_first() -> None:
    messages = OpenMessages(max_sessions=2)
    for number in range(4):
        messages.leave(f"web:{number}", Unanswered(number, "?"))
    assert messages.status("web:1") is None
    assert messages.status("web:3") == {"text": "?", "running": False}
    assert messages.settle("web:9") == [0, 1]


# --- bad input -------------------------------------------------------------------------------


@one_server
@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"strengths": {"style": 2}}, "strengths.style"),
        ({"strengths": {"style": -0.1}}, "strengths.style"),
        ({"retrieve": "maybe"}, "retrieve"),
        ({"seed": -1}, "seed"),
        ({"message_id": "short"}, "message_id"),
        ({"message_id": "x" * 65}, "message_id"),
        ({"text": None}, "text"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_chat_wrong_field_is_refused_by_name(
    options: dict[str, object], field: str, shared: Shared
) -> None:
    client, relay, _ = shared
    answer = await client.post("/api/chat", json={**message(), **options})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(f"{field}: ")
    assert relay.handled == []


@one_server
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"text": "\xff\xfe", "message_id": "12345678"}', "UTF-8"),
        (b'{"text": "a", ', "JSON"),
        (b"[]", "JSON object"),
        (b'"text"', "JSON object"),
        (b"", "JSON object"),
        (b"[" * 100_000, "nested"),
        (b'{"text": "a", "message_id": "12345678", "strengths": {"style": NaN}}', "strengths.style"),
    ],
)
async def test_chat_broken_body_is_refused_with_a_sentence(body: bytes, said: str, shared: Shared) -> None:
    client, relay, _ = shared
    answer = await client.post("/api/chat", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert relay.handled == []


@one_server
@pytest.mark.parametrize(
    "text", ["", "\u200b", "🎭" * 50, "שלום עולם", "a\x00\x07b", "@everyone <@1>", "\u202eevil"]
)
async def test_chat_odd_text_reaches_the_relay_unchanged(text: str, shared: Shared) -> None:
    client, relay, _ = shared
    answer = await client.post("/api/chat", json=message(text))
    assert answer.status_code == 200
    assert relay.handled[0].text == text


async def test_chat_half_a_character_becomes_a_question_mark() -> None:
    relay = FakeRelay(answer=lambda _: Notice("no"))
    body = b'{"text": "half \\ud83d", "message_id": "12345678"}'
    async with serving(relay) as server, browser(server) as client:
        await client.post("/api/chat", content=body, headers={"Content-Type": "application/json"})
    assert relay.handled[0].text == "half ?"


async def test_chat_body_above_the_limit_is_refused_before_it_is_read() -> None:
    relay = FakeRelay()
    async with serving(relay) as server, browser(server) as client:
        declared = await client.post("/api/chat", json=message("x" * MAX_BODY_BYTES))

        async def pieces() -> AsyncIterator[bytes]:
            yield b'{"text": "'
            for _ in range(20):
                yield b"x" * 65_536

        chunked = await client.post(
            "/api/chat", content=pieces(), headers={"Content-Type": "application/json"}
        )
        after = await client.post("/api/chat", json=message())
        host, port = server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999\r\n\r\n"
        )
        early = await asyncio.wait_for(reader.readline(), 3)  # though not a byte of the body was sent
        writer.close()
    assert (declared.status_code, chunked.status_code, after.status_code) == (413, 413, 200)
    assert early.startswith(b"HTTP/1.1 413")
    for answer in (declared, chunked):
        assert "too large" in answer.json()["error"]["message"]
    assert len(relay.handled) == 1


@one_server
async def test_chat_body_just_below_the_limit_reaches_the_relay(shared: Shared) -> None:
    client, relay, _ = shared
    answer = await client.post("/api/chat", json=message("x" * (MAX_BODY_BYTES - 200)))
    assert answer.status_code == 200
    assert len(relay.handled[0].text) == MAX_BODY_BYTES - 200


# --- who may ask -----------------------------------------------------------------------------


@one_server
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/api/chat", "/api/command", "/v1/chat/completions"])
async def test_post_from_another_site_is_refused(path: str, headers: dict[str, str], shared: Shared) -> None:
    client, relay, completer = shared
    answer = await client.post(path, json=message(), headers=headers)
    assert answer.status_code == 403
    assert relay.handled == [] and relay.commands == [] and completer.requests == []


@one_server
async def test_post_from_the_page_itself_is_taken(shared: Shared) -> None:
    client, *_ = shared
    origin = str(client.base_url).rstrip("/")
    answers = [
        await client.post("/api/chat", json=message(), headers=headers)
        for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": origin})
    ]
    assert [answer.status_code for answer in answers] == [200, 200]


@one_server
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_post_that_a_form_could_send_is_refused(kind: str, shared: Shared) -> None:
    client, relay, _ = shared
    answer = await client.post("/api/chat", content=json.dumps(message()), headers={"Content-Type": kind})
    assert relay.handled == []
    assert answer.status_code == 415


@one_server
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::1"])
async def test_host_unknown_on_loopback_is_refused_on_every_path(host: str, shared: Shared) -> None:
    client, *_ = shared
    answers = [await client.get(path, headers={"Host": host}) for path in ("/", "/api/state", "/healthz")]
    assert [answer.status_code for answer in answers] == [421, 421, 421]
    assert "localhost" in answers[0].json()["error"]["message"]
    assert "set-cookie" not in answers[1].headers


@one_server
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:8080"])
async def test_host_of_this_machine_is_answered(host: str, shared: Shared) -> None:
    client, *_ = shared
    answer = await client.get("/", headers={"Host": host})
    assert answer.status_code == 200


def test_allowed_hosts_beyond_loopback_are_any() -> None:
    assert allowed_hosts("0.0.0.0") is None
    assert allowed_hosts("192.168.1.20") is None
    assert allowed_hosts("127.0.0.5") == {"localhost", "127.0.0.1", "::1", "127.0.0.5"}


@one_server
async def test_unknown_path_and_method_answer_json_in_both_shapes(shared: Shared) -> None:
    client, *_ = shared
    missing = await client.get("/nothing")
    method = await client.get("/api/chat")
    page = await client.post("/", json={})
    api = await client.get("/v1/nothing")
    assert (missing.status_code, method.status_code, page.status_code) == (404, 405, 405)
    assert missing.json() == {"error": {"message": "There is nothing at this address."}}
    assert method.headers["allow"] == "POST"
    assert api.json()["error"]["type"] == "invalid_request_error"
    assert missing.headers["x-content-type-options"] == "nosniff"


async def test_panel_storage_error_answers_503_with_a_sentence() -> None:
    class Broken(FakeRelay):
        async def why(self, key: str) -> None:
            raise StorageError("/var/lib/understudy.db is read-only")

    async with serving(Broken()) as server, browser(server) as client:
        answer = await client.get("/api/why")
    assert answer.status_code == 503
    assert "/var/lib" not in answer.text and answer.json()["error"]["message"]


# --- health and lifecycle --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "status", "word"),
    [
        ({"status": "ok", "model": {"ok": True}}, 200, "ok"),
        ({"status": "degraded", "index": {"ok": False}}, 200, "degraded"),
        ({"status": "degraded", "database": {"ok": False}}, 503, "down"),
        ({"status": "degraded", "model": {"ok": False}}, 503, "down"),
    ],
)
async def test_healthz_tells_whether_messages_are_answered(
    parts: dict[str, object], status: int, word: str
) -> None:
    async with serving(FakeRelay(parts=parts)) as server, fresh(server) as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (status, word)


async def test_healthz_panel_failing_answers_503() -> None:
    class Broken(FakeRelay):
        async def health(self) -> dict[str, object]:
            raise RuntimeError("no")

    async with serving(Broken()) as server, fresh(server) as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "down"})


async def test_start_port_taken_names_port_and_setting() -> None:
    async with serving() as server:
        port = int(server.url.rpartition(":")[2])
        relay = FakeRelay()
        other = WebServer(WebConfig(port=port), relay, relay, CARD, FakeCompleter())
        with pytest.raises(ConfigError, match=rf"Port {port} on 127.0.0.1 is taken; set \[web\] port"):
            await other.start()
        await other.close()


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
async def test_start_host_that_is_not_ours_names_the_setting(host: str) -> None:
    relay = FakeRelay()
    server = WebServer(WebConfig(host=host, port=0), relay, relay, CARD, FakeCompleter())
    with pytest.raises(ConfigError, match=r"\[web\] host"):
        await server.start()


async def test_url_bound_to_every_address_is_one_that_a_browser_can_open() -> None:
    async with serving(host="0.0.0.0") as server, fresh(server) as client:
        assert server.url.startswith("http://127.0.0.1:")
        assert (await client.get("/", headers={"Host": "persona.example"})).status_code == 200


async def test_close_with_open_streams_is_fast_and_says_so() -> None:
    relay = FakeRelay(hold_after=1)
    async with serving(relay) as server, browser(server) as client:
        asked = asyncio.create_task(client.post("/api/chat", json=message()))
        await asyncio.wait_for(relay.held.wait(), 3)
        began = time.monotonic()
        await server.close()
        took_s = time.monotonic() - began
        answer = await asked
        await server.close()
        with pytest.raises(httpx.ConnectError):
            await client.get("/")
    assert took_s < 2.0
    assert relay.cancelled.is_set()
    name, data = events(answer.text)[-1]
    assert name == "notice" and "stopping" in str(data["text"])


async def test_close_before_start_and_twice_is_harmless() -> None:
    relay = FakeRelay()
    server = WebServer(WebConfig(port=0), relay, relay, CARD, FakeCompleter())
    await server.close()
    await server.close()


async def test_start_and_close_leave_signal_handlers_alone() -> None:
    import signal

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    async with serving():
        during = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert before == during
