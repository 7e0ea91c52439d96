"""Examples of the organization and its members."""

from drf_spectacular.utils import OpenApiExample

ORGANIZATION = OpenApiExample(
    "An organization",
    value={
        "id": "0192f0c1-0000-7000-8000-000000000001",
        "name": "Northwind",
        "slug": "northwind",
        "require_second_factor": False,
        "audit_retention_days": 730,
        "run_retention_days": 90,
        "closing_at": None,
        "cors_origins": ["https://app.northwind.example"],
        "created_at": "2026-11-01T09:00:00Z",
    },
    response_only=True,
)
RENAME = OpenApiExample("A new name", value={"name": "Northwind Traders"}, request_only=True)
MEMBER = OpenApiExample(
    "A member",
    value={
        "id": "0192f0c1-0000-7000-8000-000000000002",
        "user": "0192f0c1-0000-7000-8000-000000000003",
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "active": True,
        "role": "builder",
        "created_at": "2026-11-01T09:00:00Z",
    },
    response_only=True,
)
CHANGE_ROLE = OpenApiExample("Another role", value={"role": "approver"}, request_only=True)
