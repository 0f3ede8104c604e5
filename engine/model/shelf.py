"""The adapters that are loaded, by name and version.

A reloaded or unloaded adapter goes from the shelf at once, so no new request gets it, but replies
that run with it keep its old version's columns until the last of them ends. This module knows
nothing of files or requests.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import AdapterError, InputError
from engine.model.lora import LoraWeights
from engine.model.prefix import Key
from engine.model.stack import RankStack
from engine.types import AdapterInfo, Stack


@dataclass(frozen=True, slots=True)
class _Loaded:
    version: str
    """The stack's name for it, unique to this load."""
    info: AdapterInfo
    folder: Path


class Shelf:
    """Loaded adapters over one stack. For the thread that owns the stack.

    Args:
        stack: where their columns are installed.
        forget: called with a version whose columns are gone.
    """

    def __init__(self, stack: RankStack, forget: Callable[[str], None]) -> None:
        self._stack = stack
        self._forget = forget
        self._loaded: dict[str, _Loaded] = {}  # by name, in load order
        self._pins: Counter[str] = Counter()  # version -> replies that run with it
        self._retired: set[str] = set()
        self._loads = 0

    @property
    def infos(self) -> tuple[AdapterInfo, ...]:
        """What is loaded, in load order."""
        return tuple(loaded.info for loaded in self._loaded.values())

    def put(self, info: AdapterInfo, folder: Path, weights: LoraWeights) -> None:
        """Load an adapter under a new name.

        Raises:
            AdapterError: the name is taken, or the weights do not fit the model.
        """
        if info.name in self._loaded:
            raise AdapterError(f"Adapter {info.name} is loaded already; reload it, or unload it first.")
        self._loaded[info.name] = self._install(info, folder, weights)

    def swap(self, info: AdapterInfo, weights: LoraWeights) -> AdapterInfo:
        """Replace an adapter by a new version of it; place and strength stay.

        Raises:
            AdapterError: it is not loaded any more, or the weights do not fit (the old one stays).
        """
        old = self._get(info.name)
        kept = replace(info, strength=old.info.strength)
        self._loaded[info.name] = self._install(kept, old.folder, weights)
        self._retire(old.version)
        return kept

    def drop(self, name: str) -> None:
        """Unload an adapter. Raises AdapterError when it is not loaded."""
        self._retire(self._get(name).version)
        del self._loaded[name]

    def set_strength(self, name: str, strength: float) -> AdapterInfo:
        """Set the default strength of new requests, 0..1. Raises AdapterError, InputError."""
        loaded = self._get(name)
        _check_strength(name, strength)
        info = replace(loaded.info, strength=float(strength))
        self._loaded[name] = replace(loaded, info=info)
        return info

    def folder(self, name: str) -> Path:
        """Where an adapter was loaded from. Raises AdapterError when it is not loaded."""
        return self._get(name).folder

    def pin(self, stack: Stack) -> Key:
        """Hold the versions that a request's stack means now; give the result back to `unpin`.

        Returns:
            versions with strengths, those at 0 left out: equal keys compute the same.

        Raises:
            AdapterError: an adapter is not loaded.
            InputError: one is named twice, or a strength is not within 0..1.
        """
        named: dict[str, float] = {}
        for name, strength in stack:
            _check_strength(name, strength)
            version = self._get(name).version
            if version in named:
                raise InputError(f"Adapter {name} is named twice in one stack.")
            named[version] = float(strength)
        key = tuple(sorted(item for item in named.items() if item[1]))
        self._pins.update(version for version, _ in key)
        return key

    def unpin(self, key: Key) -> None:
        """Let go of what `pin` held; the columns of retired versions go with the last holder."""
        for version, _ in key:
            self._pins[version] -= 1
            if not self._pins[version]:
                del self._pins[version]
                if version in self._retired:
                    self._remove(version)

    def _get(self, name: str) -> _Loaded:
        try:
            return self._loaded[name]
        except KeyError:
            loaded = ", ".join(self._loaded) or "none"
            raise AdapterError(f"Adapter {name} is not loaded; loaded: {loaded}.") from None

    def _install(self, info: AdapterInfo, folder: Path, weights: LoraWeights) -> _Loaded:
        version = f"{info.name}@{self._loads + 1}"
        self._stack.add(version, weights)
        self._loads += 1
        return _Loaded(version, info, folder)

    def _retire(self, version: str) -> None:
        if version in self._pins:
            self._retired.add(version)
        else:
            self._remove(version)

    def _remove(self, version: str) -> None:
        self._retired.discard(version)
        self._stack.remove(version)
        self._forget(version)


def _check_strength(name: str, strength: float) -> None:
    if not (math.isfinite(strength) and 0.0 <= strength <= 1.0):
        raise InputError(f"The strength of {name} is {strength!r}; allowed: 0 to 1.")
