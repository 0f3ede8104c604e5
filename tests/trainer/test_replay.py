"""Replayed skills carry the persona's own system message and name."""

from __future__ import annotations

from pathlib import Path

from engine.model.load import load_tokenizer
from engine.prompt import CONTEXT_HEAD, Renderer
from trainer.replay import replay_examples, talk_examples

STARTER = Path(__file__).parents[2] / "models" / "starter"
SYSTEM = "You are Ada Brook, a lighthouse keeper."


def test_replay_mixes_grounded_and_identity_cases_under_the_persona() -> None:
    renderer = Renderer(load_tokenizer(str(STARTER)))
    made = replay_examples(renderer, SYSTEM, "Ada Brook", 60, 400, seed=3)
    texts = [renderer.tokenizer.decode(example.ids) for example in made]
    assert len(texts) == 60
    assert all(SYSTEM in text and len(example) <= 400 for text, example in zip(texts, made, strict=True))
    grounded = [text for text in texts if CONTEXT_HEAD in text]
    named = [text for text in texts if "Ada Brook" in text.replace(SYSTEM, "")]
    assert len(grounded) > 20
    assert len(named) > 10
    assert made == replay_examples(renderer, SYSTEM, "Ada Brook", 60, 400, seed=3)


def test_talk_is_plain_and_under_the_persona() -> None:
    renderer = Renderer(load_tokenizer(str(STARTER)))
    made = talk_examples(renderer, SYSTEM, 40, 200, seed=3)
    texts = [renderer.tokenizer.decode(example.ids) for example in made]
    assert len(set(texts)) > 20 and talk_examples(renderer, SYSTEM, 0, 200, seed=3) == []
    assert all(
        SYSTEM in text and CONTEXT_HEAD not in text and len(e) <= 200
        for text, e in zip(texts, made, strict=True)
    )
