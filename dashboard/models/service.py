"""Services that were exposed through a tunnel."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from dashboard.fields import EncryptedTextField
from dashboard.models.instance import Instance


class Service(models.Model):
    """What the wizard made: the public side in `instance`; the far side in `far_instance`, or as a file for `core`.

    `far_document` is that file, with its secrets. The entries themselves are rows of the instances: this says which
    tunnel they belong to, by `name`, and what was asked for.
    """

    name = models.CharField(max_length=32, unique=True)
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="services")
    far_instance = models.ForeignKey(Instance, on_delete=models.SET_NULL, null=True, blank=True, related_name="far_services")
    core = models.CharField(max_length=32, help_text="what runs the far side")
    target_host = models.CharField(max_length=255)
    target_port = models.PositiveIntegerField()
    networks = models.CharField(max_length=16, default="tcp", help_text="tcp, udp or tcp,udp")
    public_port = models.PositiveIntegerField()
    portal_host = models.CharField(max_length=255, help_text="the public side, as the far side reaches it")
    carrier = models.CharField(max_length=16)
    carrier_port = models.PositiveIntegerField()
    far_document = EncryptedTextField(column="service.far_document", blank=True, default="")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def target(self) -> str:
        host = f"[{self.target_host}]" if ":" in self.target_host else self.target_host
        return f"{host}:{self.target_port}"
