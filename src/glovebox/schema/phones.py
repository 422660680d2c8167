"""Numbering plans of countries, as far as bringing a phone number to its international form (ITU-T E.164) needs them.

A fact of a country a word: its ISO code, its calling code, and the least and most digits of a number behind that. Over
them: what is dialled before a number within the country, and what before one abroad ("" where several may be).

Tests hold each country against libphonenumber: examples of its fixed lines, mobiles and free lines, as written at home
and abroad. Argentina and Belarus are left out, where a mobile at home is not the same digits with a prefix.
"""

from __future__ import annotations

from msgspec import Struct

MOST_DIGITS = 15  # E.164, 6.1; with the plus sign 16 bytes
LEAST_DIGITS = 7  # the shortest in use, as +683 4002


class NumberingPlan(Struct, frozen=True):
    """How numbers are written in a country. least, most: digits behind the calling code."""

    code: str
    trunk: str
    abroad: str
    least: int
    most: int


_PLANS: dict[tuple[str, str], str] = {
    ("", "00"): (
        "AC247:5-6 AD376:6-9 AO244:9-9 AW297:7-7 BF226:8-8 BH973:8-8 BI257:8-8 BJ229:8-10 BN673:7-7 BQ599:7-7 "
        "BT975:7-8 BW267:7-10 BZ501:7-11 CF236:8-8 CG242:9-9 CI225:10-10 CK682:5-5 CM237:8-9 CR506:8-10 CW599:7-8 "
        "CY357:8-8 CZ420:9-12 DJ253:8-8 DK45:8-8 EE372:7-10 ES34:9-9 FJ679:7-11 FK500:5-5 FM691:7-7 FO298:6-6 "
        "GA241:7-8 GI350:8-8 GL299:6-6 GM220:7-9 GN224:8-9 GQ240:9-9 GR30:10-12 GT502:8-11 GW245:7-9 HK852:5-11 "
        "HN504:8-11 HT509:8-8 IO246:7-7 IS354:7-9 IT39:6-12 KM269:7-7 KW965:7-8 LS266:8-8 LU352:4-11 LV371:8-8 "
        "ML223:8-8 MO853:7-8 MR222:8-8 MT356:8-8 MV960:7-10 MX52:10-10 MZ258:8-9 NC687:6-6 NE227:8-8 NF672:6-6 "
        "NI505:8-8 NO47:5-8 NR674:7-7 NU683:4-7 OM968:7-9 PA507:7-11 PF689:6-9 PG675:7-8 PL48:6-10 PT351:9-9 "
        "QA974:7-11 SC248:7-7 SH290:4-5 SJ47:5-8 SM378:8-10 SN221:9-9 SR597:6-7 ST239:7-7 SV503:7-11 SZ268:8-9 "
        "TA290:4-4 TD235:8-8 TG228:8-8 TK690:4-7 TL670:7-8 TN216:8-8 TO676:5-7 TV688:5-7 UZ998:9-9 VA39:6-12 "
        "VU678:5-7 WF681:6-9"
    ),
    ("0", "00"): (
        "AE971:5-12 AF93:9-9 AL355:6-9 AM374:8-8 AT43:4-13 AX358:5-12 AZ994:9-9 BA387:8-9 BD880:6-10 BE32:8-9 "
        "BG359:6-12 BL590:9-9 CD243:7-10 CH41:9-12 CN86:7-12 DE49:4-13 DZ213:8-9 EC593:8-11 EG20:8-10 EH212:9-9 "
        "ER291:7-7 ET251:9-9 FI358:5-12 FR33:9-9 GB44:7-10 GE995:9-9 GF594:9-9 GG44:7-10 GH233:8-9 GP590:9-9 "
        "HR385:7-9 IE353:7-10 IM44:10-10 IN91:8-13 IQ964:8-10 IR98:4-10 JE44:10-10 JO962:8-9 KG996:9-10 KI686:5-8 "
        "LA856:8-10 LB961:7-8 LI423:7-9 LK94:9-9 LR231:7-9 LT370:8-8 LY218:9-9 MA212:9-9 MC377:8-9 MD373:8-8 "
        "ME382:8-9 MF590:9-9 MG261:9-9 MK389:8-8 MM95:6-10 MQ596:9-9 MW265:7-9 MY60:8-10 NA264:8-9 NL31:5-11 "
        "NP977:8-11 NZ64:5-10 PE51:8-9 PH63:6-13 PK92:8-12 PM508:6-9 PS970:8-10 PY595:6-11 RE262:9-9 RO40:6-9 "
        "RS381:6-12 RW250:8-9 SA966:9-10 SD249:9-9 SE46:6-12 SI386:5-8 SK421:6-9 SL232:8-8 SO252:6-9 SS211:9-9 "
        "SY963:8-9 TR90:7-13 UA380:9-10 UY598:4-12 VE58:10-10 VN84:7-10 XK383:8-12 YE967:7-9 YT262:9-9 ZA27:5-10 "
        "ZM260:9-9 ZW263:7-10"
    ),
    ("1", "011"): (
        "AG1:10-10 AI1:10-10 AS1:10-10 BB1:10-10 BM1:10-10 BS1:10-10 CA1:7-10 DM1:10-10 DO1:10-10 GD1:10-10 GU1:10-10 "
        "JM1:10-10 KN1:10-10 KY1:10-10 LC1:10-10 MH692:7-7 MP1:10-10 MS1:10-10 PR1:10-10 SX1:10-10 TC1:10-10 "
        "TT1:10-10 US1:10-10 VC1:10-10 VG1:10-10 VI1:10-10"
    ),
    ("0", ""): (
        "BO591:8-9 BR55:8-11 CO57:8-11 ID62:7-13 IL972:7-12 KH855:8-10 KP850:8-10 KR82:5-13 TH66:8-13 TW886:7-11 "
        "TZ255:9-9 UG256:9-9"
    ),
    ("", ""): "CL56:9-11 CV238:7-7 PW680:7-7 SB677:5-7 SG65:8-11 WS685:5-10",
    ("0", "0011"): "AU61:5-12 CC61:6-12 CX61:6-12",
    ("8", "810"): "KZ7:10-14 RU7:10-14 TM993:8-8",
    ("0", "119"): "CU53:6-10",
    ("", "001"): "GY592:7-7",
    ("06", "00"): "HU36:8-9",
    ("0", "010"): "JP81:8-13",
    ("0", "000"): "KE254:7-10",
    ("0", "001"): "MN976:8-10",
    ("", "020"): "MU230:7-10",
    ("0", "009"): "NG234:10-12",
    ("", "810"): "TJ992:9-9",
}


def _plan(word: str, trunk: str, abroad: str) -> tuple[str, NumberingPlan]:
    code, _, digits = word[2:].partition(":")
    least, _, most = digits.partition("-")
    return word[:2], NumberingPlan(code, trunk, abroad, int(least), int(most))


PLANS: dict[str, NumberingPlan] = dict(
    _plan(word, trunk, abroad) for (trunk, abroad), words in _PLANS.items() for word in words.split()
)
"""By the country's ISO 3166 code."""

ZERO_DROPPED = tuple(
    sorted(
        {plan.code for plan in PLANS.values() if plan.trunk == "0"}
        - {plan.code for plan in PLANS.values() if plan.trunk != "0"}
        - {"57"}  # in Colombia a 0 may belong to the number
    )
)
"""Calling codes behind which a 0 is the trunk prefix, written by mistake: +49 030 ... is +49 30 ..."""
