"""Tokens that are not ours, not whole, not for this, or not signed by a key of ours."""

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.exceptions import ImproperlyConfigured

from accounts.keys import keys_in
from accounts.tests.factories import UserFactory
from accounts.tests.programs import Program
from core.secrets import generate_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return Program(UserFactory())


def part(data):
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def key(settings):
    return next(iter(keys_in(settings.JWT_KEYS).items()))


def resigned(settings, token, header=None, algorithm="HS256", secret=None, **changes):
    key_id, real = key(settings)
    claims = claims_of(token) | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    head = {"kid": key_id} if header is None else header
    return jwt.encode(claims, secret or real, algorithm=algorithm, headers=head)


def unsigned(token, algorithm):
    head, body, _ = token.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    return f"{part(header | {'alg': algorithm})}.{body}."


def rsa_pem():
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


FORGERIES = {
    "nothing at all": lambda s, t, o: "",
    "one part": lambda s, t, o: "eyJhbGciOiJub25lIn0",
    "no signature": lambda s, t, o: t.rpartition(".")[0] + ".",
    "a changed body": lambda s, t, o: t.replace(".", ".A", 1),
    "a changed signature": lambda s, t, o: t[:-6] + ("AAAAAA" if t[-6:] != "AAAAAA" else "BBBBBB"),
    "another person's body": lambda s, t, o: ".".join(
        [t.split(".")[0], o.split(".")[1], t.split(".")[2]]
    ),
    "alg none": lambda s, t, o: unsigned(t, "none"),
    "alg None": lambda s, t, o: unsigned(t, "None"),
    "alg NONE with a signature": lambda s, t, o: unsigned(t, "NONE") + t.split(".")[2],
    "another key": lambda s, t, o: resigned(s, t, secret=b"x" * 32),
    "an empty key": lambda s, t, o: resigned(s, t, secret=b"\0" * 32),
    "HS384": lambda s, t, o: resigned(s, t, algorithm="HS384"),
    "HS512": lambda s, t, o: resigned(s, t, algorithm="HS512"),
    "RS256": lambda s, t, o: resigned(s, t, algorithm="RS256", secret=rsa_pem()),
    "no kid": lambda s, t, o: resigned(s, t, header={}),
    "an unknown kid": lambda s, t, o: resigned(s, t, header={"kid": "other"}),
    "a path as kid": lambda s, t, o: resigned(s, t, header={"kid": "../../dev/null"}),
    "SQL as kid": lambda s, t, o: resigned(s, t, header={"kid": "' OR 1=1 --"}),
    "a jku": lambda s, t, o: resigned(
        s, t, header={"kid": key(s)[0], "jku": "https://evil.example/keys"}
    ),
    "a jwk": lambda s, t, o: resigned(
        s, t, header={"kid": key(s)[0], "jwk": {"kty": "oct", "k": "eA"}}
    ),
    "an x5u": lambda s, t, o: resigned(s, t, header={"kid": key(s)[0], "x5u": "https://e.example"}),
    "crit": lambda s, t, o: resigned(s, t, header={"kid": key(s)[0], "crit": ["exp"], "exp": 1}),
    "typ of something else": lambda s, t, o: resigned(
        s, t, header={"kid": key(s)[0], "typ": "at+jwt"}
    ),
    "expired": lambda s, t, o: resigned(s, t, exp=int(time.time()) - 60),
    "no expiry": lambda s, t, o: resigned(s, t, exp=None),
    "from the future": lambda s, t, o: resigned(s, t, iat=int(time.time()) + 3600),
    "another issuer": lambda s, t, o: resigned(s, t, iss="https://evil.example"),
    "no issuer": lambda s, t, o: resigned(s, t, iss=None),
    "another audience": lambda s, t, o: resigned(s, t, aud="somebody-else"),
    "a list of audiences": lambda s, t, o: resigned(s, t, aud=["loomwork-api", "other"]),
    "no audience": lambda s, t, o: resigned(s, t, aud=None),
    "no jti": lambda s, t, o: resigned(s, t, jti=None),
    "no session": lambda s, t, o: resigned(s, t, sid=None),
    "an invented session": lambda s, t, o: resigned(s, t, sid=base64.b64encode(b"x" * 48).decode()),
    "a session that is no text": lambda s, t, o: resigned(s, t, sid=5),
    "another person's name": lambda s, t, o: resigned(s, t, sub=claims_of(o)["sub"]),
    "a name that is none": lambda s, t, o: resigned(s, t, sub="root"),
    "made for refreshing": lambda s, t, o: resigned(s, t, token_use="refresh"),
    "made for nothing": lambda s, t, o: resigned(s, t, token_use=None),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_forged_token_opens_nothing(program, settings, kind):
    other = Program(UserFactory())
    forged = FORGERIES[kind](settings, program.access, other.access)
    assert forged != program.access
    client = program.client()

    for path in ("/api/v1/account/", "/api/v1/me/", "/api/v1/runs/"):
        answer = client.get(path, headers={"Authorization": f"Bearer {forged}"})
        assert answer.status_code == 401, path


def test_resigning_the_true_claims_is_accepted_so_the_forgeries_fail_for_their_fault(
    program, settings
):
    program.access = resigned(settings, program.access)

    assert program.allowed()


@pytest.mark.parametrize("fault", [{"fam": "x"}, {"fam": None}, {"jti": "x"}, {"sub": "x"}])
def test_a_spoilt_refresh_token_is_refused_and_ends_nothing(program, settings, fault):
    assert program.renew(resigned(settings, program.refresh, **fault)).status_code == 400
    assert program.renew().status_code == 200


def test_keys_rotate_without_signing_anybody_out(program, settings):
    old, new = settings.JWT_KEYS, generate_key()
    settings.JWT_KEYS = f"{new},{old}"
    assert program.allowed()
    before = program.access
    program.take(program.renew().json()["data"])
    assert jwt.get_unverified_header(program.access)["kid"] == new.partition(":")[0]

    settings.JWT_KEYS = new

    assert program.allowed()
    program.access = before
    assert not program.allowed()


@pytest.mark.parametrize(
    "text", ["", "a", "a:", "a:!!", "a:QUJD", ":" + "QUFB" * 12, ",".join(["a:" + "QUFB" * 12] * 2)]
)
def test_bad_keys_are_named_at_once(text):
    with pytest.raises(ImproperlyConfigured):
        keys_in(text)
