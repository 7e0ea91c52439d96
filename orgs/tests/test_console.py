"""What operators write in the console stands in the organization's trail, without values."""

import pytest
from django.test import Client

from accounts.tests.factories import UserFactory
from audit.models import Entry
from llm.models import Provider
from llm.tests.factories import ProviderFactory

pytestmark = pytest.mark.django_db
SECRET = "sk-canary-0123456789abcdef"


@pytest.fixture
def operator():
    return UserFactory(is_staff=True, is_superuser=True)


@pytest.fixture
def client(operator):
    client = Client()
    client.force_login(operator)
    return client


def form_of(provider, **changes):
    fields = {"organization": provider.organization_id, "name": provider.name, "kind": "openai"}
    fields |= {"base_url": provider.base_url, "limit_parameter": "max_tokens", "enabled": "on"}
    management = {"models-TOTAL_FORMS": "0", "models-INITIAL_FORMS": "0"}
    return fields | management | changes


def test_a_change_is_recorded_under_the_operator_without_the_secret(client, operator):
    provider = ProviderFactory()
    url = f"/admin/llm/provider/{provider.pk}/change/"

    response = client.post(url, form_of(provider, name="Renamed", api_key=SECRET))

    assert response.status_code == 302, response.context["errors"]
    entry = Entry.objects.get(action="console.llm.provider.changed")
    assert (entry.actor_id, entry.organization_id) == (operator.pk, provider.organization_id)
    assert "name" in str(entry.data).lower()
    assert SECRET not in str(Entry.objects.values())


def test_deleting_is_recorded_one_by_one_and_in_bulk(client):
    one, two = ProviderFactory(), ProviderFactory()
    client.post(f"/admin/llm/provider/{one.pk}/delete/", {"post": "yes"})
    bulk = {"action": "delete_selected", "_selected_action": [two.pk], "post": "yes"}
    client.post("/admin/llm/provider/", bulk)

    assert not Provider.objects.exists()
    entries = Entry.objects.filter(action="console.llm.provider.deleted")
    assert {entry.target_id for entry in entries} == {str(one.pk), str(two.pk)}


def test_a_refused_form_leaves_no_entry(client):
    provider = ProviderFactory()

    client.post(f"/admin/llm/provider/{provider.pk}/change/", form_of(provider, name=""))

    assert not Entry.objects.exists()
