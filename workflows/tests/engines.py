"""Engines for tests: one in this process, and one in a process that can be killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from workflows.models import Event, Run
from workflows.runtime.worker import Worker

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import datetime
import django.utils.timezone as clock
right = clock.now
clock.now = lambda: right() + datetime.timedelta(seconds={clock})
import django; django.setup()
{more}
from workflows.runtime.worker import Worker
worker = Worker(slots=16, lease=float({lease!r})); worker.start()
print("ready", flush=True)
import time; time.sleep(60)
"""


@contextmanager
def engine(**options):
    """An engine on a thread of this process; its runs are handed back at the end."""
    worker = Worker(**options)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(2)


def wait_for(run, *states, seconds=20.0):
    """The run, once it is in one of `states` (or over); fails with what is known otherwise."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run.refresh_from_db()
        if run.state in states or (not states and run.finished):
            return run
        time.sleep(0.02)
    steps = list(run.steps.values_list("node_id", "status"))
    raise AssertionError(f"run is {run.state}, error {run.error}, steps {steps}")


def gapless(run):
    """Whether the run's history counts from 1 to its `seq`, as both stand in the database."""
    run.refresh_from_db()
    seqs = list(Event.objects.filter(run=run).order_by("seq").values_list("seq", flat=True))
    return seqs == list(range(1, run.seq + 1))


def until(condition, seconds=15.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to pass")


DEAF = """
from workflows.runtime import journal, worker
worker.Worker._take_word = lambda self, lost, words: None
worker.Worker._tell = lambda self, pk, epoch, control, wakes: None
commit = journal.StoreJournal.commit
async def told(self, change):
    done = await commit(self, change)
    if not done:
        print("refused", flush=True)
    return done
journal.StoreJournal.commit = told
"""
"""Nobody tells it that a run is its own no longer; it says when a write was refused."""


class EngineProcess:
    """An engine in a process of its own, on the test's database."""

    def __init__(self, lease=2.0, clock=0, deaf=False):
        """`clock`: by how many seconds the clock of its host is wrong."""
        program = PROGRAM.format(lease=lease, clock=clock, more=DEAF if deaf else "")
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=os.environ
            | {
                "DATABASE_URL": database_url(),
                "DJANGO_SETTINGS_MODULE": "config.settings.test",
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline().strip() == "ready"

    def pause(self):
        """SIGSTOP, and not while it writes: a file database would stay locked for everybody."""
        self.process.send_signal(signal.SIGSTOP)
        while _is_locked():
            self.process.send_signal(signal.SIGCONT)
            time.sleep(0.01)
            self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def says(self):
        """The next line it prints."""
        return self.process.stdout.readline().strip()

    def kill(self):
        """SIGKILL: nothing of it gets to say goodbye."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def _is_locked():
    if connection.vendor != "sqlite":
        return False
    probe = sqlite3.connect(connection.settings_dict["NAME"], timeout=0.2, isolation_level=None)
    with closing(probe):
        try:
            probe.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        probe.execute("ROLLBACK")
        return False


class CeleryProcess:
    """A real Celery worker on the test's database, without a broker to be rung by."""

    def __init__(self, grace=1):
        command = ["-m", "celery", "-A", "config", "worker", "-P", "threads", "-c", "2"]
        self.process = subprocess.Popen(
            [sys.executable, *command, "-Q", "engine,default", "--without-mingle"],
            cwd=ROOT,
            env=os.environ
            | {
                "DATABASE_URL": database_url(),
                "REDIS_URL": "",
                "DJANGO_SETTINGS_MODULE": "config.settings.test",
                "ENGINE_GRACE_SECONDS": str(grace),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def terminate(self):
        self.process.terminate()
        self.process.wait(30)


def database_url():
    options = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{options['NAME']}"
    login = quote(options["USER"] or "")
    if options["PASSWORD"]:
        login += f":{quote(options['PASSWORD'])}"
    port = options["PORT"] or 5432
    return f"postgres://{login}@{options['HOST'] or '127.0.0.1'}:{port}/{options['NAME']}"


def running_steps(run):
    return Run.objects.get(pk=run.pk).step_count
