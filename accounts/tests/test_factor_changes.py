"""A factor that was added, taken away or made anew ends every other session of its owner."""

import hashlib
import json
import secrets

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from accounts.models import SecurityEvent, TokenFamily
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.programs import AUTH, Program, mails_to
from accounts.tests.test_factors import add_totp, code_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.services]
FACTORS = f"{AUTH}/account/authenticators"


@pytest.fixture
def person():
    user = UserFactory()
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def page(person):
    """A browser that has given the password a moment ago."""
    browser = Client()
    browser.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return browser


@pytest.fixture
def others(person):
    """Another browser, a program, and somebody else's."""
    browser = Client()
    browser.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    return browser, Program(person), Program(UserFactory())


def check_ended(others, person, kind):
    browser, program, stranger = others
    assert browser.get("/account/").status_code == 302
    assert not program.allowed()
    assert program.renew().status_code == 400
    assert stranger.allowed()
    noted = set(SecurityEvent.objects.of_user(person.pk).values_list("kind", flat=True))
    assert {kind, "session_ended"} <= noted
    assert mails_to(person)


def check_going_on(others):
    assert [others[0].get("/account/").status_code, others[1].allowed()] == [200, True]


def made_key(challenge, origin, rp):
    """What a security key answers when it is registered (WebAuthn, attestation `none`)."""
    private = ec.generate_private_key(ec.SECP256R1())
    credential_id = secrets.token_bytes(16)
    data = AuthenticatorData.create(
        hashlib.sha256(rp.encode()).digest(),
        AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV | AuthenticatorData.FLAG.AT,
        0,
        AttestedCredentialData.create(
            Aaguid(bytes(16)), credential_id, ES256.from_cryptography_key(private.public_key())
        ),
    )
    client = CollectedClientData.create(CollectedClientData.TYPE.CREATE, challenge, origin)
    return {
        "id": websafe_encode(credential_id),
        "rawId": websafe_encode(credential_id),
        "type": "public-key",
        "clientExtensionResults": {"credProps": {"rk": True}},
        "response": {
            "clientDataJSON": websafe_encode(client),
            "attestationObject": websafe_encode(AttestationObject.create("none", data, {})),
        },
    }


def test_an_app_is_added_on_the_page(page, others, person):
    page.get("/accounts/2fa/totp/activate/")
    secret = page.session["mfa.totp.secret"]
    check_going_on(others)

    page.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})

    check_ended(others, person, "factor_added")
    assert page.get("/account/").status_code == 200


def test_an_app_is_taken_away_on_the_page(page, others, person):
    add_totp(person)
    check_going_on(others)

    page.post("/accounts/2fa/totp/deactivate/")

    assert not Authenticator.objects.filter(user=person).exists()
    check_ended(others, person, "factor_removed")
    assert page.get("/account/").status_code == 200


def test_recovery_codes_are_made_anew_on_the_page(page, others, person):
    add_totp(person)

    page.post("/accounts/2fa/recovery-codes/generate/")

    check_ended(others, person, "codes_renewed")
    assert page.get("/account/").status_code == 200


def test_a_passkey_is_added_and_taken_away_on_the_page(page, others, person):
    page.get("/accounts/2fa/webauthn/add/", headers={"Host": "localhost"})
    challenge = page.session["mfa.webauthn.state"]["challenge"]
    key = made_key(challenge, "http://localhost", "localhost")

    sent = {"name": "Key", "credential": json.dumps(key)}
    page.post("/accounts/2fa/webauthn/add/", sent, headers={"Host": "localhost"})

    row = Authenticator.objects.get(user=person, type="webauthn")
    check_ended(others, person, "factor_added")
    assert page.get("/account/").status_code == 200
    page.post(f"/accounts/2fa/webauthn/keys/{row.pk}/remove/")
    assert not Authenticator.objects.filter(user=person, type="webauthn").exists()
    assert SecurityEvent.objects.of_user(person.pk).filter(kind="factor_removed").exists()


@pytest.mark.parametrize("way", ["added", "removed", "renewed", "passkey removed"])
def test_a_program_changes_one_and_stays_in_alone(others, person, way):
    program = Program(person, agent="cli/own")
    program.reauthenticate()
    own = program.api()
    if way == "added":
        secret = own.get(f"{FACTORS}/totp").json()["meta"]["secret"]
        check_going_on(others)
        done, kind = own.post(f"{FACTORS}/totp", {"code": code_of(secret)}), "factor_added"
    elif way == "removed":
        add_totp(person)
        done, kind = own.delete(f"{FACTORS}/totp"), "factor_removed"
    elif way == "renewed":
        add_totp(person)
        done, kind = own.post(f"{FACTORS}/recovery-codes"), "codes_renewed"
    else:
        row = Authenticator.objects.create(user=person, type="webauthn", data={"name": "Key"})
        sent = {"authenticators": [row.pk]}
        done, kind = own.delete(f"{FACTORS}/webauthn", sent, format="json"), "factor_removed"

    assert done.status_code == 200
    check_ended(others, person, kind)
    assert program.allowed()
    assert program.renew().status_code == 200
    assert TokenFamily.objects.filter(user=person, ended_at=None).count() == 1


def test_a_wrong_code_ends_nothing(page, others):
    page.get("/accounts/2fa/totp/activate/")

    page.post("/accounts/2fa/totp/activate/", {"code": code_of(generate_totp_secret())})

    check_going_on(others)
