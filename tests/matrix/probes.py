"""What a status cannot say: whether another organization shows through in some other way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

from django.db.models import F
from django.test import Client

from accounts.tests.factories import UserFactory
from billing.models import Hold, UsageRecord
from core.ids import uuid7
from files.tests.factories import file_of
from orgs.models import Role
from orgs.tests.factories import MembershipFactory
from tests import worlds as making
from tests.doors import DOORS, Door
from tests.matrix import routes
from tests.matrix.callers import AUTH, OWN_AFFAIRS
from tests.matrix.knocking import (
    ask,
    id_of,
    is_api,
    settled,
    shape,
    signed_in,
    text_of,
    undone,
)
from tests.matrix.walking import Findings, Worlds
from tests.worlds import KEPT, World
from workflows.history import timeline

WORDS = ("q", "search", "query", "status", "workflow", "version", "selected", "id", "project",
         "team", "user", "actor", "key", "member", "node", "trace", "trace_id", "target_id",
         "target_type", "action", "hold", "model", "provider", "run", "run_id", "organization",
         "subject_id",
         "cursor", "ordering")  # fmt: skip
"""Names that pages read from their query string, besides those the OpenAPI document lists."""


def reading() -> dict[str, Door]:
    return {name: door for name, door in DOORS.items() if name.startswith("GET ")}


def targeted() -> dict[str, Door]:
    """Doors whose address names one row."""
    return {name: door for name, door in DOORS.items() if door.target}


def everything(worlds: Worlds, findings: Findings) -> None:
    """All of `PROBES`, as the owner of the one organization about the other's."""
    owner = signed_in(worlds.ours.people[Role.OWNER])
    for probe in PROBES:
        probe(owner, worlds, findings)


def _missing(like: str) -> str:
    """An id of the same form that stands for nothing."""
    if like.isdecimal():
        return str(int(like) + 1_000_000)
    return str(uuid7()) if "-" in like else uuid7().hex


def look_ups(owner: Client, worlds: Worlds, findings: Findings) -> None:
    """A foreign id and one that never was: the same answer, after the same statements."""
    for name, door in targeted().items():
        foreign, none = _foreign_and_none(owner, worlds, name, door)
        findings.pairs += 1
        if foreign[0] != none[0]:
            findings.note(
                f"look-up at {name}", f"{foreign[0]} for a foreign id, {none[0]} for none"
            )
        elif foreign[1] != none[1]:
            findings.note(f"look-up at {name}", first_difference(foreign[1], none[1]))
        if foreign[2] != none[2]:
            findings.note(f"look-up at {name}", f"statements differ: {_delta(foreign[2], none[2])}")


def _foreign_and_none(owner: Client, worlds: Worlds, name: str, door: Door) -> list[Any]:
    found = []
    theirs = worlds.theirs.trace_id if door.target == "trace" else id_of(worlds.theirs, door.target)
    for pk in (theirs, _missing(theirs)):
        with undone() as seen:
            answer = ask(owner, name, door, worlds.theirs, body=worlds.ours, pk=pk)
            short = f"(?:(?<=/)|(?<=%2F)){pk}(?=/|%2F)"
            echoed = rf"{pk}|{pk.replace('-', '')}" if len(pk) > 20 else short
            text = re.sub(echoed, "…", settled(answer))
        found.append((answer.status_code, text, shape(seen.sql)))
    return found


def first_difference(one: str, other: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    return f"…{one[at - 60 : at + 60]!r} / …{other[at - 60 : at + 60]!r}"


def _delta(some: list[str], others: list[str]) -> str:
    return f"{len(some)} and {len(others)}: {sorted(set(some) ^ set(others))}"[:400]


def other_methods(owner: Client, worlds: Worlds, findings: Findings) -> None:
    """HEAD is GET without a body; what is not declared is refused; OPTIONS tells nothing."""
    by_path: dict[str, set[str]] = {}
    for name in DOORS:
        method, path = name.split(" ")
        by_path.setdefault(path, set()).add(method)
    for path, methods in list(by_path.items())[:: 1 if worlds.thorough else 5]:
        door = next(DOORS[f"{method} {path}"] for method in sorted(methods))
        for method in ({"PUT", "PATCH", "DELETE", "TRACE"} - methods) | {"HEAD", "OPTIONS"}:
            where = f"{method} {path}"
            with undone():
                client = Client(raise_request_exception=False)
                nobody = ask(client, where, door, worlds.theirs, given={})
                answer = ask(owner, where, door, worlds.theirs, given={})
            findings.pairs += 2
            told = text_of(nobody) + text_of(answer)
            if worlds.theirs.mark in told:
                findings.note(where, "shows the mark of the other organization")
            if method not in {"HEAD", "OPTIONS"} and answer.status_code not in {403, 404, 405}:
                findings.note(where, f"{answer.status_code} by a method that is not declared")
            if method == "HEAD" and "GET" in methods and nobody.status_code not in {302, 401, 405}:
                findings.note(where, f"{nobody.status_code} for nobody in particular")


def cached_answers(owner: Client, worlds: Worlds, findings: Findings) -> None:
    """Knowing a row's ETag does not make a 304 of another's 404."""
    keeper = signed_in(worlds.theirs.people[Role.OWNER])
    for name, door in targeted().items():
        if not name.startswith("GET ") or door.target == "trace":
            continue
        with undone():
            tag = ask(keeper, name, door, worlds.theirs).headers.get("ETag", "")
        for known in filter(None, (tag, "*")):
            for header in ("If-None-Match", "If-Match"):
                with undone():
                    answer = ask(owner, name, door, worlds.theirs, headers={header: known})
                findings.pairs += 1
                if answer.status_code != 404:
                    findings.note(f"{header}: {known} at {name}", f"{answer.status_code}, not 404")


def searches(owner: Client, worlds: Worlds, findings: Findings) -> None:
    """Every parameter of every list, with each text and id of the other organization."""
    for name, door in reading().items():
        for parameter in parameters(name):
            for value in values_for(parameter, worlds, few=not is_api(name)):
                with undone():
                    answer = ask(owner, name, door, worlds.ours, query={parameter: value})
                findings.pairs += 1
                text = text_of(answer).replace(value, "")
                if worlds.theirs.mark in text or answer.status_code >= 500:
                    findings.note(f"{name} ?{parameter}={value}", f"{answer.status_code}, shows it")


def values_for(parameter: str, worlds: Worlds, *, few: bool) -> set[str]:
    """Their mark, their trace, and whatever id the parameter may mean by its name.

    `few`: one of them. Pages are asked by every name there is, most of which they do not know.
    """
    world, known = worlds.theirs, ids_of(worlds.theirs)
    if few or not worlds.thorough:
        return {known.get(parameter, world.trace_id if "trace" in parameter else world.mark)}
    meant = {pk for name, pk in known.items() if name in parameter or parameter in name}
    return {world.mark, world.trace_id, *(meant or {known["run"], known["organization"]})}


def parameters(name: str) -> list[str]:
    operation = routes.operations().get(name)
    if operation is None:
        return list(WORDS)
    listed = [_referred(each) for each in operation.get("parameters", ())]
    return [each["name"] for each in listed if each["in"] == "query"]


def _referred(part: dict[str, Any]) -> dict[str, Any]:
    """What `#/components/…` stands for, or the part itself."""
    found = part
    if "$ref" in part:
        found = routes.document()
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
    return found


def ids_of(world: World) -> dict[str, str]:
    """By name of the row, each id that stands for it outside."""
    rows = {name: id_of(world, name) for name, row in vars(world.rows).items() if row is not None}
    people = {f"person {role}": str(user.pk) for role, user in world.people.items()}
    return rows | people | {"organization": str(world.organization.pk)}


def bodies(owner: Client, worlds: Worlds, findings: Findings) -> None:
    """Each id in each body swapped for the other organization's, one after the other."""
    swaps = {
        mine: ids_of(worlds.theirs)[name]
        for name, mine in ids_of(worlds.ours).items()
        if name in ids_of(worlds.theirs)
    }
    for name, door in DOORS.items():
        for what, given in _swapped(name, door, worlds, swaps):
            _send_swapped(owner, worlds, findings, f"{name} with {what}", given)


def _swapped(
    name: str, door: Door, worlds: Worlds, swaps: dict[str, str]
) -> Iterator[tuple[str, tuple[str, Door, dict[str, Any]]]]:
    body = door.body(worlds.ours)
    for key, value in body.items():
        if isinstance(value, str) and value in swaps:
            yield f"{key} of theirs", (name, door, body | {key: swaps[value]})
    for key in _relations(name) - set(body):
        row = next((pk for what, pk in ids_of(worlds.theirs).items() if what in key), None)
        yield f"{key} added", (name, door, body | {key: row or str(worlds.theirs.organization.pk)})


def _relations(name: str) -> set[str]:
    """The properties of a request that are ids, by the OpenAPI document."""
    content = routes.operations().get(name, {}).get("requestBody", {}).get("content", {})
    schema = _referred(content.get("application/json", {}).get("schema", {}))
    properties = schema.get("properties", {})
    return {key for key, each in properties.items() if each.get("format") == "uuid"} | {
        "organization", "organization_id"
    }  # fmt: skip


def _send_swapped(
    owner: Client, worlds: Worlds, findings: Findings, where: str, given: tuple[str, Door, Any]
) -> None:
    name, door, body = given
    with undone() as seen:
        answer = ask(owner, name, door, worlds.ours, given=body)
        findings.pairs += 1
        told = text_of(answer)
        for value in (each for each in body.values() if isinstance(each, str)):
            told = told.replace(value, "")
        if worlds.theirs.mark in told or (answer.status_code >= 500 and name[-6:] != "check/"):
            findings.note(where, f"{answer.status_code}, shows the other organization")
        if seen.written:
            if worlds.is_changed(worlds.theirs):
                findings.note(where, "changed rows of the other organization")
            for crossing in crossings():
                findings.note(where, f"relates rows of two organizations: {crossing}")
    chosen = owner.session.get("organization_id")
    if chosen == str(worlds.theirs.organization.pk):
        findings.note(where, "chose the other organization")


def crossings() -> list[str]:
    """Foreign keys by which a row of one organization names a row of another."""
    return [
        f"{model._meta.label}.{field.name}"
        for model in KEPT
        for field in model._meta.fields
        if field.related_model in KEPT
        and _tenant(model)
        and _tenant(field.related_model)
        and model._base_manager.exclude(**{field.name: None})
        .exclude(**{f"{field.name}__organization_id": F("organization_id")})
        .exclude(**{f"{field.name}__organization_id": None})
        .exists()
    ]


def _tenant(model: Any) -> bool:
    return any(field.attname == "organization_id" for field in model._meta.fields)


def naming(owner: Client, worlds: Worlds, findings: Findings) -> None:
    """The header chooses among one's own organizations, and is not a way into others."""
    named = {"X-Organization": str(worlds.theirs.organization.pk)}
    for name, door in reading().items():
        if door.target or any(start in name for start in OWN_AFFAIRS):
            continue
        with undone():
            answer = ask(owner, name, door, worlds.theirs, headers=named)
        findings.pairs += 1
        if answer.status_code != 403 and answer.status_code not in door.alone:
            findings.note(f"{name} naming theirs", f"{answer.status_code}, not 403")
        if worlds.theirs.mark in text_of(answer):
            findings.note(f"{name} naming theirs", "shows the mark of the other organization")


def replays(owner: Client, worlds: Worlds, findings: Findings) -> None:
    """An idempotency key of theirs, sent by us with the same body, does not bring their answer."""
    keeper = signed_in(worlds.theirs.people[Role.OWNER])
    for name, door in DOORS.items():
        if not name.startswith("POST /api/") or AUTH in name or door.target:
            continue
        headers = {"Idempotency-Key": f"replay-{uuid7()}"}
        with undone():
            body = door.body(worlds.theirs)
            first = ask(keeper, name, door, worlds.theirs, given=body, headers=headers)
            again = ask(owner, name, door, worlds.ours, given=body, headers=headers)
            findings.pairs += 1
            stored = first.status_code < 300 and b'"id"' in first.content
            if worlds.theirs.mark in text_of(again) or (stored and first.content == again.content):
                findings.note(f"replay at {name}", "is the other organization's answer")


def growth(owner: Client, worlds: Worlds, findings: Findings) -> None:
    """No list, badge, count or figure of ours moves when they get more of everything."""
    for name, door in reading().items():
        with undone(), _clock_of_timelines():
            before = _seen(owner, name, door, worlds)
            _grow(worlds.theirs)
            after = _seen(owner, name, door, worlds)
        findings.pairs += 1
        if before != after:
            findings.note(f"{name} as they grow", first_difference(before, after))


def _grow(world: World) -> None:
    more = replace(world, mark=f"{world.mark}-more", rows=SimpleNamespace(**vars(world.rows)))
    adding = (making._add_keys, making._add_flow, making._add_run, making._add_triggers)
    for add in (*adding, making._add_tasks):
        add(more)
    holds = [_copy(world.rows.hold, billing_ref=f"more-{number}") for number in range(3)]
    Hold.objects.bulk_create(holds)
    UsageRecord.objects.bulk_create([_copy(world.rows.usage, hold_id=row.pk) for row in holds])
    MembershipFactory(organization=world.organization, user=UserFactory(name=world.mark))
    file_of(world.owner, b"more", name=f"{world.mark}.more")


def _copy(row: Any, **changes: Any) -> Any:
    given = {field.attname: getattr(row, field.attname) for field in row._meta.fields}
    return type(row)(**(given | {"id": None if isinstance(row.pk, int) else uuid7()} | changes))


def _clock_of_timelines() -> Any:
    """Stopped: a run that is under way is drawn up to now, so each look differs from the last."""
    return mock.patch.object(timeline, "now", return_value=timeline.now())


def _seen(owner: Client, name: str, door: Door, worlds: Worlds) -> str:
    return settled(ask(owner, name, door, worlds.ours))


PROBES = (
    look_ups, other_methods, cached_answers, searches, bodies, naming, replays, growth,
)  # fmt: skip
