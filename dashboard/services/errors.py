"""Why a service did not do what it was asked; views and commands show the text."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.engine.references import Reference


class ServiceError(Exception):
    """Nothing was changed. `path` is the JSON path that is meant, empty if none is."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class VersionConflict(ServiceError):
    """Somebody else changed the instance since it was read."""

    def __init__(self, expected: int, current: int) -> None:
        super().__init__(f"somebody else changed this instance meanwhile: it is at version {current}, not {expected}")
        self.expected = expected
        self.current = current


class TagTaken(ServiceError):
    """Another entry of the instance has this tag."""


class PortTaken(ServiceError):
    """Another inbound of the node listens there."""


class WouldBreak(ServiceError):
    """Other entries name what is to be deleted or renamed."""

    def __init__(self, message: str, references: Sequence[Reference]) -> None:
        super().__init__(message)
        self.references = list(references)
