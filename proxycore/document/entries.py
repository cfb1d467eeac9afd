"""Lists of domain and address entries, which may name lists of their own: `geosite:cn`, `geoip:private`."""

from __future__ import annotations

import os
from typing import Annotated, Final

from pydantic import PlainValidator, ValidationInfo

from proxycore.document.words import Split, read_entry
from proxycore.geodata.assets import Assets
from proxycore.routing.addresses import AddressItem
from proxycore.routing.domain_set import DomainItem

ASSETS: Final = "assets"        # key of the validation context: the Assets of the document


def _assets(info: ValidationInfo) -> Assets:
    found: Assets | None = (info.context or {}).get(ASSETS)
    return Assets(os.environ) if found is None else found


def read_domain(value: object, info: ValidationInfo) -> DomainItem:
    """One domain entry. Raises ValueError."""
    return _assets(info).domain(read_entry(value))


def read_address(value: object, info: ValidationInfo) -> AddressItem:
    """One address entry. Raises ValueError."""
    return _assets(info).address(read_entry(value))


Domains = Annotated[list[Annotated[DomainItem, PlainValidator(read_domain)]], Split]
Addresses = Annotated[list[Annotated[AddressItem, PlainValidator(read_address)]], Split]
