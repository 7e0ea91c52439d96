"""The operators' console over every model of every room."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse

from accounts.tests.factories import UserFactory
from config.unfold import navigation
from core.admin import ReadOnlyAdmin

pytestmark = pytest.mark.django_db

ROOMS = ("accounts", "audit", "billing", "bpm", "files", "llm", "orgs", "workflows")
REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label_lower)
APPEND_ONLY = (
    "audit.entry",
    "billing.ledgerentry",
    "billing.usagerecord",
    "bpm.decision",
    "workflows.event",
    "workflows.runwait",
    "workflows.signal",
)


def name_of(model):
    return model._meta.label_lower


def place(model, view):
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}"


@pytest.fixture
def operator(client):
    user = UserFactory(is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


@pytest.mark.parametrize("model", REGISTERED, ids=name_of)
def test_list_search_and_form_of_every_model_answer(client, operator, model):
    listing = reverse(place(model, "changelist"))

    assert client.get(listing).status_code == 200
    if admin.site._registry[model].search_fields:
        assert client.get(listing, {"q": "x"}).status_code == 200
    adding = client.get(reverse(place(model, "add"))).status_code
    allowed = admin.site._registry[model].has_add_permission
    assert adding in {200, 403}
    assert callable(allowed)


@pytest.mark.parametrize("model", REGISTERED, ids=name_of)
def test_every_model_wears_the_consoles_look(model):
    from unfold.admin import ModelAdmin  # noqa: PLC0415

    assert isinstance(admin.site._registry[model], ModelAdmin)


def test_every_model_of_ours_can_be_looked_at():
    ours = {model for room in ROOMS for model in apps.get_app_config(room).get_models()}
    inlined = {
        inline.model
        for registered in admin.site._registry.values()
        for inline in registered.inlines
    }

    missing = {name_of(model) for model in ours - inlined - set(REGISTERED)}

    assert missing <= {"bpm.candidate"}, missing


@pytest.mark.parametrize("model", [m for m in REGISTERED if name_of(m) in APPEND_ONLY], ids=name_of)
def test_nobody_writes_what_is_append_only(client, operator, model):
    registered = admin.site._registry[model]

    assert isinstance(registered, ReadOnlyAdmin)
    assert client.get(reverse(place(model, "add"))).status_code == 403
    assert client.post(reverse(place(model, "add")), {}).status_code == 403
    assert "delete_selected" not in registered.get_actions(request_of(operator))
    assert not model.objects.exists()


def request_of(user):
    from django.test import RequestFactory  # noqa: PLC0415

    request = RequestFactory().get("/admin/")
    request.user = user
    return request


def test_the_sidebar_holds_every_registered_model_once(operator):
    links = [item["link"] for group in navigation(request_of(operator)) for item in group["items"]]

    assert sorted(links) == sorted(
        [
            reverse("admin:index"),
            reverse("admin_trace"),
            *(reverse(place(model, "changelist")) for model in REGISTERED),
        ]
    )


def test_the_sidebar_holds_only_what_an_operator_may_see(client):
    user = UserFactory(is_staff=True)

    groups = navigation(request_of(user))

    assert [item["link"] for group in groups for item in group["items"]] == [reverse("admin:index")]


def test_the_first_page_answers(client, operator):
    text = client.get(reverse("admin:index")).content.decode()

    assert "ui-console" in text
    assert "ui/app.css" in text


def test_the_console_is_closed_to_members(client):
    client.force_login(UserFactory())

    response = client.get(reverse("admin:index"))

    assert response.status_code in {302, 403}
