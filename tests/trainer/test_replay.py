"""Replayed skills carry the persona's own system message and name."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.load import load_tokenizer
from engine.prompt import CONTEXT_HEAD, Renderer
from trainer.asides import Aside, Asides
from trainer.pairs import Pair
from trainer.replay import Window, replay_examples, talk_examples

STARTER = Path(__file__).parents[2] / "models" / "starter"
SYSTEM = "You are Ada Brook, a lighthouse keeper."


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(load_tokenizer(str(STARTER)))


def test_replay_mixes_grounded_and_identity_cases_under_the_persona(renderer: Renderer) -> None:
    window = Window(renderer, SYSTEM, 400)
    made = replay_examples(window, "Ada Brook", 60, seed=3)
    texts = [renderer.tokenizer.decode(example.ids) for example in made]
    assert len(texts) == 60
    assert all(SYSTEM in text and len(example) <= 400 for text, example in zip(texts, made, strict=True))
    grounded = [text for text in texts if CONTEXT_HEAD in text]
    named = [text for text in texts if "Ada Brook" in text.replace(SYSTEM, "")]
    assert len(grounded) > 20
    assert len(named) > 10
    assert made == replay_examples(window, "Ada Brook", 60, seed=3)
    assert not replay_examples(window, "Ada Brook", 0, seed=3)


def test_asides_stand_behind_a_share_of_the_grounded_answers_and_are_trained(renderer: Renderer) -> None:
    lines = [Aside(absent=True, lines=["The fog kept it."]), Aside(lines=["The lamp saw it."])]
    made = replay_examples(Window(renderer, SYSTEM, 400), "Ada Brook", 80, 3, Asides(aside=lines), 0.5)
    answers = [
        renderer.tokenizer.decode([i for i, trained in zip(e.ids, e.mask, strict=True) if trained])
        for e in made
        if CONTEXT_HEAD in renderer.tokenizer.decode(e.ids)
    ]
    lit = [a for a in answers if "The lamp saw it." in a]
    fogged = [a for a in answers if "The fog kept it." in a]
    assert 0.25 < (len(lit) + len(fogged)) / len(answers) < 0.75
    assert fogged and all("know" in a for a in fogged) and not any("don't know" in a for a in lit)


def test_replayed_conversations_may_stand_behind_the_personas_own(renderer: Renderer) -> None:
    pair = Pair(("Is the lamp lit?",), "It was never out.", "talk.jsonl:1")
    window = Window(renderer, SYSTEM, 500, [pair], 0.5)
    made = replay_examples(window, "Ada Brook", 60, seed=3)
    texts = [renderer.tokenizer.decode(example.ids) for example in made]
    behind = [i for i, text in enumerate(texts) if "It was never out." in text]
    assert 10 < len(behind) < 40
    for i in behind:
        trained = [t for t, is_trained in zip(made[i].ids, made[i].mask, strict=True) if is_trained]
        assert trained and "never out" not in renderer.tokenizer.decode(trained)
        assert texts[i].index("It was never out.") < len(texts[i]) - 60


def test_replay_asks_the_persona_about_itself(renderer: Renderer) -> None:
    made = replay_examples(Window(renderer, SYSTEM, 400), "Ada Brook", 100, seed=3)
    texts = [renderer.tokenizer.decode(example.ids) for example in made]
    assert sum("Ada Brook" in text.partition(CONTEXT_HEAD)[2] for text in texts) > 5


def test_talk_is_plain_and_under_the_persona(renderer: Renderer) -> None:
    window = Window(renderer, SYSTEM, 200)
    made = talk_examples(window, 40, seed=3)
    texts = [renderer.tokenizer.decode(example.ids) for example in made]
    assert len(set(texts)) > 20 and talk_examples(window, 0, seed=3) == []
    assert all(
        SYSTEM in text and CONTEXT_HEAD not in text and len(e) <= 200
        for text, e in zip(texts, made, strict=True)
    )
