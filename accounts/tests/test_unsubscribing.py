"""The address at the foot of a letter turns off one kind of one person, when it is posted to."""

import re

import pytest
from django.core import mail, signing
from django.test import Client

from accounts.actions import close_account, mute_notification, save_preferences
from accounts.errors import UnknownNotification
from accounts.letters import deliver_due, write_letter
from accounts.tests.factories import UserFactory
from accounts.unsubscribing import A_MINUTE, STRANGERS, token_for
from orgs.tests.test_races import at_once

pytestmark = pytest.mark.django_db
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def person():
    return UserFactory(muted=["key_expiry"])


def address_of(person, kind="membership"):
    return f"/account/notifications/off/{token_for(person.pk, kind)}/"


def muted(person):
    person.refresh_from_db()
    return person.muted


def test_a_letter_says_why_it_came_and_how_to_turn_it_off(person, settings):
    settings.PUBLIC_URL = "https://loom.example"
    write_letter(
        "membership",
        user_id=person.pk,
        template="orgs/mail/removed",
        path="/",
        context={"organization": "Northwind", "by": ""},
    )
    deliver_due()

    (sent,) = mail.outbox
    header = sent.extra_headers["List-Unsubscribe"]
    off = re.fullmatch(r"<https://loom\.example(/account/notifications/off/\S+/)>", header)[1]
    assert sent.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    for text in (sent.body, sent.alternatives[0].content):
        assert "“Your place in organizations” is turned on" in text
        assert off in text
        assert "https://loom.example/account/notifications/" in text

    answer = Client(enforce_csrf_checks=True).post(off, ONE_CLICK)  # as a mail provider does

    assert answer.status_code == 200
    assert muted(person) == ["key_expiry", "membership"]


def test_looking_turns_nothing_off(person, client):
    page = client.get(address_of(person))

    assert page.status_code == 200
    assert b"Turn these mails off?" in page.content
    assert b"Your place in organizations" in page.content
    assert person.email.encode() not in page.content
    assert muted(person) == ["key_expiry"]


def test_repeating_it_changes_nothing_more(person, client):
    answers = [client.post(address_of(person), ONE_CLICK) for _ in range(3)]

    assert [each.status_code for each in answers] == [200, 200, 200]
    assert muted(person) == ["key_expiry", "membership"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda token, person: token[:-1] + ("a" if token[-1] != "a" else "b"),
        lambda token, person: "nonsense",
        lambda token, person: signing.dumps([person.pk.hex, "membership"]),  # for another purpose
        lambda token, person: token_for(person.pk, "ownership"),  # always goes
        lambda token, person: token_for(person.pk, "unheard_of"),
    ],
)
def test_what_was_not_given_out_leads_nowhere(person, client, damage):
    token = damage(token_for(person.pk, "membership"), person)

    for answer in (
        client.get(f"/account/notifications/off/{token}/"),
        client.post(f"/account/notifications/off/{token}/", ONE_CLICK),
    ):
        assert answer.status_code == 404
        assert b"leads nowhere" in answer.content
    assert muted(person) == ["key_expiry"]


def test_an_old_address_leads_nowhere(person, client, monkeypatch):
    address = address_of(person)
    monkeypatch.setattr("accounts.unsubscribing.LIFETIME", 0)

    assert client.post(address, ONE_CLICK).status_code == 404
    assert muted(person) == ["key_expiry"]


def test_it_reaches_nobody_else_and_opens_nothing(person, client):
    other = UserFactory()

    client.post(address_of(person), ONE_CLICK)

    assert muted(other) == []
    assert client.get("/account/").status_code == 302


def test_a_closed_account_keeps_no_choice(person, client):
    address = address_of(person)
    close_account(user=person)

    assert client.post(address, ONE_CLICK).status_code == 200
    assert muted(person) == []


def test_it_is_limited_per_person_and_strangers_by_address(person, client):
    limited = [client.post(address_of(person), ONE_CLICK) for _ in range(A_MINUTE + 1)][-1]
    other = client.post(address_of(UserFactory()), ONE_CLICK)
    guessing = Client(REMOTE_ADDR="2001:db8::77:1")
    guessed = [guessing.get("/account/notifications/off/x/") for _ in range(STRANGERS + 1)][-1]

    assert limited.status_code == guessed.status_code == 429
    assert int(limited.headers["Retry-After"]) >= 1
    assert int(guessed.headers["Retry-After"]) >= 1
    assert other.status_code == 200


def test_the_action_knows_what_can_be_turned_off(person):
    with pytest.raises(UnknownNotification):
        mute_notification(user_id=person.pk, kind="ownership")

    assert muted(person) == ["key_expiry"]


@pytest.mark.django_db(transaction=True)
def test_two_at_once_lose_neither():
    person = UserFactory()

    at_once(
        *[
            lambda kind=kind: mute_notification(user_id=person.pk, kind=kind)
            for kind in ("membership", "key_expiry", "invitation_answered")
        ],
        lambda: save_preferences(user=person, name="Ada"),
    )

    assert muted(person) == ["invitation_answered", "key_expiry", "membership"]
    assert person.name == "Ada"


def test_the_page_lists_what_can_be_chosen_and_what_always_comes(person, client):
    client.force_login(person)

    text = client.get("/account/notifications/").content.decode()

    chosen, _, constant = text.partition("What always comes")
    for label in ("Your place in organizations", "Keys that expire", "Answers to your invitations"):
        assert label in chosen
    for label in ("The safety of your account", "The end of an organization", "Ownership"):
        assert label in constant
        assert label not in chosen
