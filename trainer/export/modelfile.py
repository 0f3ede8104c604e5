"""Ollama's Modelfile: where the weights are, the chat template in Go's language, sampling and stops.

The template is chosen by what the model's own chat template renders, never by its name. This module
knows nothing of adapters' contents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.config import SamplingConfig
from engine.errors import ModelError

_USER, _SYSTEM, _REPLY = "zquser", "zqsystem", "zqreply"  # words that no template contains


@dataclass(frozen=True, slots=True)
class Style:
    """A family of chat templates: what stands around a turn, in both languages."""

    name: str
    head: str
    """Before a turn; {role} is its role."""
    tail: str
    stops: tuple[str, ...]

    def turn(self, role: str, text: str) -> str:
        """A turn as the model's own template renders it."""
        return self.head.format(role=role) + text + self.tail

    def go(self, preface: str) -> str:
        """The Go template; `preface` stands in the system turn before its text."""
        head = self.head.format(role="{{ .Role }}")
        before = f'{{{{ if eq .Role "system" }}}}{preface}{{{{ end }}}}' if preface else ""
        turn = f"{head}{before}{{{{ .Content }}}}{self.tail}"
        return f"{{{{- range .Messages }}}}{turn}{{{{ end }}}}{self.head.format(role='assistant')}"


STYLES = (
    Style("llama-3", "<|start_header_id|>{role}<|end_header_id|>\n\n", "<|eot_id|>", ("<|eot_id|>",)),
    Style("chatml", "<|im_start|>{role}\n", "<|im_end|>\n", ("<|im_end|>",)),
    Style("phi-3", "<|{role}|>\n", "<|end|>\n", ("<|end|>",)),
)


def go_template(tokenizer: Any) -> tuple[str, tuple[str, ...]]:
    """The Go template that renders as the tokenizer's own, and the texts that end a reply.

    A line with today's date that a template puts into the system turn is left out.

    Raises:
        ModelError: the template is of no known family.
    """
    rows = [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": _USER},
        {"role": "assistant", "content": _REPLY},
        {"role": "user", "content": _USER},
    ]
    try:
        text: str = tokenizer.apply_chat_template(rows, tokenize=False, add_generation_prompt=True)
    except Exception as exc:  # a template may raise whatever it likes, such as for a system turn
        raise ModelError(f"The model's chat template refuses a plain conversation: {exc}.") from exc
    for style in STYLES:
        talk = style.turn("user", _USER) + style.turn("assistant", _REPLY) + style.turn("user", _USER)
        head, found, rest = text.partition(_SYSTEM + style.tail + talk)
        start = style.head.format(role="system")
        if found and rest == style.head.format(role="assistant") and start in head:
            preface = head.partition(start)[2]
            lines = [line for line in preface.split("\n") if not line.startswith("Today Date:")]
            return style.go("\n".join(lines)), style.stops
    raise ModelError(
        "The model's chat template is of no family that Ollama's template can be written for; known: "
        f"{', '.join(style.name for style in STYLES)}. Write TEMPLATE by hand from chat_template.jinja."
    )


def modelfile(
    base: str,
    adapters: Sequence[str],
    template: str,
    stops: Sequence[str],
    system: str,
    sampling: SamplingConfig,
    context: int,
) -> str:
    """The file's text.

    Args:
        base: for FROM: a file, a folder, or a name in Ollama's library.
        adapters: files for ADAPTER lines; Ollama obeys the last one only.
        context: tokens, for num_ctx.
    """
    lines = [f"FROM {base}", *(f"ADAPTER {name}" for name in adapters), ""]
    lines += [f'TEMPLATE """{template}"""', "", f'SYSTEM """{_quoted(system)}"""', ""]
    values = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "repeat_penalty": sampling.repetition_penalty,
        "num_predict": sampling.max_new_tokens,
        "num_ctx": context,
    }
    lines += [f"PARAMETER {key} {value}" for key, value in values.items()]
    lines += [f'PARAMETER stop "{stop}"' for stop in stops]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Three quotation marks would end the block."""
    return text.replace('"""', "'''")
