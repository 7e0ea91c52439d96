"""A person's own language and time zone for what is rendered, and when they were last here.

`request.user` is read, never rebound.
"""

from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import logout
from django.core.cache import cache
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone, translation
from django.utils.timezone import now

from accounts.security import visitor_address

SEEN_EVERY = timedelta(minutes=5)


def preferences_middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Only where a session cookie came: nobody else has preferences, and no query is spent."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated:
            return get_response(request)
        if not _still_lasts(request):
            logout(request)
            return get_response(request)
        language = request.user.language
        if language:
            translation.activate(language)
            request.LANGUAGE_CODE = language  # as LocaleMiddleware does
        if not request.user.time_zone:
            return get_response(request)
        with timezone.override(ZoneInfo(request.user.time_zone)):
            return get_response(request)

    return answer


def _still_lasts(request: HttpRequest) -> bool:
    """Note the visit, unless the session rested too long or is too old: then it has ended.

    One small write each few minutes, not one each request; so it may last that much longer.
    """
    key = str(request.session.session_key)
    if not cache.add(f"seen:{key}", True, timeout=int(SEEN_EVERY.total_seconds())):
        return True
    at = now()
    here = {"last_seen_at": at, "ip": visitor_address(request)}
    session = UserSession.objects.filter(session_key=key)
    lasting = session.filter(
        last_seen_at__gt=at - timedelta(seconds=settings.SESSION_IDLE_AGE),
        created_at__gt=at - timedelta(seconds=settings.SESSION_COOKIE_AGE),
    )
    if lasting.update(**{name: value for name, value in here.items() if value}):
        return True
    if not session.exists():  # it began without a sign-in page
        return True
    cache.delete(f"seen:{key}")
    return False
