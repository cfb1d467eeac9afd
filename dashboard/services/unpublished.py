"""How much of an instance is not published: found once per version, so that every page can say it."""

from __future__ import annotations

from typing import Final

from django.core.cache import cache

from dashboard.models import Instance
from dashboard.services.publishing import newest_number, unpublished_changes

KEPT_S: Final = 60
"""A client may expire meanwhile, which no version tells."""


def known_count(instance: Instance) -> tuple[int, int | None]:
    """(number of the newest revision or 0, how many changes there are since): None where that has to be found out first."""
    number = newest_number(instance)
    return number, cache.get(_key(instance, number))


def count_unpublished(instance: Instance) -> int:
    """How many changes publishing would make. Costs as much as a diff of the document. Raises ServiceError."""
    number, count = known_count(instance)
    if count is None:
        count = len(unpublished_changes(instance))
        cache.set(_key(instance, number), count, KEPT_S)
    return count


def _key(instance: Instance, number: int) -> str:
    return f"unpublished:{instance.pk}:{instance.version}:{number}"
