"""What the console could tell beside its pages: by filters, choices and actions."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.tests.factories import UserFactory
from core.logs import is_secret_name
from core.secrets import SecretField
from tests.matrix.console import MODELS
from tests.matrix.knocking import signed_in, text_of, undone
from tests.matrix.walking import Findings, Worlds

HARMLESS = frozenset({"prove_now"})
"""Actions for whoever may look: they keep what a check found out, and nothing else."""
HIDDEN = {"accounts.User": {"password"}, "orgs.ApiKey": {"digest"}, "mfa.Authenticator": {"data"}}


def everything(worlds: Worlds, findings: Findings) -> None:
    top = UserFactory(email="top@example.com", is_staff=True, is_superuser=True)
    bare = UserFactory(email="bare@example.com", is_staff=True)
    _filters(signed_in(top), findings)
    _choices(signed_in(bare), worlds, findings)
    looker = UserFactory(email="looker@example.com", is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    worlds.settle()
    _actions(looker, worlds, findings)


def secrets_of(model: Any) -> set[str]:
    """Fields whose values nobody may read, superusers included."""
    named = HIDDEN.get(model._meta.label, set())
    return named | {
        field.name
        for field in model._meta.concrete_fields
        if isinstance(field, SecretField)
        or (is_secret_name(field.name) and not field.attname.endswith(("_id", "_at")))
    }


def _filters(client: Client, findings: Findings) -> None:
    """A list filtered by a secret would answer it letter by letter."""
    for model in admin.site._registry:
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for path in _paths_to_secrets(model):
            with undone():
                answer = client.get(address, {f"{path}__startswith": "a"})
            findings.pairs += 1
            if answer.status_code not in {302, 400} or answer.headers.get("Location") == address:
                findings.note(f"GET {address}?{path}__startswith", f"{answer.status_code}, not 400")


def _paths_to_secrets(model: Any) -> list[str]:
    near = sorted(secrets_of(model))
    far = [
        f"{field.name}__{name}"
        for field in model._meta.concrete_fields
        if field.is_relation
        for name in sorted(secrets_of(field.related_model))
    ]
    return near + far


def _choices(client: Client, worlds: Worlds, findings: Findings) -> None:
    """What an operator may not see is not offered to them as a choice either."""
    for model, owner in admin.site._registry.items():
        inlines = [(inline.model, inline.autocomplete_fields) for inline in owner.inlines]
        for place, names in [(model, owner.autocomplete_fields), *inlines]:
            for name in names:
                asked = {
                    "app_label": place._meta.app_label,
                    "model_name": place._meta.model_name,
                    "field_name": name,
                    "term": worlds.ours.mark,
                }
                with undone():
                    answer = client.get(reverse("admin:autocomplete"), asked)
                findings.pairs += 1
                if answer.status_code != 403 or worlds.ours.mark in text_of(answer):
                    findings.note(f"choices of {place._meta.label}.{name}", "offered")


def _actions(looker: Any, worlds: Worlds, findings: Findings) -> None:
    """Who may only look starts no action, whatever its name."""
    client = signed_in(looker)
    request = RequestFactory().get("/")
    request.user = UserFactory.build(is_superuser=True, is_staff=True)
    for label in MODELS:
        model = apps.get_model(label)
        row = model._base_manager.first()
        if row is None:
            continue
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        names = {"delete_selected", *admin.site._registry[model].get_actions(request)}
        for name in sorted(names - HARMLESS):
            given = {"action": name, "_selected_action": [str(row.pk)], "post": "yes"}
            with undone():
                answer = client.post(address, given)
                findings.pairs += 1
                if answer.status_code >= 500 or worlds.changed():
                    findings.note(f"action {name} at {address}", f"{answer.status_code}, it ran")
