"""REST views for people as such: they need no organization, and no key can act for a person."""

from __future__ import annotations

from typing import Any

from rest_framework import viewsets

from accounts.api.views import PersonsOwn


class PersonViewSet(PersonsOwn, viewsets.GenericViewSet[Any]):
    """Sets `self.person`."""
