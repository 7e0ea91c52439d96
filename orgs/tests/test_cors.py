"""Whose scripts may call: the installation's list, and each organization's for itself alone."""

import pytest
from django.test import Client

from audit.models import Entry
from core.errors import InvalidInput, PermissionRefused
from orgs.actions import set_cors_origins
from orgs.models import Organization
from orgs.tests.factories import OrganizationFactory, actor_in, key_in, person_in

pytestmark = pytest.mark.django_db
OURS, THEIRS = "https://app.ours.example", "https://app.theirs.example"
ALLOW = "Access-Control-Allow-Origin"


def organization_with(*origins, capture):
    organization = OrganizationFactory()
    with capture(execute=True):
        set_cors_origins(actor=actor_in(organization), origins=origins)
    return organization


@pytest.fixture
def organization(django_capture_on_commit_callbacks):
    return organization_with(OURS, capture=django_capture_on_commit_callbacks)


@pytest.fixture
def stranger(django_capture_on_commit_callbacks):
    return organization_with(THEIRS, capture=django_capture_on_commit_callbacks)


def preflight(origin, path="/api/v1/runs/"):
    return Client().options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,idempotency-key,if-match",
        },
    )


def asked(organization, origin, path="/api/v1/organization/"):
    token = key_in(organization, "org.view", "run.view")
    return Client().get(path, headers={"Origin": origin, "Authorization": f"Bearer {token}"})


def test_a_preflight_is_answered_for_what_any_organization_lists(organization, stranger):
    for origin in (OURS, THEIRS):
        answer = preflight(origin)
        assert (answer.status_code, answer.headers[ALLOW]) == (200, origin)
        assert {"idempotency-key", "if-match"} <= set(
            answer.headers["Access-Control-Allow-Headers"].split(", ")
        )
    assert ALLOW not in preflight("https://evil.example").headers
    assert ALLOW not in preflight(OURS, "/workflows/").headers


def test_an_answer_may_be_read_only_where_its_organization_lists_the_origin(organization, stranger):
    ours = asked(organization, OURS)
    cross = asked(stranger, OURS)

    assert (ours.status_code, ours.headers[ALLOW]) == (200, OURS)
    assert cross.status_code == 200
    assert ALLOW not in cross.headers
    assert asked(stranger, THEIRS).headers[ALLOW] == THEIRS
    assert all("origin" in each.headers["Vary"].lower() for each in (ours, cross))
    assert "etag" in ours.headers["Access-Control-Expose-Headers"]


def test_refusals_after_sign_in_and_streams_can_be_read_too(organization):
    missing = asked(organization, OURS, "/api/v1/runs/0192f0c1-0000-7000-8000-000000000001/stream/")
    refused = asked(organization, OURS, "/api/v1/keys/")

    assert (missing.status_code, missing.headers[ALLOW]) == (404, OURS)
    assert (refused.status_code, refused.headers[ALLOW]) == (403, OURS)


def test_credentials_are_never_allowed(organization, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://everybody.example"]

    for answer in (preflight(OURS), asked(organization, "https://everybody.example")):
        assert answer.headers[ALLOW] not in {"*", ""}
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_nobody_in_particular_reads_nothing(organization):
    answer = Client().get("/api/v1/organization/", headers={"Origin": OURS})

    assert answer.status_code == 401
    assert ALLOW not in answer.headers


def test_the_installations_list_holds_for_all(stranger, settings):
    settings.CORS_ALLOWED_ORIGINS = [OURS]

    assert asked(stranger, OURS).headers[ALLOW] == OURS


def test_a_removed_origin_is_shut_out_at_once(organization, django_capture_on_commit_callbacks):
    assert asked(organization, OURS).headers[ALLOW] == OURS
    with django_capture_on_commit_callbacks(execute=True):
        set_cors_origins(actor=actor_in(organization), origins=[])

    assert ALLOW not in asked(organization, OURS).headers
    assert ALLOW not in preflight(OURS).headers


# -- setting it


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["https://App.Example.com/", "https://app.example.com"], ["https://app.example.com"]),
        (["http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:8"],) * 2,
        (["https://a-b.example:8443"],) * 2,
        ([], []),
    ],
)
def test_origins_are_kept_as_browsers_send_them(given, kept):
    actor = actor_in(OrganizationFactory())

    assert set_cors_origins(actor=actor, origins=given).cors_origins == kept


BAD = [
    "*", "null", "https://*", "https://*.example.com", "http://app.example.com", "app.example.com",
    "https://a.example/path", "https://user@a.example", "https://a.example:99999", "https://",
    "javascript:alert(1)", "https://-a.example", "https://a.example?x", "https://a.example\n", "",
    "https://" + "a." * 150 + "example", "https://пример.example",
]  # fmt: skip


@pytest.mark.parametrize("origin", BAD)
def test_what_is_no_origin_is_refused(organization, origin):
    if origin == "https://a.example\n":
        pytest.skip("surrounding space is taken off")
    with pytest.raises(InvalidInput):
        set_cors_origins(actor=actor_in(organization), origins=[OURS, origin])

    assert Organization.objects.get(pk=organization.pk).cors_origins == [OURS]


def test_only_so_many_and_only_by_who_manages(organization):
    with pytest.raises(InvalidInput):
        set_cors_origins(
            actor=actor_in(organization), origins=[f"https://a{n}.example" for n in range(21)]
        )
    with pytest.raises(PermissionRefused):
        set_cors_origins(actor=actor_in(organization, "builder"), origins=[])
    assert Organization.objects.get(pk=organization.pk).cors_origins == [OURS]


def test_it_is_set_by_api_and_by_page_and_stands_in_the_trail(organization):
    client = Client()
    client.force_login(person_in(organization)[0])

    answer = client.patch(
        "/api/v1/organization/", {"cors_origins": [THEIRS]}, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["cors_origins"]) == (200, [THEIRS])
    page = client.post("/organization/origins/", {"origins": f"{OURS}\n{THEIRS}"}, follow=True)
    assert f"{OURS}\n{THEIRS}" in page.content.decode()
    entry = Entry.objects.filter(action="orgs.organization.origins_changed").latest("id")
    assert (entry.data["before"], entry.data["after"]) == ([THEIRS], [OURS, THEIRS])

    bad = client.post("/organization/origins/", {"origins": "https://a.example/x"}, follow=True)
    assert "https://a.example/x" in bad.content.decode()
    assert Organization.objects.get(pk=organization.pk).cors_origins == [OURS, THEIRS]


def test_a_change_that_is_refused_in_part_changes_nothing(organization):
    client = Client()
    client.force_login(person_in(organization)[0])

    answer = client.patch(
        "/api/v1/organization/",
        {"name": "Other", "cors_origins": ["*"]},
        content_type="application/json",
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    found = Organization.objects.get(pk=organization.pk)
    assert (found.name, found.cors_origins) == (organization.name, [OURS])
