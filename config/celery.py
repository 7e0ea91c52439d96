"""The Celery application: a doorbell for the engine and the runner of scheduled upkeep."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

app = Celery("loomwork")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
