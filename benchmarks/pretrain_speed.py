"""Tokens per second of `trainer.pretrain` against transformers.Trainer.

Both train the same model (bf16 products, fp32 weights, AdamW) on the same batches of
documents; a batch's rows are its micro-batches, and Trainer pads the documents of a row to
the longest. Rounds alternate, and medians are reported. Padding is not counted.

    python benchmarks/pretrain_speed.py --threads 2 > result.json
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

log = logging.getLogger("pretrain_speed")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", type=Path, help="a token store; random documents when left out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds of each side")
    parser.add_argument("--rows", type=int, default=2, help="micro-batches in a step")
    parser.add_argument("--row-tokens", type=int, default=4096)
    parser.add_argument("--d-model", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--d-ff", type=int, default=704)
    return parser.parse_args()


def random_store(path: Path) -> None:
    """Documents of 100 to 500 random tokens, all trained."""
    import numpy as np

    from trainer.store import StoreWriter

    rng = np.random.default_rng(0)
    with StoreWriter(path) as writer:
        for length in rng.integers(100, 500, 2000).tolist():
            writer.append(rng.integers(0, 4096, length), [1] * length)


def matmul_rate(rounds: int = 7) -> float:
    """FLOP/s of a large bf16 product, the median."""
    import torch

    a, b = (torch.randn(2048, 2048).bfloat16() for _ in range(2))
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - start)
    return float(2 * 2048**3 / statistics.median(seconds))


class Peer:
    """transformers.Trainer over rows that are handed to it."""

    def __init__(self, shape: Any, rows: int, folder: Path) -> None:
        from transformers import LlamaForCausalLM, TrainingArguments

        from trainer.llama import hf_config

        self._model = LlamaForCausalLM(hf_config(shape))
        self._arguments = TrainingArguments(
            output_dir=str(folder),
            per_device_train_batch_size=1,
            gradient_accumulation_steps=rows,
            max_steps=2,  # the first warms up, the second is timed
            bf16=True,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
        )

    def seconds(self, rows: list[Any]) -> float:
        """Wall clock of one optimizer step over these rows."""
        from transformers import Trainer, TrainerCallback

        marks: list[float] = []

        class Clock(TrainerCallback):  # type: ignore[misc]
            def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
                marks.append(time.perf_counter())

            def on_step_end(self, *args: Any, **kwargs: Any) -> None:
                marks.append(time.perf_counter())

        Trainer(
            model=self._model,
            args=self._arguments,
            train_dataset=[{"row": row} for row in rows] * 2,
            data_collator=lambda items: padded(items[0]["row"]),
            callbacks=[Clock()],
        ).train()
        return marks[-1] - marks[-2]


def padded(row: Any) -> dict[str, Any]:
    """A packed row as a padded batch: input_ids, attention_mask, labels (-100 is untrained)."""
    import torch

    trained = torch.full_like(row.ids, -100)
    trained[row.sources + 1] = row.labels
    parts = [slice(a, b) for a, b in pairwise(row.bounds.tolist())]

    def pad(values: torch.Tensor, fill: int) -> torch.Tensor:
        pieces = [values[part] for part in parts]
        return torch.nn.utils.rnn.pad_sequence(pieces, batch_first=True, padding_value=fill)

    return {
        "input_ids": pad(row.ids, 0),
        "attention_mask": pad(torch.ones_like(row.ids), 0),
        "labels": pad(trained, -100),
    }


def main() -> int:
    options = arguments()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        json.dump(compare(options, Path(folder)), sys.stdout, indent=2)
    print()
    return 0


def compare(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Alternating rounds of both sides, and the machine's own rate beside them."""
    import torch

    from trainer.pretrain_config import PretrainConfig
    from trainer.pretrain_run import Run

    store = options.store or folder / "random"
    if options.store is None:
        random_store(store)
    sizes = {"d_model": options.d_model, "n_layers": options.layers, "d_ff": options.d_ff}
    config = PretrainConfig.model_validate(
        {
            "data_dir": store.parent,
            "run_dir": folder / "run",
            "model": sizes,
            "stage": [{"seq_len": 512, "weights": {store.name: 1.0}}],
            "max_tokens": 10**12,
            "row_tokens": options.row_tokens,
            "rows_per_step": options.rows,
            "threads": options.threads,
            "optim": {"kind": "adamw"},
            "device": "cpu",
        }
    )
    run = Run(config)
    peer = Peer(config.model.shape(), options.rows, folder)
    for _ in range(3):
        run.step()  # compiles
    ours, theirs, rates = [], [], []
    for i in range(options.rounds):
        rows = run.packer.batch(config.stage[0].weights, 512)
        tokens = sum(row.n_tokens for row in rows)
        start = time.perf_counter()
        run.train_on(rows)
        ours.append(tokens / (time.perf_counter() - start))
        theirs.append(tokens / peer.seconds(rows))
        rates.append(matmul_rate())
        log.info("round %d: %.0f and %.0f tokens/s", i, ours[-1], theirs[-1])
    shape, speed = config.model.shape(), statistics.median(ours)
    flops, rate = speed * shape.flops_per_token(), statistics.median(rates)
    return {
        "model": {**sizes, "parameters": shape.n_params},
        "threads": torch.get_num_threads(),
        "rounds": options.rounds,
        "tokens_per_s": round(speed),
        "trainer_tokens_per_s": round(statistics.median(theirs)),
        "ratio": round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 2),
        "gflops": round(flops / 1e9, 1),
        "bf16_matmul_gflops": round(rate / 1e9, 1),
        "share_of_matmul_rate": round(flops / rate, 3),
    }


if __name__ == "__main__":
    raise SystemExit(main())
