"""Every write of orgs. One transaction and one audit entry each."""

from orgs.actions.audit import set_audit_retention
from orgs.actions.keys import create_key, end_keys, revoke_key
from orgs.actions.members import add_member, change_role, remove_member
from orgs.actions.organizations import found_at_signup, found_organization, rename_organization
from orgs.actions.origins import set_cors_origins
from orgs.actions.projects import create_default_project

__all__ = [
    "add_member",
    "change_role",
    "create_default_project",
    "create_key",
    "end_keys",
    "found_at_signup",
    "found_organization",
    "remove_member",
    "rename_organization",
    "revoke_key",
    "set_audit_retention",
    "set_cors_origins",
]
