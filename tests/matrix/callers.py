"""Who knocks, and what each of them may be told at a door of ours."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client, override_settings
from django.urls import reverse
from django.utils.timezone import now

from accounts.tests.factories import PASSWORD, UserFactory
from config.staff import STAFF_GROUPS
from core.ids import uuid7
from orgs.actions import create_key, revoke_key
from orgs.models import ApiKey, Project, Role
from orgs.permissions import KEY_SCOPES, SUPPORT, VERBS
from tests.doors import HIDDEN, REFUSED, Door
from tests.matrix.elsewhere import HEADLESS
from tests.matrix.knocking import is_api, signed_in, with_token
from tests.worlds import World

AUTH = "/api/v1/auth/app/v1"
INVENTED = "lw_aaaaaaaa_" + "x" * 43
UNAUTHORIZED, SIGN_IN = 401, 302
OWN_AFFAIRS = (
    " /account/", " /api/v1/account/", " /organizations/", " /api/v1/organizations/",
    " /invitation/", " /api/v1/invitations/mine/",
)  # fmt: skip
"""The personal centre, and the ways into an organization: nobody needs to be in one for it."""
BEYOND_A_PROJECT = {
    "GET /api/v1/audit/<pk>/": HIDDEN,
    "GET /api/v1/audit/statistics/": REFUSED,
    "POST /api/v1/exports/": REFUSED,
    "GET /api/v1/exports/<pk>/": REFUSED,
    "POST /api/v1/exports/<pk>/cancel/": REFUSED,
    "GET /api/v1/exports/<pk>/download/": REFUSED,
}
"""What of the trail lies outside its project, so a key without `audit.view_all` is not told."""
IN_A_PROJECT = frozenset({"workflow", "version", "run", "home", "trigger", "webhook"})
NAMES_A_WORKFLOW = frozenset({"POST /api/v1/triggers/"})
"""What asks for a workflow by its body."""
LEAVING = {
    Role.MEMBER: {"DELETE /api/v1/members/<pk>/", "POST /organization/members/<pk>/remove/"},
    Role.BUILDER: {
        "DELETE /api/v1/team-members/<pk>/",
        "POST /organization/team-members/<pk>/remove/",
    },
}
"""Whoever a row of membership is about may leave by it; whose rows the worlds' are."""
Expected = Callable[[str, Door], frozenset[int] | set[int]]


@dataclass(frozen=True)
class Caller:
    """`home`: whose marks an answer may carry; `about`: whose rows are asked for."""

    name: str
    client: Client
    expected: Expected
    about: World
    home: World | None = None
    api_only: bool = False
    operator: Any = None
    """The user who is an operator: the console answers by their permissions."""


def shut(name: str, door: Door) -> frozenset[int]:
    """What a stranger gets: 401 from the API, the way to the sign-in from a page."""
    if door.open is not None:
        return door.open
    return frozenset({UNAUTHORIZED if is_api(name) else SIGN_IN})


def distrusted(name: str, door: Door) -> frozenset[int]:
    """What comes with a credential that does not count: the API says so even where it is open."""
    return shut(name, door) | ({UNAUTHORIZED} if is_api(name) else frozenset())


def beside(name: str, door: Door, *, token: bool = False) -> frozenset[int] | None:
    """At a door that is open to all: the headless ones know tokens alone, others the session."""
    if door.open is None:
        return None
    return door.own if token == (HEADLESS in name) else door.open


def by_role(role: str) -> Expected:
    def expected(name: str, door: Door) -> frozenset[int]:
        if (told := beside(name, door)) is not None:
            return told
        if not door.verb or role in VERBS[door.verb]:
            return door.own
        if name in LEAVING.get(Role(role), set()):
            return door.own
        return frozenset({door.guest if role == Role.GUEST else REFUSED})

    return expected


def by_scopes(*scopes: str) -> Expected:
    """A key is nobody at the doors of sign-in and pages; elsewhere it does what its scopes say."""

    def expected(name: str, door: Door) -> frozenset[int]:
        if not is_api(name) or door.open is not None:
            return shut(name, door)
        if door.person or (door.verb and door.verb not in scopes):
            return frozenset({REFUSED, door.guest})  # hidden, or seen by another scope and refused
        return door.own

    return expected


def refused_address(name: str, door: Door) -> frozenset[int]:
    """The key is known, but not from here: nothing of the API opens, and it says why."""
    return frozenset({REFUSED}) if door.open is None and is_api(name) else distrusted(name, door)


def in_another_project(name: str, door: Door) -> frozenset[int]:
    """What belongs to a project is not there for a key of another one."""
    if is_api(name) and (door.target in IN_A_PROJECT or name in NAMES_A_WORKFLOW):
        return frozenset({HIDDEN, REFUSED})
    return by_scopes(*KEY_SCOPES)(name, door)


def by_stay(level: str) -> Expected:
    """An operator inside as support: what the level of the stay allows, and their own affairs."""

    def expected(name: str, door: Door) -> frozenset[int]:
        if (told := beside(name, door)) is not None:
            return told
        if any(start in name for start in OWN_AFFAIRS):
            return door.own
        if door.verb and door.verb not in SUPPORT[level]:
            return frozenset({REFUSED})
        return door.own

    return expected


def of_its_project(name: str, door: Door) -> frozenset[int]:
    """A key that reads the trail of its project, and not what counts over all of them."""
    if name in BEYOND_A_PROJECT:
        return frozenset({BEYOND_A_PROJECT[name]})
    return by_scopes("org.view", "audit.view")(name, door)


def elsewhere(scopes: tuple[str, ...] | None = None) -> Expected:
    """An owner, or a key, of another organization: told what is missing is told."""

    def expected(name: str, door: Door) -> frozenset[int]:
        if door.open is not None:
            return beside(name, door) or door.open
        if scopes is not None and (door.person or door.verb not in {"", *scopes}):
            return frozenset({REFUSED, HIDDEN})
        if door.target not in {"", "trace", "session"}:  # asked first whether it is they
            return frozenset({HIDDEN})
        return door.own

    return expected


def without_organization(name: str, door: Door) -> frozenset[int]:
    if any(start in name for start in OWN_AFFAIRS):
        return door.own
    return beside(name, door) or door.alone


def callers(ours: World, theirs: World) -> Iterator[Caller]:
    """Everybody, asking about `ours` unless they belong to `theirs`' neighbour."""
    yield Caller("anonymous", Client(raise_request_exception=False), shut, ours)
    for role in Role.values:
        client = signed_in(ours.people[role])
        yield Caller(role, client, by_role(role), ours, home=ours)
    yield from _elsewhere(ours, theirs)
    yield from _keys(ours)
    yield from _tokens(ours)
    yield from _outsiders(ours)
    yield from operators(ours)
    yield from supporters(ours)


def _elsewhere(ours: World, theirs: World) -> Iterator[Caller]:
    owner = signed_in(ours.people[Role.OWNER])
    yield Caller("owner elsewhere", owner, elsewhere(), theirs, home=ours)
    key = with_token(ours.rows.token)
    yield Caller("key elsewhere", key, elsewhere(KEY_SCOPES), theirs, home=ours, api_only=True)


def key_of(world: World, *scopes: str, **changes: Any) -> str:
    """A new key's text; `changes` are made to its row, whatever an action would say of them."""
    key, token = create_key(actor=world.owner, name="one", scopes=list(scopes or KEY_SCOPES))
    if changes:
        ApiKey.objects.filter(pk=key.pk).update(**changes)
    return token


def _keys(ours: World) -> Iterator[Caller]:
    key, token = create_key(actor=ours.owner, name="revoked", scopes=list(KEY_SCOPES))
    revoke_key(actor=ours.owner, key_id=key.pk)
    yield Caller("revoked key", with_token(token), distrusted, ours)
    expired = key_of(ours, expires_at=now() - timedelta(minutes=1))
    yield Caller("expired key", with_token(expired), distrusted, ours)
    yield Caller("invented key", with_token(INVENTED), distrusted, ours)
    bare = with_token(key_of(ours, "org.view"))
    yield Caller("key without the scope", bare, by_scopes("org.view"), ours, home=ours)
    reading = with_token(key_of(ours, "org.view", "audit.view"))
    yield Caller("key with its project's trail", reading, of_its_project, ours, home=ours)
    kept_out = key_of(ours, ip_allow=["203.0.113.0/24"])
    yield Caller("key from a refused address", with_token(kept_out), refused_address, ours)
    project = Project.objects.create(organization=ours.organization, name="Other")
    beside_it = key_of(ours, project_id=project.pk)
    yield Caller("key of another project", with_token(beside_it), in_another_project, ours, ours)
    full = with_token(ours.rows.token)
    yield Caller("key with every scope", full, by_scopes(*KEY_SCOPES), ours, home=ours)


def _tokens(ours: World) -> Iterator[Caller]:
    """Access tokens of the owner: one that counts, and what it can be turned into."""
    user = ours.people[Role.OWNER]
    meta = sign_in(user)
    token = meta["access_token"]
    good = by_role(Role.OWNER)

    def as_owner(name: str, door: Door) -> frozenset[int]:
        if door.open is not None or not is_api(name):
            return beside(name, door, token=True) or shut(name, door)
        return good(name, door)

    yield Caller("access token", with_token(token), as_owner, ours, home=ours)
    head, body, signature = token.split(".")
    for name, text in {
        "token with other claims": f"{head}.{_changed(body)}.{signature}",
        "token without a signature": f"{_unsigned()}.{body}.",
        "token with another's signature": f"{head}.{body}.{signature[::-1]}",
        "refresh token as access token": meta["refresh_token"],
        "expired token": expired_token(user),
        "token of an ended session": ended_token(user),
    }.items():
        yield Caller(name, with_token(text), distrusted, ours)


def sign_in(user: Any) -> dict[str, str]:
    """What the headless sign-in gives a program: session token, access and refresh token."""
    client = Client(raise_request_exception=False)
    given = {"email": user.email, "password": PASSWORD}
    answer = client.post(f"{AUTH}/auth/login", given, content_type="application/json").json()
    meta: dict[str, str] = answer["meta"]
    return meta


def _changed(body: str) -> str:
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["sub"] = str(uuid7())
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def _unsigned() -> str:
    head = json.dumps({"alg": "none", "typ": "JWT"}).encode()
    return base64.urlsafe_b64encode(head).decode().rstrip("=")


def expired_token(user: Any) -> str:
    with override_settings(HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN=-60):
        return sign_in(user)["access_token"]


def ended_token(user: Any) -> str:
    meta = sign_in(user)
    client = Client(headers={"X-Session-Token": meta["session_token"]})
    assert client.delete(f"{AUTH}/auth/session").status_code == 401  # how allauth says done
    return meta["access_token"]


def _outsiders(ours: World) -> Iterator[Caller]:
    lost = UserFactory(name="Nobody's", email="alone@example.com")
    yield Caller("person without organization", signed_in(lost), without_organization, ours)
    left = signed_in(disabled := UserFactory(email="disabled@example.com"))
    ours.people["disabled"] = disabled
    type(disabled).objects.filter(pk=disabled.pk).update(is_active=False)
    yield Caller("disabled person", left, shut, ours)


def operators(ours: World) -> Iterator[Caller]:
    """People of the platform: no organization is theirs, and the console only by permission."""
    plain = UserFactory(email="operator@example.com", is_staff=True)
    yield _operator("operator without groups", plain, ours)
    call_command("staff_groups", verbosity=0, stdout=io.StringIO())
    for group in Group.objects.filter(name__in=STAFF_GROUPS).order_by("name"):
        user = UserFactory(email=f"{group.pk}-operator@example.com", is_staff=True)
        user.groups.add(group)
        yield _operator(f"operator: {group.name}", user, ours)
    looker = UserFactory(email="looking@example.com", is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    yield _operator("operator who may look", looker, ours)
    top = UserFactory(email="superuser@example.com", is_staff=True, is_superuser=True)
    yield _operator("superuser", top, ours)


def supporters(ours: World) -> Iterator[Caller]:
    """Operators who have entered the organization through the console."""
    for level in ("view", "act"):
        user = UserFactory(email=f"support-{level}@example.com", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename="add_supportaccess"))
        client = signed_in(user)
        given = {"organization": str(ours.organization.pk), "level": level, "minutes": 60}
        stay = given | {"reason": "Ticket 4711: every door is tried"}
        assert client.post(reverse("admin:orgs_supportaccess_add"), stay).status_code == 302
        expected = by_stay(f"support-{level}")
        yield Caller(f"support: {level}", client, expected, ours, home=ours, operator=user)


def _operator(name: str, user: Any, ours: World) -> Caller:
    return Caller(name, signed_in(user), without_organization, ours, operator=user)
