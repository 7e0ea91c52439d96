"""Letters of organizations: as text and as a page, in the language of who is meant."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import get_language, override

from core.palette import BRAND


def send_letter(name: str, to: str, context: dict[str, Any], language: str = "") -> None:
    """Render `orgs/mail/<name>_…` as text and page, and send it. Raises what the mailer does."""
    with override(language or settings.LANGUAGE_CODE):
        around = {"brand": BRAND, "language": get_language(), **context}
        subject, text = (
            render_to_string(f"orgs/mail/{name}_{part}.txt", around) for part in ("subject", "body")
        )
        around["subject"] = one_line(subject)
        page = render_to_string(f"orgs/mail/{name}_body.html", around)
    letter = EmailMultiAlternatives(around["subject"], text.strip() + "\n", to=[to])
    letter.attach_alternative(page, "text/html")
    letter.send()


def one_line(text: str) -> str:
    """What people named, fit for a subject.

    A line break there would keep the letter from going. What looks like an encoded word (RFC 2047)
    is broken up, or mail programs would decode what somebody hid in a name.
    """
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.replace("=?", "= ?").split())


def address(name: str, *arguments: Any) -> str:
    """The absolute address of a page: a worker has no request to ask."""
    return urljoin(f"{settings.PUBLIC_URL}/", reverse(name, args=arguments))
