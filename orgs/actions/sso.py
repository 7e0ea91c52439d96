"""Connections to identity providers: made, changed, switched, taken away."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.sso.identities import identities_of, release_all, release_identity
from accounts.sso.probing import check_issuer, probe
from accounts.sso.sessions import end_sessions
from core.errors import Conflict, InvalidInput, NotFound
from orgs.access import Actor, require
from orgs.actions.rows import note
from orgs.actions.sso_domains import bind_people, forget_proofs
from orgs.errors import SsoDomainUnproven, SsoProviderUnfit
from orgs.models import Role, SsoConnection
from orgs.models.sso import LONGEST_HOURS

_TEXTS = {"name": 80, "issuer": 300, "client_id": 200, "scopes": 200, "role_claim": 80}
_IN_TRAIL = (
    "name", "issuer", "client_id", "scopes", "role_claim", "role_map", "default_role", "enforced",
    "max_age_hours",
)  # fmt: skip
_SAVED = (*_IN_TRAIL, "client_secret", "updated_at")
MOST_GROUPS = 200


@transaction.atomic
def create_connection(
    *, actor: Actor, name: str, issuer: str, client_id: str, **options: Any
) -> SsoConnection:
    """`options`: client_secret, scopes, role_claim, role_map, default_role, max_age_hours.

    Nobody can sign in by it before a domain is proven. Raises InvalidInput, Conflict.
    """
    require(actor, "org.manage")
    row = SsoConnection(organization_id=actor.organization_id)
    _fill(row, {"name": name, "issuer": issuer, "client_id": client_id, **options})
    _save(row, new=True)
    _note("orgs.sso.created", actor, row, **_shown(row))
    return row


@transaction.atomic
def update_connection(*, actor: Actor, connection_id: UUID, **changes: Any) -> SsoConnection:
    """Change what is given; an empty client_secret leaves the stored one.

    Another issuer is another authority: links, sessions and proofs of domains end with the old
    one, or whoever may edit this could let his own provider speak for the organization's owners.
    Sessions end where the time to the provider's next question is made shorter, and those of its
    people that another way has made where it becomes the only one.
    """
    require(actor, "org.manage")
    row = _locked(actor, connection_id)
    before, client_id, issuer = _shown(row), row.client_id, row.issuer
    enforced, hours = row.enforced, row.max_age_hours
    _fill(row, changes)
    if row.enforced and not row.domains.filter(verified_at__isnull=False).exists():
        raise SsoDomainUnproven("Prove a domain before you make this sign-in the only one.")
    _save(row)
    if issuer != row.issuer:
        forget_proofs(row)
    if (issuer, client_id) != (row.issuer, row.client_id):
        release_all(row.pk)
    if row.max_age_hours < hours:
        end_sessions(row.pk)
    if row.enforced and not enforced:
        bind_people(row)
    after = _shown(row)
    changed = {name: after[name] for name in after if after[name] != before[name]}
    if changes.get("client_secret"):
        changed |= dict.fromkeys(["client_secret"], "changed")
    previous = {name: before[name] for name in changed if name in before}
    _note("orgs.sso.updated", actor, row, before=previous, after=changed)
    return row


@transaction.atomic
def switch_connection(*, actor: Actor, connection_id: UUID, enabled: bool) -> SsoConnection:
    """Switching off ends the sessions it made. Repeating it changes nothing."""
    require(actor, "org.manage")
    row = _locked(actor, connection_id)
    if row.enabled == enabled:
        return row
    row.enabled = enabled
    row.save(update_fields=["enabled", "updated_at"])
    if not enabled:
        end_sessions(row.pk)
    elif row.enforced:
        bind_people(row)
    _note("orgs.sso.enabled" if enabled else "orgs.sso.disabled", actor, row)
    return row


@transaction.atomic
def delete_connection(*, actor: Actor, connection_id: UUID) -> None:
    """With its domains and links; the people stay members, and its sessions end."""
    require(actor, "org.manage")
    row = _locked(actor, connection_id)
    people = release_all(row.pk)
    _note("orgs.sso.deleted", actor, row, people=people, **_shown(row))
    row.delete()


def check_connection(*, actor: Actor, connection_id: UUID) -> dict[str, Any]:
    """Ask the provider for its document and keys. Raises SsoProviderUnfit with the reason."""
    require(actor, "org.manage")
    row = find_connection(actor, connection_id)
    found = probe(row.issuer)
    if found.fault:
        raise SsoProviderUnfit("The identity provider does not fit.", reason=found.fault)
    return {
        "issuer": row.issuer,
        "authorization_endpoint": found.authorization_endpoint,
        "token_endpoint": found.token_endpoint,
        "keys": found.keys,
    }


@transaction.atomic
def release_link(*, actor: Actor, identity_id: int) -> None:
    """Forget which identity of the provider a person is; the sessions made by it end."""
    require(actor, "org.manage")
    mine = SsoConnection.objects.of(actor.organization_id).values_list("pk", flat=True)
    link = identities_of(mine).filter(pk=identity_id).first()
    if link is None:
        raise NotFound("There is no such identity.")
    row = _locked(actor, UUID(link.provider))
    _note("orgs.sso.released", actor, row, user=str(link.user_id), subject=link.uid[:100])
    release_identity(link)


def find_connection(actor: Actor, connection_id: UUID) -> SsoConnection:
    row = SsoConnection.objects.of(actor.organization_id).filter(pk=connection_id).first()
    if row is None:
        raise NotFound("There is no such connection.")
    found: SsoConnection = row
    return found


def _locked(actor: Actor, connection_id: UUID) -> SsoConnection:
    rows = SsoConnection.objects.of(actor.organization_id).select_for_update()
    row = rows.filter(pk=connection_id).first()
    if row is None:
        raise NotFound("There is no such connection.")
    found: SsoConnection = row
    return found


def _save(row: SsoConnection, *, new: bool = False) -> None:
    try:
        with transaction.atomic():
            row.save(force_insert=new, update_fields=None if new else _SAVED)
    except IntegrityError:
        raise Conflict("There is a connection of this name already.", name=row.name) from None


def _fill(row: SsoConnection, given: Mapping[str, Any]) -> None:
    """Put what was given into the row, judged. Raises InvalidInput."""
    for name, most in _TEXTS.items():
        if name in given:
            setattr(row, name, _text(name, given[name], most))
    readers: dict[str, Callable[[Any], Any]] = {
        "role_map": _role_map,
        "default_role": _role,
        "enforced": bool,
        "max_age_hours": _hours,
    }
    for name in readers.keys() & given.keys():
        setattr(row, name, readers[name](given[name]))
    if given.get("client_secret"):
        row.client_secret = str(given["client_secret"])
    _check(row)
    if "issuer" in given:
        check_issuer(row.issuer)


def _check(row: SsoConnection) -> None:
    if not (row.name and row.issuer and row.client_id):
        raise InvalidInput("A connection needs a name, an issuer and a client id.")
    if "openid" not in row.scopes.split():
        raise InvalidInput("The scopes have to include openid.", scopes=row.scopes)


def _text(name: str, value: Any, most: int) -> str:
    text = str(value or "").strip()
    if len(text) > most or not text.isprintable():
        raise InvalidInput("This is not a text that fits here.", field=name)
    return text


def _role(value: Any) -> str:
    role = str(value)
    if role not in Role.values:
        raise InvalidInput("There is no such role.", role=role[:40], known=list(Role.values))
    if role == Role.OWNER:
        raise InvalidInput("An identity provider never makes owners.", role=role)
    return role


def _hours(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LONGEST_HOURS:
        raise InvalidInput("This is no number of hours that fits.", most=LONGEST_HOURS)
    return value


def _role_map(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) > MOST_GROUPS:
        raise InvalidInput("The roles by group are a map of group to role.", most=MOST_GROUPS)
    groups = {str(group).strip(): _role(role) for group, role in value.items()}
    if any(not group or len(group) > 200 for group in groups):
        raise InvalidInput("A group has a name of at most 200 characters.")
    return groups


def _shown(row: SsoConnection) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _IN_TRAIL}


def _note(event: str, actor: Actor, row: SsoConnection, **told: Any) -> None:
    note(event, actor, "sso_connection", row, **told)
