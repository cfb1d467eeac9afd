from __future__ import annotations

import pytest
from django.core.management import call_command
from django.test import Client


def test_the_schema_is_sound(tmp_path: object) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", f"{tmp_path}/schema.yaml")


@pytest.mark.django_db
def test_the_pages_about_the_api_come_from_this_host(as_ada: Client) -> None:
    page = as_ada.get("/api/v1/docs/").content.decode()
    assert 'src="/static/drf_spectacular_sidecar/' in page
    assert "cdn" not in page
    assert as_ada.get("/api/v1/schema/").status_code == 200
