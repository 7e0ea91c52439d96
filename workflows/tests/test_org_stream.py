"""The stream of an organization: nothing is missed, nobody else's is told, and it ends in time."""

import asyncio
import json
import threading
import time
from datetime import timedelta

import pytest
import requests
from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection, transaction
from django.utils.timezone import now

from core.bus import get_bus
from orgs.actions import revoke_key
from orgs.models import ApiKey, Membership, Project
from orgs.tests.factories import OrganizationFactory, actor_in, key_in
from orgs.watch import PEOPLE_SECONDS, while_allowed
from workflows import orglive
from workflows.feeds import WAITING, Piece, Watcher
from workflows.live import follow_run
from workflows.models import Event
from workflows.orglive import Horizon, Look, follow_organization
from workflows.runtime.channels import channel_of
from workflows.tests.factories import approval_flow, make_runs, published
from workflows.tests.serving import serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]


@pytest.fixture
def organization():
    return OrganizationFactory()


def happen(run, kind="run.started", seq=None, at=None):
    seq = seq or Event.objects.filter(run=run).count() + 1
    return Event.objects.create(
        organization_id=run.organization_id, run=run, seq=seq, kind=kind, at=at or now()
    )


def parsed(text):
    rows = dict(line.split(": ", 1) for line in text.strip().splitlines() if ": " in line)
    return rows | {"data": json.loads(rows["data"])} if "data" in rows else rows


async def take(frames, count, seconds=8.0):
    """The next frames that are events of runs or say something of the stream."""
    found = []
    async with asyncio.timeout(seconds):
        while len(found) < count:
            frame = parsed(await anext(frames))
            if "event" in frame:
                found.append(frame)
    return found


async def silent(frames, seconds=2.5):
    upcoming = asyncio.ensure_future(anext(frames))
    done, _ = await asyncio.wait({upcoming}, timeout=seconds)
    upcoming.cancel()
    return not done


async def test_changes_of_runs_are_told_and_steps_are_not(organization):
    actor = await sync_to_async(actor_in)(organization)
    (run,) = await sync_to_async(make_runs)(organization, 1)
    (foreign,) = await sync_to_async(make_runs)(await sync_to_async(OrganizationFactory)(), 1)
    frames = follow_organization(actor, None)
    (opened,) = await take(frames, 1)
    await sync_to_async(happen)(foreign)
    await sync_to_async(happen)(run, "node.started")
    await sync_to_async(happen)(run, "run.waiting")

    (told,) = await take(frames, 1)

    assert (opened["event"], told["event"]) == ("open", "run")
    assert told["data"]["run"] == str(run.public_id)
    assert told["data"]["workflow"] == str(run.workflow_id)
    assert (told["data"]["kind"], told["data"]["state"]) == ("run.waiting", "queued")
    await frames.aclose()


async def test_who_comes_back_gets_all_that_happened_meanwhile(organization):
    actor = await sync_to_async(actor_in)(organization)
    runs = await sync_to_async(make_runs)(organization, 3)
    for run in runs:
        await sync_to_async(happen)(run, at=now() - timedelta(minutes=1))
    first = follow_organization(actor, 0)
    told = await take(first, 3)
    await first.aclose()
    await sync_to_async(happen)(runs[0], "run.succeeded")

    again = follow_organization(actor, int(told[-1].get("id", 0)))
    kinds = {frame["data"]["kind"] for frame in await take(again, 1)}
    rest = await take(again, 3) if "run.succeeded" not in kinds else []

    assert "run.succeeded" in kinds | {frame["data"]["kind"] for frame in rest}
    await again.aclose()


async def test_too_much_to_tell_again_is_said(organization, monkeypatch):
    monkeypatch.setattr(orglive, "REPLAYED", 2)
    actor = await sync_to_async(actor_in)(organization)
    for run in await sync_to_async(make_runs)(organization, 4):
        await sync_to_async(happen)(run)

    frames = follow_organization(actor, 0)

    assert [frame["event"] for frame in await take(frames, 1)] == ["reset"]
    await frames.aclose()


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer")
async def test_a_lower_number_that_commits_later_is_told_and_comes_back(organization):
    actor = await sync_to_async(actor_in)(organization)
    early, late = await sync_to_async(make_runs)(organization, 2)
    drawn, go = threading.Event(), threading.Event()

    def slow():
        try:
            with transaction.atomic():
                happen(late, "run.paused")
                drawn.set()
                go.wait(10)
        finally:
            connection.close()

    writer = threading.Thread(target=slow)
    writer.start()
    await asyncio.to_thread(drawn.wait, 5)
    frames = follow_organization(actor, None)
    await take(frames, 1)
    await sync_to_async(happen)(early, "run.started")
    (one,) = await take(frames, 1)
    await asyncio.sleep(2.5)  # the horizon would have moved on by now
    await sync_to_async(happen)(early, "run.waiting")
    (two,) = await take(frames, 1)
    await frames.aclose()
    go.set()
    await asyncio.to_thread(writer.join)

    again = follow_organization(actor, int(two["id"]))
    told = await take(again, 3)

    assert [one["data"]["kind"], two["data"]["kind"]] == ["run.started", "run.waiting"]
    assert "run.paused" in {frame["data"]["kind"] for frame in told}
    await again.aclose()


def test_the_horizon_waits_for_open_transactions(monkeypatch):
    monkeypatch.setattr(orglive, "SETTLED_SECONDS", 0)
    horizon = Horizon(10)
    horizon.move(Look([], floor=100, ceiling=105), 14)
    assert horizon.number == 10
    horizon.move(Look([], floor=103, ceiling=110), 16)
    assert horizon.number == 10
    horizon.move(Look([], floor=105, ceiling=112), 16)
    assert horizon.number == 14
    horizon.move(Look([], floor=112, ceiling=112), 16)
    assert horizon.number == 16
    monkeypatch.setattr(orglive, "LONG_SECONDS", 0)
    horizon.move(Look([], floor=112, ceiling=120), 30)
    horizon.move(Look([], floor=112, ceiling=121), 30)
    assert horizon.number == 30


async def test_restricted_projects_stay_hidden(organization):
    def prepare():
        hidden = published(approval_flow(), organization)
        project = Project.objects.create(organization=organization, name="p", restricted=True)
        hidden.project = project
        hidden.save()
        (secret,) = make_runs(organization, 1, hidden)
        (open_one,) = make_runs(organization, 1)
        return secret, open_one, actor_in(organization, "member"), actor_in(organization, "guest")

    secret, open_one, member, guest = await sync_to_async(prepare)()
    watching, nothing = follow_organization(member, None), follow_organization(guest, None)
    await take(watching, 1)
    await take(nothing, 1)
    await sync_to_async(happen)(secret)
    await sync_to_async(happen)(open_one)

    (told,) = await take(watching, 1)

    assert told["data"]["run"] == str(open_one.public_id)
    assert await silent(nothing)
    await watching.aclose()


async def forever():
    while True:
        yield ": beat\n\n"
        await asyncio.sleep(0.1)


async def ends_in(frames, seconds):
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        async for _ in frames:
            pass
    return time.monotonic() - began


async def test_a_stream_ends_with_the_membership_or_the_role(organization):
    for change in (
        lambda rows: rows.delete(),
        lambda rows: rows.update(role="guest"),
    ):
        actor = await sync_to_async(actor_in)(organization, "member")
        frames = while_allowed(actor, forever())
        await anext(frames)
        rows = Membership.objects.filter(user_id=actor.user_id)
        await sync_to_async(change)(rows)

        assert await ends_in(frames, 10) < PEOPLE_SECONDS + 2


async def test_a_stream_of_one_run_ends_when_it_may_no_longer_be_seen(organization):
    def prepare():
        workflow = published(approval_flow(), organization)
        (run,) = make_runs(organization, 1, workflow)
        return run, workflow, actor_in(organization, "member")

    run, workflow, actor = await sync_to_async(prepare)()
    frames = while_allowed(actor, follow_run(run, 0), workflow, "run.view")
    await anext(frames)

    def restrict():
        Project.objects.filter(pk=workflow.project_id).update(restricted=True)

    await sync_to_async(restrict)()
    assert await ends_in(frames, 10) < PEOPLE_SECONDS + 3


def test_a_key_opens_it_and_its_end_closes_it(organization):
    (run,) = make_runs(organization, 1)
    token = key_in(organization, "run.view")
    bare = key_in(organization, "file.view")
    with serving() as url:
        address = f"{url}/api/v1/runs/stream/"
        refused = requests.get(address, headers={"Authorization": f"Bearer {bare}"}, timeout=5)
        nobody = requests.get(address, timeout=5)
        answer = requests.get(
            address, headers={"Authorization": f"Bearer {token}"}, stream=True, timeout=20
        )
        lines = answer.iter_lines(decode_unicode=True)
        assert next(line for line in lines if line.startswith("event")) == "event: open"
        happen(run)
        assert next(line for line in lines if line.startswith("event")) == "event: run"
        key = ApiKey.objects.exclude(name="").order_by("created_at").first()
        began = time.monotonic()
        revoke_key(actor=actor_in(organization), key_id=key.pk)
        list(lines)
        assert time.monotonic() - began < 3

    assert (refused.status_code, nobody.status_code) == (403, 401)
    close_old_connections()


async def test_watchers_of_a_run_share_one_read(organization, monkeypatch):
    (run,) = await sync_to_async(make_runs)(organization, 1)
    reads = []
    known = orglive.close_old_connections
    monkeypatch.setattr("workflows.live.close_old_connections", lambda: (reads.append(1), known()))
    watching = [follow_run(run, 0) for _ in range(40)]
    for frames in watching:
        await anext(frames)
    first = [asyncio.ensure_future(anext(frames)) for frames in watching]
    while len(reads) < 41:  # each has caught up for itself, and the feed looked once
        await asyncio.sleep(0.05)
    reads.clear()
    await sync_to_async(happen)(run, "run.started", seq=1)
    get_bus().publish(channel_of(run.public_id), {"seq": 1})

    told = await asyncio.wait_for(asyncio.gather(*first), 8)

    assert len(set(told)) == 1
    assert len(reads) <= 3
    for frames in watching:
        await frames.aclose()


async def test_a_slow_watcher_is_bounded_and_told_to_read_for_itself():
    watcher = Watcher()
    for number in range(WAITING + 5):
        watcher.put(Piece("x", number))

    assert await watcher.next() is None
    watcher.put(Piece("y", 1))
    assert [piece.text for piece in await watcher.next()] == ["y"]
