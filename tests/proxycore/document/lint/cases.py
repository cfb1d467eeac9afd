"""One bad document, or pair of them, per code. The mark @@ stands where the finding has to point."""

from __future__ import annotations

from tests.proxycore.document.lint.documents import BALANCED, BRIDGE, PORTAL, VLESS_BRIDGE, Case, spoiled

ID = "27848739-7e62-4138-9fd3-098a63964b6b"
OTHER_ID = "b831381d-6324-4d53-ad4f-8cda48b30811"
BRIDGE_RULE = '{ "type": "field", "inboundTag": ["bridge"], "domain": ["full:tunnel.internal"], "outboundTag": "interconn" }'
SERVICE_RULE = '{ "type": "field", "inboundTag": ["bridge"], "outboundTag": "out" }'
LAST = '{ "type": "field", "inboundTag": ["interconn"], "outboundTag": "portal" }'
BRIDGE_CLIENT = '{ "id": "27848739-7e62-4138-9fd3-098a63964b6b", "email": "bridge@a" }'
TO_OUT = '"inboundTag": ["bridge"], "outboundTag": "out"'


def bridge(*changes: tuple[str, str]) -> tuple[str, ...]:
    return (spoiled(BRIDGE, *changes),)


def portal(*changes: tuple[str, str]) -> tuple[str, ...]:
    return (spoiled(PORTAL, *changes),)


def with_inbound(entry: str) -> tuple[str, ...]:
    """The portal's document with another inbound before its own."""
    return portal(('"inbounds": [\n', f'"inbounds": [\n    {entry},\n'))


def with_rule(rule: str) -> tuple[str, ...]:
    """The portal's document with another rule behind its own."""
    return portal((LAST, f"{LAST},\n    {rule}"))


CASES = [
    Case("XR001", ('{ "log": @@oops }',)),
    Case("XR002", ('{ "log": {},\n  @@"log": {} }',)),
    Case(
        "XR003",
        bridge((SERVICE_RULE, '{ "type": "field", "inboundTag": ["bridge"], @@"ruletagg": "x", "outboundTag": "out" }')),
        is_mended=True,
    ),
    Case("XR004", bridge(('"routing": {', '@@"Routing": {')), is_mended=True),
    Case("XR005", bridge((f"{SERVICE_RULE}\n", f"{SERVICE_RULE}@@, // last\n")), is_mended=True),
    Case("XR101", bridge(('"tag": "interconn"', '"tag": @@"out"'), ('"outboundTag": "interconn"', '"outboundTag": "out"'))),
    Case("XR102", bridge(('"outboundTag": "out"', '"outboundTag": @@"outt"')), is_mended=True),
    Case("XR103", bridge((TO_OUT, '"inboundTag": ["bridge", @@"brigde"], "outboundTag": "out"')), is_mended=True),
    Case(
        "XR104",
        (spoiled(BALANCED, ('"balancerTag": "b"', '"balancerTag": @@"bb"'), ('"tag": "b"', '"tag": "bbb"')),),
        is_mended=True,
    ),
    Case(
        "XR105",
        bridge(
            (BRIDGE_RULE, BRIDGE_RULE.replace("{ ", '{ "ruleTag": "r", ')),
            (SERVICE_RULE, SERVICE_RULE.replace("{ ", '{ "ruleTag": @@"r", ')),
        ),
    ),
    Case("XR106", bridge(('{ "tag": "interconn"', '@@{ "protocol": "freedom" },\n    { "tag": "interconn"'))),
    Case(
        "XR201", with_rule('@@{ "type": "field", "inboundTag": ["external", "interconn"], "port": 80, "outboundTag": "refuse" }')
    ),
    Case(
        "XR202",
        with_rule('@@{ "type": "field", "inboundTag": ["external"], "network": "tcp", "outboundTag": "portal" }'),
        is_mended=True,
    ),
    Case("XR203", with_rule('@@{ "type": "field", "outboundTag": "refuse" }'), is_mended=True),
    Case("XR204", with_rule('@@{ "type": "field", "network": "udp" }')),
    Case("XR205", (spoiled(BALANCED, ('"balancerTag": "b"', '"outboundTag": "a1", @@"balancerTag": "b"')),)),
    Case("XR206", with_rule('{ "type": "field", "domain": [@@"domain:Example.com"], "outboundTag": "refuse" }'), is_mended=True),
    Case("XR207", with_rule('{ "type": "field", "network": [@@"upd"], "outboundTag": "refuse" }'), is_mended=True),
    Case("XR208", with_rule('{ "type": "field", "user": [@@"brigde@a"], "outboundTag": "refuse" }'), is_mended=True),
    Case("XR209", with_rule('{ "type": "field", "domain": [@@"ful:example.com"], "outboundTag": "refuse" }')),
    Case("XR210", with_rule('{ "type": "field", "domain": ["full:a.b"], @@"ip": ["10.0.0.0/8"], "outboundTag": "refuse" }')),
    Case(
        "XR301",
        bridge(
            (f"    // to the portal\n    {BRIDGE_RULE},\n", ""),
            (TO_OUT, '"port": 80, "outboundTag": "out"'),
            ('{ "tag": "bridge"', '@@{ "tag": "bridge"'),
            ('"outbounds": [', '"outbounds": ['),
        ),
        is_mended=True,
    ),
    Case("XR302", bridge((BRIDGE_RULE, "A"), (SERVICE_RULE, "@@" + BRIDGE_RULE), ("A", SERVICE_RULE)), is_mended=True),
    Case("XR303", bridge(('{ "tag": "bridge"', '@@{ "tag": "bridge"'), ('"outboundTag": "interconn"', '"outboundTag": "out"'))),
    Case("XR304", bridge(('"domain": ["full:', '"port": @@"1-65535", "domain": ["full:')), is_mended=True),
    Case("XR305", bridge(('{ "tag": "interconn"', '{ "mux": { "enabled": @@true }, "tag": "interconn"')), is_mended=True),
    Case(
        "XR306",
        bridge(
            (f"{BRIDGE_RULE}", BRIDGE_RULE.replace(' "domain": ["full:tunnel.internal"],', "").replace("{ ", "@@{ ")),
            (f",\n    // to the service\n    {SERVICE_RULE}", ""),
        ),
        is_mended=True,
    ),
    Case("XR307", bridge(('"domain": "tunnel', '"domain": @@"Tunnel')), is_mended=True),
    Case("XR308", portal(('"portals": [', '"portals": [ @@{ "domain": "second.internal" },'))),
    Case(
        "XR309",
        (
            spoiled(
                VLESS_BRIDGE,
                (' "finalRules": [ { "action": "allow", "port": "80", "ip": ["127.0.0.1"] } ],', ""),
                ('"settings": { "redirect"', '"settings": @@{ "redirect"'),
            ),
        ),
        is_mended=True,
    ),
    Case("XR310", bridge(('"redirect": "127', '"finalRules": [ @@{ "action": "block" } ], "redirect": "127'))),
    Case(
        "XR311",
        bridge(
            ('"protocol": "vmess", "settings": {', '"protocol": "vless", "streamSettings": { "security": "tls" }, "settings": {'),
            ('"users": [ { ', '"users": [ { @@"reverse": { "tag": "r" }, '),
        ),
    ),
    Case(
        "XR401",
        portal(
            ('{ "tag": "portal"', '@@{ "tag": "portal"'),
            ('["external"], "outboundTag": "portal"', '["external"], "outboundTag": "refuse"'),
        ),
    ),
    Case(
        "XR402",
        portal(
            ('{ "tag": "portal"', '@@{ "tag": "portal"'),
            ('["interconn"], "outboundTag": "portal"', '["interconn"], "outboundTag": "refuse"'),
        ),
    ),
    Case(
        "XR403",
        portal(
            ('{ "tag": "portal"', '@@{ "tag": "portal"'),
            ('  "outbounds": [ { "tag": "refuse", "protocol": "blackhole" } ],\n', ""),
        ),
        is_mended=True,
    ),
    Case(
        "XR404",
        portal(
            (LAST, '@@{ "type": "field", "domain": ["full:tunnel.internal"], "outboundTag": "portal" }'),
            (BRIDGE_CLIENT, BRIDGE_CLIENT + f', {{ "id": "{OTHER_ID}", "email": "user@a" }}'),
        ),
    ),
    Case(
        "XR405",
        portal(
            (
                '{ "tag": "interconn", "port": 1024, "protocol": "vmess",',
                '@@{ "tag": "interconn", "port": 1024, "protocol": "http",',
            ),
            ('"settings": { "clients": [ ' + BRIDGE_CLIENT + " ] } }", '"streamSettings": { "security": "tls" } }'),
        ),
    ),
    Case(
        "XR406",
        (
            """{
  "inbounds": [
    { "tag": "external", "port": 80, "protocol": "tunnel", "settings": { "address": "127.0.0.1", "port": 80 } },
    { "tag": "up", "port": 443, "protocol": "vless", "streamSettings": { "security": "tls" },
      "settings": { "decryption": "none",
        "clients": [ { "id": "27848739-7e62-4138-9fd3-098a63964b6b", "reverse": { "tag": "r" } } ] } }
  ],
  "outbounds": [ { "tag": "direct", "protocol": "freedom" } ],
  "routing": { "rules": [ { "type": "field", "inboundTag": ["external"], "outboundTag": @@"r" } ] }
}
""",
        ),
        core="xray-25.9.11",
    ),
    Case(
        "XR501",
        (spoiled(BRIDGE, ('"domain": "tunnel.internal"', '"domain": @@"tunel.internal"'), ("full:tunnel", "full:tunel")), PORTAL),
        is_mended=True,
    ),
    Case(
        "XR502",
        (BRIDGE.replace('"domain": "', '"domain": @@"'), PORTAL.replace("tunnel.internal", "Tunnel.internal")),
        is_mended=True,
    ),
    Case("XR503", (spoiled(BRIDGE, (f'"{ID}"', f'@@"{OTHER_ID}"')), PORTAL)),
    Case(
        "XR504",
        (
            spoiled(
                BRIDGE,
                (
                    '"tag": "interconn", "protocol": "vmess"',
                    '"tag": "interconn", "protocol": @@"trojan", "streamSettings": { "security": "tls" }',
                ),
            ),
            PORTAL,
        ),
    ),
    Case(
        "XR505",
        (
            BRIDGE,
            spoiled(
                PORTAL,
                ('"portals": [', '"portals": [ { "tag": "second", "domain": @@"other.internal" },'),
                (LAST, LAST + ', { "type": "field", "inboundTag": ["external", "interconn"], "outboundTag": "second" }'),
                ('"inboundTag": ["external"],', '"inboundTag": ["external"], "port": 80,'),
                ('"inboundTag": ["interconn"],', '"inboundTag": ["interconn"], "domain": ["full:tunnel.internal"],'),
            ),
        ),
    ),
    Case(
        "XR601",
        with_inbound(
            f'{{ "tag": "users", "port": 2048, "protocol": "vmess", "settings": {{ "clients": [ {{ "id": @@"{ID}" }} ] }} }}'
        ),
    ),
    Case("XR602", bridge((f'"id": "{ID}"', f'"alterId": @@64, "id": "{ID}"')), is_mended=True),
    Case(
        "XR603",
        with_inbound(
            '@@{ "tag": "s", "port": 1080, "protocol": "http", "settings": { "accounts": [ { "user": "a", "pass": "b" } ] } }'
        ),
    ),
    Case(
        "XR604",
        bridge((f'"id": "{ID}"', f'"security": @@"none", "id": "{ID}"'), ("192.0.2.1", "portal.example.com")),
        is_mended=True,
    ),
    Case(
        "XR605",
        with_inbound(
            '@@{ "tag": "v", "port": 443, "protocol": "vless", '
            f'"settings": {{ "decryption": "none", "clients": [ {{ "id": "{OTHER_ID}" }} ] }} }}'
        ),
    ),
    Case("XR606", with_inbound('@@{ "tag": "s", "port": 1080, "protocol": "socks" }'), is_mended=True),
    Case("XR607", portal((BRIDGE_CLIENT, BRIDGE_CLIENT + f', {{ "id": "{OTHER_ID}", "email": @@"Bridge@a" }}'))),
    Case("XR608", portal((BRIDGE_CLIENT, BRIDGE_CLIENT + f', {{ "id": @@"{ID}", "email": "other@a" }}'))),
    Case("XR609", with_inbound('@@{ "tag": "users", "port": 2048, "protocol": "vmess" }')),
    Case("XR701", portal(('"port": 1024', '"port": @@"79-81"'))),
    Case("XR702", portal(('"protocol": "blackhole"', '"protocol": @@"blakhole"')), is_mended=True),
    Case("XR703", ('{ "inbounds": [ @@{ "tag": "in", "listen": "127.0.0.1", "port": 1080, "protocol": "socks" } ] }',)),
    Case(
        "XR704",
        bridge(
            (
                '{ "tag": "interconn"',
                '{ @@"proxySettings": { "tag": "out" }, "streamSettings": { "sockopt": '
                '{ "dialerProxy": "out" } }, "tag": "interconn"',
            )
        ),
    ),
    Case("XR705", bridge(('{ "tag": "interconn"', '@@{ "tag": "spare", "protocol": "freedom" },\n    { "tag": "interconn"'))),
    Case("XR706", bridge(('"outbounds": [', '"log": @@[], "outbounds": ['))),
    Case(
        "XR801",
        (
            spoiled(
                BALANCED,
                ('"type": "leastPing"', '"type": @@"leastPing"'),
                ('  "observatory": { "subjectSelector": ["a"] },\n', ""),
            ),
        ),
        is_mended=True,
    ),
    Case("XR802", (spoiled(BALANCED, ('"selector": ["a"]', '"selector": @@["c"]')),)),
    Case(
        "XR803",
        (
            spoiled(
                BALANCED, ('"selector": ["a"]', '"selector": @@["a"]'), ('"subjectSelector": ["a"]', '"subjectSelector": ["a1"]')
            ),
        ),
    ),
    Case("XR804", (spoiled(BALANCED, ('"leastPing"', '@@"leastPin"')),), is_mended=True),
    Case(
        "XR806",
        portal(
            ('"protocol": "blackhole"', '"protocol": "freedom"'),
            ('"inboundTag": ["external"], "outboundTag": "portal"', '"inboundTag": ["external"], "balancerTag": "b"'),
            (
                '"routing": {',
                '"observatory": { "subjectSelector": ["portal"] }, "routing": { "balancers": [ '
                '@@{ "tag": "b", "selector": ["portal"], "strategy": { "type": "leastPing" } } ],',
            ),
        ),
    ),
    Case("XR805", (spoiled(BALANCED, ('"observatory":', '@@"burstObservatory": { "subjectSelector": ["a"] }, "observatory":')),)),
    Case(
        "XR901", bridge((SERVICE_RULE, '@@{ "inboundTag": ["bridge"], "outboundTag": "out" }')), core="v2ray-4.34", is_mended=True
    ),
    Case("XR902", bridge(('"reverse"', '@@"reverse"')), core="xray-26.4.25"),
    Case("XR903", portal(('"dokodemo-door"', '@@"tunnel"')), core="v2ray-4.34", is_mended=True),
    Case("XR904", (spoiled(VLESS_BRIDGE, ('"security": "tls"', '"network": @@"quic", "security": "tls"')),), core="xray-26.5"),
    Case("XR905", portal(('"port": 80,', '"port": @@"80,81",')), core="v2ray-4.34"),
    Case("XR906", bridge((f'"{ID}"', '@@"a word"')), core="v2ray-4.34"),
    Case(
        "XR909",
        (
            spoiled(
                BALANCED, ('"strategy": { "type": "leastPing" }', '"fallbackTag": @@"a1"'),
                ('  "observatory": { "subjectSelector": ["a"] },\n', ""),
            ),
        ),
        core="xray-26.7.28",
    ),
    Case("XR907", (spoiled(VLESS_BRIDGE, ('"reverse": { "tag": "back"', '"reverse": { "tag": @@"back"')),), core="xray-25.9.5"),
    Case("XR908", with_rule('{ "type": "field", "ip": [@@"!10.0.0.0/8"], "outboundTag": "refuse" }'), core="xray-24.11.21"),
]
