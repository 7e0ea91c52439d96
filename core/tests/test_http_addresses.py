"""The guard's decisions: a table of addresses and URLs that people tried on others."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from core.http import OutgoingRefused, check_url
from core.http.addresses import is_allowed, is_public

TABLE = Path(__file__).with_name("refused_urls.txt")
REFUSED = TABLE.read_text(encoding="utf-8").splitlines()
REFUSED += [
    "",
    "http://127.0.0.1\t/",
    "http://example.com\r\nX: y/",
    "http://exam\nple.com/",
    "http://example.com/\x00",
    "http://example.com /",
    " http://example.com/",
    "http://ex ample.com/",
    "http://example.com\x7f/",
    "http://" + "a" * 64 + ".com/",
    "http://" + "a." * 130 + "com/",
    "http://example.com/" + "a" * 9000,
    "http://" + "1" * 5000 + "/",
]
ALLOWED = {
    "http://8.8.8.8/": "8.8.8.8",
    "http://1.1.1.1:8080/x": "1.1.1.1",
    "HTTPS://EXAMPLE.com": "example.com",
    "https://example.com./x": "example.com",
    "http://[2606:4700:4700::1111]/": "2606:4700:4700::1111",
    "http://[2606:4700:4700:0:0:0:0:1111]:443/": "2606:4700:4700::1111",
    "http://[64:ff9b::8.8.8.8]/": "64:ff9b::808:808",
    "http://172.32.0.1/": "172.32.0.1",
    "http://100.128.0.1/": "100.128.0.1",
    "http://my_host.example.com/": "my_host.example.com",
    "http://bücher.example/": "xn--bcher-kva.example",
    "https://例子.测试/路径?q=值": "xn--fsqu00a.xn--0zwm56d",
    "http://xn--bcher-kva.example/": "xn--bcher-kva.example",
    "http://example.com#@127.0.0.1/": "example.com",
    "http://example.com?@127.0.0.1/": "example.com",
    "http://example.com/a b?c=d e": "example.com",
    "http://example.com/?u=http://127.0.0.1/": "example.com",
    "http://127.0.0.1.example.com/": "127.0.0.1.example.com",
    "http://1e100.net/": "1e100.net",
    "http://3com/": "3com",
}


@pytest.fixture(autouse=True)
def nothing_opened(settings: Settings) -> None:
    settings.OUTGOING_ALLOW = []


@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_leads_inside_or_reads_two_ways_is_refused(url: str) -> None:
    with pytest.raises(OutgoingRefused) as refusal:
        check_url(url)
    assert refusal.value.code == "outgoing_refused"
    assert refusal.value.status == 400


@pytest.mark.parametrize(("url", "host"), ALLOWED.items())
def test_an_ordinary_url_passes_with_the_host_it_names(url: str, host: str) -> None:
    assert (check_url(url).raw_host or "").removesuffix(".") == host


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("192.0.0.192", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("fec0::1", False),
        ("::127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("9.255.255.255", True),
        ("11.0.0.0", True),
        ("223.255.255.255", True),
        ("2001:200::1", True),
        ("2a00:1450::1", True),
    ],
)
def test_public_means_public_by_the_registries(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


def test_the_operator_opens_networks_and_only_those(settings: Settings) -> None:
    settings.OUTGOING_ALLOW = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    assert is_allowed("10.1.2.3")
    assert is_allowed("::ffff:10.1.2.3")
    assert is_allowed("fd00::1")
    assert not is_allowed("10.2.0.1")
    assert not is_allowed("fe80::1%eth0")
    assert is_allowed("10.2.0.1", [ip_network("10.2.0.0/24")])
    with pytest.raises(OutgoingRefused):
        check_url("http://localhost:8000/")
    assert check_url("http://localhost:8000/", allow=[ip_network("127.0.0.1/32")])
