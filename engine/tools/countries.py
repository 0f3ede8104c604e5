"""Names of countries by their two letters, for services that send the letters alone."""

from __future__ import annotations

_NAMES = """
AE United Arab Emirates; AF Afghanistan; AL Albania; AM Armenia; AO Angola; AR Argentina;
AT Austria; AU Australia; AZ Azerbaijan; BA Bosnia and Herzegovina; BD Bangladesh; BE Belgium;
BG Bulgaria; BH Bahrain; BO Bolivia; BR Brazil; BY Belarus; CA Canada; CH Switzerland;
CI Ivory Coast; CL Chile; CM Cameroon; CN China; CO Colombia; CR Costa Rica; CU Cuba; CY Cyprus;
CZ Czechia; DE Germany; DK Denmark; DO Dominican Republic; DZ Algeria; EC Ecuador; EE Estonia;
EG Egypt; ES Spain; ET Ethiopia; FI Finland; FR France; GB United Kingdom; GE Georgia; GH Ghana;
GR Greece; GT Guatemala; HK Hong Kong; HN Honduras; HR Croatia; HU Hungary; ID Indonesia;
IE Ireland; IL Israel; IN India; IQ Iraq; IR Iran; IS Iceland; IT Italy; JM Jamaica; JO Jordan;
JP Japan; KE Kenya; KH Cambodia; KR South Korea; KW Kuwait; KZ Kazakhstan; LB Lebanon; LK Sri Lanka;
LT Lithuania; LU Luxembourg; LV Latvia; MA Morocco; MD Moldova; ME Montenegro; MK North Macedonia;
MM Myanmar; MT Malta; MX Mexico; MY Malaysia; NA Namibia; NG Nigeria; NI Nicaragua; NL Netherlands;
NO Norway; NP Nepal; NZ New Zealand; OM Oman; PA Panama; PE Peru; PH Philippines; PK Pakistan;
PL Poland; PT Portugal; PY Paraguay; QA Qatar; RO Romania; RS Serbia; RU Russia; SA Saudi Arabia;
SE Sweden; SG Singapore; SI Slovenia; SK Slovakia; SN Senegal; SV El Salvador; SY Syria;
TH Thailand; TN Tunisia; TR Turkey; TW Taiwan; TZ Tanzania; UA Ukraine; UG Uganda; US United States;
UY Uruguay; UZ Uzbekistan; VE Venezuela; VN Vietnam; ZA South Africa; ZM Zambia; ZW Zimbabwe
"""
COUNTRIES: dict[str, str] = {part.strip()[:2]: part.strip()[3:] for part in _NAMES.split(";")}


def country_name(code: str) -> str:
    """The country's name, or the letters themselves where the table lacks them."""
    return COUNTRIES.get(code.upper(), code)
