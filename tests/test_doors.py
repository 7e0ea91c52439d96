"""Every route of ours, by every method, for everybody who should not get in.

The doors are read from the URL conf and must all stand in `DOORS`: a route that is forgotten here
fails the suite. Organization B's rows carry a mark that may stand in no answer to organization A.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.admindocs.views import simplify_regex
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import get_resolver

from orgs.actions import create_key, revoke_key
from orgs.models import Role
from orgs.permissions import KEY_SCOPES, VERBS
from tests.doors import DOORS, EMPTY, HIDDEN, REFUSED, upload
from tests.worlds import World, make_world, snapshot_of

pytestmark = pytest.mark.django_db

THEIRS = "CANARY-B"
INVENTED = "lw_aaaaaaaa_" + "x" * 43
THIRD_PARTY = ("/admin/", "/accounts/", "/api/v1/auth/", "/i18n/", "/jsi18n/", "/favicon.ico")
"""Served by packages that test themselves; `workflows/tests/test_admin.py` walks the console."""
PUBLIC = {"GET /invitation/", "GET /healthz", "GET /api/schema/", "GET /api/docs/"}


# -- reading the URL conf


def routes(resolver: Any = None, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in (resolver or get_resolver()).url_patterns:
        address = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from routes(pattern, address)
        else:
            yield _plain(address), pattern.callback


def _plain(address: str) -> str:
    """`api/v1/^keys/(?P<pk>[^/.]+)/$` and `keys/<uuid:pk>/` alike as `/…/keys/<pk>/`."""
    plain = simplify_regex(address) if "^" in address else f"/{address}"
    for kind in ("uuid:", "str:"):
        plain = plain.replace(f"<{kind}", "<")
    return plain


def methods_of(address: str, callback: Any) -> set[str]:
    if actions := getattr(callback, "actions", None):
        return {name.upper() for name in actions if name != "head"}
    if view := getattr(callback, "cls", None) or getattr(callback, "view_class", None):
        names = ("get", "post", "put", "patch", "delete")
        return {name.upper() for name in names if hasattr(view, name)}
    # A plain function says in `Allow` what it takes, before it asks who is calling.
    response = Client().options(address.replace("<pk>", "0192f0c1-0000-7000-8000-000000000001"))
    allowed = response.headers.get("Allow", "any method")
    return {name.strip() for name in allowed.split(",")}


def test_every_route_of_ours_stands_in_the_table():
    ours = {
        f"{method} {address}"
        for address, callback in routes()
        if not address.startswith(THIRD_PARTY)
        for method in methods_of(address, callback)
        if address != "/healthz"
    } | {"GET /healthz"}

    assert sorted(ours ^ (set(DOORS) | PUBLIC)) == []


# -- knocking


@pytest.fixture
def ours() -> World:
    return make_world("ALPHA-A")


@pytest.fixture
def theirs() -> World:
    return make_world(THEIRS)


def knock(client: Client, name: str, address: World, body: World | None = None) -> Any:
    """Ask at a door about `address`'s row, sending a body made from `body`'s rows."""
    method, path = name.split(" ")
    door = DOORS[name]
    given = door.body(body or address)
    url = path.replace("<trace_id>", address.trace_id).replace("<pk>", _id(address, door.target))
    if method == "GET":
        return client.get(url)
    if method == "DELETE":
        return client.delete(f"{url}?{urlencode(given)}")
    if path.startswith("/api/") and not any(_is_file(value) for value in given.values()):
        return client.generic(method, url, _json(given), content_type="application/json")
    return client.generic(method, url, *_form(given))


def _id(world: World, target: str) -> str:
    row = getattr(world.rows, target, None)
    return str(getattr(row, "public_id", None) or getattr(row, "pk", ""))


def _is_file(value: Any) -> bool:
    return isinstance(value, SimpleUploadedFile)


def _json(given: dict[str, Any]) -> bytes:
    import json  # noqa: PLC0415

    return json.dumps(given).encode()


def _form(given: dict[str, Any]) -> tuple[bytes, str]:
    from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart  # noqa: PLC0415

    plain = {key: value for key, value in given.items() if not isinstance(value, dict)}
    return encode_multipart(BOUNDARY, plain), MULTIPART_CONTENT


def text_of(response: Any) -> str:
    """The whole answer, headers too: a redirect or a file name can betray as well."""
    streamed = response.streaming and not getattr(response, "is_async", False)
    content = (
        b"".join(response.streaming_content) if streamed else getattr(response, "content", b"")
    )
    return f"{dict(response.headers)} {content.decode(errors='replace')}"


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens inside has not happened afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def signed_in(user: Any) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def with_key(token: str) -> Client:
    return Client(raise_request_exception=False, headers={"Authorization": f"Bearer {token}"})


def is_api(name: str) -> bool:
    return " /api/" in name


def answers(client: Client, doors: list[str], world: World) -> dict[str, int]:
    found = {}
    for name in doors:
        with undone():
            found[name] = knock(client, name, world).status_code
    return found


def differing(found: dict[str, int], expected: Callable[[str], int]) -> dict[str, str]:
    return {
        name: f"{status}, not {expected(name)}"
        for name, status in found.items()
        if status != expected(name)
    }


def shut(name: str) -> int:
    """What a stranger gets: 401 from the API, the way to the sign-in from a page."""
    return 401 if is_api(name) else 302


# -- the matrix


def test_nobody_in_particular_is_sent_to_sign_in(ours):
    before = snapshot_of(ours)
    client = Client(raise_request_exception=False)

    assert differing(answers(client, list(DOORS), ours), shut) == {}

    page = client.get("/workflows/")
    assert page.url == "/accounts/login/?next=/workflows/"
    assert client.get("/api/v1/workflows/").json()["code"] == "not_authenticated"
    assert snapshot_of(ours) == before


def test_a_disabled_person_is_nobody(ours):
    client = signed_in(ours.people[Role.OWNER])
    ours.people[Role.OWNER].is_active = False
    ours.people[Role.OWNER].save()
    before = snapshot_of(ours)

    assert differing(answers(client, list(DOORS), ours), shut) == {}
    assert snapshot_of(ours) == before


def test_a_revoked_key_opens_nothing(ours):
    revoke_key(actor=ours.owner, key_id=ours.rows.key.pk)
    before = snapshot_of(ours)

    assert differing(answers(with_key(ours.rows.token), list(DOORS), ours), shut) == {}
    assert snapshot_of(ours) == before


@pytest.mark.parametrize(
    "damage", [lambda token: token[:-2] + token[-1] + "_", lambda token: INVENTED]
)
def test_a_wrong_key_is_nobody_even_where_a_session_is_sent_along(ours, damage):
    client = signed_in(ours.people[Role.OWNER])
    wrong = {"Authorization": f"Bearer {damage(ours.rows.token)}"}

    for address in (
        "/api/v1/me/",
        "/api/v1/workflows/",
        f"/api/v1/runs/{_id(ours, 'run')}/stream/",
    ):
        response = client.get(address, headers=wrong)
        assert (response.status_code, response.json()["code"]) == (401, "authentication_failed")


@pytest.mark.parametrize("role", [role for role in Role.values if role != Role.GUEST])
def test_a_role_gets_as_far_as_the_table_of_permissions_says(ours, role):
    before = snapshot_of(ours)
    client = signed_in(ours.people[role])
    wrong = {}
    for name, status in answers(client, list(DOORS), ours).items():
        door = DOORS[name]
        allowed = not door.verb or role in VERBS[door.verb]
        if status not in (door.own if allowed else {REFUSED}):
            wrong[name] = f"{status} for {door.verb} {'allowed' if allowed else 'refused'}"

    # Whoever a row of membership is about may leave by it: not a refusal, and not a hole.
    leaving = {
        Role.MEMBER: {"DELETE /api/v1/members/<pk>/", "POST /organization/members/<pk>/remove/"},
        Role.BUILDER: {
            "DELETE /api/v1/team-members/<pk>/",
            "POST /organization/team-members/<pk>/remove/",
        },
    }
    assert {n: why for n, why in wrong.items() if n not in leaving.get(role, ())} == {}
    assert snapshot_of(ours) == before


def test_a_guest_sees_nothing_that_was_not_shared(ours):
    before = snapshot_of(ours)
    client = signed_in(ours.people[Role.GUEST])
    wrong = {}
    for name, door in DOORS.items():
        with undone():
            response = knock(client, name, ours)
        holds = not door.verb or Role.GUEST in VERBS[door.verb]
        expected = door.own if holds else {door.guest}
        if response.status_code not in expected:
            wrong[name] = f"{response.status_code}, not {expected}"
        lists = door.guest == EMPTY and not door.target
        if lists and f"{ours.mark} workflow" in text_of(response):
            wrong[name] = "shows a workflow"

    assert wrong == {}
    assert snapshot_of(ours) == before


def test_a_key_does_what_its_scopes_say_and_no_more(ours):
    doors = [name for name in DOORS if is_api(name) and DOORS[name].verb]
    bare = with_key(_key(ours, "org.view"))
    wrong = {}
    for name in doors:
        door = DOORS[name]
        with undone():
            without = knock(bare, name, ours).status_code
        expected = {door.guest} if door.verb != "org.view" else door.own
        if without not in expected:
            wrong[name] = f"{without} without {door.verb}"
        if door.verb not in KEY_SCOPES or door.person:
            continue
        with undone():
            scopes = (
                {door.verb, "workflow.view", "run.view"} if door.guest != REFUSED else {door.verb}
            )
            allowed = knock(with_key(_key(ours, *scopes)), name, ours).status_code
        if allowed not in door.own:
            wrong[f"{name} (with)"] = f"{allowed} with {door.verb}"

    assert wrong == {}


def _key(world: World, *scopes: str) -> str:
    return create_key(actor=world.owner, name="one", scopes=list(scopes))[1]


def test_what_only_people_do_no_key_can(ours):
    client = with_key(ours.rows.token)  # every scope there is
    doors = [name for name in DOORS if DOORS[name].person]

    assert differing(answers(client, doors, ours), lambda name: REFUSED) == {}


@pytest.mark.parametrize("by", ["session", "key"])
def test_an_owner_elsewhere_finds_nothing_of_ours(ours, theirs, by):
    before = snapshot_of(theirs)
    client = signed_in(ours.people[Role.OWNER]) if by == "session" else with_key(ours.rows.token)
    wrong = {}
    for name, door in DOORS.items():
        if by == "key" and not is_api(name):
            continue
        with undone():
            response = knock(client, name, theirs, ours)
            if response.status_code < 500 and THEIRS.lower() in text_of(response).lower():
                wrong[f"{name} (text)"] = "the mark of the other organization"
        expected = {HIDDEN} if door.target not in {"", "trace"} else door.own
        if by == "key" and (door.person or door.verb not in {"", *KEY_SCOPES}):
            expected = {REFUSED, HIDDEN}
        if response.status_code not in expected:
            wrong[name] = f"{response.status_code}, not {sorted(expected)}"

    assert wrong == {}
    assert snapshot_of(theirs) == before


SWAPPED = [
    ("POST", "/api/v1/workflows/{workflow}/publish/", {"version": "version"}, {404}),
    ("POST", "/api/v1/workflows/{workflow}/runs/", {"version": "version"}, {404}),
    ("POST", "/workflows/{workflow}/publish/", {"version": "version"}, {404}),
    ("POST", "/workflows/{workflow}/start/", {"version": "version"}, {404}),
    ("POST", "/organization/switch/", {"organization": "organization"}, {302}),
    ("POST", "/api/v1/workflows/{workflow}/grants/", {"user": "guest"}, {400, 404}),
    ("POST", "/workflows/{workflow}/share/", {"user": "guest"}, {302, 404}),
    ("POST", "/api/v1/sso/domains/", {"connection": "sso_connection"}, {404}),
    ("GET", "/api/v1/runs/", {"workflow": "workflow"}, {200}),
    ("GET", "/api/v1/runs/", {"trace_id": "trace"}, {200}),
    ("GET", "/api/v1/ledger/", {"trace_id": "trace"}, {200}),
    ("GET", "/api/v1/ledger/", {"hold": "hold"}, {200}),
    ("GET", "/api/v1/usage/", {"run_id": "run"}, {200}),
    ("GET", "/api/v1/usage/", {"trace_id": "trace"}, {200}),
    ("GET", "/api/v1/audit/", {"trace_id": "trace"}, {200}),
    ("GET", "/api/v1/audit/", {"target_id": "mark"}, {200}),
    ("GET", "/api/v1/tasks/", {"subject_id": "subject"}, {200}),
    ("GET", "/api/v1/prices/", {"model": "model"}, {200}),
    ("GET", "/trace/", {"id": "trace"}, {200}),
    ("GET", "/inbox/list/", {"selected": "task"}, {200}),
    ("GET", "/workflows/{workflow}/", {"version": "version"}, {200}),
]


@pytest.mark.parametrize(
    ("method", "path", "names", "expected"), SWAPPED, ids=[f"{m} {p} {n}" for m, p, n, _ in SWAPPED]
)
def test_ids_of_others_lead_nowhere(ours, theirs, method, path, names, expected):
    before = snapshot_of(theirs)
    client = signed_in(ours.people[Role.OWNER])
    given = {name: _foreign(theirs, what) for name, what in names.items()}
    sent = given | ({"right": "view"} if "user" in given else {})
    sent |= {"domain": "new.example"} if "connection" in given else {}
    url = path.format(workflow=ours.rows.workflow.pk)

    if method == "GET":
        response = client.get(url, given)
    elif path.startswith("/api/"):
        response = client.post(url, sent, content_type="application/json")
    else:
        response = client.post(url, sent)

    assert response.status_code in expected
    text = text_of(response)
    for value in given.values():  # what was asked for may be repeated, nothing else
        text = text.replace(value, "")
    assert THEIRS.lower() not in text.lower()
    if method == "GET" and path.startswith("/api/"):
        assert response.json()["results"] == []
    assert snapshot_of(theirs) == before
    assert client.session.get("organization_id") != str(theirs.organization.pk)


def _foreign(world: World, what: str) -> str:
    special = {
        "organization": world.organization.pk,
        "trace": world.trace_id,
        "mark": world.mark,
        "guest": world.people["guest"].pk,
        "subject": f"{world.rows.run.public_id}:start:",
        "model": f"{world.mark}-model",
    }
    return str(special.get(what) or _id(world, what))


def test_a_flow_cannot_be_imported_into_a_workflow_of_others(ours, theirs):
    before = snapshot_of(theirs)
    client = signed_in(ours.people[Role.OWNER])

    response = client.post(
        "/api/v1/workflows/import/", {**upload(ours), "workflow": str(theirs.rows.workflow.pk)}
    )

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert snapshot_of(theirs) == before


def test_naming_the_other_organization_does_not_help(ours, theirs):
    client = signed_in(ours.people[Role.OWNER])
    named = {"X-Organization": str(theirs.organization.pk)}

    api = client.get("/api/v1/workflows/", headers=named)
    page = client.get("/workflows/", headers=named)

    assert (api.status_code, api.json()["code"]) == (403, "no_organization")
    assert page.status_code == 403
    assert THEIRS not in text_of(api) + text_of(page)


@pytest.mark.parametrize("public", sorted(PUBLIC))
def test_what_is_open_to_everybody_answers(client, public):
    assert client.get(public.split(" ")[1]).status_code == 200
