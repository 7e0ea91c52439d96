"""Audit entries, the seals that chain them, and what is counted of them.

An entry is written once. A background job seals the entries of an organization in batches: a seal
holds the digest of its entries and of the seal before it, and the head of the chain is signed with
a key the database does not have. Which entry lies in which seal is a row of its own, so that
sealing never touches an entry and no entry is sealed twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from django.db import models
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from audit.events import FAILED, OK, REFUSED, category_label, label_of

LATE = timedelta(hours=1)
"""No transaction of ours lives this long: so far may an entry's time and number disagree."""


class OfOrganization(models.QuerySet[Any]):
    def of(self, organization_id: UUID | str) -> Self:
        return self.filter(organization_id=organization_id)


class EntryQuerySet(OfOrganization):
    def unsealed(self) -> Self:
        return self.filter(~Exists(SealedEntry.objects.filter(entry_id=OuterRef("pk"))))


class Entry(models.Model):
    """One thing that was done. Never changed, never deleted but by retention."""

    class ActorKind(models.TextChoices):
        USER = "user", _("user")
        KEY = "key", _("API key")
        SYSTEM = "system", _("system")

    class Outcome(models.TextChoices):
        OK = OK, _("done")
        REFUSED = REFUSED, _("refused")
        FAILED = FAILED, _("failed")

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField(_("organization"))
    action = models.CharField(_("event"), max_length=80)
    category = models.CharField(_("category"), max_length=20, default="")
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome, default=Outcome.OK)
    actor_kind = models.CharField(_("actor kind"), max_length=8, choices=ActorKind)
    actor_id = models.UUIDField(_("actor"), null=True)
    api_key_id = models.UUIDField(_("API key"), null=True)
    support_id = models.UUIDField(_("support access"), null=True)
    project_id = models.UUIDField(_("project"), null=True)
    target_type = models.CharField(_("target type"), max_length=60)
    target_id = models.CharField(_("target"), max_length=120)
    summary = models.CharField(_("summary"), max_length=300, blank=True)
    data: models.JSONField[Any, Any] = models.JSONField(_("data"), default=dict)
    before: models.JSONField[Any, Any] = models.JSONField(_("before"), null=True)
    after: models.JSONField[Any, Any] = models.JSONField(_("after"), null=True)
    trace_id = models.CharField(_("trace id"), max_length=32)
    ip = models.GenericIPAddressField(_("IP address"), null=True)
    user_agent = models.CharField(_("user agent"), max_length=200, blank=True, default="")
    at = models.DateTimeField(_("at"), auto_now_add=True)

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        indexes = (
            models.Index(fields=("organization_id", "-id"), name="audit_org_newest"),
            models.Index(fields=("trace_id",), name="audit_trace"),
            models.Index(fields=("organization_id", "action", "-id"), name="audit_org_action"),
            models.Index(fields=("organization_id", "category", "-id"), name="audit_org_category"),
            models.Index(fields=("organization_id", "actor_id", "-id"), name="audit_org_actor"),
            models.Index(fields=("organization_id", "target_id", "-id"), name="audit_org_target"),
            models.Index(fields=("organization_id", "at"), name="audit_org_at"),
            models.Index(
                fields=("organization_id", "ip", "-id"),
                name="audit_org_ip",
                condition=models.Q(ip__isnull=False),
            ),
            models.Index(
                fields=("organization_id", "project_id", "-id"),
                name="audit_org_project",
                condition=models.Q(project_id__isnull=False),
            ),
            models.Index(
                fields=("organization_id", "-id"),
                name="audit_org_not_ok",
                condition=models.Q(outcome__in=(REFUSED, FAILED)),
            ),
            models.Index(fields=("at",), name="audit_at"),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.target_type} {self.target_id}"

    @property
    def label(self) -> str:
        return str(label_of(self.action))

    @property
    def category_name(self) -> str:
        return str(category_label(self.category))


class Seal(models.Model):
    """One batch of an organization's entries, closed. Only `pruned_at` is ever set later."""

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField(_("organization"))
    number = models.PositiveIntegerField(_("number"), help_text=_("Counts from 1 without gaps."))
    count = models.PositiveIntegerField(_("entries"))
    first_id = models.BigIntegerField(_("first entry"))
    last_id = models.BigIntegerField(_("last entry"))
    last_at = models.DateTimeField(_("newest entry"))
    content = models.CharField(_("digest of the entries"), max_length=64)
    previous = models.CharField(_("digest of the seal before"), max_length=64)
    digest = models.CharField(_("digest"), max_length=64)
    sealed_at = models.DateTimeField(_("sealed"))
    pruned_at = models.DateTimeField(_("entries dropped"), null=True)

    objects = OfOrganization.as_manager()

    class Meta:
        verbose_name = _("audit seal")
        verbose_name_plural = _("audit seals")
        constraints = (
            models.UniqueConstraint(fields=("organization_id", "number"), name="audit_seal_number"),
        )

    def __str__(self) -> str:
        return f"{self.organization_id} {self.number}"


class SealedEntry(models.Model):
    """Which seal an entry lies in, and its digest: what a changed or lost entry is named by."""

    entry_id = models.BigIntegerField(primary_key=True)
    seal = models.ForeignKey(Seal, models.PROTECT, related_name="sealed")
    organization_id = models.UUIDField(_("organization"))
    position = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)

    objects = OfOrganization.as_manager()

    class Meta:
        verbose_name = _("sealed entry")
        verbose_name_plural = _("sealed entries")
        constraints = (
            models.UniqueConstraint(fields=("seal", "position"), name="audit_sealed_position"),
        )

    def __str__(self) -> str:
        return f"{self.entry_id} in {self.seal_id}"


class Chain(models.Model):
    """The head of an organization's chain, signed. Its row is the lock that sealing takes."""

    organization_id = models.UUIDField(_("organization"), primary_key=True)
    number = models.PositiveIntegerField(_("seals"), default=0)
    entries = models.PositiveBigIntegerField(_("sealed entries"), default=0)
    digest = models.CharField(_("digest"), max_length=64, default="0" * 64)
    last_id = models.BigIntegerField(_("last entry"), default=0)
    last_at = models.DateTimeField(_("newest entry"), null=True)
    pruned_to = models.PositiveIntegerField(_("entries dropped up to seal"), default=0)
    signature = models.CharField(_("signature"), max_length=140, default="")
    sealed_at = models.DateTimeField(_("sealed"), null=True)
    checked_at = models.DateTimeField(_("checked"), null=True)
    problems: models.JSONField[Any, Any] = models.JSONField(_("problems"), default=list)

    objects = OfOrganization.as_manager()

    class Meta:
        verbose_name = _("audit chain")
        verbose_name_plural = _("audit chains")

    def __str__(self) -> str:
        return f"{self.organization_id} {self.number}"


class DailyCount(models.Model):
    """How many sealed entries of one kind a day (UTC) had; made while sealing, read by reports."""

    id = models.BigAutoField(primary_key=True)
    organization_id = models.UUIDField(_("organization"))
    day = models.DateField(_("day"))
    action = models.CharField(_("event"), max_length=80)
    category = models.CharField(_("category"), max_length=20)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Entry.Outcome)
    actor_kind = models.CharField(_("actor kind"), max_length=8, choices=Entry.ActorKind)
    actor_id = models.UUIDField(_("actor"), null=True)
    count = models.PositiveBigIntegerField(_("entries"))

    objects = OfOrganization.as_manager()

    class Meta:
        verbose_name = _("audit count")
        verbose_name_plural = _("audit counts")
        constraints = (
            models.UniqueConstraint(
                fields=(
                    "organization_id", "day", "action", "outcome", "actor_kind", "actor_id",
                ),
                name="audit_count_once",
            ),
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.day} {self.action} {self.count}"
