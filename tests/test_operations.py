"""The OpenAPI document as generators of clients read it: valid, unambiguous, described."""

from collections import Counter

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def document():
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.fixture(scope="module")
def operations(document):
    return {
        f"{method.upper()} {path}": item[method]
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    }


def test_the_document_is_valid(document):
    validate_schema(document)  # raises what is wrong


def test_drawing_it_up_raises_no_error(document):
    SchemaGenerator().get_schema(request=None, public=True)

    assert not GENERATOR_STATS._error_cache


def test_every_operation_has_an_id_of_its_own(operations):
    ids = Counter(operation["operationId"] for operation in operations.values())

    assert [name for name, count in ids.items() if count > 1] == []
    # Two paths told apart by a number appended are two names nobody can tell apart.
    assert [name for name in ids if name[-2:] in {"_2", "_3"}] == []


def test_every_operation_of_ours_says_what_it_does(operations):
    silent = [
        name
        for name, operation in operations.items()
        if " /api/v1/" in name and not (operation.get("summary") or operation.get("description"))
    ]

    assert silent == []


def test_every_operation_of_ours_asks_who_is_calling(operations):
    """`{}` among the alternatives would say that nobody in particular may call."""
    loose = [
        name
        for name, operation in operations.items()
        if " /api/v1/" in name and (not operation.get("security") or {} in operation["security"])
    ]

    assert loose == []


def test_every_parameter_of_a_path_is_named(operations):
    for name, operation in operations.items():
        wanted = {part[1:-1] for part in name.split("/") if part.startswith("{")}
        given = {
            each["name"] for each in operation.get("parameters", []) if each.get("in") == "path"
        }
        assert wanted == given, name
