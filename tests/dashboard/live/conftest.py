"""A panel's consumers in this process, and agents and browsers that speak to them; with the layer in memory and with Redis.

Where REDIS_URL names a server (`make test-redis`) it is that one, and the settings that the panel has then.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client

from dashboard.models import Instance, Node
from dashboard.services.importing import import_new
from dashboard.services.joining import join, make_join_token
from dashboard.services.publishing import publish
from tests.conftest import require_program
from tests.dashboard.api.conftest import DOCUMENT
from xrevsite.asgi import application

PATIENCE_S = 20.0


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own on a socket."""
    program = shutil.which("valkey-server") or require_program("redis-server")
    folder: Path = tmp_path_factory.mktemp("redis")
    socket = folder / "r.sock"
    server = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)], stdout=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while not socket.exists():
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.02)
    yield f"unix://{socket}"
    server.terminate()
    server.wait(10)


@pytest.fixture(params=["given"] if settings.HAS_REDIS else ["memory", "redis"])
def layer(request: pytest.FixtureRequest, settings: Any) -> Iterator[str]:
    if request.param == "redis":
        config = {"hosts": [request.getfixturevalue("redis_url")], "prefix": "test"}
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": config}}
    elif request.param == "memory":
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    channel_layers.backends = {}
    yield request.param
    channel_layers.backends = {}


async def eventually(is_so: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    end = time.monotonic() + patience_s
    while not (found := is_so()):
        assert time.monotonic() < end, f"not so within {patience_s} s"
        await asyncio.sleep(0.02)
    return found


async def eventually_in_db(look: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """The first answer that is true."""
    end = time.monotonic() + patience_s
    while not (found := await db(look)):
        assert time.monotonic() < end, f"not so within {patience_s} s"
        await asyncio.sleep(0.05)
    return found


async def db(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    return await sync_to_async(call)(*args, **named)


class Socket:
    """One WebSocket into the application."""

    def __init__(self, path: str, headers: dict[str, str]) -> None:
        listed = [(name.lower().encode(), value.encode()) for name, value in {"host": "testserver", **headers}.items()]
        self._communicator = WebsocketCommunicator(application, path, headers=listed)
        self._communicator.scope["client"] = ["192.0.2.7", 1234]
        self.code = 0

    async def open(self) -> bool:
        is_open, code = await self._communicator.connect(PATIENCE_S)
        self.code = 0 if is_open else int(code or 0)
        return bool(is_open)

    async def say(self, message: dict[str, Any] | str) -> None:
        await self._communicator.send_to(text_data=message if isinstance(message, str) else json.dumps(message))

    async def hear(self, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The next message; one with `closed` at the end."""
        said = await self._communicator.receive_output(patience_s)
        if said["type"] == "websocket.close":
            self.code = int(said.get("code") or 1000)
            return {"type": "closed", "code": self.code, "reason": said.get("reason", "")}
        found: dict[str, Any] = json.loads(said["text"])
        return found

    async def await_(self, kind: str, patience_s: float = PATIENCE_S, **like: Any) -> dict[str, Any]:
        """The next message of this type (and with these values); others are passed over."""
        end = time.monotonic() + patience_s
        while True:
            message = await self.hear(max(0.05, end - time.monotonic()))
            if message["type"] == kind and all(message.get(key) == value for key, value in like.items()):
                return message
            assert message["type"] != "closed", message

    async def is_quiet(self, seconds: float) -> bool:
        return await self._communicator.receive_nothing(seconds, 0.02)

    async def rest(self, seconds: float) -> list[str]:
        """The types of what is said, until nothing was for so long."""
        said: list[str] = []
        while not await self.is_quiet(seconds):
            said.append((await self.hear())["type"])
        return said

    async def close(self) -> None:
        await self._communicator.disconnect(timeout=PATIENCE_S)


class Agent(Socket):
    def __init__(self, identity: str, boot: str = "b1", running: list[dict[str, Any]] | None = None, **headers: str) -> None:
        super().__init__("/agent/v1/", {"authorization": f"Bearer {identity}", **headers})
        self.boot = boot
        self.running = running or []
        self._settled = 0

    async def greet(self, **more: Any) -> None:
        await self.say({"type": "hello", "version": "1", "boot": self.boot, "at": time.time(), "host": "h", "system": "s",
                        "running": self.running, **more})

    async def join(self) -> dict[str, Any]:
        """Up to the first Wanted."""
        assert await self.open(), self.code
        await self.greet()
        welcome = await self.hear()
        assert welcome["type"] == "welcome", welcome
        return await self.await_("wanted")

    async def state(self, patch: dict[str, Any], *, is_full: bool = False) -> None:
        await self.say({"type": "state", "at": time.time(), "patch": patch, "is_full": is_full})

    async def settled(self) -> None:
        """Until the panel has taken in what was said, and written of it what it keeps."""
        self._settled += 1
        await self.say({"type": "traffic", "boot": "settled", "seq": self._settled, "at": 0, "moved": []})
        await self.await_("kept", boot="settled", seq=self._settled)


class Page(Socket):
    """A browser. `nodes` is the live state as it was told."""

    def __init__(self, **headers: str) -> None:
        super().__init__("/ws/live/", headers)
        self.nodes: dict[str, Any] = {}
        self.version = 0

    async def follow(self, condition: Callable[[dict[str, Any]], Any], patience_s: float = PATIENCE_S) -> Any:
        """Take and acknowledge what is told until `condition` holds of the nodes."""
        from proxycore.messages.patch import merge

        end = time.monotonic() + patience_s
        while not (found := condition(self.nodes)):
            message = await self.hear(max(0.05, end - time.monotonic()))
            assert message["type"] != "closed", message
            if message["type"] == "full":
                self.nodes = message["nodes"]
            elif message["type"] == "patch":
                merge(self.nodes, message["patch"]["nodes"])
            if "version" in message:
                self.version = message["version"]
                await self.say({"ack": self.version})
        return found


class World:
    """Rows of a small installation, and who was opened in the test."""

    def __init__(self) -> None:
        self.open: list[Socket] = []

    def node(self, name: str = "edge", *, approves: bool = True) -> tuple[Node, str]:
        _, text = make_join_token(by=None, name=name, approves=approves)
        return join(text, wished_name=name, version="1", address=None)

    def instance(self, node: Node, name: str = "web", document: dict[str, Any] | None = None) -> Instance:
        made, _ = import_new(json.dumps(document or DOCUMENT), name=name, node=node, by=None)
        publish(made, by=None, accept_warnings=True)
        return made

    def cookie(self, name: str = "vera", group: str = "viewer") -> str:
        user, is_new = User.objects.get_or_create(username=name, defaults={"is_staff": True})
        if is_new:
            user.set_password("x" * 20)
            user.save()
            user.groups.set(Group.objects.filter(name=group))
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"

    def agent(self, identity: str, boot: str = "b1", **more: Any) -> Agent:
        self.open.append(one := Agent(identity, boot, **more))
        return one

    def page(self, cookie: str = "", **headers: str) -> Page:
        given = {"origin": "http://testserver", "cookie": cookie} if cookie else {}
        self.open.append(one := Page(**{**given, **headers}))
        return one


@pytest.fixture
async def world(transactional_db: None, layer: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    from dashboard.accounts.roles import sync_roles
    from dashboard.live import hub as hubs

    monkeypatch.setattr(hubs, "LINGER_S", 0.5)
    await db(lambda: [Group.objects.get_or_create(name=name) for name in ("viewer", "operator", "admin")])
    await db(sync_roles)
    made = World()
    yield made
    for one in made.open:
        await one.close()
    running = hubs.hub()._running
    if running is not None:
        await asyncio.wait_for(asyncio.shield(running), PATIENCE_S)
    from channels.layers import get_channel_layer

    current: Any = get_channel_layer()
    await current.flush()


Db = Callable[..., Awaitable[Any]]
