"""The operators' console where it writes rows of an organization: each write is in its trail."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from audit.actions import record
from core.admin import ConsoleAdmin
from orgs.access import operator_actor
from orgs.models import Project


class AuditedAdmin(ConsoleAdmin):
    """For rows with an `organization_id`; one without (for everybody) belongs to nobody's trail.

    Django calls these hooks in the transaction of the write. Values stay out of the entry: some
    are secrets, and the names of the changed fields say enough.
    """

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._note(f"console.{obj._meta.label_lower}.added", request, obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._note(f"console.{obj._meta.label_lower}.changed", request, obj, message)
        return super().log_change(request, obj, message)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        self._note(f"console.{obj._meta.label_lower}.deleted", request, obj, [])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for obj in queryset:
            self._note(f"console.{obj._meta.label_lower}.deleted", request, obj, [])
        super().delete_queryset(request, queryset)

    def _note(self, action: str, request: HttpRequest, obj: Any, message: Any) -> None:
        if obj.organization_id is None:
            return
        fields = [
            name
            for part in message
            if isinstance(part, dict)
            for change in part.values()
            for name in change.get("fields", ())
        ]
        record(
            action,
            actor=operator_actor(obj.organization_id, request.user.pk),
            target_type=obj._meta.model_name,
            target_id=obj.pk,
            summary=str(obj),
            data={"fields": fields},
            project_id=obj.pk if isinstance(obj, Project) else getattr(obj, "project_id", None),
        )
