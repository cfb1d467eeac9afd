"""The example of Xray's page about the reverse proxy, assembled into its two files, loads and routes as described."""

from __future__ import annotations

import pytest

from proxycore.destination import Destination, Request
from tests.proxycore.document.reading import lines_of, read

BRIDGE = """
{
  "reverse": {
    "bridges": [
      {
        "tag": "bridge",
        "domain": "reverse-proxy.xray.internal"
      }
    ]
  },
  "outbounds": [
{
  // Forward to web server
  "tag": "out",
  "protocol": "freedom",
  "settings": {
    "redirect": "127.0.0.1:80"
  }
},
{
  // Connect to portal
  "protocol": "vmess",
  "settings": {
    "vnext": [
      {
        "address": "IP Address of Portal",
        "port": 1024,
        "users": [
          {
            "id": "5783a3e7-e373-51cd-8642-c83782b807c5"
          }
        ]
      }
    ]
  },
  "tag": "interconn"
}
  ],
  "routing":
{
  "rules": [
    {
      // Requests initiated by the bridge with the configured domain indicate an attempt
      // to establish a reverse tunnel to the portal.
      // Therefore, route to interconn (connect to portal).
      "inboundTag": ["bridge"],
      "domain": ["full:reverse-proxy.xray.internal"],
      "outboundTag": "interconn"
    },
    {
      // Traffic coming from the portal will also exit from the bridge, but without the domain above.
      // Therefore, route to out (forward to the web server).
      "inboundTag": ["bridge"],
      "outboundTag": "out"
    }
  ]
}
}
"""

PORTAL = """
{
  "reverse": {
    "portals": [
      {
        "tag": "portal",
        "domain": "reverse-proxy.xray.internal" // Must be the same as the bridge configuration
      }
    ]
  },
  "inbounds": [
{
  // Directly receive requests from the public internet
  "tag": "external",
  "port": 80,
  "protocol": "dokodemo-door",
  "settings": {
    "address": "127.0.0.1",
    "port": 80,
    "network": "tcp"
  }
},
{
  // Receive requests from the bridge attempting to establish a reverse tunnel
  "tag": "interconn",
  "port": 1024,
  "protocol": "vmess",
  "settings": {
    "clients": [
      {
        "id": "5783a3e7-e373-51cd-8642-c83782b807c5"
      }
    ]
  }
}
  ],
  "routing":
{
  "rules": [
    {
      // If the inbound is external, it indicates a request from the public internet.
      // Route to portal, which will eventually forward to the bridge.
      "inboundTag": ["external"],
      "outboundTag": "portal"
    },
    {
      "inboundTag": ["interconn"],
      "outboundTag": "portal"
    }
  ]
}
}
"""


def with_type(text: str) -> str:
    """As V2Ray 4.34 wants it."""
    return text.replace('"inboundTag"', '"type": "field", "inboundTag"')


@pytest.mark.parametrize("bridge", [BRIDGE, with_type(BRIDGE)], ids=["Xray", "V2Ray"])
def test_the_bridge_reaches_the_portal_and_what_comes_back_goes_to_the_web_server(bridge: str) -> None:
    assert lines_of(bridge) == []
    document = read(bridge)
    router = document.router()
    assert document.default_tag == "out"
    assert router.pick(Request(Destination("tcp", document.bridges[0].domain, 0), "bridge")) == "interconn"
    assert router.pick(Request(Destination("tcp", "127.0.0.1", 80), "bridge")) == "out"


@pytest.mark.parametrize("portal", [PORTAL, with_type(PORTAL)], ids=["Xray", "V2Ray"])
def test_the_portal_takes_both_of_its_inbounds(portal: str) -> None:
    (warning,) = lines_of(portal)
    assert "warning: reverse.portals[0]: there is no outbound" in warning
    router = read(portal).router()
    assert [router.pick(Request(Destination("tcp", "127.0.0.1", 80), tag)) for tag in ("external", "interconn")] == [
        "portal",
        "portal",
    ]


def test_both_files_can_be_one_document() -> None:
    document = read(BRIDGE.replace("interconn", "uplink"), PORTAL)
    assert [one.tag for one in document.outbounds] == ["out", "uplink"]
    assert [one.tag for one in document.inbounds] == ["external", "interconn"]
    assert (document.bridges, len(document.portals)) == ((), 1)  # a later section replaces the earlier one whole
