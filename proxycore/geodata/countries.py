"""Countries by the package iptocc, which is what `geoip:` means without a geoip.dat, and private addresses."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final

from iptocc import country_code

from proxycore.routing.address_set import AddressSet

PRIVATE: Final = "PRIVATE"
_REMEMBERED_ADDRESSES: Final = 4096     # whose country was asked for lately

# Xray-core common/geodata/consts.go
_PRIVATE_BLOCKS: Final = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24
    192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3 ::/127 fc00::/7 fe80::/10 ff00::/8
"""

_CODES: Final = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF
    CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH
    GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW
    KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG
    NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN
    SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE
    YT ZA ZM ZW
"""
COUNTRIES: Final = frozenset(_CODES.split())
"""ISO 3166-1 alpha-2, and XK."""


def private_addresses() -> AddressSet:
    """Addresses that lead nowhere on the public network, as Xray counts them."""
    blocks = [ip_network(block) for block in _PRIVATE_BLOCKS.split()]
    ranges = [(block.version, (int(block.network_address), int(block.broadcast_address))) for block in blocks]
    return AddressSet(
        (span for version, span in ranges if version == 4), (span for version, span in ranges if version == 6)
    )


class Country:
    """The addresses of one country; `code` is one of COUNTRIES."""

    __slots__ = ("_code",)

    def __init__(self, code: str) -> None:
        self._code = code

    def contain(self, version: int, number: int) -> bool:
        return _country_of(version, number) == self._code

    def have(self, version: int) -> bool:
        """Every country has addresses of both families."""
        return True


def country_of(address: str) -> str:
    """The code of the country of an IP address; "": private, nobody's, or no address."""
    found: str | None = country_code(address.removeprefix("::ffff:"))
    return found or ""


@lru_cache(maxsize=_REMEMBERED_ADDRESSES)
def _country_of(version: int, number: int) -> str | None:
    """The country's code; None: private, or nobody's."""
    found: str | None = country_code(str(IPv4Address(number) if version == 4 else IPv6Address(number)))
    return found
