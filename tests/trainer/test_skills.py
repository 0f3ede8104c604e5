"""The skill generators: answers hold, held-out material stays out, prompts are the engine's own."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from engine.prompt import (
    ANALYZER_SYSTEM,
    CONTEXT_HEAD,
    CONTEXT_RULE,
    LABELS,
    POSSIBLE,
    REWRITE_SYSTEM,
    analyzer_messages,
)
from engine.types import Turn
from trainer.skills import (
    about,
    analyzer,
    copying,
    everyday,
    exam,
    grounded,
    identity,
    listening,
    memory,
    rewrite,
    smalltalk,
)
from trainer.skills.case import Case, Generate, reserved
from trainer.skills.changes import CHANGES
from trainer.skills.entities import Entities
from trainer.skills.rewrite_lines import ANY, BY_NOUN
from trainer.skills.scenes import SCENES

MAKERS: tuple[Generate, ...] = (
    grounded.generate,
    exam.generate,
    analyzer.generate,
    rewrite.generate,
    identity.generate,
    smalltalk.generate,
    everyday.generate,
    copying.generate,
    about.generate,
    memory.generate,
)


def _cases(make: Generate, n: int, held_out: bool = False, seed: int = 1) -> list[Case]:
    rng = random.Random(seed)
    return [make(rng, held_out) for _ in range(n)]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("held_out", [False, True])
def test_generate_any_skill_makes_clean_cases(make: Generate, held_out: bool) -> None:
    for case in _cases(make, 150, held_out):
        assert case.messages[-1].role == "assistant" and case.messages[-1].trained
        roles = [m.role for m in case.messages]
        assert roles[0] == "system" and all(a != b for a, b in pairwise(roles))
        for message in case.messages:
            assert message.content and message.content == message.content.strip()
            assert not re.search(r"[{}|]", message.content), message.content
        for wanted in case.expect:
            assert wanted.lower() in case.answer.lower(), (case.kind, wanted, case.answer)


@pytest.mark.parametrize("make", MAKERS)
def test_generate_same_seed_makes_same_cases(make: Generate) -> None:
    assert _cases(make, 20) == _cases(make, 20)


def test_entities_held_out_names_never_meet_training_names() -> None:
    train, held = Entities(random.Random(1)), Entities(random.Random(1), held_out=True)
    ours, theirs = {train.stem() for _ in range(4000)}, {held.stem() for _ in range(4000)}
    assert not ours & theirs
    assert all(map(reserved, theirs)) and not any(map(reserved, ours))


@pytest.mark.parametrize("make", [grounded.generate, rewrite.generate, about.generate, copying.generate])
def test_training_cases_hold_no_held_out_name(make: Generate) -> None:
    held = Entities(random.Random(7), held_out=True)
    names = {held.stem() for _ in range(3000)} | {held.title() for _ in range(1500)}
    for case in _cases(make, 400):
        text = " ".join(m.content for m in case.messages)
        for word in re.findall(r"[A-Z][a-z]+", text):
            assert word not in names, (word, text)


def test_training_cases_hold_no_held_out_question_kind() -> None:
    kept = [f for s in SCENES for f in s.facts if f.held]
    assert kept
    beginnings = [re.split(r"\{\w\}", a)[0] for f in kept for a in f.asks]
    rare = [b for b in beginnings if len(b.split()) >= 4]
    for case in _cases(grounded.generate, 600):
        assert not any(b in m.content for b in rare for m in case.messages)


def test_training_cases_never_say_what_is_kept_back() -> None:
    kept = {s for s in smalltalk.SAID if reserved(s)}
    assert len(kept) > 20
    for make in (smalltalk.generate, rewrite.generate, memory.generate, identity.generate):
        for case in _cases(make, 300):
            said = {m.content for m in case.messages if m.role == "user"}
            said |= {line.split(": ", 1)[-1] for t in said for line in t.splitlines()}
            assert not said & kept
    for case in _cases(analyzer.generate, 500):
        assert case.messages[1].content.rsplit("Last question: ", 1)[1] not in kept


def test_grounded_prompt_is_what_the_engine_renders() -> None:
    shown = 0
    for case in _cases(grounded.generate, 60):
        asked = next((m.content for m in case.messages if CONTEXT_HEAD in m.content), None)
        if asked is None:
            continue
        shown += 1
        context, question = re.split(f"\n\n{CONTEXT_RULE}\n\n(?:{POSSIBLE}.+\n)?Question: ", asked)
        ahead, context = context.split(f"\n\n{CONTEXT_HEAD}")
        assert ahead.endswith(f"Question: {question}")
        assert all(
            re.match(r"\[\d\] [^\n]+?( \(\d{4}-\d\d-\d\d\))?: ", line) for line in context.splitlines()[1:]
        )
    assert shown > 40


def test_analyzer_prompt_is_what_the_engine_renders() -> None:
    assert analyzer.generate(random.Random(0)).messages[0].content == ANALYZER_SYSTEM
    for case in _cases(analyzer.generate, 100):
        head, last = case.messages[1].content.rsplit("Last question: ", 1)
        lines = head.removeprefix("Conversation:\n").strip().splitlines()
        turns = [
            Turn("user" if line.startswith("User: ") else "assistant", line.split(": ", 1)[1])
            for line in lines
        ]
        assert analyzer_messages(turns, last) == case.prompt
        assert case.answer in LABELS


def test_analyzer_both_labels_are_equally_common() -> None:
    share = sum(c.kind == LABELS[0] for c in _cases(analyzer.generate, 1000)) / 1000
    assert 0.44 < share < 0.56


def test_rewrite_answers_name_the_subject_that_the_question_left_out() -> None:
    for case in _cases(rewrite.generate, 200):
        assert case.messages[0].content == REWRITE_SYSTEM
        last = case.messages[1].content.rsplit("Last question: ", 1)[1]
        assert case.expect[0] in case.answer
        if case.kind in ("pronoun", "switch"):
            assert case.expect[0] not in last


def test_identity_answers_come_from_the_system_prompt() -> None:
    for case in _cases(identity.generate, 300):
        for name in case.expect:
            assert name in case.messages[0].content and name in case.answer


def test_newest_of_conflicting_passages_wins() -> None:
    for seed in range(60):
        case = grounded.newest(random.Random(seed), False)
        lines = [x for x in case.messages[-2].content.splitlines() if re.match(r"\[\d\] ", x)]
        dated = sorted(lines, key=lambda x: re.search(r"\((\d{4}-\d\d-\d\d)\): ", x)[1])  # type: ignore[index]
        assert case.expect[0].lower() in dated[-1].lower()


def test_every_question_names_its_subject() -> None:
    for scene in SCENES:
        for fact in scene.facts:
            assert all("{s}" in ask.lower() for ask in fact.asks), fact
            assert all(re.search("{[xs]}", say.lower()) for say in fact.says), fact
    for change in CHANGES:
        assert all("{s}" in text.lower() for text in (*change.asks, *change.before, *change.after)), change
    for line in (*ANY, *(line for lines in BY_NOUN.values() for line in lines)):
        short, full = line.split("|")
        assert "{s}" in full
        assert "{s}" not in short


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("make", [exam.exam, exam.roll])
def test_exam_asks_many_questions_of_passages_that_hold_the_answers(
    make: Callable[[random.Random, bool], exam.Exam], held_out: bool
) -> None:
    rng = random.Random(11)
    for _ in range(60):
        case = exam.conversation(make(rng, held_out), rng, held_out)
        context, _, first = case.messages[1].content.rpartition("Question: ")
        asked = [first, *(m.content for m in case.messages[3::2])]
        assert len(asked) == len(set(asked))
        assert all(m.trained for m in case.messages[2::2])
        assert len(case.messages) <= 2 * exam.MOST_QUESTIONS + 1
        context = context.partition(CONTEXT_HEAD)[2].partition(CONTEXT_RULE)[0]
        if case.expect != ("know",):
            assert case.expect[0].lower() in context.lower()
            assert case.answer in context or case.expect[0].lower() in case.answer.lower()


def test_moved_names_both_values_and_answers_with_the_one_that_holds() -> None:
    rng = random.Random(12)
    for _ in range(60):
        case = exam.conversation(exam.moved(rng), rng)
        context = case.messages[1].content
        assert CONTEXT_HEAD in context
        assert case.expect[0].lower() in context.lower()
        assert case.expect[0].lower() in case.answer.lower()


def test_history_puts_the_newest_passage_first_and_answers_from_it() -> None:
    rng = random.Random(13)
    for _ in range(60):
        case = exam.conversation(exam.history(rng), rng)
        lines = [line for line in case.messages[1].content.splitlines() if line.startswith("[")]
        days = [re.search(r"\((\d{4}-\d\d-\d\d)\): ", line)[1] for line in lines]  # type: ignore[index]
        assert days == sorted(days, reverse=True)
        assert any(case.expect[0].lower() in line.lower() for line in lines)


def test_everyday_answers_name_nothing_that_was_not_said() -> None:
    for told in everyday.TOLD:
        said = {slot for way in told.says for slot in everyday.SLOT.findall(way)}
        assert set(everyday.SLOT.findall("".join((*told.says, *told.answers)))) <= everyday.lines.SLOTS.keys()
        assert bool(told.nexts) == bool(told.closes)
        for way in told.says:  # whichever way is drawn, one answer fits it or proposes something itself
            names = set(everyday.SLOT.findall(way))
            fits = [a for a in told.answers if set(everyday.SLOT.findall(a)) <= names]
            assert fits or not said, (way, told.answers)


def test_everyday_pet_keeps_its_name_through_a_conversation() -> None:
    slots = everyday.Slots(random.Random(3), held_out=False)
    first, again = (
        slots.fill("My {pet} is called {petname}."),
        slots.fill("{petname} is a fine name for a {pet}."),
    )
    assert slots.values["petname"] in first and slots.values["petname"] in again
    assert slots.known(("Hello, {petname}!", "I know {city}.")) == ["Hello, {petname}!"]


@pytest.mark.parametrize(
    ("said", "shared"),
    [("I love old trains.", "old trains"), ("Have you seen Jaws?", "I haven't seen Jaws"),
     ("Yesterday my brother laughed a lot", "your brother"), ("What's your favorite river?", "river")],
)  # fmt: skip
def test_listening_answers_pick_up_what_was_said(said: str, shared: str) -> None:
    answers = {listening.answer(said, random.Random(seed)) for seed in range(40)}
    assert len(answers) > 1 and all(shared in a for a in answers)


def test_listening_answers_what_fits_no_rule_with_what_fits_anything() -> None:
    assert {listening.answer("A green door.", random.Random(s)) for s in range(90)} == set(listening.ANYTHING)
