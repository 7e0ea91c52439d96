"""Importing flows and publishing their versions."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.timezone import now

from audit.actions import record
from bpm.models import ProcessInfo
from core.errors import NotFound, PermissionRefused
from files.actions import admit_file, store_file
from files.models import StoredFile
from orgs.access import Actor, holds, require
from orgs.projects import open_projects, project_of, refuse_archived
from workflows.dify import Imported, load_flow
from workflows.errors import FileTooLarge, ImportRefused, UnboundTools
from workflows.models import Workflow, WorkflowVersion

MAX_BYTES = 10 * 1024 * 1024


def read_flow(raw: bytes, *, name: str = "") -> Imported:
    """Read a flow file and report on it; stores nothing. Raises FileTooLarge."""
    if len(raw) > MAX_BYTES:
        raise FileTooLarge("A flow file can have at most 10 MB.", size=len(raw), limit=MAX_BYTES)
    return load_flow(raw, name=name)


def check_flow(*, actor: Actor, raw: bytes, filename: str, name: str = "") -> Imported:
    """Read a flow that somebody sent; stores nothing.

    Raises FileTooLarge, FileInfected, ScannerUnavailable.
    """
    admit_file(actor=actor, name=filename, content=raw)
    return read_flow(raw, name=name)


def may_import(actor: Actor) -> bool:
    """Whether the actor may make workflows somewhere: by role or scope, or granted on a project."""
    verb = "workflow.edit"
    return holds(actor, verb) or open_projects(actor, verb).exists()


def require_import(actor: Actor) -> None:
    """Raises PermissionRefused for who may neither make a workflow nor give one a new version."""
    verb = "workflow.edit"
    if not may_import(actor) and not Workflow.objects.visible_to(actor, verb).exists():
        raise PermissionRefused("Your role does not allow this.", verb=verb)


def checksum_of(definition: dict[str, Any]) -> str:
    text = json.dumps(definition, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def import_flow(
    *,
    actor: Actor,
    raw: bytes,
    filename: str,
    name: str = "",
    workflow_id: UUID | None = None,
    project_id: UUID | None = None,
) -> WorkflowVersion:
    """Store a flow file as version 1 of a new workflow, or as the next one of `workflow_id`.

    A new one belongs to `project_id`, or where none is named to the organization's default project.

    The original is kept byte for byte. Raises ImportRefused, with the whole report in its detail,
    when the file has a fault, FileInfected and ScannerUnavailable; nothing is stored then.
    """
    target = _target(actor, workflow_id)
    project = target.project_id if target else project_of(actor, project_id, "workflow.edit")
    imported = check_flow(actor=actor, raw=raw, filename=filename, name=name)
    if imported.definition is None or not imported.report["ok"]:
        raise ImportRefused("The flow has faults; nothing was stored.", report=imported.report)
    return _store_version(actor, target, imported, raw, filename, project)


def _target(actor: Actor, workflow_id: UUID | None) -> Workflow | None:
    if workflow_id is None:
        return None  # `project_of` asks for the right to edit in its project
    workflow = Workflow.objects.visible_to(actor).filter(pk=workflow_id).first()
    if workflow is None:
        raise NotFound("There is no such workflow.")
    require(actor, "workflow.edit", workflow)
    found: Workflow = workflow
    return found


def _new(actor: Actor, imported: Imported, filename: str, project_id: UUID) -> Workflow:
    return Workflow.objects.create(
        organization_id=actor.organization_id,
        project_id=project_id,
        name=(imported.name or filename)[:120],
        description=imported.description[:5000],
        mode=imported.mode,
        created_by_id=actor.user_id,
    )


@transaction.atomic
def _store_version(
    actor: Actor,
    target: Workflow | None,
    imported: Imported,
    raw: bytes,
    filename: str,
    project_id: UUID,
) -> WorkflowVersion:
    if target is not None:
        refuse_archived(target.project)
    workflow = target or _new(actor, imported, filename, project_id)
    workflow = Workflow.objects.select_for_update().get(pk=workflow.pk)
    workflow.latest_number += 1
    workflow.save(update_fields=["latest_number", "updated_at"])
    assert imported.definition is not None  # nosec B101 # noqa: S101 - import_flow refused it otherwise
    source = store_file(
        actor=actor,
        name=filename,
        content=raw,
        content_type="application/yaml",
        kind="flow",
        project_id=project_id,
    )
    version = WorkflowVersion.objects.create(
        organization_id=actor.organization_id,
        workflow=workflow,
        number=workflow.latest_number,
        definition=imported.definition,
        checksum=checksum_of(imported.definition),
        report=imported.report,
        source=source,
        created_by_id=actor.user_id,
    )
    _note("workflows.version.imported", actor, version)
    return version


@transaction.atomic
def move_workflow(*, actor: Actor, workflow_id: UUID, project_id: UUID) -> Workflow:
    """Into another project of the organization; its runs come along. Repeating it changes nothing.

    Raises NotFound for either, and ProjectArchived.
    """
    workflow = _target(actor, workflow_id)
    assert workflow is not None  # nosec B101 # noqa: S101 - named, so found or refused
    if actor.api_key_id is not None:
        raise PermissionRefused("Only a person can move a workflow between projects.")
    target = project_of(actor, project_id, "workflow.edit")
    workflow = Workflow.objects.select_for_update().get(pk=workflow.pk)
    if workflow.project_id != target:
        before, workflow.project_id = workflow.project_id, target
        workflow.save(update_fields=["project", "updated_at"])
        _take_along(workflow, target)
        record(
            "workflows.workflow.moved",
            actor=actor,
            target_type="workflow",
            target_id=workflow.pk,
            summary=workflow.name,
            before={"project": str(before)},
            after={"project": str(target)},
            project_id=target,
        )
    return workflow


def _take_along(workflow: Workflow, project_id: UUID) -> None:
    """Its files and what it asks of people now; what was decided stays where it was decided."""
    versions = WorkflowVersion.objects.filter(workflow=workflow)
    StoredFile.objects.filter(pk__in=versions.values("source_id")).update(project_id=project_id)
    for run_id in workflow.runs.unfinished().values_list("public_id", flat=True):
        asked = ProcessInfo.objects.of(workflow.organization_id)
        asked.filter(subject_id__startswith=f"{run_id}:").update(project_id=project_id)


@transaction.atomic
def publish_version(*, actor: Actor, version_id: UUID) -> WorkflowVersion:
    """Make a version the one that runs. Repeating it changes nothing.

    Raises UnboundTools, naming them, when a connector is not bound yet.
    """
    version = (
        WorkflowVersion.objects.visible_to(actor)
        .select_related("workflow")
        .filter(pk=version_id)
        .first()
    )
    if version is None:
        raise NotFound("There is no such version.")
    workflow = Workflow.objects.select_for_update().get(pk=version.workflow_id)
    require(actor, "workflow.publish", workflow)
    if version.unbound:
        raise UnboundTools("Bind these tools before you publish.", tools=version.unbound)
    if workflow.published_id != version.pk:
        before = workflow.published_id
        workflow.published = version
        workflow.save(update_fields=["published", "updated_at"])
        WorkflowVersion.objects.filter(pk=version.pk).update(published_at=now())
        _note("workflows.version.published", actor, version, before=str(before or ""))
    version.refresh_from_db()
    found: WorkflowVersion = version
    return found


def _note(action: str, actor: Actor, version: WorkflowVersion, **data: str) -> None:
    record(
        action,
        actor=actor,
        target_type="workflow_version",
        target_id=version.pk,
        summary=f"{version.workflow.name} v{version.number}",
        data={"workflow": str(version.workflow_id), "checksum": version.checksum, **data},
        project_id=version.workflow.project_id,
    )
