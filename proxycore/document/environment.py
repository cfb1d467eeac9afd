"""The `env` section: environment variables that a document brings along (Xray 26.7.11)."""

from __future__ import annotations

from collections.abc import Mapping

from proxycore.document.report import Report

MAX_VARIABLES = 1000


def with_variables(section: object, environ: Mapping[str, str], report: Report) -> Mapping[str, str]:
    """`environ` with the variables of the section put over it; what is wrong with one goes to the report.

    They count for everything that the document reads from the environment, and are not given to the process itself.
    """
    if section is None:
        return environ
    if not isinstance(section, dict):
        report.error(("env",), "an object of names and texts is expected")
        return environ
    if len(section) > MAX_VARIABLES:
        report.error(("env",), f"there are more than {MAX_VARIABLES} variables")
        return environ
    given: dict[str, str] = {}
    for name, value in section.items():
        if not name or "=" in name or "\0" in name:
            report.error(("env", name), "this is no name of an environment variable", of_key=True)
        elif not isinstance(value, str) or "\0" in value:
            report.error(("env", name), "text is expected; put numbers in quotes")
        else:
            given[name] = value
    return {**environ, **given}
