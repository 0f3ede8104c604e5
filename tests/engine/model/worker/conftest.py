"""A random model talks until its limit here, and a gate holds its thread."""

from __future__ import annotations

from typing import Any

import pytest

from engine.model import load as load_module
from tests.engine.model.worker.kit import Gate


@pytest.fixture(autouse=True)
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No end token: a random model's reply is as long as the test asks for."""
    monkeypatch.setattr(load_module, "end_tokens", lambda *_: frozenset[int]())


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Any:
    gate = Gate(monkeypatch)
    yield gate
    gate.open()
