"""One side of `train_speed.py`, in a process of its own: trains a short run and tells what it took.

Both sides are given the same weights, the same fresh adapter, the same token ids and loss masks in
the same order, the same optimizer and the same rates. Knows nothing of rounds or of the other side.
"""

from __future__ import annotations

import ctypes
import gc
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import KNOWLEDGE, ROOT

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

STARTER = ROOT / "models" / "starter"
SHAPES = {  # hidden, MLP, layers, heads, heads of keys, vocabulary
    "llama-512": (512, 1408, 8, 8, 4, 32_000),
    "tiny": (64, 128, 2, 4, 2, 512),
}
SHORTEST, LONGEST = 30, 400  # tokens of a chat
PACKED_ROW = 512  # tokens of a row that TRL packs


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process trains."""

    side: str
    """ours, trl, trl-pure (bfloat16 weights without autocast), or trl-packed."""
    model: str
    dtype: str
    seed: int = 0
    warm: int = 2
    """Steps before the clock starts."""
    steps: int = 6
    """Steps that are timed."""
    dropout: float = 0.05
    system: int = 0
    """Tokens that all chats begin with."""
    batch: int = 2
    accumulation: int = 4
    learning_rate: float = 1e-4
    weight_decay: float = 0.05
    threads: int = 1

    @property
    def chats(self) -> int:
        """How many examples the run has."""
        return (self.warm + self.steps) * self.batch * self.accumulation


@dataclass(slots=True)
class Meter:
    """Reads the clock after each optimizer step."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    trained: list[int] = field(default_factory=list)  # tokens of each step that carry loss
    tokens: list[int] = field(default_factory=list)  # of each step, padding left out
    losses: list[float] = field(default_factory=list)  # of each step, nats per trained token

    def tick(self) -> None:
        """A step is over."""
        self.wall.append(time.perf_counter())
        self.cpu.append(time.process_time())

    def result(self, plan: Plan, above_mb: float) -> dict[str, Any]:
        """Rates between the end of the warm-up and the end of the last step."""
        first = plan.warm - 1
        wall, cpu = self.wall[-1] - self.wall[first], self.cpu[-1] - self.cpu[first]
        trained, tokens = sum(self.trained[plan.warm :]), sum(self.tokens[plan.warm :])
        return {
            "side": plan.side,
            "steps": len(self.wall) - plan.warm,
            "trained_tokens": trained,
            "tokens": tokens,
            "seconds": round(wall, 3),
            "trained_per_s": round(trained / wall, 2),
            "tokens_per_s": round(tokens / wall, 2),
            "trained_per_cpu_s": round(trained / cpu, 2),
            "peak_mb": round(above_mb, 1),
            "process_mb": round(_status("VmHWM"), 1),
            "losses": [round(loss, 5) for loss in self.losses],
        }


# --- what both sides are given ----------------------------------------------------------------


def base_model(plan: Plan) -> Any:
    """The frozen weights: the shipped model, or random ones that the seed tells."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    dtype = torch.bfloat16 if plan.dtype == "bf16" else torch.float32
    if plan.model == "starter":
        model = AutoModelForCausalLM.from_pretrained(STARTER, dtype=dtype)
    else:
        width, mlp, layers, heads, keys, vocabulary = SHAPES[plan.model]
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=mlp,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=keys,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            bos_token_id=0,
            eos_token_id=4,
            pad_token_id=5,
        )
        model = LlamaForCausalLM(config).to(dtype)
    model.config.use_cache = False
    return model


def chats(plan: Plan) -> list[Any]:
    """Rendered chats: many short ones, few long ones, a third to two thirds of each trained."""
    from trainer.pairs import Example

    rng = random.Random("chats")  # the same for every seed, which orders them
    draw = _stream(plan, rng)
    start = draw(plan.system)
    made = []
    for _ in range(plan.chats):
        length = int(min(LONGEST, max(SHORTEST, rng.lognormvariate(4.5, 0.65))))
        reply = max(4, int(length * rng.uniform(0.33, 0.67)))
        ids = start + draw(length)
        made.append(Example(tuple(ids), tuple([False] * (len(ids) - reply) + [True] * reply)))
    return made


def _stream(plan: Plan, rng: random.Random) -> Any:
    """A function from a number to so many token ids: slices of real text, or few ids often."""
    if plan.model != "starter":
        vocabulary = SHAPES[plan.model][5]
        return lambda n: [8 + int((vocabulary - 8) * rng.random() ** 4) for _ in range(n)]
    from transformers import AutoTokenizer

    text = "\n".join(p.read_text("utf-8") for p in sorted(KNOWLEDGE.rglob("*.md")))
    ids = AutoTokenizer.from_pretrained(STARTER)(text, verbose=False).input_ids

    def cut(n: int) -> list[int]:
        at = rng.randrange(len(ids) - n)
        return list(ids[at : at + n])

    return cut


def adapter(plan: Plan) -> tuple[Any, Any]:
    """The recipe's phase and the recipe: one epoch of r 8 on q, k and v."""
    from trainer.recipe import Phase, Recipe

    phase = Phase(
        name="persona",
        r=8,
        alpha=16,
        dropout=plan.dropout,
        learning_rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        epochs=1,
        warmup_steps=2,
    )
    recipe = Recipe(batch_size=plan.batch, accumulation=plan.accumulation, seed=plan.seed, phase=[phase])
    return phase, recipe


def settled_mb() -> float:
    """Resident memory after everything that can be given back was; the peak counts from here."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what is held now
    return _status("VmRSS")


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / 1024


# --- the sides --------------------------------------------------------------------------------


def ours(plan: Plan, model: Any, examples: Sequence[Any]) -> dict[str, Any]:
    """`trainer.lora.train_phase`, as `understudy train` calls it, without held-out data."""
    from trainer.lora import train_phase

    phase, recipe = adapter(plan)
    meter = Meter()
    order = step_order(plan, examples)
    per_step = plan.batch * plan.accumulation

    class Clock:
        def event(self, event: dict[str, Any]) -> None:
            if event["kind"] == "step":
                meter.tick()
                step = order[(event["step"] - 1) * per_step : event["step"] * per_step]
                meter.trained.append(sum(e.trained for e in step))
                meter.tokens.append(sum(map(len, step)))
                meter.losses.append(event["loss"])

    before = settled_mb()
    train_phase(model, phase, recipe, examples, [], 5, observers=[Clock()])
    return meter.result(plan, _status("VmHWM") - before)


def step_order(plan: Plan, examples: Sequence[Any]) -> list[Any]:
    """The examples as our loop's first epoch takes them; the other side gets them so."""
    order = list(range(len(examples)))
    random.Random(f"{plan.seed}/0").shuffle(order)
    return [examples[i] for i in order]


def theirs(plan: Plan, model: Any, examples: Sequence[Any]) -> dict[str, Any]:
    """TRL's SFTTrainer: nothing evaluated, saved, logged or checkpointed."""
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from trainer.lora import cosine_rate

    packing = plan.side == "trl-packed"
    for parameter in model.parameters():
        if parameter.requires_grad:  # as PEFT keeps them for SFTTrainer; ours has float32 masters
            parameter.data = parameter.data.float()
    meter = Meter()

    class Measured(SFTTrainer):  # type: ignore[misc]
        fresh = True

        def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            if self.fresh:
                self.fresh = False
                for series in (meter.trained, meter.tokens, meter.losses):
                    series.append(0)
            meter.trained[-1] += int((inputs["labels"][:, 1:] != -100).sum())
            there = inputs.get("attention_mask")
            meter.tokens[-1] += inputs["input_ids"].numel() if there is None else int(there.sum())
            loss = super().training_step(model, inputs, *args, **kwargs)
            meter.losses[-1] += float(loss)
            return loss

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            meter.tick()
            trainer.fresh = True

    rows = [
        {"input_ids": list(e.ids), "labels": [i if m else -100 for i, m in zip(e.ids, e.mask, strict=True)]}
        for e in step_order(plan, examples)
    ]
    tokenizer = AutoTokenizer.from_pretrained(STARTER)
    with tempfile.TemporaryDirectory() as folder:
        before = settled_mb()
        arguments = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=1 if packing else plan.batch,
            gradient_accumulation_steps=2 if packing else plan.accumulation,
            num_train_epochs=1,
            packing=packing,
            max_length=PACKED_ROW if packing else None,
            train_sampling_strategy="sequential",
            bf16=plan.dtype == "bf16" and plan.side != "trl-pure",
            gradient_checkpointing=False,
            use_cpu=True,
            dataloader_num_workers=0,
            dataloader_pin_memory=False,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            seed=plan.seed,
        )
        wanted = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            wanted, lr=plan.learning_rate, weight_decay=plan.weight_decay, fused=True
        )
        steps = plan.warm + plan.steps
        warmup = min(2, steps // 4)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine_rate(step, warmup, steps))
        trainer = Measured(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            optimizers=(optimizer, schedule),
            callbacks=[Clock()],
        )
        trainer.train()
    return meter.result(plan, _status("VmHWM") - before)


def main() -> int:
    """Take a plan as JSON from the command line; print one object."""
    plan = Plan(**json.loads(sys.argv[1]))
    import torch

    torch.set_num_threads(plan.threads)
    from trainer.attach import attach

    examples = chats(plan)
    phase, _ = adapter(plan)
    model = base_model(plan)
    torch.manual_seed(plan.seed)
    model = attach(model, phase, [])
    with torch.no_grad():
        for parameter in model.parameters():  # a file that is only mapped is read now
            parameter.sum()
    result = (ours if plan.side == "ours" else theirs)(plan, model, examples)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
