"""The shipped fakes keep the contracts of the seams."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.errors import BusyError, ModelError, RetrievalError, StorageError
from engine.fakes import ListRetriever, MemoryHistory, ScriptedGenerator
from engine.types import (
    Chunk,
    Decision,
    GenerationRequest,
    Generator,
    History,
    Incoming,
    Passage,
    Prompt,
    Result,
    Retriever,
    Sampling,
)

REPLY = Result("a reply", Decision(False, 0.1), (), (), {"total": 10.0})
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def said(message: str, conversation: str = "dm1") -> Incoming:
    return Incoming("discord", conversation, message, "u1", "Ann", message)


def request(max_new_tokens: int = 200) -> GenerationRequest:
    return GenerationRequest(Prompt((), (1, 2, 3)), Sampling(max_new_tokens=max_new_tokens))


async def collect(generator: ScriptedGenerator, max_new_tokens: int = 200) -> list[Chunk]:
    return [chunk async for chunk in generator.generate(request(max_new_tokens))]


def test_fakes_fit_their_seams() -> None:
    """For mypy: each fake is assignable to its Protocol."""
    history: History = MemoryHistory()
    retriever: Retriever = ListRetriever([])
    generator: Generator = ScriptedGenerator()
    assert history and retriever and generator


# --- MemoryHistory -------------------------------------------------------------------------


async def test_memory_history_keeps_the_contract_of_history() -> None:
    history = MemoryHistory()
    first = await history.receive(said("one"))
    assert first.fresh and not (await history.receive(said("one"))).fresh
    await history.receive(said("unanswered"))
    other = await history.receive(said("one", "dm2"))
    await history.answer(other.message_pk, REPLY)
    reply_pk = await history.answer(first.message_pk, REPLY)
    assert await history.answer(first.message_pk, replace(REPLY, reply="better")) > reply_pk
    assert [t.text for t in await history.turns("discord:dm1", 10)] == ["one", "better"]
    assert [t.text for t in await history.turns("discord:dm1", 1)] == ["better"]
    assert await history.turns("discord:dm1", 0) == []
    assert await history.turns("discord:dm1", 10, before_pk=first.message_pk) == []
    last = await history.last("discord:dm1")
    assert last is not None and last[1].reply == "better" and last[2] == first.message_pk


async def test_memory_history_new_and_reset_hide_and_erase() -> None:
    history = MemoryHistory()
    pk = (await history.receive(said("one"))).message_pk
    await history.answer(pk, REPLY)
    await history.new("discord:dm1")
    assert await history.turns("discord:dm1", 10) == [] and await history.last("discord:dm1") is None
    assert await history.reset("discord:dm1") == 1
    assert not (await history.receive(said("one"))).fresh
    assert await history.answer(pk, REPLY) == 0


async def test_memory_history_fails_as_told_and_for_unknown_messages() -> None:
    history = MemoryHistory()
    with pytest.raises(StorageError, match="no message 5"):
        await history.answer(5, REPLY)
    history.failing = StorageError("full")
    with pytest.raises(StorageError, match="full"):
        await history.receive(said("one"))


# --- ListRetriever -------------------------------------------------------------------------

COMET = Passage("A comet was seen over Connecticut.", "Comet", published_at=NOW)
OLD_COMET = Passage("A comet was seen over Connecticut.", "Comet")
RIVER = Passage("The river rose at Hannibal.", "River")


async def test_list_retriever_orders_by_shared_keywords_then_by_date() -> None:
    retriever = ListRetriever([RIVER, OLD_COMET, COMET])
    found = await retriever.search("When was the comet seen at Hannibal?", NOW)
    assert [(p.title, p.published_at) for p in found] == [("Comet", NOW), ("Comet", None), ("River", None)]
    assert found[0].score == pytest.approx(2 / 3)
    assert retriever.queries == ["When was the comet seen at Hannibal?"]


async def test_list_retriever_shares_only_common_words_finds_nothing() -> None:
    retriever = ListRetriever([COMET, RIVER])
    assert await retriever.search("what is the weather", NOW) == []
    assert await retriever.search("", NOW) == []


async def test_list_retriever_gives_at_most_k_and_fails_as_told() -> None:
    assert len(await ListRetriever([COMET] * 5, k=2).search("comet", NOW)) == 2
    with pytest.raises(RetrievalError):
        await ListRetriever([COMET], failing=RetrievalError("gone")).search("comet", NOW)


# --- ScriptedGenerator ---------------------------------------------------------------------


async def test_scripted_generator_says_its_texts_in_order_word_by_word() -> None:
    generator = ScriptedGenerator(["Good  day.\nSir. ", ["a", "b"]])
    first, second, third = [await collect(generator) for _ in range(3)]
    assert [c.text for c in first] == ["Good", "  day.", "\nSir.", " ", ""]
    assert first[-1] == Chunk("", "stop", prompt_tokens=3, new_tokens=4)
    assert [c.text for c in second] == [c.text for c in third] == ["a", "b", ""]
    assert len(generator.requests) == 3


async def test_scripted_generator_stops_at_max_new_tokens() -> None:
    chunks = await collect(ScriptedGenerator(["one two three"]), max_new_tokens=2)
    assert [c.text for c in chunks] == ["one", " two", ""]
    assert (chunks[-1].finish, chunks[-1].new_tokens) == ("length", 2)


async def test_scripted_generator_with_a_function_sees_the_request() -> None:
    generator = ScriptedGenerator(lambda r: f"{len(r.prompt.ids)} ids")
    assert "".join(c.text for c in await collect(generator)) == "3 ids"


async def test_scripted_generator_closed_early_counts_as_cancelled() -> None:
    generator = ScriptedGenerator(["one two three"], delay_s=0.001)
    stream = generator.generate(request())
    assert (await anext(stream)).text == "one"
    await stream.aclose()
    assert generator.cancelled == 1
    await collect(generator)
    assert generator.cancelled == 1


async def test_scripted_generator_lets_others_run_between_chunks() -> None:
    spoken: list[str] = []

    async def listen(name: str) -> None:
        async for _ in ScriptedGenerator(["one two"]).generate(request()):
            spoken.append(name)

    await asyncio.gather(listen("a"), listen("b"))
    assert spoken[:3] == ["a", "b", "a"]


async def test_scripted_generator_chooses_with_the_scripted_probabilities() -> None:
    generator = ScriptedGenerator(probability=[0.9, 0.2])
    prompt = Prompt((), (1,))
    assert await generator.choose(prompt, ("A", "B")) == pytest.approx([0.9, 0.1])
    assert await generator.choose(prompt, ("A", "B", "C")) == pytest.approx([0.2, 0.4, 0.4])
    assert await generator.choose(prompt, ("A", "B")) == pytest.approx([0.2, 0.8])
    assert generator.choices == [prompt] * 3


async def test_scripted_generator_fails_as_told_and_when_closed() -> None:
    generator = ScriptedGenerator(failing=BusyError("full"))
    with pytest.raises(BusyError):
        await collect(generator)
    with pytest.raises(BusyError):
        await generator.choose(Prompt((), ()), ("A", "B"))
    generator.failing = None
    await generator.close()
    await generator.close()
    with pytest.raises(ModelError, match="closed"):
        await collect(generator)
