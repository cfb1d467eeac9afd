"""The Celery application: jobs beside the requests, none of them per connection.

A task is made by `@app.task` in `dashboard/tasks.py` (or a module that it imports), and when it runs by itself stands in
`dashboard/schedule.py`. `manage.py serve` runs the worker and the beat.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xrevsite.settings")

app = Celery("xrev")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
