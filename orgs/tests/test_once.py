"""`Idempotency-Key`: the work is done once, the answer is the first one's."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import resolve
from django.utils.timezone import now

from accounts.tests.factories import UserFactory
from audit.models import Entry
from core.errors import IdempotencyMismatch
from core.ids import uuid7
from orgs.actions.answers import (
    BATCH,
    caller_of,
    claim_answer,
    delete_old_answers,
    keep_answer,
)
from orgs.api.once import AnsweringOnce
from orgs.errors import IdempotencyInProgress
from orgs.models import ApiKey, Invitation, Membership, Organization, StoredAnswer
from orgs.tasks import delete_old_answers as upkeep
from orgs.tests.factories import OrganizationFactory, actor_in, key_in, person_in
from orgs.tests.test_races import at_once
from tests.doors import DOORS
from workflows.models import Workflow
from workflows.tests.import_samples import SUPPORT

pytestmark = pytest.mark.django_db
NEW = {"name": "Nightly", "scopes": ["org.view"]}


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def client(organization):
    client = Client()
    client.force_login(person_in(organization)[0])
    return client


def post(client, key, body=NEW, path="/api/v1/keys/", **headers):
    return client.post(
        path, body, content_type="application/json", headers={"Idempotency-Key": key} | headers
    )


def test_the_same_request_again_is_the_same_answer(client):
    first, again = post(client, "one"), post(client, "one")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert ApiKey.objects.count() == 1
    assert Entry.objects.filter(action="orgs.key.created").count() == 1


def test_an_organization_is_founded_once(client):
    body = {"name": "Northwind"}
    before = Organization.objects.count()

    first, again = (post(client, "one", body, "/api/v1/organizations/") for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Organization.objects.count() == before + 1


def test_the_order_of_fields_makes_no_other_request(client):
    post(client, "one")

    assert post(client, "one", dict(reversed(NEW.items()))).status_code == 201
    assert ApiKey.objects.count() == 1


def test_another_request_under_the_key_is_refused(client):
    post(client, "one")

    response = post(client, "one", NEW | {"name": "Other"})

    assert (response.status_code, response.json()["code"]) == (422, "idempotency_mismatch")
    assert ApiKey.objects.get().name == "Nightly"


def test_other_keys_callers_addresses_and_organizations_are_other_work(organization, client):
    token = key_in(organization, "key.create", "org.view")
    program = Client(headers={"Authorization": f"Bearer {token}"})
    foreign = Client()
    foreign.force_login(person_in(OrganizationFactory())[0])
    UserFactory(email="new@example.com")
    before = ApiKey.objects.count()

    assert [post(each, "one").status_code for each in (client, program, foreign)] == [201] * 3
    assert post(client, "two").status_code == 201
    body = {"email": "new@example.com", "role": "member"}
    assert post(client, "one", body, "/api/v1/invitations/").status_code == 201
    assert ApiKey.objects.count() == before + 4


def test_a_refusal_is_not_kept_and_may_be_sent_again(client):
    body = {"email": "later@example.com", "role": "member"}
    organization = Organization.objects.get()
    row = Membership.objects.create(
        organization=organization, user=UserFactory(email="later@example.com")
    )
    assert post(client, "one", body, "/api/v1/invitations/").status_code == 409
    assert not StoredAnswer.objects.exists()
    row.delete()

    assert post(client, "one", body, "/api/v1/invitations/").status_code == 201
    assert Invitation.objects.count() == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 121, "ключ", "a\x7fb"])
def test_a_key_is_short_visible_ascii(client, key):
    response = post(client, key)

    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")
    assert not ApiKey.objects.exists()
    assert not StoredAnswer.objects.exists()


def test_the_longest_key_is_taken(client):
    assert post(client, "x" * 120).status_code == 201


def test_a_token_that_was_shown_once_lies_nowhere_in_clear(client):
    token = post(client, "one").json()["token"]

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM orgs_storedanswer")
        stored = str(cursor.fetchall())
    assert token not in stored
    assert token.rpartition("_")[2] not in stored
    assert token in StoredAnswer.objects.get().body.reveal()


def test_uploads_are_compared_by_content(client):
    def send(text):
        file = SimpleUploadedFile("flow.yml", text.encode())
        return client.post(
            "/api/v1/workflows/import/", {"file": file}, headers={"Idempotency-Key": "one"}
        )

    first, again, other = send(SUPPORT), send(SUPPORT), send(SUPPORT + "\n# changed\n")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert other.json()["code"] == "idempotency_mismatch"
    assert Workflow.objects.count() == 1


def test_an_answer_past_its_day_is_forgotten(client):
    post(client, "one")
    StoredAnswer.objects.update(expires_at=now() - timedelta(seconds=1))

    assert post(client, "one", NEW | {"name": "Other"}).status_code == 201
    assert ApiKey.objects.count() == 2


# -- while the first is under way


@pytest.fixture
def owner(organization):
    return actor_in(organization)


def claim(actor, digest="d"):
    return claim_answer(**scope(actor), key="one", digest=digest)


def scope(actor):
    return {
        "organization_id": actor.organization_id,
        "caller": caller_of(actor),
        "route": "POST /x/",
    }


def test_a_second_request_meanwhile_is_told_so(owner):
    claim(owner)

    with pytest.raises(IdempotencyInProgress):
        claim(owner)
    with pytest.raises(IdempotencyMismatch):
        claim(owner, "other")


def test_it_is_told_so_over_http(organization):
    user, _ = person_in(organization)
    client = Client()
    client.force_login(user)
    post(client, "one")
    StoredAnswer.objects.update(status=None, locked_until=now() + timedelta(seconds=30))

    response = post(client, "one")

    assert (response.status_code, response.json()["code"]) == (409, "idempotency_in_progress")
    assert ApiKey.objects.count() == 1


def test_a_claim_that_a_dead_process_left_is_taken_over(owner):
    left = claim(owner)
    StoredAnswer.objects.update(locked_until=now() - timedelta(seconds=1))

    taken = claim(owner)

    assert taken.pk == left.pk
    with pytest.raises(IdempotencyInProgress):  # it lives after all: its work is rolled back
        keep_answer(left, status=201, body="{}")
    keep_answer(taken, status=201, body='{"by": "second"}')
    assert claim(owner).body.reveal() == '{"by": "second"}'


def test_callers_are_told_apart(organization):
    one, other = actor_in(organization), actor_in(organization)

    assert caller_of(one) != caller_of(other)
    assert claim(one).pk != claim(other).pk


def test_old_answers_go_in_batches(owner):
    for number in range(5):
        row = claim_answer(**scope(owner), key=str(number), digest="d")
        keep_answer(row, status=201, body="")
    StoredAnswer.objects.exclude(key="4").update(expires_at=now())

    assert BATCH >= 100
    assert delete_old_answers(batch=3) == 4
    upkeep()
    assert StoredAnswer.objects.get().key == "4"


@pytest.mark.django_db(transaction=True)
def test_many_at_once_do_the_work_once(organization):
    user, _ = person_in(organization)

    def send():
        client = Client()
        client.force_login(user)
        return post(client, "one")

    answers = at_once(*[send] * 5)

    statuses = sorted(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}, [answer.content for answer in answers]
    assert statuses[0] == 201
    tokens = {answer.json()["token"] for answer in answers if answer.status_code == 201}
    assert len(tokens) == ApiKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_left_claim_is_taken_over_by_one_of_many(organization):
    owner = actor_in(organization)
    claim(owner)
    StoredAnswer.objects.update(locked_until=now() - timedelta(seconds=1))

    outcomes = at_once(*[lambda: claim(owner)] * 4)

    assert sum(isinstance(each, StoredAnswer) for each in outcomes) == 1
    assert sum(isinstance(each, IdempotencyInProgress) for each in outcomes) == 3


def test_every_post_of_the_api_knows_the_key():
    """Those of persons too; allauth's own, under `auth/`, are held by their session's state."""
    posts = [name.split(" ")[1] for name in DOORS if name.startswith("POST /api/v1/")]
    views = {}
    for address in posts:
        path = address.replace("<pk>", str(uuid7())).replace("<trace_id>", "0" * 32)
        views[address] = getattr(resolve(path).func, "cls", None)

    assert len(views) > 20
    assert [at for at, view in views.items() if not issubclass(view, AnsweringOnce)] == []
    assert {"/api/v1/organizations/", "/api/v1/invitations/mine/<pk>/accept/"} <= set(views)


def test_a_person_founds_an_organization_once():
    client = Client()
    client.force_login(UserFactory())

    first, again = (
        client.post(
            "/api/v1/organizations/",
            {"name": "Northwind"},
            content_type="application/json",
            headers={"Idempotency-Key": "one"},
        )
        for _ in range(2)
    )

    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Organization.objects.filter(name="Northwind").count() == 1
