"""The one table of who may do what. Roles are columns, verbs are rows; code asks `orgs.access`."""

from collections.abc import Mapping
from typing import Final

OWNER, ADMIN, BUILDER = "owner", "admin", "builder"
APPROVER, FINANCE, MEMBER, GUEST = "approver", "finance", "member", "guest"

_MANAGERS = {OWNER, ADMIN}
_BUILDERS = _MANAGERS | {BUILDER}
_EVERYBODY_INSIDE = {OWNER, ADMIN, BUILDER, APPROVER, FINANCE, MEMBER}

VERBS: Final[Mapping[str, frozenset[str]]] = {
    verb: frozenset(roles)
    for verb, roles in {
        "org.view": _EVERYBODY_INSIDE | {GUEST},
        "org.manage": _MANAGERS,
        "org.close": {OWNER},
        "member.manage": _MANAGERS,
        "team.manage": _MANAGERS,
        "project.manage": _MANAGERS,
        "key.manage": _BUILDERS,
        "audit.view": _MANAGERS | {FINANCE},
        "workflow.view": _EVERYBODY_INSIDE,
        "workflow.edit": _BUILDERS,
        "workflow.run": _EVERYBODY_INSIDE,
        "workflow.publish": _BUILDERS,
        "run.view": _EVERYBODY_INSIDE,
        "run.control": _BUILDERS,
        "task.view": _EVERYBODY_INSIDE,
        "task.decide": _MANAGERS | {BUILDER, APPROVER, FINANCE, MEMBER},
        "wallet.view": _MANAGERS | {BUILDER, FINANCE},
        "wallet.topup": {OWNER, FINANCE},
        "usage.view": _MANAGERS | {BUILDER, FINANCE},
        "model.view": _EVERYBODY_INSIDE,
        "model.manage": _MANAGERS,
        "model.call": _EVERYBODY_INSIDE,
        "file.view": _EVERYBODY_INSIDE,
    }.items()
}
"""verb -> roles that hold it everywhere in their organization.

`task.decide` lets one act on tasks at all; which tasks is said by each task's candidates.
A guest holds nothing here but `org.view`: guests see what was granted to them, object by object.
"""

GRANTABLE: Final = ("view", "run", "edit", "publish")
"""Rights that can be granted on one object, weakest first."""

_PEOPLE_ONLY = {"org.manage", "org.close", "member.manage", "team.manage", "project.manage"}
KEY_SCOPES: Final = tuple(verb for verb in VERBS if verb not in _PEOPLE_ONLY)
"""What an API key can carry: never the management of people and of what they share."""
