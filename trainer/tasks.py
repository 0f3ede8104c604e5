"""`understudy train tasks`: what a conversation log is mostly about, and which recipe fits.

Every exchange is scored for five tasks by rules over words and shapes, a point a rule:

    rag_enhanced               passages in the prompt (2), an answer that names its source
    technical_implementation   asking how to set up, install, deploy, connect or repair; software and
                               hardware terms; numbered steps or commands in the answer
    ai_ml_education            terms of machine learning (2 for two of them), asking what or why
    conversational_chat        greetings, thanks, opinions, feelings, talk about you and me; nothing else
    code_generation            asking to write or repair code (2), code in the answer

An exchange belongs to every task with at least two points, else to the one with most, so that a share
is a task's part of all such memberships, as is the primary task. Rules know English and no context.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import InputError
from trainer.grounded_rows import BadRow, LogRow, read_log

TASKS = (
    "rag_enhanced",
    "technical_implementation",
    "ai_ml_education",
    "conversational_chat",
    "code_generation",
)
BELONGS = 2
RECIPES = {
    "rag_enhanced": ("rag-tuned", "answers rest on passages: `train rag-data`, then this recipe"),
    "technical_implementation": (
        "document-assistant",
        "teach it the manuals: `train documents`, then this recipe",
    ),
    "ai_ml_education": (
        "audience-qlora",
        "explain to each audience in its words: `train audience-data`, then this",
    ),
    "conversational_chat": (
        "dual-phase",
        "talk is style: pairs of the persona's own words, then this recipe",
    ),
    "code_generation": (
        "document-assistant",
        "teach it your code's documentation; code itself wants a code model",
    ),
}
"""Task -> shipped recipe, and why."""


def _words(*alternatives: str) -> re.Pattern[str]:
    """Any of these as whole words."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(alternatives)})(?!\w)", re.I)


_CITES = re.compile(
    r"\[\d{1,2}\]|\baccording to\b|\bbased on the\b"
    r"|\bthe (?:document|article|source|passage)s? (?:say|state)",
    re.I,
)
_DO = (
    r"(?:install|configure|set ?up|deploy|connect|integrate|migrate|upgrade|build|run|mount|enable|debug|fix"
    r"|repair|troubleshoot|implement|host|wire|back ?up|restore|compile|containeri[sz]e)"
)
_HOW_TO = re.compile(
    rf"\bhow (?:do|can|should|would) (?:i|we|you)\b.*\b{_DO}\b|\b(?:how|steps) to {_DO}\b",
    re.I | re.S,
)
_TECHNICAL = _words(
    "docker", "kubernetes", "nginx", "postgres(?:ql)?", "sqlite", "redis", "linux", "ubuntu", "windows",
    "ssh", "tls", "https?", "dns", "api", "rest", "webhooks?", "servers?", "database", "config(?:uration)?",
    "port", "deploy(?:ment)?", "router", "firewall", "gpu drivers?", "cuda", "raspberry pi", "backups?",
    "logs?", "error", "timeout", "environment variables?", "systemd", "cron", "ci", "pipeline", "kernel",
)  # fmt: skip
_STEPS = re.compile(
    r"^\s*(?:1[.)]|step 1)\s.*(?:\n.*)*^\s*(?:2[.)]|step 2)\s|^\s*\$ \w+|\bsudo \w+|\bpip install\b",
    re.I | re.M,
)
_LEARNING = _words(
    "machine learning", "deep learning", "neural networks?", "transformers?", "attention", "embeddings?",
    "gradients?", "gradient descent", "backpropagation", "overfitting", "regulari[sz]ation",
    "fine[- ]?tun\\w+", "q?lora", "llms?", "language models?", "tokenizers?", "training data",
    "loss function", "learning rate", "epochs?", "classifiers?", "supervised", "unsupervised",
    "reinforcement learning", "rag", "dropout", "retrieval[- ]augmented", "quanti[sz]ation",
    "artificial intelligence", "convolution\\w*", "perceptrons?", "hyperparameters?", "dataset",
    "inference", "ai",
)  # fmt: skip
_EXPLAIN = re.compile(
    r"\b(?:what (?:is|are|does)|explain|why (?:do|does|is|are)|difference between"
    r"|how (?:do|does)|teach me)\b",
    re.I,
)
_GREETING = re.compile(
    r"^\W*(?:hi|hello|hey|good (?:morning|evening|afternoon|night)|thanks?|thank you|bye|goodbye|sorry|lol"
    r"|congratulations)\b",
    re.I,
)
_CHAT = re.compile(
    r"\b(?:how are you|what do you think|do you (?:like|love|hate|prefer|believe|feel|remember|ever)"
    r"|your (?:favou?rite|opinion|day)|tell me (?:a joke|a story|about yourself)|who are you|nice to meet"
    r"|i (?:feel|am so|love|hate|miss|think)|i['’]m (?:so |feeling |bored|tired|sad|happy)|would you rather"
    r"|my (?:dog|cat|wife|husband|mother|father|friend|weekend|day))\b",
    re.I,
)
_ASK_CODE = re.compile(
    r"\b(?:write|implement|generate|create|code|give me|show me|fix|refactor|complete|translate"
    r"|optimi[sz]e)\b"
    r"[^.?!]{0,60}"
    r"\b(?:function|script|code|class|method|program|query|regex|regular expression|unit tests?|loop"
    r"|decorator|one[- ]liner|snippet|algorithm|parser|sql|html|css)\b",
    re.I,
)
_LANGUAGE = _words(
    "python", "javascript", "typescript", "java", "rust", "golang", "bash", "c\\+\\+", "sql", "html", "css",
    "php",
)  # fmt: skip
_CODE = re.compile(
    r"```|^\s*(?:def \w+\(|class \w+[:({]|import \w+;?$|from \w+ import|function \w*\(|(?:const|let) \w+ ="
    r"|SELECT .+ FROM|#include|fn \w+\()",
    re.M,
)


@dataclass(frozen=True, slots=True)
class TaskScores:
    """Points of one exchange."""

    points: dict[str, int]

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it belongs to."""
        named = tuple(task for task in TASKS if self.points[task] >= BELONGS)
        return named or (self.main,)

    @property
    def main(self) -> str:
        """The task with most points; talk, when there is none."""
        best = max(TASKS, key=lambda task: self.points[task])
        return best if self.points[best] else "conversational_chat"


def score_tasks(row: LogRow) -> TaskScores:
    """Points of each task."""
    question, answer = row.question, row.answer
    both = f"{question}\n{answer}"
    learning = len({m.casefold() for m in _LEARNING.findall(both)})
    asks_code = bool(_ASK_CODE.search(question))
    points = {
        "rag_enhanced": 2 * bool(row.passages) + bool(_CITES.search(answer)),
        "technical_implementation": 2 * bool(_HOW_TO.search(question))
        + bool(_TECHNICAL.search(question))
        + bool(_STEPS.search(answer)),
        "ai_ml_education": min(2, learning) + bool(learning and _EXPLAIN.search(question)),
        "conversational_chat": 2 * bool(_GREETING.search(question) or _CHAT.search(question)),
        "code_generation": 2 * asks_code
        + bool(_CODE.search(answer))
        + bool(asks_code and _LANGUAGE.search(question)),
    }
    return TaskScores(points)


def analyze_tasks(rows: Iterable[LogRow | BadRow]) -> dict[str, Any]:
    """Shares, primary task and recommended recipe of a log, as JSON.

    Raises:
        InputError: no row can be read.
    """
    counts: Counter[str] = Counter()
    points: Counter[str] = Counter()
    read, refused = 0, []
    for row in rows:
        if isinstance(row, BadRow):
            refused.append(str(row))
            continue
        read += 1
        scores = score_tasks(row)
        counts.update(scores.tasks)
        points.update(scores.points)
    if not read:
        raise InputError(f"No row of the log can be read. {(refused or ['It is empty.'])[0]}")
    total = counts.total()
    ranked = sorted(TASKS, key=lambda task: (-counts[task], -points[task], TASKS.index(task)))
    recipe, why = RECIPES[ranked[0]]
    return {
        "rows": read,
        "refused": refused,
        "tasks": {
            task: {"rows": counts[task], "share": round(counts[task] / total, 4), "score": points[task]}
            for task in ranked
        },
        "primary": ranked[0],
        "secondary": ranked[1] if counts[ranked[1]] else None,
        "recipe": recipe,
        "why": why,
    }


def analyze_files(paths: Sequence[Path]) -> dict[str, Any]:
    """`analyze_tasks` of JSON-lines files. Raises InputError."""
    return analyze_tasks(read_log(paths))
