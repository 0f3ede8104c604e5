"""What a user reads when something went wrong: the one place where errors become sentences."""

from __future__ import annotations

from engine.errors import (
    AdapterError,
    BusyError,
    Cancelled,
    ConfigError,
    InputError,
    ModelError,
    PermissionDenied,
    RetrievalError,
    StorageError,
    UnderstudyError,
)


def explain(exc: UnderstudyError) -> str:
    """One or two sentences for the user; details stay in the log.

    InputError, PermissionDenied, AdapterError and ConfigError are written for people and shown as
    they are; the others get a sentence of their own, since their text may name hosts and paths.
    """
    match exc:
        case InputError() | PermissionDenied() | AdapterError() | ConfigError():
            return str(exc)
        case BusyError():
            return "I am busy with other conversations right now. Please try again in a moment."
        case Cancelled():
            return "Stopped."
        case StorageError():
            return (
                "I cannot save messages right now, so I do not answer. The reason is in the operator's log."
            )
        case RetrievalError():
            return f"The knowledge index is not available: {exc}"
        case ModelError():
            return "The model failed on that message. Please try again; the reason is in the operator's log."
        case _:
            return "Something went wrong; the reason is in the operator's log."


def failure_reason(exc: UnderstudyError) -> str:
    """A short machine-readable reason for the database, without any of the user's text."""
    return type(exc).__name__
