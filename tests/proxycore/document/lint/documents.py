"""Clean documents, which each case spoils in one place, and the mark of where the finding is expected."""

from __future__ import annotations

from typing import NamedTuple

from proxycore.document.lint import Finding, lint_texts, parse_core

MARK = "@@"  # stands right before the character that the finding has to point at

BRIDGE = """{
  // the hidden side
  "reverse": { "bridges": [ { "tag": "bridge", "domain": "tunnel.internal" } ] },
  "outbounds": [
    { "tag": "out", "protocol": "freedom", "settings": { "redirect": "127.0.0.1:80" } },
    { "tag": "interconn", "protocol": "vmess", "settings": { "vnext": [ { "address": "192.0.2.1", "port": 1024,
      "users": [ { "id": "27848739-7e62-4138-9fd3-098a63964b6b" } ] } ] } }
  ],
  "routing": { "rules": [
    // to the portal
    { "type": "field", "inboundTag": ["bridge"], "domain": ["full:tunnel.internal"], "outboundTag": "interconn" },
    // to the service
    { "type": "field", "inboundTag": ["bridge"], "outboundTag": "out" }
  ] }
}
"""

PORTAL = """{
  "reverse": { "portals": [ { "tag": "portal", "domain": "tunnel.internal" } ] },
  "inbounds": [
    { "tag": "external", "port": 80, "protocol": "dokodemo-door", "settings": { "address": "127.0.0.1", "port": 80 } },
    { "tag": "interconn", "port": 1024, "protocol": "vmess",
      "settings": { "clients": [ { "id": "27848739-7e62-4138-9fd3-098a63964b6b", "email": "bridge@a" } ] } }
  ],
  "outbounds": [ { "tag": "refuse", "protocol": "blackhole" } ],
  "routing": { "rules": [
    { "type": "field", "inboundTag": ["external"], "outboundTag": "portal" },
    { "type": "field", "inboundTag": ["interconn"], "outboundTag": "portal" }
  ] }
}
"""

VLESS_BRIDGE = """{
  "outbounds": [
    { "tag": "refuse", "protocol": "blackhole" },
    { "tag": "out", "protocol": "freedom",
      "settings": { "finalRules": [ { "action": "allow", "port": "80", "ip": ["127.0.0.1"] } ], "redirect": "127.0.0.1:80" } },
    { "tag": "up", "protocol": "vless", "streamSettings": { "security": "tls" }, "settings": { "address": "portal.example.com",
      "port": 443, "id": "27848739-7e62-4138-9fd3-098a63964b6b", "encryption": "none", "reverse": { "tag": "back" } } }
  ],
  "routing": { "rules": [ { "type": "field", "inboundTag": ["back"], "outboundTag": "out" } ] }
}
"""

BALANCED = """{
  "inbounds": [ { "tag": "in", "listen": "127.0.0.1", "port": 1080, "protocol": "socks" } ],
  "outbounds": [ { "tag": "a1", "protocol": "freedom" }, { "tag": "a2", "protocol": "freedom" } ],
  "observatory": { "subjectSelector": ["a"] },
  "routing": {
    "balancers": [ { "tag": "b", "selector": ["a"], "strategy": { "type": "leastPing" } } ],
    "rules": [ { "type": "field", "network": "tcp", "balancerTag": "b" } ]
  }
}
"""

CLEAN = {"bridge": BRIDGE, "portal": PORTAL, "VLESS reverse": VLESS_BRIDGE, "balancer": BALANCED}


class Case(NamedTuple):
    """`texts` have the mark in one of them; `is_mended`: after the fix nothing is left to say."""

    code: str
    texts: tuple[str, ...]
    core: str = ""
    is_mended: bool = False

    def places(self) -> tuple[str, int, int]:
        for number, text in enumerate(self.texts):
            if MARK in text:
                before = text[: text.index(MARK)]
                return f"{number}.json", before.count("\n") + 1, len(before) - before.rfind("\n")
        raise AssertionError(f"{self.code} has no mark")

    def files(self) -> list[tuple[str, str]]:
        return [(f"{number}.json", text.replace(MARK, "")) for number, text in enumerate(self.texts)]

    def findings(self) -> list[Finding]:
        return lint_texts(self.files(), parse_core(self.core) if self.core else None)


def spoiled(text: str, *changes: tuple[str, str]) -> str:
    """`text` with each change made at the first place where it can be."""
    for old, new in changes:
        assert old in text, f"{old} is not in the document"
        text = text.replace(old, new, 1)
    return text
