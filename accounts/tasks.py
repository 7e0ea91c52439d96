"""Letters that go out, and upkeep of accounts. Repeating any of these is harmless."""

from datetime import timedelta
from uuid import UUID

from allauth.usersessions.models import UserSession
from celery import shared_task
from django.conf import settings
from django.core.management import call_command
from django.utils.timezone import now

from accounts.letters import deliver, deliver_due, forget_letters
from accounts.models import SecurityEvent, TokenFamily
from accounts.recovery import hash_left_codes

BATCH = 1000


@shared_task
def send_letter(letter_id: str) -> None:
    deliver(UUID(letter_id))


@shared_task
def tend_letters() -> int:
    """Send what its announcement was lost for, or what no mail server took; how many."""
    return deliver_due()


@shared_task
def forget_old_rows() -> int:
    """Drop security events past SECURITY_LOG_DAYS, ended refresh tokens, sessions and letters.

    Recovery codes that were left encrypted are hashed. In small statements, so that nothing waits
    for it; how many events went. Repeatable.
    """
    forget_letters()
    hash_left_codes()
    TokenFamily.objects.filter(expires_at__lt=now()).delete()
    call_command("clearsessions")
    unseen = now() - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    UserSession.objects.filter(last_seen_at__lt=unseen).delete()
    old = SecurityEvent.objects.filter(at__lt=now() - timedelta(days=settings.SECURITY_LOG_DAYS))
    gone = 0
    while found := list(old.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        gone += SecurityEvent.objects.filter(pk__in=found).delete()[0]
    return gone
