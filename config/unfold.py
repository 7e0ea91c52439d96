"""The operators' console: its look, its sidebar, its first page.

Read by settings, so nothing here may need the app registry before a request comes in.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from config.env import env
from core.palette import BORDER_RADIUS, BRAND, BRAND_ICON, PALETTE, STYLESHEETS

# Group, then the models in it with their symbol. A registered model that is named nowhere is
# listed under System, so that a new one is never out of reach.
GROUPS: tuple[tuple[StrOrPromise, dict[str, str]], ...] = (
    (
        _("Operate"),
        {
            "workflows.run": "play_circle",
            "workflows.event": "list_alt",
            "workflows.runwait": "hourglass_top",
            "workflows.runpolicy": "tune",
            "workflows.concurrencyslot": "key",
            "workflows.noderatelimit": "speed",
            "workflows.runvalue": "database",
            "bpm.humantask": "approval",
            "bpm.processinfo": "rule",
            "bpm.decision": "how_to_reg",
            "bpm.comment": "chat",
            "audit.entry": "history",
            "audit.chain": "link",
            "audit.seal": "verified",
            "audit.sealedentry": "playlist_add_check",
            "audit.dailycount": "bar_chart",
        },
    ),
    (
        _("Workflows"),
        {
            "workflows.workflow": "account_tree",
            "workflows.workflowversion": "layers",
            "workflows.version": "layers",
            "llm.provider": "cloud",
            "llm.model": "neurology",
            "llm.languagemodel": "neurology",
        },
    ),
    (
        _("Finance"),
        {
            "billing.wallet": "account_balance_wallet",
            "billing.ledgerentry": "receipt_long",
            "billing.hold": "lock_clock",
            "billing.usagerecord": "monitoring",
            "billing.usage": "monitoring",
            "billing.price": "sell",
            "billing.modelprice": "sell",
        },
    ),
    (
        _("People"),
        {
            "orgs.organization": "domain",
            "orgs.membership": "badge",
            "orgs.team": "groups",
            "orgs.project": "folder",
            "orgs.invitation": "mail",
            "accounts.user": "person",
            "auth.group": "group",
        },
    ),
    (
        _("Access"),
        {
            "orgs.apikey": "key",
            "orgs.ssoconnection": "passkey",
            "orgs.ssodomain": "domain_verification",
            "socialaccount.socialaccount": "link",
            "orgs.supportaccess": "support_agent",
            "orgs.storedanswer": "replay",
            "account.emailaddress": "mail",
            "mfa.authenticator": "shield_lock",
            "usersessions.usersession": "devices",
            "accounts.tokenfamily": "token",
            "accounts.securityevent": "policy",
            "accounts.letter": "outgoing_mail",
            "guardian.userobjectpermission": "lock_person",
            "guardian.groupobjectpermission": "lock",
        },
    ),
    (
        _("System"),
        {
            "django_celery_beat.periodictask": "schedule",
            "django_celery_beat.intervalschedule": "timer",
            "django_celery_beat.crontabschedule": "event_repeat",
            "django_celery_beat.clockedschedule": "alarm",
            "files.storedfile": "draft",
            "files.archive": "inventory_2",
            "files.export": "ios_share",
            "workflows.workerprocess": "memory",
            "bpm.definition": "account_tree",
            "bpm.definitionversion": "layers",
            "viewflow.process": "schema",
            "viewflow.task": "task",
        },
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar: what is registered and what this operator may see."""
    registry: dict[str, type[Model]] = {
        model._meta.label_lower: model
        for model, model_admin in admin.site._registry.items()  # noqa: SLF001 - no public reading
        if model_admin.has_view_permission(request)
    }
    groups = [
        _group(
            title,
            [(registry.pop(label), symbol) for label, symbol in names.items() if label in registry],
        )
        for title, names in GROUPS
    ]
    groups[-1]["items"] += [_item(model, "table_rows") for model in registry.values()]
    overview = {"title": _("Overview"), "icon": "space_dashboard", "link": reverse("admin:index")}
    groups[0] |= {"separator": False, "items": [overview, *groups[0]["items"]]}
    if request.user.has_perm("audit.view_entry"):
        trace = {"title": _("Trace search"), "icon": "timeline", "link": reverse("admin_trace")}
        groups[0]["items"].insert(1, trace)
    return [group for group in groups if group["items"]]


def _group(title: StrOrPromise, rows: list[tuple[type[Model], str]]) -> dict[str, Any]:
    items = [_item(model, symbol) for model, symbol in rows]
    return {"title": title, "separator": True, "items": items}


def _item(model: type[Model], symbol: str) -> dict[str, Any]:
    label = str(model._meta.verbose_name_plural)
    return {
        "title": label[:1].upper() + label[1:],
        "icon": symbol,
        "link": reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"),
    }


def environment(request: HttpRequest) -> list[str] | None:
    """The badge beside the title, so that nobody mistakes a trial for the real thing."""
    name = env.str("ENVIRONMENT", default="")
    if env.bool("PRODUCTION", default=False):
        return [name, "danger"] if name else None
    return [name or str(_("Local")), "info"]


def served(name: str) -> Callable[[HttpRequest], str]:
    """The address of a static file, asked for late: settings are not ready here."""
    return lambda request: static(name)


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": BRAND,
    "SITE_HEADER": BRAND,
    "SITE_SUBHEADER": _("Operator console"),
    "SITE_SYMBOL": BRAND_ICON,
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": served("ui/favicon.svg")},
    ],
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": True,
    "SHOW_BACK_BUTTON": True,
    "COLORS": PALETTE,
    "BORDER_RADIUS": BORDER_RADIUS,
    "STYLES": [served(name) for name in STYLESHEETS],
    "SCRIPTS": [served("ui/app.js")],
    "ENVIRONMENT": "config.unfold.environment",
    "DASHBOARD_CALLBACK": "core.ui.dashboard_callback",
    "COMMAND": {"search_models": True, "show_history": True},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "config.unfold.navigation",
    },
}
