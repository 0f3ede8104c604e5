"""Packages of the optional extras, imported when a command needs them. Knows nothing of their use."""

from __future__ import annotations

import importlib
from typing import Any

from engine.errors import ConfigError


def load(module: str, use: str, *, extra: str = "ingest") -> Any:
    """Import a module of an extra.

    Args:
        module: dotted name of what is imported.
        use: what it is needed for, as the error tells it.
        extra: the extra that installs it.

    Raises:
        ConfigError: it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise ConfigError(
            f"{use} needs the package {module.split('.')[0]}, which cannot be imported ({exc}); "
            f'install it with: pip install "understudy[{extra}]"'
        ) from exc
