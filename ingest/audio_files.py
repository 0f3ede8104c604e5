"""`ingest audio` from files to files: a recording's stages, each left out when its result is there.

    FILE ──► NAME.json (Whisper's words)  ┐
         ──► NAME.rttm (who speaks when)  ├──► NAME.dialogue.jsonl, which `ingest pairs` reads
         ──► the target's speaker         ┘

`NAME.stages.json` remembers what each result was made of: the recording's digest, the models and the
settings. A result whose making has not changed is used again, also one that was corrected by hand.
Knows nothing of the command line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.errors import InputError
from ingest.audio import Recording, decode_audio, file_digest
from ingest.decoding import read_text
from ingest.dialogue import Dialogue
from ingest.dialogue_file import dialogues_text
from ingest.ledger import Ledger
from ingest.outfiles import write_files
from ingest.rttm import read_rttm, rttm_text
from ingest.speakers import GAP, Margins
from ingest.transcripts import TranscriptOptions, read_transcript, source_name

STEPS = ("transcript", "diarization", "dialogue")


@dataclass(frozen=True, slots=True)
class AudioOptions:
    """What to make of recordings."""

    target: str
    out: Path
    enroll: Path | None = None
    """Clip of the target alone."""
    model: str = "small"
    """Whisper model, by name or by path."""
    language: str = ""
    diarizer: str = "voices"
    diarizer_model: str = ""
    speakers: int = 0
    margins: Margins = field(default_factory=Margins)
    whisper_bar: bool = False
    """Show Whisper's own progress bar on stderr."""
    listened: Callable[[float], None] = lambda share: None
    """Told how much of a recording the default diarizer has heard, 0..1."""


@dataclass(frozen=True, slots=True)
class Done:
    """One recording's results."""

    source: str
    dialogue: Dialogue
    files: dict[str, str]
    reused: tuple[str, ...]
    """Stages whose results were there."""
    match: dict[str, Any] | None
    """Who is the target, with similarity and margin; None without a clip."""
    complaint: str
    """What ffmpeg found damaged; empty when nothing, or when it was not decoded again."""

    def as_json(self) -> dict[str, Any]:
        """JSON-ready, without the words."""
        said = [u for u in self.dialogue.utterances if u != GAP]
        speakers: dict[str, int] = {}
        for utterance in said:
            speakers[utterance.speaker] = speakers.get(utterance.speaker, 0) + 1
        return {
            "source": self.source,
            "turns": len(said),
            "speakers": speakers,
            "match": self.match,
            "reused": list(self.reused),
            "files": self.files,
            "damaged": self.complaint,
        }


def check_files(paths: Sequence[Path], options: AudioOptions) -> None:
    """Refuse names that would write over each other or over an input. Raises InputError."""
    seen: dict[str, Path] = {}
    inputs = {path.resolve() for path in (*paths, *([options.enroll] if options.enroll else []))}
    for path in paths:
        other = seen.setdefault(source_name(path), path)
        if other.resolve() != path.resolve():
            raise InputError(f"{other} and {path} would have one name in {options.out}; rename one of them.")
        for written in _files(path, options.out).values():
            if written.resolve() in inputs:
                raise InputError(f"{written} is an input and would be overwritten; give another --out.")


def _files(path: Path, out: Path) -> dict[str, Path]:
    name = source_name(path)
    ends = {"transcript": "json", "rttm": "rttm", "dialogue": "dialogue.jsonl", "stages": "stages.json"}
    return {kind: out / f"{name}.{end}" for kind, end in ends.items()}


class Workshop:
    """The models of a run, each loaded when the first recording needs it."""

    def __init__(self, options: AudioOptions) -> None:
        self.options = options

    @cached_property
    def whisper_key(self) -> str:
        from ingest.whisper_words import model_key

        return model_key(self.options.model)

    @cached_property
    def enroll_key(self) -> str:
        return file_digest(self.options.enroll) if self.options.enroll else ""

    @cached_property
    def whisper(self) -> Any:
        from ingest.whisper_words import load_whisper

        return load_whisper(self.options.model)

    @cached_property
    def diarizer(self) -> Any:
        from ingest.diarizers import make_diarizer

        options = self.options
        return make_diarizer(options.diarizer, options.diarizer_model, options.speakers, options.listened)

    @cached_property
    def encoder(self) -> Any:
        from ingest.voices import VoiceEncoder

        return VoiceEncoder()

    @cached_property
    def voice(self) -> Any:
        """The target's, of the clip."""
        from ingest.enroll import enrol

        assert self.options.enroll
        return enrol(decode_audio(self.options.enroll).samples, self.encoder)


def ingest_audio(
    path: Path, shop: Workshop, ledger: Ledger, progress: Callable[[str], None] = lambda step: None
) -> Done:
    """Make one recording's files.

    Args:
        ledger: gets the stages of the transcript: segments, words, whole turns.
        progress: told each of `STEPS` when it is done.

    Raises:
        InputError: the recording cannot be used, or nobody in it is the target; results so far stay.
        UnderstudyError: a model or ffmpeg is missing.
    """
    job = _Job(path, shop)
    job.transcribe()
    progress("transcript")
    job.diarize()
    progress("diarization")
    match = job.match()
    dialogue = job.dialogue(match, ledger)
    progress("dialogue")
    return Done(
        job.name,
        dialogue,
        {kind: str(file) for kind, file in job.files.items() if kind != "stages"},
        tuple(job.reused),
        match,
        job.complaint,
    )


class _Job:
    """One recording on its way."""

    def __init__(self, path: Path, shop: Workshop) -> None:
        self._path, self._shop, self._options = path, shop, shop.options
        self.name = source_name(path)
        self.files = _files(path, shop.options.out)
        self.reused: list[str] = []
        self.complaint = ""
        self._digest = file_digest(path)
        self._state = _load_state(self.files["stages"])

    @cached_property
    def _recording(self) -> Recording:
        recording = decode_audio(self._path)
        self.complaint = recording.complaint
        return recording

    def transcribe(self) -> None:
        """Words, in Whisper's JSON."""
        key = _key(self._digest, self._shop.whisper_key, self._options.language)
        if self._is_done("transcript", key, self.files["transcript"]):
            return
        from ingest.whisper_words import transcribe

        result = transcribe(
            self._shop.whisper,
            self._recording.samples,
            language=self._options.language,
            progress=self._options.whisper_bar,
        )
        text = json.dumps(result, ensure_ascii=False, indent=1) + "\n"
        self._finish("transcript", key, {self.files["transcript"]: text})

    def diarize(self) -> None:
        """Who speaks when, in RTTM."""
        options = self._options
        key = _key(self._digest, options.diarizer, options.diarizer_model, str(options.speakers))
        if self._is_done("diarization", key, self.files["rttm"]):
            return
        from ingest.audio import SAMPLE_RATE

        spans = self._shop.diarizer.diarize(self._recording.samples, SAMPLE_RATE)
        self._finish("diarization", key, {self.files["rttm"]: rttm_text(spans, self.name)})

    def match(self) -> dict[str, Any] | None:
        """Which speaker is the target, when there is a clip."""
        if not self._options.enroll:
            return None
        spoken = read_text(self.files["rttm"])
        key = _key(self._digest, self._shop.enroll_key, spoken)
        if self._is_done("match", key, None):
            return dict(self._state["match"]["result"])
        from ingest.enroll import match_target

        spans = read_rttm(self.files["rttm"], self.name)
        found = match_target(self._recording.samples, spans, self._shop.voice, self._shop.encoder).as_json()
        self._finish("match", key, {}, found)
        return found

    def dialogue(self, match: dict[str, Any] | None, ledger: Ledger) -> Dialogue:
        """Speaker-labelled turns. It is quick, so that it is made every time, and counted."""
        options = TranscriptOptions("whisper", self.files["rttm"], (), self._options.margins)
        (read,) = read_transcript(self.files["transcript"], ledger, options, self.name)
        if match:
            said = tuple(
                replace(u, speaker=self._options.target) if u.speaker == match["speaker"] else u
                for u in read.utterances
            )
            read = replace(read, utterances=said)
        if not any(u != GAP for u in read.utterances):
            raise InputError(f"{self._path.name}: no turn is left; see the ledger for why.")
        write_files({self.files["dialogue"]: dialogues_text([read])})
        return read

    def _is_done(self, stage: str, key: str, output: Path | None) -> bool:
        known = self._state.get(stage)
        done = isinstance(known, dict) and known.get("key") == key and (output is None or output.is_file())
        if done:
            self.reused.append(stage)
        return done

    def _finish(self, stage: str, key: str, texts: dict[Path, str], result: Any = None) -> None:
        """The result goes in place before the note that it is there."""
        self._state[stage] = {"key": key, **({"result": result} if result is not None else {})}
        note = json.dumps(self._state, ensure_ascii=False, indent=1) + "\n"
        write_files({**texts, self.files["stages"]: note})


def _load_state(path: Path) -> dict[str, Any]:
    """What is noted; an unreadable note means that everything is made again."""
    try:
        state = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _key(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32]
