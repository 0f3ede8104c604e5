"""docs/your-own-persona.md, done: its files written, its commands run in its order, by the real command.

Only what cannot be had offline is put in place of what the guide names: the tiny model for the 3B, a
micro Whisper for `small.en`, a free port. Where espeak-ng, ffmpeg
or the audio packages are missing, that one command is left out, and what it would have written is put
there.
"""

from __future__ import annotations

import glob
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tiny import make_tiny_model

from bot.cli import main
from engine.adapters import open_adapter

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "your-own-persona.md").read_text(encoding="utf-8")
HEARD = bool(shutil.which("espeak-ng") and shutil.which("ffmpeg")) and all(
    importlib.util.find_spec(name) for name in ("whisper", "resemblyzer", "spectralcluster", "librosa")
)
CLIP = "My name is on the letter that you keep in the drawer of your desk at home."
ASKED = ("How was the crossing?", "Is the stove lit?", "Who has the rope?", "When do we leave the mill?")
SAID = (
    "Cold and slow, but nobody fell into the river.",
    "It was, until the rain came down the pipe again.",
    "The boy has it, and he holds it as if it were a snake.",
    "When the fog has gone, and not a minute before that.",
)
sys.path.insert(0, str(ROOT / "tests" / "ingest"))  # for the voices and the micro Whisper

pytestmark = pytest.mark.timeout(600)


def blocks(language: str) -> list[str]:
    """The guide's fenced blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Every command of the guide, in order."""
    return [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


def words(command: str) -> list[str]:
    """The arguments after `understudy`, with * filled in as a shell does."""
    first, *rest = shlex.split(command)
    assert first == "understudy"
    out = []
    for word in rest:
        found = sorted(glob.glob(word)) if "*" in word else [word]
        assert found, f"{word} matches nothing"
        out += found
    return out


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the guide's files and the user's own recordings and transcripts."""
    home = tmp_path_factory.mktemp("own")
    make_tiny_model(home / "tiny", context=1024)
    for language in ("toml", "markdown", "jsonl"):
        for block in blocks(language):
            head, _, body = block.partition("\n")
            path = home / head.removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body, encoding="utf-8")
    config = home / "config.toml"
    text = config.read_text(encoding="utf-8")
    for given, instead in (
        ("meta-llama/Llama-3.2-3B-Instruct", "tiny"),
        ('"nf4"', '"none"\ndevice = "cpu"\ndtype = "float32"'),
        ("4096", "1024"),
        ("8080", str(free_port())),
    ):
        assert given in text
        text = text.replace(given, instead)
    config.write_text(text + "\n[sampling]\nmax_new_tokens = 8\n", encoding="utf-8")
    transcripts = home / "transcripts"
    transcripts.mkdir()
    for number in range(3):
        talk = [
            f"{who}: {line.rstrip('.?')} {number} {'?' if who == 'Bob' else '.'}"
            for asked, said in zip(ASKED, SAID, strict=True)
            for who, line in (("Bob", f"Talk {number}. {asked}"), ("Ada", said))
        ]
        (transcripts / f"2024-05-0{number + 1} talk.txt").write_text("\n".join(talk), encoding="utf-8")
    return home


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def record(home: Path) -> None:
    """talks/, ada.wav and a Whisper that knows the talk."""
    from micro_whisper import train_micro_whisper
    from two_voices import LINES, say, write_wav
    from two_voices import record as spoken

    (home / "talks").mkdir()
    told = spoken(LINES[:4], home)
    write_wav(home / "talks" / "2024-05-01 mill.wav", told.samples)
    write_wav(home / "ada.wav", say(CLIP, "ada", home))
    train_micro_whisper([told], home / "micro.pt", steps=60)


def write_dialogue(home: Path) -> None:
    """What `ingest audio` would have made, where it cannot run."""
    (home / "data" / "ada").mkdir(parents=True)
    rows: list[dict[str, Any]] = [{"dialogue": "2024-05-01 mill"}]
    rows += [
        {"speaker": who, "text": line}
        for who, line in (("Bob", "Did you sleep well on the boat?"), ("Ada", "Not at all, it was loud."))
    ]
    path = home / "data" / "ada" / "2024-05-01 mill.dialogue.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def review(home: Path) -> str:
    """The reviewer rejects a row of a transcript; its id."""
    rows = [json.loads(line) for line in (home / "data/ada/pairs.jsonl").read_text().splitlines()]
    last = [row for row in rows if "mill" not in row["source"]][-1]
    made = {"id": last["id"], "decision": "reject", "reason": "wrong speaker"}
    (home / "decisions.jsonl").write_text(json.dumps(made) + "\n", encoding="utf-8")
    return str(last["id"])


def serve(home: Path) -> dict[str, Any]:
    """`understudy run` until it is healthy; a chat turn's answer from it."""
    port = re.search(r"port = (\d+)", (home / "config.toml").read_text(encoding="utf-8"))
    assert port
    url = f"http://127.0.0.1:{port[1]}"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "DISCORD_TOKEN": "", "TELEGRAM_BOT_TOKEN": ""}
    process = subprocess.Popen(
        [sys.executable, "-m", "bot.cli", "run"], cwd=home, env=env, stderr=subprocess.PIPE, text=True
    )
    try:
        for _ in range(900):
            assert process.poll() is None, process.communicate()[1]
            try:
                if httpx.get(f"{url}/healthz", timeout=5).json()["status"] == "ok":
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        asked = {
            "model": "ada",
            "messages": [{"role": "user", "content": "When did Ada take over the ferry?"}],
        }
        models = httpx.get(f"{url}/v1/models", timeout=10).json()
        asked["model"] = models["data"][0]["id"]
        return dict(httpx.post(f"{url}/v1/chat/completions", json=asked, timeout=120).json())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_guide_every_command_runs_in_its_order(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    done: list[str] = []
    rejected = ""
    for command in commands():
        kind = " ".join(command.split()[1:3])
        if kind == "ingest audio":
            if not HEARD:
                write_dialogue(home)
                continue
            record(home)
            command = command.replace("small.en", "micro.pt")
        if kind == "ingest decide":
            rejected = review(home)
        if kind.startswith("run"):
            answer = serve(home)
            assert answer["choices"][0]["message"]["content"].strip()
            done.append("run")
            continue
        capsys.readouterr()
        status = main(words(command))
        told = capsys.readouterr()
        assert status == 0, f"{command}\n{told.out}\n{told.err}"
        if kind == "eval persona":
            result = json.loads(told.out)
            assert result["n"] == 2 and 0 <= result["pass_rate"] <= 1
        done.append(kind)
    assert done == [
        *(["ingest audio"] if HEARD else []), "ingest pairs", "ingest audit", "ingest decide", "ingest pairs",
        "train persona", "eval persona", "eval persona", "run", "export card",
    ]  # fmt: skip
    pairs = [json.loads(line) for line in (home / "data/ada/pairs.jsonl").read_text().splitlines()]
    assert len(pairs) >= 8 and rejected not in {row["id"] for row in pairs}
    assert any("mill" in row["source"] for row in pairs)  # of the recording
    for name, rank in (("identity", 8), ("style", 32)):
        assert open_adapter(home / "personas/ada/adapters" / name).manifest.rank == rank
    assert len((home / "data/ada/replies.jsonl").read_text().splitlines()) == 2
    assert "ferry captain" in (home / "exports/ada/README.md").read_text()


def test_guide_links_and_files_it_names_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", GUIDE):
        assert (ROOT / "docs" / target).exists(), target
    for path in ("trainer/configs/dual-phase.toml", "personas/elon-musk", "tests/test_own_persona_guide.py"):
        assert path in GUIDE and (ROOT / path).exists()
