"""Give the processes that serve a database role of their own; run as the owner after `migrate`."""

from typing import Any

from django.core.management import BaseCommand, CommandError, CommandParser

from config.env import env
from config.service_role import RoleUnfitError, grant_service_role
from core.database import is_postgres


class Command(BaseCommand):
    help = "Make or renew the database role that serves: it reads and writes rows, no more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "variable",
            help="name of the environment variable (or, with _FILE, of the mounted file) that holds"
            " the DATABASE_URL of the serving processes; role and password, if any, come from it",
        )

    def handle(self, *, variable: str, **options: Any) -> None:
        if not is_postgres():
            raise CommandError("Roles are PostgreSQL's; this database has none.")
        given = env.str(variable, default="")
        url = env.db_url_config(given) if given else {}
        if not url.get("USER"):
            raise CommandError(f"{variable} names no role.")
        try:
            grant_service_role(url["USER"], url.get("PASSWORD") or "")
        except RoleUnfitError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The role {url['USER']} may serve.")
