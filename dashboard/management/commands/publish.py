"""Publishes what an instance holds."""

from __future__ import annotations

import json
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from dashboard.management import told
from dashboard.services.errors import ServiceError
from dashboard.services.publishing import (
    NothingToPublish,
    PublishConflict,
    PublishRefused,
    Review,
    WarningsNotAccepted,
    publish,
    review,
)


class Command(BaseCommand):
    help = (
        "Publish an instance: check what it holds, and keep it as a new numbered revision. "
        "Exit status: 0 published, or there is nothing to publish; 1 warnings, or somebody else published meanwhile; 23 errors."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="of the instance")
        parser.add_argument("--comment", default="", help="why, for those who read the list of revisions")
        parser.add_argument("--accept-warnings", action="store_true", help="publish although there are warnings")
        parser.add_argument("--expect", type=int, metavar="N", help="only if revision N is the newest (0: there is none yet)")
        parser.add_argument("--dry-run", action="store_true", help="only say what would change and what stands against it")
        parser.add_argument("--confirm-within", type=int, default=0, metavar="SECONDS",
                            help="the revision before comes back if the tunnels that were up are not up again by then")
        parser.add_argument("--needs-confirm", action="store_true", help="and unless `manage.py confirm NAME` was said by then")
        parser.add_argument("--format", choices=("text", "json"), default="text", help="of what is said (default: %(default)s)")

    def handle(
        self, *args: object, name: str, comment: str, accept_warnings: bool, expect: int | None, dry_run: bool, format: str,
        confirm_within: int, needs_confirm: bool,
        **options: object,
    ) -> None:  # fmt: skip
        instance = told.instance_named(name)
        number: int | None = None
        try:
            seen = review(instance)
            if not dry_run and not seen.is_published:
                number = publish(
                    instance, by=None, comment=comment, expected_number=seen.number if expect is None else expect,
                    expected_version=seen.version, accept_warnings=accept_warnings, confirm_s=confirm_within,
                    needs_confirm=needs_confirm).number
        except NothingToPublish:
            pass
        except PublishRefused as error:
            self._say(name, seen, None, format)
            raise CommandError(f"{name} was not published: {error.message}", returncode=told.EXIT_BAD_DOCUMENT) from None
        except WarningsNotAccepted as error:
            self._say(name, seen, None, format)
            raise CommandError(f"{name} was not published: {error.message} (--accept-warnings)") from None
        except PublishConflict as error:
            theirs = "\n".join(["What that changed:", *told.change_lines(error.theirs)])
            raise CommandError(f"{name} was not published: {error.message}.\n{theirs}") from None
        except ServiceError as error:
            raise CommandError(f"{name} was not published: {error.message}") from None
        self._say(name, seen, number, format)
        if dry_run and seen.has_errors:
            raise CommandError(f"{name} has errors and could not be published", returncode=told.EXIT_BAD_DOCUMENT)

    def _say(self, name: str, seen: Review, number: int | None, form: str) -> None:
        problems, findings = [one.problem for one in seen.problems], [one.finding for one in seen.findings]
        if form == "json":
            said = {
                "instance": name, "published": number, "newest": number or seen.number,
                "changes": told.changes_as_json(seen.changes), "problems": told.problems_as_json(problems),
                "findings": told.findings_as_json(findings),
            }  # fmt: skip
            self.stdout.write(json.dumps(said, indent=2))
            return
        if seen.is_published:
            self.stdout.write(f"There is nothing to publish: revision {seen.number} of {name} is what is here.")
            return
        lines = [f"Since revision {seen.number}:" if seen.number else "Nothing was published before:"]
        lines += told.change_lines(seen.changes)
        if problems or findings:
            lines += ["What was found:", *told.finding_lines(problems, findings)]
        if number:
            lines.append(f"{name} is published as revision {number}.")
        self.stdout.write("\n".join(lines))
