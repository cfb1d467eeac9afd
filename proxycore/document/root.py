"""The top level of a document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from proxycore.document.shape import Shape

_NOT_RUN = "the section is known to Xray, not run by this version"
NEWER_V2RAY = (
    'this is the newer format of V2Ray 5 ("jsonv5"), which is not read; write it in the older one, which V2Ray 5 reads as well')
_OLD = 'the form of V2Ray 2 and 3 is not read; use "inbounds" and "outbounds"'


class RootShape(Shape):
    """Only the names of the sections: each is read by itself, after files are merged."""

    env: Any = None
    log: Any = None
    inbounds: Any = None
    outbounds: Any = None
    routing: Any = None
    reverse: Any = None
    dns: Any = None
    observatory: Any = None
    burst_observatory: Any = Field(default=None, validation_alias="burstObservatory")
    policy: Any = None
    stats: Any = None
    api: Any = None
    metrics: Any = None

    no_effect: ClassVar[Mapping[str, str]] = {
        "version": "it says for which versions of Xray the document is",
        "fakeDns": "this version invents no addresses",
    }
    not_run: ClassVar[Mapping[str, str]] = {
        "transport": f"{_NOT_RUN}: write what it says into streamSettings of the entries",
        "geodata": f"{_NOT_RUN}: it does not fetch lists; put geoip.dat and geosite.dat into the asset folder",
        **dict.fromkeys(("router", "services"), NEWER_V2RAY),
        **dict.fromkeys(("inbound", "outbound", "inboundDetour", "outboundDetour", "port"), _OLD),
    }
