"""Celery's jobs. Each calls a service; what runs by itself, and how often, stands in dashboard/schedule.py.

    figures.py      what moved becomes points, periods of clients begin, what is old goes
    notifying.py    who is told what is wrong
"""

from dashboard.tasks.figures import begin_client_periods, fold_traffic, forget_old_rows
from dashboard.tasks.notifying import look_for_conditions, tell_receiver

__all__ = ["begin_client_periods", "fold_traffic", "forget_old_rows", "look_for_conditions", "tell_receiver"]
