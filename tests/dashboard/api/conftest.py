"""An instance to ask about, and tokens to ask with."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from dashboard.models import Instance
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node
from dashboard.services.tokens import create_token

ALICE = "5783a3e7-e373-51cd-8642-c83782b807c5"
BRIDGE = "9b1f4c02-6d55-4a0a-8f0e-3c3f7c1c2b11"
SECRET = "27848739-7e62-4138-9fd3-098a63964b6b"
DOCUMENT: dict[str, Any] = {
    "log": {"loglevel": "warning"},
    "inbounds": [
        {"tag": "web", "port": 443, "protocol": "vless",
         "settings": {"clients": [{"id": ALICE, "email": "alice"}, {"id": BRIDGE, "email": "bridge"}], "decryption": "none"},
         "streamSettings": {"security": "none"}},
    ],
    "outbounds": [
        {"tag": "direct", "protocol": "freedom"},
        {"tag": "far", "protocol": "vmess", "settings": {"vnext": [
            {"address": "far.example", "port": 443, "users": [{"id": SECRET}]}]}},
    ],
    "reverse": {"portals": [{"tag": "home", "domain": "home.example"}], "bridges": [{"tag": "b", "domain": "b.example"}]},
    "routing": {"balancers": [{"tag": "any", "selector": ["far"]}], "rules": [
        {"type": "field", "inboundTag": ["b"], "domain": ["full:b.example"], "outboundTag": "far"},
        {"type": "field", "inboundTag": ["b"], "outboundTag": "direct"},
        {"type": "field", "inboundTag": ["web"], "outboundTag": "home"}]},
}  # fmt: skip


@pytest.fixture
def edge(db: None) -> Instance:
    return import_new(json.dumps(DOCUMENT), name="edge", node=local_node(), by=None)[0]


@pytest.fixture
def with_token() -> Callable[..., APIClient]:
    def make(user: User, **options: Any) -> APIClient:
        client = APIClient()
        _, text = create_token(user, by=user, name="test", **{"scope": "admin", **options})
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
        return client

    return make


@pytest.fixture
def api(ada: User, with_token: Callable[..., APIClient]) -> APIClient:
    """All that the API can do, and no secrets."""
    return with_token(ada)
