"""What a web client reads when a request fails: one mapping from exceptions to status and sentence.

Paths under /v1/ answer in OpenAI's error shape, everything else as {"error": {"message": …}}.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from bot.notices import explain
from engine.errors import (
    BusyError,
    Cancelled,
    InputError,
    PermissionDenied,
    RetrievalError,
    StorageError,
    UnderstudyError,
)

log = logging.getLogger(__name__)

BUSY_RETRY_S = 2
INTERNAL = "Something went wrong; the reason is in the operator's log."


@dataclass(slots=True, eq=False)
class Problem(Exception):
    """A failure as the client sees it."""

    status: int
    message: str
    code: str | None = None
    """OpenAI's machine-readable code, such as model_not_found."""
    param: str | None = None
    """The request field at fault, for OpenAI's shape."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, path: str) -> dict[str, object]:
        """The JSON body for a request to `path`."""
        if not is_openai(path):
            return {"error": {"message": self.message}}
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        if self.status == HTTPStatus.TOO_MANY_REQUESTS:
            kind = "rate_limit_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self, path: str) -> Response:
        """The whole answer to a request to `path`."""
        return JSONResponse(self.body(path), self.status, headers=dict(self.headers))


def is_openai(path: str) -> bool:
    """Whether clients of this path expect OpenAI's error shape."""
    return path == "/v1" or path.startswith("/v1/")


def problem_of(exc: Exception) -> Problem:
    """Status and sentence for any exception; what is unknown becomes a 500 without its text."""
    match exc:
        case Problem():
            return exc
        case RequestValidationError():
            return _invalid(exc)
        case HTTPException():
            return _http(exc)
        case InputError():
            return Problem(400, str(exc))
        case PermissionDenied():
            return Problem(403, str(exc))
        case BusyError():
            return Problem(429, explain(exc), "busy", headers={"Retry-After": str(BUSY_RETRY_S)})
        case StorageError() | RetrievalError() | Cancelled():
            return Problem(503, explain(exc))
        case UnderstudyError():
            return Problem(500, explain(exc))
        case _:
            return Problem(500, INTERNAL)


def install(app: FastAPI) -> None:
    """Answer every exception of `app` through `problem_of`."""

    async def answer(request: Request, exc: Exception) -> Response:
        problem = problem_of(exc)
        if isinstance(exc, UnderstudyError):
            log.warning("%s: %s", request.url.path, type(exc).__name__, exc_info=problem.status >= 500)
        return problem.response(request.url.path)

    for kind in (Problem, HTTPException, RequestValidationError, UnderstudyError, Exception):
        app.add_exception_handler(kind, answer)


def _invalid(exc: RequestValidationError) -> Problem:
    error = exc.errors()[0]
    if error["type"] == "json_invalid":
        return Problem(400, f"The body is not valid JSON: {error['ctx']['error']}.")
    where = ".".join(str(part) for part in error["loc"][1:])
    if not where:
        return Problem(400, "The body must be one JSON object.")
    return Problem(400, f"{where}: {error['msg']}.", param=where)


def _http(exc: HTTPException) -> Problem:
    message = str(exc.detail)
    if isinstance(exc.__cause__, UnicodeDecodeError):
        message = "The body is not valid UTF-8."
    elif isinstance(exc.__cause__, RecursionError):
        message = "The body is nested too deeply."
    elif message in {status.phrase for status in HTTPStatus}:
        message = {
            404: "There is nothing at this address.",
            405: "This address does not take that method.",
        }.get(exc.status_code, message)
    return Problem(exc.status_code, message, headers=dict(exc.headers or {}))
