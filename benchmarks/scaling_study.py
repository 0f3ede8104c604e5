"""Held-out loss against compute for three sizes of the starter model, on the same data and budget of FLOPs.

Each size reads tokens until it has spent the same compute, under its own whole schedule of rates, so
that the ends of the curves can be compared. Compute is 6 FLOPs a token and weight, attention scores
left out; so it does not depend on what else the machine does.

Beside them stands a GPT-2 of transformers (learned positions, LayerNorm, GELU, AdamW) with the width and
depth of the middle size, on the very batches that the middle size read.

    python benchmarks/scaling_study.py --data work/starter/data --save scaling --plot docs/scaling.png
"""

from __future__ import annotations

import logging
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import parser, report

log = logging.getLogger("scaling_study")

SIZES: dict[str, dict[str, int]] = {
    "128 x 6": {"d_model": 128, "n_layers": 6, "n_heads": 4, "n_kv_heads": 2, "d_ff": 352},
    "192 x 8": {"d_model": 192, "n_layers": 8, "n_heads": 6, "n_kv_heads": 2, "d_ff": 512},
    "320 x 8": {"d_model": 320, "n_layers": 8, "n_heads": 10, "n_kv_heads": 2, "d_ff": 864},
}
WEIGHTS = {"exams": 5.0, "asked": 3.0, "skills": 3.0, "grounded": 1.5, "chat": 0.7, "prose": 2.0}
MIDDLE = "192 x 8"
GPT2_LR = 2e-3
POINTS = 8
"""Evaluations of each run, the last at its end."""


def train(
    data: Path, sizes: dict[str, int], flops: float, threads: int | None, peer: bool = False
) -> dict[str, Any]:
    """One size from random weights; its curve of (FLOPs, held-out losses by store). `peer`: as a GPT-2."""
    from trainer.pretrain_config import PretrainConfig
    from trainer.pretrain_run import Run

    with tempfile.TemporaryDirectory() as folder:
        config = PretrainConfig.model_validate(
            {
                "data_dir": data, "run_dir": folder, "max_tokens": 1, "threads": threads, "rows_per_step": 2,
                "model": {"vocab_size": 4096, "context": 1024, **sizes},
                "optim": {"matrix_lr": 0.015, "lr": 2.5e-3, "warmup_steps": 40, "decay_fraction": 0.5},
                "stage": [{"seq_len": 512, "weights": WEIGHTS}], "tensorboard": False, "eval_tokens": 16_384,
            }
        )  # fmt: skip
        shape = config.model.shape()
        tokens = int(flops / shape.flops_per_token())
        run = Run(config.model_copy(update={"max_tokens": tokens}))
        run.start()
        if peer:
            return _gpt2(run, tokens, sizes)
        curve: list[dict[str, Any]] = []
        while run.progress.tokens < tokens:
            run.step()
            if run.progress.tokens >= tokens * (len(curve) + 1) / POINTS:
                losses = {name: round(loss, 4) for name, loss in run.evaluate().items()}
                spent = run.progress.tokens * shape.flops_per_token()
                curve.append({"flops": spent, "tokens": run.progress.tokens, **losses})
                log.info("%s: %s", sizes, curve[-1])
    return {"parameters": shape.n_params, "flops_per_token": shape.flops_per_token(), "curve": curve}


def _gpt2(run: Any, tokens: int, sizes: dict[str, int]) -> dict[str, Any]:
    """A GPT-2 on the batches of `run`, every document a row of its own, and its curve."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from trainer.optim import lr_factor

    width, depth = sizes["d_model"], sizes["n_layers"]
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=4096, n_positions=1024, n_embd=width, n_layer=depth, n_head=sizes["n_heads"],
                   resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=None, eos_token_id=None)
    )  # fmt: skip
    decayed = [p for p in model.parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, GPT2_LR, (0.9, 0.95))
    weights = sum(p.numel() for p in model.parameters())
    per_token = 6 * (weights - model.transformer.wpe.weight.numel())
    curve: list[dict[str, Any]] = []
    read = step = 0
    while read < tokens:
        rows = run.packer.batch(WEIGHTS, 512)
        trained = sum(len(row.labels) for row in rows)
        for row in rows:
            (_summed(model, row) / trained).backward()
            read += row.n_tokens
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = GPT2_LR * lr_factor(read / tokens, step, 40, 0.5, "linear", 0.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if read >= tokens * (len(curve) + 1) / POINTS:
            curve.append({"flops": read * per_token, "tokens": read, **_held_out(model, run)})
            log.info("GPT-2: %s", curve[-1])
    return {"parameters": weights, "flops_per_token": per_token, "curve": curve}


def _summed(model: Any, row: Any) -> Any:
    """The loss of a packed row's trained tokens, its documents padded to a batch."""
    import torch
    from torch.nn.functional import cross_entropy

    bounds = row.bounds.tolist()
    pieces = [row.ids[a:b] for a, b in pairwise(bounds)]
    ids = torch.nn.utils.rnn.pad_sequence(pieces, batch_first=True)
    seen = torch.nn.utils.rnn.pad_sequence([torch.ones_like(p) for p in pieces], batch_first=True)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.transformer(input_ids=ids, attention_mask=seen).last_hidden_state
        flat = torch.cat([hidden[n, : len(p)] for n, p in enumerate(pieces)])
        logits = model.lm_head(flat[row.sources])
    return cross_entropy(logits.float(), row.labels.long(), reduction="sum")


def _held_out(model: Any, run: Any) -> dict[str, float]:
    """As `Run.evaluate`, for the stores that are plotted."""
    import torch

    from trainer.packing import held_out_rows
    from trainer.store import Store

    losses: dict[str, float] = {}
    with torch.no_grad():
        for name in ("exams", "prose"):
            total, count, c = 0.0, 0, run.config
            for row in held_out_rows(
                Store(c.data_dir / f"{name}.val"), name, c.row_tokens, 512, c.eval_tokens
            ):
                total += float(_summed(model, row))
                count += len(row.labels)
            losses[name] = round(total / count, 4)
    return losses


def plot(runs: dict[str, Any], path: Path) -> None:
    """Two panels: the skills' loss and prose's, against compute."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.2), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    for axis, store in zip(figure.subplots(1, 2), ("exams", "prose"), strict=True):
        for name, run in runs.items():
            points = run["curve"]
            label = f"{name} ({run['parameters'] / 1e6:.1f} M)"
            axis.plot([p["flops"] for p in points], [p[store] for p in points], marker="o", ms=3, label=label)
        axis.set_xscale("log")
        axis.set_xlabel("compute, FLOPs")
        axis.set_ylabel("held-out loss, nats per trained token")
        axis.set_title(f"store: {store}", fontsize=10)
        axis.grid(alpha=0.18)
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path)


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, required=True, help="token stores, as `train base` builds them")
    options.add_argument("--flops", type=float, default=5e13, help="compute of each run")
    options.add_argument("--threads", type=int)
    options.add_argument("--no-peer", action="store_true", help="without the GPT-2")
    options.add_argument("--plot", type=Path, help="write the picture here")
    args = options.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    flops = 2e11 if args.quick else args.flops
    runs = {name: train(args.data, sizes, flops, args.threads) for name, sizes in SIZES.items()}
    if not args.no_peer:
        runs[f"GPT-2 {MIDDLE}"] = train(args.data, SIZES[MIDDLE], flops, args.threads, peer=True)
    if args.plot:
        plot(runs, args.plot)
    rows = [
        f"{n}: {r['curve'][-1]['exams']:.3f} exams, {r['curve'][-1]['prose']:.3f} prose"
        for n, r in runs.items()
    ]
    return report(args, {"flops": flops, "weights": WEIGHTS, "runs": runs}, "\n".join(rows))


if __name__ == "__main__":
    raise SystemExit(main())
