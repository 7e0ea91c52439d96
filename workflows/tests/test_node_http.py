"""The HTTP request node: what is sent, and what becomes of the answer."""

import json

import pytest

from workflows.nodes.base import NodeFailed
from workflows.nodes.services import NodeHttpResponse
from workflows.tests.flows import World, node, run_node


def http(url="http://x.test/", method="get", **data):
    return node("h", "http-request", url=url, method=method, **data)


async def sent(found, values=None):
    world = World()
    outcome = await run_node(found, values, world)
    return world.calls[0], outcome


def body(kind, *rows):
    return {"type": kind, "data": [{"key": k, "type": "text", "value": v} for k, v in rows]}


async def test_url_parameters_and_headers_are_filled_in():
    found = http(
        "http://x.test/{{#n.p#}}",
        params="q:{{#n.o#}}\nempty\n: skipped",
        headers="X-A: {{#n.l#}} \nurl:a:b",
    )

    request, outcome = await sent(found, {"n": {"p": "path", "o": {"a": 1}, "l": "x\r\nEvil: y"}})

    assert request.url == "http://x.test/path"
    assert request.params == [("q", '{"a": 1}'), ("empty", "")]
    assert request.headers == [("X-A", "x  Evil: y"), ("url", "a:b")]
    assert request.idempotency_key == "run:r1:h:"
    assert outcome.outputs == {
        "status_code": 200, "body": "ok", "headers": {"content-type": "text/plain"}, "files": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("config", "header"),
    [
        ({"type": "bearer", "api_key": "{{#env.k#}}"}, ("Authorization", "Bearer K")),
        ({"type": "basic", "api_key": "u:p"}, ("Authorization", "Basic dTpw")),
        ({"type": "basic", "api_key": "dTpw"}, ("Authorization", "Basic dTpw")),
        ({"type": "custom", "api_key": "v", "header": "X-Key"}, ("X-Key", "v")),
    ],
)
async def test_keys_are_sent_but_not_shown(config, header):
    found = http(authorization={"type": "api-key", "config": config}, headers=f"{header[0]}: mine")

    request, outcome = await sent(found, {"env": {"k": "K"}})

    assert request.headers == [header]
    assert header[1] not in json.dumps(outcome.inputs)


@pytest.mark.parametrize(
    ("config", "content", "content_type"),
    [
        (body("raw-text", ("", "a {{#n.x#}}")), b"a X", "text/plain; charset=utf-8"),
        (
            body("json", ("", '{"a": "{{#n.x#}}", "b": [1]}')),
            b'{"a": "X", "b": [1]}',
            "application/json",
        ),
        (
            body("x-www-form-urlencoded", ("a", "{{#n.x#}}"), ("b c", "&")),
            b"a=X&b+c=%26",
            "application/x-www-form-urlencoded",
        ),
        ({"type": "x-www-form-urlencoded", "data": "a:{{#n.x#}}\nb:2"}, b"a=X&b=2", None),
        ({"type": "json", "data": '{"a": 1}'}, b'{"a": 1}', None),
        ({"type": "none", "data": ""}, None, ""),
    ],
)
async def test_bodies(config, content, content_type):
    request, _ = await sent(http(method="POST", body=config), {"n": {"x": "X"}})

    assert request.body == content
    if content_type is not None:
        assert dict(request.headers).get("Content-Type", "") == content_type


async def test_the_flows_own_content_type_wins_except_for_forms_with_parts():
    own = "content-type: application/vnd.x+json"
    request, _ = await sent(http(method="post", headers=own, body=body("json", ("", "{}"))))
    parts, _ = await sent(http(method="post", headers=own, body=body("form-data", ('a"', "é"))))

    assert request.headers == [("content-type", "application/vnd.x+json")]
    ((_, kind),) = parts.headers
    mark = kind.removeprefix("multipart/form-data; boundary=")
    assert parts.body.decode() == (
        f'--{mark}\r\nContent-Disposition: form-data; name="a%22"\r\n\r\né\r\n--{mark}--\r\n'
    )


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (http("ftp://x.test/"), "invalid_url"),
        (http("{{#n.gone#}}"), "invalid_url"),
        (http(method="options"), "invalid_method"),
        (http(method="post", body=body("json", ("", '{"a": 1,}'))), "invalid_json_body"),
        (http(method="post", body=body("binary", ("", "x"))), "unsupported_body"),
        (http(authorization={"type": "api-key", "config": None}), "no_api_key"),
    ],
)
async def test_what_cannot_be_sent_is_not_sent(found, code):
    world = World()

    with pytest.raises(NodeFailed) as caught:
        await run_node(found, services=world)

    assert caught.value.code == code
    assert not caught.value.retryable
    assert world.calls == []


async def test_an_error_status_is_an_answer_unless_the_flow_minds():
    world = World()
    world.response = NodeHttpResponse(503, {}, b"busy")

    outcome = await run_node(http(), services=world)
    assert (outcome.outputs["status_code"], outcome.outputs["body"]) == (503, "busy")

    for minding in ({"error_strategy": "fail-branch"}, {"retry_config": {"retry_enabled": True}}):
        with pytest.raises(NodeFailed, match="503") as caught:
            await run_node(http(**minding), services=world)
        assert caught.value.kind == "HTTPResponseCodeError"


async def test_texts_are_decoded_and_files_refused():
    world = World()
    world.response = NodeHttpResponse(200, {"Content-Type": "text/html; charset=latin-1"}, b"\xe9")
    assert (await run_node(http(), services=world)).outputs["body"] == "é"

    world.response = NodeHttpResponse(200, {"Content-Type": "image/png"}, b"\x89PNG")
    with pytest.raises(NodeFailed) as caught:
        await run_node(http(), services=world)
    assert caught.value.code == "answer_is_a_file"


async def test_timeouts_stay_within_the_maxima():
    request, _ = await sent(http(timeout={"connect": 5, "read": 9999, "write": None}))

    assert request.timeout == 5 + 600 + 600
