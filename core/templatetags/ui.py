"""What templates need to speak the product's language: money, states, node kinds, times."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.template import Context, Engine
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from core.palette import BRAND, STYLESHEETS, palette_style
from core.trace import peek_trace_id
from core.ui import Panel

register = template.Library()

NANOS = 1_000_000_000
NODE_ICONS = {
    "start": "play_arrow",
    "end": "flag",
    "answer": "chat_bubble",
    "llm": "auto_awesome",
    "if-else": "call_split",
    "code": "code",
    "template-transform": "text_snippet",
    "http-request": "language",
    "variable-aggregator": "merge",
    "human-input": "how_to_reg",
    "tool": "build",
    "iteration": "repeat",
    "iteration-start": "play_arrow",
    "loop": "loop",
    "loop-start": "play_arrow",
    "loop-end": "last_page",
    "assigner": "edit_note",
    "wait": "hourglass_empty",
    "sub-workflow": "account_tree",
    "on-cancel": "cleaning_services",
}
NODE_NAMES: dict[str, StrOrPromise] = {
    "start": _("Start"),
    "end": _("End"),
    "answer": _("Answer"),
    "llm": _("Model"),
    "if-else": _("Branch"),
    "code": _("Code"),
    "template-transform": _("Template"),
    "http-request": _("HTTP request"),
    "variable-aggregator": _("Aggregator"),
    "human-input": _("Approval"),
    "tool": _("Tool"),
    "iteration": _("Iteration"),
    "iteration-start": _("Start of a round"),
    "loop": _("Loop"),
    "loop-start": _("Start of a round"),
    "loop-end": _("End of the loop"),
    "assigner": _("Assignment"),
    "wait": _("Wait"),
    "sub-workflow": _("Sub-workflow"),
    "on-cancel": _("On cancellation"),
}
# The first mark that occurs wins: Edge and Opera also say Chrome, Chrome also says Safari.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
)
SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)
STATES: dict[str, StrOrPromise] = {
    "draft": _("Draft"),
    "published": _("Published"),
    "archived": _("Archived"),
    "in-review": _("In review"),
    "queued": _("Queued"),
    "running": _("Running"),
    "waiting": _("Waiting"),
    "succeeded": _("Succeeded"),
    "partial-succeeded": _("Partly succeeded"),
    "failed": _("Failed"),
    "exception": _("Handled failure"),
    "cancelled": _("Cancelled"),
    "skipped": _("Skipped"),
    "open": _("Open"),
    "claimed": _("Claimed"),
    "done": _("Done"),
    "expired": _("Expired"),
    "approved": _("Approved"),
    "rejected": _("Rejected"),
    "held": _("Held"),
    "held-back": _("Held back"),
    "scheduled": _("Scheduled"),
    "paused": _("Paused"),
    "parked": _("Parked"),
    "terminated": _("Terminated"),
    "timed-out": _("Timed out"),
    "started": _("Started"),
    "refused": _("Refused"),
    "replayed": _("Replayed"),
    "captured": _("Captured"),
    "released": _("Released"),
    "active": _("Active"),
    "revoked": _("Revoked"),
}


@register.filter
def money(nanos: int | None, places: int | None = None) -> str:
    """Nanos as dollars: exact with at least two decimals, or rounded to `places`."""
    if nanos is None:
        return "–"
    sign = "−" if nanos < 0 else ""
    if places is not None:
        return f"{sign}${abs(nanos) / NANOS:,.{places}f}"
    whole, rest = divmod(abs(nanos), NANOS)
    decimals = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{sign}${whole:,}.{decimals}"


@register.filter
def nodeicon(kind: str) -> str:
    return NODE_ICONS.get(kind, "widgets")


@register.filter
def nodename(kind: str) -> StrOrPromise:
    """What people call a kind of node; the kind itself where we know none."""
    return NODE_NAMES.get(kind, kind)


@register.filter
def duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "–"
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"


@register.filter
def initials(name: str) -> str:
    parts = name.replace("@", " ").replace(".", " ").split()
    return "".join(part[0] for part in parts[:2]).upper() or "?"


@register.filter
def pretty(value: Any) -> str:
    """Any JSON value, indented, for a code block."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def plain(number: float) -> str:
    """A number for an attribute: never localised."""
    return f"{number:g}"


@register.filter
def state_label(state: str) -> StrOrPromise:
    key = str(state).replace("_", "-")
    return STATES.get(key, key.replace("-", " ").capitalize())


@register.filter
def stateword(value: str) -> StrOrPromise:
    """The state alone, for where a badge cannot stand."""
    return state_label(str(value).replace("_", "-"))


@register.simple_tag
def state(value: str) -> SafeString:
    """`{% state run.state %}`: the badge of a run, node, task, version or key."""
    key = str(value).replace("_", "-")
    return format_html(
        '<span class="ui-badge {}" data-state="{}">{}</span>', key, key, state_label(key)
    )


@register.simple_tag
def run_state(value: str) -> SafeString:
    """`{% run_state run.state %}`: a run that is held is not what a wallet holds."""
    return state("held-back" if value == "held" else value)


@register.simple_tag
def ago(when: datetime | None) -> SafeString | str:
    """`{% ago run.created_at %}`: relative, with the exact time on hover."""
    if when is None:
        return "–"
    exact = formats.date_format(timezone.localtime(when), "DATETIME_FORMAT")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        when.isoformat(),
        f"{exact} {timezone.localtime(when).tzname()}",
        naturaltime(when),
    )


@register.simple_tag
def icon(name: str) -> SafeString:
    """A symbol of the shipped icon font, hidden from screen readers."""
    return format_html('<span class="material-symbols-outlined" aria-hidden="true">{}</span>', name)


@register.simple_tag
def ui_palette() -> SafeString:
    """The palette as a style sheet, which the policy knows by its hash.

    Error pages have no request, so no context to read it from.
    """
    # Our own constants only: nothing here comes from outside.
    return mark_safe(palette_style())  # nosec B308 B703 # noqa: S308 - our own palette


@register.simple_tag
def ui_stylesheets() -> tuple[str, ...]:
    return STYLESHEETS


@register.simple_tag
def ui_brand() -> str:
    return BRAND


@register.simple_tag
def trace_id() -> str:
    """The trace of the request that failed, for an error page."""
    return peek_trace_id()


@register.filter
def browser(agent: str) -> str:
    """Browser and system out of a User-Agent header; its first word where it says neither."""
    first = agent.partition("/")[0]
    name = next((label for mark, label in BROWSERS if mark in agent), first)
    system = next((label for mark, label in SYSTEMS if mark in agent), "")
    if not system:
        return name or gettext("Unknown")
    return gettext("%(browser)s on %(system)s") % {"browser": name, "system": system}


@register.simple_tag(takes_context=True)
def may(context: Context, verb: str) -> bool:
    """`{% may "run.control" as allowed %}`: whether the reader holds `verb`, to show a control.

    The view behind the control asks again.
    """
    shell = context.get("shell")
    return shell.may(verb) if shell is not None else False


@register.filter(name="is")
def is_same(value: object, other: object) -> bool:
    """Equality as a filter, for `{% with %}`."""
    return value == other


@register.filter
def at(values: Mapping[Any, Any], key: object) -> Any:
    """What a mapping holds under a key that a template only has as a variable; None: nothing."""
    return values.get(key)


@register.simple_tag(takes_context=True)
def ui_panel(context: Context, panel: Panel, values: Mapping[str, Any]) -> SafeString:
    """A panel's template with what it read: each value by its name, and all of them as `panel`."""
    engine = context.template.engine if context.template else Engine.get_default()
    with context.push(**values, panel=values):
        return engine.get_template(panel.template).render(context)
