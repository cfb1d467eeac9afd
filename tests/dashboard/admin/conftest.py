"""An instance that is the public side of a tunnel."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard.accounts.stepup import _KEY
from dashboard.models import Instance
from dashboard.services.importing import import_new
from dashboard.services.instances import local_node

ID = "27848739-7e62-4138-9fd3-098a63964b6b"
PORTAL: dict[str, Any] = {
    "log": {"loglevel": "warning"},
    "reverse": {"portals": [{"tag": "home", "domain": "home.example.internal"}]},
    "inbounds": [
        {"tag": "web", "port": 8080, "protocol": "dokodemo-door", "settings": {"address": "127.0.0.1", "port": 80}},
        {"tag": "interconn", "port": 10240, "protocol": "vmess", "settings": {"clients": [{"id": ID, "email": "nas@home"}]}},
    ],
    "outbounds": [{"tag": "block", "protocol": "blackhole"}],
    "routing": {"rules": [{"type": "field", "inboundTag": ["web", "interconn"], "outboundTag": "home"}]},
}


@pytest.fixture
def portal(ada: User) -> Instance:
    return import_new(json.dumps(PORTAL), name="edge", node=local_node(), by=ada)[0]


def gave_password(client: Client) -> None:
    """As if the person had just given the password again."""
    session = client.session
    session[_KEY] = int(time.time())
    session.save()
