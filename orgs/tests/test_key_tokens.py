"""A token is known whole or not at all, and a wrong one costs no look into the database."""

import hmac

import pytest

from orgs.keys import verify_key
from orgs.models import ApiKey
from orgs.tests.factories import OrganizationFactory, key_in
from orgs.tokens import checksum_of, digest_of, make_token, prefix_of

pytestmark = pytest.mark.django_db
BODY = 55  # lw_ + 8 + _ + 43


@pytest.fixture
def token():
    return key_in(OrganizationFactory(), "run.view")


def flipped(text, at):
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def resigned(body):
    return body + checksum_of(body)


CHEAP = {
    "first character of the secret": lambda t: flipped(t, 12),
    "last character of the secret": lambda t: flipped(t, BODY - 1),
    "middle of the secret": lambda t: flipped(t, 30),
    "first of the checksum": lambda t: flipped(t, BODY),
    "last of the checksum": lambda t: flipped(t, BODY + 5),
    "the prefix": lambda t: t[:3] + "aaaaaaaa" + t[11:],
    "one character less": lambda t: t[:-1],
    "one character more": lambda t: t + "a",
    "two characters swapped": lambda t: (
        t[:20] + t[21] + t[20] + t[22:] if t[20] != t[21] else t[:9]
    ),
    "upper case": lambda t: t.upper(),
    "lower case marker": lambda t: "LW_" + t[3:],
    "another marker": lambda t: "sk_" + t[3:],
    "a blank before": lambda t: " " + t,
    "a line end after": lambda t: t + "\n",
    "NUL after": lambda t: t + "\x00",
    "NUL within": lambda t: t[:20] + "\x00" + t[21:],
    "a full-width digit": lambda t: t[:3] + "１" + t[4:],
    "a letter of another script": lambda t: t[:20] + "а" + t[21:],
    "padding": lambda t: t + "==",
    "twice": lambda t: t + t,
    "prefix alone": lambda t: t[:12],
    "nothing": lambda t: "",
    "a JWT": lambda t: "eyJhbGciOiJub25lIn0.e30.",
    "a pattern": lambda t: "lw_%_" + "_" * 49,
}
DEAR = {
    "checksum cut off": lambda t: t[:BODY],
    "secret changed and checksum made anew": lambda t: resigned(flipped(t[:BODY], 20)),
    "prefix of nobody, checksum made anew": lambda t: resigned("lw_zzzzzzzz" + t[11:BODY]),
    "secret of zeros": lambda t: resigned(t[:12] + "A" * 43),
}


@pytest.mark.parametrize("damage", CHEAP.values(), ids=CHEAP)
def test_a_malformed_token_is_refused_without_a_query(token, damage, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert verify_key(damage(token)) is None


@pytest.mark.parametrize("damage", DEAR.values(), ids=DEAR)
def test_a_well_formed_token_of_nobody_is_refused(token, damage, django_assert_num_queries):
    assert prefix_of(damage(token)) is not None

    with django_assert_num_queries(1):
        assert verify_key(damage(token)) is None


def test_a_stored_digest_is_no_token(token):
    row = ApiKey.objects.get()

    assert verify_key(row.digest) is None
    assert verify_key(f"lw_{row.prefix}_{row.digest[:43]}") is None


def test_a_token_of_the_first_form_still_works(token):
    old = token[:BODY]
    ApiKey.objects.update(digest=digest_of(old))

    assert verify_key(old).key_id == ApiKey.objects.get().pk
    assert verify_key(token) is None


def test_a_real_token_costs_one_query(token, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert verify_key(token) is not None


def test_tokens_can_be_checked_offline():
    token, prefix, digest = make_token()

    assert len(token) == BODY + 6
    assert prefix_of(token) == prefix
    assert checksum_of(token[:BODY]) == token[BODY:]
    assert hmac.compare_digest(digest, digest_of(token))
    assert checksum_of("lw_k3v9x0ab_") == checksum_of("lw_k3v9x0ab_")
    assert checksum_of("") == "000000"


def test_a_key_of_one_pepper_is_nobody_under_another(token, settings):
    settings.SECRET_KEY = "another"

    assert verify_key(token) is None


def test_two_keys_do_not_open_for_each_other(token):
    other = key_in(OrganizationFactory(), "run.view")

    assert verify_key(resigned(token[:12] + other[12:BODY])) is None
    assert verify_key(token).organization_id != verify_key(other).organization_id
