"""Messages for the next page, in a cookie that is bound to this host as all others are."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class HostCookieStorage(CookieStorage):
    cookie_name = settings.COOKIE_PREFIX + "loomwork_messages"


class NoticeStorage(FallbackStorage):
    storage_classes = (HostCookieStorage, SessionStorage)
