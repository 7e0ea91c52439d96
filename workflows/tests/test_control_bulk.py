"""A command to many runs: through every run once, with the rights of now, whatever breaks."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from audit.models import Entry
from core.errors import InvalidInput, PermissionRefused
from orgs.models import Membership
from orgs.tests.factories import OrganizationFactory, actor_in, person_in
from workflows.actions import bulk as bulks
from workflows.actions import (
    cancel_bulk,
    delete_old_bulks,
    hand_back_bulks,
    run_bulk,
    start_bulk,
)
from workflows.errors import BulkFinished, TooManyBulks
from workflows.models import BulkCommand, Run, Signal
from workflows.tests.factories import make_runs

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def actor(organization):
    return actor_in(organization)


def carried_out(bulk, **options):
    run_bulk(bulk_id=bulk.pk, **options)
    bulk.refresh_from_db()
    return bulk


def states():
    return list(Run.objects.order_by("pk").values_list("state", flat=True))


def test_every_run_of_the_filter_is_commanded_and_refusals_are_counted(organization, actor):
    make_runs(organization, 3)
    make_runs(organization, 2, state="succeeded")
    make_runs(OrganizationFactory(), 1)

    bulk = carried_out(start_bulk(actor=actor, command="pause"))

    assert (bulk.state, bulk.total, bulk.done, bulk.refused) == ("succeeded", 5, 3, 2)
    assert bulk.codes == {"run_state_conflict": 2}
    assert states() == ["paused"] * 3 + ["succeeded"] * 2 + ["queued"]
    assert Entry.objects.filter(action="workflows.run.paused").count() == 3
    ended = Entry.objects.get(action="workflows.runs.bulk_ended").data
    assert (ended["done"], ended["refused"], ended["state"]) == (3, 2, "succeeded")


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"state": "waiting"}, ["queued", "cancelled"]),
        ({"ids": "first"}, ["cancelled", "waiting"]),
        ({"trace_id": f"{1:032x}"}, ["queued", "waiting"]),
        ({"trigger": "webhook"}, ["queued", "waiting"]),
        ({"until": "2020-01-01 00:00:00+00:00"}, ["queued", "waiting"]),
        ({"since": "2020-01-01T00:00", "state": "waiting"}, ["queued", "cancelled"]),
    ],
)
def test_a_filter_narrows(organization, actor, filters, expected):
    (first,) = make_runs(organization, 1)
    make_runs(organization, 1, state="waiting")
    if "ids" in filters:
        filters = {"ids": [str(first.public_id)]}

    carried_out(start_bulk(actor=actor, command="cancel", filters=filters))

    assert states() == expected


def test_runs_that_start_later_are_left_alone(organization, actor):
    make_runs(organization, 2)
    bulk = start_bulk(actor=actor, command="cancel")
    make_runs(organization, 1)

    carried_out(bulk)

    assert states() == ["cancelled", "cancelled", "queued"]


def test_it_works_in_turns_and_reports_how_far_it_is(organization, actor):
    make_runs(organization, 3)
    bulk = start_bulk(actor=actor, command="pause")

    bulk = carried_out(bulk, seconds=0)
    assert (bulk.state, bulk.done, bulk.percent) == ("queued", 1, 33)
    for _ in range(3):
        bulk = carried_out(bulk, seconds=0)
    bulk = carried_out(bulk)

    assert (bulk.state, bulk.done, bulk.percent) == ("succeeded", 3, 100)


def test_a_crash_leaves_no_run_out_and_does_none_twice(organization, actor, monkeypatch):
    make_runs(organization, 4)
    bulk = start_bulk(actor=actor, command="signal", arguments={"name": "go", "data": {}})
    step = bulks._step

    def dies_at_the_third(given, pk, code):
        if given.done == 2:
            raise RuntimeError("killed")
        step(given, pk, code)

    monkeypatch.setattr(bulks, "_step", dies_at_the_third)
    with pytest.raises(RuntimeError):
        run_bulk(bulk_id=bulk.pk)
    monkeypatch.undo()
    bulk.refresh_from_db()
    assert (bulk.state, bulk.done, Signal.objects.count()) == ("running", 2, 2)
    assert not run_bulk(bulk_id=bulk.pk), "somebody has it"
    BulkCommand.objects.update(heartbeat_at=now() - timedelta(minutes=5))

    hand_back_bulks()
    bulk = carried_out(bulk)

    assert (bulk.state, bulk.done, bulk.refused, bulk.crashes) == ("succeeded", 4, 0, 0)
    assert Signal.objects.count() == 4


def test_a_rerun_that_was_done_before_the_crash_is_not_done_again(organization, actor, monkeypatch):
    make_runs(organization, 1, state="succeeded", inputs={"what": "x"})
    bulk = start_bulk(actor=actor, command="rerun")
    monkeypatch.setattr(bulks, "_step", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_bulk(bulk_id=bulk.pk)
    monkeypatch.undo()
    BulkCommand.objects.update(state="queued")

    bulk = carried_out(bulk)

    assert (bulk.done, Run.objects.count()) == (1, 2)


def test_one_that_kills_its_worker_again_and_again_is_given_up(organization, actor):
    bulk = start_bulk(actor=actor, command="pause")
    BulkCommand.objects.update(
        state="running", crashes=bulks.ATTEMPTS, heartbeat_at=now() - timedelta(minutes=5)
    )

    hand_back_bulks()

    bulk.refresh_from_db()
    assert (bulk.state, bulk.error) == ("failed", "worker_lost")


def test_a_stopped_one_stops_before_the_next_run(organization, actor):
    make_runs(organization, 2)
    bulk = start_bulk(actor=actor, command="pause")
    carried_out(bulk, seconds=0)

    cancel_bulk(actor=actor, bulk_id=bulk.pk)
    bulk = carried_out(bulk)

    assert (bulk.state, bulk.done) == ("cancelled", 1)
    assert states() == ["paused", "queued"]
    with pytest.raises(BulkFinished):
        cancel_bulk(actor=actor, bulk_id=bulk.pk)


def test_rights_are_those_of_now(organization):
    user, member = person_in(organization, "member")
    make_runs(organization, 1, started_by_id=user.pk)
    make_runs(organization, 1)
    bulk = start_bulk(actor=member, command="cancel")

    bulk = carried_out(bulk)
    assert states() == ["cancelled", "queued"]
    assert bulk.codes == {"permission_denied": 1}

    later = start_bulk(actor=member, command="cancel")
    Membership.objects.filter(user=user).delete()
    later = carried_out(later)
    assert (later.state, later.error) == ("failed", "permission_denied")


def test_one_sees_ones_own_and_who_controls_runs_sees_all(organization, actor):
    member = actor_in(organization, "member")
    bulk = start_bulk(actor=actor, command="pause")
    own = start_bulk(actor=member, command="pause")

    assert list(BulkCommand.objects.visible_to(member)) == [own]
    assert BulkCommand.objects.visible_to(actor).count() == 2
    with pytest.raises(PermissionRefused):
        cancel_bulk(actor=member, bulk_id=bulk.pk)


@pytest.mark.parametrize(
    "given",
    [
        {"command": "explode"},
        {"command": "skip"},
        {"command": "reset", "arguments": {"to": "x"}},
        {"command": "pause", "arguments": {"reason": "x"}},
        {"command": "pause", "filters": {"colour": "red"}},
        {"command": "pause", "filters": {"state": "odd"}},
        {"command": "pause", "filters": {"since": "yesterday"}},
        {"command": "pause", "filters": {"workflow": "x"}},
        {"command": "pause", "filters": {"ids": ["x"]}},
        {"command": "pause", "filters": {"ids": ["x"] * 1001}},
    ],
)
def test_what_makes_no_sense_is_refused(actor, given):
    with pytest.raises(InvalidInput):
        start_bulk(actor=actor, **given)

    assert not BulkCommand.objects.exists()


def test_so_many_at_once_and_no_more(actor):
    for _ in range(bulks.AT_ONCE):
        start_bulk(actor=actor, command="pause")

    with pytest.raises(TooManyBulks):
        start_bulk(actor=actor, command="pause")


def test_old_ones_go(organization, actor):
    old, young = (carried_out(start_bulk(actor=actor, command="pause")) for _ in range(2))
    BulkCommand.objects.filter(pk=old.pk).update(finished_at=now() - timedelta(days=31))

    assert delete_old_bulks() == 1
    assert list(BulkCommand.objects.all()) == [young]
