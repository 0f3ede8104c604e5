"""The OpenAI-compatible API, asked by OpenAI's own client over loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import openai
import pytest
import pytest_asyncio
from fake_web import CHATTY, GROUNDED, FakeCompleter, serving

from engine.errors import BusyError, InputError, ModelError, StorageError
from engine.types import Message

ASK = [{"role": "user", "content": "When does the Harlow Bridge open?"}]
Shared = tuple[str, FakeCompleter]

one_server = pytest.mark.asyncio(loop_scope="module")
"""Tests of many inputs share a server, since starting one takes longer than asking it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Shared]:
    completer = FakeCompleter()
    async with serving(completer=completer) as server:
        yield server.url, completer


@pytest.fixture
def shared(running: Shared) -> Shared:
    running[1].requests.clear()
    running[1].error, running[1].error_after = None, 0
    return running


def client(url: str, key: str = "unused") -> openai.AsyncOpenAI:
    # There is no TLS here, and loading its certificates takes longest.
    transport = httpx.AsyncClient(verify=False)
    return openai.AsyncOpenAI(
        base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=10.0, http_client=transport
    )


# --- answers ---------------------------------------------------------------------------------


@one_server
async def test_completion_asked_answers_whole_with_usage_and_sources(shared: Shared) -> None:
    url, completer = shared
    async with client(url) as api:
        answer = await api.chat.completions.create(
            model="mark-twain",
            messages=[
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": "Good day."},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "When does "}, {"type": "text", "text": "it open?"}],
                },
            ],
            temperature=0.2,
            top_p=0.8,
            max_completion_tokens=40,
            max_tokens=50,
            seed=11,
            stop=["\n\n", "END"],
            user="visitor",
            presence_penalty=0.5,
        )
    choice = answer.choices[0]
    assert (choice.message.content, choice.message.role, choice.finish_reason) == (
        GROUNDED.reply,
        "assistant",
        "stop",
    )
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (
        412,
        74,
        486,
    )
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-")
    extra = answer.model_extra["understudy"]  # type: ignore[index]
    assert extra["retrieve"] is True and extra["query"] == GROUNDED.decision.query
    assert extra["sources"][0]["url"] == GROUNDED.sources[0].url
    assert extra["adapters"][0]["hash"] == GROUNDED.adapters[0].hash
    assert extra["timings_ms"]["decide"] == 141.0
    (request,) = completer.requests
    assert request.messages == (
        Message("system", "Be brief."),
        Message("user", "Hello"),
        Message("assistant", "Good day."),
        Message("user", "When does it open?"),
    )
    assert (request.model, request.stop, request.user) == ("mark-twain", ("\n\n", "END"), "visitor")
    options = request.options
    assert (options.temperature, options.top_p, options.max_new_tokens, options.seed) == (0.2, 0.8, 40, 11)


@one_server
async def test_completion_streamed_yields_deltas_finish_usage_in_order(shared: Shared) -> None:
    url, _ = shared
    async with client(url) as api:
        stream = await api.chat.completions.create(
            model="mark-twain", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == GROUNDED.reply
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-2:] == [None, "stop"]
    assert chunks[-2].model_extra["understudy"]["retrieve"] is True  # type: ignore[index]
    assert chunks[-1].choices == [] and chunks[-1].usage is not None and chunks[-1].usage.total_tokens == 486
    assert len({chunk.id for chunk in chunks}) == 1


@one_server
async def test_completion_streamed_without_usage_asked_sends_none_and_ends_with_done(shared: Shared) -> None:
    url, _ = shared
    async with httpx.AsyncClient() as raw:
        answer = await raw.post(f"{url}/v1/chat/completions", json={"messages": ASK, "stream": True})
    rows = [row.removeprefix("data: ") for row in answer.text.split("\n\n") if row]
    assert rows[-1] == "[DONE]"
    assert all("usage" not in json.loads(row) for row in rows[:-1])


async def test_completion_streaming_sends_deltas_before_the_reply_is_complete() -> None:
    completer = FakeCompleter(hold_after=2)
    async with serving(completer=completer) as server, client(server.url) as api:
        stream = await api.chat.completions.create(model="mark-twain", messages=ASK, stream=True)
        seen = [await anext(aiter(stream)) for _ in range(3)]
        completer.gate.set()
        rest = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in seen) == "The Harlow "
    assert rest[-1].choices[0].finish_reason == "stop"


@one_server
@pytest.mark.parametrize("finish", ["stop", "length", "cancelled"])
async def test_completion_finish_reason_is_one_that_clients_know(finish: str, shared: Shared) -> None:
    url, completer = shared
    completer.result = replace(CHATTY, finish=finish)  # type: ignore[arg-type]
    async with client(url) as api:
        answer = await api.chat.completions.create(model="base", messages=ASK)
    completer.result = GROUNDED
    assert answer.choices[0].finish_reason == ("length" if finish == "length" else "stop")
    assert completer.requests[0].model == "base"


@one_server
async def test_completion_defaults_are_left_to_the_server(shared: Shared) -> None:
    url, completer = shared
    async with httpx.AsyncClient() as raw:
        await raw.post(
            f"{url}/v1/chat/completions", json={"messages": ASK, "stop": "END", "max_tokens": 999_999}
        )
    (request,) = completer.requests
    assert (request.model, request.stop, request.user) == ("mark-twain", ("END",), "")
    options = request.options
    assert (options.temperature, options.top_p, options.seed, options.strengths) == (None, None, None, None)
    assert options.max_new_tokens == 8192


@one_server
async def test_models_listed_are_persona_and_base(shared: Shared) -> None:
    url, _ = shared
    async with client(url) as api:
        listed = [model.id async for model in api.models.list()]
        one = await api.models.retrieve("mark-twain")
        with pytest.raises(openai.NotFoundError):
            await api.models.retrieve("gpt-9")
    assert listed == ["mark-twain", "base"]
    assert one.owned_by == "understudy"


# --- refusals --------------------------------------------------------------------------------


@one_server
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"temperature": 9}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content",
        ),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages[0].role"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
    ],
)
async def test_completion_unsupported_field_is_refused_by_name(
    fields: dict[str, object], param: str, shared: Shared
) -> None:
    url, completer = shared
    async with client(url) as api:
        with pytest.raises(openai.BadRequestError) as caught:
            await api.post("/chat/completions", cast_to=object, body={"messages": ASK, **fields})
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert completer.requests == []


@one_server
async def test_completion_unknown_model_is_not_found(shared: Shared) -> None:
    url, _ = shared
    async with client(url) as api:
        with pytest.raises(openai.NotFoundError) as caught:
            await api.chat.completions.create(model="gpt-9", messages=ASK)
    assert caught.value.code == "model_not_found"
    assert "mark-twain and base" in str(caught.value)


@one_server
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (BusyError("full"), 429, "busy"),
        (InputError("The last message is empty."), 400, "empty"),
        (ModelError("/secret/path failed"), 500, "operator's log"),
        (StorageError("/secret/path is full"), 503, "operator's log"),
        (RuntimeError("/secret/path"), 500, "operator's log"),
    ],
)
async def test_completion_engine_error_before_the_first_word_has_its_status(
    error: Exception, status: int, said: str, stream: bool, shared: Shared
) -> None:
    url, completer = shared
    completer.error = error
    async with client(url) as api:
        with pytest.raises(openai.APIStatusError) as caught:
            await api.chat.completions.create(model="mark-twain", messages=ASK, stream=stream)
    assert caught.value.status_code == status
    assert said in str(caught.value) and "/secret" not in str(caught.value)
    assert ("retry-after" in caught.value.response.headers) == (status == 429)


@one_server
async def test_completion_engine_error_midway_ends_the_stream_with_an_error(shared: Shared) -> None:
    url, completer = shared
    completer.error, completer.error_after = ModelError("/secret/path"), 3
    seen = ""
    async with client(url) as api:
        with pytest.raises(openai.APIError, match="operator's log"):
            async for chunk in await api.chat.completions.create(
                model="mark-twain", messages=ASK, stream=True
            ):
                seen += chunk.choices[0].delta.content or ""
        completer.error = None
        again = await api.chat.completions.create(model="mark-twain", messages=ASK)
    assert seen == "The Harlow Bridge "
    assert again.choices[0].message.content == GROUNDED.reply


@pytest.mark.parametrize("stream", [False, True])
async def test_completion_client_leaving_cancels(stream: bool) -> None:
    completer = FakeCompleter(hold_after=2)
    async with serving(completer=completer) as server, httpx.AsyncClient() as raw:
        body = {"messages": ASK, "stream": stream}
        asked = asyncio.create_task(raw.post(f"{server.url}/v1/chat/completions", json=body))
        await asyncio.wait_for(completer.held.wait(), 3)
        asked.cancel()
        await asyncio.wait_for(completer.cancelled.wait(), 3)


async def test_close_while_a_whole_answer_is_awaited_answers_503() -> None:
    completer = FakeCompleter(hold_after=2)
    async with serving(completer=completer) as server, client(server.url) as api:
        asked = asyncio.create_task(api.chat.completions.create(model="mark-twain", messages=ASK))
        await asyncio.wait_for(completer.held.wait(), 3)
        await server.close()
        with pytest.raises(openai.InternalServerError, match="stopping"):
            await asked
    assert completer.cancelled.is_set()


# --- keys ------------------------------------------------------------------------------------


async def test_key_configured_admits_its_bearers_alone() -> None:
    async with serving(api_keys=["first-key", "zweiter-schlüssel"]) as server:
        for key in ("wrong", "first-ke", "first-key2"):
            async with client(server.url, key) as api:
                with pytest.raises(openai.AuthenticationError) as caught:
                    await api.chat.completions.create(model="mark-twain", messages=ASK)
                assert caught.value.code == "invalid_api_key"
                with pytest.raises(openai.AuthenticationError):
                    await api.models.list()
        async with client(server.url, "first-key") as api:
            assert (await api.chat.completions.create(model="mark-twain", messages=ASK)).choices
        async with httpx.AsyncClient(base_url=server.url) as raw:
            bare = await raw.get("/v1/models")
            basic = await raw.get("/v1/models", headers={"Authorization": "Basic first-key"})
            page = await raw.get("/api/state")
    assert (bare.status_code, basic.status_code, page.status_code) == (401, 401, 200)
    assert bare.headers["www-authenticate"] == "Bearer"
