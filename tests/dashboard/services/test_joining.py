"""Join tokens, the identities that they are exchanged for, and what may be done with nodes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from dashboard.choices import Standing
from dashboard.models import AuditEntry, JoinToken, Node
from dashboard.services.errors import ServiceError
from dashboard.services.joining import JoinRefused, find_node, join, join_command, make_join_token, revoke_join_token
from dashboard.services.nodes import approve, pause, resume, revoke

pytestmark = pytest.mark.django_db


def _join(text: str, name: str = "host") -> tuple[Node, str]:
    return join(text, wished_name=name, version="1", address="192.0.2.7")


def test_a_host_joins_once_and_waits(ada: User) -> None:
    token, text = make_join_token(by=ada, name="branch offices", uses=2)
    node, identity = _join(text)
    assert (node.name, node.state, node.joined_from) == ("host", Standing.WAITING, "192.0.2.7")
    assert find_node(identity) == node
    assert identity not in str(node.__dict__), "kept is a hash only"
    again, other = _join(text)
    assert again.name == "host-2"
    assert find_node(other) == again
    with pytest.raises(JoinRefused):
        _join(text)
    token.refresh_from_db()
    assert (token.used, token.standing, token.last_used_from) == (2, "used", "192.0.2.7")


def test_a_token_for_a_node_gives_it_another_identity(ada: User) -> None:
    node = Node.objects.create(name="edge")
    first = _join(make_join_token(by=ada, node=node)[1])
    assert first[0] == node
    assert first[0].state == Standing.APPROVED, "for one use, by who may approve"
    second = _join(make_join_token(by=ada, node=node, approves=False)[1])
    assert find_node(first[1]) is None
    assert find_node(second[1]) == node
    assert Node.objects.get().state == Standing.WAITING


@pytest.mark.parametrize("spoilt", ["", "xrev", "xrevjoin_", "xrevjoin_0000_x", "xrevnode_{rest}", "{text}x", "xrevjoin_\0_x"])
def test_what_is_no_token_is_refused_in_the_same_words(ada: User, spoilt: str) -> None:
    text = make_join_token(by=ada, name="n")[1]
    with pytest.raises(JoinRefused) as refused:
        _join(spoilt.format(text=text, rest=text.partition("_")[2]))
    assert refused.value.message == JoinRefused().message
    assert find_node(spoilt) is None


def test_an_old_or_revoked_token_is_refused(ada: User) -> None:
    token, text = make_join_token(by=ada, name="n")
    JoinToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(JoinRefused):
        _join(text)
    token, text = make_join_token(by=ada, name="n")
    revoke_join_token(token, by=ada)
    with pytest.raises(JoinRefused):
        _join(text)
    assert not Node.objects.exists()


@pytest.mark.parametrize(("wish", "name"), [("web.example", "web.example"), ("a b/<c>", "a-b-c"), ("", "offices"),
                                            ("\0", "offices"), ("x" * 64, "x" * 48)])
def test_the_name_is_one(ada: User, wish: str, name: str) -> None:
    assert _join(make_join_token(by=ada, name="offices")[1], wish)[0].name == name


@pytest.mark.parametrize("wrong", [{"name": " "}, {"uses": 0}, {"uses": 10_000}, {"hours": 0}, {"hours": 10_000}])
def test_bounds_of_a_token(ada: User, wrong: dict[str, object]) -> None:
    with pytest.raises(ServiceError):
        make_join_token(**{"by": ada, "name": "n", **wrong})  # type: ignore[arg-type]


def test_states_and_the_audit_log(ada: User) -> None:
    node, _ = _join(make_join_token(by=ada, name="n", uses=2)[1])
    assert not pause(node, by=ada)
    assert approve(node, by=ada)
    assert not approve(node, by=ada)
    assert pause(node, by=ada)
    assert resume(node, by=ada)
    assert revoke(node, by=ada)
    assert not resume(node, by=ada)
    assert node.state == Standing.REVOKED
    verbs = list(AuditEntry.objects.filter(object_type="node").order_by("id").values_list("verb", flat=True))
    assert verbs == ["joined", "approved", "paused", "resumed", "revoked"]


def test_the_command_has_no_secret_among_its_arguments() -> None:
    said = join_command("xrevjoin_a_b", panel_url="https://panel.example/", fingerprint="ab:cd")
    assert said == ("echo xrevjoin_a_b | python -m proxycore agent --panel https://panel.example --token-file - "
                    "--fingerprint ab:cd")
