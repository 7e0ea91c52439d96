"""Where the fuzzer plays: a world in a throw-away database, an owner's session, real ids."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from allauth.account.models import EmailAddress
from django.db import connection, transaction
from django.middleware.csrf import get_token
from django.test import Client, RequestFactory
from django.utils.timezone import now

from accounts.tests.factories import UserFactory
from bpm.actions import claim_task
from bpm.models import HumanTask
from bpm.tests.factories import make_task
from files.models import Export
from llm.tests.factories import ProviderFactory
from orgs.actions import create_invitation
from orgs.models import Role
from orgs.tests.factories import MembershipFactory, OrganizationFactory, actor_in
from tests.doors import DOORS
from tests.worlds import World, make_world
from workflows.api import streams
from workflows.models import Event, Run
from workflows.runtime.sweep import HUMAN_INPUT, subject_of

BEGINNING = 0.5
"""Seconds that are listened to a stream without an end."""
REAL = 0.8
"""How often an id is that of a row there is: the rest knocks at nobody's door."""
BARE = {"If-Match": 0.7, "If-None-Match": 0.7, "X-Organization": 0.95}
"""How often a condition is left out: generated tags hold for nothing."""
KNOWN = 0.4
SIGNED_IN = 0.96
CREDENTIALS = {"authorization", "x-api-key", "cookie"}


@dataclass
class Place:
    world: World
    headers: dict[str, str]
    cookies: dict[str, str]
    dice: random.Random = field(default_factory=lambda: random.Random(4711))
    ids: dict[str, str] = field(default_factory=dict)
    """By the name of a field in a body: the row that is meant."""
    spare: dict[str, str] = field(default_factory=dict)
    """By operation, where the world's own row is not in the state that it needs."""

    def settle(self, case: Any) -> None:
        """Make a generated case reach something, most of the time."""
        if case.path_parameters and self._rolls(REAL):
            self._name_rows(case)
        for name, chance in BARE.items():
            if self._rolls(chance):
                case.headers.pop(name, None)
        if case.query and self._rolls(REAL):
            case.query.pop("cursor", None)  # nobody guesses a signature
        if self._rolls(SIGNED_IN):  # what is generated in their place opens nothing
            case.cookies = {}
            for name in [each for each in case.headers if each.lower() in CREDENTIALS]:
                del case.headers[name]
        self._name_real(case.query)
        self._name_real(case.body)
        if isinstance(case.body, dict):
            self._mean_something(case)

    def _name_real(self, part: Any) -> None:
        for name, value in self.ids.items() if isinstance(part, dict) else ():
            if isinstance(part.get(name), str) and self._rolls(REAL):
                part[name] = value

    def _mean_something(self, case: Any) -> None:
        """Now and then a value that the table of doors would send."""
        door = door_of(case.method, case.operation.path)
        for name, value in (door.body(self.world) if door else {}).items():
            if name in case.body and not hasattr(value, "read") and self._rolls(KNOWN):
                case.body[name] = value

    def _name_rows(self, case: Any) -> None:
        for name in list(case.path_parameters):
            if (found := self.row_id(case.method, case.operation.path)) is not None:
                case.path_parameters[name] = found

    def row_id(self, method: str, path: str) -> str | None:
        if (found := self.spare.get(f"{method.upper()} {path}")) is not None:
            return found
        if path.endswith("/trace/{trace_id}/"):
            return self.world.trace_id
        door = door_of(method, path)
        row = getattr(self.world.rows, door.target, None) if door else None
        key = getattr(row, "public_id", None) or getattr(row, "pk", None)
        return str(key) if key is not None else None

    def _rolls(self, chance: float) -> bool:
        return self.dice.random() < chance


def door_of(method: str, path: str) -> Any:
    """The row of the table of doors for an operation of the document."""
    for name, door in DOORS.items():
        verb, _, address = name.partition(" ")
        if verb == method.upper() and _plain(address) == _plain(path):
            return door
    return None


def _plain(address: str) -> str:
    return "/".join("*" if part[:1] in {"<", "{"} else part for part in address.split("/"))


def make_place(upstream: str) -> Place:
    """`upstream` is where the world's provider answers."""
    world = make_world("FUZZED")
    world.rows.provider.base_url = upstream
    world.rows.provider.save(update_fields=["base_url"])
    owner = world.people[Role.OWNER]
    client = Client()
    client.force_login(owner)
    _confirm(client, owner)
    MembershipFactory(organization=world.organization, role=Role.OWNER)  # so that one may leave
    request = RequestFactory().get("/")
    token = get_token(request)
    cookies = {name: morsel.value for name, morsel in client.cookies.items()}
    cookies["loomwork_csrf"] = request.META["CSRF_COOKIE"]
    place = Place(world, {"X-CSRFToken": token}, cookies)
    rows: Mapping[str, Any] = vars(world.rows)
    UserFactory(email="x@example.com")  # whom the table of doors adds to the organization
    place.ids = {
        "provider": str(rows["provider"].pk),
        "version": str(rows["version"].pk),
        "workflow": str(rows["workflow"].pk),
        "user": str(world.people[Role.GUEST].pk),
        "other": str(rows["run"].public_id),
    }
    place.spare = {
        # A stream ends where its run is over.
        "GET /api/v1/runs/{id}/stream/": str(_finished_run(world).public_id),
        "POST /api/v1/runs/{id}/retry/": str(_finished_run(world, "failed").public_id),
        "DELETE /api/v1/providers/{id}/": str(
            ProviderFactory(organization=world.organization, name="spare").pk
        ),
        **_invitations(owner),
        "POST /api/v1/exports/{id}/cancel/": str(_queued_export(world).pk),
        "POST /api/v1/tasks/{id}/release/": str(_claimed_task(world).pk),
    }
    return place


def _confirm(client: Client, user: Any) -> None:
    """As allauth notes that the person was asked again, for as long as the run may take."""
    session = client.session
    session["account_authentication_methods_user"] = str(user.pk)
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time() + 3600, "reauthenticated": True}
    ]
    session.save()


def _invitations(user: Any) -> dict[str, str]:
    """One elsewhere, to an address that the person has proven to read."""
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    host = actor_in(OrganizationFactory())
    pk = str(create_invitation(actor=host, email=user.email, role=Role.MEMBER).pk)
    mine = "POST /api/v1/invitations/mine/{id}"
    return {f"{mine}/accept/": pk, f"{mine}/decline/": pk}


def _queued_export(world: World) -> Export:
    return Export.objects.create(
        organization=world.organization,
        source="audit",
        format=Export.Format.CSV,
        user_id=world.owner.user_id,
    )


def _claimed_task(world: World) -> HumanTask:
    task = make_task(
        world.organization,
        title="claimed",
        kind=HUMAN_INPUT,
        subject_id=subject_of(world.rows.run.public_id, "start", ""),
        candidates=["role:owner"],
    )
    claim_task(actor=world.owner, task_id=task.pk)
    return task


def _finished_run(world: World, state: str = "succeeded") -> Run:
    run = Run.objects.create(
        organization=world.organization,
        workflow=world.rows.workflow,
        version=world.rows.version,
        state=state,
        trigger=Run.Trigger.API,
        seq=1,
        trace_id=world.trace_id,
        started_at=now(),
        ended_at=now(),
    )
    Event.objects.create(
        organization_id=world.organization.pk, run=run, seq=1, kind=f"run.{state}", at=now()
    )
    return run


@contextmanager
def undone() -> Iterator[None]:
    """Each request finds the world whole: what it did is checked like a commit, then undone."""
    # A server gives its connection back at a request's end; this one holds what is to be undone.
    connection.close_if_unusable_or_obsolete = lambda: None
    with transaction.atomic():
        yield
        connection.check_constraints()
        transaction.set_rollback(True)


@contextmanager
def ending_streams() -> Iterator[None]:
    """The stream of all runs ends here after what it begins with, of its own it never would."""
    whole = streams.follow_organization

    async def beginning(*args: Any) -> AsyncIterator[str]:
        async with aclosing(whole(*args)) as frames:
            try:
                while True:
                    yield await asyncio.wait_for(anext(frames), BEGINNING)
            except TimeoutError:
                return

    with mock.patch.object(streams, "follow_organization", beginning):
        yield
