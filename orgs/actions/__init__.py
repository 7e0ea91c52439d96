"""Every write of orgs. One transaction and one audit entry each."""

from orgs.actions.audit import set_audit_retention
from orgs.actions.closing import close_due, close_organization, keep_organization
from orgs.actions.invitations import (
    accept_invitation,
    create_invitation,
    decline_invitation,
    resend_invitation,
    revoke_invitation,
)
from orgs.actions.keys import (
    change_key,
    create_key,
    end_keys,
    revoke_all_keys,
    revoke_key,
    revoke_keys,
    rotate_key,
)
from orgs.actions.members import add_member, change_role, remove_member, transfer_ownership
from orgs.actions.organizations import (
    found_at_signup,
    found_organization,
    rename_organization,
    update_organization,
)
from orgs.actions.origins import set_cors_origins
from orgs.actions.projects import (
    archive_project,
    create_default_project,
    create_project,
    delete_project,
    unarchive_project,
    update_project,
)
from orgs.actions.retention import set_run_retention
from orgs.actions.sso import (
    check_connection,
    create_connection,
    delete_connection,
    release_link,
    switch_connection,
    update_connection,
)
from orgs.actions.sso_domains import add_domain, confirm_domain, remove_domain, verify_domain
from orgs.actions.sso_people import admit_person
from orgs.actions.support import begin_support, end_support
from orgs.actions.teams import (
    add_to_team,
    create_team,
    delete_team,
    remove_from_team,
    set_lead,
    update_team,
)

__all__ = [
    "accept_invitation",
    "add_domain",
    "add_member",
    "add_to_team",
    "admit_person",
    "archive_project",
    "begin_support",
    "change_key",
    "change_role",
    "check_connection",
    "close_due",
    "close_organization",
    "confirm_domain",
    "create_connection",
    "create_default_project",
    "create_invitation",
    "create_key",
    "create_project",
    "create_team",
    "decline_invitation",
    "delete_connection",
    "delete_project",
    "delete_team",
    "end_keys",
    "end_support",
    "found_at_signup",
    "found_organization",
    "keep_organization",
    "release_link",
    "remove_domain",
    "remove_from_team",
    "remove_member",
    "rename_organization",
    "resend_invitation",
    "revoke_all_keys",
    "revoke_invitation",
    "revoke_key",
    "revoke_keys",
    "rotate_key",
    "set_audit_retention",
    "set_cors_origins",
    "set_lead",
    "set_run_retention",
    "switch_connection",
    "transfer_ownership",
    "unarchive_project",
    "update_connection",
    "update_organization",
    "update_project",
    "update_team",
    "verify_domain",
]
