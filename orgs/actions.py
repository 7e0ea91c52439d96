"""Every write of orgs: founding, members, roles, keys. One transaction and one audit entry each."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.timezone import now

from accounts.models import User
from audit.actions import record
from core.errors import InvalidInput, NotFound
from core.ids import uuid7
from orgs.access import Actor, holds, require
from orgs.errors import AlreadyMember, LastOwner, RoleAboveYours, UnknownScope
from orgs.grants import forget_grants
from orgs.keys import make_token
from orgs.models import ApiKey, Membership, Organization, Role
from orgs.permissions import KEY_SCOPES, VERBS


@transaction.atomic
def found_organization(*, user_id: UUID, name: str) -> Organization:
    """A new organization with `user_id` as its owner."""
    name = name.strip()
    if not name:
        raise InvalidInput("An organization needs a name.")
    organization = _create_organization(name[:120])
    Membership.objects.create(organization=organization, user_id=user_id, role=Role.OWNER)
    actor = Actor(organization_id=organization.pk, role=Role.OWNER, user_id=user_id)
    record(
        "orgs.organization.founded",
        actor=actor,
        target_type="organization",
        target_id=organization.pk,
        summary=organization.name,
    )
    return organization


def _create_organization(name: str) -> Organization:
    """Under its plain short name where that is free; asking first would be overtaken."""
    slug = slugify(name)[:48] or "org"
    try:
        with transaction.atomic():
            return Organization.objects.create(name=name, slug=slug)
    except IntegrityError:
        return Organization.objects.create(name=name, slug=f"{slug}-{uuid7().hex[-8:]}")


def found_at_signup(user: User, organization_name: str) -> None:
    """Whoever signs up gets an organization of their own at once."""
    found_organization(
        user_id=user.pk, name=organization_name or f"{user.get_full_name()}'s organization"
    )


@transaction.atomic
def rename_organization(*, actor: Actor, name: str) -> Organization:
    require(actor, "org.manage")
    name = name.strip()
    if not name:
        raise InvalidInput("An organization needs a name.")
    organization = Organization.objects.select_for_update().get(pk=actor.organization_id)
    before, organization.name = organization.name, name[:120]
    organization.save(update_fields=["name"])
    record(
        "orgs.organization.renamed",
        actor=actor,
        target_type="organization",
        target_id=organization.pk,
        data={"before": before, "after": organization.name},
    )
    return organization


@transaction.atomic
def add_member(*, actor: Actor, email: str, role: str) -> Membership:
    """Make an existing user a member. Raises NotFound when nobody has this address."""
    require(actor, "member.manage")
    _check_role(actor, role)
    user = User.objects.filter(email__iexact=email.strip(), is_active=True).first()
    if user is None:
        raise NotFound("Nobody has an account with this address.", email=email)
    try:
        with transaction.atomic():
            row = Membership.objects.create(
                organization_id=actor.organization_id, user=user, role=role
            )
    except IntegrityError:
        raise AlreadyMember("This person is a member already.", email=email) from None
    _note_member("orgs.member.added", actor, row, role=role)
    return row


@transaction.atomic
def change_role(*, actor: Actor, membership_id: UUID, role: str) -> Membership:
    require(actor, "member.manage")
    _check_role(actor, role)
    row = _locked_member(actor, membership_id)
    _check_role(actor, row.role)
    if row.role == Role.OWNER and role != Role.OWNER:
        _keep_an_owner(row)
    before, row.role = row.role, role
    row.save(update_fields=["role", "updated_at"])
    _note_member("orgs.member.role_changed", actor, row, before=before, after=role)
    _end_keys(actor, row.user_id, role)
    return row


@transaction.atomic
def remove_member(*, actor: Actor, membership_id: UUID) -> None:
    """Removing oneself is leaving, and needs no right; the last owner cannot.

    What was shared with the person and the keys they made go with them: they know the clear text.
    """
    row = _locked_member(actor, membership_id)
    if row.user_id != actor.user_id:
        require(actor, "member.manage")
        _check_role(actor, row.role)
    if row.role == Role.OWNER:
        _keep_an_owner(row)
    _note_member("orgs.member.removed", actor, row, role=row.role)
    _end_keys(actor, row.user_id)
    forget_grants(actor.organization_id, row.user_id)
    row.delete()


def _check_role(actor: Actor, role: str) -> None:
    if role not in Role.values:
        raise InvalidInput("There is no such role.", role=role, known=list(Role.values))
    if role == Role.OWNER and actor.role != Role.OWNER:
        raise RoleAboveYours("Only an owner can make, change or remove an owner.", role=role)


def _locked_member(actor: Actor, membership_id: UUID) -> Membership:
    # The organization's row is the lock: two owners cannot step down past each other.
    Organization.objects.select_for_update().get(pk=actor.organization_id)
    row = Membership.objects.of(actor.organization_id).filter(pk=membership_id).first()
    if row is None:
        raise NotFound("There is no such member.")
    found: Membership = row
    return found


def _keep_an_owner(row: Membership) -> None:
    others = Membership.objects.owners_of(row.organization_id).exclude(pk=row.pk)
    if not others.filter(user__is_active=True).exists():
        raise LastOwner("An organization needs at least one owner.")


def _note_member(action: str, actor: Actor, row: Membership, **data: str) -> None:
    record(
        action,
        actor=actor,
        target_type="membership",
        target_id=row.pk,
        summary=row.user.email,
        data={"user": str(row.user_id), **data},
    )


@transaction.atomic
def create_key(
    *,
    actor: Actor,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its clear text, which is never to be had again.

    A key cannot carry a scope its maker does not hold.
    """
    require(actor, "key.manage")
    if not name.strip():
        raise InvalidInput("A key needs a name.")
    _check_scopes(actor, scopes)
    if expires_at is not None and expires_at <= now():
        raise InvalidInput("The expiry lies in the past.", expires_at=expires_at.isoformat())
    token, prefix, digest = make_token()
    key = ApiKey.objects.create(
        organization_id=actor.organization_id,
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


def _end_keys(actor: Actor, user_id: UUID, role: str = "") -> None:
    """Revoke the person's keys that may do what `role` may not; without a role, all of them."""
    made = ApiKey.objects.of(actor.organization_id).filter(created_by_id=user_id, revoked_at=None)
    for key in made.select_for_update().order_by("pk"):
        if any(role not in VERBS.get(scope, ()) for scope in key.scopes):
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
