"""People: Ada administers, Olaf operates, Vera looks, Sam has an account and no role."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    """Rows of the next test have the keys of those of the last one, and other contents."""
    cache.clear()


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Argon2 takes a twentieth of a second on purpose, for each person of each test. What is about passwords has the real one."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]


def _person(name: str, group: str = "", *, superuser: bool = False) -> User:
    user: User = User.objects.create_user(name, password=PASSWORD, is_staff=True, is_superuser=superuser)
    if group:
        user.groups.add(Group.objects.get(name=group))
    return user


@pytest.fixture
def ada(db: None) -> User:
    return _person("ada", superuser=True)


@pytest.fixture
def olaf(db: None) -> User:
    return _person("olaf", "operator")


@pytest.fixture
def vera(db: None) -> User:
    return _person("vera", "viewer")


@pytest.fixture
def sam(db: None) -> User:
    return _person("sam")


@pytest.fixture
def as_ada(client: Client, ada: User) -> Client:
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    return client


def _as(client: Client, person: User) -> Client:
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def as_olaf(olaf: User) -> Client:
    return _as(Client(), olaf)


@pytest.fixture
def as_vera(vera: User) -> Client:
    return _as(Client(), vera)


@pytest.fixture
def as_sam(sam: User) -> Client:
    return _as(Client(), sam)
