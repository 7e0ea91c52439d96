"""Keys for programs: made, changed, rotated, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.timezone import now

from audit.actions import record
from core.errors import InvalidInput, NotFound
from core.jsonsafe import is_storable
from orgs.access import Actor, holds, require
from orgs.closing import refuse_while_closing
from orgs.errors import KeyAlreadyRotated, KeyNotLive, RoleAboveYours, UnknownScope
from orgs.keys import make_token
from orgs.models import ApiKey, Membership, Organization
from orgs.networks import normalise
from orgs.permissions import KEY_SCOPES, VERBS
from orgs.projects import open_projects, project_of

LONGEST_OVERLAP = timedelta(days=30)
LONGEST_LIFE = timedelta(days=3660)
NAMED = 200
"""Keys that one entry about many names; it always says how many there were."""


@transaction.atomic
def create_key(
    *,
    actor: Actor,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    project_id: UUID | None = None,
    ip_allow: Sequence[str] = (),
) -> tuple[ApiKey, str]:
    """A new key and its clear text, which is never to be had again.

    A key cannot carry a scope its maker does not hold. One that is made by a key answers to that
    key's maker.
    """
    require(actor, "key.create")
    refuse_while_closing(actor.organization_id)
    _check_scopes(actor, scopes)
    key, token = _new_key(
        organization_id=actor.organization_id,
        project_id=project_of(actor, project_id, "key.create"),
        name=_named(name),
        scopes=sorted(set(scopes)),
        ip_allow=normalise(ip_allow),
        created_by_id=_maker(actor),
        expires_at=_in_time(expires_at),
    )
    _note_key("orgs.key.created", actor, key)
    return key, token


@transaction.atomic
def change_key(*, actor: Actor, key_id: UUID, **changes: Any) -> ApiKey:
    """Change `name`, `scopes`, `ip_allow` or `expires_at`; what is not named stays.

    Scopes that are added must be held by the actor and by the key's maker. A key that is being
    replaced is not prolonged.
    """
    key = _own_key(actor, key_id)
    _must_live(key)
    before = _settings_of(key)
    if "name" in changes:
        key.name = _named(changes["name"])
    if "scopes" in changes:
        key.scopes = _rescoped(actor, key, changes["scopes"])
    if "ip_allow" in changes:
        key.ip_allow = normalise(changes["ip_allow"])
    if "expires_at" in changes and changes["expires_at"] != key.expires_at:
        _reschedule(key, _in_time(changes["expires_at"]))
    after = _settings_of(key)
    if after != before:
        key.save()
        changed = [name for name in before if before[name] != after[name]]
        _note_key(
            "orgs.key.changed",
            actor,
            key,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )
    return key


@transaction.atomic
def rotate_key(*, actor: Actor, key_id: UUID, overlap: timedelta) -> tuple[ApiKey, str]:
    """A key with the same settings and a new token; the old one ends after `overlap`.

    Who rotates sees the token, so they must hold what the key carries. The new key answers to the
    same maker and lives as long as the old one was made to. A key is followed by one key only.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidInput("The overlap is between none and 30 days.", field="overlap")
    old = _own_key(actor, key_id)
    _must_live(old)
    if old.rotated_to.filter(revoked_at=None).exists():
        raise KeyAlreadyRotated("This key is being replaced already.")
    _check_scopes(actor, old.scopes)
    _open_project(actor, old.project_id)
    key, token = _new_key(
        organization_id=old.organization_id,
        project_id=old.project_id,
        name=old.name,
        scopes=old.scopes,
        ip_allow=old.ip_allow,
        created_by_id=old.created_by_id,
        expires_at=_renewed(old),
        rotated_from=old,
    )
    ends = now() + overlap
    old.expires_at = min(ends, old.expires_at) if old.expires_at else ends
    old.save(update_fields=["expires_at", "updated_at"])
    _note_key("orgs.key.rotated", actor, key, replaces=old.prefix, ends=old.expires_at.isoformat())
    return key, token


@transaction.atomic
def revoke_key(*, actor: Actor, key_id: UUID) -> ApiKey:
    """Repeating it changes nothing."""
    key = _own_key(actor, key_id)
    if key.revoked_at is None:
        _end_key(actor, key)
    return key


@transaction.atomic
def revoke_keys(
    *,
    actor: Actor,
    project_id: UUID | None = None,
    maker_id: UUID | None = None,
    scope: str = "",
    unused_since: datetime | None = None,
) -> int:
    """Revoke every key that fits all that is given, at least one thing; returns how many."""
    require(actor, "key.manage")
    given: dict[str, Any] = {
        "project": project_id, "maker": maker_id, "scope": scope, "unused_since": unused_since,
    }  # fmt: skip
    told = {name: str(value) for name, value in given.items() if value}
    if not told:
        raise InvalidInput("Say which keys: by project, maker, scope or last use.")
    if scope and scope not in KEY_SCOPES:
        raise UnknownScope("There is no such scope.", unknown=[scope], known=KEY_SCOPES)
    rows = ApiKey.objects.visible_to(actor)
    if project_id:
        rows = rows.filter(project_id=project_id)
    if maker_id:
        rows = rows.filter(created_by_id=maker_id)
    if unused_since:
        idle = Q(last_used_at__lt=unused_since) | Q(last_used_at=None, created_at__lt=unused_since)
        rows = rows.filter(idle)
    return _end_many(actor, rows, told, scope)


@transaction.atomic
def revoke_all_keys(*, actor: Actor) -> int:
    """The emergency brake: no key of the organization works any more. For owners.

    The organization's row is locked first: a key that is being made meanwhile is either seen and
    revoked, or made afterwards.
    """
    require(actor, "key.revoke_all")
    Organization.objects.select_for_update().get(pk=actor.organization_id)
    return _end_many(actor, ApiKey.objects.of(actor.organization_id), {"all": "yes"})


def end_keys(actor: Actor, user_id: UUID, role: str = "") -> None:
    """Revoke the person's keys that may do what `role` may not; without a role, all of them."""
    made = ApiKey.objects.of(actor.organization_id).filter(created_by_id=user_id, revoked_at=None)
    for key in made.select_for_update().order_by("pk"):
        if any(role not in VERBS.get(scope, ()) for scope in key.scopes):
            _end_key(actor, key)


def _open_project(actor: Actor, project_id: UUID) -> UUID:
    if not open_projects(actor, "key.create").filter(pk=project_id).exists():
        raise NotFound("There is no such project.")
    return project_id


def _own_key(actor: Actor, key_id: UUID) -> ApiKey:
    """The key, locked. Raises PermissionRefused, or NotFound for what the actor cannot see."""
    require(actor, "key.create")
    rows = ApiKey.objects.visible_to(actor).select_for_update()
    key: ApiKey | None = rows.filter(pk=key_id).first()
    if key is None:
        raise NotFound("There is no such key.")
    return key


def _must_live(key: ApiKey) -> None:
    if not key.live:
        raise KeyNotLive("This key has ended.", state=str(key.state))


def _named(name: str) -> str:
    if not name.strip() or not is_storable(name):
        raise InvalidInput("A key needs a name.", field="name")
    return name.strip()[:80]


def _in_time(expires_at: datetime | None) -> datetime | None:
    if expires_at is not None and not now() < expires_at <= now() + LONGEST_LIFE:
        raise InvalidInput(
            "The expiry lies in the past, or more than ten years ahead.",
            expires_at=expires_at.isoformat(),
        )
    return expires_at


def _check_scopes(actor: Actor, scopes: Sequence[str]) -> None:
    unknown = sorted(set(scopes) - set(KEY_SCOPES))
    if unknown or not scopes:
        raise UnknownScope("Choose at least one known scope.", unknown=unknown, known=KEY_SCOPES)
    above = sorted(scope for scope in set(scopes) & set(VERBS) if not holds(actor, scope))
    if above:
        raise RoleAboveYours("A key cannot do what you may not.", scopes=above)


def _rescoped(actor: Actor, key: ApiKey, scopes: Sequence[str]) -> list[str]:
    """The new scopes. Taking some away needs no right that is left."""
    added = sorted(set(scopes) - set(key.scopes))
    if added:
        _check_scopes(actor, added)
        _check_maker(key, added)
    elif not scopes:
        _check_scopes(actor, scopes)
    return sorted(set(scopes))


def _check_maker(key: ApiKey, scopes: Sequence[str]) -> None:
    maker = Membership.objects.of(key.organization_id).filter(user_id=key.created_by_id).first()
    role = maker.role if maker else ""
    above = [scope for scope in scopes if role not in VERBS[scope]]
    if key.created_by_id is not None and above:
        raise RoleAboveYours("A key cannot do what its maker may not.", scopes=above)


def _maker(actor: Actor) -> UUID | None:
    if actor.api_key_id is None:
        return actor.user_id
    maker: UUID | None = ApiKey.objects.values_list("created_by_id", flat=True).get(
        pk=actor.api_key_id
    )
    return maker


def _renewed(old: ApiKey) -> datetime | None:
    if old.expires_at is None:
        return None
    return now() + min(old.expires_at - old.created_at, LONGEST_LIFE)


def _reschedule(key: ApiKey, expires_at: datetime | None) -> None:
    longer = expires_at is None or (key.expires_at is not None and expires_at > key.expires_at)
    if longer and key.rotated_to.filter(revoked_at=None).exists():
        raise KeyAlreadyRotated("This key is being replaced; it is not prolonged.")
    key.expires_at, key.reminded_at = expires_at, None


def _new_key(**fields: Any) -> tuple[ApiKey, str]:
    token, prefix, digest = make_token()
    return ApiKey.objects.create(prefix=prefix, digest=digest, **fields), token


def _end_key(actor: Actor, key: ApiKey) -> None:
    key.revoked_at = now()
    key.save(update_fields=["revoked_at", "updated_at"])
    _note_key("orgs.key.revoked", actor, key)


def _end_many(actor: Actor, rows: Any, told: dict[str, str], scope: str = "") -> int:
    """Revoke those of `rows` that live, in one statement and with one entry."""
    live = rows.filter(revoked_at=None).select_for_update().order_by("pk")
    found = [
        (pk, prefix)
        for pk, prefix, scopes in live.values_list("pk", "prefix", "scopes")
        if not scope or scope in scopes
    ]
    at, ids = now(), [pk for pk, _ in found]
    for start in range(0, len(ids), 500):
        some = ApiKey.objects.filter(pk__in=ids[start : start + 500])
        some.update(revoked_at=at, updated_at=at)
    record(
        "orgs.keys.revoked",
        actor=actor,
        target_type="organization",
        target_id=actor.organization_id,
        summary=f"{len(found)} keys",
        data={
            "count": len(found), "by": told, "prefixes": [prefix for _, prefix in found[:NAMED]]
        },
        project_id=UUID(told["project"]) if told.get("project") else None,
    )  # fmt: skip
    return len(found)


def end_project_keys(actor: Actor, project_id: UUID) -> None:
    """Revoke every key of a project."""
    rows = ApiKey.objects.of(actor.organization_id).filter(project_id=project_id, revoked_at=None)
    for key in rows.select_for_update().order_by("pk"):
        _end_key(actor, key)


def _settings_of(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "scopes": key.scopes,
        "ip_allow": key.ip_allow,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
    }


def _note_key(
    action: str,
    actor: Actor,
    key: ApiKey,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    **more: Any,
) -> None:
    record(
        action,
        actor=actor,
        target_type="api_key",
        target_id=key.pk,
        summary=str(key),
        data={"prefix": key.prefix, "scopes": key.scopes, **more},
        before=before,
        after=after,
        project_id=key.project_id,
    )
