"""Files through the REST API."""

import pytest
from asgiref.sync import sync_to_async
from rest_framework.test import APIClient

from files.tests.factories import file_of
from orgs.tests.factories import OrganizationFactory, actor_in, key_in, person_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


def client_of(organization, role="owner"):
    user, _ = person_in(organization, role)
    client = APIClient()
    client.force_login(user)
    return client


def test_lists_the_newest_first_and_by_kind(organization):
    actor = actor_in(organization)
    first, second = file_of(actor), file_of(actor, kind="workflows.source")

    client = client_of(organization, "member")
    everything = client.get("/api/v1/files/").json()["results"]
    sources = client.get("/api/v1/files/", {"kind": "workflows.source"}).json()["results"]

    assert [row["id"] for row in everything] == [str(second.pk), str(first.pk)]
    assert [row["id"] for row in sources] == [str(second.pk)]
    assert "key" not in everything[0]


def test_a_download_is_an_attachment_that_is_not_sniffed(organization):
    file = file_of(
        actor_in(organization), b"<script>", name='流 "程".html', content_type="text/html"
    )

    response = client_of(organization).get(f"/api/v1/files/{file.pk}/download/")

    assert b"".join(response.streaming_content) == b"<script>"
    assert response.headers["Content-Disposition"].startswith("attachment;")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Length"] == "8"
    assert response.headers["Content-Type"] == "text/html"


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("error")
async def test_a_download_is_streamed_by_an_asgi_server_too(async_client):
    content = b"0123456789" * 10_000
    user, file = await sync_to_async(_owner_with_file)(content)
    await async_client.aforce_login(user)

    response = await async_client.get(f"/api/v1/files/{file.pk}/download/")

    chunks = [chunk async for chunk in response]
    assert b"".join(chunks) == content
    assert len(chunks) > 1


def _owner_with_file(content):
    user, actor = person_in(OrganizationFactory())
    return user, file_of(actor, content)


@pytest.mark.parametrize("path", ["", "download/"])
def test_files_of_others_do_not_exist(organization, path):
    foreign = file_of(actor_in(OrganizationFactory()))

    response = client_of(organization).get(f"/api/v1/files/{foreign.pk}/{path}")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_files_of_others_are_not_listed(organization):
    file_of(actor_in(OrganizationFactory()))

    assert client_of(organization).get("/api/v1/files/").json()["results"] == []


@pytest.mark.parametrize("path", ["", "{id}/", "{id}/download/"])
def test_a_guest_is_refused(organization, path):
    file = file_of(actor_in(organization))

    url = f"/api/v1/files/{path}".format(id=file.pk)
    response = client_of(organization, "guest").get(url)

    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("path", ["", "{id}/", "{id}/download/"])
def test_nobody_gets_in_without_signing_in(organization, path):
    file = file_of(actor_in(organization))

    response = APIClient().get(f"/api/v1/files/{path}".format(id=file.pk))

    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize(("scope", "status"), [("file.view", 200), ("run.view", 403)])
def test_a_key_needs_the_scope(organization, scope, status):
    file = file_of(actor_in(organization))
    client = APIClient(headers={"Authorization": f"Bearer {key_in(organization, scope)}"})

    assert client.get(f"/api/v1/files/{file.pk}/download/").status_code == status


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_can_be_changed_through_the_api(organization, method):
    file = file_of(actor_in(organization))
    client = client_of(organization)

    assert getattr(client, method)(f"/api/v1/files/{file.pk}/").status_code == 405
    file.refresh_from_db()
    assert file.name == "note.txt"


def test_a_lost_content_is_answered_with_its_code(organization, settings, tmp_path):
    file = file_of(actor_in(organization))
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        }
    }

    response = client_of(organization).get(f"/api/v1/files/{file.pk}/download/")

    assert (response.status_code, response.json()["code"]) == (410, "file_gone")


def test_operators_see_files_but_cannot_touch_them(organization, admin_client):
    file = file_of(actor_in(organization))

    assert admin_client.get("/admin/files/storedfile/").status_code == 200
    assert admin_client.get("/admin/files/storedfile/add/").status_code == 403
    page = admin_client.post(f"/admin/files/storedfile/{file.pk}/change/", {"name": "other"})
    assert page.status_code == 403
    file.refresh_from_db()
    assert file.name == "note.txt"
