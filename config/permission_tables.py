"""The tables of `docs/permissions.md`, from the code that decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from config.staff import STAFF_GROUPS
from orgs.models import Role
from orgs.permissions import (
    ASKED_IN_RESTRICTED,
    GRANTED_BY,
    IMPLIES,
    RIGHTS,
    SUPPORT,
    VERBS,
)


def tables() -> dict[str, str]:
    """Each table in Markdown, by the name of its place in the page."""
    return {
        "roles": _table(
            ("verb", *Role.values),
            ((f"`{verb}`", *_marks(role in held for role in Role.values))
             for verb, held in VERBS.items()),
        ),
        "rights": _table(
            ("right", *(f"brings {right}" for right in RIGHTS)),
            ((f"`{right}`", *_marks(weak in IMPLIES[right] for weak in RIGHTS))
             for right in RIGHTS),
        ),
        "granted": _table(
            ("verb", "right"), ((f"`{v}`", f"`{right}`") for v, right in GRANTED_BY.items())
        ),
        "asked": _table(
            ("verb", "right on the project"),
            ((f"`{v}`", f"`{right}`") for v, right in ASKED_IN_RESTRICTED.items()),
        ),
        "support": _table(
            ("level", "verbs"),
            ((level, ", ".join(f"`{v}`" for v in VERBS if v in held))
             for level, held in SUPPORT.items()),
        ),
        "staff": _table(
            ("group", "permissions"),
            ((group, ", ".join(f"`{name}`" for name in names))
             for group, names in STAFF_GROUPS.items()),
        ),
    }  # fmt: skip


def filled(page: str) -> str:
    """`page` with every table brought up to date."""
    for name, table in tables().items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return page


def _marks(held: Iterable[bool]) -> list[str]:
    return ["✓" if each else "" for each in held]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
