"""Organizations take turns, whatever each has queued; and no run is left lying or taken twice."""

import asyncio
import threading

import pytest
from django.db import connection, transaction

from core.ids import uuid7
from orgs.tests.factories import OrganizationFactory
from workflows.models import Run
from workflows.runtime.store import open_store
from workflows.tests.factories import make_runs

pytestmark = pytest.mark.django_db(transaction=True)
only_postgres = pytest.mark.skipif("connection.vendor != 'postgresql'")


def claims(*sizes, before=None):
    """What each claim of one store took: lists of (organization, run), run by run."""

    async def work():
        store = open_store()
        await store.open()
        try:
            found = []
            for size in sizes:
                claimed = await store.claim(uuid7(), size)
                found.append([(run.organization_id, run.pk) for run in claimed])
            return found
        finally:
            await store.close()

    return asyncio.run(work())


def test_one_run_does_not_wait_behind_ten_thousand_of_another():
    big, small = OrganizationFactory(), OrganizationFactory()
    make_runs(big, 1000)
    (run,) = make_runs(small, 1)

    (taken,) = claims(10)
    assert (small.pk, run.pk) in taken
    assert len(taken) == 10


def test_shares_are_even_and_the_rest_goes_to_who_has_more():
    first, second, third = (OrganizationFactory() for _ in range(3))
    make_runs(first, 50)
    make_runs(second, 50)
    make_runs(third, 2)

    (taken,) = claims(32)
    counts = [sum(owner == each.pk for owner, _ in taken) for each in (first, second, third)]
    assert sum(counts) == 32
    assert counts[2] == 2
    assert abs(counts[0] - counts[1]) <= 1


def test_claims_of_one_run_go_around():
    organizations = [OrganizationFactory() for _ in range(4)]
    for organization in organizations:
        make_runs(organization, 3)

    taken = claims(*[1] * 8)
    owners = [owner for ((owner, _),) in taken]
    assert sorted(owners[:4]) == sorted(owners[4:]) == sorted(each.pk for each in organizations)


def test_inside_an_organization_priority_comes_before_age():
    organization = OrganizationFactory()
    old, new = make_runs(organization, 2)
    (urgent,) = make_runs(organization, 1, priority=5)
    (idle,) = make_runs(organization, 1, priority=-5)

    taken = claims(1, 1, 1, 1)
    assert [run for ((_, run),) in taken] == [urgent.pk, old.pk, new.pk, idle.pk]


def test_fewer_than_asked_for_means_that_there_is_no_more():
    for count in (1, 2, 40, 7):
        make_runs(OrganizationFactory(), count)

    (taken,) = claims(64)
    assert len(taken) == 50
    assert not Run.objects.filter(state="queued").exists()


def test_an_organization_has_no_more_under_way_than_it_may(settings):
    settings.ENGINE_ORGANIZATION_SLOTS = 3
    full, other = OrganizationFactory(), OrganizationFactory()
    make_runs(full, 20)
    make_runs(other, 2)

    taken = claims(1, 1, 1, 1, 1, 4)
    owners = [owner for found in taken for owner, _ in found]
    assert owners.count(full.pk) == 3
    assert owners.count(other.pk) == 2


@only_postgres
def test_runs_that_somebody_else_holds_are_left_out_and_the_rest_is_taken():
    organization = OrganizationFactory()
    runs = make_runs(organization, 10)
    with transaction.atomic():
        list(Run.objects.select_for_update().filter(pk__in=[run.pk for run in runs[:4]]))
        taken = []
        thread = threading.Thread(target=lambda: taken.extend(claims(6)))
        thread.start()
        thread.join()
    assert sorted(run for _, run in taken[0]) == sorted(run.pk for run in runs[4:])


@only_postgres
def test_many_claims_at_once_take_each_run_once():
    for _ in range(7):
        make_runs(OrganizationFactory(), 60)
    taken, faults = [], []

    def work():
        try:
            while True:
                (found,) = claims(13)
                taken.extend(run for _, run in found)
                if len(found) < 13:
                    return
        except Exception as error:  # noqa: BLE001 - told below
            faults.append(repr(error))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(taken) == len(set(taken)) == 420
    assert connection.vendor == "postgresql"
