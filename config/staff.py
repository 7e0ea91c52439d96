"""What operators who are no superusers may do in the console, by their group.

Least of what the work needs: content of customers (runs, files, tasks) is in none of them. Who has
to see it enters the organization, for a reason and in the open. `manage.py staff_groups` brings the
groups to this table; an operator may be in several.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SCHEDULES = ("periodictask", "intervalschedule", "crontabschedule", "clockedschedule")

STAFF_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "Support": (
        "accounts.view_user",
        "accounts.reset_factors",  # of members who lost theirs and have shown who they are
        "accounts.view_securityevent",
        "accounts.view_letter",  # why a mail did not come
        "account.view_emailaddress",
        "usersessions.view_usersession",
        "orgs.view_organization",
        "orgs.view_membership",
        "orgs.view_team",
        "orgs.view_project",
        "orgs.view_invitation",
        "orgs.change_invitation",  # to take back what should not have been sent
        "orgs.view_ssoconnection",
        "orgs.view_ssodomain",
        "orgs.view_apikey",
        "orgs.change_apikey",  # to revoke one that leaked
        "orgs.view_supportaccess",
        "orgs.add_supportaccess",  # to enter
    ),
    "Finance": (
        "orgs.view_organization",
        "billing.view_wallet",
        "billing.change_wallet",  # to top up, adjust and refund
        "billing.view_hold",
        "billing.change_hold",  # to release
        "billing.view_ledgerentry",
        "billing.view_usagerecord",
        "billing.view_price",
        "billing.add_price",
        "billing.change_price",
    ),
    "Auditor": (
        "audit.view_entry",
        "audit.view_seal",
        "audit.view_chain",
        "accounts.view_user",
        "accounts.view_securityevent",
        "auth.view_group",
        "orgs.view_organization",
        "orgs.view_membership",
        "orgs.view_team",
        "orgs.view_project",
        "orgs.view_invitation",
        "orgs.view_ssoconnection",
        "orgs.view_ssodomain",
        "orgs.view_apikey",
        "orgs.view_supportaccess",
        "billing.view_wallet",
        "billing.view_hold",
        "billing.view_ledgerentry",
        "billing.view_usagerecord",
        "billing.view_price",
    ),
    "Platform": (
        "accounts.view_letter",  # whether the mail server takes them
        "llm.view_provider",
        "llm.change_provider",
        "llm.view_model",
        "llm.change_model",
        "bpm.view_definition",
        "bpm.view_definitionversion",
        "workflows.view_workerprocess",
        *(f"django_celery_beat.view_{name}" for name in _SCHEDULES),
        *(f"django_celery_beat.add_{name}" for name in _SCHEDULES),
        *(f"django_celery_beat.change_{name}" for name in _SCHEDULES),
        *(f"django_celery_beat.delete_{name}" for name in _SCHEDULES),
    ),
}
