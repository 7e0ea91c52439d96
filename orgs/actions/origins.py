"""Which web pages of others may call the API for an organization."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from django.db import transaction
from django.utils.translation import gettext as _

from audit.actions import record
from core.errors import InvalidInput
from orgs.access import Actor, require
from orgs.models import Organization
from orgs.origins import forget_origins

MOST = 20
_HOST = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ORIGIN = re.compile(
    rf"https://{_HOST}(?:\.{_HOST})*(?::[1-9]\d{{0,4}})?"
    r"|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[1-9]\d{0,4})?",
    re.ASCII,
)


@transaction.atomic
def set_cors_origins(*, actor: Actor, origins: Sequence[str]) -> Organization:
    """Replace the list. An origin is `https://host[:port]`, or http on this very machine.

    Raises InvalidInput: no wildcard, no path, nothing that a browser would not send as it stands.
    """
    require(actor, "org.manage")
    wanted = list(dict.fromkeys(origin.strip().rstrip("/").lower() for origin in origins))
    _check(wanted)
    organization = Organization.objects.select_for_update().get(pk=actor.organization_id)
    before = organization.cors_origins
    if wanted == before:
        return organization
    organization.cors_origins = wanted
    organization.save(update_fields=["cors_origins", "updated_at"])
    record(
        "orgs.organization.origins_changed",
        actor=actor,
        target_type="organization",
        target_id=organization.pk,
        summary=organization.name,
        data={"before": before, "after": wanted},
    )
    transaction.on_commit(partial(forget_origins, organization.pk))
    return organization


def _check(origins: Sequence[str]) -> None:
    if len(origins) > MOST:
        raise InvalidInput(_("Too many origins."), most=MOST)
    for origin in origins:
        if len(origin) > 255 or not _ORIGIN.fullmatch(origin) or _port_of(origin) > 65535:
            raise InvalidInput(
                _("An origin looks like https://app.example.com, without a path."),
                origin=origin[:255],
            )


def _port_of(origin: str) -> int:
    port = origin.rpartition(":")[2]
    return int(port) if port.isdecimal() else 0
