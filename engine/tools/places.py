"""Choosing the place that is meant among those that a geocoder found."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from engine.errors import ToolError
from engine.tools.specs import place_error, several_error

CLOSE = 0.8  # how alike a name must be to one that was typed
CLEAR = 3  # the biggest place is meant when it has so many times the people of the next
MAX_OPTIONS = 3
_ALIASES = {
    "uk": "gb",
    "england": "gb",
    "scotland": "gb",
    "wales": "gb",
    "usa": "us",
    "america": "us",
    "u.s.": "us",
}
_STATES = dict(
    pair.split(":")
    for pair in (
        "al:alabama ak:alaska az:arizona ar:arkansas ca:california co:colorado ct:connecticut de:delaware "
        "fl:florida ga:georgia hi:hawaii id:idaho il:illinois in:indiana ia:iowa ks:kansas ky:kentucky "
        "la:louisiana me:maine md:maryland ma:massachusetts mi:michigan mn:minnesota ms:mississippi "
        "mo:missouri mt:montana ne:nebraska nv:nevada oh:ohio ok:oklahoma or:oregon pa:pennsylvania "
        "tn:tennessee tx:texas ut:utah vt:vermont va:virginia wa:washington wi:wisconsin wy:wyoming"
    ).split()
)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on the map as a geocoder knows it."""

    name: str
    latitude: float  # degrees
    longitude: float
    region: str = ""
    country: str = ""
    country_code: str = ""
    population: int = 0
    capital: bool = False

    @property
    def full(self) -> str:
        """`Austin, Texas, United States`; the region only where it tells more than the name."""
        region = self.region if self.country_code.upper() in ("US", "CA", "AU") else ""
        return ", ".join(p for p in (self.name, region, self.country or self.country_code) if p)


def split_location(location: str) -> tuple[str, tuple[str, ...]]:
    """`Springfield, Illinois` as the name to search for and what narrows it down."""
    name, *rest = (part.strip() for part in location.split(","))
    return name, tuple(part for part in rest if part)


def choose(location: str, found: Sequence[Spot]) -> Spot:
    """The place that is meant.

    Raises:
        ToolError: there is none, or several are as likely; then they are listed.
    """
    name, narrow = split_location(location)
    wanted = _plain(name)
    exact = [s for s in found if _plain(s.name) == wanted]
    spots = exact or [s for s in found if SequenceMatcher(None, _plain(s.name), wanted).ratio() >= CLOSE][:1]
    spots = [s for s in spots if all(_fits(s, word) for word in narrow)]
    if not spots:
        raise ToolError(place_error(location))
    spots.sort(key=lambda s: (s.capital, s.population), reverse=True)  # stable: the geocoder's order else
    best, rest = spots[0], [s for s in spots[1:] if s.full != spots[0].full or s.region != spots[0].region]
    if not rest or best.capital or best.population > CLEAR * rest[0].population or not best.population:
        return best
    options = list(dict.fromkeys(_told(s) for s in (best, *rest)))[:MAX_OPTIONS]
    if len(options) < 2:
        return best
    raise ToolError(several_error(name), places=options)


def _told(spot: Spot) -> str:
    return ", ".join(dict.fromkeys(p for p in (spot.name, spot.region, spot.country) if p))


def _fits(spot: Spot, word: str) -> bool:
    """Whether a qualifier names the spot's country or region."""
    plain = _plain(word)
    known = {_plain(spot.country), _plain(spot.region), spot.country_code.lower()} - {""}
    us_state = _STATES.get(plain) if spot.country_code.upper() in ("US", "") else None
    return plain in known or _ALIASES.get(plain) in known or us_state in known


def _plain(text: str) -> str:
    """Without case and accents."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in folded if not unicodedata.combining(c)).replace("-", " ").split())
