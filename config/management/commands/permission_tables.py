"""Bring the tables of docs/permissions.md up to date."""

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand

from config.permission_tables import filled


class Command(BaseCommand):
    help = "Write the tables of docs/permissions.md from the code."

    def handle(self, **options: Any) -> None:
        page = settings.BASE_DIR / "docs" / "permissions.md"
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
