"""A T5 is trained by the shipped FLAN-T5 recipe and served by the worker, with the adapter and without."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
import torch
from ada import make_ada, pairs
from small_models import one_thread, save_small  # noqa: F401 one_thread is a fixture

from engine.config import Config, ProfileConfig, WorkerConfig
from engine.errors import ModelError
from engine.model.load import load_tokenizer
from engine.model.worker import ModelWorker
from engine.prompt import Renderer
from engine.types import Chunk, Contrast, GenerationRequest, Message, Prompt, Sampling, Stack
from trainer.persona import train_persona

RECIPE = Path(__file__).parents[2] / "trainer" / "configs" / "document-assistant-flan-t5.toml"
GREEDY = Sampling(temperature=0.0, max_new_tokens=12, repetition_penalty=1.0)
ASKED = [Message("system", "You are Ada."), Message("user", "Who are you, 3?")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of a tiny T5 and of the adapter trained on it."""
    root = tmp_path_factory.mktemp("t5")
    model = save_small("t5", root / "t5", template=False)
    persona = make_ada(root, pairs(12))
    lines = RECIPE.read_text(encoding="utf-8")
    recipe = root / "recipe.toml"
    changed = re.sub(r"(?m)^(base|learning_rate|epochs|warmup_steps|replay|batch_size) = .*\n", "", lines)
    changed = changed.replace("[[phase]]\n", "[[phase]]\nepochs = 6\nlearning_rate = 3e-2\n")
    recipe.write_text(f"batch_size = 4\nreplay = 0.0\n{changed}", encoding="utf-8")
    profile = {"model": str(model), "device": "cpu", "context_tokens": 256}
    config = Config.model_validate({"root": root, "profiles": {"starter": profile}})
    train_persona(config, persona, pair_files=(), recipe=recipe)
    (adapter,) = (persona / "adapters").iterdir()
    return model, adapter


async def reply(worker: ModelWorker, request: GenerationRequest) -> tuple[str, Chunk]:
    chunks = [chunk async for chunk in worker.generate(request)]
    return "".join(chunk.text for chunk in chunks), chunks[-1]


def expected(model: Path, prompt: Prompt, adapter: Path | None) -> str:
    """What transformers and plain PEFT write."""
    from peft import PeftModel
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    base = AutoModelForSeq2SeqLM.from_pretrained(model, dtype=torch.float32).eval()
    whole = base if adapter is None else PeftModel.from_pretrained(base, adapter).eval()
    tokenizer = AutoTokenizer.from_pretrained(model)
    source = torch.tensor([[*prompt.ids, tokenizer.eos_token_id]])
    with torch.inference_mode():
        out = whole.generate(input_ids=source, max_new_tokens=12, do_sample=False, num_beams=1)
    return tokenizer.decode(out[0, 1:], skip_special_tokens=True).strip()


async def test_worker_serves_a_trained_t5_with_its_adapter_and_without(trained: tuple[Path, Path]) -> None:
    model, adapter = trained
    worker = ModelWorker(str(model), ProfileConfig(device="cpu", context_tokens=256), WorkerConfig())
    await worker.start()
    try:
        info = await worker.load_adapter(adapter)
        prompt = Renderer(load_tokenizer(str(model))).prompt(ASKED)
        stack: Stack = ((info.name, 1.0),)
        asked = [GenerationRequest(prompt, GREEDY, s) for s in (stack, (), stack, ())]
        told = await asyncio.gather(*(reply(worker, one) for one in asked))  # side by side, rows differ
        texts = [text.strip() for text, _ in told]
        assert texts[0] == texts[2] == expected(model, prompt, adapter)
        assert texts[1] == texts[3] == expected(model, prompt, None)
        assert texts[0] != texts[1]
        assert told[0][1].prompt_tokens == len(prompt.ids) + 1  # and the end that the encoder reads
        shares = await worker.choose(prompt, ("RETRIEVE", "NO_RETRIEVE"))
        assert sum(shares) == pytest.approx(1.0)
        with pytest.raises(ModelError, match="decoder model"):
            await worker.score(prompt.ids)
        contrast = GenerationRequest(prompt, GREEDY, contrast=Contrast(prompt, 1.0))
        assert (await reply(worker, contrast))[0].strip() == texts[
            1
        ]  # a prompt against itself changes nothing
    finally:
        await worker.close()
