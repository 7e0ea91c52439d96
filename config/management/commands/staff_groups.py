"""Bring the operators' groups to what `config/staff.py` says. May be repeated."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.core.management import BaseCommand, CommandError
from django.db import transaction

from config.staff import STAFF_GROUPS


class Command(BaseCommand):
    help = "Create the operators' groups, or set their permissions right."

    @transaction.atomic
    def handle(self, **options: Any) -> None:
        for name, wanted in STAFF_GROUPS.items():
            group, _ = Group.objects.get_or_create(name=name)
            group.permissions.set(_permission(each) for each in wanted)
        _strip_teams()
        if options["verbosity"]:
            self.stdout.write(f"Groups of operators: {', '.join(STAFF_GROUPS)}.")


def _permission(named: str) -> Permission:
    app, _, codename = named.partition(".")
    found = Permission.objects.filter(content_type__app_label=app, codename=codename).first()
    if found is None:
        raise CommandError(f"There is no permission {named}. Migrate first.")
    return found


def _strip_teams() -> None:
    """A team's group holds nothing but grants on objects, whatever somebody has put into it."""
    for group in Group.objects.filter(team__isnull=False):
        group.permissions.clear()
