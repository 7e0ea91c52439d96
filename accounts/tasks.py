"""Upkeep of accounts."""

from datetime import timedelta

from allauth.usersessions.models import UserSession
from celery import shared_task
from django.conf import settings
from django.core.management import call_command
from django.utils.timezone import now

from accounts.models import SecurityEvent, TokenFamily
from accounts.recovery import hash_left_codes

BATCH = 1000


@shared_task
def forget_old_rows() -> int:
    """Drop security events past SECURITY_LOG_DAYS, ended refresh tokens, expired sessions.

    Recovery codes that were left encrypted are hashed. In small statements, so that nothing waits
    for it; how many events went. Repeatable.
    """
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
