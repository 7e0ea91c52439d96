"""The policy: what each route of ours asks for, by method. `test_doors.py` holds them to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from tests.worlds import World
from workflows.tests.import_samples import SUPPORT

REFUSED, HIDDEN, EMPTY = 403, 404, 200
CONFLICT = frozenset({409})
"""What who may gets where the world's row is not in the state for it."""


@dataclass(frozen=True)
class Door:
    """What one route asks for.

    `verb`: what the caller needs; "" means no more than being signed in. `target`: which row of
    the world its address names. `guest`: what somebody gets who holds no verb but may see what was
    shared with them. `body`: what is sent, made from the world whose rows it shall name; by GET and
    DELETE, as the query.
    `open`: what those get who are not signed in, where that is not the way to the sign-in.
    `alone`: what a person without an organization gets, where that is not a refusal.
    """

    verb: str = ""
    target: str = ""
    guest: int = REFUSED
    body: Callable[[World], dict[str, Any]] = field(default=lambda world: {})
    person: bool = False
    own: frozenset[int] = frozenset({200, 201, 204, 302})
    open: frozenset[int] | None = None
    alone: frozenset[int] = frozenset({REFUSED})


def shared(verb: str, target: str = "", **more: Any) -> Door:
    """A door behind which guests find what was shared with them: here, nothing."""
    return Door(verb, target, guest=HIDDEN if target else EMPTY, **more)


def skipping(world: World) -> dict[str, Any]:
    return {"node": "ask", "outputs": {"note": "x"}, "handle": "approve"}


def new_bulk(world: World) -> dict[str, Any]:
    return {"command": "pause", "filters": {"state": "waiting"}, "arguments": {}}


def upload(world: World) -> dict[str, Any]:
    return {"file": SimpleUploadedFile("flow.yml", SUPPORT.encode())}


def decision(world: World) -> dict[str, Any]:
    return {"action_id": "approve", "action": "approve", "comment": "", "data": {}}


def version_of(world: World) -> dict[str, Any]:
    return {"version": str(world.rows.version.pk), "inputs": {"what": "x"}, "input-what": "x"}


def sharing(world: World) -> dict[str, Any]:
    return {"user": str(world.people["guest"].pk), "right": "view"}


def sharing_form(world: World) -> dict[str, Any]:
    return {"holder": f"user:{world.people['guest'].pk}", "right": "view"}


def searching(world: World) -> dict[str, Any]:
    return {"values": [{"name": "what", "source": "input", "path": "what"}]}


def closing(world: World) -> dict[str, Any]:
    return {"name": world.organization.name, "reason": "We have moved."}


def invited(world: World) -> dict[str, Any]:
    return {"email": "new@example.com", "role": "member"}


def joining(world: World) -> dict[str, Any]:
    return {"member": str(world.rows.approver.pk)}


def policy(world: World) -> dict[str, Any]:
    return {"max_concurrent": 2, "on_conflict": "queue", "priority": 1}


def new_limit(world: World) -> dict[str, Any]:
    return {"scope": "kind", "name": "llm", "limit": 9, "per_seconds": 60, "burst": 3}


def moving(world: World) -> dict[str, Any]:
    return {"project": str(world.rows.project.pk)}


def new_provider(world: World) -> dict[str, Any]:
    return {
        "name": "new",
        "base_url": "http://127.0.0.1:9/v1",
        "api_key": "sk-new",
        "limit_parameter": "max_tokens",
    }


def new_export(world: World) -> dict[str, Any]:
    return {"source": "audit", "format": "csv"}


def new_model(world: World) -> dict[str, Any]:
    return {
        "name": "new",
        "provider": str(world.rows.provider.pk),
        "upstream_name": "new",
        "max_output_tokens": "10",
        "context_window": "1000",
        "enabled": "on",
        "input_price": "1",
        "output_price": "1",
    }


def new_key(world: World) -> dict[str, Any]:
    return {"name": "n", "scopes": ["key.create"], "lifetime": "30"}


def own_key(target: str, **more: Any) -> Door:
    """A key that the owner made: who makes keys but does not manage them finds none such."""
    return Door("key.create", target, **{"own": frozenset({200, 204, 302, 404}), **more})


def new_trigger(world: World) -> dict[str, Any]:
    return {
        "workflow": str(world.rows.workflow.pk),
        "name": "New",
        "inputs": {"what": "x"},
        "schedule": {"cron": "0 6 * * *"},
    }


def schedule_form(world: World) -> dict[str, Any]:
    return {
        "name": "New", "inputs": "{}", "when": "cron", "cron": "0 6 * * *", "time_zone": "UTC",
        "unit": "3600", "catch_up": "none", "overlap": "skip",
    }  # fmt: skip


def acting(target: str, *own: int, **more: Any) -> Door:
    """A trigger acts for a member or a key; who is inside as support is neither."""
    return shared("workflow.edit", target, own=frozenset({*own, REFUSED}), **more)


def new_sign_on(world: World) -> dict[str, Any]:
    return {
        "name": "New",
        "issuer": "http://127.0.0.1:9",
        "client_id": "c",
        "scopes": "openid email",
        "default_role": "member",
        "max_age_hours": 24,
    }


def new_domain(world: World) -> dict[str, Any]:
    return {"connection": str(world.rows.sso_connection.pk), "domain": "new.example"}


DOORS: dict[str, Door] = {
    # -- accounts: a person's own, whatever their role; a key has no account
    "GET /api/v1/account/": Door(guest=EMPTY, person=True),
    "PATCH /api/v1/account/": Door(guest=EMPTY, person=True, body=lambda w: {"name": "New"}),
    "DELETE /api/v1/account/": Door(guest=REFUSED, person=True, own=frozenset({403})),
    "GET /api/v1/account/sessions/": Door(guest=EMPTY, person=True),
    "DELETE /api/v1/account/sessions/": Door(person=True, own=frozenset({403})),
    "DELETE /api/v1/account/sessions/<pk>/": Door(
        "", "session", person=True, own=frozenset({403})
    ),
    "GET /api/v1/account/security-events/": Door(guest=EMPTY, person=True),
    "GET /account/": Door(),
    "POST /account/": Door(body=lambda w: {"name": "New", "language": "", "time_zone": ""}),
    "GET /account/notifications/": Door(),
    "POST /account/notifications/": Door(),
    # The token is the right; one that was not given out leads nowhere, for anybody.
    "GET /account/notifications/off/<token>/": Door(
        open=frozenset({404}), own=frozenset({404}), alone=frozenset({404})
    ),
    "POST /account/notifications/off/<token>/": Door(
        open=frozenset({404}), own=frozenset({404}), alone=frozenset({404})
    ),
    "GET /account/sessions/": Door(),
    "POST /account/sessions/end/": Door(),
    "POST /account/sessions/<pk>/end/": Door("", "session", own=frozenset({302})),
    "GET /account/security-log/": Door(),
    "GET /account/close/": Door(),
    "POST /account/close/": Door(own=frozenset({302, 409})),
    # -- orgs
    "GET /api/v1/me/": Door(guest=EMPTY),
    "GET /api/v1/organization/": Door("org.view"),
    "PATCH /api/v1/organization/": Door("org.manage", body=lambda w: {"name": "New"}),
    "POST /api/v1/organization/close/": Door("org.close", body=closing),
    "POST /api/v1/organization/keep/": Door("org.close"),
    "POST /api/v1/organization/transfer/": Door(
        "org.close", body=lambda w: {"member": str(w.rows.member.pk)}
    ),
    "GET /api/v1/organizations/": Door(person=True),
    "POST /api/v1/organizations/": Door(person=True, body=lambda w: {"name": "Another"}),
    "GET /api/v1/invitations/": Door("member.manage"),
    "POST /api/v1/invitations/": Door("member.manage", body=invited),
    "GET /api/v1/invitations/<pk>/": Door("member.manage", "invitation"),
    "DELETE /api/v1/invitations/<pk>/": Door("member.manage", "invitation"),
    "POST /api/v1/invitations/<pk>/resend/": Door("member.manage", "invitation"),
    "GET /api/v1/invitations/mine/": Door(person=True),
    "POST /api/v1/invitations/mine/<pk>/accept/": Door(
        "", "invitation", person=True, own=frozenset({404})
    ),
    "POST /api/v1/invitations/mine/<pk>/decline/": Door(
        "", "invitation", person=True, own=frozenset({404})
    ),
    "GET /api/v1/teams/": Door("member.view"),
    "POST /api/v1/teams/": Door("team.manage", body=lambda w: {"name": "New"}),
    "GET /api/v1/teams/<pk>/": Door("member.view", "team"),
    "PATCH /api/v1/teams/<pk>/": Door("team.manage", "team", body=lambda w: {"name": "New"}),
    "DELETE /api/v1/teams/<pk>/": Door("team.manage", "team"),
    "GET /api/v1/teams/<pk>/members/": Door("member.view", "team"),
    "POST /api/v1/teams/<pk>/members/": Door("team.manage", "team", body=joining),
    "PATCH /api/v1/team-members/<pk>/": Door(
        "team.manage", "team_member", body=lambda w: {"lead": True}
    ),
    "DELETE /api/v1/team-members/<pk>/": Door("team.manage", "team_member"),
    "GET /api/v1/projects/": shared("project.view"),
    "POST /api/v1/projects/": Door("project.manage", body=lambda w: {"name": "New"}),
    "GET /api/v1/projects/<pk>/": shared("project.view", "home"),
    "PATCH /api/v1/projects/<pk>/": shared(
        "project.manage", "project", body=lambda w: {"name": "New"}
    ),
    "DELETE /api/v1/projects/<pk>/": shared("project.manage", "project"),
    "POST /api/v1/projects/<pk>/archive/": shared("project.manage", "project"),
    "POST /api/v1/projects/<pk>/unarchive/": shared("project.manage", "project"),
    "GET /api/v1/archives/": Door("org.close"),
    "POST /api/v1/archives/": Door("org.close", own=frozenset({202})),
    "GET /api/v1/archives/<pk>/": Door("org.close", "archive"),
    "GET /api/v1/archives/<pk>/download/": Door("org.close", "archive"),
    "GET /api/v1/members/": shared("member.view"),
    "GET /api/v1/members/<pk>/": shared("member.view", "member"),
    "PATCH /api/v1/members/<pk>/": Door(
        "member.manage", "member", body=lambda w: {"role": "approver"}
    ),
    "DELETE /api/v1/members/<pk>/": shared("member.manage", "member", person=True),
    "GET /api/v1/keys/": Door("key.create"),
    "POST /api/v1/keys/": Door("key.create", body=new_key),
    "GET /api/v1/keys/<pk>/": own_key("key"),
    "PATCH /api/v1/keys/<pk>/": own_key("key", body=lambda w: {"name": "New"}),
    "DELETE /api/v1/keys/<pk>/": own_key("key"),
    "POST /api/v1/keys/<pk>/rotate/": own_key("key", own=frozenset({201, 403, 404})),
    "POST /api/v1/keys/revoke/": Door("key.manage", body=lambda w: {"scope": "audit.view"}),
    "POST /api/v1/keys/revoke-all/": Door("key.revoke_all"),
    "GET /api/v1/sso/connections/": Door("org.manage"),
    "POST /api/v1/sso/connections/": Door("org.manage", body=new_sign_on),
    "GET /api/v1/sso/connections/<pk>/": Door("org.manage", "sso_connection"),
    "PATCH /api/v1/sso/connections/<pk>/": Door(
        "org.manage", "sso_connection", body=lambda w: {"name": "New"}
    ),
    "DELETE /api/v1/sso/connections/<pk>/": Door("org.manage", "sso_connection"),
    "POST /api/v1/sso/connections/<pk>/enable/": Door("org.manage", "sso_connection"),
    "POST /api/v1/sso/connections/<pk>/disable/": Door("org.manage", "sso_connection"),
    "POST /api/v1/sso/connections/<pk>/check/": Door(
        "org.manage", "sso_connection", own=frozenset({502})
    ),
    "GET /api/v1/sso/domains/": Door("org.manage"),
    "POST /api/v1/sso/domains/": Door("org.manage", body=new_domain),
    "GET /api/v1/sso/domains/<pk>/": Door("org.manage", "sso_domain"),
    "DELETE /api/v1/sso/domains/<pk>/": Door("org.manage", "sso_domain"),
    "POST /api/v1/sso/domains/<pk>/verify/": Door(
        "org.manage", "sso_domain", own=frozenset({409})
    ),
    "GET /api/v1/sso/identities/": Door("org.manage"),
    "DELETE /api/v1/sso/identities/<pk>/": Door("org.manage", "sso_identity"),
    "GET /api/v1/projects/<pk>/grants/": shared("project.manage", "project"),
    "POST /api/v1/projects/<pk>/grants/": shared("project.manage", "project", body=sharing),
    "DELETE /api/v1/projects/<pk>/grants/": shared("project.manage", "project", body=sharing),
    "GET /api/v1/support-access/": Door("support.view"),
    "GET /api/v1/support-access/<pk>/": Door("support.view", "support"),
    "POST /api/v1/support-access/<pk>/end/": Door("support.end", "support"),
    "GET /api/v1/audit/": Door("audit.view"),
    "GET /api/v1/audit/<pk>/": Door("audit.view", "entry"),
    "GET /api/v1/audit/statistics/": Door("audit.view"),
    "GET /api/v1/audit/events/": Door("audit.view"),
    "GET /api/v1/audit/chain/": Door("audit.view"),
    "GET /api/v1/audit/retention/": Door("org.manage"),
    "PUT /api/v1/audit/retention/": Door("org.manage", body=lambda w: {"days": 400}),
    # -- billing
    "GET /api/v1/wallet/": Door("wallet.view"),
    "POST /api/v1/wallet/top-up/": Door("wallet.topup", body=lambda w: {"amount": 5, "ref": "r"}),
    "GET /api/v1/ledger/": Door("wallet.view"),
    "GET /api/v1/usage/": Door("usage.view"),
    "GET /api/v1/prices/": Door("model.view"),
    "POST /api/v1/prices/": Door(
        "model.manage", body=lambda w: {"model": "m", "input": 1, "output": 1}
    ),
    # -- bpm
    "GET /api/v1/tasks/": Door("task.view"),
    "GET /api/v1/tasks/<pk>/": Door("task.view", "task"),
    "POST /api/v1/tasks/<pk>/claim/": Door("task.decide", "task", person=True),
    "POST /api/v1/tasks/<pk>/release/": Door(
        "task.decide", "task", person=True, own=frozenset({409})
    ),
    "POST /api/v1/tasks/<pk>/decide/": Door("task.decide", "task", body=decision, person=True),
    "POST /api/v1/tasks/<pk>/comment/": Door(
        "task.view", "task", body=lambda w: {"text": "hm"}, person=True
    ),
    # -- files
    "GET /api/v1/files/": Door("file.view"),
    "GET /api/v1/files/<pk>/": Door("file.view", "file"),
    "GET /api/v1/files/<pk>/download/": Door("file.view", "file"),
    "GET /api/v1/exports/": Door(guest=EMPTY),
    "POST /api/v1/exports/": Door("audit.view", body=new_export, own=frozenset({202})),
    "GET /api/v1/exports/sources/": Door(guest=EMPTY),
    "GET /api/v1/exports/<pk>/": Door("audit.view", "export"),
    "POST /api/v1/exports/<pk>/cancel/": Door("audit.view", "waiting_export"),
    "GET /api/v1/exports/<pk>/download/": Door("audit.view", "export"),
    "GET /exports/": Door("org.view"),
    "POST /exports/": Door("audit.view", body=new_export),
    "GET /exports/<pk>/": Door("audit.view", "export"),
    "POST /exports/<pk>/cancel/": Door("audit.view", "waiting_export"),
    "GET /exports/<pk>/download/": Door("audit.view", "export"),
    # -- llm
    "GET /api/v1/models/": Door("model.view"),
    "POST /api/v1/models/": Door("model.manage", body=new_model),
    "GET /api/v1/models/<pk>/": Door("model.view", "model"),
    "PATCH /api/v1/models/<pk>/": Door("model.manage", "model", body=lambda w: {"name": "new"}),
    "DELETE /api/v1/models/<pk>/": Door("model.manage", "model"),
    "GET /api/v1/providers/": Door("model.view"),
    "POST /api/v1/providers/": Door("model.manage", body=new_provider),
    "GET /api/v1/providers/<pk>/": Door("model.view", "provider"),
    "PATCH /api/v1/providers/<pk>/": Door(
        "model.manage", "provider", body=lambda w: {"name": "new"}
    ),
    "DELETE /api/v1/providers/<pk>/": Door("model.manage", "provider", own=frozenset({409})),
    "POST /api/v1/providers/<pk>/check/": Door("model.manage", "provider", own=frozenset({502})),
    # -- workflows
    "GET /api/v1/workflows/": shared("workflow.view"),
    "POST /api/v1/workflows/import/": Door("workflow.edit", body=upload),
    "GET /api/v1/workflows/<pk>/": shared("workflow.view", "workflow"),
    "GET /api/v1/workflows/<pk>/versions/": shared("workflow.view", "workflow"),
    "POST /api/v1/workflows/<pk>/move/": shared(
        "workflow.edit", "workflow", body=moving, person=True
    ),
    "PUT /api/v1/workflows/<pk>/retention/": shared(
        "workflow.edit", "workflow", body=lambda w: {"days": 90}
    ),
    "GET /api/v1/workflows/<pk>/run-policy/": shared("workflow.view", "workflow"),
    "PUT /api/v1/workflows/<pk>/run-policy/": shared("workflow.edit", "workflow", body=policy),
    "GET /api/v1/rate-limits/": Door("workflow.view"),
    "POST /api/v1/rate-limits/": Door("limit.manage", body=new_limit),
    "GET /api/v1/rate-limits/<pk>/": Door("workflow.view", "rate_limit"),
    "PATCH /api/v1/rate-limits/<pk>/": Door(
        "limit.manage", "rate_limit", body=lambda w: {"limit": 4}
    ),
    "DELETE /api/v1/rate-limits/<pk>/": Door("limit.manage", "rate_limit"),
    "PUT /api/v1/workflows/<pk>/searchable/": shared(
        "workflow.edit", "workflow", body=searching
    ),
    "POST /api/v1/workflows/<pk>/publish/": shared("workflow.publish", "workflow"),
    "POST /api/v1/workflows/<pk>/runs/": shared(
        "workflow.run", "workflow", body=lambda w: {"inputs": {"what": "x"}}
    ),
    "GET /api/v1/workflows/<pk>/grants/": shared("workflow.share", "workflow"),
    "POST /api/v1/workflows/<pk>/grants/": shared("workflow.share", "workflow", body=sharing),
    "DELETE /api/v1/workflows/<pk>/grants/": shared("workflow.share", "workflow", body=sharing),
    "GET /api/v1/triggers/": shared("workflow.view"),
    "POST /api/v1/triggers/": Door(
        "workflow.edit", guest=HIDDEN, body=new_trigger, own=frozenset({201, REFUSED})
    ),
    "POST /api/v1/triggers/preview/": Door(
        "workflow.view", body=lambda w: {"cron": "0 6 * * *"}
    ),
    "GET /api/v1/triggers/<pk>/": shared("workflow.view", "trigger"),
    "PATCH /api/v1/triggers/<pk>/": acting("trigger", 200, body=lambda w: {"name": "New"}),
    "DELETE /api/v1/triggers/<pk>/": shared("workflow.edit", "trigger"),
    "POST /api/v1/triggers/<pk>/enable/": acting("trigger", 200),
    "POST /api/v1/triggers/<pk>/disable/": shared("workflow.edit", "trigger"),
    "POST /api/v1/triggers/<pk>/fire/": shared("workflow.run", "trigger"),
    "POST /api/v1/triggers/<pk>/rotate/": shared(
        "workflow.edit", "webhook", body=lambda w: {"what": "token"}
    ),
    "GET /api/v1/triggers/<pk>/firings/": shared("workflow.view", "trigger"),
    "GET /api/v1/versions/<pk>/": shared("workflow.view", "version"),
    "GET /api/v1/runs/": shared("run.view"),
    "GET /api/v1/runs/<pk>/": shared("run.view", "run"),
    "GET /api/v1/runs/<pk>/events/": shared("run.view", "run"),
    "GET /api/v1/runs/<pk>/stream/": shared("run.view", "run"),
    "GET /api/v1/runs/statistics/": shared("run.view"),
    "GET /api/v1/runs/stream/": shared("run.view"),
    "GET /api/v1/runs/<pk>/timeline/": shared("run.view", "run"),
    "GET /api/v1/runs/<pk>/compare/": shared(
        "run.view", "run", body=lambda w: {"other": str(w.rows.run.public_id)}
    ),
    "GET /api/v1/runs/<pk>/logs/": shared("run.view", "run"),
    "POST /api/v1/runs/<pk>/cancel/": shared("run.control", "run"),
    "POST /api/v1/runs/<pk>/pause/": shared("run.control", "run"),
    "POST /api/v1/runs/<pk>/resume/": shared("run.control", "run"),
    "POST /api/v1/runs/<pk>/terminate/": shared("run.control", "run"),
    "POST /api/v1/runs/<pk>/retry/": shared("run.control", "run", own=CONFLICT),
    "POST /api/v1/runs/<pk>/rerun/": shared(
        "run.control", "run", body=lambda w: {"inputs": {"what": "x"}}
    ),
    "POST /api/v1/runs/<pk>/skip/": shared("run.control", "run", body=skipping),
    "POST /api/v1/runs/<pk>/signal/": shared("run.control", "run", body=lambda w: {"name": "go"}),
    "POST /api/v1/runs/<pk>/reset/": shared("run.control", "run", body=lambda w: {"to": 1}),
    "GET /api/v1/runs/<pk>/variables/": shared("run.view", "run"),
    "GET /api/v1/runs/bulk/": Door(guest=EMPTY),
    "POST /api/v1/runs/bulk/": Door(own=frozenset({202}), body=new_bulk),
    "GET /api/v1/runs/bulk/<pk>/": Door("run.control", "bulk"),
    "POST /api/v1/runs/bulk/<pk>/cancel/": Door("run.control", "bulk"),
    "GET /api/v1/trace/<trace_id>/": Door("org.view", "trace"),
    # -- pages
    "GET /": Door("org.view"),
    "GET /navigation/": Door(alone=frozenset({200})),
    "GET /organization/": Door("org.view"),
    "POST /organization/": Door("org.manage", body=lambda w: {"name": "New"}),
    "POST /organization/retention/": Door("org.manage", body=lambda w: {"days": "90"}),
    "POST /organization/origins/": Door(
        "org.manage", body=lambda w: {"origins": "https://app.example.com"}
    ),
    "POST /organization/switch/": Door(
        body=lambda w: {"organization": str(w.organization.pk)}, alone=frozenset({302})
    ),
    "GET /organizations/new/": Door(),
    "POST /organizations/new/": Door(body=lambda w: {"name": "Another"}),
    "GET /organization/danger/": Door("org.view"),
    "POST /organization/close/": Door("org.close", body=closing),
    "POST /organization/keep/": Door("org.close"),
    "POST /organization/transfer/": Door(
        "org.close", body=lambda w: {"member": str(w.rows.member.pk)}
    ),
    "POST /organization/archives/": Door("org.close"),
    "GET /organization/archives/<pk>/download/": Door("org.close", "archive"),
    "GET /organization/members/": shared("member.view"),
    "GET /organization/members/<pk>/": shared("member.view", "member"),
    "GET /organization/invitations/": Door("member.manage"),
    "POST /organization/invitations/": Door("member.manage", body=invited),
    "POST /organization/invitations/<pk>/resend/": Door("member.manage", "invitation"),
    "POST /organization/invitations/<pk>/revoke/": Door("member.manage", "invitation"),
    "GET /organization/teams/": Door("member.view"),
    "POST /organization/teams/": Door("team.manage", body=lambda w: {"name": "New"}),
    "GET /organization/teams/<pk>/": Door("member.view", "team"),
    "POST /organization/teams/<pk>/": Door(
        "team.manage", "team", body=lambda w: {"name": "New"}
    ),
    "POST /organization/teams/<pk>/delete/": Door("team.manage", "team"),
    "POST /organization/teams/<pk>/members/": Door("team.manage", "team", body=joining),
    "POST /organization/team-members/<pk>/remove/": Door("team.manage", "team_member"),
    "POST /organization/team-members/<pk>/lead/": Door(
        "team.manage", "team_member", body=lambda w: {"lead": "1"}
    ),
    "GET /organization/projects/": shared("project.view"),
    "POST /organization/projects/": Door("project.manage", body=lambda w: {"name": "New"}),
    "GET /organization/projects/<pk>/": shared("project.view", "project"),
    "POST /organization/projects/<pk>/": shared(
        "project.manage", "project", body=lambda w: {"name": "New"}
    ),
    "POST /organization/projects/<pk>/archive/": shared("project.manage", "project"),
    "POST /organization/projects/<pk>/unarchive/": shared("project.manage", "project"),
    "POST /organization/projects/<pk>/delete/": shared("project.manage", "project"),
    "GET /invitation/": Door(open=frozenset({200}), own=frozenset({200})),
    "GET /invitation/<secret>/": Door(),
    "POST /invitation/accept/": Door(),
    "POST /invitation/decline/": Door(),
    "POST /invitation/put-away/": Door(),
    "POST /organization/members/<pk>/role/": Door(
        "member.manage", "member", body=lambda w: {"role": "approver"}
    ),
    "POST /organization/members/<pk>/remove/": Door("member.manage", "member"),
    "POST /organization/projects/<pk>/share/": shared(
        "project.manage", "project", body=sharing_form
    ),
    "GET /organization/sign-on/": Door("org.manage"),
    "GET /organization/sign-on/new/": Door("org.manage"),
    "POST /organization/sign-on/new/": Door("org.manage", body=new_sign_on),
    "GET /organization/sign-on/<pk>/": Door("org.manage", "sso_connection"),
    "POST /organization/sign-on/<pk>/": Door("org.manage", "sso_connection", body=new_sign_on),
    "POST /organization/sign-on/<pk>/switch/": Door(
        "org.manage", "sso_connection", body=lambda w: {"enabled": "0"}
    ),
    "POST /organization/sign-on/<pk>/check/": Door("org.manage", "sso_connection"),
    "POST /organization/sign-on/<pk>/delete/": Door("org.manage", "sso_connection"),
    "POST /organization/sign-on/<pk>/domains/": Door(
        "org.manage", "sso_connection", body=lambda w: {"domain": "new.example"}
    ),
    "POST /organization/sign-on/people/<pk>/release/": Door("org.manage", "sso_identity"),
    "POST /organization/sign-on/domains/<pk>/verify/": Door("org.manage", "sso_domain"),
    "POST /organization/sign-on/domains/<pk>/remove/": Door("org.manage", "sso_domain"),
    "GET /organization/support/": Door("support.view"),
    "POST /organization/support/leave/": Door("org.view"),
    "POST /organization/support/<pk>/end/": Door("support.end", "support"),
    "GET /audit/": Door("audit.view"),
    "GET /audit/<pk>/": Door("audit.view", "entry"),
    "GET /audit/statistics/": Door("audit.view"),
    "POST /audit/retention/": Door("org.manage", body=lambda w: {"days": "400"}),
    "GET /keys/": Door("key.create"),
    "GET /keys/new/": Door("key.create"),
    "POST /keys/new/": Door("key.create", body=new_key),
    "GET /keys/<pk>/": own_key("key"),
    "POST /keys/<pk>/": own_key("key", body=lambda w: {"name": "New", "scopes": ["run.view"]}),
    "POST /keys/<pk>/rotate/": own_key(
        "key", body=lambda w: {"overlap": "0"}, own=frozenset({200, 403, 404})
    ),
    "POST /keys/<pk>/revoke/": own_key("key"),
    "POST /keys/revoke-all/": Door("key.revoke_all"),
    "GET /usage/": Door("usage.view"),
    "POST /usage/top-up/": Door("wallet.topup", body=lambda w: {"amount": "5", "ref": "r"}),
    "GET /inbox/": Door("task.view"),
    "GET /inbox/list/": Door("task.view"),
    "GET /inbox/<pk>/": Door("task.view", "task"),
    "POST /inbox/<pk>/claim/": Door("task.decide", "task"),
    "POST /inbox/<pk>/release/": Door("task.decide", "task", own=frozenset({302, 409})),
    "POST /inbox/<pk>/decide/": Door("task.decide", "task", body=decision),
    "POST /inbox/<pk>/comment/": Door("task.view", "task", body=lambda w: {"comment": "hm"}),
    "GET /models/": Door("model.view"),
    "GET /models/new/": Door("model.manage"),
    "POST /models/new/": Door("model.manage", body=new_model),
    "GET /models/<pk>/": Door("model.manage", "model"),
    "POST /models/<pk>/": Door("model.manage", "model", body=new_model),
    "POST /models/<pk>/delete/": Door("model.manage", "model"),
    "GET /models/providers/new/": Door("model.manage"),
    "POST /models/providers/new/": Door("model.manage", body=new_provider),
    "GET /models/providers/<pk>/": Door("model.manage", "provider"),
    "POST /models/providers/<pk>/": Door("model.manage", "provider", body=new_provider),
    "POST /models/providers/<pk>/delete/": Door("model.manage", "provider"),
    "POST /models/providers/<pk>/check/": Door("model.manage", "provider"),
    "GET /workflows/": shared("org.view"),
    "GET /workflows/import/": Door("workflow.edit"),
    "POST /workflows/import/": Door("workflow.edit", body=lambda w: {**upload(w), "import": "1"}),
    "GET /workflows/<pk>/": shared("workflow.view", "workflow"),
    "POST /workflows/<pk>/publish/": shared("workflow.publish", "workflow", body=version_of),
    "POST /workflows/<pk>/share/": shared("workflow.share", "workflow", body=sharing_form),
    "POST /workflows/<pk>/move/": shared("workflow.edit", "workflow", body=moving),
    "POST /workflows/<pk>/retention/": shared(
        "workflow.edit", "workflow", body=lambda w: {"days": "90"}
    ),
    "POST /workflows/<pk>/run-policy/": shared("workflow.edit", "workflow", body=policy),
    "GET /organization/rate-limits/": Door("workflow.view"),
    "POST /organization/rate-limits/": Door("limit.manage", body=new_limit),
    "GET /organization/rate-limits/<pk>/": Door("limit.manage", "rate_limit"),
    "POST /organization/rate-limits/<pk>/": Door("limit.manage", "rate_limit", body=new_limit),
    "POST /organization/rate-limits/<pk>/delete/": Door("limit.manage", "rate_limit"),
    "POST /workflows/<pk>/searchable/": shared(
        "workflow.edit", "workflow", body=lambda w: {"values": "what = input: what"}
    ),
    "POST /workflows/<pk>/start/": shared("workflow.run", "workflow", body=version_of),
    "GET /workflows/<pk>/triggers/new/<kind>/": shared("workflow.edit", "workflow"),
    "POST /workflows/<pk>/triggers/new/<kind>/": shared(
        "workflow.edit", "workflow", body=schedule_form, own=frozenset({302, REFUSED})
    ),
    "GET /triggers/preview/": Door("org.view"),
    "GET /triggers/<pk>/": shared("workflow.view", "trigger"),
    "POST /triggers/<pk>/": acting("trigger", 200, 302, body=schedule_form),
    "POST /triggers/<pk>/switch/": shared(
        "workflow.edit", "trigger", body=lambda w: {"enabled": "0"}
    ),
    "POST /triggers/<pk>/fire/": shared("workflow.run", "trigger"),
    "POST /triggers/<pk>/rotate/": shared(
        "workflow.edit", "webhook", body=lambda w: {"what": "token"}
    ),
    "POST /triggers/<pk>/delete/": shared("workflow.edit", "trigger"),
    # The address is the right; one that was not given out leads nowhere, for anybody.
    "POST /hooks/<secret>/": Door(
        open=frozenset({404}), own=frozenset({404}), alone=frozenset({404})
    ),
    "GET /runs/": shared("org.view"),
    "GET /runs/statistics/": shared("org.view"),
    "GET /runs/<pk>/": shared("run.view", "run"),
    "GET /runs/<pk>/timeline/": shared("run.view", "run"),
    "GET /runs/<pk>/compare/": shared("run.view", "run"),
    "GET /runs/<pk>/logs/": shared("run.view", "run"),
    "GET /runs/<pk>/result/": shared("run.view", "run"),
    "GET /runs/<pk>/node/": shared("run.view", "run"),
    "POST /runs/<pk>/cancel/": shared("run.control", "run"),
    "POST /runs/<pk>/command/": shared(
        "run.control", "run", body=lambda w: {"command": "pause"}
    ),
    "GET /runs/<pk>/variables/": shared("run.view", "run"),
    "GET /runs/<pk>/control/": shared("run.view", "run"),
    "GET /runs/bulk/": shared("org.view"),
    "POST /runs/bulk/": shared("org.view", body=lambda w: {"command": "pause", "all": "on"}),
    "GET /runs/bulk/<pk>/": Door("run.control", "bulk"),
    "POST /runs/bulk/<pk>/cancel/": Door("run.control", "bulk"),
    "GET /trace/": Door("org.view"),
}  # fmt: skip
