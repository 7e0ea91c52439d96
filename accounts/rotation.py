"""Re-encrypting the secrets of second factors, which live inside allauth's rows."""

from collections.abc import Iterator
from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction

from accounts.adapter import FACTOR_PLACE
from core.secrets import seal, sealed_with_first_key, unseal

BATCH = 200
SECRETS = ("secret", "seed")


def rotate_factors() -> Iterator[tuple[int, int]]:
    """Yields (rows seen, rows written) a batch. Repeatable."""
    rows = Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).order_by("pk")
    after = 0
    while found := list(rows.filter(pk__gt=after).values_list("pk", flat=True)[:BATCH]):
        after = found[-1]
        yield len(found), sum(_renew(pk) for pk in found)


@transaction.atomic
def _renew(pk: int) -> bool:
    row = Authenticator.objects.select_for_update().filter(pk=pk).first()
    if row is None:
        return False
    renewed = {name: _renewed(row.data[name]) for name in SECRETS if name in row.data}
    if all(row.data[name] == value for name, value in renewed.items()):
        return False
    row.data |= renewed
    row.save(update_fields=["data"])
    return True


def _renewed(sealed: Any) -> Any:
    if sealed_with_first_key(sealed):
        return sealed
    return seal(unseal(sealed, FACTOR_PLACE), FACTOR_PLACE)
