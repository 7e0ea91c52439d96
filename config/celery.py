"""The Celery application: a doorbell for the engine and the runner of scheduled upkeep."""

import os
from typing import Any

from celery import Celery, bootsteps
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

app = Celery("loomwork")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


class Engine(bootsteps.StartStopStep):
    """The engine lives and dies with its worker: when that is told to stop, runs are handed back.

    Only in a pool of threads, where worker and engine share the process. A forked child starts its
    own with the first message it gets; when it ends, others take its runs once its lease lapses.
    """

    requires = ("celery.worker.components:Pool",)

    def include_if(self, parent: Any) -> bool:
        return "thread" in str(getattr(parent.pool_cls, "__module__", parent.pool_cls))

    def start(self, parent: Any) -> None:
        # Late: the models exist once Django is set up, which a worker has done by now.
        from workflows.runtime.worker import get_worker  # noqa: PLC0415

        get_worker()

    def stop(self, parent: Any) -> None:
        from workflows.runtime.worker import stop_worker  # noqa: PLC0415

        stop_worker(settings.ENGINE_GRACE_SECONDS)


app.steps["worker"].add(Engine)
