"""The trail: written with what it tells of, kept as it was written."""

import pytest
from django.db import DatabaseError, connection, transaction

from audit.errors import UnknownEvent
from audit.models import Chain, Entry, Seal, SealedEntry
from audit.sealing import seal_next
from audit.tests.factories import entry_of, person, trail
from core.ids import uuid7
from core.origin import coming_from
from orgs.access import Actor, system_actor

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("who", "kind"),
    [({"user_id": uuid7()}, "user"), ({"api_key_id": uuid7()}, "key"), ({}, "system")],
)
def test_an_entry_names_who_acted(who, kind):
    entry = entry_of(Actor(organization_id=uuid7(), **who))

    assert entry.actor_kind == kind
    assert entry.actor_id == next(iter(who.values()), None)
    assert entry.api_key_id == who.get("api_key_id")
    assert len(entry.trace_id) == 32
    assert (entry.category, entry.outcome) == ("trial", "ok")


def test_an_entry_names_the_stay_by_which_support_was_inside():
    stay = uuid7()

    entry = entry_of(Actor(organization_id=uuid7(), user_id=uuid7(), support_id=stay))

    assert entry.support_id == stay


def test_an_entry_says_where_its_request_came_from():
    with coming_from("2001:db8::1", "curl/8"):
        entry = entry_of(person())
    elsewhere = entry_of(person())

    entry.refresh_from_db()
    assert (entry.ip, entry.user_agent) == ("2001:db8::1", "curl/8")
    assert (elsewhere.ip, elsewhere.user_agent) == (None, "")


def test_recording_is_one_statement(django_assert_num_queries):
    with django_assert_num_queries(1):
        entry_of(person(), data={"said": "x"}, before={"a": 1}, after={"a": 2})


def test_no_write_fails_for_the_words_in_its_entry():
    entry = entry_of(
        system_actor(uuid7()), summary="a\x00\ud800" * 200, data={"said": "\x00"}, target_id="\x00"
    )

    entry.refresh_from_db()
    assert len(entry.summary) == 300
    assert "\x00" not in entry.summary + entry.data["said"] + entry.target_id


@pytest.mark.parametrize("name", ["trial.unheard_of", "trial.*.made", "made.up", "trial.done.x"])
def test_what_nobody_registered_is_not_recorded(name):
    with pytest.raises(UnknownEvent):
        entry_of(person(), name)

    assert not Entry.objects.exists()


@pytest.mark.parametrize("data", [{"other": 1}, {"n": "one"}, {"said": 1}])
def test_what_the_schema_does_not_have_is_not_recorded(data):
    with pytest.raises(UnknownEvent):
        entry_of(person(), data=data)

    assert not Entry.objects.exists()


def test_a_name_of_a_family_and_an_id_or_nothing_as_a_value_are_recorded():
    assert entry_of(person(), "trial.some.thing.made", data={"n": 1}).category == "trial"
    assert entry_of(person(), data={"user": uuid7(), "said": None}).data["said"] is None


def test_a_refusal_says_so():
    assert entry_of(person(), "trial.refused").outcome == "refused"


def test_secrets_are_masked_wherever_they_stand():
    secret = "sk-abcdefgh12345678"
    entry = entry_of(
        person(),
        summary=f"with {secret}",
        data={"api_key": "hush-hush", "note": {"password": "hush-hush", "n": [secret]}},
        before={"client_secret": "hush-hush", "name": "A"},
        after={"client_secret": "hush-hush", "name": "B"},
    )

    entry.refresh_from_db()
    kept = f"{entry.summary} {entry.data} {entry.before} {entry.after}"
    assert "hush" not in kept
    assert "abcdefgh" not in kept
    assert (entry.before["name"], entry.after["name"]) == ("A", "B")


def refused(*writes):
    for write in writes:
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            write()


def test_the_database_refuses_to_rewrite_the_trail():
    entry = trail(1)[0]
    seal = seal_next(entry.organization_id)
    before = snapshot()

    refused(
        lambda: Entry.objects.filter(pk=entry.pk).update(summary="other"),
        lambda: Entry(pk=entry.pk, organization_id=uuid7(), action="x").save(),
        lambda: Entry.objects.all().delete(),
        lambda: SealedEntry.objects.update(digest="0"),
        lambda: SealedEntry.objects.all().delete(),
        lambda: Seal.objects.update(digest="0"),
        lambda: Seal.objects.update(pruned_at=seal.sealed_at, count=7),
        lambda: Seal.objects.filter(pk=seal.pk)._raw_delete("default"),
        lambda: Chain.objects.all().delete(),
    )

    assert snapshot() == before


def test_a_seal_is_marked_as_pruned_once():
    seal = seal_next(trail(1)[0].organization_id)
    Seal.objects.update(pruned_at=seal.sealed_at)

    refused(lambda: Seal.objects.update(pruned_at=None))


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL's own doors")
def test_postgresql_refuses_truncating_and_deleting_without_retention():
    entry = trail(1)[0]
    seal_next(entry.organization_id)
    before = snapshot()

    def run(statement):
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(statement)

    refused(
        lambda: run("TRUNCATE audit_entry"),
        lambda: run("TRUNCATE audit_sealedentry, audit_seal"),
        lambda: run("TRUNCATE audit_chain"),
        lambda: run("SET LOCAL loomwork.audit_retention = 'on'; DELETE FROM audit_entry"),
    )

    assert snapshot() == before


def snapshot():
    return [list(model.objects.order_by("pk").values()) for model in (Entry, Seal, SealedEntry)]
