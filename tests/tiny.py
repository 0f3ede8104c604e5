"""A tiny random Llama with a tokenizer of its own, and adapters for it: real files, no download.

Real libraries write everything (tokenizers, transformers, PEFT), so tests load what users load.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from engine.adapters import CONFIG, WEIGHTS, Manifest, write_manifest
from engine.model.hashes import file_hash, model_hashes

SPECIAL = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
TEMPLATE = (
    "{{ '<|begin_of_text|>' }}"
    "{% for m in messages %}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
SENTENCES = (
    "The river runs past the old town, and the steamboat whistles at the bend.",
    "When does the bridge open? It opens on Monday, at nine in the morning.",
    "Good evening! How are you today? I am well, thank you, and you?",
    "RETRIEVE NO_RETRIEVE Decide whether the last message needs a search.",
    "Twenty men in two boats went down the river to look for the lost raft.",
    "Answer with one word. The context is newer than your memory: trust the context.",
)
ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def make_tiny_tokenizer(path: Path, vocab_size: int = 512) -> None:
    """A byte-level BPE tokenizer with a Llama-3 style chat template, saved into `path`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token=SPECIAL[0], eos_token=SPECIAL[3], pad_token=SPECIAL[3]
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL[1:3])})
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(path)


def make_tiny_model(path: Path, seed: int = 0, *, context: int = 512, n_layers: int = 2) -> Path:
    """A random Llama of 2 layers (64 wide, 4 heads, 2 of them for keys) saved into `path`.

    Args:
        path: the folder; made if missing.
        seed: of the weights; the tokenizer is always the same.
        context: longest prompt plus reply.
        n_layers: more make it slower.

    Returns:
        `path`.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    make_tiny_tokenizer(path)
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=n_layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        initializer_range=0.2,  # the usual 0.02 makes every token about equally likely
        bos_token_id=0,
        eos_token_id=3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(path)
    return path


def make_tiny_adapter(
    model_dir: Path,
    path: Path,
    name: str,
    r: int = 8,
    alpha: float = 16.0,
    seed: int = 0,
    *,
    targets: tuple[str, ...] = ALL_LINEAR,
    use_rslora: bool = False,
    alpha_pattern: dict[str, float] | None = None,
) -> Path:
    """A random LoRA adapter for a model, saved by PEFT into `path`, with its manifest.

    Its B is random too, so that it changes what the model says.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = LoraConfig(
        r=r,
        lora_alpha=alpha,
        target_modules=list(targets),
        use_rslora=use_rslora,
        alpha_pattern=alpha_pattern or {},
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(model_dir), config)
        for key, parameter in model.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(parameter, std=0.05)
    model.save_pretrained(path)
    hashes = model_hashes(model_dir)
    write_manifest(
        path,
        Manifest(
            name=name,
            phase=name,
            base=str(model_dir),
            base_hash=hashes.base,
            tokenizer_hash=hashes.tokenizer,
            template_hash=hashes.template,
            weights_hash=file_hash(path / WEIGHTS),
            rank=r,
            alpha=alpha,
            target_modules=list(targets),
            use_rslora=use_rslora,
            seed=seed,
            created_at=datetime.now(UTC),
        ),
    )
    assert (path / CONFIG).is_file()
    return path
