"""TLS inside an installation: `python -m config.certificates FOLDER` makes what its servers show.

    FOLDER/authority/  authority.pem   key and certificate that sign the others; no server's own
    FOLDER/clients/    ca.crt          what everybody checks servers by
    FOLDER/NAME/       server.pem      key and certificate of one server, in one file so that no
                                       reader finds halves of two; and ca.crt

Repeatable: what is still good stays. A server's certificate is made anew when half its year is
over, the authority's (and with it all others) when its key is gone or too little of its life is
left. Servers read theirs when they start. Needs no settings and no secret of the product.
"""

import argparse
import ipaddress
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=365)
RENEWED_BEFORE = timedelta(days=183)
SKEW = timedelta(minutes=5)
"""Clocks of hosts differ: a certificate is valid a little before it was made."""
OWNERS = {"db": 999, "redis": 999, "web": 10001, "stream": 10001}
"""Servers by their name in compose.yaml, and the user each of them runs as in its image."""

Key = ec.EllipticCurvePrivateKey
Pair = tuple[Key, x509.Certificate]


def make_certificates(folder: Path, now: datetime | None = None) -> list[str]:
    """Make what is missing or ageing; returns the names of what was made."""
    now = now or datetime.now(UTC)
    made = []
    authority = _read(folder / "authority/authority.pem")
    if authority is None or _left(authority[1], now) < SERVER_LIFE:
        authority = _make_authority(now)
        _write(folder / "authority/authority.pem", _pem(authority), 0o600, 0)
        made.append("authority")
    public = authority[1].public_bytes(serialization.Encoding.PEM)
    _write(folder / "clients/ca.crt", public, 0o644, 0)
    for name, owner in OWNERS.items():
        path = folder / name / "server.pem"
        _write(folder / name / "ca.crt", public, 0o644, 0)
        if not _is_good(_read(path), authority[1], now):
            _write(path, _pem(_make_server(name, authority, now)), 0o600, owner)
            made.append(name)
    return made


def _make_authority(now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Loomwork internal authority")])
    usage = _usage(signs_certificates=True)
    builder = (
        _builder(key, name, name, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return key, builder.sign(key, hashes.SHA256())


def _make_server(server: str, authority: Pair, now: datetime) -> Pair:
    """Also good for the server's own loopback, from where its health is asked."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, server)])
    names = [x509.DNSName(server), x509.DNSName("localhost")]
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signer, signed_by = authority
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = (
        _builder(key, name, signed_by.subject, now, SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([*names, loopback]), critical=False)
        .add_extension(issuer, critical=False)
    )
    return key, builder.sign(signer, hashes.SHA256())


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
    if pair is None:
        return False
    try:
        pair[1].verify_directly_issued_by(authority)
    except (ValueError, InvalidSignature):
        return False
    return _left(pair[1], now) >= RENEWED_BEFORE


def _left(certificate: x509.Certificate, now: datetime) -> timedelta:
    return certificate.not_valid_after_utc - now


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


def _pem(pair: Pair) -> bytes:
    key, certificate = pair
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes, mode: int, owner: int) -> None:
    """At once or not at all, and never readable to others for a moment."""
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
    made = make_certificates(parser.parse_args(arguments).folder)
    told = f"Made: {', '.join(made)}." if made else "Every certificate is still good."
    sys.stdout.write(f"{told}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
