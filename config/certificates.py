"""TLS inside an installation: `python -m config.certificates FOLDER` makes what proves who is who.

    FOLDER/authority/  authority.pem     signs servers; key and certificate; nobody else sees it
                       NAME-clients.pem  signs the clients of the server NAME, and nothing else
    FOLDER/SERVICE/    ca.crt            by what the service checks the servers it calls
                       NAME.pem          shows the server NAME that this service calls
                       server.pem        what it shows as a server
                       clients.crt       by what it checks its own clients

Each server believes an authority of its own, so that a certificate opens one door: Caddy's for
`web` is nothing to the database. Key and certificate lie in one file, so that no reader finds
halves of two. Repeatable: what is still good stays; what has lived half its life is made anew, as
is an authority, with all it signed, when its key is gone or too little of its life is left.
`--every` stays and looks again. Needs no settings and no secret of the product.
"""

import argparse
import ipaddress
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
AUTHORITY_LEFT = timedelta(days=365)
SERVER_LIFE = timedelta(days=90)
CLIENT_LIFE = timedelta(days=1)
SKEW = timedelta(minutes=5)
"""Clocks of hosts differ: a certificate is valid a little before it was made."""
OWNERS = {
    "db": 999, "redis": 999, "migrate": 10001, "web": 10001, "stream": 10001, "worker": 10001,
    "beat": 10001, "caddy": 0,
}  # fmt: skip
"""Services by their name in compose.yaml, and the user each of them runs as in its image."""
CLIENTS = {
    "db": ("migrate", "web", "stream", "worker", "beat"),
    "redis": ("web", "stream", "worker", "beat", "redis"),
    "web": ("caddy", "web"),
    "stream": ("caddy", "stream"),
}
"""Servers and who may call them; itself, where its health is asked that way."""

Key = ec.EllipticCurvePrivateKey
Pair = tuple[Key, x509.Certificate]


def make_certificates(
    folder: Path, now: datetime | None = None, owners: Mapping[str, int] = OWNERS
) -> list[str]:
    """Make what is missing or ageing; returns the files made, without their endings.

    A reader may meet an old file beside a new one while this goes on, never half a file.
    """
    work = _Round(folder, now or datetime.now(UTC), owners, [])
    authority = work.authority("authority")
    for service, owner in owners.items():
        _write(folder / service / "ca.crt", _public(authority), 0o644, owner)
    for server, clients in CLIENTS.items():
        work.renew(server, "server", authority)
        theirs = work.authority(f"{server}-clients")
        _write(folder / server / "clients.crt", _public(theirs), 0o644, owners[server])
        for client in clients:
            work.renew(client, server, theirs)
    return work.made


@dataclass(frozen=True)
class _Round:
    folder: Path
    now: datetime
    owners: Mapping[str, int]
    made: list[str]

    def authority(self, name: str) -> Pair:
        path = self.folder / "authority" / f"{name}.pem"
        found = _read(path)
        if found is not None and found[1].not_valid_after_utc - self.now >= AUTHORITY_LEFT:
            return found
        authority = _make_authority(name, self.now)
        _write(path, _pem(authority), 0o600, 0)
        self.made.append(f"authority/{name}")
        return authority

    def renew(self, service: str, name: str, authority: Pair) -> None:
        path = self.folder / service / f"{name}.pem"
        if not _is_good(_read(path), authority[1], self.now):
            make = _make_server if name == "server" else _make_client
            pair = make(service, authority, self.now)
            _write(path, _pem(pair), 0o600, self.owners[service])
            self.made.append(f"{service}/{name}")


def _make_authority(name: str, now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"Loomwork internal {name}")
    builder = (
        _builder(key, subject, subject, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return key, builder.sign(key, hashes.SHA256())


def _make_server(server: str, authority: Pair, now: datetime) -> Pair:
    """Also good for the server's own loopback, from where its health is asked."""
    names = [x509.DNSName(server), x509.DNSName("localhost")]
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    key, builder = _leaf(server, authority, now, SERVER_LIFE, ExtendedKeyUsageOID.SERVER_AUTH)
    builder = builder.add_extension(x509.SubjectAlternativeName([*names, loopback]), critical=False)
    return key, builder.sign(authority[0], hashes.SHA256())


def _make_client(client: str, authority: Pair, now: datetime) -> Pair:
    """Of no use to a server: it names no host."""
    key, builder = _leaf(client, authority, now, CLIENT_LIFE, ExtendedKeyUsageOID.CLIENT_AUTH)
    return key, builder.sign(authority[0], hashes.SHA256())


def _leaf(
    name: str, authority: Pair, now: datetime, life: timedelta, use: x509.ObjectIdentifier
) -> tuple[Key, x509.CertificateBuilder]:
    key = ec.generate_private_key(ec.SECP256R1())
    signer, signed_by = authority
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return key, (
        _builder(key, _name(name), signed_by.subject, now, life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        .add_extension(issuer, critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    key: Key, subject: x509.Name, issuer: x509.Name, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + life)
        .add_extension(identifier, critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _is_good(pair: Pair | None, authority: x509.Certificate, now: datetime) -> bool:
    """Signed by this authority, and not yet half its life old."""
    if pair is None:
        return False
    try:
        pair[1].verify_directly_issued_by(authority)
    except (ValueError, InvalidSignature):
        return False
    starts, ends = pair[1].not_valid_before_utc, pair[1].not_valid_after_utc
    return now < starts + (ends - starts) / 2


def _read(path: Path) -> Pair | None:
    """None for what is missing, broken, or a key beside another's certificate."""
    try:
        pem = path.read_bytes()
        key = serialization.load_pem_private_key(pem, None)
        certificate = x509.load_pem_x509_certificate(pem)
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(key, Key) or key.public_key() != certificate.public_key():
        return None
    return key, certificate


def _public(pair: Pair) -> bytes:
    return pair[1].public_bytes(serialization.Encoding.PEM)


def _pem(pair: Pair) -> bytes:
    private = pair[0].private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + _public(pair)


def _write(path: Path, content: bytes, mode: int, owner: int) -> None:
    """At once or not at all, and never readable to others for a moment; the same again is left."""
    with suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
        if os.geteuid() == 0:
            os.fchown(file.fileno(), owner, owner)
    temporary.replace(path)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m config.certificates")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, metavar="SECONDS", help="stay, and look again")
    given = parser.parse_args(arguments)
    _tell(make_certificates(given.folder) or ["nothing, every certificate is still good"])
    while given.every:
        time.sleep(given.every)
        if made := make_certificates(given.folder):
            _tell(made)


def _tell(made: list[str]) -> None:
    sys.stdout.write(f"Made: {', '.join(made)}.\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
