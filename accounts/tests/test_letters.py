"""Letters leave once, in the reader's language, and wait for a mail server that is away."""

import logging
from datetime import datetime, timedelta, timezone

import pytest
from django.core import mail
from django.db import transaction
from django.utils.timezone import now

from accounts import letters, notifications
from accounts.actions import close_account
from accounts.letters import LEASE, WAITS, deliver, deliver_due, write_letter
from accounts.models import Letter
from accounts.notifications import SAFETY
from accounts.tasks import forget_old_rows, send_letter, tend_letters
from accounts.tests.factories import UserFactory
from accounts.tests.mailserver import BUSY, HANG_UP, REFUSE, TAKE, mail_server
from core.ids import uuid7
from orgs.tests.test_races import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    return UserFactory(name="Ada Lovelace")


@pytest.fixture
def server(settings):
    with mail_server() as found:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", found.port
        yield found


def letter_to(person, kind="membership", **more):
    given = {
        "template": "orgs/mail/role_changed",
        "path": "/",
        "context": {"organization": "Northwind", "by": "Ben", "before": "guest", "after": "admin"},
    }
    return write_letter(kind, user_id=person.pk, **(given | more))


# -- what it looks like


def test_a_letter_is_text_and_page_with_an_absolute_link(person, settings):
    settings.PUBLIC_URL = "https://loom.example"
    letter = letter_to(person)

    assert send_letter(str(letter.pk)) is None

    (sent,) = mail.outbox
    page = sent.alternatives[0].content
    assert sent.to == [person.email]
    assert sent.subject == "[Loomwork] Your role in Northwind has changed"
    for text in (sent.body, page):
        assert "Ben has changed your role in Northwind from Guest to Administrator." in text
        assert "https://loom.example/" in text
    assert '<html lang="en">' in page
    assert sent.extra_headers["Message-ID"] == f"<{letter.pk}@loom.example>"
    assert sent.extra_headers["Auto-Submitted"] == "auto-generated"


def test_it_speaks_the_readers_language(person):
    person.language = "zh-hans"
    person.save()
    letter_to(person)

    deliver_due()

    assert '<html lang="zh-hans">' in mail.outbox[0].alternatives[0].content


def test_what_people_wrote_stays_text_on_the_page(person):
    hostile = "<img src=x>\nBcc: eve@example.com"
    letter_to(person, context={"organization": hostile, "by": hostile, "before": "", "after": ""})
    letter_to(
        person,
        SAFETY,
        template="account/email/password_changed",
        context={"user_agent": hostile, "ip": "::1", "timestamp": ""},
    )

    assert deliver_due() == 2

    for sent in mail.outbox:
        assert "<img" not in sent.alternatives[0].content
        assert "&lt;img" in sent.alternatives[0].content
        assert "\n" not in sent.subject
        assert sent.recipients() == [person.email]


def test_times_are_kept_and_told_in_utc(person):
    at = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=8)))
    said = {"organization": "N", "key": "k", "prefix": "p", "project": "q", "expires_at": at}
    letter = letter_to(person, SAFETY, template="orgs/mail/key_expires", context=said)
    assert letter.context["expires_at"] == "2026-03-01T01:30:00+08:00"

    deliver_due()

    assert "Feb. 28, 2026, 5:30 p.m. UTC" in mail.outbox[0].body


# -- what is wanted


def test_whoever_does_not_want_a_kind_gets_none_of_it(person):
    letter = letter_to(person)
    person.muted = ["membership"]  # after it was written, before it leaves
    person.save()

    deliver_due()

    letter.refresh_from_db()
    assert (letter.state, letter.context) == ("muted", {})
    assert not mail.outbox


def test_what_always_goes_cannot_be_turned_off_and_offers_no_way_to(person):
    person.muted = ["ownership", SAFETY]
    person.save()
    letter_to(person, "ownership")

    assert deliver_due() == 1

    (sent,) = mail.outbox
    assert "List-Unsubscribe" not in sent.extra_headers
    assert "/notifications/" not in sent.body + sent.alternatives[0].content


def test_a_disabled_person_is_not_written_to(person):
    letter = letter_to(person)
    person.is_active = False
    person.save()

    deliver_due()

    letter.refresh_from_db()
    assert letter.state == "dropped"
    assert not mail.outbox


def test_an_unknown_kind_is_refused_where_it_is_written(person):
    with pytest.raises(KeyError):
        letter_to(person, "unheard_of")

    assert not Letter.objects.exists()


def test_a_letter_that_is_no_longer_true_is_dropped(person, monkeypatch):
    monkeypatch.setattr(notifications, "_kinds", dict(notifications._kinds))
    notifications.register_notification("news", "News", stands=lambda letter: False)
    letter = letter_to(person, "news")

    deliver_due()

    letter.refresh_from_db()
    assert letter.state == "dropped"


def test_a_letter_of_what_was_rolled_back_is_none(person):
    with transaction.atomic():
        letter_to(person)
        transaction.set_rollback(True)

    assert deliver_due() == 0


# -- a mail server that is away


def test_a_server_that_takes_it_has_it_once(person, server):
    letter = letter_to(person)

    assert (tend_letters(), tend_letters()) == (1, 0)

    (taken,) = server.taken
    letter.refresh_from_db()
    assert (letter.state, letter.attempts, letter.error) == ("sent", 1, "")
    assert letter.ended_at is not None
    assert letter.context == {}
    assert {part.get_content_type() for part in taken.walk()} == {
        "multipart/alternative", "text/plain", "text/html",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mood", "error"),
    [
        (BUSY, "SMTPDataError 451"),
        (REFUSE, "SMTPRecipientsRefused 550"),
        (HANG_UP, "SMTPServerDisconnected"),
    ],
)
def test_what_is_not_taken_is_tried_again_later(person, server, mood, error):
    letter = letter_to(person)
    server.mood = mood

    before = now()
    assert tend_letters() == 0

    letter.refresh_from_db()
    assert (letter.state, letter.attempts, letter.error) == ("waiting", 1, error)
    assert letter.next_at >= before + WAITS[0]
    assert letter.context["organization"] == "Northwind"
    server.mood = TAKE
    assert tend_letters() == 0  # not before its time
    assert not server.taken
    Letter.objects.update(next_at=now())
    assert tend_letters() == 1
    assert len(server.taken) == 1


def test_nobody_listening_is_survived(person, settings):
    with mail_server() as gone:
        port = gone.port
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    letter_to(person)

    assert tend_letters() == 0

    assert Letter.objects.get().error == "ConnectionRefusedError"


def test_after_the_last_attempt_it_is_given_up_and_logged(person, server, caplog):
    letter = letter_to(person)
    server.mood = REFUSE

    with caplog.at_level(logging.ERROR, "accounts.letters"):
        for _ in range(len(WAITS) + 3):
            tend_letters()
            Letter.objects.filter(state="waiting").update(next_at=now())

    letter.refresh_from_db()
    assert (letter.state, letter.attempts) == ("given_up", len(WAITS) + 1)
    assert (letter.error, letter.context) == ("SMTPRecipientsRefused 550", {})
    (said,) = [each for each in caplog.records if "given up" in each.getMessage()]
    assert str(letter.pk) in said.getMessage()
    assert person.email not in said.getMessage()


def test_one_that_cannot_be_made_keeps_no_other_in(person):
    broken = letter_to(person, template="orgs/mail/no_such")
    letter_to(person)

    assert tend_letters() == 1

    broken.refresh_from_db()
    assert (broken.state, broken.error) == ("waiting", "TemplateDoesNotExist")


def test_what_a_dead_worker_left_is_taken_over_when_its_lease_ends(person):
    letter = letter_to(person)
    assert letters._claim(letter.pk) is not None  # and then the worker dies

    assert tend_letters() == 0
    letter.refresh_from_db()
    assert letter.next_at > now() + LEASE - timedelta(minutes=1)
    Letter.objects.update(next_at=now())

    assert tend_letters() == 1
    letter.refresh_from_db()
    assert (letter.state, letter.attempts) == ("sent", 2)


def test_workers_that_always_die_end_as_well(person):
    letter = letter_to(person)
    for _ in range(len(WAITS) + 1):
        assert letters._claim(letter.pk) is not None
        Letter.objects.update(next_at=now())

    assert tend_letters() == 0

    letter.refresh_from_db()
    assert letter.state == "given_up"


def test_whoever_lost_the_letter_changes_nothing_any_more(person):
    letter = letter_to(person)
    late = letters._claim(letter.pk)
    Letter.objects.update(next_at=now())
    assert tend_letters() == 1

    letters._put_back(late, OSError())
    letters._end(late, Letter.State.GIVEN_UP)

    letter.refresh_from_db()
    assert (letter.state, letter.error) == ("sent", "")


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_send_one(person, server):
    letter = letter_to(person)

    outcomes = at_once(*[lambda: deliver(letter.pk)] * 4, tend_letters)

    assert sum(map(int, outcomes)) == 1
    assert len(server.taken) == 1


# -- the end of rows


def test_old_letters_are_forgotten_and_waiting_ones_are_not(person):
    kept = letter_to(person)
    old, fresh = letter_to(person), letter_to(person)
    for letter, days in ((old, 31), (fresh, 29)):
        Letter.objects.filter(pk=letter.pk).update(
            state="sent", ended_at=now() - timedelta(days=days)
        )

    forget_old_rows()

    assert set(Letter.objects.values_list("pk", flat=True)) == {kept.pk, fresh.pk}


def test_a_closed_account_takes_its_letters_along_but_those_of_its_safety(person):
    old = person.email
    letter_to(person)
    letter_to(person, SAFETY, template="account/email/password_changed", email=old)

    close_account(user=person)
    deliver_due()

    assert [each.to for each in mail.outbox] == [[old]]
    assert Letter.objects.get().email == ""  # forgotten once it has left


def test_it_may_be_about_an_organization(person):
    organization = uuid7()
    letter = letter_to(person, organization_id=organization)

    assert list(Letter.objects.of(organization)) == [letter]
