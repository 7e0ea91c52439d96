"""What the matrix cannot know of its own: single doors, tried with what would open them elsewhere.

Who gets in where is walked by `tests/matrix`.
"""

import pytest

from orgs.actions import create_key
from orgs.models import Role
from orgs.permissions import KEY_SCOPES
from tests.doors import DOORS, REFUSED, upload
from tests.matrix.callers import BEYOND_A_PROJECT, INVENTED
from tests.matrix.knocking import ask, id_of, is_api, signed_in, text_of, undone, with_token
from tests.worlds import World, make_world, snapshot_of

pytestmark = pytest.mark.django_db

THEIRS = "CANARY-B"
BESIDE = {
    "POST /api/v1/runs/<pk>/rerun/": {"workflow.run"},
    "POST /api/v1/triggers/": {"workflow.run"},
    "PATCH /api/v1/triggers/<pk>/": {"workflow.run"},
    "DELETE /api/v1/triggers/<pk>/": {"workflow.run"},
    "POST /api/v1/triggers/<pk>/enable/": {"workflow.run"},
    "POST /api/v1/triggers/<pk>/disable/": {"workflow.run"},
    "POST /api/v1/triggers/<pk>/rotate/": {"workflow.run"},
}
"""What a door asks for beside its verb: triggers are for who may edit and run the workflow."""


@pytest.fixture
def ours() -> World:
    return make_world("ALPHA-A")


@pytest.fixture
def theirs() -> World:
    return make_world(THEIRS)


@pytest.mark.parametrize(
    "damage", [lambda token: token[:-2] + token[-1] + "_", lambda token: INVENTED]
)
def test_a_wrong_key_is_nobody_even_where_a_session_is_sent_along(ours, damage):
    client = signed_in(ours.people[Role.OWNER])
    wrong = {"Authorization": f"Bearer {damage(ours.rows.token)}"}

    for address in (
        "/api/v1/me/",
        "/api/v1/workflows/",
        f"/api/v1/runs/{id_of(ours, 'run')}/stream/",
    ):
        response = client.get(address, headers=wrong)
        assert (response.status_code, response.json()["code"]) == (401, "authentication_failed")


def test_a_key_does_what_its_scopes_say_and_no_more(ours):
    doors = [name for name in DOORS if is_api(name) and DOORS[name].verb]
    bare = with_token(_key(ours, "org.view"))
    wrong = {}
    for name in doors:
        door = DOORS[name]
        with undone():
            without = ask(bare, name, door, ours).status_code
        expected = {door.guest, REFUSED} if door.verb != "org.view" else door.own
        if without not in expected:
            wrong[name] = f"{without} without {door.verb}"
        if door.verb not in KEY_SCOPES or door.person:
            continue
        with undone():
            scopes = {door.verb}
            if door.guest != REFUSED:
                scopes |= {"org.view", "workflow.view", "run.view"}
            if name in BEYOND_A_PROJECT:
                scopes.add("audit.view_all")
            scopes |= BESIDE.get(name, set())
            allowed = ask(with_token(_key(ours, *scopes)), name, door, ours).status_code
        if allowed not in door.own:
            wrong[f"{name} (with)"] = f"{allowed} with {door.verb}"

    assert wrong == {}


def _key(world: World, *scopes: str) -> str:
    return create_key(actor=world.owner, name="one", scopes=list(scopes))[1]


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
    return str(special.get(what) or id_of(world, what))


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
