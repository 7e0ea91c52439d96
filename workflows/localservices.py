"""Services of a run without a server behind it: code runs, nothing else is reachable."""

from collections.abc import Callable
from typing import Any

from workflows.nodes.base import NodeFailed
from workflows.nodes.services import (
    NodeChildRequest,
    NodeHttpRequest,
    NodeHttpResponse,
    NodeModelAnswer,
    NodeModelCall,
    NodeTaskRequest,
)
from workflows.sandbox import run_code


class SandboxServices:
    """The sandbox alone; what else is asked for fails its node."""

    async def run_code(
        self,
        language: str,
        code: str,
        variables: dict[str, Any],
        timeout: float,
        heard: Callable[[str], None] | None = None,
    ) -> dict[str, Any]:
        return await run_code(language, code, variables, timeout=timeout, heard=heard)

    async def complete_model(self, call: NodeModelCall) -> NodeModelAnswer:
        raise _unreachable()

    async def send_http(self, request: NodeHttpRequest) -> NodeHttpResponse:
        raise _unreachable()

    async def open_human_task(self, request: NodeTaskRequest) -> str:
        raise _unreachable()

    async def close_human_task(self, key: str) -> bool:
        raise _unreachable()

    async def start_child(self, request: NodeChildRequest) -> str:
        raise _unreachable()

    async def admit(self, run: Any, kind: str, connector: str) -> float:
        return 0.0


def _unreachable() -> NodeFailed:
    return NodeFailed("This run has no services", code="no_services", retryable=False)
