"""How long a transcript of an hour takes to become training pairs.

The transcript is made up: three speakers, 150 words a minute, as SRT with speaker labels. Two times:
the whole command `understudy ingest pairs`, from the start of the interpreter to the last file, and
the work alone in a process that is warm. Personal data are looked for by the built-in recogniser and
the speakers' names are replaced (`--names speakers`); Presidio's language model is not in the time.

    python benchmarks/pairs_speed.py --save pairs_speed
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench import ROOT, Writer, parser, report

BAR_S = 5.0
WORDS_A_MINUTE = 150
SPEAKERS = ("Ada", "Charles", "Mary")


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--minutes", type=int, default=60)
    made.add_argument("--rounds", type=int, default=5)
    args = made.parse_args()
    if args.quick:
        args.minutes, args.rounds = 2, 1
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        transcript = folder / "hour.srt"
        turns = write_transcript(transcript, args.minutes)
        command_s = [timed_command(transcript, folder / f"command{n}") for n in range(args.rounds)]
        runs = [timed_work(transcript, folder / f"work{n}") for n in range(args.rounds)]
    result: dict[str, Any] = {
        "minutes": args.minutes,
        "turns": turns,
        "pairs": runs[-1][1],
        "command_s": round(statistics.median(command_s), 2),
        "command_worst_s": round(max(command_s), 2),
        "work_s": round(statistics.median(run[0] for run in runs), 2),
        "bar_s": BAR_S,
    }
    text = (
        f"{args.minutes} minutes, {turns} turns -> {result['pairs']} pairs: "
        f"the command {result['command_s']:.2f} s (worst {result['command_worst_s']:.2f} s), "
        f"the work alone {result['work_s']:.2f} s (bar: {BAR_S:.0f} s)"
    )
    return report(args, result, text)


def write_transcript(path: Path, minutes: int) -> int:
    """A made-up conversation; returns its number of cues."""
    rng = random.Random(3)
    writer = Writer(3)
    cues = []
    at_s = 0.0
    speaker = 0
    while at_s < minutes * 60:
        text = writer.text(rng.choice((6, 12, 25, 40)))
        if rng.random() < 0.02:
            text += " Write to ada@example.org or call 555-123-4567."
        seconds = len(text.split()) / WORDS_A_MINUTE * 60
        speaker = (speaker + rng.choice((1, 2))) % len(SPEAKERS)
        begin, end = (_clock(t) for t in (at_s, at_s + seconds))
        cues.append(f"{len(cues) + 1}\n{begin} --> {end}\n{SPEAKERS[speaker]}: {text}\n")
        at_s += seconds + 0.2
    path.write_text("\n".join(cues), encoding="utf-8")
    return len(cues)


def timed_command(transcript: Path, out: Path) -> float:
    """Seconds of the whole command."""
    out.mkdir()
    code = "import sys; from bot.cli import main; sys.exit(main())"
    words = ["ingest", "pairs", str(transcript), "--target", "Ada", "--names", "speakers", "--json"]
    words += ["--out", str(out / "pairs.jsonl")]
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def timed_work(transcript: Path, out: Path) -> tuple[float, int]:
    """Seconds of the work alone, and how many pairs it made."""
    from ingest.ledger import Ledger
    from ingest.pairs_files import make_pairs, make_scrubber
    from ingest.rows import PairOptions
    from ingest.transcripts import TranscriptOptions

    out.mkdir()
    options = PairOptions(target="Ada")
    started = time.perf_counter()
    scrubber = make_scrubber("replace", "speakers", options)
    made = make_pairs(
        [transcript],
        out / "pairs.jsonl",
        options,
        TranscriptOptions(),
        scrubber,
        out / "decisions.jsonl",
        0.15,
        Ledger(),
    )
    return time.perf_counter() - started, made.counts["pairs"]


def _clock(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d},{thousandths:03d}"


if __name__ == "__main__":
    sys.exit(main())
