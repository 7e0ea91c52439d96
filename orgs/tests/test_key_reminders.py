"""One mail, a week before."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.utils.timezone import now

from accounts.models import Letter
from accounts.tasks import tend_letters
from audit.models import Entry
from orgs.actions import change_key, create_key, revoke_key, rotate_key
from orgs.models import ApiKey
from orgs.tasks import remind_of_expiring_keys
from orgs.tests.factories import OrganizationFactory, actor_in
from orgs.tests.test_races import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return actor_in(OrganizationFactory())


def key_for(owner, days=3, age=30):
    key, _ = create_key(
        actor=owner, name="Nightly", scopes=["run.view"], expires_at=now() + timedelta(days=days)
    )
    ApiKey.objects.filter(pk=key.pk).update(created_at=now() - timedelta(days=age))
    return key


def test_the_maker_is_told_once(owner):
    key = key_for(owner)

    assert (remind_of_expiring_keys(), remind_of_expiring_keys()) == (1, 0)

    assert tend_letters() == 1
    (sent,) = mail.outbox
    assert sent.to == [get_user_model().objects.get(pk=owner.user_id).email]
    assert "Nightly" in sent.subject
    assert key.prefix in sent.body
    assert f"/keys/{key.pk}/" in sent.body
    assert Entry.objects.get(action="orgs.key.reminded").target_id == str(key.pk)


@pytest.mark.parametrize("days", [8, 30])
def test_nobody_is_told_too_early(owner, days):
    key_for(owner, days)

    assert remind_of_expiring_keys() == 0
    assert not Letter.objects.exists()


def test_nobody_is_told_of_what_has_ended_or_is_replaced_or_short_lived(owner):
    revoke_key(actor=owner, key_id=key_for(owner).pk)
    rotate_key(actor=owner, key_id=key_for(owner).pk, overlap=timedelta(days=1))
    ApiKey.objects.filter(pk=key_for(owner).pk).update(expires_at=now() - timedelta(hours=1))
    key_for(owner, days=3, age=0)
    ApiKey.objects.filter(pk=key_for(owner).pk).update(created_by_id=None)

    assert remind_of_expiring_keys() == 0
    assert not Letter.objects.exists()


def test_a_disabled_person_is_not_written_to(owner):
    key_for(owner)
    get_user_model().objects.filter(pk=owner.user_id).update(is_active=False)

    assert remind_of_expiring_keys() == 0


def test_a_new_expiry_is_told_of_again(owner):
    key = key_for(owner)
    remind_of_expiring_keys()
    change_key(actor=owner, key_id=key.pk, expires_at=now() + timedelta(days=6))

    assert remind_of_expiring_keys() == 1


@pytest.mark.parametrize("end", ["revoked", "rotated"])
def test_nobody_is_told_of_a_key_that_ended_or_was_replaced_while_the_letter_waited(owner, end):
    key = key_for(owner)
    remind_of_expiring_keys()
    if end == "revoked":
        revoke_key(actor=owner, key_id=key.pk)
    else:
        rotate_key(actor=owner, key_id=key.pk, overlap=timedelta(days=1))

    tend_letters()

    assert not mail.outbox
    assert Letter.objects.get().state == "dropped"


@pytest.mark.django_db(transaction=True)
def test_two_at_once_write_one_mail(owner):
    key_for(owner)

    outcomes = at_once(*[remind_of_expiring_keys] * 3)

    assert sum(outcomes) == 1
    assert Letter.objects.count() == 1
