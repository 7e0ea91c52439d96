"""The OpenAPI document: version, an example for every operation, the one error body."""

import pytest
from drf_spectacular.generators import SchemaGenerator

from core.examples import example_of


@pytest.fixture(scope="module")
def document():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict) and "operationId" in operation:
                yield f"{method} {path}", operation


def test_the_document_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")


def test_every_operation_shows_an_example(document):
    without = [name for name, operation in operations(document) if "'example" not in str(operation)]
    assert not without
    assert len(list(operations(document))) > 40


def test_every_refusal_is_the_one_error_body(document):
    for name, operation in operations(document):
        refused = {code: each for code, each in operation["responses"].items() if code >= "4"}
        assert {"401", "403", "429"} <= set(refused), name
        for answer in refused.values():
            shared = answer.get("$ref", "").rpartition("/")[2]
            answer = document["components"]["responses"].get(shared, answer)  # noqa: PLW2901
            content = answer["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Error"}, name


def test_every_path_carries_the_version(document):
    assert {path.split("/")[1:3] == ["api", "v1"] for path in document["paths"]} == {True}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 1),
        ({"type": ["string", "null"], "format": "uuid"}, "0192f0c1-0000-7000-8000-000000000001"),
        ({"enum": ["b", "a"]}, "b"),
        ({"type": "array", "items": {"type": "boolean"}}, [True]),
        ({"type": "object", "properties": {"n": {"type": "integer"}}}, {"n": 1}),
        ({"allOf": [{"type": "number"}]}, 1.5),
        ({"type": "string", "default": "given"}, "given"),
    ],
)  # fmt: skip
def test_an_example_fits_its_schema(schema, value):
    assert example_of(schema, {}) == value


def test_a_schema_that_holds_itself_comes_to_an_end():
    tree = {
        "Node": {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/Node"}}}
    }

    assert "child" in example_of(tree["Node"], tree)
