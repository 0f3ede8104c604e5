"""The summed loss of one micro-batch, for every kind of model and adapter.

    causal, LoRA        hidden states, then logits at trained positions alone
    causal, prompts     the same behind learned key-values (prefix) or learned embeddings (p-tuning)
    encoder-decoder     the decoder predicts the response; every position is trained

Knows nothing of optimizers or data.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from trainer import packattention
from trainer.batching import IGNORED, Batch
from trainer.headloss import frozen_head_loss

_OWN_LOGITS = ("final_logit_softcapping", "logits_scaling", "logit_scale", "logits_scale")


def summed_loss(model: Any, batch: Batch) -> tuple[Tensor, int]:
    """Summed cross entropy in nats over the batch's trained tokens, and their number."""
    batch = batch.to(model.device)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if batch.source is not None:
        return _decoder_loss(base, batch)
    own = any(getattr(base.config, name, None) for name in _OWN_LOGITS)  # the head is not all there is
    out = _outputs(model, base if own else base.base_model, batch)
    target = batch.labels[:, 1:]
    keep = target != IGNORED
    labels = target[keep]  # (K,)
    if own:
        return F.cross_entropy(
            out.logits[:, -target.shape[1] - 1 : -1][keep].float(), labels, reduction="sum"
        ), len(labels)
    hidden = out.last_hidden_state[:, -target.shape[1] - 1 : -1][keep]  # (K, d)
    head = base.get_output_embeddings()
    return frozen_head_loss(hidden, head.weight, getattr(head, "bias", None), labels), len(labels)


def _outputs(model: Any, decoder: Any, batch: Batch) -> Any:
    """The decoder's outputs at the batch's own tokens."""
    if batch.bounds is not None:
        packattention.rows(batch.bounds, batch.shared)
        return decoder(input_ids=batch.ids, position_ids=batch.positions, use_cache=False)
    config = getattr(model, "active_peft_config", None)
    if config is None or not config.is_prompt_learning:
        return decoder(input_ids=batch.ids, attention_mask=batch.attend, use_cache=False)
    return _behind_prompt(model, decoder, batch, str(config.peft_type.value))


def _behind_prompt(model: Any, decoder: Any, batch: Batch, kind: str) -> Any:
    """The same, behind the learned prompt."""
    assert batch.attend is not None
    prompt = model.get_prompt(batch_size=len(batch.ids))
    count = model.active_peft_config.num_virtual_tokens
    attend = torch.cat((batch.attend.new_ones(len(batch.ids), count), batch.attend), dim=1)
    if kind == "PREFIX_TUNING":
        return decoder(input_ids=batch.ids, attention_mask=attend, past_key_values=prompt, use_cache=True)
    words = decoder.get_input_embeddings()(batch.ids)
    joined = torch.cat((prompt.to(words.dtype), words), dim=1)  # the prompt's own outputs are not read
    return decoder(inputs_embeds=joined, attention_mask=attend, use_cache=False)


def _decoder_loss(base: Any, batch: Batch) -> tuple[Tensor, int]:
    out = base(
        input_ids=batch.source,
        attention_mask=batch.source_attend,
        decoder_input_ids=base.prepare_decoder_input_ids_from_labels(labels=batch.labels),
        decoder_attention_mask=None,
        use_cache=False,
    )
    logits = out.logits.float().flatten(0, 1)
    labels = batch.labels.flatten()
    return F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum"), int(
        (labels != IGNORED).sum()
    )
