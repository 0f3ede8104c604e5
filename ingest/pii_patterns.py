"""The built-in recogniser: e-mail, phone, card, IBAN, address, IP and national numbers, by form.

It finds no names of people: those need a language model (Presidio) or a speaker list. Patterns are
bounded, so that no text makes them slow.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ingest.pii_numbers import iban_length, is_card, is_cpf, is_dni, is_insee, luhn

_D = r"[ \t\u00a0.\-‐-―]"  # what people write between groups of digits
_SUFFIX = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Way|Place|Pl|Square|Sq|Terrace|"
    r"Parkway|Pkwy|Highway|Hwy|Close|Crescent|Row|Mews)"
)
_UNIT = r"(?:,?\s{1,2}(?:Apt|Apartment|Suite|Ste|Unit|Flat|#)\.?\s{0,2}#?\w{1,6})?"
_CITY = r"(?:,\s{1,2}[A-Z][\w.'’-]{1,20}(?:\s[A-Z][\w.'’-]{1,20}){0,2})?"
_STATE = (
    r"(?:,?\s{1,2}[A-Z]{2}\s{1,2}\d{5}(?:-\d{4})?|,?\s{1,2}[A-Z]{1,2}\d[A-Z\d]?\s\d[A-Z]{2}|,?\s{1,2}\d{5})?"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Personal data between two offsets of a text."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Rule:
    kind: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool] | None = None


def _digits(text: str) -> int:
    return sum(c.isdigit() for c in text)


def _international(text: str) -> bool:
    return 8 <= _digits(text) <= 15


def _national(text: str) -> bool:
    return 9 <= _digits(text) <= 11 and not re.fullmatch(r"\d{1,2}[./-]\d{1,2}[./-]\d{4}", text)


def _ip4(text: str) -> bool:
    try:
        return bool(ipaddress.IPv4Address(text))
    except ValueError:
        return False


def _ip6(text: str) -> bool:
    try:
        return any(c.isdigit() for c in text) and bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False


def _near(words: str, number: str) -> re.Pattern[str]:
    """A number that only the words before it make personal; group `number` is it."""
    return re.compile(rf"\b(?:{words})\b[^\n.!?\d]{{0,25}}?(?P<number>{number})", re.IGNORECASE)


_RULES = (
    _Rule("EMAIL", re.compile(r"[\w.+%'-]{1,64}@(?:[^\W_][\w-]{0,62}\.){1,8}[^\W\d_]{2,24}\b")),
    _Rule(
        "EMAIL",
        re.compile(
            r"\b\w{2,32}(?: (?:dot|underscore|dash) \w{1,32}){0,4} at \w{2,32}(?: dot \w{2,32}){0,3} dot "
            r"(?:com|org|net|edu|gov|io|co|info|de|fr|es|it|uk)\b",
            re.IGNORECASE,
        ),
    ),
    _Rule(
        "EMAIL",
        re.compile(
            r"[\w.+-]{1,64}\s?[\[(]at[\])]\s?[\w.-]{1,64}\s?(?:\.|[\[(]dot[\])])" r"\s?[a-z]{2,24}\b", re.I
        ),
    ),
    _Rule("CARD", re.compile(rf"(?<![\d.])\d(?:{_D}?\d){{12,18}}(?![\d])"), is_card),
    _Rule("SSN", re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}([- ‐-―])(?!00)\d{2}\1(?!0000)\d{4}(?![\d-])")),
    _Rule("SSN", _near("social security(?: number)?|ssn", rf"\d{{3}}{_D}?\d{{2}}{_D}?\d{{4}}(?!\d)")),
    _Rule("NATIONAL_ID", re.compile(r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]\b")),
    _Rule("NATIONAL_ID", re.compile(r"(?<![\d.])\d{3}\.\d{3}\.\d{3}-\d{2}(?!\d)"), is_cpf),
    _Rule("NATIONAL_ID", re.compile(r"\b\d{8}-?[A-HJ-NP-TV-Z]\b"), is_dni),
    _Rule(
        "NATIONAL_ID",
        re.compile(r"(?<!\d)[12] ?\d\d ?(?:0[1-9]|1[0-2]) ?\d\d ?\d{3} ?\d{3} ?\d\d(?!\d)"),
        is_insee,
    ),
    _Rule(
        "NATIONAL_ID",
        _near("social insurance(?: number)?|sin", r"\d{3}[ -]?\d{3}[ -]?\d{3}(?!\d)"),
        lambda t: luhn(re.sub(r"\D", "", t)),
    ),
    _Rule(
        "NATIONAL_ID",
        _near(
            r"passport(?: number| no\.?)?|driver'?s licen[cs]e(?: number)?|aadhaar(?: number)?|pesel|"
            r"(?:national )?id(?:entity)? (?:card )?number|tax (?:id|number)|"
            r"insurance number|medicare number",
            r"[A-Z]{0,3}[ -]?\d(?:[ -]?\d|[A-Z]){4,14}(?![A-Z0-9])",
        ),
        lambda t: _digits(t) >= 5,
    ),
    _Rule("IP", re.compile(r"(?<![\w.])(?<!version )(?<!v)\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)"), _ip4),
    _Rule("IP", re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{2,39}(?![\w:])"), _ip6),
    _Rule(
        "PHONE",
        re.compile(rf"(?<![\w+])(?:\+|00)[ ]?\d(?:(?:{_D}|[()/]){{0,3}}\d)" r"{7,14}(?!\d)"),
        _international,
    ),
    _Rule(
        "PHONE",
        re.compile(rf"(?<![\d.+-])(?:1{_D})?(?:\(\d{{3}}\){_D}?|\d{{3}}{_D})" rf"\d{{3}}{_D}\d{{4}}(?![\d])"),
    ),
    _Rule(
        "PHONE",
        re.compile(
            rf"(?<![\d.+/-])\(?0[1-9]\d{{0,3}}\)?(?:{_D}|/)\d{{2,8}}" rf"(?:(?:{_D}|/)\d{{2,6}}){{0,4}}(?!\d)"
        ),
        _national,
    ),
    _Rule("PHONE", re.compile(r"(?<![\d.,])0[1-9]\d{8,9}(?![\d.])")),
    _Rule(
        "PHONE",
        _near(
            "phone(?: number)?|telephone|tel|mobile|cell|fax|call(?: me)?|text me|whatsapp|my number is|ring",
            rf"(?:\(\d{{2,5}}\){_D}?)?\d(?:{_D}?\d){{6,11}}(?!\d)",
        ),
        lambda t: _digits(t) != 8 or not re.fullmatch(r"(?:19|20)\d\d.?(?:19|20)\d\d", t),
    ),
    _Rule(
        "ADDRESS",
        re.compile(
            r"(?<![\d.,$€£])\b\d{1,5}[A-Za-z]?(?:-\d{1,4})?,?\s{1,2}(?:[NSEW]\.?\s)?"
            rf"(?:(?:[A-Z][\w.'’-]{{1,20}}|\d{{1,3}}(?:st|nd|rd|th))\s){{1,4}}?{_SUFFIX}\b\.?(?:\s(?:NW|NE|SW|SE)\b)?{_UNIT}{_CITY}{_STATE}"
        ),
    ),
    _Rule(
        "ADDRESS",
        re.compile(
            r"\b[A-ZÄÖÜ][\wäöüß.-]{1,30}(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm)\s\d{1,4}\s?[a-z]?\b"
            r"(?:,\s\d{5}\s[A-ZÄÖÜ][\wäöüß-]{1,30})?"
        ),
    ),
    _Rule(
        "ADDRESS",
        re.compile(
            r"\b\d{1,4}(?: bis| ter)?,? (?:rue|avenue|boulevard|place|chemin|impasse|allée|quai) "
            r"(?:(?:de la|de l['’]|du|des|de|d['’]) ?)?[A-ZÀ-Ý][\w'’-]{1,30}(?: [A-ZÀ-Ý][\w'’-]{1,30}){0,3}"
            r"(?:,? \d{5} [A-ZÀ-Ý][\w-]{1,30})?"
        ),
    ),
    _Rule(
        "ADDRESS",
        re.compile(
            r"\b(?:Calle|Avenida|Via|Viale|Rua|Plaza|Piazza) (?:[A-ZÀ-Ý][\w'’-]{1,30} ){0,3}"
            r"[A-ZÀ-Ý][\w'’-]{1,30},? \d{1,4}\b"
        ),
    ),
    _Rule("ADDRESS", re.compile(r"\b(?:P\.? ?O\.? ?Box|Postfach)\s{1,2}\d{1,7}\b", re.IGNORECASE)),
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ \u00a0-]?[A-Z0-9]){11,40}", re.IGNORECASE)


class PatternChecker:
    """Finds personal data by its form."""

    def find(self, text: str) -> list[Finding]:
        """Findings in order, none overlapping; the earlier and longer one wins."""
        found = [*_ibans(text)]
        for rule in _RULES:
            for match in rule.pattern.finditer(text):
                group = "number" if "number" in rule.pattern.groupindex else 0
                if rule.check is None or rule.check(match[group]):
                    found.append(Finding(rule.kind, *match.span(group)))
        return without_overlaps(found)


def _ibans(text: str) -> Iterable[Finding]:
    for match in _IBAN.finditer(text):
        if length := iban_length(match[0]):
            yield Finding("IBAN", match.start(), match.start() + length)


def without_overlaps(found: Iterable[Finding]) -> list[Finding]:
    """In order; of overlapping findings the one that begins first stays, widened over the others."""
    out: list[Finding] = []
    for item in sorted(found, key=lambda f: (f.start, -f.end)):
        if out and item.start < out[-1].end:
            out[-1] = Finding(out[-1].kind, out[-1].start, max(out[-1].end, item.end))
        else:
            out.append(item)
    return out
