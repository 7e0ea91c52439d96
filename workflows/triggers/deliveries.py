"""What comes in at a webhook's address: who is believed, what was delivered before, what starts.

Everything here talks to the database and blocks; `workflows.triggers.hook` calls it from threads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings as django_settings
from django.db import transaction
from django.utils.timezone import now

from core.addresses import plain_address
from core.errors import DomainError, NotFound
from core.jsonsafe import clean
from core.rates import count
from orgs.networks import admits
from workflows.actions.triggers import digest_of
from workflows.errors import (
    HookRateLimited,
    HookRefused,
    HookTooLarge,
    HookUnreadable,
    InvalidRunInput,
    TriggerDisabled,
    ValueTooLarge,
)
from workflows.inputs import start_variables
from workflows.models import Run, Trigger, TriggerFiring
from workflows.triggers.acting import note_failure, note_success
from workflows.triggers.configs import WebhookSettings, webhook_of
from workflows.triggers.firing import Outcome, lock, new_firing, start
from workflows.triggers.mapping import DEEPEST, as_text, fill, look_up
from workflows.triggers.signatures import believed

MAX_BODY = 1024 * 1024
DELIVERIES_PER_MINUTE = 600
REFUSALS_PER_MINUTE = 30
"""Refused deliveries of one webhook that are noted; the rest is only refused."""
LONGEST_ID = 200
DIGITS = 40
"""Of a digest, in hexadecimal: 160 bits tell deliveries apart."""
FORM = "application/x-www-form-urlencoded"
HIDDEN = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
OF_THE_CALLER = (InvalidRunInput, ValueTooLarge)
"""What is wrong with one delivery says nothing against the webhook."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request as it came. `headers` are looked up whatever their case."""

    body: bytes
    headers: Mapping[str, str]
    content_type: str = ""
    query: dict[str, str] = field(default_factory=dict)
    ip: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What a delivery led to. Without a run `answer` is what the sender wants to hear."""

    run: Run | None = None
    replayed: bool = False
    answer: dict[str, Any] = field(default_factory=dict)
    wait_seconds: int = 0


def take_delivery(token: str, delivery: Delivery) -> Taken:
    """Start the run of a delivery, or find the one that it started before.

    Raises NotFound for an address that leads nowhere, HookRefused for whom it does not believe, and
    further DomainErrors. What is refused is noted with its code, and never with what was sent.
    """
    rows = Trigger.objects.select_related("workflow__published", "organization")
    trigger = rows.filter(token_digest=digest_of(token), kind=Trigger.Kind.WEBHOOK).first()
    if trigger is None or trigger.organization.closed_at is not None:
        _count(f"ip:{delivery.ip}", django_settings.API_RATE_ANONYMOUS)
        raise NotFound("There is nothing at this address.")
    try:
        _count(f"hook:{trigger.pk}", DELIVERIES_PER_MINUTE)
        return _take(trigger, webhook_of(trigger), delivery)
    except DomainError as error:
        _note_refusal(trigger, error)
        raise


def _count(name: str, limit: int) -> None:
    verdict = count(name, limit) if limit else None
    if verdict is not None and not verdict.allowed:
        raise HookRateLimited("Too many deliveries.", retry_after=verdict.retry_after)


def _take(trigger: Trigger, settings: WebhookSettings, delivery: Delivery) -> Taken:
    _believe(trigger, settings, delivery)
    if len(delivery.body) > MAX_BODY:
        raise HookTooLarge("The body of a delivery is too large.", limit=MAX_BODY)
    body = read_body(delivery)
    if greeting := _greeting(settings, delivery, body):
        _note(trigger, Outcome.SKIPPED, "greeting")
        return Taken(answer=greeting)
    if not trigger.enabled:
        raise TriggerDisabled("This webhook is switched off.")
    return _fire(trigger, settings, delivery, body)


def _believe(trigger: Trigger, settings: WebhookSettings, delivery: Delivery) -> None:
    """One refusal for all of it: whoever forges a delivery learns nothing."""
    address = plain_address(delivery.ip) if delivery.ip else None
    known = admits(settings.ip_allow, address)
    if not (believed(settings, delivery.headers, delivery.body, _secrets(trigger)) and known):
        raise HookRefused("This delivery is not accepted.")


def _secrets(trigger: Trigger) -> list[str]:
    found = [trigger.secret.reveal()]
    if trigger.previous_until is not None and trigger.previous_until > now():
        found.append(trigger.previous_secret.reveal())
    return found


def read_body(delivery: Delivery) -> Any:
    """JSON or a form as values; {} where there is none. Raises HookUnreadable."""
    kind = delivery.content_type.partition(";")[0].strip().lower()
    if not delivery.body:
        return {}
    try:
        text = delivery.body.decode()
        if kind == FORM:
            return _form(text)
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise HookUnreadable("The body is neither JSON nor a form.") from None
    if not _shallow(found, DEEPEST):
        raise HookUnreadable("The body is nested too deep.", most=DEEPEST)
    return clean(found)


def _form(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=1000):
        if name in found:
            earlier = found[name]
            found[name] = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
        else:
            found[name] = value
    return dict(clean(found))


def _shallow(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inside = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_shallow(each, levels - 1) for each in inside)


def _greeting(settings: WebhookSettings, delivery: Delivery, body: Any) -> dict[str, Any]:
    """What Slack and GitHub send to see whether somebody is there. It starts nothing."""
    is_challenge = isinstance(body, dict) and body.get("type") == "url_verification"
    if settings.scheme == "slack" and is_challenge:
        return {"challenge": str(body.get("challenge", ""))[:1000]}
    if settings.scheme == "github" and delivery.headers.get("X-GitHub-Event") == "ping":
        return {"pong": True}
    return {}


def delivery_key(settings: WebhookSettings, delivery: Delivery, body: Any) -> str:
    """By what a delivery is known when it comes again: its id, or else its content; "": by nothing.

    Content alone is remembered for a window only: the same may be meant twice.
    """
    named = _delivery_id(settings, delivery, body)[:LONGEST_ID]
    if named:
        return f"id:{hashlib.sha256(named.encode()).hexdigest()[:DIGITS]}"
    if not settings.window_seconds:
        return ""
    digest = hashlib.sha256(delivery.body)
    digest.update(json.dumps(sorted(delivery.query.items())).encode())
    return f"body:{digest.hexdigest()[:DIGITS]}"


def _delivery_id(settings: WebhookSettings, delivery: Delivery, body: Any) -> str:
    if settings.delivery_header:
        return delivery.headers.get(settings.delivery_header, "")
    if settings.scheme == "github":
        return delivery.headers.get("X-GitHub-Delivery", "")
    in_body = {"stripe": "id", "slack": "event_id"}.get(settings.scheme, "")
    found = body.get(in_body, "") if in_body and isinstance(body, dict) else ""
    return found if isinstance(found, str) else ""


def _fire(trigger: Trigger, settings: WebhookSettings, delivery: Delivery, body: Any) -> Taken:
    key = delivery_key(settings, delivery, body)
    wait = settings.wait_seconds if settings.answer == "awaited" else 0
    inputs, query = _given(trigger, settings, delivery, body)
    failed: DomainError | None = None
    with transaction.atomic():
        held = lock(trigger.pk, wait=True)
        if held is None or not held.enabled:
            raise TriggerDisabled("This webhook is switched off.")
        if (known := _known(held, key, settings)) is not None:
            return Taken(known, replayed=True, wait_seconds=wait)
        try:
            with transaction.atomic():
                firing = new_firing(held, key=_windowed(key) or None)
                run = start(held, firing, inputs=inputs, query=query)
            note_success(held)
        except OF_THE_CALLER:
            raise
        except DomainError as error:
            note_failure(held, error.code)
            failed = error
    if failed is not None:
        raise failed
    return Taken(run, wait_seconds=wait)


def _windowed(key: str) -> str:
    """The key of a row: content may come again after its window, and then is another delivery."""
    return f"{key}:{int(now().timestamp() * 1000)}" if key.startswith("body:") else key


def _known(trigger: Trigger, key: str, settings: WebhookSettings) -> Run | None:
    """The run that this delivery started before, noted as a replay. The trigger's row is locked."""
    rows = TriggerFiring.objects.filter(trigger=trigger, outcome=Outcome.STARTED)
    if key.startswith("body:"):
        since = now() - timedelta(seconds=settings.window_seconds)
        rows = rows.filter(key__startswith=key, created_at__gte=since)
    else:
        rows = rows.filter(key=key)
    before = rows.order_by("-pk").first() if key else None
    run = Run.objects.filter(public_id=before.run_id).first() if before else None
    if run is not None:
        _note(trigger, Outcome.REPLAYED, "", run_id=run.public_id)
    return run


def _given(
    trigger: Trigger, settings: WebhookSettings, delivery: Delivery, body: Any
) -> tuple[dict[str, Any], str]:
    headers = {
        name.lower(): value
        for name, value in delivery.headers.items()
        if name.lower() not in HIDDEN
    }
    sources = {"body": body, "headers": headers, "query": delivery.query}
    published = trigger.workflow.published
    variables = start_variables(published.definition) if published else []
    query = look_up(settings.query_from, sources, "") if settings.query_from else ""
    return trigger.inputs | fill(settings.mapping, sources, variables), as_text(query)


def _note_refusal(trigger: Trigger, error: DomainError) -> None:
    if count(f"hook-refused:{trigger.pk}", REFUSALS_PER_MINUTE).allowed:
        _note(trigger, Outcome.REFUSED, error.code)


def _note(trigger: Trigger, outcome: str, reason: str, **more: Any) -> None:
    new_firing(trigger, outcome=outcome, reason=reason, **more).save()
