"""Who moved how many bytes: counted always, exported under the cores' names where the document asks for it.

A stream counts what it receives and sends anyway. It is in an `Account` while it lives, which looks at these numbers
when somebody asks and when the stream ends; so a chunk costs nothing, and what is read is never old.

Uplink is what comes from the client. Source of the names: Xray-core app/dispatcher/default.go,
app/proxyman/inbound/inbound.go, app/proxyman/outbound/handler.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from proxycore.policy import Policy


class Counted(Protocol):
    """A stream, or a flow of datagrams. The last three are the account's."""

    received: int           # bytes that came from the far end
    sent: int               # bytes that went to it
    account: Account | None
    counted_received: int   # of `received`, what is in the traffic of the account
    counted_sent: int


class Traffic:
    """Bytes of one name, without those that live streams have not been asked for. Streams are counted by the first name only."""

    __slots__ = ("begun", "downlink", "failed", "uplink")

    def __init__(self) -> None:
        self.uplink = 0
        self.downlink = 0
        self.begun = 0          # streams ever
        self.failed = 0         # of them, those that ended without a byte from the far end


class Account:
    """Live streams whose bytes belong to the same names. `sends_up`: what they send is the uplink."""

    __slots__ = ("_sends_up", "_shared", "live", "traffics")

    def __init__(self, *traffics: Traffic, sends_up: bool) -> None:
        self.traffics = traffics
        self.live: dict[Counted, str] = {}          # with the client's IP address, where a user is charged
        self._sends_up = sends_up
        self._shared: dict[User, Account] = {}

    @property
    def count(self) -> int:
        """Live streams."""
        if not self._shared:
            return len(self.live)
        return len(self.live) + sum(len(shared.live) for shared in self._shared.values())

    def open(self, stream: Counted, ip: str = "", *, is_new: bool = True) -> None:
        """Count `stream`, and what it receives and sends from now on. Not `is_new`: it was counted among those begun before."""
        self.traffics[0].begun += is_new
        stream.account = self
        stream.counted_received = stream.received
        stream.counted_sent = stream.sent
        self.live[stream] = ip

    def settle(self, stream: Counted) -> None:
        """Add what `stream` has counted since the last time."""
        up, down = stream.received - stream.counted_received, stream.sent - stream.counted_sent
        stream.counted_received, stream.counted_sent = stream.received, stream.sent
        if self._sends_up:
            up, down = down, up
        for traffic in self.traffics:
            traffic.uplink += up
            traffic.downlink += down

    def close(self, stream: Counted) -> None:
        """`stream` has ended. May be called twice."""
        self.settle(stream)
        if self.live.pop(stream, None) is not None and not stream.received:
            self.traffics[0].failed += 1

    def charge(self, stream: Counted, user: User, ip: str) -> None:
        """Count `stream` for `user` too, from now on."""
        if user in self.traffics:
            return
        self.settle(stream)
        self.live.pop(stream, None)
        shared = self._shared.get(user)
        if shared is None:
            shared = self._shared[user] = Account(*self.traffics, user, sends_up=self._sends_up)
            user.accounts.append(shared)
        shared.open(stream, ip, is_new=False)

    def settle_all(self) -> None:
        for stream in self.live:
            if stream.received != stream.counted_received or stream.sent != stream.counted_sent:
                self.settle(stream)
        for shared in self._shared.values():
            shared.settle_all()


class User(Traffic):
    """The payload of one e-mail's connections."""

    __slots__ = ("accounts", "email", "level", "opened", "served")

    def __init__(self, email: str, level: int) -> None:
        super().__init__()
        self.email = email
        self.level = level              # as it last came
        self.served = Account(self, sends_up=False)     # for streams towards the client that nobody else counts
        self.opened = Account(self, sends_up=True)      # the same towards the target
        self.accounts = [self.served, self.opened]

    @property
    def online(self) -> int:
        """Different IP addresses from which it has connections."""
        return len({ip for account in self.accounts for ip in account.live.values() if ip})


class Stats:
    """The counters of an instance. They outlive the document: a tag that comes back goes on counting."""

    __slots__ = ("_inbounds", "_outbounds", "users")

    def __init__(self) -> None:
        self._inbounds: dict[str, Account] = {}
        self._outbounds: dict[str, Account] = {}
        self.users: dict[str, User] = {}        # by e-mail; only those of credentials, so there are as many as documents name

    def inbound(self, tag: str) -> Account:
        """Of connections that an inbound accepted, or of sessions that came through a bridge. Without a tag: one of its own."""
        return self._of(self._inbounds, tag, sends_up=False)

    def outbound(self, tag: str) -> Account:
        """Of connections that an outbound made, or of sessions that a portal opened."""
        return self._of(self._outbounds, tag, sends_up=True)

    def user(self, email: str, level: int) -> User:
        user = self.users.get(email)
        if user is None:
            user = self.users[email] = User(email, level)
        user.level = level
        return user

    def settle(self) -> None:
        """Bring every traffic up to date."""
        for account in (*self._inbounds.values(), *self._outbounds.values()):
            account.settle_all()
        for user in self.users.values():
            user.served.settle_all()
            user.opened.settle_all()

    def all_counters(self) -> dict[str, int]:
        """Every counter of a name, whatever the policy."""
        self.settle()
        return dict(self._named(lambda _group, _direction: True, lambda _user, _what: True))

    def exported(self, policy: Policy) -> dict[str, int]:
        """Those that the policy's flags ask for."""
        values = policy.values
        if values is None:
            return {}
        self.settle()
        flags = {
            ("inbound", "uplink"): values.inbound_uplink, ("inbound", "downlink"): values.inbound_downlink,
            ("outbound", "uplink"): values.outbound_uplink, ("outbound", "downlink"): values.outbound_downlink,
        }

        def wants(user: User, what: str) -> bool:
            level = policy.level(user.level).values
            return {"uplink": level.counts_uplink, "downlink": level.counts_downlink, "online": level.counts_online}[what]

        return dict(self._named(lambda group, direction: flags[group, direction], wants))

    def _of(self, group: dict[str, Account], tag: str, *, sends_up: bool) -> Account:
        if not tag:
            return Account(Traffic(), sends_up=sends_up)
        account = group.get(tag)
        if account is None:
            account = group[tag] = Account(Traffic(), sends_up=sends_up)
        return account

    def _named(self, has_tag: HasTag, has_user: HasUser) -> Iterator[tuple[str, int]]:
        groups: Iterable[tuple[str, dict[str, Account]]] = (("inbound", self._inbounds), ("outbound", self._outbounds))
        for group, accounts in groups:
            for tag, account in accounts.items():
                traffic = account.traffics[0]
                if has_tag(group, "uplink"):
                    yield f"{group}>>>{tag}>>>traffic>>>uplink", traffic.uplink
                if has_tag(group, "downlink"):
                    yield f"{group}>>>{tag}>>>traffic>>>downlink", traffic.downlink
        for user in self.users.values():
            if has_user(user, "uplink"):
                yield f"user>>>{user.email}>>>traffic>>>uplink", user.uplink
            if has_user(user, "downlink"):
                yield f"user>>>{user.email}>>>traffic>>>downlink", user.downlink
            if has_user(user, "online"):
                yield f"user>>>{user.email}>>>online", user.online


class HasTag(Protocol):
    def __call__(self, group: str, direction: str, /) -> bool: ...


class HasUser(Protocol):
    def __call__(self, user: User, what: str, /) -> bool: ...
