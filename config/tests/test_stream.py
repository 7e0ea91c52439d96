"""The asynchronous server's TLS: what lies in the folder now, and nobody without a certificate."""

import ssl

import pytest

from config.certificates import make_certificates
from config.stream import FreshContext


def agreed(server, client):
    """Both sides' handshake in memory; raises what either of them raises."""
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        server.wrap_bio(inward, outward, server_side=True),
        client.wrap_bio(outward, inward, server_hostname="stream"),
    ]
    for _ in range(4):
        for side in reversed(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return sides[1].getpeercert(binary_form=True)


def caller(folder, shown="caddy/stream.pem"):
    context = ssl.create_default_context(cafile=folder / "caddy/ca.crt")
    if shown:
        context.load_cert_chain(folder / shown)
    return context


@pytest.fixture
def folder(tmp_path):
    make_certificates(tmp_path)
    return tmp_path


def test_each_connection_is_shown_what_lies_there_now(folder):
    context = FreshContext(folder / "stream")
    first = agreed(context, caller(folder))
    (folder / "stream/server.pem").unlink()
    make_certificates(folder)
    assert agreed(context, caller(folder)) != first


def test_a_new_authority_of_its_clients_ends_the_trust_in_the_old(folder):
    context = FreshContext(folder / "stream")
    old = caller(folder)
    (folder / "authority/stream-clients.pem").unlink()
    make_certificates(folder)
    with pytest.raises(ssl.SSLCertVerificationError):
        agreed(context, old)
    assert agreed(context, caller(folder))


@pytest.mark.parametrize("shown", ["", "caddy/web.pem", "web/web.pem", "stream/server.pem"])
def test_who_shows_nothing_or_what_opens_another_door_is_refused(folder, shown):
    with pytest.raises(ssl.SSLError, match=r"PEER_DID_NOT_RETURN|CERTIFICATE_VERIFY_FAILED"):
        agreed(FreshContext(folder / "stream"), caller(folder, shown))


def test_it_does_not_start_without_a_certificate(folder):
    (folder / "stream/server.pem").unlink()
    with pytest.raises(FileNotFoundError):
        FreshContext(folder / "stream")
