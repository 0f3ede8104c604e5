"""Presidio as a checker, used when it is installed: numbers and IDs, and names where it has a language model.

Nothing is downloaded here. Presidio's language model is not on PyPI; without one its recognisers of
forms run over a blank pipeline, and names are left to `ingest.pii_names`. Knows nothing of what is
done with findings.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from engine.errors import InputError
from ingest.pii_patterns import Finding

_MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
_ONLINE = ("EmailRecognizer", "UrlRecognizer")
"""They fetch a list of domains; e-mail addresses are found by `ingest.pii_patterns` anyway."""
KINDS = {
    "PERSON": "PERSON",
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


def language_model() -> str:
    """The spaCy model that is installed and finds names; empty when none is."""
    return next((name for name in _MODELS if importlib.util.find_spec(name)), "")


def load_analyzer(*, names: bool = True) -> Any:
    """Presidio's analyzer.

    Args:
        names: whether it must find names, for which it needs a language model.

    Raises:
        InputError: the package is missing, or the model that names need.
    """
    if not is_installed():
        raise InputError("Presidio is not installed: pip install presidio-analyzer, or use --names speakers.")
    model = language_model()
    if names and not model:
        raise InputError(
            "Presidio is installed but its language model is not: python -m spacy download en_core_web_lg, "
            "or use --names auto or speakers."
        )
    presidio = importlib.import_module("presidio_analyzer")
    registry = presidio.RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    for name in _ONLINE:
        registry.remove_recognizer(name)
    engine = _engine(model) if names else _blank_engine()
    return presidio.AnalyzerEngine(nlp_engine=engine, registry=registry, supported_languages=["en"])


def _engine(model: str) -> Any:
    provider = importlib.import_module("presidio_analyzer.nlp_engine").NlpEngineProvider(
        nlp_configuration={"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}
    )
    return provider.create_engine()


def _blank_engine() -> Any:
    """An engine that parts words and knows nothing more; `load` would look for a model."""
    kind = importlib.import_module("presidio_analyzer.nlp_engine").SpacyNlpEngine
    engine = kind(models=[{"lang_code": "en", "model_name": "blank"}])
    engine.nlp = {"en": importlib.import_module("spacy").blank("en")}
    return engine


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
