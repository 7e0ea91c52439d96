"""The one table of who may do what. Roles are columns, verbs are rows; code asks `orgs.access`.

`docs/permissions.md` shows it to readers; a test holds the page to it.
"""

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
        "org.manage": _MANAGERS,  # its name and policies, single sign-on
        "org.close": {OWNER},
        "member.view": _EVERYBODY_INSIDE,
        "member.manage": _MANAGERS,  # roles and invitations
        "team.manage": _MANAGERS,
        "project.view": _EVERYBODY_INSIDE,
        "project.manage": _MANAGERS,
        "key.create": _EVERYBODY_INSIDE,
        "key.manage": _MANAGERS,
        "key.revoke_all": {OWNER},
        "support.view": _EVERYBODY_INSIDE,
        "support.end": _MANAGERS,
        "audit.view": _MANAGERS | {FINANCE},  # to export it, too
        "audit.view_all": _MANAGERS,  # of every project, and what counts over all of them
        "workflow.view": _EVERYBODY_INSIDE,
        "workflow.run": _EVERYBODY_INSIDE,
        "workflow.edit": _BUILDERS,
        "workflow.publish": _BUILDERS,
        "workflow.approve": _MANAGERS | {APPROVER},
        "workflow.share": _BUILDERS,
        "limit.manage": _MANAGERS,  # how often nodes may work
        "run.view": _EVERYBODY_INSIDE,
        "run.control": _BUILDERS,
        "task.view": _EVERYBODY_INSIDE,
        "task.decide": _MANAGERS | {BUILDER, APPROVER, FINANCE, MEMBER},
        "wallet.view": _MANAGERS | {BUILDER, FINANCE},
        "wallet.topup": {OWNER, FINANCE},
        "usage.view": _MANAGERS | {BUILDER, FINANCE},  # to export it, too
        "model.view": _EVERYBODY_INSIDE,
        "model.manage": _MANAGERS,
        "model.call": _EVERYBODY_INSIDE,
        "file.view": _EVERYBODY_INSIDE,
    }.items()
}
"""verb -> roles that hold it, in every project that is not restricted.

`task.decide` lets one act on tasks at all; which tasks is said by each task's candidates.
`key.create` is for one's own keys, which never carry more than their maker holds; `key.manage` is
for everybody's.
A guest holds nothing here but `org.view`: guests see what was granted to them, object by object.
"""

OPEN_EVERY_PROJECT: Final = frozenset(_MANAGERS)
"""Roles that restricted projects do not keep out."""

# -- rights on one object, or on a project and everything in it

IMPLIES: Final[Mapping[str, frozenset[str]]] = {
    "view": frozenset({"view"}),
    "run": frozenset({"run", "view"}),
    "edit": frozenset({"edit", "run", "view"}),
    "publish": frozenset({"publish", "edit", "run", "view"}),
    "approve": frozenset({"approve", "view"}),
    "admin": frozenset({"admin", "approve", "publish", "edit", "run", "view"}),
}
"""right -> every right that comes with it."""

RIGHTS: Final = tuple(IMPLIES)
"""What can be granted to a person or a team, weakest first."""

GRANTED_BY: Final[Mapping[str, str]] = {
    "workflow.view": "view",
    "workflow.run": "run",
    "workflow.edit": "edit",
    "workflow.publish": "publish",
    "workflow.approve": "approve",
    "workflow.share": "admin",
    "run.view": "view",
    "run.control": "edit",
    "project.view": "view",
    "project.manage": "admin",
}
"""verb -> the right on the object, or on its project, that is as good as a role."""

ASKED_IN_RESTRICTED: Final[Mapping[str, str]] = {
    "file.view": "view",
    "task.view": "view",
    "task.decide": "view",
    "key.create": "admin",
    "key.manage": "admin",
}
"""verb -> the right on a restricted project that it takes there, beside a role that holds it."""


def granting(right: str) -> frozenset[str]:
    """The rights that are `right` or bring it with them."""
    return frozenset(strong for strong, weaker in IMPLIES.items() if right in weaker)


# -- operators inside an organization as support

SUPPORT_VIEW, SUPPORT_ACT = "support-view", "support-act"
_NOT_FOR_SUPPORT = {
    "org.manage", "member.manage", "team.manage", "key.create", "key.manage", "support.end",
    "wallet.topup",
    "task.decide",
}  # fmt: skip

SUPPORT: Final[Mapping[str, frozenset[str]]] = {
    SUPPORT_VIEW: frozenset(
        verb for verb in VERBS if verb.endswith(".view") or verb == "audit.view_all"
    ),
    SUPPORT_ACT: frozenset(
        verb for verb, roles in VERBS.items() if ADMIN in roles and verb not in _NOT_FOR_SUPPORT
    ),
}
"""What a stay as support allows, by level: to look, or an administrator's work, never people,
keys, money or decisions."""

KEY_SCOPES: Final = tuple(
    verb
    for verb in VERBS
    if verb
    not in {
        "org.manage", "org.close", "member.manage", "team.manage", "project.manage",
        "workflow.share",
        "support.end", "key.revoke_all",
    }
)  # fmt: skip
"""What an API key can carry: never the management of people and of what they get at."""
