"""How mail looks: as text and as a page, in the language of who is meant, with absolute links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string, select_template
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, override

from accounts.models import User
from accounts.notifications import Kind
from accounts.unsubscribing import token_for
from core.palette import BRAND

PLAIN = "mail/plain.html"
"""The page of a mail that has only a text, as most of allauth's."""


def compose(
    template: str,
    to: str,
    context: Mapping[str, Any],
    *,
    language: str = "",
    headers: Mapping[str, str] | None = None,
    foot: Mapping[str, Any] | None = None,
) -> EmailMultiAlternatives:
    """Render `<template>_subject.txt`, `_message.txt` and, where there is one, `_message.html`.

    Times are shown in UTC. `link` in the context is what the page's button leads to.
    """
    with (
        override(language or get_language() or settings.LANGUAGE_CODE),
        timezone.override(ZoneInfo("UTC")),
    ):
        site = {"name": BRAND, "domain": settings.PUBLIC_URL}
        around = {"brand": BRAND, "language": get_language(), "current_site": site, **context}
        around["foot"] = foot
        subject = one_line(render_to_string(f"{template}_subject.txt", around))
        text = render_to_string(f"{template}_message.txt", around).strip() + "\n"
        around |= {"subject": subject, "text": text}
        page = select_template([f"{template}_message.html", PLAIN]).render(around)
        if (link := context.get("link")) and link not in text:
            text += f"\n{link}\n"
        if foot:
            text += "\n" + render_to_string("mail/foot.txt", around).strip() + "\n"
    letter = EmailMultiAlternatives(
        subject_line(subject), text, to=[to], headers={"Auto-Submitted": "auto-generated"}
    )
    letter.extra_headers.update(headers or {})
    letter.attach_alternative(page, "text/html")
    return letter


def one_line(text: str) -> str:
    """What people named, fit for a header.

    A line break there would keep the letter from going. What looks like an encoded word (RFC 2047)
    is broken up, or mail programs would decode what somebody hid in a name.
    """
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.replace("=?", "= ?").split())


def subject_line(subject: str) -> str:
    return f"[{BRAND}] {subject}"


def send_mail_to(template: str, to: str, context: Mapping[str, Any], language: str = "") -> None:
    """At once, for what may be stored nowhere, such as a link's secret; else `write_letter`.

    Raises what the mailer does.
    """
    compose(template, to, context, language=language).send()


def address(name: str, *arguments: Any) -> str:
    """The absolute address of a page: a worker has no request to ask."""
    return absolute(reverse(name, args=arguments))


def absolute(path: str) -> str:
    return urljoin(f"{settings.PUBLIC_URL}/", path)


def message_id(name: object) -> str:
    """The same at every attempt, so that a mailbox can tell a repetition."""
    return f"<{name}@{urlsplit(settings.PUBLIC_URL).hostname or 'localhost'}>"


def way_out(user: User, kind: Kind) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """What the foot says and the headers of RFC 2369 and 8058, for a kind that can be turned off.

    A mail program's own button posts to the address without asking anybody.
    """
    if kind.always:
        return None, {}
    off = address("account_notification_off", token_for(user.pk, kind.name))
    foot = {"label": kind.label, "off": off, "all": address("account_notifications")}
    return foot, {
        "List-Unsubscribe": f"<{off}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
