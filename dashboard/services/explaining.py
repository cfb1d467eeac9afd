"""Which rule decides about a connection, and why those before it do not."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.engine.columns import COLUMNS
from dashboard.engine.compile import compile_document
from dashboard.engine.content import Kind, get
from dashboard.models import Instance
from dashboard.services.errors import ServiceError
from dashboard.services.exporting import as_text
from dashboard.services.storing import load_content
from proxycore.api import DocumentError, Question, Step
from proxycore.api import explain as explain_document

__all__ = ["ExplainedRule", "Explanation", "Question", "explain"]


@dataclass(frozen=True, slots=True)
class ExplainedRule:
    """One rule. `pk` is its row's; None: it is no rule but the default outbound, or a look-up that comes first."""

    pk: int | None
    number: int | None
    name: str
    matched: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """`target` is the tag of the outbound or portal ("balancer TAG" where one picks); None: nothing decides, `why` says it."""

    target: str | None
    why: str
    rules: list[ExplainedRule]


def explain(instance: Instance, question: Question) -> Explanation:
    """For the instance as it is now, published or not. Raises ServiceError: it has errors, or the question has."""
    content = load_content(instance, "usable")
    document = compile_document(content)
    try:
        steps = explain_document(as_text(document), instance.name, question)
    except DocumentError as error:
        first = next(problem for problem in error.problems if problem.severity == "error")
        raise ServiceError(f"this instance does not run yet: {first.message}", first.path) from None
    except ValueError as error:
        raise ServiceError(str(error), "source") from None
    rules = [entry for entry in content.entries[Kind.RULE] if entry.enabled]
    explained = [
        ExplainedRule(rules[step.rule].pk if step.rule is not None else None, step.rule, step.label, step.matched, step.why)
        for step in steps
    ]
    decision = _decision(steps, [entry.body for entry in rules], document)
    return Explanation(decision, steps[-1].why if steps else "there are no rules", explained)


def _decision(steps: list[Step], rules: list[dict[str, object]], document: dict[str, object]) -> str | None:
    last = steps[-1] if steps else None
    if last is None or not last.matched:
        return None
    if last.rule is None:
        return _default_tag(document)
    columns = COLUMNS[Kind.RULE](rules[last.rule])
    return columns["outbound_tag"] or f"balancer {columns['balancer_tag']}"


def _default_tag(document: dict[str, object]) -> str:
    """Of the first outbound, else of the first portal."""
    for listed in (get(document, "outbounds"), get(get(document, "reverse"), "portals")):
        if isinstance(listed, list) and listed:
            return str(get(listed[0], "tag") or "")
    return ""
