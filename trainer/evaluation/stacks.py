"""What the adapters do, for each of base, identity, style and both: name, style, loss, grounding.

A stack whose adapters are not loaded is left out of the table. This module knows nothing of files
but the pairs that adapters were trained from.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from engine.adapters import open_adapter
from engine.config import Config
from engine.errors import UnderstudyError
from engine.personas import Persona
from engine.rows import Case
from trainer.evaluation.metrics import loops, rate
from trainer.evaluation.options import STACKS, stack_strengths
from trainer.evaluation.outcome import Outcome
from trainer.evaluation.part import PARTS, answer_all, run_part
from trainer.evaluation.session import Session
from trainer.evaluation.style import StyleClassifier
from trainer.pairs import Example

Cases = Sequence[Case[Any]]
AS_SERVED = "as served"
LONGEST = 200  # tokens of a reply that ends properly


def loaded_stacks(session: Session) -> dict[str, dict[str, float] | None]:
    """Those of base, identity, style and both whose adapters are there, at full strength; and as the
    profile dials them (None), where it does."""
    names = {a.name for a in session.worker.adapters()}
    wanted = {name: stack_strengths([name]) for name in STACKS}
    found: dict[str, dict[str, float] | None] = {n: s for n, s in wanted.items() if set(s) <= names}
    profile = session.config.active_profile
    if names & {*profile.strengths, *profile.grounded_strengths}:
        found[AS_SERVED] = None
    return found


async def stack_row(
    session: Session,
    name: str,
    *,
    who: Cases,
    talk: Cases,
    grounded: Cases,
    conflicts: Cases,
    pairs: Sequence[Example] | None,
    style: StyleClassifier | None,
    out: TextIO | None = None,
) -> dict[str, Any]:
    """One row of the table.

    Args:
        session: with this stack.
        who: questions for the persona's name.
        talk: what style is judged on.
        pairs: held-out examples of the persona; None where they cannot be told.
        style: None where there is no corpus to train one from.
        out: gets a line for every question of who and every piece of talk.
    """
    named = await run_part("persona", session, who, out, what=f"{name}: name")
    replies = await answer_all(f"{name}: talk", PARTS["persona"], session, talk, out)
    facts = await run_part("grounded", session, grounded, what=f"{name}: grounded")
    fresh = await run_part("conflicts", session, conflicts, what=f"{name}: conflicts")
    texts = [o.generation for o in replies]
    return {
        "name_given": named["pass_rate"],
        "style_rate": style.hit_rate(texts) if style else None,
        "lexicon_rate": rate([_has_any(t, session.persona.style_lexicon) for t in texts]),
        "perplexity": await perplexity(session, pairs, f"{name}: pairs") if pairs else None,
        "grounded": facts["pass_rate"],
        "fresh_rate": fresh["fresh_rate"],
        "n": {
            "name": len(who),
            "style": len(texts),
            "pairs": len(pairs or ()),
            "grounded": facts["n"],
            "conflicts": fresh["n"],
        },
    }


def endings(replies: Sequence[Outcome]) -> dict[str, Any]:
    """Share of replies that end by themselves, are said in less than 200 tokens and do not loop."""
    ended = [o.finish == "stop" and bool(o.generation) for o in replies]
    short = [o.new_tokens < LONGEST for o in replies]
    plain = [not loops(o.generation) for o in replies]
    return {
        "proper_rate": rate([a and b and c for a, b, c in zip(ended, short, plain, strict=True)]),
        "ended": rate(ended),
        "short": rate(short),
        "no_loop": rate(plain),
        "n": len(replies),
    }


async def perplexity(session: Session, examples: Sequence[Example], what: str) -> float:
    """Of the responses' tokens, end of turn included."""
    stack = session.stack()

    async def one(_: int, example: Example) -> tuple[float, int]:
        scores = await session.worker.score(example.ids, stack)
        said = [s for s, trained in zip(scores, example.mask[1:], strict=True) if trained]
        return -sum(said), len(said)

    nats, tokens = 0.0, 0
    async for loss, count in session.each(what, examples, one):
        nats, tokens = nats + loss, tokens + count
    return math.exp(nats / tokens)


def responses(persona: Persona, files: Sequence[Path]) -> list[str]:
    """What a persona's pairs answer: those of the files, or its own where there are none."""
    from trainer.pairs import Ledger, read_pairs

    ledger = Ledger()
    paths = files or sorted((persona.folder / "training").glob("*.jsonl"))
    return [pair.response for path in paths for pair in read_pairs(path, ledger)]


def held_out_pairs(
    config: Config, persona: Persona, session: Session, files: Sequence[Path], say: Callable[[str], None]
) -> list[Example] | None:
    """The pairs that training held out, found as the adapters' manifest says; None where it cannot be.

    The recipe named in the manifest's command is read again, and the files must be those of the manifest's
    data hash, so that the split is the same.

    Args:
        files: the pairs that the adapters were trained on; none: the persona's own.
    """
    from trainer.cli import CONFIGS
    from trainer.pairs import Ledger, render_pairs
    from trainer.persona import persona_job
    from trainer.rundata import read_data
    from trainer.saving import files_hash

    names = [a.name for a in session.worker.adapters()]
    if not names:
        return None
    try:
        manifest = open_adapter(persona.adapters_path / names[-1]).manifest
        recipe = _recipe(manifest.command, config.root) or CONFIGS / "dual-phase.toml"
        job = persona_job(config, persona.folder, pair_files=files, recipe=recipe)
        if files_hash(job.files) != manifest.data_hash:
            say("No perplexity: the adapters were trained on other pairs; name them with --pairs.")
            return None
        if not _same_split(job.recipe.held_out, job.recipe.seed, manifest.recipe):
            say(f"No perplexity: {recipe} splits pairs otherwise than when the adapters were trained.")
            return None
        pairs = read_data(job, session.renderer).held_out
        return render_pairs(
            pairs, session.renderer, persona.system, (), 0.0, job.limit, job.recipe.seed, Ledger()
        )
    except (UnderstudyError, OSError, ValueError) as exc:
        say(f"No perplexity: {exc}")
        return None


def _recipe(command: str, root: Path) -> Path | None:
    words = shlex.split(command)
    if "--recipe" not in words[:-1]:
        return None
    named = Path(words[words.index("--recipe") + 1])
    return next((p for p in (named, root / named) if p.is_file()), None)


def _same_split(share: float, seed: int, recorded: Mapping[str, Any]) -> bool:
    return (recorded.get("held_out"), recorded.get("seed")) == (share, seed)


def _has_any(text: str, words: Sequence[str]) -> bool:
    return any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in words)
