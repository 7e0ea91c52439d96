"""What permissions cost at size: pages of 100,000 workflows for an owner, a member and two guests.

One organization on PostgreSQL: 100,000 workflows in 20 projects, 5 of them restricted; 1,000 people
and 50 teams; 20,000 rights granted to people, 10,000 to teams, 50 on whole projects. `guest` is in
a team, `few` has three workflows and nothing else. Asked through the product's own doors
(`/workflows/`, `/api/v1/workflows/`), the first page and one deep inside.
Queries are counted here and in an organization of ten workflows: they must be the same.

`rows` is the page's query alone, beside guardian's plain `get_objects_for_user` for the same person
on the same rows, in turn. Guardian finds grants only; for the guest, who has nothing else, both
must find the same rows, and this is checked.

    make bench-permissions      or  .venv/bin/python -m bench.permissions --rounds 100
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from bench.database import throwaway

Row = dict[str, Any]
WORKFLOWS, PEOPLE, TEAMS, PROJECTS, RESTRICTED = 100_000, 1_000, 50, 20, 5
TO_PEOPLE, PER_TEAM, OF_PROJECTS, FEW = 20_000, 200, 50, 5
WHO = ("owner", "member", "guest", "few")
ROLES = ("owner", "member", "guest", "guest")


class World:
    """The rows of the measurement, and four people to ask for."""

    def __init__(self) -> None:
        from accounts.models import User  # noqa: PLC0415 - the settings are chosen only now
        from orgs.models import Membership, Organization, Project  # noqa: PLC0415

        self.random = random.Random(7)
        self.organization = Organization.objects.create(name="Big", slug="big")
        self.projects = Project.objects.bulk_create(
            Project(
                organization=self.organization,
                name=f"Project {n}",
                is_default=n == 0,
                restricted=n >= PROJECTS - RESTRICTED,
            )
            for n in range(PROJECTS)
        )
        self.users = User.objects.bulk_create(
            User(email=f"p{n}@example.com", name=f"Person {n}", is_active=True, password="!")
            for n in range(PEOPLE)
        )
        roles = [*ROLES] + ["member"] * 700 + ["guest"] * (PEOPLE - 700 - len(ROLES))
        self.members = Membership.objects.bulk_create(
            Membership(organization=self.organization, user=user, role=role)
            for user, role in zip(self.users, roles, strict=True)
        )
        self.people = dict(zip(WHO, self.users, strict=False))
        self._add_workflows()
        self._add_teams()
        self._add_grants()
        self._add_small()

    def _add_workflows(self) -> None:
        from workflows.models import Workflow  # noqa: PLC0415

        self.workflows = [
            Workflow(
                organization=self.organization,
                project=self.projects[n % PROJECTS],
                name=f"Workflow {n}",
            )
            for n in range(WORKFLOWS)
        ]
        Workflow.objects.bulk_create(self.workflows, batch_size=5_000)

    def _add_teams(self) -> None:
        from django.contrib.auth.models import Group  # noqa: PLC0415

        from orgs.models import Team, TeamMembership  # noqa: PLC0415

        groups = Group.objects.bulk_create(Group(name=f"team:{n}") for n in range(TEAMS))
        self.teams = Team.objects.bulk_create(
            Team(organization=self.organization, name=f"Team {n}", group=group)
            for n, group in enumerate(groups)
        )
        joining = [row for row in self.members if row.user_id != self.people["few"].pk]
        chosen = [(member, self.teams[n % TEAMS]) for n, member in enumerate(joining)]
        TeamMembership.objects.bulk_create(
            TeamMembership(organization=self.organization, member=member, team=team)
            for member, team in chosen
        )
        through: Any = type(self.users[0]).groups.through  # guardian's shortcut reads Django's rows
        through.objects.bulk_create(
            through(user_id=member.user_id, group_id=team.group_id) for member, team in chosen
        )

    def _add_grants(self) -> None:
        from django.contrib.auth.models import Permission  # noqa: PLC0415

        from orgs.models import ProjectGrant  # noqa: PLC0415
        from workflows.models import WorkflowGrant, WorkflowTeamGrant  # noqa: PLC0415

        view = Permission.objects.get(codename="view_workflow")
        pairs = {
            (self.random.randrange(len(WHO), PEOPLE), self.random.randrange(WORKFLOWS))
            for _ in range(TO_PEOPLE)
        }
        pairs |= {(WHO.index("guest"), self.random.randrange(WORKFLOWS)) for _ in range(FEW)}
        pairs |= {(WHO.index("few"), n) for n in (0, WORKFLOWS // 2, WORKFLOWS - 1)}
        WorkflowGrant.objects.bulk_create(
            (
                WorkflowGrant(
                    user=self.users[who], permission=view, content_object=self.workflows[what]
                )
                for who, what in sorted(pairs)
            ),
            batch_size=5_000,
        )
        WorkflowTeamGrant.objects.bulk_create(
            WorkflowTeamGrant(
                group_id=team.group_id, permission=view, content_object=self.workflows[what]
            )
            for team in self.teams
            for what in self.random.sample(range(WORKFLOWS), PER_TEAM)
        )
        whole = Permission.objects.get(codename="view_project")
        ProjectGrant.objects.bulk_create(
            ProjectGrant(
                user=self.users[len(WHO) + n], permission=whole, content_object=self.projects[-1]
            )
            for n in range(OF_PROJECTS)
        )

    def _add_small(self) -> None:
        """The same people in an organization of ten workflows."""
        from django.contrib.auth.models import Permission  # noqa: PLC0415

        from orgs.models import Membership, Organization, Project, ProjectGrant  # noqa: PLC0415
        from workflows.models import Workflow  # noqa: PLC0415

        self.small = Organization.objects.create(name="Small", slug="small")
        project = Project.objects.create(organization=self.small, name="General", is_default=True)
        for role, user in zip(ROLES, self.people.values(), strict=True):
            Membership.objects.create(organization=self.small, user=user, role=role)
        view = Permission.objects.get(codename="view_project")
        for who in ("guest", "few"):
            ProjectGrant.objects.create(
                user=self.people[who], permission=view, content_object=project
            )
        for n in range(10):
            Workflow.objects.create(organization=self.small, project=project, name=f"Small {n}")

    def actor(self, who: str) -> Any:
        from orgs.access import Actor  # noqa: PLC0415

        role = ROLES[WHO.index(who)]
        return Actor(self.organization.pk, role=role, user_id=self.people[who].pk)


def clients(world: World) -> dict[str, Any]:
    from django.test import Client  # noqa: PLC0415

    made = {}
    for role, user in world.people.items():
        made[role] = Client(headers={"host": "localhost"})
        made[role].force_login(user)
    return made


def timed(work: Callable[[], Any], rounds: int) -> list[float]:
    """Milliseconds of each round, after three that are not counted."""
    took = []
    for number in range(rounds + 3):
        started = time.perf_counter()
        work()
        if number >= 3:
            took.append((time.perf_counter() - started) * 1000)
    return took


def p95(values: list[float]) -> float:
    return round(statistics.quantiles(values, n=20)[-1], 1)


def doors(world: World, rounds: int) -> Iterator[Row]:
    """Every page for everybody: time, and queries in the big and in the small organization."""
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    deep = world.workflows[WORKFLOWS // 2].pk
    for role, client in clients(world).items():
        api = "/api/v1/workflows/"
        for name, address in (
            ("page", "/workflows/"),
            ("page deep", f"/workflows/?before={deep}"),
            ("api", api),
        ):

            def ask(address: str = address, client: Any = client, where: Any = None) -> Any:
                organization = (where or world.organization).pk
                answer = client.get(address, headers={"X-Organization": str(organization)})
                assert answer.status_code == 200, dict(answer.headers)
                return answer

            took = timed(ask, rounds)
            counted = []
            for where in (world.organization, world.small):
                begin = address if where is world.organization else address.partition("?")[0]
                with CaptureQueriesContext(connection) as seen:
                    ask(begin, where=where)
                counted.append(len(seen))
            yield {
                "who": role,
                "what": name,
                "p50": round(statistics.median(took), 1),
                "p95": p95(took),
                "queries": counted[0],
                "queries_small": counted[1],
            }


def beside_guardian(world: World, rounds: int) -> Iterator[Row]:
    """The page's query alone, ours and guardian's in turn."""
    from guardian.shortcuts import get_objects_for_user  # noqa: PLC0415

    from workflows.models import Workflow  # noqa: PLC0415

    for role in ("guest", "few", "member"):
        user, actor = world.people[role], world.actor(role)

        def ours(actor: Any = actor) -> Any:
            return Workflow.objects.visible_to(actor)

        def theirs(user: Any = user) -> Any:
            return get_objects_for_user(
                user,
                "workflows.view_workflow",
                klass=Workflow.objects.of(world.organization.pk),
                accept_global_perms=False,
            )

        if role != "member":
            same = set(ours().values_list("pk", flat=True)) == set(
                theirs().values_list("pk", flat=True)
            )
            assert same, "not the same rows"
        for what, ask in (
            ("rows", lambda found: list(found().order_by("-pk")[:26])),
            ("count", lambda found: found().count()),
        ):
            mine, other = [], []
            for _ in range(rounds):
                mine += timed(lambda ask=ask, ours=ours: ask(ours), 1)
                other += timed(lambda ask=ask, theirs=theirs: ask(theirs), 1)
            yield {
                "who": role,
                "what": what,
                "found": ours().count(),
                "ours_p50": round(statistics.median(mine), 2),
                "guardian_p50": round(statistics.median(other), 2),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args()
    with throwaway(f"loom_bench_{os.getpid()}") as server:
        from django.db import connection  # noqa: PLC0415

        world = World()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        rows = list(doors(world, given.rounds))
        beside = list(beside_guardian(world, given.rounds))
    report(rows, beside, server, given.rounds)


def report(rows: list[Row], beside: list[Row], server: dict[str, str], rounds: int) -> None:
    for table in (rows, beside):
        print("".join(f"{name:>14}" for name in table[0]))
        for row in table:
            print("".join(f"{value:>14}" for value in row.values()))
    constant = all(row["queries"] == row["queries_small"] for row in rows)
    guest = next(row for row in beside if row["who"] == "guest" and row["what"] == "rows")
    summary = {
        "bench": "permissions",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "postgresql": server,
        "rounds": rounds,
        "objects": WORKFLOWS,
        "users": PEOPLE,
        "teams": TEAMS,
        "queries": max(row["queries"] for row in rows),
        "constant": constant,
        **{f"p95_ms_{role}": max(r["p95"] for r in rows if r["who"] == role) for role in WHO},
        "vs_guardian_shortcut": round(guest["guardian_p50"] / guest["ours_p50"], 2),
        "rows": rows,
        "beside": beside,
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
