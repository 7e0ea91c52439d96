"""What is done again and again, and how often: the beat's table."""

from datetime import timedelta

CELERY_BEAT_SCHEDULE = {
    "remind-of-expiring-keys": {
        "task": "orgs.tasks.remind_of_expiring_keys",
        "schedule": timedelta(hours=1),
    },
    "delete-old-answers": {
        "task": "orgs.tasks.delete_old_answers",
        "schedule": timedelta(minutes=15),
    },
    "sweep-runs": {"task": "workflows.tasks.sweep", "schedule": timedelta(seconds=5)},
    "count-ended": {"task": "workflows.tasks.count_ended", "schedule": timedelta(seconds=5)},
    "tidy-statistics": {"task": "workflows.tasks.tidy_statistics", "schedule": timedelta(hours=1)},
    "prune-runs": {"task": "workflows.tasks.prune_runs", "schedule": timedelta(minutes=5)},
    "tend-bulks": {"task": "workflows.tasks.tend_bulks", "schedule": timedelta(seconds=30)},
    "fire-triggers": {"task": "workflows.tasks.fire_triggers", "schedule": timedelta(seconds=1)},
    "prune-firings": {"task": "workflows.tasks.prune_firings", "schedule": timedelta(minutes=10)},
    "settle-overdue-holds": {
        "task": "billing.tasks.settle_overdue_holds",
        "schedule": timedelta(minutes=5),
    },
    "tend-invitations": {"task": "orgs.tasks.tend_invitations", "schedule": timedelta(minutes=2)},
    "tend-letters": {"task": "accounts.tasks.tend_letters", "schedule": timedelta(minutes=1)},
    "close-organizations": {
        "task": "orgs.tasks.close_organizations",
        "schedule": timedelta(minutes=5),
    },
    "tend-archives": {"task": "files.tasks.tend_archives", "schedule": timedelta(minutes=5)},
    "forget-old-accounts-rows": {
        "task": "accounts.tasks.forget_old_rows",
        "schedule": timedelta(hours=6),
    },
    "seal-audit": {"task": "audit.tasks.seal", "schedule": timedelta(minutes=1)},
    "check-audit": {"task": "audit.tasks.check", "schedule": timedelta(days=1)},
    "prune-audit": {"task": "orgs.tasks.prune_audit", "schedule": timedelta(hours=1)},
    "sweep-exports": {"task": "files.tasks.sweep", "schedule": timedelta(seconds=30)},
}
