"""Tool use: the call, its result, and the answer that uses it; and all the times when no call is due.

Prompts are the engine's own: `engine.tools.format` lists the tools and writes calls, earlier turns of
a conversation hold what was said and no calls, as in stored history. A case ends with the final
answer; the turns that call carry loss too. Half of the held-out cases end with the call itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.prompt import reply_messages
from engine.tools.format import ToolSpec, call_text, observation_text, tool_system
from engine.tools.specs import DOWN_ERROR, TIMEOUT_ERROR, WEATHER, far_error, past_error, place_error
from engine.types import Message, Passage, Turn
from trainer.skills import about, grounded, identity, memory, smalltalk, systems
from trainer.skills import tools_lines as t
from trainer.skills import words as w
from trainer.skills.beliefs import ORDERS
from trainer.skills.case import Case, closed, template
from trainer.skills.entities import Entities
from trainer.skills.phrases import styled
from trainer.skills.scenes import make, moment, write
from trainer.skills.tools_more import OTHERS, Other
from trainer.skills.tools_weather import Day, Place, Weather, answer, day, day_more, place, words_of

WITTY = (
    "You speak plainly, with dry wit, in one to three sentences.",
    "You like a good joke.",
    "Answer wittily.",
    "You are witty.",
)


@dataclass(frozen=True, slots=True)
class _Talk:
    """Who speaks and which tools are listed."""

    who: systems.Persona
    specs: tuple[ToolSpec, ...]
    wry: bool

    @property
    def system(self) -> str:
        return tool_system(self.who.system, self.specs)


def _talk(rng: random.Random, held_out: bool, specs: Sequence[ToolSpec] = (WEATHER,)) -> _Talk:
    who = systems.persona(rng, held_out, plain_share=0.35)
    wry = bool(who.name) and rng.random() < 0.4
    if wry and not any(x in who.system for x in ("wit", "joke")):
        who = replace(who, system=f"{who.system} {rng.choice(WITTY)}")
    wry = any(x in who.system for x in ("wit", "joke"))
    listed = list(specs)
    if rng.random() < 0.2:
        names = {s.name for s in listed}
        listed += rng.sample([o.spec for o in OTHERS if o.spec.name not in names], rng.choice((1, 1, 2)))
        rng.shuffle(listed)
    return _Talk(who, tuple(listed), wry)


# --- weather ---------------------------------------------------------------------------------


def asked(rng: random.Random, held_out: bool) -> Case:
    """One question with its place and perhaps a day."""
    talk, where, when = _talk(rng, held_out), place(rng, held_out), day(rng)
    kind = rng.choices(tuple(t.ASKS), (40, 16, 12, 10, 6, 6, 10))[0]
    question = words_of(template(rng, t.ASKS[kind], held_out), where.said, when)
    head = _start(rng, talk, (), question, held_out, as_typed=True)
    return _looked_up(rng, talk, head, kind, where, when, held_out)


def follow_up(rng: random.Random, held_out: bool) -> Case:
    """After one answer, another day or another place; the answer before is only text by now."""
    talk, where, when = _talk(rng, held_out), place(rng, held_out), day(rng)
    kind = rng.choice(("general", "general", "rain", "heat"))
    before = Weather.draw(rng)
    question = words_of(template(rng, t.ASKS[kind], held_out), where.said, when)
    turns = (Turn("user", question), Turn("assistant", answer(rng, kind, before, where, when, talk.wry)))
    if rng.random() < 0.5:
        when = day_more(rng, when)
        asks = words_of(template(rng, t.MORE_DAY, held_out), where.said, when)
    else:
        where = place(rng, held_out, other=where)
        asks = words_of(template(rng, t.MORE_PLACE, held_out), where.said, when)
    return _looked_up(rng, talk, _start(rng, talk, turns, asks, held_out), kind, where, when, held_out)


def which_town(rng: random.Random, held_out: bool) -> Case:
    """No place is named: the assistant asks for it."""
    talk, when = _talk(rng, held_out), day(rng)
    question = words_of(template(rng, t.PLACELESS, held_out), "", when)
    head = _start(rng, talk, (), question, held_out, as_typed=True)
    return Case("tools", "which", closed(head, rng.choice(t.WHICH)))


def town_told(rng: random.Random, held_out: bool) -> Case:
    """The place comes when it was asked for, the day was said before."""
    talk, where, when = _talk(rng, held_out), place(rng, held_out), day(rng)
    question = words_of(template(rng, t.PLACELESS, held_out), "", when)
    turns = (Turn("user", question), Turn("assistant", rng.choice(t.WHICH)))
    low = question.lower()
    kind = next((k for k in ("rain", "coat") if k in low), "heat" if "hot" in low else "general")
    kind = "rain" if "umbrella" in low else kind
    said = template(rng, t.PLACE_ONLY, held_out).format(p=where.said)
    return _looked_up(rng, talk, _start(rng, talk, turns, said, held_out), kind, where, when, held_out)


def at_home(rng: random.Random, held_out: bool) -> Case:
    """The user told where home is."""
    talk, where, when = _talk(rng, held_out), place(rng, held_out), day(rng)
    turns = [
        Turn("user", rng.choice(t.HOME).format(p=where.name)),
        Turn("assistant", rng.choice(t.HOME_REPLIES).format(p=where.name)),
    ]
    where = replace(where, said=where.name, called=where.name)
    asks = words_of(template(rng, t.AT_HOME, held_out), where.said, when)
    kind = "rain" if "rain" in asks else "general"
    return _looked_up(rng, talk, _start(rng, talk, turns, asks, held_out), kind, where, when, held_out)


def compare(rng: random.Random, held_out: bool) -> Case:
    """Two places: two calls, then one answer."""
    talk, a, when = _talk(rng, held_out), place(rng, held_out), day(rng)
    while when.span > 1 or when.argument == "next week":
        when = day(rng)
    b = place(rng, held_out, other=a)
    asks = template(rng, t.COMPARE, held_out)
    question = words_of(asks.replace("{q}", b.said), a.said, when)
    one, two = Weather.draw(rng, span=1), Weather.draw(rng, span=1)
    while two.metric != one.metric or two.high == one.high:
        two = Weather.draw(rng, span=1)
    messages = list(_start(rng, talk, (), question, held_out))
    for where, weather in ((a, one), (b, two)):
        messages += _exchange(rng, where, when, weather)
    warm, cold = ((a, one), (b, two)) if one.high > two.high else ((b, two), (a, one))
    first, second, word = (cold, warm, "colder") if "colder" in asks else (warm, cold, "warmer")
    told = f"{first[0].called} is {word} {when.said}: {first[1].hi} against {second[1].hi} in {second[0].called}."
    told = " ".join(told.split()).replace(" :", ":")
    return Case("tools", "compare", closed(messages, told), (f"{first[0].called} is {word}", first[1].hi))


def failed(rng: random.Random, held_out: bool) -> Case:
    """The tool reports an error: it is told plainly."""
    talk, where, when = _talk(rng, held_out), place(rng, held_out), day(rng)
    kind = rng.choice(tuple(t.ASKS))
    question = words_of(template(rng, t.ASKS[kind], held_out), where.said, when)
    errors = [place_error(where.called), place_error(where.called), TIMEOUT_ERROR, DOWN_ERROR]
    if any(c.isdigit() for c in when.argument):  # only a date can be too far away, or over
        errors.append(far_error(when.argument, rng.choice((5, 7, 14, 16))))
        errors += [past_error(when.argument)] * (not when.argument.startswith("in "))
    error = rng.choice(errors)
    messages = [
        *_start(rng, talk, (), question, held_out),
        *_called(rng, where, when),
        _tool({"error": error}),
    ]
    told = rng.choice(t.FAILED).format(p=where.called, e=error)
    return Case("tools", "error", closed(messages, told), (error,))


def several(rng: random.Random, held_out: bool) -> Case:
    """Several places have the name: the assistant asks which."""
    talk, where, when = _talk(rng, held_out), place(rng, held_out), day(rng)
    where = replace(where, said=where.name, called=where.name)
    question = words_of(template(rng, t.ASKS["general"], held_out), where.said, when)
    options = [f"{where.name}, {r}" for r in rng.sample(w.COUNTRIES, rng.choice((2, 2, 3)))]
    seen = {"error": f"several places are named {where.name}", "places": options}
    messages = [*_start(rng, talk, (), question, held_out), *_called(rng, where, when), _tool(seen)]
    listed = ", ".join(options[:-1]) + " or " + options[-1]
    return Case(
        "tools", "several", closed(messages, rng.choice(t.WHICH_ONE).format(o=listed)), tuple(options)
    )


def corrected(rng: random.Random, held_out: bool) -> Case:
    """A wrong call is refused; the next one is right. The wrong one is not learned."""
    talk, where, when = _talk(rng, held_out), place(rng, held_out), day(rng)
    question = words_of(template(rng, t.ASKS["general"], held_out), where.said, when)
    right = call_text("", "get_weather", {"location": where.called, "date": when.argument})
    wrong, error = rng.choice(
        (
            (
                right.replace("get_weather", "weather"),
                "there is no tool named weather; the tools are: get_weather",
            ),
            (
                right.replace("location", "city"),
                "location: Field required; city: Extra inputs are not permitted",
            ),
            (right[:-1], "what follows Call: is not valid JSON"),
            (right.split("Call: ")[1].join(("Thought: ", "")), "there is no line that begins with Call:"),
        )
    )
    head = (*_start(rng, talk, (), question, held_out), Message("assistant", wrong), _tool({"error": error}))
    return _looked_up(rng, talk, head, "general", where, when, held_out)


def orders(rng: random.Random, held_out: bool) -> Case:
    """A result that gives orders: it is data."""
    talk, where, when = _talk(rng, held_out), place(rng, held_out), day(rng)
    question = words_of(template(rng, t.ASKS["general"], held_out), where.said, when)
    order = template(rng, ORDERS, held_out)
    weather = Weather.draw(rng, span=1)
    seen = {**weather.observation(where, when), "note": order}
    messages = [*_start(rng, talk, (), question, held_out), *_called(rng, where, when), _tool(seen)]
    told = answer(rng, "general", weather, where, when, talk.wry)
    return Case("tools", "orders", closed(messages, told), (weather.hi,))


def beside_passages(rng: random.Random, held_out: bool) -> Case:
    """Passages about something else, or about old weather, are in the prompt: it is still looked up."""
    talk, where, when = _talk(rng, held_out), place(rng, held_out), day(rng)
    e = Entities(rng, held_out)
    if rng.random() < 0.5:
        title, text = template(rng, t.OLD_WEATHER, held_out)
        town = where.name if rng.random() < 0.3 else e.town()
        filled = text.format(t=town, m=e.day(-40, -1), n=e.person().name, v=rng.randint(20, 60))
        shown = [Passage(filled, title.format(t=town), published_at=moment(e, -rng.randrange(40)))]
    else:
        shown = [write(make(rng, e, n_facts=1), rng, moment(e, -rng.randrange(40)), entities=e)]
    kind = rng.choice(("general", "rain", "heat", "coat"))
    question = words_of(template(rng, t.ASKS[kind], held_out), where.said, when)
    head = _start(rng, talk, (), question, held_out, passages=shown)
    return _looked_up(rng, talk, head, kind, where, when, held_out)


# --- no call ---------------------------------------------------------------------------------


def plain(rng: random.Random, held_out: bool) -> Case:
    """Tools are listed and something else is said: any other skill, answered as ever."""
    other = rng.choices(
        (grounded.generate, smalltalk.generate, identity.generate, about.generate, memory.generate),
        (40, 30, 12, 8, 10),
    )[0](rng, held_out)
    specs = (WEATHER,) if rng.random() < 0.8 else (WEATHER, rng.choice(OTHERS).spec)
    system, *rest = other.messages
    return Case(
        "tools", "plain", (Message("system", tool_system(system.content, specs)), *rest), other.expect
    )


def chatter(rng: random.Random, held_out: bool) -> Case:
    """Talk about the weather that asks for no forecast."""
    talk = _talk(rng, held_out)
    said, answers = template(rng, t.CHATTER, held_out)
    return Case(
        "tools", "chatter", closed(_start(rng, talk, (), said, held_out), rng.choice(answers.split("|")))
    )


def no_tool(rng: random.Random, held_out: bool) -> Case:
    """The weather is asked for and no tool can tell it."""
    where, when = place(rng, held_out), day(rng)
    specs = (rng.choice(OTHERS).spec,) if rng.random() < 0.5 else ()
    who = systems.persona(rng, held_out, plain_share=0.35)
    question = words_of(
        template(rng, t.ASKS[rng.choice(("general", "rain", "heat"))], held_out), where.said, when
    )
    head = reply_messages(tool_system(who.system, specs), (), question)
    return Case("tools", "unable", closed(head, rng.choice(t.UNABLE).format(p=where.called)), ("look",))


# --- other tools -----------------------------------------------------------------------------


def another(rng: random.Random, held_out: bool) -> Case:
    """One of a few other tools, so that the list in the system message is read."""
    other: Other = template(rng, OTHERS, held_out)
    specs = [other.spec, *([WEATHER] if rng.random() < 0.6 else [])]
    rng.shuffle(specs)
    talk = _talk(rng, held_out, specs)
    use = other.draw(rng, Entities(rng, held_out))
    head = _start(rng, talk, (), use.question, held_out)
    call = closed(head, call_text(use.thought, other.spec.name, use.arguments))
    if held_out and rng.random() < 0.5:
        return Case("tools", "call", call, tuple(f'"{v}"' for v in use.arguments.values()))
    return Case("tools", "another", closed((*call, _tool(use.observation)), use.answer), use.expect)


KINDS: tuple[tuple[Callable[[random.Random, bool], Case], int], ...] = (
    (asked, 34), (follow_up, 10), (which_town, 4), (town_told, 5), (at_home, 3), (compare, 3), (failed, 8), (several, 2),
    (corrected, 2), (orders, 2), (beside_passages, 5), (plain, 12), (chatter, 2), (no_tool, 2), (another, 8),
)  # fmt: skip


def generate(rng: random.Random, held_out: bool = False) -> Case:
    """A case of tool use, or of leaving the tools alone."""
    return rng.choices([k for k, _ in KINDS], [n for _, n in KINDS])[0](rng, held_out)


# --- parts -----------------------------------------------------------------------------------


def _start(
    rng: random.Random,
    talk: _Talk,
    turns: Sequence[Turn],
    message: str,
    held_out: bool,
    *,
    as_typed: bool = False,
    passages: Sequence[Passage] = (),
) -> tuple[Message, ...]:
    """The prompt as the engine builds it, sometimes after small talk or in a group."""
    before = list(turns)
    if rng.random() < 0.12:
        talked = rng.choice(smalltalk.EXCHANGES)
        before = [
            Turn("user", smalltalk.said(rng, talked, held_out)), Turn("assistant", rng.choice(talked.answers)), *before,
        ]  # fmt: skip
    if as_typed:
        message = styled(rng, message, talk.who.name)
    named, name = rng.random() < 0.05, rng.choice(w.WOMEN + w.MEN)
    before = [replace(turn, user_name=name) for turn in before]
    return reply_messages(talk.system, before, message, passages, user_name=name, named=named)


def _called(rng: random.Random, where: Place, when: Day) -> tuple[Message, ...]:
    thought = rng.choice(t.THOUGHTS).format(p=where.called, a=when.argument)
    call = call_text(thought, "get_weather", {"location": where.called, "date": when.argument})
    return (Message("assistant", call, trained=True),)


def _exchange(rng: random.Random, where: Place, when: Day, weather: Weather) -> tuple[Message, ...]:
    return (*_called(rng, where, when), _tool(weather.observation(where, when)))


def _tool(observation: dict[str, Any]) -> Message:
    return Message("tool", observation_text(observation))


def _looked_up(
    rng: random.Random,
    talk: _Talk,
    head: Sequence[Message],
    kind: str,
    where: Place,
    when: Day,
    held_out: bool,
) -> Case:
    """The call, its result and the answer; held-out cases end at the call half of the time."""
    called = (*head, *_called(rng, where, when))
    if held_out and rng.random() < 0.5:
        return Case("tools", "call", called, (f'"location": "{where.called}"', f'"date": "{when.argument}"'))
    weather = Weather.draw(rng, span=when.span)
    told = answer(rng, kind, weather, where, when, talk.wry)
    messages = (*called, _tool(weather.observation(where, when)))
    return Case("tools", kind, closed(messages, told), weather.told(told))
