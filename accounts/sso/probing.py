"""Trying a provider before anybody signs in by it."""

from dataclasses import dataclass

from allauth.socialaccount.providers.oauth2.client import OAuth2Error

from accounts.sso.discovery import check_endpoint, fetch_discovery, fetch_keys
from core.errors import InvalidInput
from core.http import OutgoingRefused


@dataclass(frozen=True, slots=True)
class Probe:
    """What a provider published, or the `fault` that was found."""

    fault: str = ""
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    keys: int = 0


def probe(issuer: str) -> Probe:
    """Ask for the document and the keys anew; every failure becomes a sentence."""
    try:
        found = fetch_discovery(issuer, fresh=True)
        keys = len(fetch_keys(found.jwks_uri))
    except OAuth2Error as error:
        return Probe(fault=str(error)[:300])
    if not keys:
        return Probe(fault="The key set holds no keys.")
    return Probe("", found.authorization_endpoint, found.token_endpoint, keys)


def check_issuer(issuer: str) -> None:
    """Raises InvalidInput for an issuer that no provider could have (Discovery, 2)."""
    if "?" in issuer or "#" in issuer:
        raise InvalidInput("An issuer has neither query nor fragment.", field="issuer")
    try:
        check_endpoint(issuer)
    except OutgoingRefused as error:
        raise InvalidInput(error.message, field="issuer") from error
