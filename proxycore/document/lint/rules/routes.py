"""Rules of the router: each can match, says where to, and is written as all cores read it."""

from __future__ import annotations

from dataclasses import replace

from proxycore.document.lint.codes import Code
from proxycore.document.lint.coverage import MAX_COMPARED_RULES, covers
from proxycore.document.lint.finding import Edit, Tell
from proxycore.document.lint.matching import Rule
from proxycore.document.lint.tree import Node, shown
from proxycore.document.lint.view import View
from proxycore.document.nearest import did_you_mean
from proxycore.routing.addresses import parse_address
from proxycore.routing.domains import parse_domain

SHADOWED = Code(
    "XR201",
    "shadowed-rule",
    "warning",
    "A rule can never match: earlier ones take everything that it would.",
    "The first rule that fits decides. Matchers that are the same or wider stand before this rule.",
    "Move the rule before the one that takes its requests, or narrow that one.",
)
REDUNDANT = Code(
    "XR202",
    "redundant-rule",
    "note",
    "A rule can never match, and would have done what the earlier rule does.",
    "An earlier rule with the same or wider matchers leads to the same place.",
    "Remove the rule.",
    is_fixable=True,
)
NO_MATCHER = Code(
    "XR203",
    "rule-without-matcher",
    "error",
    "A rule has no matcher.",
    'No core starts with such a rule ("no effective fields"). Empty lists are as if they were absent.',
    'To match everything write `"network": "tcp,udp"`.',
    is_fixable=True,
)
NO_TARGET = Code(
    "XR204",
    "rule-without-target",
    "error",
    "A rule leads nowhere: it has neither outboundTag nor balancerTag.",
    "No core starts with such a rule.",
    "Name an outbound, a portal or a balancer.",
)
TWO_TARGETS = Code(
    "XR205",
    "rule-with-two-targets",
    "warning",
    "A rule has an outboundTag and a balancerTag.",
    "The outboundTag counts, the balancer is never asked.",
    "Remove one of the two.",
)
CAPITALS = Code(
    "XR206",
    "capitals-in-domain-entry",
    "warning",
    "A domain entry of a rule has capital letters.",
    "Names are in lower case when they are compared (in V2Ray 4 as the client wrote them). Xray lower-cases the entry only in "
    "newer versions, and never a pattern; elsewhere such an entry never fits.",
    "Write domain entries in lower case.",
    is_fixable=True,
)
UNKNOWN_NETWORK = Code(
    "XR207",
    "unknown-network",
    "error",
    "A rule asks for a network that does not exist.",
    "Xray keeps the word silently and it never fits.",
    "Use tcp, udp or unix.",
    is_fixable=True,
)
UNKNOWN_USER = Code(
    "XR208",
    "unknown-user",
    "warning",
    "A rule asks for a user that no inbound has.",
    "`user` is compared with the e-mail of a client (SOCKS and HTTP: the user name), with its letter case; never with an id.",
    "Write the e-mail as the client has it.",
    is_fixable=True,
)
BAD_ENTRY = Code(
    "XR209",
    "bad-entry",
    "error",
    "A domain or ip entry of a rule cannot be read.",
    "The cores either refuse it or take it for something else: an unknown prefix is a keyword to some of them.",
    "Use full:, domain:, keyword:, regexp:, dotless:, geosite: or ext: for domains; addresses, CIDR blocks, geoip: or ext: "
    "for ip.",
)
IP_NEVER = Code(
    "XR210",
    "ip-without-resolution",
    "note",
    "A rule asks for a domain and for ip, and names are not resolved.",
    'With domainStrategy "AsIs" an `ip` matcher never fits a request for a name, and `domain` never fits one for an address: '
    "both together fit nothing.",
    'Make two rules of it, or set domainStrategy to "IPIfNonMatch".',
)

CODES = (
    SHADOWED,
    REDUNDANT,
    NO_MATCHER,
    NO_TARGET,
    TWO_TARGETS,
    CAPITALS,
    UNKNOWN_NETWORK,
    UNKNOWN_USER,
    BAD_ENTRY,
    IP_NEVER,
)

_MAX_SPLIT_TAGS = 32  # a rule with more inbounds is only compared as a whole
_NETWORKS = ("tcp", "udp", "unix")
_LITERAL_KINDS = ("full", "domain", "keyword", "dotless")
_DOMAIN_LISTS = ("geosite:", "ext:", "ext-domain:", "ext-site:", "regexp:")
_IP_LISTS = ("geoip:", "ext:", "ext-ip:", "env:")


def check(view: View, tell: Tell) -> None:
    _check_order(view, tell)
    emails = view.emails()
    for rule in view.rules:
        _check_shape(view, rule, tell)
        _check_domains(view, rule, tell)
        _check_addresses(rule, tell)
        _check_networks(view, rule, tell)
        _check_users(view, rule, emails, tell)


def _check_order(view: View, tell: Tell) -> None:
    rules = view.rules[:MAX_COMPARED_RULES]
    kinds = [frozenset(rule.matchers) - {"network", "port"} for rule in rules]
    for number, rule in enumerate(rules):
        if not rule.matchers:
            continue
        earlier = [other for other, kind in zip(rules[:number], kinds, strict=False) if kind <= rule.matchers.keys()]
        taken = _taken_by(rule, earlier)
        if not taken:
            continue
        labels = " and ".join(dict.fromkeys(other.label for other in taken))
        if all(other.target == rule.target for other in taken):
            message = f"{labels} already sends to {shown(rule.target)} all that {rule.label} would"
            tell(REDUNDANT, rule.node.loc, message, "remove the rule", view.source.remove_item(rule.node.loc))
        else:
            message = f"{rule.label} never matches: its requests go to {shown(taken[0].target)} by {labels}"
            tell(SHADOWED, rule.node.loc, message, f"move it before {taken[0].label}, or narrow that one")


def _taken_by(rule: Rule, earlier: list[Rule]) -> list[Rule]:
    """The earlier rules that leave nothing for `rule`: one for all of it, or one for each of its inbounds. Or none."""
    whole = next((other for other in earlier if covers(other, rule)), None)
    if whole is not None:
        return [whole]
    tags = rule.texts("inboundTag")
    if not 2 <= len(tags) <= _MAX_SPLIT_TAGS:
        return []
    found: list[Rule] = []
    for tag in tags:
        part = replace(
            rule,
            matchers={**rule.matchers, "inboundTag": Node([tag], ())},
            entries={**rule.entries, "inboundTag": (tag,)},
            sets={**rule.sets, "inboundTag": frozenset((tag,))},
        )
        other = next((other for other in earlier if covers(other, part)), None)
        if other is None:
            return []
        found.append(other)
    return found


def _check_shape(view: View, rule: Rule, tell: Tell) -> None:
    if not isinstance(rule.node.value, dict):
        return
    if not rule.matchers:
        fix = 'write "network": "tcp,udp" if it is for everything, or remove it'
        edits = [] if rule.node.get("network").exists else view.source.insert_key(rule.node.loc, "network", "tcp,udp")
        is_last = rule.number == len(view.rules) - 1  # elsewhere it would hide the rules that follow
        tell(NO_MATCHER, rule.node.loc, f"{rule.label} has no matcher", fix, edits if is_last else ())
    if not rule.target:
        tell(NO_TARGET, rule.node.loc, f"{rule.label} leads nowhere", "give it an outboundTag or a balancerTag")
    elif rule.outbound_tag and rule.balancer_tag:
        message = (
            f"{rule.label} goes to the outbound {shown(rule.outbound_tag)}; its balancer {shown(rule.balancer_tag)} is not asked"
        )
        tell(TWO_TARGETS, rule.node.get("balancerTag").loc, message, "remove one of the two", of_key=True)
    if not view.resolves_names and "ip" in rule.matchers and "domain" in rule.matchers:
        message = f"{rule.label} never matches: it asks for a domain and for an address, and names are not resolved"
        tell(
            IP_NEVER,
            rule.node.get("ip").loc,
            message,
            'make two rules of it, or set domainStrategy to "IPIfNonMatch"',
            of_key=True,
        )


def _check_domains(view: View, rule: Rule, tell: Tell) -> None:
    node = rule.matchers.get("domain")
    for word in node.words() if node is not None else ():
        prefix, _, rest = word.text.partition(":")
        is_literal = prefix in _LITERAL_KINDS or ":" not in word.text
        if is_literal and word.text != word.text.lower():
            message = f"{shown(word.text)} has capital letters: cores that do not fold them never find it"
            tell(CAPITALS, word.loc, message, f"write {shown(word.text.lower())}", _replace(view, word, word.text.lower()))
        elif prefix == "regexp" and _has_capitals(rest):
            message = f"the pattern {shown(rest)} has capital letters, and names are in lower case"
            tell(CAPITALS, word.loc, message, "write them in lower case, or put (?i) before the pattern")
        if not word.text.startswith(_DOMAIN_LISTS):
            try:
                parse_domain(word.text)
            except ValueError as error:
                tell(BAD_ENTRY, word.loc, f"{shown(word.text)}: {error}", "write it as one of the known kinds")


def _has_capitals(pattern: str) -> bool:
    if "(?i" in pattern:
        return False
    previous = ""
    for character in pattern:
        if character.isupper() and previous != "\\":
            return True
        previous = "" if previous == "\\" else character
    return False


def _check_addresses(rule: Rule, tell: Tell) -> None:
    for name in ("ip", "source", "localIP"):
        node = rule.matchers.get(name)
        for word in node.words() if node is not None else ():
            if word.text.lstrip("!").startswith(_IP_LISTS):
                continue
            try:
                parse_address(word.text)
            except ValueError as error:
                tell(BAD_ENTRY, word.loc, f"{shown(word.text)}: {error}", "write an address, a CIDR block, geoip: or ext:")


def _check_networks(view: View, rule: Rule, tell: Tell) -> None:
    node = rule.matchers.get("network")
    for word in node.words() if node is not None else ():
        name = word.text.strip().lower()
        if name not in _NETWORKS:
            hint = did_you_mean(name, _NETWORKS)
            edits = _replace(view, word, hint.split('"')[1]) if hint else []
            tell(
                UNKNOWN_NETWORK,
                word.loc,
                f"there is no network {shown(word.text)}, so this never fits",
                hint or "use tcp or udp",
                edits,
            )


def _check_users(view: View, rule: Rule, emails: set[str], tell: Tell) -> None:
    node = rule.matchers.get("user")
    for word in node.words() if node is not None else ():
        if word.text and word.text not in emails and not tell.is_full and not word.text.startswith("regexp:"):
            hint = did_you_mean(word.text, sorted(emails))
            edits = _replace(view, word, hint.split('"')[1]) if hint else []
            fix = hint or "give a client this e-mail"
            tell(UNKNOWN_USER, word.loc, f"no client has the e-mail {shown(word.text)}, so this never fits", fix, edits)


def _replace(view: View, word: Node, text: str) -> list[Edit]:
    """Another word, where it stands by itself and not in a text with commas."""
    at = view.source.start(word.loc)
    if not view.source.text.startswith(f'"{word.text}"', at):
        return []
    return view.source.replace(word.loc, text)
