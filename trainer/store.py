"""Token stores: folders of tokenised examples, written once and read through memory maps.

A store is a folder of three arrays: ``ids.npy`` (uint16, all tokens end to end),
``mask.npy`` (uint8, 1 where that token is to be predicted) and ``offsets.npy`` (int64,
N + 1 entries; example i is ``ids[offsets[i]:offsets[i + 1]]``). A store knows nothing of
tokenizers, text, weights or batches.
"""

from __future__ import annotations

import os
import shutil
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

FILES = ("ids.npy", "mask.npy", "offsets.npy")
MAX_ID = 2**16 - 1  # what uint16 holds
_FLUSH_TOKENS = 1 << 20


class StoreError(ValueError):
    """A store is missing, damaged, or was given something that it cannot hold."""


class Example(NamedTuple):
    """One example: views into the store's memory maps, not copies."""

    ids: NDArray[np.uint16]  # (T,)
    mask: NDArray[np.uint8]  # (T,) 1 = this token is a target


class StoreWriter:
    """Writes a store beside its final place and renames it there on `close`.

    Use it as a context manager: leaving on an exception drops what was written, so a
    reader finds either the whole store or the one that stood there before.

    Args:
        path: the store's folder; replaced when it exists.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._work = self._path.with_name(f".{self._path.name}.writing.{os.getpid()}")
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True)
        self._ids = (self._work / "ids.raw").open("wb")
        self._mask = (self._work / "mask.raw").open("wb")
        self._pending_ids = array("H")
        self._pending_mask = bytearray()
        self._ends = array("q", [0])
        self._open = True

    def append(self, ids: Sequence[int], mask: Sequence[bool] | Sequence[int]) -> None:
        """Adds one example.

        Args:
            ids: token ids, each 0..65535; at least two of them.
            mask: as long as `ids`; true where that token is to be predicted.

        Raises:
            StoreError: lengths differ, the example is too short, or an id does not fit.
        """
        if len(ids) != len(mask):
            raise StoreError(f"{len(ids)} ids but {len(mask)} mask entries")
        if len(ids) < 2:
            raise StoreError("an example needs at least two tokens: one to read, one to predict")
        if min(ids) < 0 or max(ids) > MAX_ID:
            raise StoreError(f"a token id is outside 0..{MAX_ID}")
        self._pending_ids.extend(int(i) for i in ids)
        self._pending_mask.extend(1 if m else 0 for m in mask)
        self._ends.append(self._ends[-1] + len(ids))
        if len(self._pending_ids) >= _FLUSH_TOKENS:
            self._flush()

    def close(self) -> None:
        """Finishes the arrays and moves the store into place. Idempotent.

        Raises:
            StoreError: no example was appended.
        """
        if not self._open:
            return
        if len(self._ends) == 1:
            self.abort()
            raise StoreError(f"no examples for {self._path}")
        self._flush()
        self._stop()
        for name, dtype in (("ids", np.uint16), ("mask", np.uint8)):
            raw = self._work / f"{name}.raw"
            np.save(self._work / f"{name}.npy", np.memmap(raw, dtype=dtype, mode="r"))
            raw.unlink()
        np.save(self._work / "offsets.npy", np.frombuffer(self._ends, dtype=np.int64))
        old = self._path.with_name(f".{self._path.name}.old.{os.getpid()}")
        if self._path.exists():
            self._path.rename(old)
        self._work.rename(self._path)
        shutil.rmtree(old, ignore_errors=True)

    def abort(self) -> None:
        """Drops what was written. Idempotent."""
        if self._open:
            self._stop()
            shutil.rmtree(self._work, ignore_errors=True)

    def _flush(self) -> None:
        self._ids.write(self._pending_ids.tobytes())
        self._mask.write(bytes(self._pending_mask))
        self._pending_ids = array("H")
        self._pending_mask = bytearray()

    def _stop(self) -> None:
        self._open = False
        self._ids.close()
        self._mask.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


class Store:
    """A memory-mapped reader of one store.

    Args:
        path: the store's folder.

    Raises:
        StoreError: a file is missing or the arrays do not fit together.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        missing = [name for name in FILES if not (self.path / name).is_file()]
        if missing:
            raise StoreError(f"{self.path} is not a store: no {', '.join(missing)}")
        self.ids: NDArray[np.uint16] = np.load(self.path / "ids.npy", mmap_mode="r")
        self.mask: NDArray[np.uint8] = np.load(self.path / "mask.npy", mmap_mode="r")
        self.offsets: NDArray[np.int64] = np.load(self.path / "offsets.npy")
        self._check()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_tokens(self) -> int:
        """All tokens, trained on or not."""
        return len(self.ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per example, (N,)."""
        return np.diff(self.offsets)

    def example(self, index: int) -> Example:
        """The ids and mask of one example.

        Raises:
            IndexError: no such example.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"example {index} of {len(self)} in {self.path}")
        start, end = int(self.offsets[index]), int(self.offsets[index + 1])
        return Example(self.ids[start:end], self.mask[start:end])

    def __iter__(self) -> Iterator[Example]:
        return (self.example(i) for i in range(len(self)))

    def _check(self) -> None:
        if self.ids.dtype != np.uint16 or self.mask.dtype != np.uint8:
            raise StoreError(f"{self.path}: ids must be uint16 and mask uint8")
        if self.offsets.dtype != np.int64 or len(self.offsets) < 2 or self.offsets[0] != 0:
            raise StoreError(f"{self.path}: offsets must be int64 from 0 with N + 1 >= 2 entries")
        if not len(self.ids) == len(self.mask) == self.offsets[-1]:
            raise StoreError(
                f"{self.path}: {len(self.ids)} ids, {len(self.mask)} mask entries, "
                f"offsets end at {self.offsets[-1]}"
            )
