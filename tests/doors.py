"""The policy: what each route of ours asks for, by method. `test_doors.py` holds them to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from tests.worlds import World
from workflows.tests.import_samples import SUPPORT

REFUSED, HIDDEN, EMPTY = 403, 404, 200


@dataclass(frozen=True)
class Door:
    """What one route asks for.

    `verb`: what the caller needs; "" means no more than being signed in. `target`: which row of
    the world its address names. `guest`: what somebody gets who holds no verb but may see what was
    shared with them. `body`: what is sent, made from the world whose rows it shall name.
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


def upload(world: World) -> dict[str, Any]:
    return {"file": SimpleUploadedFile("flow.yml", SUPPORT.encode())}


def decision(world: World) -> dict[str, Any]:
    return {"action_id": "approve", "action": "approve", "comment": "", "data": {}}


def version_of(world: World) -> dict[str, Any]:
    return {"version": str(world.rows.version.pk), "inputs": {"what": "x"}, "input-what": "x"}


def sharing(world: World) -> dict[str, Any]:
    return {"user": str(world.people["guest"].pk), "right": "view"}


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


DOORS: dict[str, Door] = {
    # -- accounts: a person's own, whatever their role; a key has no account
    "GET /api/v1/account/": Door(guest=EMPTY, person=True),
    "PATCH /api/v1/account/": Door(guest=EMPTY, person=True, body=lambda w: {"name": "New"}),
    "DELETE /api/v1/account/": Door(guest=REFUSED, person=True, own=frozenset({403})),
    "GET /api/v1/account/sessions/": Door(guest=EMPTY, person=True),
    "DELETE /api/v1/account/sessions/": Door(guest=EMPTY, person=True),
    "DELETE /api/v1/account/sessions/<pk>/": Door(
        "", "session", guest=HIDDEN, person=True, own=frozenset({204, 404})
    ),
    "GET /api/v1/account/security-events/": Door(guest=EMPTY, person=True),
    "GET /account/": Door(),
    "POST /account/": Door(body=lambda w: {"name": "New", "language": "", "time_zone": ""}),
    "GET /account/notifications/": Door(),
    "POST /account/notifications/": Door(),
    "GET /account/sessions/": Door(),
    "POST /account/sessions/end/": Door(),
    "POST /account/sessions/<pk>/end/": Door("", "session", own=frozenset({302, 404})),
    "GET /account/security-log/": Door(),
    "GET /account/close/": Door(),
    "POST /account/close/": Door(own=frozenset({302, 409})),
    # -- orgs
    "GET /api/v1/me/": Door(guest=EMPTY),
    "GET /api/v1/organization/": Door("org.view"),
    "PATCH /api/v1/organization/": Door("org.manage", body=lambda w: {"name": "New"}),
    "GET /api/v1/members/": Door("org.view"),
    "POST /api/v1/members/": Door(
        "member.manage", body=lambda w: {"email": "x@example.com", "role": "member"},
        own=frozenset({404}),
    ),
    "GET /api/v1/members/<pk>/": Door("org.view", "member"),
    "PATCH /api/v1/members/<pk>/": Door(
        "member.manage", "member", body=lambda w: {"role": "approver"}
    ),
    "DELETE /api/v1/members/<pk>/": Door("member.manage", "member", person=True),
    "GET /api/v1/keys/": Door("key.manage"),
    "POST /api/v1/keys/": Door(
        "key.manage", body=lambda w: {"name": "n", "scopes": ["key.manage"]}
    ),
    "GET /api/v1/keys/<pk>/": Door("key.manage", "key"),
    "DELETE /api/v1/keys/<pk>/": Door("key.manage", "key"),
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
    "POST /api/v1/exports/<pk>/cancel/": Door("audit.view", "export", own=frozenset({409})),
    "GET /api/v1/exports/<pk>/download/": Door("audit.view", "export"),
    "GET /exports/": Door("org.view"),
    "POST /exports/": Door("audit.view", body=new_export),
    "GET /exports/<pk>/": Door("audit.view", "export"),
    "POST /exports/<pk>/cancel/": Door("audit.view", "export"),
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
    "POST /api/v1/workflows/<pk>/publish/": shared("workflow.publish", "workflow"),
    "POST /api/v1/workflows/<pk>/runs/": shared(
        "workflow.run", "workflow", body=lambda w: {"inputs": {"what": "x"}}
    ),
    "GET /api/v1/workflows/<pk>/grants/": shared("workflow.edit", "workflow"),
    "POST /api/v1/workflows/<pk>/grants/": shared("workflow.edit", "workflow", body=sharing),
    "DELETE /api/v1/workflows/<pk>/grants/": shared("workflow.edit", "workflow", body=sharing),
    "GET /api/v1/versions/<pk>/": shared("workflow.view", "version"),
    "GET /api/v1/runs/": shared("run.view"),
    "GET /api/v1/runs/<pk>/": shared("run.view", "run"),
    "GET /api/v1/runs/<pk>/events/": shared("run.view", "run"),
    "GET /api/v1/runs/<pk>/stream/": shared("run.view", "run"),
    "POST /api/v1/runs/<pk>/cancel/": shared("run.control", "run"),
    "GET /api/v1/trace/<trace_id>/": Door("run.view", "trace"),
    # -- pages
    "GET /": Door("org.view"),
    "GET /navigation/": Door(alone=frozenset({200})),
    "GET /organization/": Door("org.view"),
    "POST /organization/": Door("org.manage", body=lambda w: {"name": "New"}),
    "POST /organization/origins/": Door(
        "org.manage", body=lambda w: {"origins": "https://app.example.com"}
    ),
    "POST /organization/switch/": Door(
        body=lambda w: {"organization": str(w.organization.pk)}, alone=frozenset({302})
    ),
    "POST /organization/members/": Door(
        "member.manage", body=lambda w: {"email": "x@example.com", "role": "member"},
        own=frozenset({404}),
    ),
    "POST /organization/members/<pk>/role/": Door(
        "member.manage", "member", body=lambda w: {"role": "approver"}
    ),
    "POST /organization/members/<pk>/remove/": Door("member.manage", "member"),
    "GET /audit/": Door("audit.view"),
    "GET /audit/<pk>/": Door("audit.view", "entry"),
    "GET /audit/statistics/": Door("audit.view"),
    "POST /audit/retention/": Door("org.manage", body=lambda w: {"days": "400"}),
    "GET /keys/": Door("key.manage"),
    "GET /keys/new/": Door("key.manage"),
    "POST /keys/new/": Door(
        "key.manage", body=lambda w: {"name": "n", "scopes": ["key.manage"]}
    ),
    "POST /keys/<pk>/revoke/": Door("key.manage", "key"),
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
    "POST /workflows/<pk>/share/": shared("workflow.edit", "workflow", body=sharing),
    "POST /workflows/<pk>/start/": shared("workflow.run", "workflow", body=version_of),
    "GET /runs/": shared("org.view"),
    "GET /runs/<pk>/": shared("run.view", "run"),
    "GET /runs/<pk>/result/": shared("run.view", "run"),
    "GET /runs/<pk>/node/": shared("run.view", "run"),
    "POST /runs/<pk>/cancel/": shared("run.control", "run"),
    "GET /trace/": Door("org.view"),
}  # fmt: skip
