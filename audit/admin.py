"""Operators read the trail and its chains; nobody edits them."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.models import Chain, DailyCount, Entry, Seal, SealedEntry
from audit.proof import keep_result, prove
from core.admin import ReadOnlyAdmin


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    list_display = (
        "at", "action", "outcome", "actor_kind", "actor_id", "project_id", "target_type",
        "target_id", "summary", "ip", "trace_id",
    )  # fmt: skip
    list_filter = ("category", "outcome", "actor_kind", "target_type", "at")
    search_fields = (
        "=trace_id", "=target_id", "=action", "=organization_id", "=actor_id", "=api_key_id",
        "=project_id", "summary",
    )  # fmt: skip
    ordering = ("-id",)


@admin.register(Seal)
class SealAdmin(ReadOnlyAdmin):
    list_display = (
        "organization_id", "number", "count", "first_id", "last_id", "digest", "sealed_at",
        "pruned_at",
    )  # fmt: skip
    list_filter = ("sealed_at", "pruned_at")
    search_fields = ("=organization_id", "=digest")
    ordering = ("-id",)


@admin.register(SealedEntry)
class SealedEntryAdmin(ReadOnlyAdmin):
    list_display = ("entry_id", "organization_id", "seal", "position", "digest")
    list_select_related = ("seal",)
    search_fields = ("=entry_id", "=organization_id")
    ordering = ("-entry_id",)


@admin.register(Chain)
class ChainAdmin(ReadOnlyAdmin):
    list_display = (
        "organization_id", "number", "entries", "pruned_to", "sealed_at", "checked_at", "faults",
    )  # fmt: skip
    list_filter = ("sealed_at", "checked_at")
    search_fields = ("=organization_id",)
    ordering = ("organization_id",)
    actions = ("prove_now",)

    @admin.display(description=_("problems"))
    def faults(self, chain: Chain) -> int:
        return len(chain.problems)

    @admin.action(description=_("Prove the chains now"), permissions=["view"])
    def prove_now(self, request: HttpRequest, chains: QuerySet[Chain]) -> None:
        problems = 0
        for chain in chains:
            proof = prove(chain.organization_id)
            keep_result(proof)
            problems += len(proof.problems)
        text = gettext("%(chains)s chains proven, %(problems)s problems.")
        self.message_user(request, text % {"chains": len(chains), "problems": problems})


@admin.register(DailyCount)
class DailyCountAdmin(ReadOnlyAdmin):
    list_display = (
        "day",
        "organization_id",
        "action",
        "outcome",
        "actor_kind",
        "actor_id",
        "count",
    )
    list_filter = ("category", "outcome", "actor_kind", "day")
    search_fields = ("=organization_id", "=action", "=actor_id")
    ordering = ("-id",)
