"""The tables of `docs/permissions.md`, from the code that decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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
        "roles": table(
            ("verb", *Role.values),
            ((f"`{verb}`", *_marks(role in held for role in Role.values))
             for verb, held in VERBS.items()),
        ),
        "rights": table(
            ("right", *(f"brings {right}" for right in RIGHTS)),
            ((f"`{right}`", *_marks(weak in IMPLIES[right] for weak in RIGHTS))
             for right in RIGHTS),
        ),
        "granted": table(
            ("verb", "right"), ((f"`{v}`", f"`{right}`") for v, right in GRANTED_BY.items())
        ),
        "asked": table(
            ("verb", "right on the project"),
            ((f"`{v}`", f"`{right}`") for v, right in ASKED_IN_RESTRICTED.items()),
        ),
        "support": table(
            ("level", "verbs"),
            ((level, ", ".join(f"`{v}`" for v in VERBS if v in held))
             for level, held in SUPPORT.items()),
        ),
        "staff": table(
            ("group", "permissions"),
            ((group, ", ".join(f"`{name}`" for name in names))
             for group, names in STAFF_GROUPS.items()),
        ),
    }  # fmt: skip


def filled(page: str, written: Mapping[str, str]) -> str:
    """`page` with the tables brought up to date, each between the comments that name it."""
    for name, text in written.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}"
    return page


def _marks(held: Iterable[bool]) -> list[str]:
    return ["✓" if each else "" for each in held]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
