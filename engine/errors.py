"""Every error that Understudy raises on purpose.

    UnderstudyError
    ├── ConfigError            config.toml, .env or persona.toml is wrong; says key, value and what is allowed
    ├── InputError             what the user sent cannot be answered (empty, far too long, wrong attachment)
    ├── PermissionDenied       an admin command from somebody who is not an admin
    ├── BusyError              the worker's queue is full, or a refresh is running already
    ├── Cancelled              the job was cancelled by its owner
    ├── ModelError             the base model is missing or corrupt, or generation failed
    │   └── AdapterError       an adapter is missing, corrupt or of an unknown kind
    │       └── ManifestMismatch   it was trained on another base, tokenizer or template; names both sides
    ├── ToolError              a tool cannot do what it was called for; model and user may read its text
    ├── RetrievalError         Chroma or its collection is missing or broken
    └── StorageError           the database is unreachable, read-only or the disk is full

Each message is one plain sentence (or two) that says what is wrong and how to mend it.
Backend errors are mapped once, at the seam that calls the backend, with ``raise ... from exc``.
"""

from __future__ import annotations


class UnderstudyError(Exception):
    """Base of all of them; its text may be shown to the operator."""


class ConfigError(UnderstudyError):
    """A setting is wrong. Always names the key, the bad value and what is allowed."""


class InputError(UnderstudyError):
    """The user's message cannot be answered as it is; the text may be shown to the user."""


class PermissionDenied(UnderstudyError):
    """The caller may not do this."""


class BusyError(UnderstudyError):
    """The worker's bounded queue is full, or an index refresh is running; try again in a moment."""


class Cancelled(UnderstudyError):
    """The job was cancelled before it finished."""


class ModelError(UnderstudyError):
    """The base model cannot be loaded or failed while generating."""


class AdapterError(ModelError):
    """An adapter is missing, corrupt or cannot be served."""


class ManifestMismatch(AdapterError):
    """The adapter's manifest names another base, tokenizer or template than the one loaded."""


class RetrievalError(UnderstudyError):
    """The knowledge index is missing or broken; replies go on without sources."""


class ToolError(UnderstudyError):
    """A tool cannot do what it was called for; the text goes to the model and the user, without a full stop.

    Args:
        more: what else the model should know, such as the places that share a name.
    """

    def __init__(self, text: str, **more: object) -> None:
        super().__init__(text)
        self.more = more

    def observation(self) -> dict[str, object]:
        """The result that the model reads instead."""
        return {"error": str(self), **self.more}


class StorageError(UnderstudyError):
    """The database cannot be read or written."""
