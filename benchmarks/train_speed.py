"""Training an adapter: our phase trainer against TRL's SFTTrainer, in turns, on the same tokens.

A round is one process a side, one after the other, in changing order; each round has another seed,
of the adapter's weights, the dropout and the order of the chats. The clock runs from the end of the
warm-up to the end of the last step, and memory is the peak above the loaded model. `train_sides.py`
is such a process.

    python benchmarks/train_speed.py --model starter --dtype fp32 bf16 --rounds 3
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import median, stdev
from typing import Any

from bench import parser, report
from train_sides import Plan

Rounds = dict[str, list[dict[str, Any]]]  # of each side
RATES = ("trained_per_s", "tokens_per_s", "trained_per_cpu_s")
PEERS = ("trl", "trl-pure", "trl-packed")
SPEED_BAR, MEMORY_BAR = 2.0, 0.7
STEPS = {"llama-512": 4, "starter": 16, "tiny": 2}
LEARNING_RATES = {"llama-512": 1e-4, "starter": 5e-4, "tiny": 1e-3}


def main(words: Sequence[str] | None = None) -> int:
    """Run it; see --help."""
    made = parser(__doc__)
    made.add_argument(
        "--model", nargs="+", choices=("llama-512", "starter"), default=["llama-512", "starter"]
    )
    made.add_argument("--dtype", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"])
    made.add_argument("--peer", nargs="+", choices=PEERS, help="default: all that the precision has")
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--system", type=int, default=0, help="tokens that all chats begin with")
    made.add_argument("--dropout", type=float, default=0.05, help="0: both sides compute the same numbers")
    args = made.parse_args(words)
    if importlib.util.find_spec("trl") is None:
        print("The other side is missing: pip install 'understudy[bench]'", file=sys.stderr)
        return 1
    if args.quick:
        args.model, args.dtype, args.rounds, args.dropout = ["tiny"], ["fp32"], 1, 0.0
    runs = [compare(model, dtype, args) for model in args.model for dtype in args.dtype]
    versions = {name: version(name) for name in ("torch", "transformers", "peft", "trl")}
    return report(args, {"runs": runs, "threads": 1, **versions}, "\n\n".join(map(table, runs)))


def compare(model: str, dtype: str, args: Any) -> dict[str, Any]:
    """Rounds of all sides on one model, and what they come to."""
    peers = [peer for peer in args.peer or PEERS if dtype == "bf16" or peer != "trl-pure"]
    sides = ["ours", *peers]
    rounds: Rounds = {side: [] for side in sides}
    for number in range(args.rounds):
        turn = number % len(sides)
        for side in sides[turn:] + sides[:turn]:
            plan = Plan(
                side,
                model,
                dtype,
                seed=number,
                steps=STEPS[model],
                dropout=args.dropout,
                system=args.system,
                learning_rate=LEARNING_RATES[model],
            )
            rounds[side].append(measured(plan))
            rate = rounds[side][-1]["trained_per_cpu_s"]
            print(f"{model} {dtype} round {number + 1} {side}: {rate} tokens/CPU s", file=sys.stderr)
    settings = {"model": model, "dtype": dtype, "system": args.system, "dropout": args.dropout}
    found = {peer: against(rounds["ours"], rounds[peer]) for peer in peers}
    for peer in peers:
        if peer != "trl-packed":  # its steps hold other chats
            found[peer] |= loss_difference(rounds["ours"], rounds[peer])
    return {**settings, "sides": {side: medians(rounds[side]) for side in sides}, "ours_against": found}


def measured(plan: Plan) -> dict[str, Any]:
    """One side's run in a process of its own, on one thread."""
    threads = {name: str(plan.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    quiet = {"HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("train_sides.py")), json.dumps(asdict(plan))],
        capture_output=True,
        text=True,
        env={**os.environ, **quiet, **threads},
    )
    if done.returncode:
        raise SystemExit(f"{plan.side} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def medians(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A side's rounds in one row, and their mean losses one by one."""
    keys = (*RATES, "peak_mb", "process_mb", "steps", "tokens", "trained_tokens", "seconds")
    row = {key: round(median(r[key] for r in rounds), 2) for key in keys}
    return {**row, "mean_losses": [mean_loss(r) for r in rounds], "losses": [r["losses"] for r in rounds]}


def against(ours: Sequence[dict[str, Any]], peer: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians of each round's ratio, ours to the peer's."""

    def ratio(key: str) -> float:
        return round(median(a[key] / b[key] for a, b in zip(ours, peer, strict=True)), 3)

    found = {key: ratio(key) for key in (*RATES, "peak_mb", "process_mb")}
    met = {"speed_met": found["trained_per_s"] >= SPEED_BAR, "memory_met": found["peak_mb"] <= MEMORY_BAR}
    return {**found, **met}


def mean_loss(one: dict[str, Any]) -> float:
    """Over the steps of a run."""
    return round(sum(one["losses"]) / len(one["losses"]), 5)


def loss_difference(ours: Sequence[dict[str, Any]], peer: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How far the sides' losses are apart at the same step and seed, beside how far seeds are."""
    pairs = [
        (a, b) for x, y in zip(ours, peer, strict=True) for a, b in zip(x["losses"], y["losses"], strict=True)
    ]
    means = [mean_loss(x) - mean_loss(y) for x, y in zip(ours, peer, strict=True)]
    noise = [stdev(map(mean_loss, side)) for side in (ours, peer)] if len(ours) > 1 else []
    return {
        "same_tokens": all(
            x["trained_tokens"] == y["trained_tokens"] for x, y in zip(ours, peer, strict=True)
        ),
        "step_loss_apart_max": round(max(abs(a - b) for a, b in pairs), 5),
        "mean_loss_apart_max": round(max(map(abs, means)), 5),
        "mean_loss_stdev_of_seeds": round(max(noise), 5) if noise else None,
    }


def table(run: dict[str, Any]) -> str:
    """What a person reads."""
    head = f"{run['model']} {run['dtype']}, {run['system']} shared tokens, dropout {run['dropout']}"
    lines = [head, f"{'':12}trained/s    all/s  trained/CPU s  peak MB above the model"]
    for side, row in run["sides"].items():
        lines.append(
            f"{side:12}{row['trained_per_s']:9.1f}{row['tokens_per_s']:9.1f}"
            f"{row['trained_per_cpu_s']:15.1f}{row['peak_mb']:15.1f}"
        )
    for side, found in run["ours_against"].items():
        apart = found.get("step_loss_apart_max")
        lines.append(
            f"against {side}: {found['trained_per_s']:.2f} x trained tokens/s "
            f"({found['trained_per_cpu_s']:.2f} x per CPU second), {found['peak_mb']:.2f} x memory"
            + ("" if apart is None else f"; losses of one step at most {apart} apart")
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
