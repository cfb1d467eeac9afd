"""Why a service did not do what it was asked; views and commands show the text."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.engine.content import Body
from dashboard.engine.references import Reference
from dashboard.engine.secrets import masked_places
from proxycore.api import render_path


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


def refuse_masks(body: Body) -> None:
    """Raises ServiceError where a mask stands in place of a secret: it would be taken for the secret itself."""
    masked = masked_places(body)
    if masked:
        message = "stands masked here, and there is no secret behind it: write the secret itself"
        raise ServiceError(message, render_path(masked[0]))
