"""Providers and models over HTTP and on their pages."""

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from audit.models import Entry
from billing.models import Price
from core.tests.servers import LocalServer
from llm.models import OFFLINE_MODEL, Model, Provider
from llm.tests.factories import ModelFactory, ProviderFactory, model_at
from llm.tests.upstreams import provider as provider_server
from orgs.tests.factories import OrganizationFactory, person_in

pytestmark = pytest.mark.django_db
SECRET = "sk-very-secret-0123456789"
PROVIDER = {"name": "Mine", "base_url": "https://api.example.com/v1/", "api_key": SECRET}


@pytest.fixture
def organization():
    return OrganizationFactory()


def client_in(organization, role="owner"):
    user, _ = person_in(organization, role)
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def api(organization):
    return client_in(organization)


@pytest.fixture
def browser(client, organization):
    user, _ = person_in(organization, "owner")
    client.force_login(user)
    return client


def test_a_new_organization_has_the_offline_model_with_a_price(api):
    (model,) = api.get("/api/v1/models/").json()["results"]

    assert (model["name"], model["provider_name"]) == (OFFLINE_MODEL, "Offline demonstration")
    assert model["price"]["input"] > 0
    assert api.get("/api/v1/models/").json()["results"] == [model]


def test_a_provider_takes_a_key_and_never_gives_it_out(api):
    created = api.post("/api/v1/providers/", PROVIDER)

    body = created.json()
    assert (created.status_code, body["has_key"], body["base_url"]) == (
        201,
        True,
        "https://api.example.com/v1",
    )
    assert SECRET not in created.content.decode()
    assert SECRET not in api.get("/api/v1/providers/").content.decode()
    stored = Provider.objects.get(name="Mine")
    assert stored.api_key.reveal() == SECRET
    assert SECRET not in str(list(Entry.objects.values_list("data", "summary")))


def test_a_change_without_a_key_keeps_the_stored_one(api, organization):
    row = ProviderFactory(organization=organization, base_url="https://api.example.com/v1")

    answer = api.patch(f"/api/v1/providers/{row.pk}/", {"name": "Other", "api_key": ""})

    row.refresh_from_db()
    assert answer.status_code == 200
    assert (row.name, row.api_key.reveal()) == ("Other", "sk-upstream-1234567890")
    assert Entry.objects.get().data == {"fields": ["name"]}


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/v1", "http://10.0.0.1/v1", "file:///etc", "ftp://x/v1", ""]
)
def test_an_address_that_may_not_be_called_is_refused(api, url):
    answer = api.post("/api/v1/providers/", {**PROVIDER, "base_url": url})

    assert answer.status_code == 400
    assert not Provider.objects.filter(name="Mine").exists()
    assert not Entry.objects.exists()


def test_a_name_is_taken_once(api, organization):
    api.post("/api/v1/providers/", PROVIDER)

    again = api.post("/api/v1/providers/", PROVIDER)

    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    assert Provider.objects.filter(name="Mine").count() == 1


def test_the_connection_is_tried_with_the_official_sdk(api, organization):
    with provider_server() as server:
        row = ProviderFactory(organization=organization, base_url=f"{server.url}/v1")
        answer = api.post(f"/api/v1/providers/{row.pk}/check/")

    assert answer.json() == {"models": ["upstream-test"]}
    (seen,) = server.requests
    assert (seen.method, seen.path) == ("GET", "/v1/models")
    assert seen.headers["Authorization"] == "Bearer sk-upstream-1234567890"


def test_a_connection_that_fails_says_why_and_not_with_what_key(api, organization):
    from aiohttp import web  # noqa: PLC0415

    async def refuse(request):
        return web.json_response({"error": {"message": "no"}}, status=401)

    with LocalServer(refuse) as server:
        row = ProviderFactory(organization=organization, base_url=f"{server.url}/v1")
        refused = api.post(f"/api/v1/providers/{row.pk}/check/")
    gone = api.post(f"/api/v1/providers/{row.pk}/check/")

    assert (refused.status_code, refused.json()["code"]) == (502, "provider_check_failed")
    assert refused.json()["detail"] == {"reason": "HTTP 401"}
    assert (gone.status_code, gone.json()["code"]) == (502, "provider_check_failed")
    assert "sk-upstream" not in (refused.content + gone.content).decode()


def test_a_check_does_not_reach_inside(api, organization, settings):
    row = ProviderFactory(organization=organization, base_url="http://127.0.0.1:5432/v1")
    settings.OUTGOING_ALLOW = []

    answer = api.post(f"/api/v1/providers/{row.pk}/check/")

    assert (answer.status_code, answer.json()["code"]) == (400, "outgoing_refused")


def test_a_model_is_named_with_its_price(api, organization):
    row = ProviderFactory(organization=organization)
    body = {"name": "gpt", "provider": str(row.pk), "input_price": 5, "output_price": 7}

    created = api.post("/api/v1/models/", body)

    assert created.status_code == 201
    assert created.json()["price"] == {"input": 5, "cached_input": 5, "output": 7, "per_call": 0}
    actions = set(Entry.objects.values_list("action", flat=True))
    assert actions == {"llm.model.created", "billing.price.set"}


def test_a_model_cannot_use_somebody_elses_provider(api):
    row = ProviderFactory()
    body = {"name": "gpt", "provider": str(row.pk), "input_price": 5, "output_price": 7}

    assert api.post("/api/v1/models/", body).status_code == 404
    assert not Model.objects.filter(name="gpt").exists()
    assert not Price.objects.filter(model="gpt").exists()


def test_a_model_is_changed_and_deleted(api, organization):
    model = ModelFactory(provider__organization=organization)

    changed = api.patch(f"/api/v1/models/{model.pk}/", {"max_output_tokens": 9, "enabled": False})
    gone = api.delete(f"/api/v1/models/{model.pk}/")

    assert (changed.json()["max_output_tokens"], changed.json()["enabled"]) == (9, False)
    assert gone.status_code == 204
    assert not Model.objects.filter(pk=model.pk).exists()
    assert Entry.objects.count() == 2


def test_a_provider_in_use_and_the_built_in_one_stay(api, organization):
    model = ModelFactory(provider__organization=organization)
    api.get("/api/v1/models/")
    offline = Provider.objects.get(kind="offline")

    for row in (model.provider, offline):
        answer = api.delete(f"/api/v1/providers/{row.pk}/")
        assert (answer.status_code, answer.json()["code"]) == (409, "provider_in_use")

    assert Provider.objects.count() == 2


@pytest.mark.parametrize("kind", ["models", "providers"])
def test_rows_of_other_organizations_are_not_there(api, kind):
    model = model_at("https://api.example.com")
    row = model if kind == "models" else model.provider

    for method in (api.get, api.patch, api.delete):
        assert method(f"/api/v1/{kind}/{row.pk}/").status_code == 404
    assert model.name not in api.get(f"/api/v1/{kind}/").content.decode()


@pytest.mark.parametrize("role", ["builder", "member"])
def test_lesser_roles_read_models_and_change_none(organization, role):
    client = client_in(organization, role)
    model = ModelFactory(provider__organization=organization)

    assert client.get("/api/v1/models/").status_code == 200
    assert client.post("/api/v1/providers/", PROVIDER).status_code == 403
    assert client.patch(f"/api/v1/models/{model.pk}/", {"enabled": False}).status_code == 403
    assert client.delete(f"/api/v1/models/{model.pk}/").status_code == 403
    model.refresh_from_db()
    assert model.enabled


def test_models_cost_the_same_queries_however_many(
    api, organization, django_assert_max_num_queries
):
    row = ProviderFactory(organization=organization)
    for number in range(8):
        ModelFactory(provider=row, name=f"m{number}")
    api.get("/api/v1/models/")

    with django_assert_max_num_queries(6):
        assert len(api.get("/api/v1/models/").json()["results"]) == 9


def test_the_page_lists_models_and_says_what_is_offline(browser, organization):
    ModelFactory(provider__organization=organization)

    text = browser.get(reverse("models")).content.decode()

    assert "offline demonstration model" in text
    assert "gpt-test" in text
    assert "no price" in text
    assert "sk-upstream" not in text


def test_the_forms_create_a_provider_and_a_model_with_prices_in_dollars(browser):
    sent = {**PROVIDER, "limit_parameter": "max_tokens", "enabled": "on"}
    assert browser.post(reverse("provider_new"), sent).status_code == 302
    row = Provider.objects.get(name="Mine")
    model = {
        "name": "gpt",
        "provider": str(row.pk),
        "context_window": 1000,
        "max_output_tokens": 100,
        "input_price": "0.15",
        "output_price": "0.6",
        "enabled": "on",
    }
    assert browser.post(reverse("model_new"), model).status_code == 302

    price = Price.objects.get(model="gpt")
    assert (price.input, price.output) == (150_000_000, 600_000_000)
    assert Model.objects.get(name="gpt").enabled


def test_saving_a_model_sets_a_new_price_only_where_it_changed(browser, organization):
    model = model_at("https://api.example.com", organization=organization)
    url = reverse("model_edit", args=[model.pk])
    form = browser.get(url).context["form"]
    sent = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    sent["provider"] = model.provider_id

    assert browser.post(url, {**sent, "max_output_tokens": 77}).status_code == 302
    assert Price.objects.filter(model=model.name).count() == 1
    assert browser.post(url, {**sent, "output_price": "9"}).status_code == 302
    assert Price.objects.filter(model=model.name).count() == 2
    model.refresh_from_db()
    assert model.max_output_tokens == 100


def test_a_form_that_is_refused_keeps_what_was_typed(browser):
    sent = {**PROVIDER, "base_url": "http://10.0.0.1/v1", "limit_parameter": "max_tokens"}

    answer = browser.post(reverse("provider_new"), sent)

    assert answer.status_code == 400
    assert "not public" in answer.content.decode()
    assert 'value="Mine"' in answer.content.decode()
    assert SECRET not in answer.content.decode()


def test_the_offline_provider_can_be_disabled_and_not_deleted(browser, organization):
    browser.get(reverse("models"))
    row = Provider.objects.get()

    browser.post(reverse("provider_delete", args=[row.pk]))
    browser.post(reverse("provider_edit", args=[row.pk]), {"name": row.name})

    row.refresh_from_db()
    assert not row.enabled


def test_pages_of_other_organizations_are_not_there(browser):
    model = model_at("https://api.example.com")

    assert browser.get(reverse("model_edit", args=[model.pk])).status_code == 404
    assert browser.post(reverse("model_delete", args=[model.pk])).status_code == 404
    assert browser.get(reverse("provider_edit", args=[model.provider_id])).status_code == 404
    assert Model.objects.filter(pk=model.pk).exists()
