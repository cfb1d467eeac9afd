"""What an instance holds becomes what its node runs: checked, numbered, kept for ever, and taken back if need be.

A revision is the document compiled from the rows, without what is switched off and without clients that are expired or
used up. Its number, the newest one, is what people refer to who look at an instance: publishing on top of a revision that
they have not seen is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction

from dashboard.choices import Verb
from dashboard.engine.compile import CannotCompile, compile_document
from dashboard.engine.content import Content, Kind
from dashboard.engine.diff import Change, diff_contents, without_empty_lists
from dashboard.engine.garbage import uncollected
from dashboard.engine.going_back import Rows, gone_back, note_rows, rows_of
from dashboard.engine.linting import (
    PlacedFinding,
    PlacedProblem,
    Problem,
    place_findings,
    place_problems,
    review_text,
)
from dashboard.engine.parse import split_document
from dashboard.engine.secrets import mask_entry
from dashboard.live.telling import tell_wanted
from dashboard.models import Instance, Revision
from dashboard.models.jsontext import read_object, write_json
from dashboard.services.auditing import Actor, record
from dashboard.services.errors import ServiceError, VersionConflict
from dashboard.services.exporting import as_text
from dashboard.services.importing import Preview, import_document, staying_of
from dashboard.services.locking import holding
from dashboard.services.ports import PortConflict, conflicts_of
from dashboard.services.storing import load_content
from proxycore.api import render_path
from proxycore.messages.link import MAX_DOCUMENT_BYTES, document_bytes

MAX_SUMMARY: Final = 200
"""Sentences that a revision keeps about what it changes; the whole difference is found from the documents."""

MAX_COMMENT_CHARS: Final = 2000
MIN_CONFIRM_S: Final = 5
MAX_CONFIRM_S: Final = 3600
_ATTEMPTS: Final = 3            # while others write the same instance


@dataclass(frozen=True, slots=True)
class Review:
    """What publishing would do now. `number` is the newest revision's, 0 if there is none; `version` the instance's.

    Errors among `problems` (what the data plane says, ports that are taken) and `findings` (what the linter says) stop it;
    warnings ask.
    """

    changes: list[Change]
    problems: list[PlacedProblem]
    findings: list[PlacedFinding]
    number: int
    version: int
    is_published: bool          # the newest revision is this very document

    @property
    def has_errors(self) -> bool:
        return _has("error", self.problems, self.findings)

    @property
    def has_warnings(self) -> bool:
        return _has("warning", self.problems, self.findings)


class PublishRefused(ServiceError):
    """The document has errors."""

    def __init__(self, problems: Sequence[PlacedProblem], findings: Sequence[PlacedFinding]) -> None:
        self.problems = [one for one in problems if one.severity == "error"]
        self.findings = [one for one in findings if one.finding.severity == "error"]
        places = [(one.problem.path, one.message) for one in self.problems]
        places += [(one.finding.path, one.finding.message) for one in self.findings]
        path, message = places[0]
        more = f", and {len(places) - 1} more" if len(places) > 1 else ""
        super().__init__(f"it has errors: {f'{path}: ' if path else ''}{message}{more}", path)


class WarningsNotAccepted(ServiceError):
    """It has warnings, and nobody said that they are known."""

    def __init__(self, problems: Sequence[PlacedProblem], findings: Sequence[PlacedFinding]) -> None:
        self.problems = [one for one in problems if one.severity == "warning"]
        self.findings = [one for one in findings if one.finding.severity == "warning"]
        count = len(self.problems) + len(self.findings)
        super().__init__(f"it has {count} warnings; read and accept them first" if count > 1 else
                         "it has 1 warning; read and accept it first")


class PublishConflict(ServiceError):
    """Somebody else published since. `theirs`: what that changed; `yours`: what would still change on top of it."""

    def __init__(self, expected: int, current: int, theirs: list[Change], yours: list[Change]) -> None:
        super().__init__(f"somebody else published meanwhile: revision {current} is the newest, not {expected or 'none'}")
        self.expected = expected
        self.current = current
        self.theirs = theirs
        self.yours = yours


class NothingToPublish(ServiceError):
    """The newest revision is this very document."""


@dataclass(slots=True)
class _Compiled:
    """An instance's document as it is at `version`."""

    instance: Instance
    version: int
    content: Content
    text: str
    rows: Rows
    newest: Revision | None
    problems: list[PlacedProblem] = field(default_factory=list)
    findings: list[PlacedFinding] = field(default_factory=list)

    @property
    def number(self) -> int:
        return self.newest.number if self.newest is not None else 0

    @property
    def is_published(self) -> bool:
        return self.newest is not None and self.newest.document_sha256 == _sha256(self.text)

    def changes(self) -> list[Change]:
        """Since the newest revision."""
        if self.is_published:
            return []
        return without_empty_lists(diff_contents(_content(self.newest), _parsed(self.text, self.rows)))


def newest_revision(instance: Instance) -> Revision | None:
    return Revision.objects.filter(instance_id=instance.pk).order_by("-number").first()


def newest_number(instance: Instance) -> int:
    """Of the newest revision; 0: nothing was published yet."""
    number = Revision.objects.filter(instance=instance).order_by("-number").values_list("number", flat=True).first()
    return number or 0


def is_published(instance: Instance) -> bool:
    """Whether the newest revision says what the rows say. At once where nothing was written since; else they are compared."""
    current = _fresh(instance)
    if not current.may_be_unpublished:
        return True
    if not Revision.objects.filter(instance=current).exists():
        return False
    try:
        return _settle(_compile(current))
    except CannotCompile:
        return False


@uncollected()
def unpublished_changes(instance: Instance) -> list[Change]:
    """What publishing would change; of a document that cannot be compiled, nothing is known. Raises ServiceError then."""
    compiled = _compiled(_fresh(instance))
    return [] if _settle(compiled) else compiled.changes()


@uncollected()
def review(instance: Instance) -> Review:
    """What publishing would change, and what stands against it. Raises ServiceError: the rows make no document."""
    compiled = _compiled(_fresh(instance))
    _check(compiled)
    _settle(compiled)
    return Review(
        compiled.changes(), compiled.problems, compiled.findings, compiled.number, compiled.version, compiled.is_published)


@uncollected()
def publish(
    instance: Instance,
    *,
    by: Actor,
    comment: str = "",
    expected_number: int | None = None,
    expected_version: int | None = None,
    accept_warnings: bool = False,
    confirm_s: int = 0,
    needs_confirm: bool = False,
) -> Revision:
    """Make a revision of what the instance holds now. `expected_number` and `expected_version` are those of the review.

    With `confirm_s` its node takes it back by itself if it does not stand for so many seconds: the worker lives, tunnels that
    were up are up again, and where `needs_confirm` somebody has said so (`running.confirm`).

    Raises PublishConflict, VersionConflict, NothingToPublish, PublishRefused, WarningsNotAccepted; ServiceError.
    """
    probation = _probation(confirm_s, needs_confirm)
    for attempt in range(1, _ATTEMPTS + 1):
        compiled = _compiled(_fresh(instance))
        _refuse_conflicts(compiled, expected_number, expected_version)
        if compiled.is_published:
            _settle(compiled)
            raise NothingToPublish(f"there is nothing to publish: revision {compiled.number} is what is here")
        _check(compiled)
        _refuse_faults(compiled, accept_warnings=accept_warnings)
        changes = compiled.changes()
        try:
            # All that takes time is done: the row is held only for what has to happen at once.
            with holding(instance.pk, compiled.version) as held:
                if newest_number(held) == compiled.number:
                    return _write(held, compiled, changes, by, comment, **probation)
        except VersionConflict:
            if attempt == _ATTEMPTS or expected_version is not None:
                raise
    raise ServiceError("others are publishing this instance; try again")


@transaction.atomic
def roll_back(
    instance: Instance,
    revision: Revision,
    *,
    by: Actor,
    comment: str = "",
    expected_number: int | None = None,
    expected_version: int | None = None,
) -> Revision:
    """Make the rows say what `revision` says, and publish that as a new one. What is switched off stays so.

    Warnings do not stop it: they were there when it was published. Raises as `publish` does; nothing is changed then.
    """
    _of(instance, revision)
    with holding(instance.pk, expected_version) as held:
        if expected_number is not None and expected_number != newest_number(held):
            _refuse_conflicts(_compiled(held), expected_number, expected_version)
        _go_back(held, revision, Verb.ROLLED_BACK, by)
        compiled = _compiled(held)
        if compiled.is_published:
            raise NothingToPublish(
                f"revision {compiled.number} already says what revision {revision.number} says; discard the changes instead")
        _check(compiled)
        _refuse_faults(compiled, accept_warnings=True)
        made = _write(held, compiled, compiled.changes(), by, comment or f"back to revision {revision.number}", revision)
    instance.refresh_from_db()
    return made


def bring_back(instance: Instance, failed: Revision, back: Revision, *, reason: str) -> Revision | None:
    """Publish what `back` says in place of `failed`, which its node took back by itself. None: something newer is published.

    The rows stay as they are: what did not stand is unpublished again, and can be mended.
    """
    with holding(instance.pk) as held:
        newest = newest_revision(held)
        if newest is None or newest.number != failed.number:
            return None
        changes = without_empty_lists(diff_contents(_content(newest), _content(back)))
        note = f"revision {failed.number} did not stand, revision {back.number} is back: {reason}"
        made = Revision.objects.create(
            instance=held, number=newest.number + 1, document=back.document, document_sha256=back.document_sha256,
            source_version=0, rows=back.rows, summary=_summary(changes), comment=note[:MAX_COMMENT_CHARS], rolled_back_to=back)
        Instance.objects.filter(pk=held.pk).update(settled_version=None)
        record(None, Verb.REVERTED, held, instance=held, changes=changes, note=note)
        tell_wanted(held.node_id)
        return made


def discard(instance: Instance, *, by: Actor, expected_version: int | None = None) -> Preview:
    """Make the rows say what the newest revision says. Raises ServiceError: there is none; VersionConflict."""
    with holding(instance.pk, expected_version) as held:
        newest = newest_revision(held)
        if newest is None:
            raise ServiceError("nothing was published yet, so there is nothing to go back to")
        done = _go_back(held, newest, Verb.DISCARDED, by)
        _settle(_compile(held))
    instance.refresh_from_db()
    return done


@uncollected()
def preview_going_back(instance: Instance, revision: Revision) -> list[Change]:
    """What a rollback to `revision` would change of what the instance holds; for the newest one, a discard."""
    _of(instance, revision)
    old = load_content(instance)
    return without_empty_lists(diff_contents(old, gone_back(old, _content(revision), staying_of(instance, revision.created_at))))


@uncollected()
def revision_diff(revision: Revision, other: Revision | None = None) -> list[Change]:
    """What `revision` changed since `other`; by default since the one before it."""
    if other is None:
        other = Revision.objects.filter(instance=revision.instance_id, number__lt=revision.number).order_by("-number").first()
    return without_empty_lists(diff_contents(_content(other), _content(revision)))


def _fresh(instance: Instance) -> Instance:
    found = Instance.objects.filter(pk=instance.pk).first()
    if found is None:
        raise ServiceError("this instance is not there any more")
    return found


def export_revision(revision: Revision, *, by: Actor, masked: bool = True) -> str:
    """Its document as indented JSON, ending with a line break. One with secrets is written down in the audit log."""
    document = read_object(revision.document)
    if masked:
        return as_text(mask_entry(document))
    record(by, Verb.EXPORTED, revision, instance=revision.instance, note=f"revision {revision.number}")
    return as_text(document)


def _of(instance: Instance, revision: Revision) -> None:
    if revision.instance_id != instance.pk:
        raise ServiceError(f"{revision} is no revision of {instance}")


def _go_back(instance: Instance, revision: Revision, verb: Verb, by: Actor) -> Preview:
    note = f"to revision {revision.number}"
    return import_document(instance, revision.document, by=by, revision=revision, verb=verb, note=note, file=str(revision))


def _compiled(instance: Instance) -> _Compiled:
    try:
        return _compile(instance)
    except CannotCompile as error:
        path = render_path(error.path)
        raise ServiceError(f"the document cannot be put together: {path} {error}", path) from None


def _compile(instance: Instance) -> _Compiled:
    """Raises CannotCompile. `instance` was read before its entries: whoever writes them meanwhile changes its version."""
    content = load_content(instance, "usable")
    text = write_json(compile_document(content))
    return _Compiled(instance, instance.version, content, text, rows_of(content), newest_revision(instance))


def _check(compiled: _Compiled) -> None:
    """What the data plane, the linter, the node's ports and the way to it say. What the first two both say is told once."""
    problems, findings = review_text(compiled.text)
    compiled.findings = place_findings(compiled.content, findings)
    compiled.problems = place_problems(compiled.content, problems)
    conflicts = conflicts_of(compiled.instance.node, compiled.content, compiled.instance) if compiled.instance.enabled else []
    compiled.problems += [_taken(compiled, conflict) for conflict in conflicts]
    if (size := document_bytes(compiled.text)) > MAX_DOCUMENT_BYTES:
        text = (f"it takes {size / 2**20:.1f} MiB on its way to its node, and {MAX_DOCUMENT_BYTES / 2**20:g} MiB are the most: "
                "lists that are so long, of clients, say, fit into several instances")
        compiled.problems.append(PlacedProblem(Problem("error", "document", 0, 0, "", text), None, None, None, ""))


def _taken(compiled: _Compiled, conflict: PortConflict) -> PlacedProblem:
    enabled = [entry.pk for entry in compiled.content.entries[Kind.INBOUND] if entry.enabled]
    path = f"inbounds[{enabled.index(conflict.pk)}].port" if conflict.pk in enabled else ""
    return PlacedProblem(Problem("error", "document", 0, 0, path, conflict.text), Kind.INBOUND, conflict.pk, None, "port")


def _refuse_conflicts(compiled: _Compiled, expected_number: int | None, expected_version: int | None) -> None:
    if expected_number is not None and expected_number != compiled.number:
        seen = Revision.objects.filter(instance=compiled.instance, number=expected_number).first()
        theirs = without_empty_lists(diff_contents(_content(seen), _content(compiled.newest)))
        raise PublishConflict(expected_number, compiled.number, theirs, compiled.changes())
    if expected_version is not None and expected_version != compiled.version:
        raise VersionConflict(expected_version, compiled.version)


def _refuse_faults(compiled: _Compiled, *, accept_warnings: bool) -> None:
    if _has("error", compiled.problems, compiled.findings):
        raise PublishRefused(compiled.problems, compiled.findings)
    if not accept_warnings and _has("warning", compiled.problems, compiled.findings):
        raise WarningsNotAccepted(compiled.problems, compiled.findings)


def _has(severity: str, problems: Sequence[PlacedProblem], findings: Sequence[PlacedFinding]) -> bool:
    return any(one.severity == severity for one in problems) or any(one.finding.severity == severity for one in findings)


def _write(
    held: Instance, compiled: _Compiled, changes: list[Change], by: Actor, comment: str, rolled_back_to: Revision | None = None,
    *, confirm_s: int = 0, needs_confirm: bool = False,
) -> Revision:
    """The revision and its line in the audit log; `held` is held."""
    comment = comment.strip()[:MAX_COMMENT_CHARS]
    is_person = by is not None and by.is_authenticated
    author: Any = by if is_person else None
    revision = Revision.objects.create(
        instance=held,
        number=compiled.number + 1,
        document=compiled.text,
        document_sha256=_sha256(compiled.text),
        source_version=compiled.version,
        rows=compiled.rows,
        summary=_summary(changes),
        comment=comment,
        author=author,
        author_name=by.get_username() if by is not None and is_person else "",
        rolled_back_to=rolled_back_to,
        confirm_s=confirm_s,
        needs_confirm=needs_confirm,
    )
    Instance.objects.filter(pk=held.pk).update(settled_version=compiled.version)
    note = f"revision {revision.number}" + (f": {comment}" if comment else "")
    record(by, Verb.PUBLISHED, held, instance=held, changes=changes, note=note)
    tell_wanted(held.node_id)
    return revision


def _probation(confirm_s: int, needs_confirm: bool) -> dict[str, Any]:
    if confirm_s and not MIN_CONFIRM_S <= confirm_s <= MAX_CONFIRM_S:
        raise ServiceError(f"a revision proves itself within {MIN_CONFIRM_S} to {MAX_CONFIRM_S} seconds", "confirm_s")
    if needs_confirm and not confirm_s:
        raise ServiceError("say within how many seconds it has to be confirmed", "confirm_s")
    return {"confirm_s": confirm_s, "needs_confirm": needs_confirm}


def _summary(changes: list[Change]) -> list[str]:
    told = [change.text for change in changes[:MAX_SUMMARY]]
    return [*told, f"and {len(changes) - MAX_SUMMARY} more changes"] if len(changes) > MAX_SUMMARY else told


def _settle(compiled: _Compiled) -> bool:
    """Whether it is published; if so this is noted, so that nobody has to compare again."""
    if compiled.is_published:
        Instance.objects.filter(pk=compiled.instance.pk, version=compiled.version).update(settled_version=compiled.version)
    return compiled.is_published


def _content(revision: Revision | None) -> Content:
    return _parsed(revision.document, revision.rows) if revision is not None else Content({})


def _parsed(text: str, rows: Rows) -> Content:
    content = split_document(text)
    note_rows(content, rows)
    return content


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
