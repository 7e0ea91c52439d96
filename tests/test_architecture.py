"""What import-linter cannot see: foreign keys as strings, doors of libraries, task names."""

import re
from pathlib import Path

import pytest
from celery import current_app
from django.apps import apps

ROOT = Path(__file__).resolve().parent.parent
LAYERS = (
    ("workflows",), ("llm",), ("billing", "bpm", "files"), ("orgs",), ("accounts",), ("audit",),
    ("core",),
)  # fmt: skip
ROOMS = [room for layer in LAYERS for room in layer] + ["config"]
DOORS = {
    "viewflow": {"bpm"},
    "guardian": {"orgs"},
    "allauth": {"accounts", "config"},
    "openai": {"llm"},
    "storages": {"files", "config"},
    "prometheus_client": {"config"},
    "opentelemetry": {"workflows"},
}
TASK_NAMED = re.compile(r'\b(?:enqueue|send)\(\s*"([a-z_.]+\.tasks\.[a-z_]+)"')
FORBIDDEN = {"utils", "helpers", "services", "managers", "signals"}


def sources(*rooms):
    for room in rooms or ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            if "migrations" not in path.parts:
                yield path


def test_foreign_keys_point_downwards():
    rank = {room: index for index, layer in enumerate(LAYERS) for room in layer}
    upward = [
        f"{model._meta.label}.{field.name} -> {field.related_model._meta.label}"
        for model in apps.get_models()
        if model._meta.app_label in rank
        for field in model._meta.get_fields()
        if field.is_relation
        and field.concrete
        and field.related_model is not None
        and field.related_model._meta.app_label in rank
        and field.related_model._meta.app_label != model._meta.app_label
        and rank[field.related_model._meta.app_label] <= rank[model._meta.app_label]
    ]
    assert not upward


@pytest.mark.parametrize("library", DOORS)
def test_each_library_has_one_door(library):
    pattern = re.compile(rf"^\s*(from|import) {library}\b", re.MULTILINE)
    others = [
        str(path.relative_to(ROOT))
        for path in sources()
        if path.relative_to(ROOT).parts[0] not in DOORS[library]
        and "tests" not in path.parts
        and pattern.search(path.read_text())
    ]
    assert not others


def test_no_room_has_a_drawer_for_anything():
    # workflows/nodes/services.py and runtime/services.py name what nodes ask of the outside.
    allowed = {"workflows/nodes/services.py", "workflows/runtime/services.py"}
    found = [
        str(path.relative_to(ROOT))
        for path in sources()
        if path.stem in FORBIDDEN and str(path.relative_to(ROOT)) not in allowed
    ]
    assert not found


def test_files_stay_short():
    long = {
        str(path.relative_to(ROOT)): n
        for path in sources()
        if "tests" not in path.parts and (n := path.read_text().count("\n")) > 400
    }
    assert not long


def test_every_enqueued_name_is_a_task():
    current_app.autodiscover_tasks(force=True)
    named = {name for path in sources() for name in TASK_NAMED.findall(path.read_text())}
    assert "workflows.tasks.pump" in named
    assert named <= set(current_app.tasks)


def test_every_scheduled_name_is_a_task(settings):
    current_app.autodiscover_tasks(force=True)
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert scheduled <= set(current_app.tasks)


def test_no_outgoing_client_but_the_guarded_one():
    pattern = re.compile(
        r"aiohttp\.ClientSession\(|requests\.(get|post)\(|urlopen\(|httpx2?\.(Async)?Client\("
    )
    allowed = {"core/http/session.py"}
    found = [
        str(path.relative_to(ROOT))
        for path in sources()
        if "tests" not in path.parts
        and str(path.relative_to(ROOT)) not in allowed
        and pattern.search(path.read_text())
    ]
    assert not found


# -- tenancy

SHARED = {
    "accounts.User": "a person belongs to organizations by membership",
    "accounts.SecurityEvent": "happened to a person's account, in no organization",
    "accounts.TokenFamily": "a person's signed-in program; it may act in all their organizations",
    "accounts.Letter": "without an organization it is about the person's own account",
    "orgs.Organization": "is the tenant itself",
    "orgs.StoredAnswer": "without an organization it is a person's own request",
    "bpm.Definition": "without an organization it is built in and open to all",
    "bpm.DefinitionVersion": "belongs to its definition, which may be built in",
    "bpm.Candidate": "a word of its task; never read but through it",
    "workflows.WorkflowGrant": "a right on one workflow, in guardian's own form",
    "workflows.WorkflowTeamGrant": "a right on one workflow, in guardian's own form",
    "orgs.ProjectGrant": "a right on one project, in guardian's own form",
    "orgs.ProjectTeamGrant": "a right on one project, in guardian's own form",
    "workflows.WorkerProcess": "a process of the installation serves every organization",
    "billing.Price": "without an organization it is the installation's own",
}
"""Models without an organization of their own, or not always, and why."""


def our_models():
    return [model for model in apps.get_models() if model._meta.app_label in ROOMS]


def has_organization(model):
    """A row names its organization and cannot be without one."""
    found = {field.attname: field for field in model._meta.concrete_fields}
    field = found.get("organization_id")
    return field is not None and not field.null


def test_every_row_carries_its_organization():
    without = {model._meta.label for model in our_models() if not has_organization(model)}

    assert sorted(without - set(SHARED)) == []


def test_no_exception_has_outlived_its_reason():
    carrying = {model._meta.label for model in our_models() if has_organization(model)}
    known = {model._meta.label for model in our_models()}

    assert sorted(carrying & set(SHARED)) == []
    assert sorted(set(SHARED) - known) == []
