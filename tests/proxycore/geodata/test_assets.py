"""Lists as a document gets them: from files that are found, or without one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proxycore.geodata.assets import Assets, asset_folders
from proxycore.routing.address_set import AddressList
from proxycore.routing.addresses import AddressEntry
from proxycore.routing.domain_set import DomainSet
from proxycore.routing.domains import DomainEntry
from tests.support.dat_files import geoip, geosite

SITES = {"CN": ["domain:cn.example", "full:a.cn.example @ads"], "GOOGLE": ["domain:g.example"], "EMPTY": [], "BAD": ["regexp:("]}
ADDRESSES = {"CN": ["1.0.0.0/8"], "CLOUD": ["2.0.0.0/8", "2001:db8::/32"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "geosite.dat").write_bytes(geosite(SITES))
    (tmp_path / "geoip.dat").write_bytes(geoip(ADDRESSES))
    return tmp_path


@pytest.fixture
def assets(folder: Path) -> Assets:
    return Assets({}, folders=[folder])


def fits(assets: Assets, entry: str, version: int, number: int) -> bool:
    one = assets.address(entry)
    assert isinstance(one, AddressList)
    return one.group.contain(version, number)


def test_a_list_of_domains_is_read_from_its_file(assets: Assets) -> None:
    one = assets.domain("geosite:cn")
    assert isinstance(one, DomainSet)
    assert (one.full, one.suffixes, str(one)) == ({"a.cn.example"}, {"cn.example"}, "geosite:cn")
    assert assets.domain("full:a.b") == DomainEntry("full", "a.b")


def test_a_list_is_read_once_for_all_rules_that_name_it(assets: Assets, folder: Path) -> None:
    first = assets.domain("geosite:cn")
    one = assets.address("geoip:cloud")
    (folder / "geosite.dat").unlink()
    (folder / "geoip.dat").unlink()
    assert assets.domain("ext:geosite.dat:CN") is first
    other = assets.address("!geoip:CLOUD")
    assert isinstance(one, AddressList)
    assert isinstance(other, AddressList)
    assert other.group is one.group
    assert (one.is_negated, other.is_negated) == (False, True)


def test_attributes_make_another_list_of_it(assets: Assets) -> None:
    one = assets.domain("geosite:cn@ads")
    assert isinstance(one, DomainSet)
    assert (one.full, one.suffixes) == ({"a.cn.example"}, frozenset())


def test_a_list_of_addresses_is_read_from_its_file(assets: Assets) -> None:
    assert fits(assets, "geoip:cn", 4, 0x01020304)
    assert not fits(assets, "geoip:cn", 4, 0x02020304)
    assert fits(assets, "ext-ip:geoip.dat:cloud", 6, 0x20010DB8 << 96)
    assert isinstance(assets.address("!10.0.0.0/8"), AddressEntry)


@pytest.mark.parametrize(
    ("number", "is_private"), [(0x0A000001, True), (0xC0A80001, True), (0xE0000001, True), (0x08080808, False)]
)
def test_private_addresses_are_known_without_a_file_and_where_the_file_has_none(
    assets: Assets, tmp_path: Path, number: int, is_private: bool
) -> None:
    assert fits(assets, "geoip:private", 4, number) is is_private
    assert fits(Assets({}, folders=[tmp_path / "none"]), "geoip:private", 4, number) is is_private


def test_countries_are_known_without_a_file(tmp_path: Path) -> None:
    assets = Assets({}, folders=[tmp_path])
    assert fits(assets, "geoip:us", 4, 0x08080808)
    assert not fits(assets, "geoip:de", 4, 0x08080808)
    assert fits(assets, "geoip:us", 6, 0x20014860486000000000000000008888)
    assert not fits(assets, "geoip:us", 4, 0x0A000001)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("geosite:gogle", 'geosite.dat has no list "gogle"; near to it are google'),
        ("geosite:zzzz", 'geosite.dat has no list "zzzz"'),
        ("geosite:empty", "the list is empty"),
        ("geosite:cn@ads@us", "no entry of this list has the attributes ads, us"),
        ("geosite:bad", "geosite.dat: a pattern of this list cannot be used: the pattern does not compile"),
        ("ext:none.dat:x", "the file none.dat is needed, and it is not in "),
    ],
)
def test_a_list_that_cannot_be_used_is_told(assets: Assets, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        assets.domain(text)


def test_a_country_that_there_is_not_is_told_with_those_near_to_it(assets: Assets, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'geoip.dat has no list "cloudy"; near to it are cloud$'):
        assets.address("geoip:cloudy")
    with pytest.raises(ValueError, match=r'there is no country "privat"; near to it are private; for other lists the file geoip'):
        Assets({}, folders=[tmp_path / "none"]).address("geoip:privat")


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "it is empty"), (b"<html>", "it is not a file of lists"), (geosite(SITES)[:-1], "it ends too early")],
)
def test_a_broken_file_is_told_by_its_name(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "geosite.dat").write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path}/geosite.dat cannot be used: {reason}")):
        Assets({}, folders=[tmp_path]).domain("geosite:cn")


def test_a_list_whose_entries_are_broken_is_told_by_the_files_name(tmp_path: Path) -> None:
    (tmp_path / "geoip.dat").write_bytes(geosite(SITES))
    with pytest.raises(ValueError, match=r"geoip\.dat cannot be used: it has an entry that is no block"):
        Assets({}, folders=[tmp_path]).address("geoip:cn")


@pytest.mark.parametrize(
    "name", ["XRAY_LOCATION_ASSET", "xray.location.asset", "V2RAY_LOCATION_ASSET", "v2ray.location.asset"]
)
def test_the_folder_is_named_by_the_environment(folder: Path, name: str) -> None:
    assert isinstance(Assets({name: str(folder)}).domain("geosite:cn"), DomainSet)


def test_without_a_named_folder_the_working_directory_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert asset_folders({})[0] == folder
    assert [str(path) for path in asset_folders({"XRAY_LOCATION_ASSET": "/a", "V2RAY_LOCATION_ASSET": "/b"})] == [
        "/a", "/usr/local/share/xray", "/usr/share/xray", "/opt/share/xray",
        "/usr/local/share/v2ray", "/usr/share/v2ray", "/opt/share/v2ray",
    ]
