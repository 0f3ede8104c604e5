"""The document assistant over a real socket: a real trainer process on a tiny model."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fake_web import CARD, FakeCompleter, FakeRelay
from tiny import make_tiny_model

from bot.child import Mark, alive, start_time
from bot.finetuning import NO_ADAPTER, FineTuning
from bot.finetuning_job import Job, Jobs
from bot.finetuning_progress import read_progress
from bot.finetuning_routes import FineTuningRoutes
from bot.web import WebServer
from engine.config import Config
from engine.engine import Engine
from engine.fakes import ListRetriever, MemoryHistory
from engine.model.load import load_tokenizer
from engine.model.worker import ModelWorker
from engine.personas import load_persona
from engine.prompt import Renderer

JSON = {"Content-Type": "application/json"}
KEY = {"Authorization": "Bearer open-sesame"}
UPLOAD_BYTES = 1_500_000
FERRY = """# The Lantern Ferry

The Lantern Ferry is a small boat that crosses the Ash River every evening. It was built in 1911.

## Tickets

A return ticket costs 4 dollars. Children under six travel free. The booth closes at nine.
"""
RECIPE = """
batch_size = 4
accumulation = 1
max_length = 256
held_out = 0.25
[[phase]]
name = "documents"
r = 4
alpha = 8
learning_rate = 5e-3
epochs = 1
identity_rate = 0.0
"""

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]


@pytest.fixture(autouse=True)
def _no_courtesy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy test machine would starve children that stand back."""
    monkeypatch.setattr("bot.child.NICENESS", 0)


@dataclass(slots=True)
class Home:
    """A configuration over real files, and the one worker that all its assistants share."""

    config: Config
    recipes: Path
    worker: ModelWorker
    engine: Engine

    def assistant(self) -> FineTuning:
        return FineTuning(self.config, self.engine, self.worker, self.recipes)

    @asynccontextmanager
    async def serving(self, assistant: FineTuning) -> AsyncIterator[httpx.AsyncClient]:
        """A client with the key, at a real server."""
        settings = self.config.finetuning
        routes = FineTuningRoutes(assistant, settings, self.config.web.api_keys)
        relay = FakeRelay()
        server = WebServer(
            self.config.web, relay, relay, CARD, FakeCompleter(),
            more=[routes.router], upload_bytes=settings.max_upload_bytes,
        )  # fmt: skip
        await assistant.start()
        await server.start()
        try:
            async with httpx.AsyncClient(base_url=server.url, headers=KEY, timeout=60) as client:
                yield client
        finally:
            await server.close()
            await assistant.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Home]:
    root = tmp_path_factory.mktemp("assistant")
    model = make_tiny_model(root / "model")
    (root / "ada").mkdir()
    (root / "ada" / "persona.toml").write_text(
        'id = "ada"\nname = "Ada"\nsystem_prompt = "You are Ada."\ndisclosure = "An AI."\n', "utf-8"
    )
    (root / "recipes").mkdir()
    (root / "recipes" / "few-steps.toml").write_text(RECIPE, "utf-8")
    (root / "data" / "uploads" / "ferry").mkdir(parents=True)
    (root / "data" / "uploads" / "ferry" / "ferry.md").write_text(FERRY, "utf-8")
    (root / "secret.md").write_text("# Secret\n\nNobody may ever read this sentence of mine.\n", "utf-8")
    config = Config.model_validate(
        {
            "root": root,
            "persona": "ada",
            "profiles": {
                "starter": {"model": str(model), "device": "cpu", "dtype": "float32", "context_tokens": 256}
            },
            "web": {"port": 0, "api_keys": ["open-sesame"]},
            "finetuning": {"recipe": "few-steps", "max_upload_bytes": UPLOAD_BYTES, "max_documents": 3},
        }
    )
    worker = ModelWorker(config.model_ref, config.active_profile, config.worker)
    await worker.start()
    engine = Engine(
        config, load_persona(config.persona_path), MemoryHistory(), ListRetriever([]), worker,
        Renderer(load_tokenizer(config.model_ref)), worker,
    )  # fmt: skip
    yield Home(config, root / "recipes", worker, engine)
    await worker.close()


def sleeping() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)


async def until_ended(client: httpx.AsyncClient, seen: set[str] | None = None) -> dict[str, Any]:
    async with asyncio.timeout(180):
        while True:
            status = (await client.get("/fine-tuning/status")).json()
            if seen is not None:
                seen.add(status["job"]["state"])
            if status["job"]["state"] not in ("reading", "building", "training"):
                return dict(status)
            await asyncio.sleep(0.1)


async def test_setup_whole_way_trains_serves_and_falls_back_before(home: Home) -> None:
    ask = {"query": "What does a return ticket cost?", "max_new_tokens": 8, "seed": 1}
    async with home.serving(home.assistant()) as client:
        before = (await client.post("/fine-tuning/query", json=ask)).json()
        assert before["fallback"] and before["note"] == NO_ADAPTER and before["adapters"] == []

        started = await client.post("/fine-tuning/setup", json={"documents": ["ferry"], "epochs": 2})
        assert started.status_code == 202 and started.json()["documents"] == 1
        second = await client.post("/fine-tuning/setup", json={})
        assert second.status_code == 409 and "runs already" in second.json()["error"]["message"]

        seen: set[str] = set()
        status = await until_ended(client, seen)
        assert status["job"]["state"] == "done", status
        assert "training" in seen and status["available"]
        assert status["job"]["pairs"] >= 8 and status["job"]["settings"]["epochs"] == 2
        assert status["job"]["progress"]["epoch"] == 2
        (made,) = status["job"]["adapters"]
        assert made["held_out_loss"] < made["held_out_loss_before"]

        after = (await client.post("/fine-tuning/query", data={**ask, "seed": "1"})).json()
        assert not after["fallback"] and after["note"] == ""
        assert [a["strength"] for a in after["adapters"]] == [1.0]
        assert home.worker.default_stack() == ()  # nobody else's replies have it
        assert (await client.get("/fine-tuning/status")).json()["queries"] == 2

    async with home.serving(home.assistant()) as client:  # a restarted service serves it again
        status = (await client.get("/fine-tuning/status")).json()
        assert status["available"] and status["serving"] == started.json()["job"]
        assert not (await client.post("/fine-tuning/query", json=ask)).json()["fallback"]


async def test_close_mid_training_interrupts_and_resume_goes_on(home: Home) -> None:
    config = home.config.model_copy(update={"data_dir": "data2"})
    again = Home(config, home.recipes, home.worker, home.engine)
    file = ("ferry.md", FERRY.encode(), "text/markdown")
    async with again.serving(again.assistant()) as client:
        form = {"recipe": "few-steps", "epochs": "1"}
        started = await client.post("/fine-tuning/setup", data=form, files={"documents_1": file})
        assert started.status_code == 202, started.text
        job_id = started.json()["job"]
        job_file = config.data_path / "fine-tuning" / job_id / "job.json"
        async with asyncio.timeout(60):
            while (await client.get("/fine-tuning/status")).json()["job"]["state"] != "training":
                await asyncio.sleep(0.05)
        job = Job.model_validate_json(job_file.read_text("utf-8"))
        mark = Mark(job.pid, job.pid_started)
        assert alive(mark)
    assert not alive(mark)
    assert Job.model_validate_json(job_file.read_text("utf-8")).state == "interrupted"

    async with again.serving(again.assistant()) as client:
        assert (await client.get("/fine-tuning/status")).json()["job"]["state"] == "interrupted"
        resumed = await client.post("/fine-tuning/setup", json={"resume": job_id})
        assert resumed.status_code == 202 and resumed.json()["job"] == job_id
        status = await until_ended(client)
        assert status["job"]["state"] == "done" and status["available"], status
        twice = await client.post("/fine-tuning/setup", json={"resume": job_id})
        assert twice.status_code == 400 and "done" in twice.json()["error"]["message"]


async def test_start_process_of_a_killed_service_is_ended(home: Home) -> None:
    config = home.config.model_copy(update={"data_dir": "data3"})
    orphan = sleeping()
    job = Job(
        id="20260101-000000-abcdef", state="training", created_at=datetime.now(UTC), recipe="r",
        profile="starter", pid=orphan.pid, pid_started=start_time(orphan.pid),
    )  # fmt: skip
    Jobs(config.data_path / "fine-tuning").save(job)
    assistant = FineTuning(config, home.engine, home.worker, home.recipes)
    await assistant.start()
    assert orphan.wait(timeout=10) != 0
    status = await assistant.status()
    assert status["job"]["state"] == "interrupted"


async def test_alive_pid_of_another_process_is_not_ours() -> None:
    sleeper = sleeping()
    try:
        assert alive(Mark(sleeper.pid, start_time(sleeper.pid)))
        assert not alive(Mark(sleeper.pid, "1"))
    finally:
        sleeper.kill()
        sleeper.wait()
    assert not alive(Mark(sleeper.pid, start_time(sleeper.pid)))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"documents": ["../../secret.md"]}, "inside the upload folder"),
        ({"documents": ["/etc/passwd"]}, "inside the upload folder"),
        ({"documents": ["C:\\secret.md"]}, "inside the upload folder"),
        ({"documents": ["ferry/link.md"]}, "out of the upload folder"),
        ({"documents": ["nothing.md"]}, "not in the upload folder"),
        ({"recipe": "../few-steps"}, "recipe"),
        ({"recipe": "unknown"}, "few-steps"),
        ({"profile": "unknown"}, "starter"),
        ({"epochs": 0}, "epochs"),
        ({"surprise": 1}, "surprise"),
        ({"resume": "20260101-000000-000000"}, "There is no job"),
    ],
)
async def test_setup_bad_request_is_refused_by_name(home: Home, body: dict[str, Any], words: str) -> None:
    link = home.config.upload_path / "ferry" / "link.md"
    link.unlink(missing_ok=True)
    link.symlink_to(home.config.path("secret.md"))
    config = home.config.model_copy(update={"data_dir": "data4"})
    config = config.model_copy(
        update={
            "finetuning": config.finetuning.model_copy(update={"upload_dir": str(home.config.upload_path)})
        }
    )
    try:
        assistant = FineTuning(config, home.engine, home.worker, home.recipes)
        async with Home(config, home.recipes, home.worker, home.engine).serving(assistant) as client:
            answer = await client.post("/fine-tuning/setup", json=body)
        assert answer.status_code == 400 and words in answer.json()["error"]["message"], answer.text
        assert not assistant.running
    finally:
        link.unlink()


async def test_routes_without_or_with_wrong_key_are_shut(home: Home) -> None:
    config = home.config.model_copy(update={"data_dir": "data5"})
    async with Home(config, home.recipes, home.worker, home.engine).serving(
        FineTuning(config, home.engine, home.worker, home.recipes)
    ) as client:
        for headers in ({"Authorization": ""}, {"Authorization": "Bearer open-sesam"}):
            assert (await client.get("/fine-tuning/status", headers=headers)).status_code == 401
            ask = {"query": "Hello"}
            assert (await client.post("/fine-tuning/query", json=ask, headers=headers)).status_code == 401
        huge = await client.post("/fine-tuning/setup", content=b" " * (UPLOAD_BYTES + 1), headers=JSON)
        assert huge.status_code == 413
        odd = await client.post("/fine-tuning/setup", content=b"x", headers={"Content-Type": "text/plain"})
        assert odd.status_code == 415
        program = {"documents": ("virus.exe", b"MZ", "application/octet-stream")}
        refused = await client.post("/fine-tuning/setup", files=program)
        assert refused.status_code == 400 and ".exe" in refused.text
        many = [("f", (f"{i}.md", b"# T", "text/markdown")) for i in range(5)]
        assert (await client.post("/fine-tuning/setup", files=many)).status_code == 400
    keyless = config.model_copy(update={"web": config.web.model_copy(update={"api_keys": []})})
    async with Home(keyless, home.recipes, home.worker, home.engine).serving(
        FineTuning(keyless, home.engine, home.worker, home.recipes)
    ) as client:
        shut = await client.get("/fine-tuning/status")
        assert shut.status_code == 403 and "api_keys" in shut.text


async def test_setup_unreadable_document_fails_with_the_reason(home: Home) -> None:
    config = home.config.model_copy(update={"data_dir": "data6"})
    async with Home(config, home.recipes, home.worker, home.engine).serving(
        FineTuning(config, home.engine, home.worker, home.recipes)
    ) as client:
        broken = {"f": ("broken.pdf", b"%PDF-1.4 nothing of a PDF", "application/pdf")}
        assert (await client.post("/fine-tuning/setup", files=broken)).status_code == 202
        status = await until_ended(client)
    assert status["job"]["state"] == "failed" and "No document could be read" in status["job"]["error"]
    assert status["job"]["refused"] and not status["available"]


async def test_cancel_running_job_stops_it_and_without_one_says_so(home: Home) -> None:
    config = home.config.model_copy(update={"data_dir": "data7"})
    async with Home(config, home.recipes, home.worker, home.engine).serving(
        FineTuning(config, home.engine, home.worker, home.recipes)
    ) as client:
        assert (await client.post("/fine-tuning/cancel", json={})).status_code == 400
        file = ("ferry.md", FERRY.encode(), "text/markdown")
        assert (await client.post("/fine-tuning/setup", files={"f": file})).status_code == 202
        cancelled = await client.post("/fine-tuning/cancel", json={})
        assert cancelled.json()["state"] == "cancelled"
        assert (await client.get("/fine-tuning/status")).json()["job"]["state"] == "cancelled"


def events(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


async def test_read_progress_events_give_newest_numbers_and_time_left(tmp_path: Path) -> None:
    rows = [{"kind": "phase", "phase": "documents", "epochs": 3, "total_steps": 40}]
    rows += [
        {
            "kind": "step",
            "phase": "documents",
            "epoch": 1,
            "step": n,
            "loss": 2.0 - n / 10,
            "elapsed_s": n * 3.0,
        }
        for n in (2, 4, 6)
    ]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "events.jsonl").write_text(events(*rows) + '{"kind": "step", "st', "utf-8")
    progress = read_progress(tmp_path, tmp_path / "log.txt")
    assert (progress["phase"], progress["epochs"], progress["step"]) == ("documents", 3, 6)
    assert progress["loss"] == pytest.approx(1.4) and progress["eta_s"] == pytest.approx(34 * 3.0)


async def test_read_progress_without_events_reads_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("x\ndocuments epoch 2: train 1.2500, held out 1.5000\nSaved\n", "utf-8")
    assert read_progress(tmp_path / "none", log) == {
        "phase": "documents", "epoch": 2, "loss": 1.25, "eval_loss": 1.5,
    }  # fmt: skip
    assert read_progress(tmp_path / "none", tmp_path / "nothing") == {}
