"""From where a key may be used, and whose word is taken for it."""

import pytest
from django.test import Client
from rest_framework.test import APIClient

from core.addresses import caller_address, forwarded_in, plain_address
from orgs.actions import change_key, create_key
from orgs.errors import InvalidAddressList
from orgs.models import ApiKey
from orgs.networks import admits, normalise
from orgs.tests.factories import OrganizationFactory, actor_in
from orgs.uses import flush_uses

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["10.0.0.1"], ["10.0.0.1"]),
        (["10.0.0.1/32", "10.0.0.1"], ["10.0.0.1"]),
        ([" 10.1.2.3/8 "], ["10.0.0.0/8"]),
        (["2001:DB8:0::1"], ["2001:db8::1"]),
        (["2001:db8::1/64"], ["2001:db8::/64"]),
        (["::ffff:10.0.0.1"], ["10.0.0.1"]),
        (["::ffff:10.0.0.0/104"], ["10.0.0.0/8"]),
        (["0.0.0.0/0", "::/0"], ["0.0.0.0/0", "::/0"]),
        (["", "  "], []),
    ],
)
def test_addresses_are_kept_in_their_usual_form(given, kept):
    assert normalise(given) == kept


@pytest.mark.parametrize(
    "wrong",
    ["10", "10.0.0", "10.0.0.256", "10.0.0.1/33", "host.example", "fe80::1%eth0", "10.0.0.1-9",
     "*", "10.0.0.010", "http://10.0.0.1", "\x00", "10.0.0.1 # office"],
)  # fmt: skip
def test_what_is_no_address_is_named(wrong):
    with pytest.raises(InvalidAddressList) as caught:
        normalise(["10.0.0.1", wrong])

    assert caught.value.detail["wrong"] == [wrong]


def test_a_list_has_at_most_fifty():
    assert len(normalise(f"10.0.0.{n}" for n in range(50))) == 50
    with pytest.raises(InvalidAddressList):
        normalise(f"10.0.0.{n}" for n in range(51))


@pytest.mark.parametrize(
    ("allowed", "address", "let_in"),
    [
        ([], None, True),
        ([], "203.0.113.9", True),
        (["203.0.113.0/24"], "203.0.113.9", True),
        (["203.0.113.0/24"], "203.0.114.9", False),
        (["203.0.113.0/24"], "::ffff:203.0.113.9", True),
        (["203.0.113.0/24"], None, False),
        (["2001:db8::/32"], "2001:db8:1::5", True),
        (["2001:db8::/32"], "203.0.113.9", False),
        (["203.0.113.9"], "203.0.113.90", False),
    ],
)
def test_a_list_admits_what_lies_in_it(allowed, address, let_in):
    assert admits(allowed, plain_address(address or "")) is let_in


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        (0, "", "192.0.2.1"),
        (0, "203.0.113.9", "192.0.2.1"),  # without proxies the header is nobody's word
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "10.0.0.1, 203.0.113.9", "203.0.113.9"),  # what stands left is the caller's claim
        (1, "", None),
        (1, "unknown", None),
        (2, "10.0.0.1, 203.0.113.9, 192.0.2.7", "203.0.113.9"),
        (2, "203.0.113.9", None),  # it came past a proxy
        (1, "203.0.113.9:4711", "203.0.113.9"),
        (1, "[2001:db8::1]:4711", "2001:db8::1"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_the_caller_is_whom_our_outermost_proxy_saw(settings, proxies, forwarded, seen):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies

    found = caller_address("192.0.2.1", forwarded)

    assert (str(found) if found else None) == seen


def test_several_headers_are_read_as_one():
    headers = [
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"host", b"h"),
        (b"x-forwarded-for", b"192.0.2.7"),
    ]

    assert forwarded_in(headers) == "10.0.0.1,192.0.2.7"


@pytest.fixture
def made():
    actor = actor_in(OrganizationFactory())
    return create_key(
        actor=actor, name="k", scopes=["run.view", "org.view"], ip_allow=["203.0.113.0/24"]
    )


def asked(token, peer, **headers):
    client = APIClient(headers={"Authorization": f"Bearer {token}", **headers})
    return client.get("/api/v1/me/", REMOTE_ADDR=peer)


def test_a_key_works_from_its_addresses_alone(made):
    _, token = made

    assert asked(token, "203.0.113.9").status_code == 200
    refused = asked(token, "198.51.100.1")
    assert (refused.status_code, refused.json()["code"]) == (403, "key_address_refused")
    assert refused.json()["trace_id"] == refused.headers["X-Request-ID"]


@pytest.mark.parametrize(
    "spoof",
    ["203.0.113.9", "203.0.113.9, 203.0.113.9", "203.0.113.9,", ",203.0.113.9", " 203.0.113.9 "],
)
def test_a_claimed_address_opens_nothing(made, spoof):
    assert asked(made[1], "198.51.100.1", **{"X-Forwarded-For": spoof}).status_code == 403


@pytest.mark.parametrize("name", ["X-Real-IP", "Forwarded", "True-Client-IP", "Client-IP"])
def test_other_headers_are_not_read(made, name, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    sent = {name: "203.0.113.9", "X-Forwarded-For": "198.51.100.1"}

    assert asked(made[1], "10.0.0.2", **sent).status_code == 403


def test_behind_a_proxy_its_word_counts_and_the_callers_does_not(made, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1

    true = asked(made[1], "10.0.0.2", **{"X-Forwarded-For": "1.1.1.1, 203.0.113.9"})
    false = asked(made[1], "10.0.0.2", **{"X-Forwarded-For": "203.0.113.9, 1.1.1.1"})

    assert (true.status_code, false.status_code) == (200, 403)


def test_a_wrong_token_is_not_told_of_the_list(made):
    token = made[1][:-7] + ("A" if made[1][-7] != "A" else "B") + made[1][-6:]

    assert asked(token, "198.51.100.1").json()["code"] == "authentication_failed"


def test_an_address_refused_is_no_use(made):
    asked(made[1], "198.51.100.1")
    flush_uses()

    assert ApiKey.objects.get().last_used_at is None


def test_a_changed_list_counts_at_once(made):
    key, token = made
    change_key(actor=actor_in(key.organization), key_id=key.pk, ip_allow=["198.51.100.1"])

    assert asked(token, "203.0.113.9").status_code == 403
    assert asked(token, "198.51.100.1").status_code == 200


def test_a_stream_asks_for_the_address_too(made):
    url = "/api/v1/runs/0192f0c1-0000-7000-8000-000000000001/stream/"
    client = Client(headers={"Authorization": f"Bearer {made[1]}"})

    refused = client.get(url)
    admitted = client.get(url, REMOTE_ADDR="203.0.113.9")

    assert (refused.status_code, refused.json()["code"]) == (403, "key_address_refused")
    assert admitted.status_code == 404
