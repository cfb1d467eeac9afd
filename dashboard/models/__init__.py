"""What should run, who may change it and what happened, as tables.

node.py instance.py                             where documents run; a document and what of it has no table of its own
inbound.py outbound.py reverse.py routing.py    the entries of a document, all of them an `Entry` (entry.py)
certificate.py                                  certificates with their keys
service.py                                      services that were exposed through a tunnel
revision.py audit.py token.py                   what was published; who did what; what programs log in with
traffic.py notification.py                      how much moved; what is wrong, and who is told
joining.py run.py event.py                      how nodes come in; what their agents said of revisions; what happened there
pause.py                                        tunnels that take no new clients for now

An entry keeps its JSON verbatim in `body`; the other columns are an index of it that services write together with it.
"""

from dashboard.models.audit import AuditEntry
from dashboard.models.certificate import Certificate
from dashboard.models.entry import Entry
from dashboard.models.event import NodeEvent
from dashboard.models.inbound import Credential, Inbound
from dashboard.models.instance import Instance
from dashboard.models.joining import JoinToken
from dashboard.models.node import Node
from dashboard.models.notification import Condition, Notice, Receiver
from dashboard.models.outbound import Outbound
from dashboard.models.pause import Pause
from dashboard.models.reverse import Bridge, Portal
from dashboard.models.revision import Revision
from dashboard.models.routing import Balancer, RoutingRule
from dashboard.models.run import InstanceRun
from dashboard.models.service import Service
from dashboard.models.token import ApiToken
from dashboard.models.traffic import TrafficMoved, TrafficPoint, TrafficSeries, TrafficSource

__all__ = [
    "ApiToken",
    "AuditEntry",
    "Balancer",
    "Bridge",
    "Certificate",
    "Condition",
    "Credential",
    "Entry",
    "Inbound",
    "Instance",
    "InstanceRun",
    "JoinToken",
    "Node",
    "NodeEvent",
    "Notice",
    "Outbound",
    "Pause",
    "Portal",
    "Receiver",
    "Revision",
    "RoutingRule",
    "Service",
    "TrafficMoved",
    "TrafficPoint",
    "TrafficSeries",
    "TrafficSource",
]
