"""Every write of orgs. One transaction and one audit entry each."""

from orgs.actions.audit import set_audit_retention
from orgs.actions.keys import (
    change_key,
    create_key,
    end_keys,
    revoke_all_keys,
    revoke_key,
    revoke_keys,
    rotate_key,
)
from orgs.actions.members import add_member, change_role, remove_member
from orgs.actions.organizations import found_at_signup, found_organization, rename_organization
from orgs.actions.origins import set_cors_origins
from orgs.actions.projects import create_default_project
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

__all__ = [
    "add_domain",
    "add_member",
    "admit_person",
    "begin_support",
    "change_key",
    "change_role",
    "check_connection",
    "confirm_domain",
    "create_connection",
    "create_default_project",
    "create_key",
    "delete_connection",
    "end_keys",
    "end_support",
    "found_at_signup",
    "found_organization",
    "release_link",
    "remove_domain",
    "remove_member",
    "rename_organization",
    "revoke_all_keys",
    "revoke_key",
    "revoke_keys",
    "rotate_key",
    "set_audit_retention",
    "set_cors_origins",
    "switch_connection",
    "update_connection",
    "verify_domain",
]
