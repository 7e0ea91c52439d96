"""HTTP request: one exchange with a server outside. An answer of 4xx or 5xx is an answer too."""

import codecs
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from workflows.engine.references import Ref
from workflows.nodes.base import Config, NodeContext, NodeFailed, NodeKind, Outcome
from workflows.nodes.fields import Text, or_else
from workflows.nodes.http_body import Body, Encoded, encode
from workflows.nodes.http_fields import Authorization, authorize, pairs
from workflows.nodes.services import NodeHttpRequest, NodeHttpResponse

MOST_BYTES = 1_000_000
LONGEST = {"connect": 10.0, "read": 600.0, "write": 600.0}
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript")
NOT_CHARSETS = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)
"""Python's own codecs: no server means them, and some take for ever on hostile bytes."""
TEXT_ENDINGS = ("+json", "+xml", "x-www-form-urlencoded", "x-yaml", "x-ndjson")


class Timeout(Config):
    connect: float | None = None
    read: float | None = None
    write: float | None = None

    @property
    def seconds(self) -> float:
        """The whole exchange: each phase within its limit, Dify's maxima where none is given."""
        return sum(min(getattr(self, name) or most, most) for name, most in LONGEST.items())


class HttpConfig(Config):
    method: Text = "get"
    url: Text = ""
    headers: Text = ""
    params: Text = ""
    authorization: Annotated[Authorization, or_else({})] = Field(default_factory=Authorization)
    body: Annotated[Body, or_else({})] = Field(default_factory=Body)
    timeout: Annotated[Timeout, or_else({})] = Field(default_factory=Timeout)
    ssl_verify: bool | None = True
    error_strategy: Text = ""
    retry_config: dict[str, Any] | None = None

    @property
    def minds_status(self) -> bool:
        """With a strategy or retries for failures, 4xx and 5xx count as such."""
        return bool(self.error_strategy or (self.retry_config or {}).get("retry_enabled"))


class HttpKind(NodeKind[HttpConfig]):
    name = "http-request"
    config = HttpConfig
    effect = True
    retryable = True
    mocked = True

    def connector(self, context: NodeContext, config: HttpConfig) -> str:
        """The host of the address as filled in."""
        try:
            return urlsplit(context.pool.text(config.url).strip()).hostname or ""
        except ValueError:
            return ""

    async def run(self, context: NodeContext, config: HttpConfig) -> Outcome:
        request, inputs = _request(context, config)
        response = await context.services.send_http(request)
        context.log("info", _told(request, response))
        outputs = _outputs(response, inputs)
        if config.minds_status and response.status >= 400:
            message = f"Request failed with status code {response.status}"
            kind = "HTTPResponseCodeError"
            raise NodeFailed(message, code="http_status", kind=kind, inputs=inputs)
        return Outcome(outputs=outputs, inputs=inputs)

    def mock(self, context: NodeContext, config: HttpConfig, reads: tuple[Ref, ...]) -> Outcome:
        outputs = {
            "status_code": 200,
            "body": f'{{"mock": "{context.node.id}"}}',
            "headers": {"content-type": "application/json"},
            "files": [],
        }
        url = context.pool.text(config.url)
        return Outcome(outputs=outputs, inputs={"method": config.method.upper(), "url": url})

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return frozenset({"status_code", "body", "headers", "files"})


def _told(request: NodeHttpRequest, response: NodeHttpResponse) -> str:
    """Without what an address may carry of secrets: its query, and who calls."""
    parts = urlsplit(request.url)
    place = f"{parts.scheme}://{parts.hostname}{parts.path}"
    return f"{request.method} {place} answered {response.status}, {len(response.body)} bytes"


def _request(context: NodeContext, config: HttpConfig) -> tuple[NodeHttpRequest, dict[str, Any]]:
    pool = context.pool
    method, url = config.method.upper(), pool.text(config.url).strip()
    params = pairs(config.params, pool)
    inputs: dict[str, Any] = {"method": method, "url": url, "params": dict(params)}
    if not url.lower().startswith(("http://", "https://")):
        raise _bad("url must start with http:// or https://", "invalid_url", inputs)
    if method not in METHODS:
        raise _bad(f"The method {method} is not supported", "invalid_method", inputs)
    headers = pairs(config.headers, pool)
    inputs["headers"] = dict(headers)
    encoded = encode(config.body, pool)
    inputs["body"] = encoded.shown
    request = NodeHttpRequest(
        run=context.run,
        node_id=context.node.id,
        idempotency_key=context.key,
        method=method,
        url=url,
        headers=_headers(headers, authorize(config.authorization, pool), encoded),
        params=params,
        body=encoded.content,
        timeout=config.timeout.seconds,
        max_bytes=MOST_BYTES,
        verify=config.ssl_verify is not False,
    )
    return request, inputs


def _bad(message: str, code: str, inputs: dict[str, Any]) -> NodeFailed:
    return NodeFailed(message, code=code, inputs=inputs, retryable=False)


def _headers(
    given: list[tuple[str, str]], secret: list[tuple[str, str]], encoded: Encoded
) -> list[tuple[str, str]]:
    taken = {name.lower() for name, _ in secret}
    headers = [(name, value) for name, value in given if name.lower() not in taken]
    named = {name.lower() for name, _ in headers}
    if encoded.content_type and (encoded.fixed_type or "content-type" not in named):
        headers = [(name, value) for name, value in headers if name.lower() != "content-type"]
        headers.append(("Content-Type", encoded.content_type))
    return [*headers, *secret]


def _outputs(response: NodeHttpResponse, inputs: dict[str, Any]) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in response.headers.items()}
    content_type = headers.get("content-type", "").split(";")[0].strip().lower()
    if response.body and not _is_text(content_type, response.body):
        message = f"The answer is a file ({content_type}); files are not supported here"
        raise _bad(message, "answer_is_a_file", inputs)
    body = response.body.decode(_charset(headers), errors="replace")
    return {"status_code": response.status, "body": body, "headers": headers, "files": []}


def _is_text(content_type: str, body: bytes) -> bool:
    if content_type.startswith(TEXT_TYPES) or content_type.endswith(TEXT_ENDINGS):
        return True
    if content_type and content_type != "application/octet-stream":
        return False
    return b"\x00" not in body[:1024]


def _charset(headers: Mapping[str, str]) -> str:
    _, _, rest = headers.get("content-type", "").partition("charset=")
    name = rest.split(";")[0].strip().strip('"') or "utf-8"
    try:
        "".encode(name)  # only text encodings can
        known = codecs.lookup(name).name.replace("_", "-")
    except (LookupError, ValueError):
        return "utf-8"
    return "utf-8" if known in NOT_CHARSETS else known


KIND = HttpKind()
