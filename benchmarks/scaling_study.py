"""Held-out loss against compute for three sizes of the starter model, on the same data and budget of FLOPs.

Each size reads tokens until it has spent the same compute, under its own whole schedule of rates, so
that the ends of the curves can be compared. Compute is 6 FLOPs a token and weight, attention scores
left out; so it does not depend on what else the machine does.

    python benchmarks/scaling_study.py --data work/starter/data --save scaling --plot docs/scaling.png
"""

from __future__ import annotations

import logging
import sys
import tempfile
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
POINTS = 8
"""Evaluations of each run, the last at its end."""


def train(data: Path, sizes: dict[str, int], flops: float, threads: int | None) -> dict[str, Any]:
    """One size from random weights; its curve of (FLOPs, held-out losses by store)."""
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
        curve: list[dict[str, Any]] = []
        while run.progress.tokens < tokens:
            run.step()
            if run.progress.tokens >= tokens * (len(curve) + 1) / POINTS:
                losses = {name: round(loss, 4) for name, loss in run.evaluate().items()}
                spent = run.progress.tokens * shape.flops_per_token()
                curve.append({"flops": spent, "tokens": run.progress.tokens, **losses})
                log.info("%s: %s", sizes, curve[-1])
    return {"parameters": shape.n_params, "flops_per_token": shape.flops_per_token(), "curve": curve}


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
    options.add_argument("--plot", type=Path, help="write the picture here")
    args = options.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    flops = 2e11 if args.quick else args.flops
    runs = {name: train(args.data, sizes, flops, args.threads) for name, sizes in SIZES.items()}
    if args.plot:
        plot(runs, args.plot)
    rows = [
        f"{n}: {r['curve'][-1]['exams']:.3f} exams, {r['curve'][-1]['prose']:.3f} prose"
        for n, r in runs.items()
    ]
    return report(args, {"flops": flops, "weights": WEIGHTS, "runs": runs}, "\n".join(rows))


if __name__ == "__main__":
    raise SystemExit(main())
