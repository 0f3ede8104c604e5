"""Presidio as the finder of names, used when it is installed. Knows nothing of what is done with them."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from engine.errors import InputError
from ingest.pii_patterns import Finding

_MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
KINDS = {
    "PERSON": "PERSON",
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "US_SSN": "SSN",
    "US_PASSPORT": "NATIONAL_ID",
    "US_DRIVER_LICENSE": "NATIONAL_ID",
    "UK_NHS": "NATIONAL_ID",
    "MEDICAL_LICENSE": "NATIONAL_ID",
}


def is_installed() -> bool:
    """Whether the package can be imported."""
    return importlib.util.find_spec("presidio_analyzer") is not None


def load_analyzer() -> Any:
    """Presidio's analyzer over the spaCy model that is installed; downloads nothing.

    Raises:
        InputError: the package or every model is missing.
    """
    if not is_installed():
        raise InputError("Presidio is not installed: pip install presidio-analyzer, or use --names speakers.")
    model = next((name for name in _MODELS if importlib.util.find_spec(name)), None)
    if model is None:
        raise InputError(
            "Presidio is installed but its language model is not: python -m spacy download en_core_web_lg, "
            "or use --names speakers."
        )
    presidio = importlib.import_module("presidio_analyzer")
    provider = importlib.import_module("presidio_analyzer.nlp_engine").NlpEngineProvider(
        nlp_configuration={"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}
    )
    return presidio.AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=["en"])


class PresidioChecker:
    """Finds what Presidio finds."""

    def __init__(self, analyzer: Any, min_score: float = 0.5) -> None:
        self._analyzer = analyzer
        self._min_score = min_score

    def find(self, text: str) -> list[Finding]:
        """Findings of the kinds in `KINDS`."""
        results = self._analyzer.analyze(
            text=text, language="en", entities=list(KINDS), score_threshold=self._min_score
        )
        return [Finding(KINDS[r.entity_type], r.start, r.end) for r in results if r.entity_type in KINDS]
