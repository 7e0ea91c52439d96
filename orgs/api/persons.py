"""REST views for people as such: they need no organization, and no key can act for a person."""

from __future__ import annotations

from typing import Any

from rest_framework import viewsets
from rest_framework.request import Request

from accounts.api.views import PersonsOwn
from orgs.api.once import AnsweringOnce


class PersonViewSet(PersonsOwn, AnsweringOnce, viewsets.GenericViewSet[Any]):
    """Sets `self.person`."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.answer_once(request, self.action, None, f"user:{self.person.pk}")
