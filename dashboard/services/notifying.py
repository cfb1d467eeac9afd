"""Telling people and programs what is wrong and when it is over: after it has lasted, once, and together what comes together.

A notice is a row before anything is sent, so what is due is sent also after a restart of anything. One process sends to a
receiver at a time. What could not be sent is tried again with growing pauses, and given up after a day.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from http.client import responses
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from dashboard.choices import ConditionKind, ReceiverKind, Verb
from dashboard.models import Condition, Notice, Receiver
from dashboard.services.auditing import Actor, record
from dashboard.services.calling import BoundedCall
from dashboard.services.errors import ServiceError

SIGNATURE: Final = "X-Xrev-Signature"
TIMEOUT_S: Final = (5.0, 10.0)          # to connect, and between bytes
CALL_S: Final = 20.0                    # all of it
LEASE: Final = timedelta(seconds=60)    # how long one sender has a receiver for itself
FIRST_PAUSE_S: Final = 30
LAST_PAUSE_S: Final = 3600
GIVEN_UP_AFTER: Final = timedelta(days=1)
MAX_TOGETHER: Final = 50                # notices of one message
MAX_HOLD_S: Final = 86_400
SECRET_BYTES: Final = 32
KEPT_FOR: Final = timedelta(days=90)    # conditions that are over


ENDING: Final = (ConditionKind.TUNNEL_DOWN, ConditionKind.NODE_DOWN, ConditionKind.CRASH_LOOP)
"""What is worth telling when it is over. That something expires is over when it has expired."""


class NotSent(Exception):
    """Why a message did not arrive, in words without secrets."""


def save_receiver(receiver: Receiver | None, *, by: Actor, **values: Any) -> Receiver:
    """Make one, or change what is given. A webhook gets a secret of its own. Raises ServiceError, whose path is the field."""
    is_new = receiver is None
    row = Receiver() if receiver is None else Receiver.objects.get(pk=receiver.pk)
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    _check(row)
    if row.kind == ReceiverKind.WEBHOOK and not row.secret:
        row.secret = secrets.token_urlsafe(SECRET_BYTES)
    if not changed and not is_new:
        return row
    row.next_try_at, row.failures, row.error = None, 0, ""
    try:
        row.full_clean(exclude=["address", "secret"])
    except ValidationError as error:
        raise ServiceError("; ".join(error.messages), next(iter(error.message_dict), "")) from None
    with transaction.atomic():
        row.save()
        record(by, Verb.CREATED if is_new else Verb.CHANGED, row, note=", ".join(changed))
    return row


def delete_receiver(receiver: Receiver, *, by: Actor) -> None:
    with transaction.atomic():
        record(by, Verb.DELETED, receiver)
        receiver.delete()


def make_due(now: datetime | None = None) -> list[int]:
    """Write notices for what has lasted long enough, and for what is over that was told; receivers that have any to be sent.

    A receiver hears nothing of what was over before it had lasted.
    """
    now = timezone.now() if now is None else now
    for receiver in Receiver.objects.filter(enabled=True):
        wanted = Q(kind__in=receiver.kinds) if receiver.kinds else Q()
        mine = Notice.objects.filter(receiver=receiver, condition=OuterRef("pk"))
        standing = Condition.objects.filter(wanted, cleared_at=None, since__lte=now - timedelta(seconds=receiver.hold_s))
        over = Condition.objects.filter(wanted, kind__in=ENDING, cleared_at__gt=now - GIVEN_UP_AFTER)
        rows = [Notice(receiver=receiver, condition=row, is_over=False) for row in standing.exclude(Exists(mine))]
        was_told, is_told = Exists(mine.filter(is_over=False, is_given_up=False)), Exists(mine.filter(is_over=True))
        rows += [Notice(receiver=receiver, condition=row, is_over=True) for row in over.filter(was_told).exclude(is_told)]
        Notice.objects.bulk_create(rows, ignore_conflicts=True)
    due = Q(receiver__next_try_at=None) | Q(receiver__next_try_at__lte=now)
    unsent = Notice.objects.filter(due, sent_at=None, is_given_up=False, receiver__enabled=True)
    return list(unsent.order_by().values_list("receiver", flat=True).distinct())


def send_due(receiver_id: int, now: datetime | None = None) -> int:
    """Send what is due to one receiver as one message; how many notices were sent."""
    now = timezone.now() if now is None else now
    free = Receiver.objects.filter(Q(next_try_at=None) | Q(next_try_at__lte=now), pk=receiver_id, enabled=True)
    if not free.update(next_try_at=now + LEASE):
        return 0
    receiver = Receiver.objects.get(pk=receiver_id)
    unsent = Notice.objects.filter(receiver=receiver, sent_at=None, is_given_up=False)
    unsent.filter(created_at__lt=now - GIVEN_UP_AFTER).update(is_given_up=True)
    with_names = unsent.select_related("condition__instance", "condition__node")
    notices = list(with_names.order_by("condition__since", "condition__pk", "is_over")[:MAX_TOGETHER])
    if not notices:
        Receiver.objects.filter(pk=receiver_id).update(next_try_at=None)
        return 0
    try:
        _deliver(receiver, notices, now)
    except NotSent as error:
        failures = receiver.failures + 1
        pause_s = min(LAST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures - 1, 10))
        Receiver.objects.filter(pk=receiver_id).update(
            failures=failures, error=str(error)[:500], next_try_at=now + timedelta(seconds=pause_s))
        return 0
    Notice.objects.filter(pk__in=[one.pk for one in notices]).update(sent_at=now)
    Receiver.objects.filter(pk=receiver_id).update(failures=0, error="", next_try_at=None, told_at=now)
    return len(notices)


def send_test(receiver: Receiver, *, by: Actor) -> None:
    """Send a message that says it is a test. Raises NotSent."""
    record(by, Verb.CHANGED, receiver, note="a test was sent")
    test = Condition(kind=ConditionKind.TUNNEL_DOWN, text="this is a test: nothing is wrong", since=timezone.now())
    _deliver(receiver, [Notice(receiver=receiver, condition=test, is_over=False)], timezone.now(), is_test=True)


def forget_old(now: datetime | None = None) -> int:
    now = timezone.now() if now is None else now
    return Condition.objects.filter(cleared_at__lt=now - KEPT_FOR).delete()[0]


def sign(secret: str, body: bytes, at: int) -> str:
    """The signature's header: HMAC-SHA256 of "<at>.<body>", with the moment, so that an old message cannot be sent again."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _check(row: Receiver) -> None:
    if row.kind == ReceiverKind.WEBHOOK:
        if not _is_web_address(row.address.strip()):
            raise ServiceError("a web address is expected: https://hooks.example.net/xrev", "address")
        row.address = row.address.strip()
    else:
        addresses = row.address.split()
        if not addresses:
            raise ServiceError("at least one e-mail address is needed", "address")
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError:
                raise ServiceError(f"{address} is no e-mail address", "address") from None
        row.address = "\n".join(addresses)
    unknown = [kind for kind in row.kinds if kind not in ConditionKind.values]
    if unknown:
        raise ServiceError(f"{unknown[0]} is none of {', '.join(ConditionKind.values)}", "kinds")
    if not 0 <= row.hold_s <= MAX_HOLD_S:
        raise ServiceError(f"0 to {MAX_HOLD_S} seconds", "hold_s")


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _deliver(receiver: Receiver, notices: Sequence[Notice], now: datetime, *, is_test: bool = False) -> None:
    if receiver.kind == ReceiverKind.WEBHOOK:
        _post(receiver, notices, now, is_test=is_test)
    else:
        _mail(receiver, notices)


def _post(receiver: Receiver, notices: Sequence[Notice], now: datetime, *, is_test: bool) -> None:
    body = json.dumps({"at": now.isoformat(), "test": is_test, "notices": [_as_json(one) for one in notices]}).encode()
    signature = sign(receiver.secret, body, int(now.timestamp()))
    headers = {"Content-Type": "application/json", "User-Agent": "xrev", SIGNATURE: signature}
    call = BoundedCall(CALL_S)
    try:
        # Redirects are not followed: the secret's signature is for the address that somebody wrote down.
        with call, call.session.post(
            receiver.address, data=body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False, stream=True) as answer:
            if call.is_over:            # amid its headers: those that came pass for all
                raise requests.exceptions.Timeout
            if not 200 <= answer.status_code < 300:
                raise NotSent(f"it answered {answer.status_code} {responses.get(answer.status_code, '')}".strip())
    except requests.exceptions.SSLError:
        raise NotSent("its certificate is not good") from None
    except requests.exceptions.Timeout:
        raise NotSent("it did not answer in time") from None
    except requests.exceptions.RequestException as error:       # its text may hold the address, which may hold a secret
        if call.is_over:
            raise NotSent("it did not answer in time") from None
        raise NotSent(f"it could not be reached ({type(error).__name__})") from None


def _mail(receiver: Receiver, notices: Sequence[Notice]) -> None:
    if not settings.EMAIL_IS_SET:
        raise NotSent("no mail server is set: EMAIL_URL")
    # A part of each is what a node said: a line break in it would be refused as a header, with all that is told beside it.
    lines = [" ".join(_sentence(one).split()) for one in notices]
    subject = f"xrev: {lines[0]}" if len(lines) == 1 else f"xrev: {lines[0]}, and {len(lines) - 1} more"
    message = EmailMessage(subject[:200], "\n".join(lines) + "\n", to=receiver.address.split())
    try:
        message.send()
    except OSError as error:        # SMTP's errors are OSErrors
        raise NotSent(f"the mail server did not take it ({type(error).__name__})") from None


def _as_json(notice: Notice) -> dict[str, Any]:
    condition = notice.condition
    return {
        "state": "over" if notice.is_over else "open",
        "kind": condition.kind,
        "text": condition.text,
        "since": condition.since.isoformat(),
        "over": condition.cleared_at.isoformat() if condition.cleared_at is not None else None,
        "instance": condition.instance.name if condition.instance is not None else None,
        "node": condition.node.name if condition.node is not None else None,
        "tag": condition.tag or None,
    }


def _sentence(notice: Notice) -> str:
    condition = notice.condition
    if notice.is_over and condition.cleared_at is not None:
        minutes = max(1, round((condition.cleared_at - condition.since).total_seconds() / 60))
        return f"over after {minutes} min: {condition.text}"
    return f"{condition.text} (since {condition.since:%Y-%m-%d %H:%M} UTC)"
