"""The OpenAPI document: an example at every operation, and all that an operation can answer."""

import re
from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator
from jsonschema_rs import validator_for

METHODS = {"get", "post", "put", "patch", "delete"}
NAMES = Path(__file__).with_name("operation_ids.txt")
ERROR = {"$ref": "#/components/schemas/Error"}


@pytest.fixture(scope="module")
def document():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, method, operation


def resolved(document, part):
    """What a reference into `components` stands for."""
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    return document["components"][kind][name]


def examples_of(media):
    if "example" in media:
        yield media["example"]
    for example in media.get("examples", {}).values():
        yield example["value"]


def answers(document, operation):
    for status, answer in operation["responses"].items():
        yield status, resolved(document, answer)


def test_the_document_is_of_version_3_1(document):
    assert document["openapi"].startswith("3.1")
    assert document["info"]["version"]


def test_every_operation_of_every_room_shows_an_example_of_each_body(document):
    silent = []
    for path, method, operation in operations(document):
        bodies = [operation.get("requestBody", {})]
        bodies += [answer for status, answer in answers(document, operation) if status < "3"]
        silent += [
            f"{method} {path} {kind}"
            for body in bodies
            for kind, media in body.get("content", {}).items()
            if not list(examples_of(media))
        ]
        if not any(body.get("content") for body in bodies):
            assert method == "delete" or operation["responses"].get("204"), path

    assert silent == []


def test_examples_of_answers_fit_their_schema(document):
    wrong = []
    for path, method, operation in operations(document):
        for status, answer in answers(document, operation):
            media = answer.get("content", {}).get("application/json")
            if media is None:
                continue
            check = validator_for({**media["schema"], "components": document["components"]})
            wrong += [
                f"{method} {path} {status}: {error.message[:160]}"
                for example in examples_of(media)
                for error in check.iter_errors(example)
            ]

    assert wrong == []


def test_every_parameter_says_what_it_is(document):
    for path, method, operation in operations(document):
        for each in operation["parameters"]:
            parameter = resolved(document, each)
            assert parameter["schema"], (method, path)
            assert {"example", "examples"} & parameter.keys(), (method, path, parameter["name"])


def test_every_refusal_has_the_one_body(document):
    for path, _, operation in operations(document):
        assert "default" not in operation["responses"], path
        for status, answer in answers(document, operation):
            if status >= "4":
                assert answer["content"]["application/json"]["schema"] == ERROR, (path, status)


def test_every_operation_names_the_refusals_that_any_can_meet(document):
    for path, method, operation in operations(document):
        named = set(operation["responses"])
        expected = {"400", "401", "403", "406", "429"}
        if method == "post":
            expected |= {"409", "413", "415", "422"}
        if method in {"patch", "put", "delete"}:
            expected |= {"409", "412"}
        if "{" in path:
            expected.add("404")
        assert expected <= named, (method, path)
        assert not {"500", "405"} & named


def test_headers_are_described(document):
    for path, method, operation in operations(document):
        sent = {resolved(document, each)["name"] for each in operation["parameters"]}
        assert {"X-Organization", "traceparent"} <= sent
        assert ("Idempotency-Key" in sent) == (method == "post"), (method, path)
        assert ("If-Match" in sent) == (method in {"patch", "put", "delete"})
        for status, answer in answers(document, operation):
            told = set(answer["headers"])
            assert {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} <= told
            assert {"X-Request-ID", "traceparent"} <= told
            assert ("Retry-After" in told) == (status == "429")
            assert ("Idempotency-Replayed" in told) == (method == "post" and status < "3")
            if status == "304":
                assert "ETag" in told


def test_security_schemes_are_described_and_asked_for(document):
    schemes = set(document["components"]["securitySchemes"])
    assert schemes == {"apiKey", "accessToken", "session"}
    for _, _, operation in operations(document):
        assert {name for each in operation["security"] for name in each} == schemes


def test_operation_ids_are_unique_plain_and_never_taken_away(document):
    """Clients are generated from them: a new one is added to the file, none is renamed."""
    names = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)
    assert NAMES.read_text().split() == sorted(names)


def test_the_stream_is_described(document):
    stream = document["paths"]["/api/v1/runs/{id}/stream/"]["get"]

    assert "text/event-stream" in stream["responses"]["200"]["content"]
    assert {"after", "Last-Event-ID"} <= {
        resolved(document, each)["name"] for each in stream["parameters"]
    }
