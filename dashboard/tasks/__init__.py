"""Celery's jobs. Each calls a service; what runs by itself, and how often, stands in dashboard/schedule.py.

    figures.py      what moved becomes points, periods of clients begin, what is old goes
    notifying.py    who is told what is wrong
    presence.py     nodes that went together with the process that they were connected to
"""

from dashboard.tasks.figures import begin_client_periods, fold_traffic, forget_old_rows
from dashboard.tasks.notifying import look_for_conditions, tell_receiver
from dashboard.tasks.presence import look_for_lost_nodes

__all__ = [
    "begin_client_periods", "fold_traffic", "forget_old_rows", "look_for_conditions", "look_for_lost_nodes", "tell_receiver",
]
