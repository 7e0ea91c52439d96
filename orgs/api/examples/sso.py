"""Examples of sign-on."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter

_CONNECTION = "0192f0c1-0000-7000-8000-000000000021"
CONNECTION = OpenApiExample(
    "A connection",
    value={
        "id": _CONNECTION,
        "name": "Northwind staff",
        "issuer": "https://id.northwind.example",
        "client_id": "loomwork",
        "secret_hint": "••••9f3c",  # nosec B105 # an example
        "scopes": "openid email profile groups",
        "role_claim": "groups",
        "role_map": {"loomwork-admins": "admin", "engineering": "builder"},
        "default_role": "member",
        "max_age_hours": 24,
        "enabled": True,
        "enforced": False,
        "redirect_uri": f"https://loomwork.example/accounts/oidc/{_CONNECTION}/login/callback/",
        "logout_uri": f"https://loomwork.example/accounts/oidc/{_CONNECTION}/logout/",
        "created_at": "2026-11-01T09:00:00Z",
        "updated_at": "2026-11-01T09:00:00Z",
    },
    response_only=True,
)
CREATE_CONNECTION = OpenApiExample(
    "A provider that names groups",
    value={
        "name": "Northwind staff",
        "issuer": "https://id.northwind.example",
        "client_id": "loomwork",
        "client_secret": "<the client's secret>",  # nosec B105 # an example
        "scopes": "openid email profile groups",
        "role_claim": "groups",
        "role_map": {"loomwork-admins": "admin", "engineering": "builder"},
        "default_role": "member",
        "max_age_hours": 12,
    },
    request_only=True,
)
CHANGE_CONNECTION = OpenApiExample(
    "The only way to sign in", value={"enforced": True}, request_only=True
)
CHECKED = OpenApiExample(
    "A provider that fits",
    value={
        "issuer": "https://id.northwind.example",
        "authorization_endpoint": "https://id.northwind.example/authorize",
        "token_endpoint": "https://id.northwind.example/token",  # nosec B105 # an address
        "keys": 2,
    },
    response_only=True,
)
DOMAIN = OpenApiExample(
    "A proven domain",
    value={
        "id": "0192f0c1-0000-7000-8000-000000000022",
        "connection": _CONNECTION,
        "domain": "northwind.example",
        "token": "loomwork-domain=5d41402abc4b2a76b9719d911017c592aa4f6b3e",  # nosec B105 # public by design
        "proof_url": "https://northwind.example/.well-known/loomwork-domain.txt",
        "verified_at": "2026-11-01T09:05:00Z",
        "created_at": "2026-11-01T09:00:00Z",
    },
    response_only=True,
)
ADD_DOMAIN = OpenApiExample(
    "A domain", value={"connection": _CONNECTION, "domain": "northwind.example"}, request_only=True
)
IDENTITY = OpenApiExample(
    "An identity",
    value={
        "id": 17,
        "connection": _CONNECTION,
        "subject": "a7c1f0",
        "user": "0192f0c1-0000-7000-8000-000000000003",
        "email": "ada@northwind.example",
        "linked_at": "2026-11-01T09:10:00Z",
        "last_sign_in_at": "2026-11-20T08:00:00Z",
    },
    response_only=True,
)
IDENTITY_ID = OpenApiParameter("id", OpenApiTypes.INT, OpenApiParameter.PATH)
