"""Definitions, versions and runs for tests."""

from itertools import pairwise

import factory
from django.utils.timezone import now
from factory.django import DjangoModelFactory

from orgs.projects import default_project_id
from orgs.tests.factories import OrganizationFactory
from workflows.actions.flows import checksum_of
from workflows.models import Run, Workflow, WorkflowVersion


def node(key, kind, **data):
    return {
        "id": key,
        "type": kind,
        "title": key.title(),
        "position": {"x": 0, "y": 0},
        "data": data,
    }


def edge(source, target, handle="source"):
    return {
        "id": f"{source}-{handle}-{target}",
        "source": source,
        "target": target,
        "sourceHandle": handle,
    }


def flow(nodes, edges, mode="workflow"):
    """`edges`: (source, target) or (source, target, handle)."""
    return {
        "mode": mode,
        "compat": True,
        "nodes": nodes,
        "edges": [edge(*each) for each in edges],
        "environment": [],
        "conversation": [],
        "features": {},
    }


def start(*variables):
    rows = [{"variable": name, "type": kind, "required": True} for name, kind in variables]
    return node("start", "start", variables=rows)


def llm(key, text, model="gpt-test"):
    return node(
        key,
        "llm",
        model={"provider": "test", "name": model, "mode": "chat", "completion_params": {}},
        prompt_template=[{"role": "user", "text": text}],
        context={"enabled": False, "variable_selector": []},
        vision={"enabled": False},
    )


def template(key, text, **variables):
    rows = [{"variable": name, "value_selector": list(where)} for name, where in variables.items()]
    return node(key, "template-transform", template=text, variables=rows)


def end(key="end", **outputs):
    rows = [{"variable": name, "value_selector": list(where)} for name, where in outputs.items()]
    return node(key, "end", outputs=rows)


def ask(key, **loomwork):
    return node(
        key,
        "human-input",
        form_content="Please look at {{#start.what#}}.",
        inputs=[{"type": "paragraph", "output_variable_name": "note"}],
        user_actions=[
            {"id": "approve", "title": "Approve", "button_style": "primary"},
            {"id": "reject", "title": "Reject"},
        ],
        loomwork={"candidates": ["role:approver"], **loomwork},
    )


def approval_flow():
    """A start, a question, and an end for either answer."""
    return flow(
        [
            start(("what", "text-input")),
            ask("ask"),
            end("yes", answer=("ask", "note"), by=("ask", "__action_id")),
            end("no", by=("ask", "__action_id")),
        ],
        [("start", "ask"), ("ask", "yes", "approve"), ("ask", "no", "reject")],
    )


def chain_of_calls(count):
    """Model calls one after another, `count` of them."""
    calls = [llm(f"call{n}", f"Step {n} of {{{{#start.what#}}}}") for n in range(1, count + 1)]
    keys = ["start", *(call["id"] for call in calls), "end"]
    return flow(
        [start(("what", "text-input")), *calls, end(text=(f"call{count}", "text"))],
        list(pairwise(keys)),
    )


class WorkflowFactory(DjangoModelFactory):
    class Meta:
        model = Workflow

    organization = factory.SubFactory(OrganizationFactory)
    project_id = factory.LazyAttribute(lambda row: default_project_id(row.organization.pk))
    name = factory.Sequence(lambda n: f"Workflow {n}")


class VersionFactory(DjangoModelFactory):
    class Meta:
        model = WorkflowVersion

    organization = factory.SelfAttribute("workflow.organization")
    workflow = factory.SubFactory(WorkflowFactory)
    number = 1
    definition = factory.LazyFunction(approval_flow)
    checksum = factory.LazyAttribute(lambda row: checksum_of(row.definition))


def published(definition, organization=None):
    """A workflow whose version 1 has `definition` and is published."""
    extra = {"workflow__organization": organization} if organization else {}
    version = VersionFactory(definition=definition, **extra)
    workflow = version.workflow
    workflow.published, workflow.latest_number = version, 1
    workflow.save()
    return workflow


def make_runs(organization, count, workflow=None, **fields):
    """Queued runs, or whatever `fields` say; their trace ids count from 0."""
    workflow = workflow or published(approval_flow(), organization)
    if fields.get("state", "queued") not in Run.LIVE:
        fields = {"ended_at": now(), **fields}
    return Run.objects.bulk_create(
        Run(
            organization=organization,
            workflow=workflow,
            version_id=workflow.published_id,
            trigger="api",
            trace_id=f"{number:032x}",
            **fields,
        )
        for number in range(count)
    )
