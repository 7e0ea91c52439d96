"""What is declared of the operators' console: every view of every model, by permission."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import RequestFactory

from tests.doors import REFUSED
from tests.matrix import routes
from tests.matrix.callers import Caller
from tests.matrix.knocking import same_cookies, text_of, undone
from tests.matrix.walking import Findings, Worlds, judge, untouched

SIGN_IN = 302
LETTERS = {"view": "v", "add": "a", "change": "c", "delete": "d"}
SUPERUSERS_ALONE = frozenset({"auth.Group", "account.EmailAddress",
                              "usersessions.UserSession",
                              "socialaccount.SocialAccount"})  # fmt: skip
"""Whoever writes here could become anybody: a permission of the model does not suffice."""

MODELS: dict[str, str] = {
    "audit.Entry": "v",
    "audit.Chain": "v",
    "audit.DailyCount": "v",
    "audit.Seal": "v",
    "audit.SealedEntry": "v",
    "accounts.User": "vac",
    "accounts.Letter": "v",
    "accounts.SecurityEvent": "v",
    "accounts.TokenFamily": "v",
    "auth.Group": "vacd",
    "account.EmailAddress": "vacd",
    "mfa.Authenticator": "v",
    "usersessions.UserSession": "vd",
    "socialaccount.SocialAccount": "vd",
    "orgs.Organization": "v",
    "orgs.Membership": "v",
    "orgs.ApiKey": "v",
    "orgs.StoredAnswer": "v",
    "orgs.Project": "v",
    "orgs.Team": "v",
    "orgs.Invitation": "v",
    "orgs.SupportAccess": "va",
    "orgs.SsoConnection": "v",
    "orgs.SsoDomain": "v",
    "billing.Wallet": "v",
    "billing.Hold": "v",
    "billing.LedgerEntry": "v",
    "billing.UsageRecord": "v",
    "billing.Price": "vacd",
    "bpm.HumanTask": "v",
    "bpm.ProcessInfo": "v",
    "bpm.Decision": "v",
    "bpm.Comment": "v",
    "bpm.Definition": "v",
    "bpm.DefinitionVersion": "v",
    "files.StoredFile": "v",
    "files.Export": "v",
    "files.Archive": "v",
    "llm.Provider": "vacd",
    "llm.Model": "vacd",
    "workflows.Workflow": "vcd",
    "workflows.WorkflowVersion": "v",
    "workflows.Run": "v",
    "workflows.BulkCommand": "v",
    "workflows.Event": "v",
    "workflows.RollupHour": "v",
    "workflows.RunLog": "v",
    "workflows.RunTag": "v",
    "workflows.RunValue": "v",
    "workflows.RunWait": "v",
    "workflows.Signal": "v",
    "workflows.RunPolicy": "v",
    "workflows.ConcurrencySlot": "v",
    "workflows.NodeRateLimit": "v",
    "workflows.Trigger": "v",
    "workflows.TriggerFiring": "v",
    "workflows.WorkerProcess": "v",
    "django_celery_beat.PeriodicTask": "vacd",
    "django_celery_beat.IntervalSchedule": "vacd",
    "django_celery_beat.CrontabSchedule": "vacd",
    "django_celery_beat.ClockedSchedule": "vacd",
}
"""Every model of the console: what a superuser may do with it (view, add, change, delete)."""

_RESET = "accounts.reset_factors"
PLACES: dict[str, tuple[int, int, int, str]] = {
    "GET /admin/": (SIGN_IN, 200, 200, ""),
    "POST /admin/": (SIGN_IN, 200, 200, ""),
    "GET /admin/(?P<url>.*)$": (SIGN_IN, 404, 404, ""),
    "POST /admin/(?P<url>.*)$": (SIGN_IN, 404, 404, ""),
    "GET /admin/<app_label>/": (SIGN_IN, 404, 404, ""),
    "POST /admin/<app_label>/": (SIGN_IN, 404, 404, ""),
    "GET /admin/accounts/user/<object_id>/reset-factors/": (SIGN_IN, 403, 200, _RESET),
    "POST /admin/accounts/user/<object_id>/reset-factors/": (SIGN_IN, 403, 200, _RESET),
    "GET /admin/autocomplete/": (SIGN_IN, 403, 403, ""),
    "POST /admin/autocomplete/": (SIGN_IN, 405, 405, ""),
    "GET /admin/billing/wallet/<object_id>/adjust/": (SIGN_IN, 403, 200, "billing.change_wallet"),
    "POST /admin/billing/wallet/<object_id>/adjust/": (SIGN_IN, 403, 200, "billing.change_wallet"),
    "GET /admin/billing/wallet/<object_id>/top-up/": (SIGN_IN, 403, 200, "billing.change_wallet"),
    "POST /admin/billing/wallet/<object_id>/top-up/": (SIGN_IN, 403, 200, "billing.change_wallet"),
    "GET /admin/jsi18n/": (SIGN_IN, 200, 200, ""),
    "POST /admin/jsi18n/": (SIGN_IN, 405, 405, ""),
    "GET /admin/login/": (SIGN_IN, 302, 302, ""),
    "POST /admin/login/": (SIGN_IN, 200, 200, ""),
    "GET /admin/logout/": (SIGN_IN, 405, 405, ""),
    "POST /admin/logout/": (SIGN_IN, 200, 200, ""),
    "GET /admin/password_change/": (SIGN_IN, 200, 200, ""),
    "POST /admin/password_change/": (SIGN_IN, 200, 200, ""),
    "GET /admin/password_change/done/": (SIGN_IN, 200, 200, ""),
    "POST /admin/password_change/done/": (SIGN_IN, 405, 405, ""),
    "GET /admin/r/<content_type_id>/<object_id>/": (SIGN_IN, 404, 404, ""),
    "POST /admin/r/<content_type_id>/<object_id>/": (SIGN_IN, 404, 404, ""),
    "GET /admin/trace/": (SIGN_IN, 403, 200, "audit.view_entry"),
    "POST /admin/trace/": (SIGN_IN, 405, 405, ""),
    "GET /admin/search/": (SIGN_IN, 200, 200, ""),
    "POST /admin/search/": (SIGN_IN, 200, 200, ""),
}  # fmt: skip
"""What is no view of a model: who is no operator, an operator, one who may; and the permission."""


def undeclared() -> list[str]:
    """Models and places of the console that stand nowhere here, or here alone."""
    registered = {model._meta.label for model in admin.site._registry}
    served = {f"{method} {place}" for place, kind in routes.console().items() if place == kind
              for method in ("GET", "POST")}  # fmt: skip
    return sorted((registered ^ set(MODELS)) | (served ^ set(PLACES)))


def names() -> list[str]:
    """`GET /admin/orgs/apikey/<object_id>/change/` and all the others."""
    return [f"{method} {place}" for place in routes.console() for method in ("GET", "POST")]


def walk(caller: Caller, worlds: Worlds, findings: Findings) -> None:
    for name in names():
        method, place = name.split(" ", 1)
        where = f"{caller.name} at {name}"
        url = _address(place, worlds)
        with undone() as seen, same_cookies(caller.client):
            response = caller.client.generic(method, url)
            judge(where, response, expected(caller, method, place), findings)
            untouched(where, response, seen, worlds, findings, None)
            if response.status_code != 200 or caller.operator is None:
                _silent(where, response, worlds, findings)


def _silent(where: str, response: Any, worlds: Worlds, findings: Findings) -> None:
    text = text_of(response)
    for world in worlds:
        if world.mark in text:
            findings.note(where, f"shows the mark of {world.mark}")


def _address(place: str, worlds: Worlds) -> str:
    kind = routes.console()[place]
    label = kind.partition(":")[0] if kind != place else ""
    if "/billing/wallet/" in place:
        label = "billing.Wallet"
    if "/accounts/user/" in place:
        label = "accounts.User"
    row = _rows(label).order_by("pk").first() if label else None
    key = str(row.pk) if row is not None else routes.PLACE
    return place.replace("<object_id>", key).replace("(?P<url>.*)$", "nowhere/")


def _rows(label: str) -> Any:
    """What the console shows of the model: groups behind teams, say, are not among them."""
    request = RequestFactory().get("/")
    request.user = get_user_model()(is_staff=True, is_superuser=True)
    return admin.site._registry[apps.get_model(label)].get_queryset(request)


def expected(caller: Caller, method: str, place: str) -> set[int]:
    user = caller.operator
    kind = routes.console()[place]
    if kind == place:
        nobody, operator, allowed, permission = PLACES[f"{method} {place}"]
        if user is None:
            return {nobody, REFUSED} if place == "/admin/login/" else {nobody}
        may = user.is_superuser or (permission and user.has_perm(permission))
        return {allowed if may else operator}
    if user is None:
        return {SIGN_IN}
    label, _, what = kind.partition(":")
    return _of_model(rights_of(user, label), what, method, label)


def rights_of(user: Any, label: str) -> set[str]:
    """The letters that are both declared for the model and permitted to the operator."""
    declared = set(MODELS.get(label, ""))
    if user.is_superuser:
        return declared
    app, model = label.lower().split(".")
    held = {letter for name, letter in LETTERS.items() if user.has_perm(f"{app}.{name}_{model}")}
    held |= {"v"} if "c" in held else set()
    return declared & held & (set("v") if label in SUPERUSERS_ALONE else set("vacd"))


def _of_model(rights: set[str], what: str, method: str, label: str) -> set[int]:
    """An empty form is shown again (200), or, where nothing is asked, has done its work (302)."""
    exists = _rows(label).exists()
    gone = set() if exists or what in {"list", "add"} else {SIGN_IN}
    if what == "object":
        return {SIGN_IN}
    if what == "history" and gone:
        return gone
    if method == "POST" and what in {"add", "change", "delete", "list"}:
        letter = {"add": "a", "change": "c", "delete": "d", "list": "v"}[what]
        done = {200, 302} if letter in rights else {REFUSED}
        return done | (gone if rights else set())
    letter = {"add": "a", "delete": "d"}.get(what, "v")
    allowed = letter in rights
    return ({200} if allowed else {REFUSED}) | (gone if rights else set())
