"""Check digits of cards, bank accounts and national numbers.

Knows nothing of texts.
Source: ISO/IEC 7812-1 (Luhn), ISO 13616 (IBAN).
"""

from __future__ import annotations

import re

_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "CH": 21,
    "CY": 24, "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GE": 22,
    "GI": 23, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27, "KW": 30, "LI": 21,
    "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24,
    "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TR": 26, "UA": 29,
}  # fmt: skip
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"


def luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others."""
    total = 0
    for i, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if i % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_card(text: str) -> bool:
    """13 to 19 digits of a card scheme, with a right check digit."""
    digits = re.sub(r"\D", "", text)
    return 13 <= len(digits) <= 19 and digits[0] in "23456" and len(set(digits)) > 1 and luhn(digits)


def iban_length(text: str) -> int:
    """How many characters of the text, from its start, are an IBAN; 0 when none are."""
    country = text[:2].upper()
    compact, ends = "", [0]
    for i, char in enumerate(text):
        if char.isalnum():
            compact += char.upper()
            ends.append(i + 1)
    known = _IBAN_LENGTHS.get(country)
    for length in (known,) if known else range(min(34, len(compact)), 14, -1):
        if length <= len(compact) and _mod97(compact[:length]):
            rest = text[ends[length] :]
            return ends[length] if not rest or not rest[0].isalnum() else 0
    return 0


def _mod97(iban: str) -> bool:
    if not iban.isascii():
        return False
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


def is_cpf(text: str) -> bool:
    """Brazil's taxpayer number."""
    d = [int(c) for c in re.sub(r"\D", "", text)]
    if len(d) != 11 or len(set(d)) == 1:
        return False
    for n in (9, 10):
        check = sum(d[i] * (n + 1 - i) for i in range(n)) * 10 % 11 % 10
        if check != d[n]:
            return False
    return True


def is_dni(text: str) -> bool:
    """Spain's identity number: eight digits and their letter."""
    return _DNI[int(text[:8]) % 23] == text[-1].upper()


def is_insee(text: str) -> bool:
    """France's social security number."""
    compact = re.sub(r"\D", "", text)
    return len(compact) == 15 and 97 - int(compact[:13]) % 97 == int(compact[13:])
