"""Step 4: where the call goes, and what it looks like there."""

from typing import Any

from llm.gateway.shapes import Call, Deployment


def route(call: Call) -> tuple[Deployment, dict[str, Any]]:
    """The deployment and the body to send. Fields we do not know pass untouched."""
    deployment = call.model.deployment
    body = {**call.body, "model": deployment.upstream_name}
    if call.stream:
        options = body.get("stream_options")
        options = options if isinstance(options, dict) else {}
        call.hide_usage = not options.get("include_usage")
        body["stream_options"] = {**options, "include_usage": True}
    return deployment, body
