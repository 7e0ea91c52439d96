"""What an organization's pages share: their tabs."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context
from django.urls import reverse

from orgs.access import can
from orgs.models import Role, SupportAccess
from orgs.tabs import tabs

register = template.Library()


@register.inclusion_tag("orgs/_tabs.html", takes_context=True)
def organization_tabs(context: Context) -> dict[str, Any]:
    """The tabs the reader may open; the longest address that leads to this page is marked."""
    request = context["request"]
    rows = [(tab.label, reverse(tab.url_name)) for tab in tabs() if can(request.actor, tab.verb)]
    here = [url for _, url in rows if request.path.startswith(url)]
    active = max(here, key=len, default="")
    return {"tabs": [{"label": label, "url": url, "active": url == active} for label, url in rows]}


@register.filter
def role_name(role: str) -> str:
    """The label of a stored role, in the reader's language."""
    return str(Role(role).label) if role in Role.values else role


@register.filter
def level_name(level: str) -> str:
    """The label of a stored level of support, in the reader's language."""
    levels = SupportAccess.Level
    return str(levels(level).label) if level in levels.values else level
