"""The OpenAPI document: valid in form, and an example at every operation."""

import pytest
from drf_spectacular.generators import SchemaGenerator

OURS = ("/api/v1/me/", "/api/v1/organization/", "/api/v1/members/", "/api/v1/keys/",
        "/api/v1/organizations/",
        "/api/v1/invitations/", "/api/v1/teams/", "/api/v1/team-members/", "/api/v1/projects/",
        "/api/v1/archives/", "/api/v1/audit/", "/api/v1/tasks/", "/api/v1/files/")  # fmt: skip
"""Operations of orgs, bpm and files; the other rooms join as theirs are written."""
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, f"{method.upper()} {path}", operation


def has_example(operation):
    """Whether a request or an answer of its own shows what it looks like."""
    answers = [answer for status, answer in operation["responses"].items() if status != "default"]
    bodies = [operation.get("requestBody", {}), *answers]
    return any(
        "example" in kind or kind.get("examples")
        for body in bodies
        for kind in body.get("content", {}).values()
    )


def test_the_document_is_of_version_3_1(document):
    assert document["openapi"].startswith("3.1")


def test_every_operation_shows_an_example(document):
    silent = [
        name
        for path, name, operation in operations(document)
        if path.startswith(OURS) and not has_example(operation)
    ]

    assert silent == []


def test_the_rooms_named_here_exist(document):
    for start in OURS:
        assert any(path.startswith(start) for path in document["paths"])
