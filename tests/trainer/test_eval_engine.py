"""What evaluation needs of the model thread: scores of tokens, and context-aware decoding."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest
from eval_tiny import make_project

from engine.config import load_config
from engine.errors import InputError
from engine.fakes import KeywordReader
from engine.types import Contrast, GenerationRequest, Message, Passage, Sampling
from trainer.evaluation.options import Options
from trainer.evaluation.session import Session


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("engine"))


def _run(project: Path, use: Any) -> Any:
    async def run() -> Any:
        async with Session(load_config(project), Options(), lambda _: None) as session:
            return await use(session)

    return asyncio.run(run())


def test_score_tokens_equals_a_plain_forward_of_transformers(project: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    ids = (5, 17, 40, 8, 99, 3)
    got = _run(project, lambda s: s.worker.score(ids))
    model = AutoModelForCausalLM.from_pretrained(project.parent / "model", dtype=torch.float32)
    with torch.inference_mode():
        logs = torch.log_softmax(model(torch.tensor([ids])).logits[0, :-1], -1)
    wanted = [float(logs[i, t]) for i, t in enumerate(ids[1:])]
    assert got == pytest.approx(wanted, abs=1e-4)


def test_score_stack_differs_from_base_and_short_text_is_refused(project: Path) -> None:
    async def use(session: Session) -> tuple[Any, Any]:
        ids = (5, 17, 40, 8)
        with pytest.raises(InputError, match="two tokens"):
            await session.worker.score((5,))
        return await session.worker.score(ids), await session.worker.score(ids, session.stack())

    base, both = _run(project, use)
    assert len(base) == len(both) == 3 and base != both


def _greedy(project: Path, weight: float | None) -> tuple[str, int]:
    async def use(session: Session) -> tuple[str, int]:
        full = session.renderer.prompt([Message("user", "Context: the cat sat on the mat. Question: where?")])
        bare = session.renderer.prompt([Message("user", "Question: where?")])
        contrast = None if weight is None else Contrast(bare, weight)
        sampling = Sampling(max_new_tokens=8, temperature=0.0, repetition_penalty=1.0)
        chunks = [
            c async for c in session.worker.generate(GenerationRequest(full, sampling, contrast=contrast))
        ]
        return "".join(c.text for c in chunks), chunks[-1].prompt_tokens

    return _run(project, use)


def test_contrast_weight_zero_is_plain_decoding(project: Path) -> None:
    assert _greedy(project, 0.0) == _greedy(project, None)


def test_contrast_first_token_is_the_best_of_the_combined_logits(project: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(project.parent / "model", dtype=torch.float32)

    async def use(session: Session) -> tuple[str, str]:
        full = session.renderer.prompt([Message("user", "Context: the cat sat on the mat. Question: where?")])
        bare = session.renderer.prompt([Message("user", "Question: where?")])
        with torch.inference_mode():
            a, b = (model(torch.tensor([p.ids])).logits[0, -1] for p in (full, bare))
        ids, wanted = list(full.ids), []
        del ids
        wanted.append(int((3 * a - 2 * b).argmax()))
        sampling = Sampling(max_new_tokens=1, temperature=0.0, repetition_penalty=1.0)
        request = GenerationRequest(full, sampling, contrast=Contrast(bare, 2.0))
        text = "".join([c.text async for c in session.worker.generate(request)])
        return text, session.renderer.tokenizer.decode(wanted)

    said, wanted = _run(project, use)
    assert said == wanted


def test_contrast_whole_reply_follows_both_prompts(project: Path) -> None:
    """Against a plain loop over transformers, so that both caches are fed the same reply."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(project.parent / "model", dtype=torch.float32)

    async def use(session: Session) -> tuple[int, list[int]]:
        full = list(session.renderer.prompt([Message("user", "Context: a b c d. Question: where?")]).ids)
        prompts = [full, list(session.renderer.prompt([Message("user", "Question: where?")]).ids)]
        said: list[int] = []
        for _ in range(8):
            with torch.inference_mode():
                a, b = (model(torch.tensor([p + said])).logits[0, -1] for p in prompts)
            token = int((1.5 * a - 0.5 * b).argmax())
            if token == 3:
                break
            said.append(token)
        sampling = Sampling(max_new_tokens=8, temperature=0.0, repetition_penalty=1.0)
        request = GenerationRequest(
            session.renderer.prompt([Message("user", "Context: a b c d. Question: where?")]),
            sampling,
            contrast=Contrast(session.renderer.prompt([Message("user", "Question: where?")]), 0.5),
        )
        text = "".join([c.text async for c in session.worker.generate(request)])
        assert text == session.renderer.tokenizer.decode(said)
        return len(said), said

    assert _run(project, use)[0] > 0


def test_context_aware_changes_what_is_said_about_passages(project: Path) -> None:
    from engine.types import Passage

    async def use(session: Session) -> set[str]:
        passages = [Passage("The cat sat on the mat and slept.", "Cats")]
        return {
            (await session.having(decoding=d, context_weight=3.0).reply(0, "Where?", passages=passages)).reply
            for d in ("greedy", "context-aware")
        }

    assert len(_run(project, use)) == 2


def test_score_probabilities_are_those_of_a_distribution(project: Path) -> None:
    """The first token's alternatives sum to one."""

    async def use(session: Session) -> float:
        total = 0.0
        for token in range(0, 512):
            total += math.exp((await session.worker.score((7, token)))[0])
        return total

    assert _run(project, use) == pytest.approx(1.0, abs=1e-3)


class ReaderInService(KeywordReader):
    """A reader that can be started and closed, as the real one."""

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass


def test_session_reader_is_served_and_can_be_left_out(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = ReaderInService({"where": "the mat"})
    monkeypatch.setattr("trainer.evaluation.session.configured_reader", lambda *_: reader)
    passages = [Passage("The cat sat on the mat.", "Cat")]

    async def use(session: Session) -> list[Any]:
        asked = [session, session.having(reader=False)]
        return [(await s.reply(0, "Where is it?", passages=passages)).sources[0].found for s in asked]

    assert _run(project, use) == ["the mat", None]
    assert reader.questions == ["Where is it?"]
