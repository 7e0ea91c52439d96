"""Keys for programs: made and revoked."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.timezone import now

from audit.actions import record
from core.errors import InvalidInput, NotFound
from orgs.access import Actor, holds, require
from orgs.closing import refuse_while_closing
from orgs.errors import RoleAboveYours, UnknownScope
from orgs.keys import make_token
from orgs.models import ApiKey
from orgs.permissions import KEY_SCOPES, VERBS
from orgs.projects import project_of


@transaction.atomic
def create_key(
    *,
    actor: Actor,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    project_id: UUID | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its clear text, which is never to be had again.

    A key cannot carry a scope its maker does not hold.
    """
    require(actor, "key.manage")
    refuse_while_closing(actor.organization_id)
    if not name.strip():
        raise InvalidInput("A key needs a name.")
    _check_scopes(actor, scopes)
    if expires_at is not None and expires_at <= now():
        raise InvalidInput("The expiry lies in the past.", expires_at=expires_at.isoformat())
    token, prefix, digest = make_token()
    key = ApiKey.objects.create(
        organization_id=actor.organization_id,
        project_id=project_of(actor, project_id),
        name=name.strip()[:80],
        prefix=prefix,
        digest=digest,
        scopes=sorted(set(scopes)),
        created_by_id=actor.user_id,
        expires_at=expires_at,
    )
    _note_key("orgs.key.created", actor, key)
    return key, token


def _check_scopes(actor: Actor, scopes: Sequence[str]) -> None:
    unknown = sorted(set(scopes) - set(KEY_SCOPES))
    if unknown or not scopes:
        raise UnknownScope("Choose at least one known scope.", unknown=unknown, known=KEY_SCOPES)
    above = sorted(scope for scope in set(scopes) & set(VERBS) if not holds(actor, scope))
    if above:
        raise RoleAboveYours("A key cannot do what you may not.", scopes=above)


@transaction.atomic
def revoke_key(*, actor: Actor, key_id: UUID) -> ApiKey:
    """Repeating it changes nothing."""
    require(actor, "key.manage")
    key = ApiKey.objects.of(actor.organization_id).select_for_update().filter(pk=key_id).first()
    if key is None:
        raise NotFound("There is no such key.")
    if key.revoked_at is None:
        _end_key(actor, key)
    found: ApiKey = key
    return found


def _end_key(actor: Actor, key: ApiKey) -> None:
    key.revoked_at = now()
    key.save(update_fields=["revoked_at", "updated_at"])
    _note_key("orgs.key.revoked", actor, key)


def end_keys(actor: Actor, user_id: UUID, role: str = "") -> None:
    """Revoke the person's keys that may do what `role` may not; without a role, all of them."""
    made = ApiKey.objects.of(actor.organization_id).filter(created_by_id=user_id, revoked_at=None)
    for key in made.select_for_update().order_by("pk"):
        if any(role not in VERBS.get(scope, ()) for scope in key.scopes):
            _end_key(actor, key)


def end_project_keys(actor: Actor, project_id: UUID) -> None:
    """Revoke every key of a project."""
    rows = ApiKey.objects.of(actor.organization_id).filter(project_id=project_id, revoked_at=None)
    for key in rows.select_for_update().order_by("pk"):
        _end_key(actor, key)


def _note_key(action: str, actor: Actor, key: ApiKey) -> None:
    record(
        action,
        actor=actor,
        target_type="api_key",
        target_id=key.pk,
        summary=str(key),
        data={"prefix": key.prefix, "scopes": key.scopes},
    )
