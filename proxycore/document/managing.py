"""The sections `api` and `metrics`, by which other programs look into the Go cores: read, and not run.

Much that writes documents puts them into each, with a rule that leads there. Source: Xray-core infra/conf/api.go, metrics.go.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from proxycore.document.report import Report
from proxycore.document.shape import Shape, is_empty, read

NAMES = {"api": "the API of the cores", "metrics": "the metrics page of Xray"}


class ManagingShape(Shape):
    tag: str = ""
    listen: str = ""
    services: list[Any] = Field(default_factory=list)


def read_managing(name: str, value: object, report: Report) -> list[str]:
    """Section `name`; the tags that rules may lead to. What is sent there finds no outbound, and is closed."""
    if is_empty(value):
        report.warn((name,), "is empty and has no effect", of_key=True)
        return []
    shape = read(ManagingShape, value, (name,), report, {})
    if shape is None:
        return []
    told = f"{NAMES[name]} is not run by this version"
    if shape.listen:
        told += f"; nothing listens on {shape.listen}"
    if shape.tag:
        told += f'; what rules send to "{shape.tag}" is closed'
    report.warn((name,), told, "the panel has such figures, and a page /metrics for monitors", of_key=True)
    return [shape.tag] if shape.tag else []
