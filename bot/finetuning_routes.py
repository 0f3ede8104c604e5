"""POST /fine-tuning/setup, GET /fine-tuning/status, POST /fine-tuning/query, POST /fine-tuning/cancel.

Behind the keys of [web] api_keys, and shut while there are none. Bodies are JSON or forms; a form may
carry the documents themselves.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse

from bot.finetuning import FineTuning
from bot.finetuning_job import SetupBody
from bot.result_json import result_json
from bot.web_errors import Problem
from bot.web_keys import Keys
from engine.config import FineTuningConfig
from engine.errors import BusyError

B = TypeVar("B", bound=BaseModel)
LISTS = frozenset({"documents"})
"""Fields that a form may repeat."""


class QueryBody(BaseModel):
    """The body of POST /fine-tuning/query."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: str = Field(min_length=1, max_length=20_000)
    retrieve: bool = False
    """Whether the knowledge index is searched too."""
    max_new_tokens: int | None = Field(None, ge=1, le=8192)
    seed: int | None = Field(None, ge=0, lt=2**63)


class FineTuningRoutes:
    """Serves the document assistant.

    Args:
        assistant: runs jobs and answers.
        config: how many files a form may carry.
        api_keys: bearer keys; without one everything here is refused.
    """

    def __init__(self, assistant: FineTuning, config: FineTuningConfig, api_keys: list[str]) -> None:
        self._assistant = assistant
        self._config = config
        keys = Keys(api_keys, required=True)
        self.router = APIRouter(prefix="/fine-tuning", dependencies=[Depends(keys.authorize)])
        self.router.post("/setup")(self.setup)
        self.router.get("/status")(self.status)
        self.router.post("/query")(self.query)
        self.router.post("/cancel")(self.cancel)

    async def setup(self, request: Request) -> JSONResponse:
        """Start a job: 202 with its id, 409 while another runs."""
        fields, files = await self._fields(request)
        try:
            body = _checked(SetupBody, fields)
            if body.resume and files:
                raise Problem(400, "resume goes on with the job's own documents; send no files.")
            job = await self._assistant.setup(body, files)
        except BusyError as exc:
            raise Problem(409, str(exc), "busy") from exc
        finally:
            for file in files:
                await file.close()
        told = {"job": job.id, "state": job.state, "recipe": job.recipe, "profile": job.profile}
        return JSONResponse({**told, "documents": len(job.documents)}, 202)

    async def status(self) -> JSONResponse:
        """The newest job and what is served."""
        return JSONResponse(await self._assistant.status())

    async def query(self, request: Request) -> JSONResponse:
        """An answer of the fine-tuned model, or of the base model with a note that says so."""
        fields, _ = await self._fields(request)
        body = _checked(QueryBody, fields)
        result, fallback, note = await self._assistant.query(
            body.query, retrieve=body.retrieve, max_new_tokens=body.max_new_tokens, seed=body.seed
        )
        told = result_json(result)
        notes = [text for text in (note, told["note"]) if text]
        answer = {"answer": told.pop("reply"), "fallback": fallback, **told, "note": " ".join(notes)}
        return JSONResponse(answer)

    async def cancel(self) -> JSONResponse:
        """Stop the running job."""
        job = await self._assistant.cancel()
        return JSONResponse({"job": job.id, "state": job.state})

    async def _fields(self, request: Request) -> tuple[dict[str, Any], list[UploadFile]]:
        """The fields of a JSON body or a form, and the files of the form."""
        if request.headers.get("content-type", "").lower().startswith("application/json"):
            return _json(await request.body()), []
        form = await request.form(max_files=self._config.max_documents, max_fields=1100)
        fields: dict[str, Any] = {}
        files: list[UploadFile] = []
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files.append(value)
            elif name in LISTS:
                fields.setdefault(name, []).append(value)
            else:
                fields[name] = value
        return fields, files


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError) as exc:
        raise Problem(400, f"The body is not valid JSON: {exc}.") from exc
    if not isinstance(value, dict):
        raise Problem(400, "The body must be one JSON object.")
    return value


def _checked(kind: type[B], fields: dict[str, Any]) -> B:
    try:
        return kind.model_validate(fields)
    except ValidationError as exc:
        error = exc.errors()[0]
        where = ".".join(map(str, error["loc"]))
        raise Problem(400, f"{where}: {error['msg']}.", param=where) from exc
