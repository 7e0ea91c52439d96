"""The chain: every entry sealed once, and whatever is done behind its back comes out."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils.timezone import now

from audit.errors import ChainBroken
from audit.models import Chain, DailyCount, Entry, Seal, SealedEntry
from audit.proof import prove
from audit.sealing import prune_entries, renew_signatures, seal_all, seal_next
from audit.tasks import check, seal
from audit.tests.factories import entry_of, no_triggers, trail
from core.ids import uuid7
from core.secrets import generate_key
from orgs.access import system_actor
from orgs.tests.test_races import at_once

pytestmark = pytest.mark.django_db


def sealed(count=5, batch=2, organization_id=None):
    entries = trail(count, organization_id)
    while seal_next(entries[0].organization_id, batch=batch):
        pass
    return entries


def kinds(organization_id):
    return [(problem.kind, problem.entry) for problem in prove(organization_id).problems]


def sql(statement, *values):
    with no_triggers() as cursor:
        cursor.execute(statement, values)


def test_every_entry_is_sealed_once_in_batches_that_follow_each_other():
    entries = sealed(5, batch=2)
    chain = Chain.objects.get()
    seals = list(Seal.objects.order_by("number"))

    assert [row.count for row in seals] == [2, 2, 1]
    assert [row.previous for row in seals] == ["0" * 64, seals[0].digest, seals[1].digest]
    assert (chain.number, chain.entries, chain.digest) == (3, 5, seals[2].digest)
    assert {row.entry_id for row in SealedEntry.objects.all()} == {entry.pk for entry in entries}
    assert seal_next(chain.organization_id) is None
    proof = prove(chain.organization_id)
    assert (proof.seals, proof.entries, proof.problems) == (3, 5, [])


def test_each_organization_has_a_chain_of_its_own():
    ours, theirs = trail(2), trail(3)

    assert seal() == 5

    assert {row.organization_id: row.entries for row in Chain.objects.all()} == {
        ours[0].organization_id: 2,
        theirs[0].organization_id: 3,
    }
    sql("UPDATE audit_entry SET summary = 'x' WHERE id = %s", ours[0].pk)
    assert kinds(theirs[0].organization_id) == []


def test_a_changed_entry_is_named():
    entry = sealed()[2]
    sql("UPDATE audit_entry SET summary = 'something else' WHERE id = %s", entry.pk)

    assert kinds(entry.organization_id) == [("entry_changed", entry.pk)]


@pytest.mark.parametrize(
    "change",
    [
        "data = '{\"n\": 1}'", "trace_id = 'x'", "actor_kind = 'user'", "outcome = 'refused'",
        "action = 'trial.refused'", "target_id = 'x'", "user_agent = 'x'", "ip = '203.0.113.1'",
        "before = '{}'", "at = '2020-01-01 00:00:00+00:00'",
    ],
)  # fmt: skip
def test_no_column_can_be_changed(change):
    entry = sealed(1)[0]
    sql(f"UPDATE audit_entry SET {change} WHERE id = %s", entry.pk)

    assert ("entry_changed", entry.pk) in kinds(entry.organization_id)


def test_a_removed_entry_is_named():
    entry = sealed()[0]
    sql("DELETE FROM audit_entry WHERE id = %s", entry.pk)

    assert kinds(entry.organization_id) == [("entry_removed", entry.pk)]


def copy_of(entry, **changes):
    """A row as only somebody at the database could write it."""
    Entry.objects.bulk_create([Entry(**{**values_of(entry), "pk": None, **changes})])
    made = Entry.objects.order_by("-pk").first() if "pk" not in changes else None
    pk = changes.get("pk") or made.pk
    if "at" in changes:
        sql("UPDATE audit_entry SET at = %s WHERE id = %s", changes["at"], pk)
    return pk


def values_of(entry):
    return {field.attname: getattr(entry, field.attname) for field in Entry._meta.fields}


def test_an_inserted_entry_of_an_earlier_day_is_named_and_never_sealed():
    entry = sealed()[0]
    pk = copy_of(entry, at=now() - timedelta(days=3))

    assert kinds(entry.organization_id) == [("entry_inserted", pk)]
    assert seal_all(everything=True) == 0
    assert kinds(entry.organization_id) == [("entry_inserted", pk)]


def test_an_inserted_entry_under_an_old_number_is_named():
    entries = sealed()
    gap = entries[1].pk
    organization_id = entries[0].organization_id
    sql("DELETE FROM audit_entry WHERE id = %s", gap)
    copy_of(entries[0], pk=gap)

    assert kinds(organization_id) == [("entry_changed", gap)]


def test_an_entry_put_where_a_number_was_never_used_is_named():
    organization_id = uuid7()
    first = trail(1, organization_id)[0]
    sql("UPDATE audit_entry SET id = id + 10, at = %s", now() - timedelta(days=2))
    seal_next(organization_id)

    pk = copy_of(first, pk=first.pk + 5)

    assert kinds(organization_id) == [("entry_inserted", pk)]


def test_an_operator_can_accept_what_a_wrong_clock_wrote():
    entry = sealed()[0]
    pk = copy_of(entry, at=now() - timedelta(days=3))

    call_command(
        "seal_audit",
        "--organization", str(entry.organization_id), "--accept", str(pk), stdout=StringIO(),
    )  # fmt: skip

    assert kinds(entry.organization_id) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_seal SET count = 9 WHERE number = 2",
        "UPDATE audit_seal SET digest = 'x' WHERE number = 2",
        "UPDATE audit_seal SET pruned_at = sealed_at WHERE number = 2",
        "UPDATE audit_sealedentry SET digest = 'x' WHERE position = 1",
        "DELETE FROM audit_sealedentry WHERE position = 1",
    ],
)
def test_a_changed_seal_is_named(statement):
    organization_id = sealed()[0].organization_id
    sql(statement)

    problems = prove(organization_id).problems
    assert "seal_changed" in {problem.kind for problem in problems}
    assert 2 in {problem.seal for problem in problems}


def drop_seal(number):
    sql(
        "DELETE FROM audit_sealedentry WHERE seal_id IN (SELECT id FROM audit_seal"
        " WHERE number = %s)",
        number,
    )
    sql("DELETE FROM audit_seal WHERE number = %s", number)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_removed_seal_is_named_at_the_end_too(number):
    organization_id = sealed()[0].organization_id
    drop_seal(number)

    problems = prove(organization_id).problems
    assert ("seal_missing", number) in {(problem.kind, problem.seal) for problem in problems}


def test_a_chain_made_anew_without_the_key_does_not_pass(settings):
    """Everything recomputed as the product does it, but for the key the database has not."""
    entries = sealed()
    organization_id = entries[0].organization_id
    sql("UPDATE audit_entry SET summary = 'forged' WHERE id = %s", entries[0].pk)
    for table in ("audit_sealedentry", "audit_seal", "audit_chain"):
        sql(f"DELETE FROM {table}")
    ours, settings.SECRET_KEYS = settings.SECRET_KEYS, generate_key()
    seal_next(organization_id)

    settings.SECRET_KEYS = ours
    assert kinds(organization_id) == [("head_changed", None)]


def test_a_changed_head_is_named_and_nothing_is_sealed_upon_it():
    organization_id = sealed()[0].organization_id
    drop_seal(3)
    second = Seal.objects.get(number=2)
    sql("UPDATE audit_chain SET number = 2, digest = %s, entries = 4", second.digest)
    trail(1, organization_id)

    assert ("head_changed", None) in kinds(organization_id)
    with pytest.raises(ChainBroken):
        seal_next(organization_id)
    assert seal_all() == 0
    assert Seal.objects.count() == 2


@pytest.mark.parametrize(
    "statement", ["DELETE FROM audit_chain", "UPDATE audit_chain SET number=0, signature=''"]
)
def test_a_lost_head_is_named_and_no_new_chain_is_begun(statement):
    organization_id = sealed()[0].organization_id
    sql(statement)
    trail(1, organization_id)

    assert kinds(organization_id)
    with pytest.raises(ChainBroken):
        seal_next(organization_id)


def test_a_head_signed_with_an_older_key_holds_and_is_renewed(settings):
    organization_id = sealed()[0].organization_id
    old, new = settings.SECRET_KEYS, generate_key()
    settings.SECRET_KEYS = f"{new},{old}"

    assert kinds(organization_id) == []
    assert renew_signatures() == 1

    settings.SECRET_KEYS = new
    assert kinds(organization_id) == []
    assert renew_signatures() == 0


def test_the_counts_of_the_days_are_those_of_the_entries():
    organization_id = uuid7()
    actor = system_actor(organization_id)
    sealed(3, organization_id=organization_id)
    entry_of(actor, "trial.refused")
    sealed(2, organization_id=organization_id)

    rows = DailyCount.objects.of(organization_id).values_list("action", "outcome", "count")
    assert sorted(rows) == [("trial.done", "ok", 5), ("trial.refused", "refused", 1)]


# -- retention


def aged(organization_id, days):
    """Entries as they stand after some days, sealed."""
    entries = trail(2, organization_id)
    sql(
        "UPDATE audit_entry SET at = %s WHERE id >= %s AND organization_id = %s",
        now() - timedelta(days=days), entries[0].pk, _id(organization_id),
    )  # fmt: skip
    seal_next(organization_id)
    return entries


def _id(value):
    return value if connection.vendor == "postgresql" else value.hex


def test_retention_drops_whole_seals_and_the_chain_still_proves_itself():
    organization_id = uuid7()
    old, middle, new = (aged(organization_id, days) for days in (90, 40, 0))
    actor = system_actor(organization_id)

    assert prune_entries(actor=actor, before=now() - timedelta(days=60)) == 2
    assert prune_entries(actor=actor, before=now() - timedelta(days=60)) == 0

    left = set(Entry.objects.of(organization_id).values_list("pk", flat=True))
    assert {entry.pk for entry in middle + new} < left
    assert not {entry.pk for entry in old} & left
    told = Entry.objects.get(action="audit.entries.pruned")
    assert told.data["entries"] == 2
    seal_all()
    proof = prove(organization_id)
    assert (proof.seals, proof.pruned, proof.problems) == (4, 1, [])
    sql("UPDATE audit_entry SET summary = 'x' WHERE id = %s", middle[0].pk)
    assert kinds(organization_id) == [("entry_changed", middle[0].pk)]


def test_retention_does_not_touch_what_is_unsealed_or_of_others():
    ours, theirs = trail(2), sealed(2)

    later = now() + timedelta(days=1)
    assert prune_entries(actor=system_actor(ours[0].organization_id), before=later) == 0

    assert Entry.objects.count() == 4
    assert kinds(theirs[0].organization_id) == []


def test_retention_drops_nothing_of_a_chain_that_does_not_hold():
    entries = sealed()
    sql("UPDATE audit_chain SET pruned_to = 1")

    with pytest.raises(ChainBroken):
        prune_entries(
            actor=system_actor(entries[0].organization_id), before=now() + timedelta(days=1)
        )

    assert Entry.objects.count() == 5


def test_a_mark_that_is_not_retentions_is_named():
    entries = sealed()
    organization_id = entries[0].organization_id
    sql("UPDATE audit_seal SET pruned_at = sealed_at WHERE number = 1")
    sql("DELETE FROM audit_entry WHERE id = %s", entries[0].pk)

    assert kinds(organization_id) == [("seal_changed", None)]


# -- the command


def verify(*args):
    out, code = StringIO(), 0
    try:
        call_command("verify_audit", *args, stdout=out)
    except SystemExit as stopped:
        code = stopped.code
    return code, out.getvalue()


def test_the_command_proves_names_and_fails():
    entries, others = sealed(), sealed(1)
    organization = str(entries[0].organization_id)

    assert verify()[0] == 0
    sql("DELETE FROM audit_entry WHERE id = %s", entries[3].pk)
    code, text = verify()
    ours = json.loads(verify("--organization", organization, "--json")[1])

    assert code == 1
    assert f"Entry {entries[3].pk} is gone." in text
    assert "2 chains, 1 with problems" in text
    assert ours["problems"][0] == {
        "kind": "entry_removed", "seal": 2, "entry": entries[3].pk,
        "text": f"Entry {entries[3].pk} is gone.",
    }  # fmt: skip
    assert verify("--organization", str(others[0].organization_id))[0] == 0
    assert len(Chain.objects.get(pk=organization).problems) == 1


def test_a_database_set_back_is_found_by_heads_kept_elsewhere(tmp_path):
    entries = sealed()
    kept = tmp_path / "heads"
    kept.write_text(verify("--json")[1])
    for table in ("audit_sealedentry", "audit_seal", "audit_chain"):
        sql(f"DELETE FROM {table}")
    sql("DELETE FROM audit_entry WHERE id = %s", entries[4].pk)

    assert verify() == (0, "0 chains, 0 with problems\n")
    seal_all(everything=True)
    assert verify()[0] == 0
    assert verify("--heads", str(kept))[0] == 1


def test_the_daily_check_keeps_what_it_found():
    entry = sealed()[0]
    sql("DELETE FROM audit_entry WHERE id = %s", entry.pk)

    assert check() == 1

    chain = Chain.objects.get()
    assert chain.checked_at is not None
    assert chain.problems[0]["entry"] == entry.pk


# -- at the same time


@pytest.mark.django_db(transaction=True)
def test_two_passes_at_once_seal_everything_once():
    entries = trail(40)
    organization_id = entries[0].organization_id

    def drain():
        while seal_next(organization_id, batch=3):
            pass

    at_once(drain, drain)

    assert SealedEntry.objects.count() == 40
    assert prove(organization_id).problems == []


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_what_is_committed_late_is_sealed_later_and_once():
    import threading  # noqa: PLC0415

    actor = system_actor(uuid7())
    written, go, done = threading.Event(), threading.Event(), []

    def slow():
        with transaction.atomic():
            done.append(entry_of(actor, summary="late"))
            written.set()
            go.wait(20)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    written.wait(20)
    early = [entry_of(actor) for _ in range(3)]
    first = seal_next(actor.organization_id)  # waits for nobody
    go.set()
    thread.join()
    second = seal_next(actor.organization_id)

    late = done[0]
    assert late.pk < early[0].pk
    assert first.count == 3
    assert (second.count, second.first_id) == (1, late.pk)
    assert seal_next(actor.organization_id) is None
    assert prove(actor.organization_id).problems == []
    sql("DELETE FROM audit_entry WHERE id = %s", late.pk)
    assert kinds(actor.organization_id) == [("entry_removed", late.pk)]
