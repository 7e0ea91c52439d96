"""Secrets at rest: what the column holds, who may open it, and how keys are changed."""

import base64
import copy
import json
import os
import pickle
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django import forms
from django.apps import apps
from django.core import serializers
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.migrations.writer import MigrationWriter
from pytest_django.fixtures import Settings

from core.ids import uuid7
from core.secrets import SecretField, SecretUnreadable, SecretValue, generate_key, rotate

CANARY = "canary-value-7f3a9c"
FIRST, SECOND = generate_key(), generate_key()

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def model(django_db_setup: None, django_db_blocker: Any) -> Iterator[type[models.Model]]:
    """A table with a secret that exists for this module alone."""

    class Vault(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid7)
        name = models.CharField(max_length=20, blank=True)
        secret = SecretField(blank=True)

        class Meta:
            app_label = "core"

        def __str__(self) -> str:
            return self.name

    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            editor.create_model(Vault)
        yield Vault
        with connection.schema_editor() as editor:
            editor.delete_model(Vault)
    del apps.all_models["core"]["vault"]
    apps.clear_cache()


@pytest.fixture(autouse=True)
def ring(settings: Settings) -> None:
    settings.SECRET_KEYS = FIRST


def stored(row: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM core_vault WHERE id = %s", [_db(row.pk)])
        return cursor.fetchone()[0]


def overwrite(row: Any, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_vault SET secret = %s WHERE id = %s", [text, _db(row.pk)])


def _db(pk: Any) -> Any:
    return models.UUIDField().get_db_prep_value(pk, connection)


def test_a_secret_comes_back_and_the_column_does_not_hold_it(model: Any) -> None:
    row = model.objects.create(secret=CANARY)
    assert row.secret.reveal() == CANARY
    assert model.objects.get(pk=row.pk).secret.reveal() == CANARY
    assert stored(row).startswith("A256GCM:" + FIRST.partition(":")[0] + ":")
    assert CANARY not in stored(row)


def test_two_rows_with_one_secret_store_different_text(model: Any) -> None:
    one, two = model.objects.bulk_create([model(secret=CANARY), model(secret=CANARY)])
    assert stored(one).partition(":")[2] != stored(two).partition(":")[2]


def test_only_the_last_four_characters_are_ever_shown(model: Any) -> None:
    model.objects.create(name="shown", secret=CANARY)
    secret = model.objects.get(name="shown").secret
    assert str(secret) == f"{secret}" == "••••3a9c"
    assert str(SecretValue("short")) == "••••"
    assert "3a9c" not in repr(secret)
    assert not SecretValue()
    assert bool(secret)


def test_a_secret_does_not_leave_by_any_side_door(model: Any) -> None:
    row = model.objects.create(secret=CANARY)
    row.refresh_from_db()
    for refused in (
        lambda: json.dumps({"secret": row.secret}),
        lambda: pickle.dumps(row.secret),
        lambda: pickle.dumps(row),
    ):
        with pytest.raises(TypeError):
            refused()
    shown = [
        repr(vars(row)),
        serializers.serialize("json", [row]),
        str(forms.models.model_to_dict(row)),
        repr(list(model.objects.values())),
        repr(copy.deepcopy(row).__dict__),
    ]
    assert not [text for text in shown if CANARY in text or stored(row) in text]


def test_a_value_moved_to_another_row_does_not_open(model: Any) -> None:
    mine, theirs = model.objects.create(secret="mine"), model.objects.create(secret="theirs")
    overwrite(mine, stored(theirs))
    secret = model.objects.get(pk=mine.pk).secret
    with pytest.raises(SecretUnreadable):
        secret.reveal()
    with pytest.raises(SecretUnreadable):
        str(secret)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-6] + ("A" if text[-6] != "A" else "B") + text[-5:],
        lambda text: "unknown:" + text.partition(":")[2],
        lambda text: text.partition(":")[2],
        lambda text: text.partition(":")[0] + ":",
        lambda text: text.partition(":")[0] + ":äöü",
        lambda text: CANARY,
    ],
    ids=["altered", "unknown key", "no key", "empty", "no base64", "plain text"],
)
def test_what_was_tampered_with_does_not_open(model: Any, spoil: Any) -> None:
    row = model.objects.create(secret=CANARY)
    overwrite(row, spoil(stored(row)))
    with pytest.raises(SecretUnreadable) as failure:
        model.objects.get(pk=row.pk).secret.reveal()
    assert CANARY not in str(failure.value) + str(failure.value.detail)


@pytest.mark.parametrize(
    "ring",
    ["", "a", "a:!!", "a:" + "QUJD", FIRST + "," + FIRST, FIRST.partition(":")[0] + ":" + "A" * 43],
)
def test_a_broken_or_missing_key_ring_fails_closed(
    model: Any, ring: str, settings: Settings
) -> None:
    row = model.objects.create(secret=CANARY)
    settings.SECRET_KEYS = ring
    with pytest.raises(SecretUnreadable):
        model.objects.get(pk=row.pk).secret.reveal()
    with pytest.raises(SecretUnreadable), transaction.atomic():
        model.objects.create(name="never", secret=CANARY)
    assert not model.objects.filter(name="never").exists()


def test_saving_an_untouched_row_leaves_the_stored_text_alone(model: Any) -> None:
    row = model.objects.create(secret=CANARY)
    before = stored(row)
    fresh = model.objects.get(pk=row.pk)
    fresh.name = "renamed"
    fresh.save()
    assert str(fresh.secret).endswith("3a9c")
    fresh.save()
    assert stored(row) == before
    fresh.secret = "another-secret-value"
    fresh.save(update_fields=["secret"])
    assert model.objects.defer("secret").get(pk=row.pk).secret.reveal() == "another-secret-value"
    fresh.secret = ""
    fresh.save()
    assert stored(row) == ""
    assert not model.objects.get(pk=row.pk).secret


def test_a_copied_row_takes_its_secret_along_or_is_refused(model: Any) -> None:
    row = model.objects.create(secret=CANARY)
    read, unread = model.objects.get(pk=row.pk), model.objects.get(pk=row.pk)
    assert read.secret
    for copied in (read, unread):
        copied.pk = uuid7()
        copied._state.adding = True
    read.save()
    assert model.objects.get(pk=read.pk).secret.reveal() == CANARY
    with pytest.raises(SecretUnreadable), transaction.atomic():
        unread.save()
    assert not model.objects.filter(pk=unread.pk).exists()
    other = model.objects.create(secret=row.secret)
    assert model.objects.get(pk=other.pk).secret.reveal() == CANARY


def test_writing_past_the_row_is_refused(model: Any) -> None:
    row = model.objects.create(secret=CANARY)
    before = stored(row)
    with pytest.raises(TypeError), transaction.atomic():
        model.objects.filter(pk=row.pk).update(secret="plain")
    with pytest.raises(TypeError), transaction.atomic():
        model.objects.bulk_update([row], ["secret"])
    with pytest.raises(TypeError):
        model.objects.filter(secret=CANARY).exists()
    assert stored(row) == before


def test_a_form_never_shows_the_secret_and_keeps_it_when_left_empty(model: Any) -> None:
    row = model.objects.create(name="old", secret=CANARY)
    form_class = forms.modelform_factory(model, fields=["name", "secret"])
    form = form_class({"name": "new", "secret": ""}, instance=row)
    assert CANARY not in form.as_p()
    assert 'type="password"' in form.as_p()
    form.save()
    assert model.objects.get(pk=row.pk).secret.reveal() == CANARY
    form_class({"name": "new", "secret": "changed-secret"}, instance=row).save()
    assert model.objects.get(pk=row.pk).secret.reveal() == "changed-secret"


def test_rotation_moves_every_row_to_the_first_key(model: Any, settings: Settings) -> None:
    rows = [model.objects.create(secret=f"{CANARY}-{n}") for n in range(5)]
    model.objects.create(secret="")
    settings.SECRET_KEYS = f"{SECOND},{FIRST}"
    field = model._meta.get_field("secret")
    assert list(rotate(field, batch=2)) == [(2, 2), (2, 2), (1, 1)]
    assert list(rotate(field, batch=10)) == [(5, 0)]
    settings.SECRET_KEYS = SECOND
    for number, row in enumerate(rows):
        assert stored(row).startswith("A256GCM:" + SECOND.partition(":")[0] + ":")
        assert model.objects.get(pk=row.pk).secret.reveal() == f"{CANARY}-{number}"


def sealed_as_before(row: Any, text: str) -> str:
    """What was stored before the algorithm was named: `key id:base64`, bound to the place alone."""
    key_id, _, encoded = FIRST.partition(":")
    nonce = os.urandom(12)
    place = f"core_vault|secret|{row.pk}".encode()
    sealed = nonce + AESGCM(base64.b64decode(encoded)).encrypt(nonce, text.encode(), place)
    return f"{key_id}:{base64.b64encode(sealed).decode()}"


def test_the_older_form_opens_and_is_renewed_under_the_same_key(model: Any) -> None:
    row = model.objects.create(secret="x" * 20)
    overwrite(row, sealed_as_before(row, CANARY))
    assert model.objects.get(pk=row.pk).secret.reveal() == CANARY

    assert list(rotate(model._meta.get_field("secret"))) == [(1, 1)]

    assert stored(row).startswith("A256GCM:")
    assert model.objects.get(pk=row.pk).secret.reveal() == CANARY
    assert list(rotate(model._meta.get_field("secret"))) == [(1, 0)]


@pytest.mark.parametrize("name", ["A128GCM", "none", "a256gcm", "A256GCM:A256GCM", " A256GCM"])
def test_an_algorithm_nobody_taught_opens_nothing(model: Any, name: str) -> None:
    row = model.objects.create(secret=CANARY)
    overwrite(row, stored(row).replace("A256GCM", name))

    with pytest.raises(SecretUnreadable):
        model.objects.get(pk=row.pk).secret.reveal()


def test_the_name_of_the_algorithm_cannot_be_taken_off(model: Any) -> None:
    row = model.objects.create(secret=CANARY)
    overwrite(row, stored(row).removeprefix("A256GCM:"))

    with pytest.raises(SecretUnreadable):
        model.objects.get(pk=row.pk).secret.reveal()


def test_the_command_rotates_every_model_and_prints_counts_alone(
    model: Any, settings: Settings
) -> None:
    model.objects.create(secret=CANARY)
    settings.SECRET_KEYS = f"{SECOND},{FIRST}"
    out = StringIO()
    call_command("rotate_secrets", stdout=out)
    assert "core.Vault.secret: 1 read, 1 re-encrypted" in out.getvalue()
    assert CANARY not in out.getvalue()


def test_rotation_stops_at_a_row_it_cannot_open(model: Any, settings: Settings) -> None:
    row = model.objects.create(secret=CANARY)
    before = stored(row)
    settings.SECRET_KEYS = SECOND
    with pytest.raises(SecretUnreadable):
        list(rotate(model._meta.get_field("secret")))
    assert stored(row) == before


def test_migrations_can_write_the_field_down(model: Any) -> None:
    text, imports = MigrationWriter.serialize(model._meta.get_field("secret"))
    assert text == "core.secrets.SecretField(blank=True)"
    assert imports == {"import core.secrets"}
