"""A folder for llama.cpp and Ollama: a GGUF adapter for each phase, their sum, and a Modelfile.

llama.cpp loads several adapters and sets each one's strength by request, so it gets the phases.
Ollama takes a single ADAPTER, so it gets the rank-sum of all of them, which is exact.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from trainer.export.agree import Agreement, Logits, compare, insist, stack_logits
from trainer.export.gguf_lora import read_gguf, shape_of, write_gguf
from trainer.export.modelfile import go_template, modelfile
from trainer.export.ranksum import rank_sum
from trainer.export.source import Source

SUM = "stack.sum"  # no adapter can be called that
TOGETHER = "all phases"


def write_ollama(
    source: Source,
    folder: Path,
    dtype: str,
    base: str,
    prompts: list[Tensor],
    expected: Logits,
    plain: Logits,
) -> dict[str, Agreement]:
    """Write adapters and Modelfile, and compare what is read back with the stack.

    Args:
        dtype: float32 or float16.
        base: for the Modelfile's FROM.

    Returns:
        an agreement for each phase alone, for all of them together, and for their sum.

    Raises:
        AdapterError, ModelError, ConfigError: the model's architecture or template is not known, `gguf`
            is missing, or a file does not say what the stack says.
    """
    shape = shape_of(source.base.model.config)
    template, stops = go_template(source.base.tokenizer)
    phases = {adapter.name: adapter.weights for adapter in source.adapters}
    files = {**phases, SUM: rank_sum(source, padded=False).pairs}
    for name, weights in files.items():
        write_gguf(folder / f"{name}.gguf", f"{source.persona.id}-{name}", weights, shape, dtype)
    read = {name: read_gguf(folder / f"{name}.gguf", shape) for name in files}

    def judged(names: list[str], wanted: Logits, what: str) -> Agreement:
        chosen = {name: read[name] for name in names}
        found = stack_logits(source.base, dict(chosen), tuple((name, 1.0) for name in names), prompts)
        return insist(compare(found, wanted, plain, dtype), f"{what} in GGUF")

    checks = {}
    for name, weights in phases.items():
        alone = stack_logits(source.base, {name: weights}, ((name, 1.0),), prompts)
        checks[name] = judged([name], alone, f"Adapter {name}")
    checks[TOGETHER] = judged(list(phases), expected, "The adapters together")
    checks[SUM] = judged([SUM], expected, "The sum of the adapters")
    text = modelfile(
        base, [f"./{SUM}.gguf"], template, stops, source.persona.system, source.config.sampling,
        source.base.context,
    )  # fmt: skip
    (folder / "Modelfile").write_text(text, encoding="utf-8")
    return checks
