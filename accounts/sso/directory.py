"""The seam to the room that knows organizations: it connects its directory in its `apps.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import idna

from accounts.models import User


@dataclass(frozen=True, slots=True)
class Connection:
    """An enabled connection as sign-in sees it; `domains` are the proven ones, in lower case."""

    id: UUID
    organization_id: UUID
    name: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...]
    role_claim: str
    domains: frozenset[str]
    max_age: int
    """Seconds after which its people have to show the provider again that it is they."""

    def vouches_for(self, email: str) -> bool:
        return domain_of(email) in self.domains


class Directory(Protocol):
    def connection(self, connection_id: UUID, *, lock: bool = False) -> Connection | None:
        """The connection while it is enabled and its organization open."""

    def connection_for(self, domain: str) -> Connection | None:
        """The one enabled connection that has proven `domain`."""

    def admit(self, connection: Connection, user: User, claims: Mapping[str, Any]) -> None:
        """Make the person a member, or bring the role up to date; in the caller's transaction."""

    def note(self, connection: Connection, event: str, user: User | None, **data: Any) -> None:
        """Write what happened (`linked`, `refused`, …) to the organization's trail."""

    def enter(self, session: Any, connection: Connection) -> None:
        """Let the session begin in the connection's organization."""

    def enforced_for(self, email: str) -> Connection | None:
        """The connection that people with this address have to use."""

    def may_break_glass(self, connection: Connection, user: User) -> bool:
        """Whether this person gets in without it, so that nobody locks an organization."""


_connected: list[Directory] = []


def connect_directory(directory: Directory) -> None:
    """Called once, by the room above."""
    _connected[:] = [directory]


def directory() -> Directory:
    return _connected[0]


def domain_of(email: str) -> str:
    """The part behind the last @ in lower case and ASCII; "" where there is none."""
    domain = email.rpartition("@")[2].lower() if "@" in email else ""
    try:
        return domain if domain.isascii() else idna.encode(domain).decode()
    except idna.IDNAError:
        return ""


def parse_id(text: object) -> UUID | None:
    """A connection's id as it stands in addresses; None for anything else."""
    try:
        found = UUID(str(text))
    except ValueError:
        return None
    return found if str(found) == str(text) else None
