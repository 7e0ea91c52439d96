"""REST views for people as such: they need no organization, and no key can act for a person."""

from __future__ import annotations

from typing import Any

from rest_framework import viewsets
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import User
from core.errors import PermissionRefused


class PersonAccess:
    """Mixin: sets `self.person`."""

    person: User

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        if not isinstance(request.user, User):
            raise PermissionRefused("Only a person can do this.")
        self.person = request.user


class PersonAPIView(PersonAccess, APIView):
    pass


class PersonViewSet(PersonAccess, viewsets.GenericViewSet[Any]):
    pass
