"""What a hostile or careless provider, or somebody in between, may try. Nobody gets in by any."""

import time

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.sso.tokens import use_once
from tests.sso import connect, leave, path_of, sign_on, signed_in_as

pytestmark = pytest.mark.django_db
GRACE = "grace@northwind.example"
NOW = time.time()

HOSTILE = {
    "wrong audience": {"token": {"aud": "another-client"}},
    "several audiences, no party": {"token": {"aud": ["loomwork", "another"]}},
    "issued to another party": {"token": {"azp": "another"}},
    "wrong nonce": {"token": {"nonce": "of-another-sign-in"}},
    "no nonce": {"drop": ["nonce"]},
    "nonce that is no text": {"token": {"nonce": 5}},
    "expired": {"token": {"exp": int(NOW) - 3600}},
    "no expiry": {"drop": ["exp"]},
    "made in the future": {"token": {"iat": int(NOW) + 3600}},
    "not yet valid": {"token": {"nbf": int(NOW) + 3600}},
    "another issuer": {"token": {"iss": "https://accounts.example"}},
    "no issuer": {"drop": ["iss"]},
    "nobody": {"drop": ["sub"]},
    "empty subject": {"token": {"sub": ""}},
    "long subject": {"token": {"sub": "s" * 192}},
    "subject that is no text": {"token": {"sub": 7}},
    "no signature": {"sign": "none"},
    "signed with what is public": {"sign": "HS256"},
    "signed with another key": {"sign": "other-key"},
    "unknown key": {"sign": "unknown-kid"},
    "no keys": {"keys": []},
    "keys that are none": {"keys": [1, "x", {"kty": "RSA", "kid": "one"}]},
    "symmetric key published": {
        "keys": [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}],
        "sign": "HS256",
    },
    "access token of another": {"token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
    "userinfo of somebody else": {"thin": True, "userinfo": {"sub": "another"}},
    "document of another issuer": {"document": {"issuer": "https://accounts.example"}},
    "document without endpoints": {"document": {"token_endpoint": None}},
    "endpoint that is no address": {"document": {"token_endpoint": "file:///etc/passwd"}},
    "endpoint in the clear": {"document": {"jwks_uri": "http://keys.example/keys"}},
    "endpoint inside": {"document": {"token_endpoint": "https://169.254.169.254/token"}},
    "answer of another provider": {"answer": {"iss": "https://accounts.example"}},
    "answer that names none": {"answer": {"iss": None}},
    "invented code": {"answer": {"code": "invented"}},
    "no code": {"answer": {"code": None}},
    "invented state": {"answer": {"state": "invented-state-1"}},
    "no state": {"answer": {"state": None}},
}


@pytest.mark.parametrize("orders", HOSTILE.values(), ids=HOSTILE.keys())
def test_nobody_gets_in_by(client, provider, orders):
    connect(provider)
    client.raise_request_exception = True
    provider.obey(claims=provider.person(GRACE), **orders)

    page = client.post(reverse("sso_start"), {"email": GRACE})
    if page.status_code == 200:
        answer = client.get(path_of(provider.back(leave(client, GRACE))))
    else:
        answer = page  # the document was refused before anybody left

    assert answer.status_code == 401
    assert signed_in_as(client) is None
    assert not User.objects.filter(email=GRACE).exists()


def test_a_code_is_used_once_even_where_the_provider_is_careless(client, provider):
    connect(provider)
    provider.obey(claims=provider.person(GRACE), reuse_codes=True)
    back = path_of(provider.back(leave(client, GRACE)))
    client.get(back)
    first = signed_in_as(client)
    client.logout()

    again = client.get(back)

    assert first
    assert again.status_code == 401
    assert signed_in_as(client) is None


def test_a_code_of_another_browser_is_worth_nothing(client, provider):
    """Sign-in forgery: the state stays with the browser that asked."""
    connect(provider)
    back = path_of(provider.back(leave(Client(), GRACE)))

    answer = client.get(back)

    assert answer.status_code == 401
    assert signed_in_as(client) is None


def test_somebody_elses_code_with_ones_own_state_is_refused(client, provider):
    """Code injection: the code belongs to another PKCE verifier and nonce."""
    connect(provider)
    stolen = provider.back(leave(Client(), GRACE))
    code = stolen.partition("code=")[2].partition("&")[0]
    provider.obey(claims=provider.person("eve@northwind.example"), answer={"code": code})

    answer = sign_on(client, provider, "eve@northwind.example")

    assert answer.status_code == 401
    assert signed_in_as(client) is None


def test_a_new_key_is_found_and_forgeries_do_not_knock_for_ever(client, provider, monkeypatch):
    connect(provider)
    provider.obey(claims=provider.person(GRACE), keys=[])
    assert sign_on(client, provider, GRACE).status_code == 401
    provider.obey(claims=provider.person(GRACE))

    from django.core.cache import cache  # noqa: PLC0415

    assert sign_on(client, provider, GRACE).status_code == 401  # asked a moment ago
    cache.clear()
    sign_on(client, provider, GRACE)

    assert signed_in_as(client)


def test_cancelling_there_is_no_error(client, provider):
    connect(provider)
    back = path_of(provider.back(leave(client, GRACE)))
    state = back.partition("state=")[2].partition("&")[0]

    answer = client.get(f"{back.partition('?')[0]}?error=access_denied&state={state}")

    assert answer.url == reverse("socialaccount_login_cancelled")
    assert "ui-auth" in client.get(answer.url).content.decode()


def test_a_provider_that_is_away_is_said_so(client, provider):
    row = connect(provider)
    row.issuer = "http://127.0.0.1:9"
    row.save()

    answer = client.post(reverse("sso_start"), {"email": GRACE})

    assert answer.status_code == 401
    assert "did not work" in answer.content.decode()


def test_the_secret_reaches_the_provider_alone(client, provider, caplog):
    connect(provider)
    provider.obey(claims=provider.person(GRACE), answer={"code": "invented"})

    answer = sign_on(client, provider, GRACE)

    secret = "the-secret-of-the-client"
    assert secret not in answer.content.decode() + caplog.text
    assert secret not in str(dict(client.session))


def test_a_token_brought_along_has_to_be_fresh():
    from allauth.socialaccount.providers.oauth2.client import OAuth2Error  # noqa: PLC0415

    use_once("a.b.c", {"iat": time.time()})
    for token, moment in (("a.b.c", time.time()), ("a.b.C", time.time()), ("x.y.z", NOW - 1000)):
        with pytest.raises(OAuth2Error):
            use_once(token, {"iat": moment})


@pytest.mark.parametrize(
    ("sign", "pkcs1", "enters"),
    [("RS256", True, True), ("RS256", False, False), ("PS256", True, True), ("PS256", False, True)],
)
def test_the_older_padding_of_rsa_can_be_refused(client, provider, settings, sign, pkcs1, enters):
    settings.SSO_RSA_PKCS1 = pkcs1
    connect(provider)
    provider.obey(claims=provider.person(GRACE), sign=sign)
    cache.clear()  # the key set of another test

    sign_on(client, provider, GRACE)

    assert bool(signed_in_as(client)) is enters
