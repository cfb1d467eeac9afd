"""What became of an instance's revisions on its node."""

from __future__ import annotations

from django.db import models

from dashboard.models.instance import Instance


class InstanceRun(models.Model):
    """What the agent last said. Numbers are of revisions, 0: none. Whether it runs at this moment is live state, not here."""

    instance = models.OneToOneField(Instance, on_delete=models.CASCADE, primary_key=True, related_name="run")
    applied = models.PositiveIntegerField(default=0, help_text="the revision that was applied last")
    applied_at = models.DateTimeField(null=True, blank=True)
    settled = models.PositiveIntegerField(default=0, help_text="the newest one that stands: proven, confirmed, or final at once")
    confirmed = models.PositiveIntegerField(default=0, help_text="the newest one that a person confirmed")
    confirm_until = models.DateTimeField(null=True, blank=True, help_text="by then `applied` has to be settled")
    refused = models.PositiveIntegerField(default=0, help_text="the revision that `problems` are about")
    problems = models.JSONField(default=list, help_text='[{"text", "path", "line", "column"}]')
    changes = models.JSONField(default=list, help_text="what applying it changed, as sentences")
    reverted = models.PositiveIntegerField(default=0, help_text="the newest one that was taken back by itself")
    reverted_to = models.PositiveIntegerField(default=0)
    reverted_reason = models.CharField(max_length=500, blank=True, default="")
    reverted_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"run of {self.instance}"

    @property
    def is_pending(self) -> bool:
        return self.confirm_until is not None and self.settled < self.applied
