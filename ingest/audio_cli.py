"""`understudy ingest audio`: its arguments, and what it prints.

Results go to stdout, as text or as one JSON object; progress and refusals go to stderr. At import this
module loads nothing heavy.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingest.audio_files import AudioOptions, Done


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `audio` to the sub-commands of `ingest`."""
    audio = subparsers.add_parser("audio", help="make dialogues of recordings: who says what, and when")
    audio.set_defaults(handler=run_audio)
    audio.add_argument("files", nargs="+", type=Path, metavar="FILE", help="whatever ffmpeg can read")
    audio.add_argument("--target", required=True, metavar="NAME", help="the speaker to learn from")
    audio.add_argument(
        "--enroll", type=Path, metavar="CLIP", help="recording of the target alone, 2 s or more"
    )
    audio.add_argument(
        "--model", default="small", metavar="NAME|PATH", help="Whisper model or checkpoint (small)"
    )
    audio.add_argument("--language", default="", metavar="CODE", help="such as en (default: found)")
    audio.add_argument("--diarizer", choices=("voices", "sortformer", "pyannote"), default="voices")
    audio.add_argument(
        "--diarizer-model", default="", metavar="NAME|PATH", help="for sortformer and pyannote"
    )
    audio.add_argument("--speakers", type=int, default=0, metavar="N", help="how many speak (default: found)")
    audio.add_argument(
        "--margin", type=float, default=0.5, help="how clearly a word is one speaker's, 0 to 1"
    )
    audio.add_argument("--max-lost", type=float, default=0.2, help="share of a turn's words in quarantine")
    audio.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    audio.add_argument("--json", action="store_true", help="print one JSON object")


def run_audio(args: argparse.Namespace) -> int:
    """Make dialogues of recordings.

    Returns:
        0, or 1 when a recording was refused.

    Raises:
        UnderstudyError: ffmpeg, a package or a model is missing, or the arguments do not fit.
    """
    from engine.errors import InputError
    from ingest.audio_files import STEPS, Workshop, check_files, ingest_audio
    from ingest.ledger import Ledger

    ledger = Ledger()
    stage = ledger.stage("recordings", "recordings")
    done: list[Done] = []
    refused: list[str] = []
    seen: set[Path] = set()
    with _bar(len(args.files) * len(STEPS)) as bar:
        options = _options(args, lambda share: bar.set_postfix_str(f"voices {share:.0%}"))
        check_files(args.files, options)
        shop = Workshop(options)
        if options.enroll:
            _ = shop.voice  # a clip that is no use is told before hours of work
        for number, path in enumerate(args.files, 1):
            if path.resolve() in seen:
                stage.drop("given twice", path.name)
                continue
            seen.add(path.resolve())
            bar.set_description(path.name[:40])
            try:
                done.append(ingest_audio(path, shop, ledger, lambda step: bar.update(1)))
                stage.keep()
            except InputError as exc:
                told = str(exc) if path.name in str(exc) else f"{path}: {exc}"
                refused.append(told)
                stage.drop("refused", path.name)
            bar.update(number * len(STEPS) - bar.n)
    ledger.close()
    for line in refused:
        print(f"refused: {line}", file=sys.stderr)
    for one in done:
        _warn(one, args.target)
    if args.json:
        data = {"ledger": ledger.as_json(), "recordings": [d.as_json() for d in done], "refused": refused}
        print(json.dumps(data, ensure_ascii=False))
    else:
        print("\n".join([ledger.as_text(), *(_line(one, args.target) for one in done)]))
    return 1 if refused else 0


def _options(args: argparse.Namespace, listened: Callable[[float], None]) -> AudioOptions:
    from engine.errors import InputError
    from ingest.audio_files import AudioOptions
    from ingest.speakers import Margins

    for name, value in (("margin", args.margin), ("max-lost", args.max_lost)):
        if not 0 <= value <= 1:
            raise InputError(f"--{name} is {value}; allowed: 0 to 1.")
    if not 0 <= args.speakers <= 20:
        raise InputError(f"--speakers is {args.speakers}; allowed: 1 to 20, or 0 to find out.")
    if not args.target.strip():
        raise InputError("--target is empty; give the name that the speaker's lines are to carry.")
    return AudioOptions(
        target=" ".join(args.target.split()),
        out=args.out,
        enroll=args.enroll,
        model=args.model,
        language=args.language,
        diarizer=args.diarizer,
        diarizer_model=args.diarizer_model,
        speakers=args.speakers,
        margins=Margins(margin=args.margin, max_lost=args.max_lost),
        whisper_bar=sys.stderr.isatty(),
        listened=listened,
    )


def _line(one: Done, target: str) -> str:
    data = one.as_json()
    speakers = ", ".join(f"{name} {count}" for name, count in sorted(data["speakers"].items()))
    line = f"{data['files']['dialogue']}: {data['turns']} turns ({speakers})"
    if one.match:
        margin = one.match["margin"]
        sure = "nobody else to compare" if margin is None else f"margin {margin:.2f}"
        line += f"; {one.match['speaker']} is {target} (similarity {one.match['similarity']:.2f}, {sure})"
    return line + (f"; used again: {', '.join(one.reused)}" if one.reused else "")


def _warn(one: Done, target: str) -> None:
    if one.complaint:
        print(f"warning: {one.source} is damaged in places (ffmpeg: {one.complaint})", file=sys.stderr)
    if not one.match and target.casefold() not in {u.speaker.casefold() for u in one.dialogue.utterances}:
        print(
            f"warning: nobody in {one.source} is named {target}. Give --enroll CLIP, or listen who it is and "
            "make pairs with --target SPEAKER_NN.",
            file=sys.stderr,
        )


def _bar(total: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, unit="stage", file=sys.stderr, disable=None)  # None: only on a terminal
