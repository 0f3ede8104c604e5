"""The README beside an export: what the files are and the commands that serve them."""

from __future__ import annotations

import json
import shlex

from trainer.export.agree import Agreement
from trainer.export.ranksum import RankSum
from trainer.export.source import Source


def vllm_readme(source: Source, summed: RankSum, body: dict[str, str], agreement: Agreement) -> str:
    """How vLLM serves the rank-sum adapter."""
    name, path, base = body["lora_name"], shlex.quote(body["lora_path"]), shlex.quote(source.base_name)
    spans = "\n".join(f"| {a} | {first} to {end - 1} |" for a, first, end in summed.spans)
    return f"""# {source.persona.name} for vLLM

{source.persona.disclosure}

The whole stack as one LoRA adapter in PEFT's format: rank {summed.rank} (zeros behind column
{summed.spans[-1][2] - 1}), each adapter's scaling in its columns of B, so alpha = rank.

| adapter | columns |
|---|---|
{spans}

Logits by plain PEFT differ from the served stack by at most {agreement.max_abs_diff:.2g}
(largest logit {agreement.largest_logit:.3g}, {agreement.positions} positions).

## Serve it
```
vllm serve {base} --enable-lora --max-lora-rank {summed.rank} --lora-modules {name}={path}
```
The model `{source.base_name}` is then the base (for the analyzer), and `{name}` the persona. The name is
versioned by the weights' hash: another version is another model, never the same name with other weights.

## Or load it into a running server
Start the server with `VLLM_ALLOW_RUNTIME_LORA_UPDATING=True` and
`--enable-lora --max-lora-rank {summed.rank}`; the path is one that the server sees.
```
curl -X POST http://localhost:8000/v1/load_lora_adapter \\
  -H 'Content-Type: application/json' -d @load_lora_adapter.json
```
`load_lora_adapter.json` holds `{json.dumps(body)}`.

## Prove that it is live
A 200 is no proof. Ask both, greedily, and see that they differ:
```
for model in {base} {name}; do
  curl -s http://localhost:8000/v1/chat/completions -H 'Content-Type: application/json' -d '{{"model":
    "'$model'", "temperature": 0, "messages": [{{"role": "user", "content": "Who are you?"}}]}}'
done
```
"""


def ollama_readme(source: Source, agreement: Agreement) -> str:
    """How llama.cpp and Ollama serve the GGUF adapters."""
    names = [adapter.name for adapter in source.adapters]
    loads = " ".join(f"--lora {name}.gguf" for name in names)
    scales = json.dumps([{"id": i, "scale": 1.0} for i in range(len(names))])
    return f"""# {source.persona.name} for llama.cpp and Ollama

{source.persona.disclosure}

| file | is |
|---|---|
{chr(10).join(f"| `{name}.gguf` | the adapter {name} alone |" for name in names)}
| `stack.sum.gguf` | all of them as one adapter, exact |
| `Modelfile` | for Ollama: base, adapter, template, system message, sampling |

Read back, the adapters' logits differ from the served stack by at most
{agreement.max_abs_diff:.2g} (largest logit {agreement.largest_logit:.3g}, {agreement.positions} positions).

## The base
The adapters belong to `{source.base_name}` in full precision. With llama.cpp's own script:
```
python convert_hf_to_gguf.py {shlex.quote(source.base_name)} --outfile base.gguf --outtype bf16
```
Over a quantised base they work, and the logits are then that base's.

## llama.cpp
```
llama-server -m base.gguf {loads}
```
A request may set each adapter's strength: `"lora": {scales}`; all at 0 is the base model.

## Ollama
```
ollama create {source.persona.id} -f Modelfile
ollama run {source.persona.id}
```
Ollama obeys one ADAPTER line, so the Modelfile names the sum. Releases from 0.34.1 on are reported to refuse
ADAPTER in `ollama create`; there, use `understudy export merged`, whose folder holds a Modelfile without it.

The knowledge index, the analyzer and the memory of a conversation are the bot's; they do not come along.
"""
