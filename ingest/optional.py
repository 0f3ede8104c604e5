"""Packages of the `ingest` extra, imported when a command needs them. Knows nothing of their use."""

from __future__ import annotations

import importlib
from typing import Any

from engine.errors import ConfigError


def load(module: str, use: str) -> Any:
    """Import a module of the `ingest` extra.

    Args:
        module: dotted name of what is imported.
        use: what it is needed for, as the error tells it.

    Raises:
        ConfigError: it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise ConfigError(
            f"{use} needs the package {module.split('.')[0]}, which cannot be imported ({exc}); "
            'install it with: pip install "understudy[ingest]"'
        ) from exc
