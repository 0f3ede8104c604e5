"""`understudy train base`: tokenizer, token stores, training and export of the starter model.

Each stage is skipped when its result is there, and the training itself resumes, so the same
command goes on after a stop or a kill. The work folder holds everything that is not shipped.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.errors import ConfigError, InputError
from engine.toml_file import checked, read_toml
from trainer.pretrain_config import PretrainConfig

log = logging.getLogger(__name__)

Say = Callable[[str], None]


class BaseRecipe(BaseModel):
    """A TOML recipe of a base model. Paths are relative to the current folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    corpus: Path
    work: Path
    out: Path
    vocab_size: int = Field(4096, ge=300, le=65_536)
    seed: int = 0
    run: dict[str, Any]
    """The fields of PretrainConfig, without its folders and seed."""

    @property
    def tokenizer(self) -> Path:
        """Where the tokenizer is kept while it is worked on."""
        return self.work / "tokenizer"

    @property
    def begins_with(self) -> Path | None:
        """The folder of the model whose weights and tokenizer the run starts from; None starts from nothing.

        Raises:
            ConfigError: it holds no tokenizer.
        """
        if not (first := self.run.get("init_from")):
            return None
        folder = Path(first)
        if not (folder / "tokenizer.json").is_file():
            raise ConfigError(f"run.init_from: {folder} holds no tokenizer.json; name a model's folder.")
        return folder

    @property
    def data(self) -> Path:
        """Where the token stores are."""
        return self.work / "data"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints and logs are."""
        return self.work / "run"

    def pretrain_fields(self) -> dict[str, Any]:
        """The training's settings with this recipe's folders."""
        return {**self.run, "data_dir": self.data, "run_dir": self.checkpoints, "seed": self.seed}


def load_base_recipe(path: Path) -> BaseRecipe:
    """Read and check a recipe. Raises ConfigError naming file and key."""
    recipe = checked(BaseRecipe, read_toml(path, "name a recipe with --recipe"), path)
    config = checked(PretrainConfig, recipe.pretrain_fields(), path)
    if config.model.vocab_size != recipe.vocab_size:
        raise ConfigError(f"{path}: run.model.vocab_size is not vocab_size ({recipe.vocab_size}).")
    return recipe


def train_base(
    path: Path, *, corpus: Path | None, out: Path | None, stage: str, say: Say = lambda _: None
) -> dict[str, Any]:
    """Run the stages of a recipe.

    Args:
        path: the recipe.
        corpus, out: instead of the recipe's own folders.
        stage: all, data, train or export.

    Returns:
        a JSON-ready report of what ran.

    Raises:
        ConfigError, InputError: with what to mend.
    """
    given = {"corpus": corpus, "out": out}
    recipe = load_base_recipe(path).model_copy(update={k: v for k, v in given.items() if v})
    report: dict[str, Any] = {"recipe": str(path), "out": str(recipe.out)}
    if stage in ("all", "data"):
        _data(recipe, say)
    if stage in ("all", "train"):
        report["training"] = _train(recipe, say)
    if stage in ("all", "export"):
        report["export"] = export(recipe, say)
    return report


def _data(recipe: BaseRecipe, say: Say) -> None:
    from transformers import AutoTokenizer

    from trainer.mixture import build, tokenizer_texts
    from trainer.tokenizer import train_tokenizer

    if not any(recipe.corpus.glob("*.jsonl.xz")):
        raise InputError(f"{recipe.corpus} holds no *.jsonl.xz files; name the folder with --corpus.")
    if not (recipe.tokenizer / "tokenizer.json").is_file():
        if (first := recipe.begins_with) is not None:
            tokenizer = AutoTokenizer.from_pretrained(first)
        else:
            say("Training the tokenizer …")
            tokenizer = train_tokenizer(tokenizer_texts(recipe.corpus, recipe.seed), recipe.vocab_size)
        tokenizer.save_pretrained(recipe.tokenizer)
    _check_tokenizer(recipe)
    done = recipe.data / "done.json"
    if not done.is_file():
        say("Building the token stores …")
        tokenizer = AutoTokenizer.from_pretrained(recipe.tokenizer)
        ledgers = build(recipe.corpus, recipe.data, tokenizer, seed=recipe.seed, report=say)
        done.write_text(json.dumps([str(ledger) for ledger in ledgers], indent=2) + "\n", encoding="utf-8")


def _check_tokenizer(recipe: BaseRecipe) -> None:
    """The token ids of the stores have to mean what they meant to the model that the run begins with.

    Raises:
        ConfigError: they are another tokenizer's.
    """
    from trainer.tokenizer import vocabulary

    first = recipe.begins_with
    if first is None or not (recipe.tokenizer / "tokenizer.json").is_file():
        return
    if vocabulary(first) != vocabulary(recipe.tokenizer):
        raise ConfigError(
            f"{recipe.tokenizer} is another tokenizer than that of run.init_from ({first}), so its token ids "
            f"mean other words. Name another `work` folder, or remove {recipe.tokenizer} and {recipe.data}."
        )


def _train(recipe: BaseRecipe, say: Say) -> dict[str, Any]:
    from trainer.pretrain import pretrain

    _check_tokenizer(recipe)
    result = pretrain(PretrainConfig.model_validate(recipe.pretrain_fields()))
    say(f"{result.tokens:,} tokens in {result.minutes:.0f} min, held-out loss {result.eval_loss}")
    return asdict(result)


def export(recipe: BaseRecipe, say: Say = lambda _: None) -> dict[str, Any]:
    """Write the best checkpoint as a folder that transformers loads, with its card."""
    from transformers import AutoTokenizer

    from trainer.card import PROBE_CASES, Stage, card_text, read_lineage, read_run, write_curve, write_lineage
    from trainer.llama import export_hf
    from trainer.pretrain import load_model
    from trainer.probe import probe

    best = recipe.checkpoints / "best.pt"
    if not best.is_file():
        raise InputError(f"{best} does not exist yet; train first.")
    config = PretrainConfig.model_validate(recipe.pretrain_fields())
    model = load_model(best)
    run = read_run(recipe.checkpoints / "log.jsonl")
    this = Stage(model.shape.n_layers, model.shape.d_model, run.steps, run.tokens, round(run.minutes, 1))
    lineage = (*read_lineage(config.init_from), this)
    tokenizer = AutoTokenizer.from_pretrained(recipe.tokenizer)
    ends = [tokenizer.convert_tokens_to_ids(t) for t in ("<|eot_id|>", "<|end_of_text|>")]
    export_hf(model, model.shape, tokenizer, recipe.out, eos_ids=ends)
    size = (recipe.out / "model.safetensors").stat().st_size
    say(f"Wrote {recipe.out}, {size / 1e6:.1f} MB of weights; measuring it for its card …")
    measured = probe(recipe.out, PROBE_CASES)
    write_lineage(recipe.out, lineage)
    write_curve(run, recipe.out / "loss.png")
    parameters = sum(p.numel() for p in model.parameters())
    text = card_text(
        run, lineage, asdict(model.shape), parameters, measured, size, max(s.seq_len for s in config.stage)
    )
    (recipe.out / "README.md").write_text(text, encoding="utf-8")
    return {"folder": str(recipe.out), "bytes": size, "parameters": parameters, "measured": measured}
