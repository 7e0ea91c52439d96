"""Examples of API keys."""

from drf_spectacular.utils import OpenApiExample

KEY = {
    "id": "0192f0c1-0000-7000-8000-000000000004",
    "name": "Nightly import",
    "prefix": "k3v9x0ab",
    "state": "active",
    "project": "0192f0c1-0000-7000-8000-000000000008",
    "scopes": ["workflow.run", "run.view"],
    "ip_allow": ["203.0.113.0/24", "2001:db8::7"],
    "created_by": "0192f0c1-0000-7000-8000-000000000003",
    "rotated_from": None,
    "expires_at": "2027-02-01T00:00:00Z",
    "revoked_at": None,
    "last_used_at": "2026-11-20T12:00:00Z",
    "last_used_ip": "203.0.113.20",
    "created_at": "2026-11-01T09:00:00Z",
}
TOKEN = {"token": "lw_k3v9x0ab_<43 characters><6 characters>"}  # nosec B105 # a picture of one
UNUSED = {"last_used_at": None, "last_used_ip": None}
SHOWN_KEY = OpenApiExample("A key", value=KEY, response_only=True)
CREATE_KEY = OpenApiExample(
    "A key that runs workflows",
    value={
        "name": "Nightly import",
        "project": "0192f0c1-0000-7000-8000-000000000008",
        "scopes": ["workflow.run", "run.view"],
        "ip_allow": ["203.0.113.0/24", "2001:db8::7"],
        "expires_at": "2027-02-01T00:00:00Z",
    },
    request_only=True,
)
CREATED_KEY = OpenApiExample("Shown this once", value=KEY | UNUSED | TOKEN, response_only=True)
CHANGE_KEY = OpenApiExample(
    "Fewer scopes, one address",
    value={"scopes": ["run.view"], "ip_allow": ["203.0.113.20"]},
    request_only=True,
)
ROTATE_KEY = OpenApiExample(
    "The old token works for another day", value={"overlap_seconds": 86400}, request_only=True
)
ROTATED_KEY = OpenApiExample(
    "The new key, shown this once",
    value=KEY | UNUSED | TOKEN | {"rotated_from": "0192f0c1-0000-7000-8000-000000000005"},
    response_only=True,
)
REVOKE_KEYS = OpenApiExample(
    "Keys of one project that nobody has used since August",
    value={
        "project": "0192f0c1-0000-7000-8000-000000000008",
        "unused_since": "2026-08-01T00:00:00Z",
    },
    request_only=True,
)
REVOKED = OpenApiExample("How many", value={"revoked": 3}, response_only=True)
