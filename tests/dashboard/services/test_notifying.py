from __future__ import annotations

import hashlib
import hmac
import json
import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from dashboard.choices import ConditionKind
from dashboard.models import AuditEntry, Condition, Notice, Receiver
from dashboard.services import notifying
from dashboard.services.errors import ServiceError
from dashboard.services.notifying import NotSent, delete_receiver, forget_old, make_due, save_receiver, send_due, send_test
from tests.support.processes import free_port

pytestmark = pytest.mark.django_db


class Hook(ThreadingHTTPServer):
    """A web server that remembers what was posted to it, and answers `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 204
        self.posted: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?key=hidden"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((dict(self.headers), body))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "http://127.0.0.1:9/")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def receiver(hook: Hook) -> Receiver:
    return save_receiver(None, by=None, name="chat", kind="webhook", address=hook.url, hold_s=30)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def wrong(now: datetime, ago_s: float, key: str = "tunnel:1:home", kind: ConditionKind = ConditionKind.TUNNEL_DOWN) -> Condition:
    return Condition.objects.create(key=key, kind=kind, text=f"{key} is down", since=now - timedelta(seconds=ago_s))


def run(now: datetime) -> int:
    return sum(send_due(pk, now) for pk in make_due(now))


def told(hook: Hook) -> list[tuple[str, str]]:
    return [(one["state"], one["text"]) for _, body in hook.posted for one in json.loads(body)["notices"]]


def test_what_lasts_is_told_once_and_when_it_is_over(hook: Hook, receiver: Receiver, now: datetime) -> None:
    condition = wrong(now, ago_s=20)
    assert run(now) == 0
    assert run(now + timedelta(seconds=10)) == 1
    assert run(now + timedelta(seconds=20)) == 0
    condition.cleared_at = now + timedelta(seconds=60)
    condition.save()
    assert run(now + timedelta(seconds=61)) == 1
    assert run(now + timedelta(seconds=62)) == 0
    assert told(hook) == [("open", "tunnel:1:home is down"), ("over", "tunnel:1:home is down")]


def test_what_was_over_before_it_had_lasted_is_no_news(hook: Hook, receiver: Receiver, now: datetime) -> None:
    condition = wrong(now, ago_s=10)
    condition.cleared_at = now
    condition.save()
    assert run(now + timedelta(seconds=60)) == 0
    assert hook.posted == []


def test_what_comes_together_is_one_message(hook: Hook, receiver: Receiver, now: datetime) -> None:
    for number in range(3):
        wrong(now, 60, f"tunnel:{number}:home")
    assert run(now) == 3
    assert len(hook.posted) == 1


def test_a_certificate_that_was_renewed_is_no_news(hook: Hook, receiver: Receiver, now: datetime) -> None:
    condition = wrong(now, 60, "certificate:1", ConditionKind.CERTIFICATE_EXPIRING)
    assert run(now) == 1
    condition.cleared_at = now
    condition.save()
    assert run(now + timedelta(seconds=1)) == 0


def test_receivers_hear_what_they_want(hook: Hook, receiver: Receiver, now: datetime) -> None:
    save_receiver(receiver, by=None, kinds=["node_down"])
    wrong(now, 60)
    assert run(now) == 0
    save_receiver(receiver, by=None, kinds=[], enabled=False)
    assert run(now) == 0
    save_receiver(receiver, by=None, enabled=True)
    assert run(now) == 1


def test_a_message_is_signed_with_its_time(hook: Hook, receiver: Receiver, now: datetime) -> None:
    wrong(now, 60)
    run(now)
    headers, body = hook.posted[0]
    stamp, _, signature = headers["X-Xrev-Signature"].partition(",v1=")
    expected = hmac.new(receiver.secret.encode(), f"{stamp.removeprefix('t=')}.".encode() + body, hashlib.sha256)
    assert signature == expected.hexdigest()
    assert stamp == f"t={int(now.timestamp())}"


def test_what_was_not_taken_is_sent_again_later_and_later(hook: Hook, receiver: Receiver, now: datetime) -> None:
    hook.status = 500
    wrong(now, 60)
    assert run(now) == 0
    receiver.refresh_from_db()
    assert receiver.error == "it answered 500 Internal Server Error"
    assert run(now + timedelta(seconds=29)) == 0
    assert len(hook.posted) == 1
    assert run(now + timedelta(seconds=31)) == 0
    assert run(now + timedelta(seconds=80)) == 0        # the second pause is twice as long
    assert len(hook.posted) == 2
    hook.status = 200
    assert run(now + timedelta(seconds=95)) == 1
    receiver.refresh_from_db()
    assert (receiver.failures, receiver.error, receiver.told_at) == (0, "", now + timedelta(seconds=95))


def test_it_is_given_up_after_a_day(hook: Hook, receiver: Receiver, now: datetime) -> None:
    hook.status = 500
    wrong(now, 60)
    run(now)
    hook.status = 200
    assert run(now + timedelta(days=2)) == 0
    assert Notice.objects.get().is_given_up


def test_a_redirect_is_not_followed_and_no_error_shows_the_address(hook: Hook, receiver: Receiver, now: datetime) -> None:
    hook.status = 302
    wrong(now, 60)
    run(now)
    receiver.refresh_from_db()
    assert receiver.error == "it answered 302 Found"
    save_receiver(receiver, by=None, address=f"http://127.0.0.1:{free_port()}/?key=hidden")
    run(now)
    receiver.refresh_from_db()
    assert receiver.error == "it could not be reached (ConnectionError)"
    notes = " ".join(AuditEntry.objects.values_list("note", flat=True))
    assert "hidden" not in notes
    assert receiver.secret not in notes


def test_one_that_answers_a_byte_at_a_time_keeps_nobody(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    monkeypatch.setattr(notifying, "CALL_S", 0.5)
    gone = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            with server.accept()[0] as sock, suppress(OSError):
                sock.sendall(b"HTTP/1.1 200 OK\r\n")
                while not gone.wait(0.05):
                    sock.sendall(b"X")

        thread = threading.Thread(target=drip)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        slow = save_receiver(None, by=None, name="slow", kind="webhook", address=address, hold_s=0)
        begin = time.monotonic()
        with pytest.raises(NotSent, match="it did not answer in time"):
            send_test(slow, by=None)
        assert time.monotonic() - begin < 5
        gone.set()
        thread.join()


def test_only_one_sends_to_a_receiver_at_a_time(hook: Hook, receiver: Receiver, now: datetime) -> None:
    wrong(now, 60)
    assert make_due(now) == [receiver.pk]
    Receiver.objects.update(next_try_at=now + timedelta(seconds=50))       # somebody else is at it
    assert send_due(receiver.pk, now) == 0
    assert make_due(now) == []
    assert hook.posted == []


def test_a_test_says_that_it_is_one(hook: Hook, receiver: Receiver) -> None:
    send_test(receiver, by=None)
    message = json.loads(hook.posted[0][1])
    assert message["test"] is True
    assert message["notices"][0]["text"] == "this is a test: nothing is wrong"
    assert not Notice.objects.exists()


def test_people_get_mail(now: datetime, settings: Any) -> None:
    receiver = save_receiver(None, by=None, name="us", kind="email", address="ann@example.net\nbob@example.net")
    wrong(now, 60)
    wrong(now, 60, "tunnel:2:cam")
    assert run(now) == 0
    receiver.refresh_from_db()
    assert receiver.error == "no mail server is set: EMAIL_URL"
    settings.EMAIL_IS_SET = True
    assert run(now + timedelta(seconds=60)) == 2
    [message] = mail.outbox
    assert message.to == ["ann@example.net", "bob@example.net"]
    assert message.subject == f"xrev: tunnel:1:home is down (since {now - timedelta(seconds=60):%Y-%m-%d %H:%M} UTC), and 1 more"


def test_a_line_break_that_a_node_said_holds_no_mail_up(now: datetime, settings: Any) -> None:
    settings.EMAIL_IS_SET = True
    save_receiver(None, by=None, name="us", kind="email", address="ann@example.net")
    wrong(now, 60, "home\r\nBcc: eve@example.net\n\n")
    wrong(now, 60, "tunnel:2:cam")
    assert run(now) == 2
    [message] = mail.outbox
    assert message.subject.startswith("xrev: home Bcc: eve@example.net is down (since ")
    assert message.body.count("\n") == 2
    assert message.recipients() == ["ann@example.net"]


def test_a_mail_server_that_refuses(now: datetime, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EMAIL_IS_SET = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    receiver = save_receiver(None, by=None, name="us", kind="email", address="ann@example.net")
    with pytest.raises(NotSent, match="did not take it"):
        send_test(receiver, by=None)
    assert issubclass(smtplib.SMTPException, OSError)


@pytest.mark.parametrize(("values", "field"), [
    ({"address": "ftp://x"}, "address"), ({"address": "https://"}, "address"), ({"address": ""}, "address"),
    ({"address": "https://x:99999/"}, "address"), ({"address": "https://[x/"}, "address"),
    ({"kind": "email", "address": "nobody"}, "address"), ({"kind": "email", "address": " "}, "address"),
    ({"kinds": ["spoon"]}, "kinds"), ({"hold_s": -1}, "hold_s"), ({"hold_s": 10**9}, "hold_s"),
    ({"kind": "pigeon"}, "address"), ({"name": ""}, "name"), ({"name": "x" * 65}, "name"),
])
def test_a_wrong_value_names_its_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(ServiceError) as refused:
        save_receiver(None, by=None, **{"name": "n", "kind": "webhook", "address": "https://x.example/", **values})
    assert refused.value.path == field
    assert not Receiver.objects.exists()


def test_what_is_long_over_goes(now: datetime, receiver: Receiver) -> None:
    old, recent = wrong(now, 10, "old"), wrong(now, 10, "recent")
    Condition.objects.filter(pk=old.pk).update(cleared_at=now - timedelta(days=91))
    Condition.objects.filter(pk=recent.pk).update(cleared_at=now)
    assert forget_old(now) == 1
    delete_receiver(receiver, by=None)
    assert not Receiver.objects.exists()
