"""Fixed names."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from proxycore.dns.answer import BOTH, Answer, Families
from proxycore.dns.hosts import MAX_ALIASES, HostEntry, Hosts, system_entries
from proxycore.routing.domains import parse_domain


def hosts(**names: str) -> Hosts:
    """Names with `_` for dots; values as in a document."""
    entries = []
    for name, value in names.items():
        domain = parse_domain("full:" + name.replace("_", "."))
        entries.append(HostEntry(domain, (ip_address(value),)) if value[0].isdigit() else HostEntry(domain, alias=value))
    return Hosts(entries)


def test_an_unknown_name_is_not_fixed() -> None:
    assert hosts(a_org="10.0.0.1").find("b.org", BOTH) is None


def test_a_name_without_an_address_of_that_family_has_none() -> None:
    assert hosts(a_org="10.0.0.1").find("a.org", Families(False, True)) == Answer((), 10)


def test_everything_that_fits_a_name_counts() -> None:
    entries = [
        HostEntry(parse_domain("full:a.org"), (ip_address("10.0.0.1"),)),
        HostEntry(parse_domain("domain:org"), (ip_address("10.0.0.2"), ip_address("::1"))),
        HostEntry(parse_domain("regexp:^b"), (ip_address("10.0.0.3"),)),
    ]
    found = Hosts(entries).find("a.org", BOTH)
    assert isinstance(found, Answer)
    assert [str(ip) for ip in found.addresses] == ["10.0.0.1", "10.0.0.2", "::1"]


def test_another_name_is_followed_among_the_fixed_ones_and_then_given() -> None:
    fixed = hosts(a_org="b.org", b_org="10.0.0.1", c_org="d.org")
    assert fixed.find("a.org", BOTH) == Answer((ip_address("10.0.0.1"),), 10)
    assert fixed.find("c.org", BOTH) == "d.org"


def test_names_that_lead_in_a_circle_end() -> None:
    assert hosts(a_org="b.org", b_org="a.org").find("a.org", BOTH) in ("a.org", "b.org")
    chain = {f"n{number}_org": f"n{number + 1}.org" for number in range(MAX_ALIASES + 3)}
    assert hosts(**chain).find("n0.org", BOTH) == f"n{MAX_ALIASES + 1}.org"


def test_a_code_outweighs_addresses() -> None:
    entries = [HostEntry(parse_domain("domain:org"), (ip_address("10.0.0.1"),)), HostEntry(parse_domain("full:a.org"), rcode=3)]
    assert Hosts(entries).find("a.org", BOTH) == Answer((), 10, 3)


def test_the_systems_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n::1 localhost # v6\n# comment\nnonsense a b\n10.0.0.1\n10.0.0.2 Box.LAN. box\n\n")
    fixed = Hosts(system_entries(path))
    found = fixed.find("localhost", BOTH)
    assert isinstance(found, Answer)
    assert [str(ip) for ip in found.addresses] == ["127.0.0.1", "::1"]
    assert fixed.find("box.lan", BOTH) == fixed.find("box", BOTH) == Answer((ip_address("10.0.0.2"),), 10)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        system_entries(tmp_path / "hosts")
