"""Keys under `/v1`: their addresses, their last use, and how soon a revocation works everywhere."""

import os
import socket
import subprocess
import sys
import time

import pytest
import requests
from django.db import connection

from billing.models import UsageRecord
from llm.tests.servers import gateway
from orgs import uses
from orgs.actions import create_key, revoke_key
from orgs.models import ApiKey
from orgs.tests.factories import OrganizationFactory, actor_in
from orgs.uses import flush_uses

pytestmark = pytest.mark.django_db(transaction=True)

PROCESS = """
import os, socket, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
import django
django.setup()
from django.conf import settings
from django.db import connections
settings.DATABASES["default"]["NAME"] = connections["default"].settings_dict["NAME"] = sys.argv[1]
import uvicorn
from llm.gateway.app import application
config = uvicorn.Config(application, log_config=None, lifespan="off", proxy_headers=False)
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[2]))])
"""


@pytest.fixture
def made():
    actor = actor_in(OrganizationFactory())
    key, token = create_key(actor=actor, name="k", scopes=["model.call"])
    return actor, key, token


@pytest.fixture(scope="module")
def url():
    with gateway() as address:
        yield address


def models(url, token, **headers):
    sent = {"Authorization": f"Bearer {token}", **headers}
    return requests.get(f"{url}/v1/models", headers=sent, timeout=60)


def test_an_address_outside_the_list_is_refused_in_the_protocols_form(url, made):
    ApiKey.objects.update(ip_allow=["203.0.113.0/24"])

    answer = models(url, made[2])

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (403, "key_address_refused")
    assert error["type"] == "permission_error"
    assert error["trace_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_a_claimed_address_opens_nothing(url, made, header):
    ApiKey.objects.update(ip_allow=["203.0.113.0/24"])

    assert models(url, made[2], **{header: "203.0.113.9"}).status_code == 403


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [(None, 403), ("http", 403), ("http, https", 403), ("https", 200), ("https, http", 200)],
)
def test_a_program_that_speaks_plain_http_is_refused_before_its_key_is_read(
    url, made, settings, forwarded, status
):
    settings.HTTPS = True
    sent = {} if forwarded is None else {"X-Forwarded-Proto": forwarded}

    answer = models(url, made[2], **sent)

    assert answer.status_code == status
    if status == 403:
        error = answer.json()["error"]
        assert (error["code"], error["type"]) == ("https_required", "invalid_request_error")
        flush_uses()
        assert ApiKey.objects.get(pk=made[1].pk).last_used_at is None


def test_behind_a_proxy_its_word_counts(url, made, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    ApiKey.objects.update(ip_allow=["203.0.113.0/24"])

    true = models(url, made[2], **{"X-Forwarded-For": "1.1.1.1, 203.0.113.9"})
    false = models(url, made[2], **{"X-Forwarded-For": "203.0.113.9, 1.1.1.1"})

    assert (true.status_code, false.status_code) == (200, 403)


def test_a_refused_address_pays_nothing_and_is_no_use(url, made):
    uses._forget()
    ApiKey.objects.update(ip_allow=["203.0.113.9"])

    answer = requests.post(
        f"{url}/v1/chat/completions",
        json={"model": "m", "messages": [{"role": "user", "content": "x"}]},
        headers={"Authorization": f"Bearer {made[2]}"},
        timeout=10,
    )

    assert answer.status_code == 403
    assert not UsageRecord.objects.exists()
    assert flush_uses() == 0


def test_last_use_is_remembered_though_the_key_is_cached(url, made):
    uses._forget()
    for _ in range(3):
        assert models(url, made[2]).status_code == 200
    assert ApiKey.objects.get().last_used_at is None

    assert flush_uses() == 1
    assert ApiKey.objects.get().last_used_ip == "127.0.0.1"


def test_a_revocation_works_within_a_second_in_every_process(made, url):
    """This process and two others, each with its own loop and cache, asked all the while.

    What counts is when a call began that was still let in: how long it took is the machine's.
    """
    actor, key, token = made
    with serving() as one, serving() as other:
        places = [url, one, other]
        for place in places:
            assert models(place, token).status_code == 200
        revoke_key(actor=actor, key_id=key.pk)
        revoked, shut, let_in = time.monotonic(), set(), {}
        while len(shut) < len(places) and time.monotonic() - revoked < 5:
            for place in places:
                began = time.monotonic() - revoked
                if place not in shut and models(place, token).status_code == 401:
                    shut.add(place)
                elif place not in shut:
                    let_in[place] = began
            time.sleep(0.005)

    assert len(shut) == len(places)
    assert max(let_in.values(), default=0) <= 1.0, let_in


class serving:  # noqa: N801 - read as a verb
    """A gateway in a process of its own, on the test's database."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.set_inheritable(True)
        name = str(connection.settings_dict["NAME"])
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, name, str(self.listener.fileno())],
            pass_fds=[self.listener.fileno()],
            env=os.environ,
        )
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.listener.close()
