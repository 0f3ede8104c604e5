"""A micro Whisper in Whisper's own format, trained here on a recording's few sentences.

It knows these sentences and nothing else, so that openai-whisper's decoding, timestamps and word
alignment run for real and fast. Attention is taught where each word is: word times come of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from two_voices import Told

from ingest.voices import one_thread

STATE = 64
FRAMES_PER_S = 50  # of the encoder


def train_micro_whisper(told: Sequence[Told], path: Path, steps: int, lr: float = 4e-3) -> float:
    """Write a checkpoint that knows the recordings (of at most 29 s); the last loss."""
    with one_thread():  # the same numbers on every machine, and no waiting beside busy processes
        return _train(told, path, steps, lr)


def _train(told: Sequence[Told], path: Path, steps: int, lr: float) -> float:
    from whisper.audio import N_FRAMES, log_mel_spectrogram, pad_or_trim
    from whisper.model import ModelDimensions, Whisper, sinusoids
    from whisper.tokenizer import get_tokenizer

    torch.manual_seed(5)
    model = Whisper(ModelDimensions(80, 1500, STATE, 2, 1, 51864, 448, STATE, 2, 2))
    tokenizer = get_tokenizer(False)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "conv" not in name:
                weight.normal_(0, 0.05)
        first = tokenizer.timestamp_begin  # times begin as what the encoder's places look like
        model.decoder.token_embedding.weight[first : first + 1500] = 0.1 * sinusoids(1500, STATE)
    mels = torch.stack(
        [pad_or_trim(log_mel_spectrogram(torch.from_numpy(t.samples), 80), N_FRAMES) for t in told]
    )
    timed, plain = [_timed(t, tokenizer) for t in told], [_plain(t, tokenizer) for t in told]
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.15)
    caught: dict[str, Any] = {}
    attention = model.decoder.blocks[-1].cross_attn  # by default the later half of layers aligns
    attention.query.register_forward_hook(lambda _m, _i, out: caught.update(query=out))
    attention.key.register_forward_hook(lambda _m, _i, out: caught.update(key=out))
    value = 0.0
    for step in range(steps):
        at = step % len(told)
        noise = 0.02 * torch.randn_like(mels[at : at + 1])
        features = model.encoder(mels[at : at + 1] + noise)
        loss = torch.zeros(())
        for tokens, places in (timed[at], plain[at]):
            logits = model.decoder(tokens[None, :-1], features)[0]
            skip = len(tokenizer.sot_sequence) - 1
            loss = loss + F.cross_entropy(logits[skip:], tokens[1 + skip :])
            loss = loss + 0.15 * _strayed(caught["query"][0], caught["key"][0], places)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        value = float(loss.detach())
    torch.save({"dims": asdict(model.dims), "model_state_dict": model.state_dict()}, path)
    return value


Places = list[tuple[int, int, int]]
"""Which row of the decoder looks from which encoder frame to which."""


def _strayed(query: torch.Tensor, key: torch.Tensor, places: Places) -> torch.Tensor:
    """How far every head's attention is from lying evenly over where each word is said."""
    heads = 2
    q = query.view(len(query), heads, -1).transpose(0, 1)
    k = key.view(len(key), heads, -1).transpose(0, 1)
    logs = (q @ k.transpose(1, 2) / (STATE // heads) ** 0.5).log_softmax(dim=-1)  # (heads, rows, frames)
    far = [-logs[:, row, first:last].mean() - math.log(last - first) for row, first, last in places]
    return torch.stack(far).mean()


def _pieces(told: Told, tokenizer: Any) -> list[list[tuple[int, float, float]]]:
    """For each turn its tokens with times in seconds, by length; the stop at its end takes the pause."""
    out = []
    for i, turn in enumerate(told.turns):
        *tokens, stop = tokenizer.encode(" " + turn.text)
        lengths = [len(tokenizer.decode([token])) for token in tokens]
        ends = turn.start_s + np.cumsum(lengths) / sum(lengths) * (turn.end_s - turn.start_s)
        pause = told.turns[i + 1].start_s if i + 1 < len(told.turns) else turn.end_s + 0.3
        starts = [turn.start_s if i else 0.0, *ends[:-1].tolist()]  # Whisper's alignment begins at 0
        out.append([*zip(tokens, starts, ends.tolist(), strict=True), (stop, turn.end_s, pause)])
    return out


def _timed(told: Told, tokenizer: Any) -> tuple[torch.Tensor, Places]:
    """The turns with a time token before and after each, the way Whisper transcribes."""
    tokens, places = [*tokenizer.sot_sequence], []
    for turn, pieces in zip(told.turns, _pieces(told, tokenizer), strict=True):
        tokens.append(tokenizer.timestamp_begin + round(turn.start_s / 0.02))
        for token, start, end in pieces:
            places.append(_place(len(tokens) - 1, start, end))
            tokens.append(token)
        tokens.append(tokenizer.timestamp_begin + round(turn.end_s / 0.02))
    return torch.tensor([*tokens, tokenizer.eot]), places


def _plain(told: Told, tokenizer: Any) -> tuple[torch.Tensor, Places]:
    """The words alone, the way Whisper aligns them."""
    tokens, places = [*tokenizer.sot_sequence, tokenizer.no_timestamps], []
    for token, start, end in [piece for pieces in _pieces(told, tokenizer) for piece in pieces]:
        places.append(_place(len(tokens) - 1, start, end))
        tokens.append(token)
    last = told.turns[-1].end_s + 0.3
    places.append(_place(len(tokens) - 1, last, last + 0.2))
    return torch.tensor([*tokens, tokenizer.eot]), places


def _place(row: int, start_s: float, end_s: float) -> tuple[int, int, int]:
    first = round(start_s * FRAMES_PER_S)
    return row, first, max(first + 1, round(end_s * FRAMES_PER_S))
