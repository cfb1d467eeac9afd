from __future__ import annotations

import json

from django.test import Client
from django.urls import reverse

from dashboard.models import Instance, RoutingRule
from dashboard.services.importing import import_document, import_new
from tests.dashboard.admin.conftest import ID, PORTAL


def explained(client: Client, instance: Instance, query: str) -> str:
    return client.get(reverse("admin:dashboard_instance_explain", args=[instance.pk]) + f"?{query}").content.decode()


def test_the_rule_that_decides_and_why(as_vera: Client, portal: Instance) -> None:
    shown = explained(as_vera, portal, "host=example.com&port=80&network=tcp&inbound=web")
    assert "decides" in shown
    assert ">home<" in shown
    assert "because no rule takes it" in explained(as_vera, portal, "host=example.com&port=80&network=tcp&inbound=")


def test_why_an_earlier_rule_does_not_decide(as_vera: Client, portal: Instance) -> None:
    document = json.loads(json.dumps(PORTAL))
    document["routing"]["rules"].insert(0, {"type": "field", "ruleTag": "mail", "port": "25", "outboundTag": "block"})
    import_document(portal, json.dumps(document), by=None)
    shown = explained(as_vera, portal, "host=example.com&port=80&network=tcp&inbound=web")
    assert "passes" in shown
    assert "mail" in shown
    assert RoutingRule.objects.filter(rule_tag="mail").exists()


def test_a_question_that_is_none(as_vera: Client, portal: Instance) -> None:
    assert "This field is required" in explained(as_vera, portal, "host=&port=80&network=tcp")
    assert "source" in explained(as_vera, portal, "host=a&port=80&network=tcp&source=here")


def test_findings_lead_to_what_causes_them(as_vera: Client, portal: Instance) -> None:
    document = json.loads(json.dumps(PORTAL))
    document["routing"]["rules"].append({"type": "field", "outboundTag": "hone"})
    document["inbounds"][0]["port"], document["inbounds"][1]["port"] = 8081, 10241
    document["log"] = {"loglevel": "lowd"}
    broken = import_new(json.dumps(document), name="broken", node=portal.node, by=None)[0]
    shown = as_vera.get(reverse("admin:dashboard_instance_problems", args=[broken.pk])).content.decode()
    assert "hone" in shown
    assert "routing.rules[1]" in shown
    rule = RoutingRule.objects.get(instance=broken, outbound_tag="hone")
    link = reverse("admin:dashboard_routingrule_change", args=[rule.pk]) + "?field=outboundTag"
    assert f'href="{link}"' in shown
    assert as_vera.get(link).status_code == 200
    rest = reverse("admin:dashboard_instance_rest", args=[broken.pk]) + "?field=log.loglevel"
    assert f'href="{rest}"' in shown
    assert "this is log.loglevel" in as_vera.get(rest).content.decode()
    assert ID not in shown


def test_the_own_pages_ask_for_the_right_to_look(as_sam: Client, portal: Instance) -> None:
    for name in ("explain", "problems"):
        assert as_sam.get(reverse(f"admin:dashboard_instance_{name}", args=[portal.pk])).status_code == 403
