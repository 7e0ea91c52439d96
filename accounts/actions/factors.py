"""Taking away second factors that their owner has lost."""

from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.urls import reverse

from accounts.actions.sessions import end_rows
from accounts.errors import FactorsNotReset
from accounts.letters import write_letter
from accounts.models import User
from accounts.notifications import SAFETY
from accounts.security import Kind, note
from core.errors import InvalidInput, NotFound

SHORTEST_STATEMENT = 10
LONGEST_STATEMENT = 500


def may_reset(by: User, person: User) -> bool:
    """Superusers for all but themselves; who has the permission, for people below."""
    above = person.is_staff or person.is_superuser
    allowed = by.is_superuser or (by.has_perm("accounts.reset_factors") and not above)
    return bool(allowed and by.pk != person.pk and person.closed_at is None)


@transaction.atomic
def reset_factors(*, by: User, user_id: UUID, reason: str, proof: str) -> int:
    """Take all factors and recovery codes away and end all sessions; how many factors there were.

    `proof` says how the operator knows that it is the account's owner who asks. Both texts stand in
    the owner's log. The owner gets a mail and has to set up another factor before anything but the
    account opens. Raises InvalidInput, NotFound, FactorsNotReset.
    """
    reason, proof = _statement("reason", reason), _statement("proof", proof)
    person = User.objects.select_for_update().filter(pk=user_id).first()
    if person is None:
        raise NotFound("There is no such person.")
    if not may_reset(by, person):
        raise FactorsNotReset("Another operator has to reset the factors of this person.")
    factors = list(Authenticator.objects.select_for_update().filter(user=person))
    if not factors:
        raise FactorsNotReset("This person has no second factor.")
    kinds = sorted(factor.type for factor in factors)
    said = {"by": str(by.pk), "reason": reason, "proof": proof, "factors": kinds}
    note(Kind.FACTORS_RESET, user_id=person.pk, **said)
    end_rows(list(UserSession.objects.filter(user=person)), by=by.pk)
    Authenticator.objects.filter(user=person).delete()
    person.factor_due = True
    person.save(update_fields=["factor_due"])
    # Not as allauth's notices: those tell from where a change came, which is the operator's place.
    write_letter(
        SAFETY,
        user_id=person.pk,
        template="accounts/email/factors_reset",
        path=reverse("account_security_log"),
        email=person.email,
    )
    return len(factors)


def note_new_factor(user: User) -> None:
    """Who was asked for one has one now."""
    User.objects.filter(pk=user.pk, factor_due=True).update(factor_due=False)


def _statement(name: str, text: str) -> str:
    text = text.strip()
    if not SHORTEST_STATEMENT <= len(text) <= LONGEST_STATEMENT:
        raise InvalidInput(
            "Say it in 10 to 500 characters.",
            field=name,
            least=SHORTEST_STATEMENT,
            most=LONGEST_STATEMENT,
        )
    return text
