"""The message path on the shipped fakes: decide, rewrite, retrieve, generate, store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.config import Config
from engine.engine import Engine
from engine.errors import BusyError, Cancelled, InputError, RetrievalError
from engine.fakes import KeywordReader, ListRetriever, MemoryHistory, ScriptedGenerator
from engine.personas import Persona
from engine.prompt import Renderer
from engine.types import AdapterInfo, Chunk, Delta, GenerationRequest, Incoming, Passage, ReplyOptions, Result

DAY = datetime(2026, 11, 18, tzinfo=UTC)
BRIDGE = Passage("The bridge opens on 3 May.", "Harlow Bridge", "https://example.org/b", DAY)


class Loaded:
    """Two adapters, the second switched off by default."""

    def adapters(self) -> tuple[AdapterInfo, ...]:
        return (
            AdapterInfo("identity", "a" * 12, 8, 1.0),
            AdapterInfo("style", "b" * 12, 32, 0.0),
        )


class Setup:
    """An engine and its fakes."""

    def __init__(
        self,
        config: Config,
        persona: Persona,
        renderer: Renderer,
        reader: KeywordReader | None = None,
        **script: object,
    ) -> None:
        self.history = MemoryHistory()
        self.retriever = ListRetriever([BRIDGE])
        self.generator = ScriptedGenerator(**script)  # type: ignore[arg-type]
        self.engine = Engine(
            config, persona, self.history, self.retriever, self.generator, renderer, Loaded(), reader=reader
        )

    async def ask(self, text: str, **fields: object) -> tuple[list[str], Result]:
        options = fields.pop("options", ReplyOptions())
        incoming = Incoming("test", "c", str(len(self.generator.requests)), "u", "Ann", text, options=options)  # type: ignore[arg-type]
        parts = [p async for p in self.engine.reply(replace(incoming, **fields))]  # type: ignore[arg-type]
        result = parts[-1]
        assert isinstance(result, Result)
        return [p.text for p in parts[:-1] if isinstance(p, Delta)], result


@pytest.fixture
def config(config: Config) -> Config:
    profile = config.active_profile.model_copy(update={"context_tokens": 900})
    return config.model_copy(update={"profiles": {"starter": profile}})


async def test_reply_greeting_is_answered_without_retrieval(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    s = Setup(config, persona, renderer, script=["Good day to you."], probability=0.1)
    deltas, result = await s.ask("Hello!")
    assert "".join(deltas) == "Good day to you." == result.reply
    assert not result.decision.retrieve and result.sources == () and s.retriever.queries == []
    assert {"history", "decide", "prompt", "first_token", "generate", "total"} <= set(result.timings_ms)


async def test_reply_factual_question_uses_passages_and_never_stores_them(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    s = Setup(config, persona, renderer, script=["On 3 May."], probability=0.9)
    _, result = await s.ask("When does the bridge open?")
    assert [p.url for p in result.sources] == ["https://example.org/b"]
    assert "(2026-11-18): The bridge opens" in s.generator.requests[-1].prompt.messages[-1].content
    turns = await s.history.turns("test:c", 10)
    assert [t.text for t in turns] == ["When does the bridge open?", "On 3 May."]


async def test_reply_with_passages_is_drawn_cooler_unless_a_temperature_is_asked_for(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    drawn = []
    for probability, options in (
        (0.1, {}),
        (0.9, {}),
        (0.9, {"temperature": 1.2}),
        (0.9, {"temperature": 0.0}),
    ):
        s = Setup(config, persona, renderer, script=["On 3 May."], probability=probability)
        await s.ask("When does the bridge open?", options=ReplyOptions(**options))  # type: ignore[arg-type]
        drawn.append(s.generator.requests[-1].sampling.temperature)
    assert drawn == [config.sampling.temperature, config.sampling.grounded_temperature, 1.2, 0.0]


async def test_reply_with_passages_holds_adapters_back_unless_strengths_are_asked_for(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    most = {"identity": 0.25, "other": 0.1}
    held = config.active_profile.model_copy(update={"grounded_strengths": most})
    config = config.model_copy(update={"profiles": {"starter": held}})
    stacks = []
    for probability, asked in (
        (0.1, {}),
        (0.9, {}),
        (0.9, {"strengths": {"identity": 0.8}}),
        (0.9, {"defaults": {"identity": 0.8, "style": 0.5}}),  # as /audience sets them
    ):
        s = Setup(config, persona, renderer, script=["On 3 May."], probability=probability)
        _, result = await s.ask("When does the bridge open?", options=ReplyOptions(**asked))
        stacks.append(dict(s.generator.requests[-1].stack))
        assert {a.name: a.strength for a in result.adapters} == stacks[-1]
    assert stacks == [
        {"identity": 1.0},
        {"identity": 0.25},
        {"identity": 0.8},
        {"identity": 0.25, "style": 0.5},
    ]


async def test_reply_is_told_as_many_earlier_turns_as_the_profile_says(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    told = []
    for most in (None, 2, 0):
        profile = config.active_profile.model_copy(update={"history_turns": most})
        short = config.model_copy(update={"profiles": {"starter": profile}})
        s = Setup(short, persona, renderer, script=["one", "two", "three"], probability=0.1)
        for text in ("first", "second", "third"):
            await s.ask(text)
        told.append([m.content for m in s.generator.requests[-1].prompt.messages[1:]])
    assert told == [["first", "one", "second", "two", "third"], ["second", "two", "third"], ["third"]]


async def test_reply_with_history_rewrites_the_query_on_the_base_model(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    script = ["On 3 May.", "Who built the Harlow bridge?", "Ada did."]
    s = Setup(config, persona, renderer, script=script, probability=0.9)
    await s.ask("When does the Harlow bridge open?")
    _, result = await s.ask("Who built it?")
    assert result.decision.query == "Who built the Harlow bridge?" == s.retriever.queries[-1]
    rewrite, reply = s.generator.requests[-2:]
    assert rewrite.stack == () and reply.stack == (("identity", 1.0),)
    assert "On 3 May." in rewrite.prompt.messages[-1].content


async def test_reply_rewrite_that_names_what_nobody_named_is_not_searched(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    script = ["On 3 May.", "Who built Canada?", "Ada did."]
    s = Setup(config, persona, renderer, script=script, probability=0.9)
    await s.ask("When does the bridge open?")
    _, result = await s.ask("Who built it?")
    assert result.decision.query == "When does the bridge open? On 3 May. Who built it?"


async def test_reply_threshold_decides(config: Config, persona: Persona, renderer: Renderer) -> None:
    analyzer = config.analyzer.model_copy(update={"threshold": 0.8})
    s = Setup(config.model_copy(update={"analyzer": analyzer}), persona, renderer, probability=0.7)
    _, result = await s.ask("When does the bridge open?")
    assert not result.decision.retrieve and result.decision.probability == pytest.approx(0.7)


async def test_reply_forced_retrieval_asks_no_analyzer(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    s = Setup(config, persona, renderer, probability=0.0)
    _, result = await s.ask("bridge", options=ReplyOptions(retrieve=True))
    assert result.decision.reason == "forced" and result.sources and s.generator.choices == []


async def test_reply_index_missing_answers_without_sources_and_says_so(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    s = Setup(config, persona, renderer, script=["I do not know."], probability=0.9)
    s.retriever.failing = RetrievalError("The index is missing; run understudy index build.")
    _, result = await s.ask("When does the bridge open?")
    assert result.reply == "I do not know." and result.sources == ()
    assert "The index is missing" in result.note


async def test_reply_same_message_twice_is_answered_once(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    s = Setup(config, persona, renderer)
    incoming = Incoming("test", "c", "7", "u", "Ann", "Hello")
    first = [p async for p in s.engine.reply(incoming)]
    second = [p async for p in s.engine.reply(incoming)]
    assert first and second == []


async def test_reply_two_conversations_share_nothing(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    s = Setup(config, persona, renderer)
    await s.ask("The password is swordfish.")
    await s.ask("What did I say?", conversation="other", message_id="99")
    seen = " ".join(m.content for m in s.generator.requests[-1].prompt.messages)
    assert "swordfish" not in seen


async def test_reply_strengths_of_one_request_leave_others_alone(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    s = Setup(config, persona, renderer)
    await s.ask("one", options=ReplyOptions(strengths={"style": 0.5}))
    await s.ask("two")
    assert [r.stack for r in s.generator.requests] == [(("style", 0.5),), (("identity", 1.0),)]


@pytest.mark.parametrize("strengths", [{"nosuch": 1.0}, {"style": 1.5}])
async def test_reply_bad_strength_is_the_users_error(
    config: Config, persona: Persona, renderer: Renderer, strengths: dict[str, float]
) -> None:
    s = Setup(config, persona, renderer)
    with pytest.raises(InputError):
        await s.ask("hi", options=ReplyOptions(strengths=strengths))


async def test_reply_busy_generator_is_passed_on_and_the_message_kept(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    s = Setup(config, persona, renderer)
    s.generator.failing = BusyError("full")
    incoming = Incoming("test", "c", "7", "u", "Ann", "Hello")
    with pytest.raises(BusyError):
        [p async for p in s.engine.reply(incoming)]
    assert not (await s.history.receive(incoming)).fresh


async def test_reply_closed_early_cancels_generation(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    s = Setup(config, persona, renderer, script=["one two three four"])
    stream = s.engine.reply(Incoming("test", "c", "7", "u", "Ann", "Hello"))
    async for part in stream:
        assert isinstance(part, Delta)
        break
    await stream.aclose()
    assert s.generator.cancelled == 1


async def test_reply_cut_off_by_a_closing_worker_is_not_stored(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    # Stored as finished, half a reply would never be completed after the restart.
    s = Setup(config, persona, renderer)

    async def closing(request: GenerationRequest) -> AsyncIterator[Chunk]:
        yield Chunk("Once upon")
        yield Chunk("", "cancelled")

    s.generator.generate = closing  # type: ignore[method-assign, assignment]
    with pytest.raises(Cancelled):
        await s.ask("Tell me a story.")
    assert await s.history.turns("test:c", 10) == []


async def test_reply_turns_beyond_the_profiles_limit_are_summarised_too(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    profile = config.active_profile.model_copy(update={"history_turns": 2})
    history = config.history.model_copy(update={"summarize": True})
    on = config.model_copy(update={"history": history, "profiles": {"starter": profile}})
    s = Setup(on, persona, renderer, script=lambda r: "They spoke of tea." if not r.stack else "Yes.")
    for text in ("first", "second", "third"):
        await s.ask(text)
    messages = s.generator.requests[-1].prompt.messages
    assert messages[0].content == "You are Ada.\n\nEarlier in this conversation: They spoke of tea."
    assert [m.content for m in messages[1:]] == ["second", "Yes.", "third"]


async def test_reply_long_history_is_summarised_when_configured(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    on = config.model_copy(update={"history": config.history.model_copy(update={"summarize": True})})
    s = Setup(on, persona, renderer, script=lambda r: "They spoke of tea." if not r.stack else "word " * 60)
    for i in range(12):
        await s.ask(f"message {i} " + "word " * 20)
    system = s.generator.requests[-1].prompt.messages[0].content
    assert system == "You are Ada.\n\nEarlier in this conversation: They spoke of tea."


async def test_complete_stores_nothing(config: Config, persona: Persona, renderer: Renderer) -> None:
    s = Setup(config, persona, renderer, script=["Fine."])
    parts = [p async for p in s.engine.complete([], "How are you?", ReplyOptions(seed=3))]
    assert isinstance(parts[-1], Result) and parts[-1].reply == "Fine."
    assert await s.history.turns("api:", 10) == [] and s.generator.requests[0].sampling.seed == 3


async def test_sources_are_numbered_as_the_prompt_numbers_them(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    s = Setup(config, persona, renderer, script=["In May."], probability=0.9)
    old = Passage("The bridge, the Harlow Bridge, opens in March.", "Bridge", "", DAY - timedelta(days=30))
    s.retriever.passages = [old, Passage("It opens in May.", "Moved bridge", "", DAY)]
    _, result = await s.ask("When does the Harlow bridge open?")
    asked = s.generator.requests[-1].prompt.messages[-1].content
    assert [p.title for p in s.retriever.passages] == ["Bridge", "Moved bridge"]
    assert [p.title for p in result.sources] == ["Moved bridge", "Bridge"]
    assert 0 < asked.index("[1] Moved bridge") < asked.index("[2] Bridge ")


async def test_reply_reader_looks_first_and_its_finding_stands_in_prompt_and_sources(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    reader = KeywordReader({"open": "3 May"})
    s = Setup(config, persona, renderer, reader, script=["On 3 May."], probability=0.9)
    _, result = await s.ask("When does the bridge open?")
    assert reader.questions == ["When does the bridge open?"]
    assert "Possible answers: [1] 3 May\n" in s.generator.requests[-1].prompt.messages[-1].content
    assert [p.found for p in result.sources] == ["3 May"] and "read" in result.timings_ms


async def test_reply_reader_broken_goes_on_without_it_and_says_so(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    reader = KeywordReader({}, failing=RetrievalError("The weights are gone."))
    s = Setup(config, persona, renderer, reader, script=["On 3 May."], probability=0.9)
    _, result = await s.ask("When does the bridge open?")
    assert result.reply == "On 3 May." and result.note == "No reader: The weights are gone."
    assert "Possible answers" not in s.generator.requests[-1].prompt.messages[-1].content


async def test_reply_without_passages_reader_is_not_asked(
    config: Config, persona: Persona, renderer: Renderer
) -> None:
    reader = KeywordReader({})
    s = Setup(config, persona, renderer, reader, script=["Hello."], probability=0.1)
    await s.ask("Hello!")
    assert reader.questions == []
