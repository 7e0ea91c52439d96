"""Examples of audit entries."""

from drf_spectacular.utils import OpenApiExample

_ENTRY = {
    "id": 4711,
    "at": "2026-11-01T09:00:00Z",
    "action": "orgs.key.created",
    "label": "API key created",
    "category": "orgs",
    "outcome": "ok",
    "actor_kind": "user",
    "actor_id": "0192f0c1-0000-7000-8000-000000000003",
    "api_key_id": None,
    "support_id": None,
    "project_id": "0192f0c1-0000-7000-8000-000000000005",
    "target_type": "api_key",
    "target_id": "0192f0c1-0000-7000-8000-000000000004",
    "summary": "Nightly import (lw_k3v9x0ab…)",
    "data": {"prefix": "k3v9x0ab", "scopes": ["workflow.run", "run.view"]},
    "before": None,
    "after": None,
    "ip": "203.0.113.7",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
}
ENTRY = OpenApiExample("A key was created", value=_ENTRY, response_only=True)
ENTRY_DETAIL = OpenApiExample("A sealed entry", value={**_ENTRY, "seal": 12}, response_only=True)
RETENTION = OpenApiExample("Kept for a year", value={"days": 365})
