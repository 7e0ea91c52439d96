"""Bring the tables of docs/permissions.md and docs/fields.md up to date."""

from typing import Any

from django.conf import settings
from django.core.management import BaseCommand

from config import field_tables, permission_tables

PAGES = {"permissions.md": permission_tables.tables, "fields.md": field_tables.tables}


class Command(BaseCommand):
    help = "Write the tables of docs/permissions.md and docs/fields.md from the code."

    def handle(self, **options: Any) -> None:
        for name, tables in PAGES.items():
            page = settings.BASE_DIR / "docs" / name
            text = page.read_text(encoding="utf-8")
            page.write_text(permission_tables.filled(text, tables()), encoding="utf-8")
