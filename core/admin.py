"""Bases for the operators' console. Rooms register their models with these."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Field, Model, URLField
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest
from unfold.admin import ModelAdmin, StackedInline, TabularInline

from core.logs import is_secret_name
from core.secrets import SecretField


class ConsoleAdmin(ModelAdmin):
    """The look every model shares: compact lists, filters applied by a button, pages of 50."""

    list_per_page = 50
    list_filter_submit = True
    list_fullwidth = True
    compressed_fields = True
    warn_unsaved_form = True
    show_full_result_count = False
    formfield_overrides: ClassVar[dict[type[Field[Any, Any]], dict[str, Any]]] = {
        URLField: {"assume_scheme": "https"}
    }

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Never by what nobody may read: a filter would answer it letter by letter."""
        parts = lookup.split(LOOKUP_SEP)
        sealed = {field.name for field in self.opts.fields if isinstance(field, SecretField)}
        if parts[0] in sealed or any(_is_hidden(part) for part in parts):
            return False
        return bool(super().lookup_allowed(lookup, value, request))


def _is_hidden(name: str) -> bool:
    return name in {"digest", "data"} or (is_secret_name(name) and not name.endswith("_id"))


class _ReadOnly:
    """Nobody adds, edits or deletes here, superusers included: rows tell what happened."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(_ReadOnly, ConsoleAdmin):
    """For append-only models: ledger, usage, audit, events, steps."""

    warn_unsaved_form = False
    actions: Sequence[str] | None = None


class ReadOnlyTabularInline(_ReadOnly, TabularInline):
    extra = 0
    can_delete = False
    show_change_link = True
    tab = True


class ReadOnlyStackedInline(_ReadOnly, StackedInline):
    extra = 0
    can_delete = False
    tab = True
