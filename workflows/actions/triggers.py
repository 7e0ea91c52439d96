"""Making, changing and firing triggers.

Who may edit the workflow and run it makes them. Whoever says what a trigger does is who it acts for
from then on: nobody makes runs in the name of somebody else.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.timezone import now

from audit.actions import record
from core.errors import InvalidInput, NotFound, PermissionRefused
from core.jsonsafe import clean, is_storable, json_size
from orgs.access import Actor, require
from orgs.models import Membership
from orgs.networks import normalise
from orgs.projects import refuse_archived
from workflows.errors import InvalidSchedule, InvalidTrigger, TooManyTriggers
from workflows.models import Run, Trigger, Workflow
from workflows.triggers.configs import read_settings, schedule_of
from workflows.triggers.ended import watched
from workflows.triggers.firing import new_firing, start
from workflows.triggers.schedules import plan_next

MOST_TRIGGERS = 100
MAX_INPUTS = 65_536
MAX_QUERY = 20_000
LONGEST_SECRET = 500
SHORTEST_SECRET = 8
LONGEST_OVERLAP = timedelta(days=7)
SIGNED = frozenset({"github", "stripe", "slack", "hmac"})
Kind = Trigger.Kind


@dataclass(frozen=True, slots=True)
class Made:
    """A trigger with what is shown this once: the token of its address, a secret made for it."""

    trigger: Trigger
    token: str = ""
    secret: str = ""


def digest_of(token: str) -> str:
    """256 random bits need no key: nobody finds the token behind it."""
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def create_trigger(
    *,
    actor: Actor,
    workflow_id: UUID,
    kind: str,
    name: str,
    config: dict[str, Any],
    inputs: dict[str, Any] | None = None,
    query: str = "",
    enabled: bool = True,
    source_workflow_id: UUID | None = None,
    secret: str = "",
) -> Made:
    """Raises InvalidTrigger, InvalidSchedule, TooManyTriggers; NotFound for either workflow."""
    workflow = _workflow(actor, workflow_id)
    refuse_archived(workflow.project)
    Workflow.objects.select_for_update().get(pk=workflow.pk)
    if workflow.triggers.count() >= MOST_TRIGGERS:
        raise TooManyTriggers("A workflow has at most 100 triggers.", most=MOST_TRIGGERS)
    trigger = Trigger(
        organization_id=actor.organization_id,
        workflow=workflow,
        kind=kind,
        enabled=enabled,
        created_by_id=actor.user_id,
        watched_from=now(),
    )
    _describe(trigger, {"name": name, "inputs": inputs or {}, "query": query})
    _configure(trigger, config)
    _follow(actor, trigger, source_workflow_id)
    _act_for(trigger, actor)
    token, shown = _credentials(trigger, secret)
    _plan(trigger)
    trigger.save(force_insert=True)
    watched.forget()
    _note("workflows.trigger.created", actor, trigger, after=_told(trigger))
    return Made(trigger, token, shown)


@transaction.atomic
def change_trigger(*, actor: Actor, trigger_id: UUID, **changes: Any) -> Trigger:
    """Change `name`, `config`, `inputs`, `query` or `source_workflow_id`; the rest stays.

    `config` is the whole of the settings. From then on it acts for the actor. Raises as
    `create_trigger`.
    """
    trigger = _own(actor, trigger_id)
    before = _told(trigger)
    _describe(trigger, changes)
    if "config" in changes:
        _configure(trigger, changes["config"])
    if "source_workflow_id" in changes:
        _follow(actor, trigger, changes["source_workflow_id"])
    if before != _told(trigger):
        _act_for(trigger, actor)
        _plan(trigger)
        trigger.save()
        watched.forget()
        after = _told(trigger)
        changed = [key for key in after if before[key] != after[key]]
        _note(
            "workflows.trigger.changed",
            actor,
            trigger,
            before={key: before[key] for key in changed},
            after={key: after[key] for key in changed},
        )
    return trigger


@transaction.atomic
def delete_trigger(*, actor: Actor, trigger_id: UUID) -> None:
    """With what is known of its firings; its runs stay."""
    trigger = _own(actor, trigger_id, acting=False)
    _note("workflows.trigger.deleted", actor, trigger, before=_told(trigger))
    trigger.delete()
    watched.forget()


@transaction.atomic
def set_trigger_enabled(*, actor: Actor, trigger_id: UUID, enabled: bool) -> Trigger:
    """Switch it on or off. Repeating it changes nothing.

    What fell due while it was off is not made up for; switched on, it acts for the actor.
    """
    trigger = _own(actor, trigger_id, acting=enabled)
    if trigger.enabled != enabled:
        trigger.enabled, trigger.disabled_reason, trigger.failures = enabled, "", 0
        if enabled:
            trigger.watched_from, trigger.swept_at = now(), None
            _act_for(trigger, actor)
        _plan(trigger)
        trigger.save()
        watched.forget()
        _note(
            "workflows.trigger.enabled" if enabled else "workflows.trigger.disabled", actor, trigger
        )
    return trigger


@transaction.atomic
def fire_trigger(*, actor: Actor, trigger_id: UUID) -> Run:
    """Start its run now, in the actor's own name and with the inputs that are set for it.

    Raises what `start_run` raises.
    """
    found = _visible(actor, trigger_id)
    require(actor, "workflow.run", found.workflow)
    run = start(found, new_firing(found, message="by hand"), actor=actor)
    Trigger.objects.filter(pk=found.pk).update(last_fired_at=now())
    _note("workflows.trigger.fired", actor, found, run=str(run.public_id))
    return run


@transaction.atomic
def rotate_trigger(
    *,
    actor: Actor,
    trigger_id: UUID,
    what: str,
    secret: str = "",
    overlap: timedelta = timedelta(0),
) -> Made:
    """A new `token`, or a new `secret`; what is made here is shown this once.

    The old address ends at once, the old secret is believed for `overlap` more.
    """
    trigger = _own(actor, trigger_id, acting=False)
    if trigger.kind != Kind.WEBHOOK or what not in {"token", "secret"}:
        raise InvalidTrigger("A webhook has a token and a secret.", field="what")
    token = shown = ""  # nosec B105 - none was made yet
    if what == "token":
        token = _new_token(trigger)
    else:
        if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
            raise InvalidInput("The overlap is between none and seven days.", field="overlap")
        trigger.previous_secret = trigger.secret.reveal() if overlap else ""
        trigger.previous_until = now() + overlap if overlap else None
        shown = _new_secret(trigger, secret)
    trigger.save()
    _note("workflows.trigger.rotated", actor, trigger, what=what)
    return Made(trigger, token, shown)


def _workflow(actor: Actor, workflow_id: UUID, *, acting: bool = True) -> Workflow:
    """For who may edit and run it, and, `acting`, is one for whom a trigger can act."""
    member = Membership.objects.of(actor.organization_id).filter(user_id=actor.user_id)
    if acting and actor.api_key_id is None and not (actor.user_id and member.exists()):
        raise PermissionRefused("A trigger acts for a member or a key of the organization.")
    rows = Workflow.objects.visible_to(actor).select_related("project", "published")
    workflow = rows.filter(pk=workflow_id).first()
    if workflow is None:
        raise NotFound("There is no such workflow.")
    require(actor, "workflow.edit", workflow)
    require(actor, "workflow.run", workflow)
    found: Workflow = workflow
    return found


def _visible(actor: Actor, trigger_id: UUID) -> Trigger:
    rows = Trigger.objects.visible_to(actor).select_related("workflow", "organization")
    found: Trigger | None = rows.filter(pk=trigger_id).first()
    if found is None:
        raise NotFound("There is no such trigger.")
    return found


def _own(actor: Actor, trigger_id: UUID, *, acting: bool = True) -> Trigger:
    """The trigger, locked, for who may edit and run its workflow."""
    _workflow(actor, _visible(actor, trigger_id).workflow_id, acting=acting)
    rows = Trigger.objects.select_related("workflow", "organization")
    found: Trigger | None = rows.select_for_update(of=("self",)).filter(pk=trigger_id).first()
    if found is None:
        raise NotFound("There is no such trigger.")
    return found


def _describe(trigger: Trigger, given: dict[str, Any]) -> None:
    if "name" in given:
        name = str(given["name"]).strip()
        if not name or not is_storable(name):
            raise InvalidTrigger("A trigger needs a name.", field="name")
        trigger.name = name[:120]
    if "inputs" in given:
        trigger.inputs = clean(given["inputs"])
        if json_size(trigger.inputs) > MAX_INPUTS:
            raise InvalidTrigger("The inputs are too large.", field="inputs", most=MAX_INPUTS)
    if "query" in given:
        trigger.query = clean(given["query"])[:MAX_QUERY]


def _configure(trigger: Trigger, given: dict[str, Any]) -> None:
    """Check and store the settings of its kind, whole."""
    own = {"anchor": None} if _is_timed(trigger) else {}
    settings = read_settings(trigger.kind, clean({**given, **own}))
    if _is_timed(trigger):
        if bool(settings.cron) == (settings.every_seconds is not None):
            raise InvalidSchedule("A schedule has a cron line or an interval.", field="cron")
        if settings.start_at and settings.end_at and settings.start_at >= settings.end_at:
            raise InvalidSchedule("The schedule ends before it starts.", field="end_at")
        settings = settings.model_copy(update={"anchor": _anchor(trigger, settings)})
        settings.rule()
    elif trigger.kind == Kind.WEBHOOK:
        settings = settings.model_copy(update={"ip_allow": normalise(settings.ip_allow)})
        settings.check()
    else:
        settings.check()
    trigger.config = settings.model_dump(mode="json")


def _is_timed(trigger: Trigger) -> bool:
    return trigger.kind == Kind.SCHEDULE


def _anchor(trigger: Trigger, settings: Any) -> Any:
    """From when an interval counts: kept while the interval stays the same."""
    if trigger.config and schedule_of(trigger).every_seconds == settings.every_seconds:
        return schedule_of(trigger).anchor
    return now()


def _follow(actor: Actor, trigger: Trigger, source_id: UUID | None) -> None:
    if trigger.kind != Kind.RUN_ENDED:
        trigger.source_workflow = None
        return
    source = Workflow.objects.visible_to(actor, "run.view").filter(pk=source_id).first()
    if source is None:
        raise NotFound("There is no such workflow.")
    if source.pk != trigger.source_workflow_id:
        trigger.watched_from, trigger.swept_at = now(), None
    trigger.source_workflow = source


def _act_for(trigger: Trigger, actor: Actor) -> None:
    trigger.acts_for_key_id = actor.api_key_id
    trigger.acts_for_user_id = None if actor.api_key_id else actor.user_id


def _plan(trigger: Trigger) -> None:
    """When it falls due next. Nothing that fell due before now is made up for."""
    if not _is_timed(trigger):
        return
    settings = schedule_of(trigger)
    upcoming = settings.rule().after(now()) if trigger.enabled else None
    plan_next(trigger, settings, upcoming)


def _credentials(trigger: Trigger, secret: str) -> tuple[str, str]:
    if trigger.kind != Kind.WEBHOOK:
        return "", ""
    token = _new_token(trigger)
    signed = trigger.config["scheme"] in SIGNED
    return token, _new_secret(trigger, secret) if signed or secret else ""


def _new_token(trigger: Trigger) -> str:
    token = secrets.token_urlsafe(32)
    trigger.token_digest = digest_of(token)
    return token


def _new_secret(trigger: Trigger, given: str) -> str:
    """Store the secret; returns it only where it was made here."""
    if given and not (SHORTEST_SECRET <= len(given) <= LONGEST_SECRET and is_storable(given)):
        raise InvalidTrigger("A secret has 8 to 500 characters.", field="secret")
    made = "" if given else secrets.token_hex(32)
    trigger.secret = given or made
    return made


def _told(trigger: Trigger) -> dict[str, Any]:
    """What the trail keeps of it: never a secret or a token."""
    source = trigger.source_workflow_id
    return {
        "name": trigger.name,
        "config": dict(trigger.config),
        "inputs": trigger.inputs,
        "query": trigger.query,
        "source_workflow": str(source) if source else None,
    }


def _note(
    event: str,
    actor: Actor,
    trigger: Trigger,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    **more: str,
) -> None:
    record(
        event,
        actor=actor,
        target_type="trigger",
        target_id=trigger.pk,
        summary=trigger.name,
        data={"workflow": str(trigger.workflow_id), "kind": trigger.kind, **more},
        before=before,
        after=after,
        project_id=trigger.workflow.project_id,
    )
