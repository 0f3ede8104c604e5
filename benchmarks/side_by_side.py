"""Replies side by side: tokens a second of one forward for all, against each in turn and transformers.

The same prompts, greedy, no end-of-turn, prompts' reading included. transformers' `generate` gets all
prompts as one left-padded batch, which is its fastest way and serves no one who comes later. Rounds
change the order of the sides; the medians are told. `mixed` runs every reply with other adapters.

    python benchmarks/side_by_side.py --save side_by_side
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench import ROOT, parser, report

Prompts = list[tuple[int, ...]]


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--model", type=Path, default=ROOT / "models" / "starter")
    made.add_argument("--wide", action="store_true", help="a Llama 512 wide with random weights instead")
    made.add_argument("--replies", type=int, nargs="+", default=[1, 4, 8])
    made.add_argument("--tokens", type=int, default=48, help="of each reply")
    made.add_argument("--rounds", type=int, default=5)
    args = made.parse_args()
    if args.quick:
        args.replies, args.tokens, args.rounds = [2], 4, 1
    result = measure(args)
    lines = [
        f"{'replies':>8}" + "".join(f"{side:>14}" for side in ("together", "in turn", "generate", "mixed"))
    ]
    for row in result["rows"]:
        told = (row["together"], row["in_turn"], row["generate"], row["mixed"])
        lines.append(f"{row['replies']:>8}" + "".join(f"{x:>14.0f}" for x in told))
    return report(args, result, "\n".join([*lines, "tokens a second of all replies"]))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every number of replies on every side."""
    import torch

    from engine.config import ProfileConfig
    from engine.model.load import load_model
    from engine.model.runner import Runner

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = _wide(Path(place), args.model) if args.wide else args.model
        loaded = load_model(str(folder), ProfileConfig(model=str(folder), dtype="float32", device="cpu"))
        plain = load_model(str(folder), ProfileConfig(model=str(folder), dtype="float32", device="cpu")).model
        runner = Runner(loaded, prefix_bytes=0)
        stacks = _adapters(runner)
        rows = []
        for n in args.replies:
            prompts = _prompts(n, loaded.vocab_size)
            sides: dict[str, Callable[[], None]] = {
                "together": lambda p=prompts: _write(runner, p, args.tokens, True, [()]),
                "in_turn": lambda p=prompts: _write(runner, p, args.tokens, False, [()]),
                "generate": lambda p=prompts: _generate(plain, p, args.tokens),
                "mixed": lambda p=prompts: _write(runner, p, args.tokens, True, stacks),
            }
            rows.append({"replies": n, **_race(sides, args.rounds, n * args.tokens)})
    return {"model": "llama 512 x 8" if args.wide else args.model.name, "tokens": args.tokens,
            "rounds": args.rounds, "rows": rows}  # fmt: skip


def _race(sides: dict[str, Callable[[], None]], rounds: int, tokens: int) -> dict[str, float]:
    """Median tokens a second of each side; the first, unmeasured round warms up."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name in random.Random(number).sample(sorted(sides), len(sides)):
            began_s = time.perf_counter()
            sides[name]()
            if number:
                times[name].append(time.perf_counter() - began_s)
    return {name: round(tokens / statistics.median(taken), 1) for name, taken in times.items()}


def _prompts(n: int, vocabulary: int) -> Prompts:
    rng = random.Random(n)
    return [tuple(rng.randrange(20, vocabulary) for _ in range(rng.randint(60, 200))) for _ in range(n)]


def _write(runner: Any, prompts: Prompts, tokens: int, together: bool, stacks: list[Any]) -> None:
    """All replies through the runner, as the scheduler does it."""
    from engine.types import GenerationRequest, Prompt, Sampling

    sampling = Sampling(temperature=0.0, max_new_tokens=tokens + 1)
    active = []
    for number, ids in enumerate(prompts):
        sequence = runner.open(GenerationRequest(Prompt((), ids), sampling, stacks[number % len(stacks)]))
        sequence._eos_ids = frozenset()
        while runner.step(sequence) is None:
            pass
        active.append(sequence)
    for _ in range(tokens - 1):
        if together:
            runner.step_all(active)
        else:
            for sequence in active:
                runner.step(sequence)
    for sequence in active:
        runner.close(sequence)


def _generate(model: Any, prompts: Prompts, tokens: int) -> None:
    """One left-padded batch."""
    import torch

    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + list(p) for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    with torch.inference_mode():
        model.generate(ids, attention_mask=mask, max_new_tokens=tokens, min_new_tokens=tokens,
                       do_sample=False, pad_token_id=0)  # fmt: skip


def _adapters(runner: Any) -> list[Any]:
    """Stacks of random adapters, r = 8 and r = 32, on the runner's query, key and value projections."""
    import torch

    from engine.model.lora import LoraPair
    from engine.types import AdapterInfo

    sizes = {
        name: (module.in_features, module.out_features)
        for name, module in runner._model.named_modules()
        if name.endswith(("q_proj", "k_proj", "v_proj"))
    }
    for adapter, rank in (("identity", 8), ("style", 32)):
        pairs = {
            name: LoraPair(torch.randn(rank, wide) * 0.01, torch.randn(out, rank) * 0.01)
            for name, (wide, out) in sizes.items()
        }
        runner.shelf.put(AdapterInfo(adapter, adapter, rank, 1.0), Path(adapter), pairs)
    return [(), (("identity", 1.0),), (("identity", 1.0), ("style", 1.0)), (("style", 0.5),)]


def _wide(place: Path, tokenizer_of: Path) -> Path:
    """A folder with a Llama of random weights, 512 wide, 8 layers."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(vocab_size=32_000, hidden_size=512, intermediate_size=1408, num_hidden_layers=8,
                         num_attention_heads=8, num_key_value_heads=4, max_position_embeddings=2048,
                         tie_word_embeddings=True)  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(place)
    AutoTokenizer.from_pretrained(tokenizer_of).save_pretrained(place)
    return place


if __name__ == "__main__":
    sys.exit(main())
