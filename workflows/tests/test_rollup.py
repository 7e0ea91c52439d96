"""Statistics: each end is counted once, whatever happens, and costs the same at any age."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F, Sum
from django.utils.timezone import now

from orgs.tests.factories import OrganizationFactory, actor_in
from workflows.actions import cancel_run
from workflows.actions.retention import prune_runs
from workflows.history.buckets import ACCURACY, bucket_of, percentile, value_of
from workflows.history.rollup import count_ended, count_some, tidy_rollups, uncounted
from workflows.history.sums import MOST_CODES, OTHERS, Sums
from workflows.models import RollupHour, Run, Step
from workflows.tests.factories import make_runs

HOUR = datetime(2026, 3, 4, 5, tzinfo=UTC)


def test_percentiles_are_within_the_bound_that_is_told():
    chance = random.Random(7)
    values = sorted(chance.lognormvariate(6, 2) + 1 for _ in range(5000))
    counts = Sums()
    for value in values:
        counts.end("succeeded", value)

    for share in (0.01, 0.5, 0.95, 0.99, 1.0):
        true = values[max(1, -(-round(share * 100_000) * len(values) // 100_000)) - 1]
        assert abs(percentile(counts.durations, share) - true) <= ACCURACY * true + 1

    assert percentile({}, 0.5) is None
    assert percentile({bucket_of(0): 3}, 0.5) == 1
    assert value_of(int(bucket_of(10**15))) > 90 * 86_400_000


def test_merged_hours_give_the_percentiles_of_all():
    chance = random.Random(3)
    one, two, both = Sums(), Sums(), Sums()
    for n in range(2000):
        value = chance.expovariate(1 / 300)
        (one if n % 3 else two).end("succeeded", value)
        both.end("succeeded", value)
    merged = Sums()
    merged.add(one)
    merged.add(two)

    assert merged == both


def test_codes_of_errors_are_bounded():
    sums = Sums()
    for n in range(MOST_CODES + 20):
        sums.count_error(f"code_{n}", 2)

    assert len(sums.errors) == MOST_CODES + 1
    assert sums.errors[OTHERS] == 40


def ended(organization, count=1, at=HOUR, state="succeeded", seconds=2, **more):
    more = {"epoch": 1, "error": None, **more}
    times = {"started_at": at, "ended_at": at + timedelta(seconds=seconds)}
    return make_runs(organization, count, state=state, **times, **more)


def step(run, node_id="call", cost=5, tokens=7, at=HOUR, status="succeeded", **more):
    return Step.objects.create(
        organization_id=run.organization_id,
        run=run,
        node_id=node_id,
        kind="llm",
        status=status,
        usage={"total_tokens": tokens},
        cost=cost,
        started_at=at,
        ended_at=at + timedelta(milliseconds=100),
        **more,
    )


def row(node_id="", **more):
    return RollupHour.objects.get(node_id=node_id, **more)


@pytest.mark.django_db
def test_what_ended_is_counted_once_by_workflow_node_and_hour():
    (run,) = ended(OrganizationFactory())
    step(run, attempts=3)
    step(run, "other", error_code="http_500", status="exception", cost=0, tokens=0)

    assert count_ended() == 1
    assert count_ended() == 0

    whole, call, other = row(), row("call"), row("other")
    assert (whole.hour, whole.total, whole.outcomes) == (HOUR, 1, {"succeeded": 1})
    assert (whole.cost, whole.tokens, whole.retries) == (5, 7, 2)
    assert abs(percentile(whole.durations, 0.5) - 2000) <= 100
    assert (call.total, call.retries, call.kind) == (1, 2, "llm")
    assert other.errors == {"http_500": 1}
    assert not uncounted().exists()


@pytest.mark.django_db
def test_live_runs_are_not_counted_and_failures_are_by_code():
    organization = OrganizationFactory()
    make_runs(organization, 2)
    ended(organization, 3, state="failed", error={"code": "boom", "message": "x"})
    ended(organization, 1, state="cancelled", error={"code": "cancelled", "message": ""})

    assert count_ended() == 4

    failed = RollupHour.objects.get(outcomes={"failed": 3})
    assert failed.errors == {"boom": 3}


@pytest.mark.django_db
def test_a_run_that_goes_on_and_ends_again_counts_as_two_ends_and_pays_each_step_once():
    (run,) = ended(OrganizationFactory(), state="failed", error={"code": "boom"})
    step(run, status="failed", error_code="boom")
    count_ended()
    # As a retry from the failed node does: the step is gone, the run is live again.
    Step.objects.filter(run=run).delete()
    Run.objects.filter(pk=run.pk).update(state="queued", ended_at=None, error=None)
    assert count_ended() == 0
    step(run, cost=9)
    Run.objects.filter(pk=run.pk).update(
        state="succeeded", epoch=F("epoch") + 2, ended_at=HOUR + timedelta(minutes=9)
    )

    assert (count_ended(), count_ended()) == (1, 0)

    whole = row()
    assert (whole.total, whole.outcomes) == (2, {"failed": 1, "succeeded": 1})
    assert whole.cost == 14
    assert sum(whole.durations.values()) == 1
    assert row("call").outcomes == {"failed": 1, "succeeded": 1}


@pytest.mark.django_db
def test_steps_that_a_rerun_was_given_are_counted_with_their_source_alone():
    organization = OrganizationFactory()
    (source,) = ended(organization)
    step(source)
    (rerun,) = ended(organization, at=now(), workflow=source.workflow, source=source)
    step(rerun)  # a copy: older than the run itself
    step(rerun, "next", at=now() + timedelta(seconds=1))

    count_ended()

    calls = RollupHour.objects.filter(node_id="call").aggregate(n=Sum("total"), paid=Sum("cost"))
    assert calls == {"n": 1, "paid": 5}
    assert row("next").total == 1


@pytest.mark.django_db
def test_a_run_that_is_cancelled_before_it_began_is_counted():
    organization = OrganizationFactory()
    (run,) = make_runs(organization, 1)
    cancel_run(actor=actor_in(organization), run_id=run.public_id)

    assert count_ended() == 1
    assert row().outcomes == {"cancelled": 1}
    assert row().durations == {}


@pytest.mark.django_db
def test_batches_end_at_their_bound(monkeypatch):
    monkeypatch.setattr("workflows.history.rollup.RUNS", 3)
    ended(OrganizationFactory(), 8)

    assert count_some(uncounted()) == 3
    assert count_ended() == 5
    assert row().total == 8


@pytest.mark.django_db
def test_retention_counts_first_and_statistics_outlive_the_runs():
    organization = OrganizationFactory(run_retention_days=1)
    ended(organization, 4)

    assert prune_runs().runs == 4

    assert not Run.objects.exists()
    assert row().total == 4


@pytest.mark.django_db
def test_old_hours_become_days_and_old_days_go(settings):
    organization = OrganizationFactory()
    runs = ended(organization, 2)
    ended(organization, 1, at=HOUR + timedelta(hours=4), workflow=runs[0].workflow)
    ended(organization, 1, at=HOUR + timedelta(days=30), workflow=runs[0].workflow)
    count_ended()
    later = HOUR + timedelta(days=31)

    assert tidy_rollups(at=later) == (2, 0)

    days = list(RollupHour.objects.order_by("hour").values_list("hour", "span", "total"))
    assert days == [(HOUR.replace(hour=0), 24, 3), (HOUR + timedelta(days=30), 1, 1)]

    ended(organization, 1, workflow=runs[0].workflow)  # found late: added to its day all the same
    count_ended()
    tidy_rollups(at=later)
    assert RollupHour.objects.get(span=24).total == 4

    settings.STATISTICS_DAYS = 20
    assert tidy_rollups(at=later) == (0, 1)


@pytest.mark.django_db
def test_looking_for_nothing_is_one_query(django_assert_num_queries):
    ended(OrganizationFactory(), 3)
    count_ended()

    with django_assert_num_queries(1):
        count_ended()


@pytest.mark.django_db
def test_counting_costs_the_same_queries_for_one_run_as_for_many(django_assert_max_num_queries):
    organization = OrganizationFactory()
    for run in ended(organization, 60):
        step(run)

    with django_assert_max_num_queries(22):
        assert count_ended() == 60
