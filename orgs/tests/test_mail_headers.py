"""What people name stands in letters; it writes no header and adds nobody to those who get them."""

from contextlib import suppress
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.core import mail
from django.test import Client
from django.utils.timezone import now

from accounts.letters import deliver_due
from accounts.mail import compose
from accounts.models import User
from accounts.tests.factories import UserFactory
from core.errors import InvalidInput
from orgs.actions import create_invitation
from orgs.actions.reminders import remind_of_key
from orgs.letters import (
    tell_inviter,
    tell_member,
    tell_new_owner,
    tell_of_end,
    tell_of_support,
)
from orgs.models import ApiKey, Invitation, Organization, SupportAccess
from orgs.tasks import send_invitation
from orgs.tests.factories import MembershipFactory, OrganizationFactory, actor_in, key_in

pytestmark = pytest.mark.django_db
KNOWN = {
    "content-type", "mime-version", "subject", "from", "to", "date", "message-id",
    "content-transfer-encoding", "auto-submitted", "list-unsubscribe", "list-unsubscribe-post",
}  # fmt: skip
HOSTILE = [
    "North\r\nBcc: evil@example.com",
    "North\nBcc: evil@example.com\n\nAnother body",
    "North\rBcc: evil@example.com",
    "North\r\n Bcc: evil@example.com",
    "North\x0b\x0c\x1c\x85\u2028\u2029Bcc: evil@example.com",
    "=?utf-8?q?North=0D=0ABcc:_evil=40example.com?=",
    "=?utf-8?b?Tm9ydGgNCkJjYzogZXZpbEBleGFtcGxlLmNvbQ==?=",
    "=?utf-8?q?=0D=0A=0D=0A<script>alert(1)</script>?=",
    "北风" * 20 + "\r\nBcc: evil@example.com",
    "<evil@example.com>, North",
]


def read(letter):
    """The letter as a mail program reads it, from its bytes."""
    raw = letter.message().as_bytes(linesep="\r\n")
    parsed = message_from_bytes(raw, policy=policy.default)
    assert {name.lower() for name in parsed} <= KNOWN, raw[:600]
    assert len(parsed.keys()) == len(set(parsed.keys()))
    assert "\n" not in parsed["subject"]
    assert "\r" not in parsed["subject"]
    assert parsed["bcc"] is None
    return parsed


def recipients(parsed):
    return [each.addr_spec for each in parsed["to"].addresses]


@pytest.fixture
def told():
    """Every letter of organizations, with `name` wherever a person may name something."""

    def send(name):
        organization = OrganizationFactory(name=name[:120])
        owner = UserFactory()
        row = MembershipFactory(organization=organization, user=owner, role="owner")
        User.objects.filter(pk=owner.pk).update(name=name[:100])
        actor = actor_in(organization)
        invitation = create_invitation(actor=actor, email="mei@example.com", role="member")
        Invitation.objects.update(invited_by_id=owner.pk)
        key_in(organization, "run.view")
        ApiKey.objects.update(name=name[:80], expires_at=now() + timedelta(days=1))
        stay = SupportAccess.objects.create(
            organization=organization,
            operator=owner,
            reason=name,
            level="view",
            expires_at=now() + timedelta(hours=1),
        )
        Organization.objects.update(closing_at=now())
        mail.outbox.clear()
        send_invitation(str(invitation.pk))
        tell_new_owner(row, actor)
        for what in ("closing", "kept"):
            tell_of_end(organization, what, actor)
        tell_of_support(stay)
        tell_member("removed", row, actor)
        tell_inviter(Invitation.objects.get(), "joined", who=name)
        assert remind_of_key(key_id=ApiKey.objects.get().pk)
        deliver_due()
        return list(mail.outbox)

    return send


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_no_name_writes_a_header(told, name):
    letters = told(name)

    assert len(letters) >= 8
    known = {"mei@example.com", *User.objects.values_list("email", flat=True)}
    for letter in letters:
        parsed = read(letter)
        assert len(recipients(parsed)) == 1
        assert set(recipients(parsed)) <= known
        assert letter.recipients() == recipients(parsed)


@pytest.mark.parametrize(
    "address",
    [
        "mei@example.com\r\nBcc: evil@example.com",
        "mei@example.com\nevil@example.com",
        "mei@example.com, evil@example.com",
        "mei@example.com;evil@example.com",
        '"mei\r\nBcc: x"@example.com',
        "=?utf-8?q?mei=0D=0ABcc:_evil?=@example.com",
        "Mei <mei@example.com>",
        "mei@example.com\x00",
        "mei@exa\rmple.com",
    ],
)
def test_an_address_that_holds_more_than_one_is_refused(address):
    organization = OrganizationFactory()
    actor = actor_in(organization)

    with suppress(InvalidInput):
        create_invitation(actor=actor, email=address, role="member")
    kept = list(Invitation.objects.all())

    assert [row.email for row in kept] in ([], [address])
    for row in kept:  # it looks odd, and is one address
        send_invitation(str(row.pk))
        assert recipients(read(mail.outbox[-1])) == [address]


def test_a_line_break_in_the_address_sends_nothing_at_all():
    with pytest.raises(ValueError, match="newlines"):
        compose("orgs/mail/kept", "mei@example.com\r\nBcc: evil@example.com", {}).send()

    assert mail.outbox == []


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_letters_of_accounts(name):
    user = UserFactory(email="ada@example.com")
    User.objects.filter(pk=user.pk).update(name=name[:100])
    hosts = {"REMOTE_ADDR": "203.0.113.9", "HTTP_USER_AGENT": name}

    Client().post("/accounts/password/reset/", {"email": "ada@example.com"}, **hosts)
    Client().post("/accounts/password/reset/", {"email": "nobody@example.com"}, **hosts)

    assert [recipients(read(letter)) for letter in mail.outbox] == [
        ["ada@example.com"],
        ["nobody@example.com"],
    ]


@pytest.mark.parametrize("host", ["evil.example\r\nBcc: x", "evil.example"])
def test_the_host_that_was_asked_writes_no_subject(settings, host):
    settings.ALLOWED_HOSTS = ["testserver"]
    UserFactory(email="ada@example.com")

    answer = Client().post(
        "/accounts/password/reset/", {"email": "ada@example.com"}, headers={"Host": host}
    )

    assert answer.status_code == 400
    assert mail.outbox == []
