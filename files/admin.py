"""Operators see which files there are; they never read or change a tenant's content here."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin
from files.models import Archive, Export, StoredFile


@admin.register(StoredFile)
class StoredFileAdmin(ReadOnlyAdmin):
    list_display = ("name", "organization", "kind", "content_type", "size", "created_at")
    list_filter = ("kind", "content_type", "created_at")
    list_select_related = ("organization",)
    search_fields = ("name", "=id", "=sha256", "organization__name")
    ordering = ("-id",)


@admin.register(Archive)
class ArchiveAdmin(ReadOnlyAdmin):
    list_display = ("organization", "state", "rows", "created_at", "expires_at")
    list_filter = ("state", "created_at")
    list_select_related = ("organization",)
    search_fields = ("=id", "organization__name")
    ordering = ("-id",)


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    list_display = (
        "source", "organization", "format", "state", "done", "total", "error", "created_at",
        "finished_at", "expires_at",
    )  # fmt: skip
    list_filter = ("state", "source", "format", "created_at")
    list_select_related = ("organization",)
    search_fields = ("=id", "=trace_id", "organization__name")
    ordering = ("-id",)
