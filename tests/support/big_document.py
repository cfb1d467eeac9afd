"""A document as large as the panel must bear."""

from __future__ import annotations

import json
import uuid
from typing import Any

INBOUNDS = 2_000
RULES = 5_000
CREDENTIALS = 20_000
FIRST_PORT = 10_000


def big_document(inbounds: int = INBOUNDS, rules: int = RULES, credentials: int = CREDENTIALS) -> dict[str, Any]:
    """VLESS inbounds with their clients, an outbound per ten of them, and rules by inbound and domain."""
    per_inbound = credentials // inbounds
    outbounds = max(1, inbounds // 10)
    return {
        "log": {"loglevel": "warning"},
        "inbounds": [
            {
                "tag": f"in-{number}",
                "listen": "127.0.0.1",
                "port": FIRST_PORT + number,
                "protocol": "vless",
                "settings": {
                    "clients": [
                        {
                            "id": str(uuid.UUID(int=number * per_inbound + client + 1)),
                            "email": f"user-{number}-{client}@example.com",
                            "level": 0,
                        }
                        for client in range(per_inbound)
                    ],
                    "decryption": "none",
                },
                "streamSettings": {"network": "ws", "security": "none", "wsSettings": {"path": f"/path-{number}"}},
                "sniffing": {"enabled": True, "destOverride": ["http", "tls"]},
            }
            for number in range(inbounds)
        ],
        "outbounds": [
            {"tag": f"out-{number}", "protocol": "freedom", "settings": {"domainStrategy": "AsIs"}} for number in range(outbounds)
        ],
        "routing": {
            "domainStrategy": "AsIs",
            "rules": [
                {
                    "type": "field",
                    "inboundTag": [f"in-{number % inbounds}"],
                    "domain": [f"domain:host-{number}.example.com", f"full:www.host-{number}.example.org"],
                    "outboundTag": f"out-{number % outbounds}",
                }
                for number in range(rules)
            ],
        },
    }


def big_text(**sizes: int) -> str:
    return json.dumps(big_document(**sizes), indent=2)
