"""Examples shown in the API's documentation."""

from drf_spectacular.utils import OpenApiExample

TASK = {
    "id": "0192f0c1-7a3b-7000-8000-000000000001",
    "title": "Refund for order 4711",
    "kind": "workflows.human_input",
    "subject_id": "0192f0c1-6f00-7000-8000-000000000002",
    "status": "open",
    "outcome": "",
    "requester": None,
    "claimed_by": None,
    "due_at": "2026-11-21T12:00:00Z",
    "created_at": "2026-11-20T12:00:00Z",
    "closed_at": None,
}
DETAIL = TASK | {
    "actions": [
        {"id": "approve", "title": "Approve", "style": "primary"},
        {"id": "reject", "title": "Reject", "style": "danger"},
    ],
    "form": {
        "content": "Refund **120.00** to the customer?\n{{#$output.note#}}",
        "inputs": [
            {
                "name": "note",
                "type": "paragraph",
                "label": "Note",
                "required": False,
                "default": None,
                "options": [],
            }
        ],
    },
    "snapshot": {"order": 4711, "amount": "120.00"},
    "snapshot_sha256": "6fd977db9b2afe87a9ceee48432881299a6aaf83d935fbbe83007660287f9c2e",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "candidates": ["role:approver", "role:owner"],
    "decisions": [],
    "comments": [],
}
PERSON = {
    "id": "0192f0c1-0000-7000-8000-000000000003",
    "name": "Ada Lovelace",
    "email": "ada@example.com",
}
DECISION = {
    "id": "0192f0c2-0000-7000-8000-000000000004",
    "actor": PERSON,
    "action_id": "approve",
    "comment": "Within the limit.",
    "data": {"note": "Paid back the same day."},
    "snapshot_sha256": DETAIL["snapshot_sha256"],
    "created_at": "2026-11-20T12:05:00Z",
}
DECIDED = DETAIL | {
    "status": "decided",
    "outcome": "approve",
    "closed_at": "2026-11-20T12:05:00Z",
    "decisions": [DECISION],
}
COMMENT = {
    "id": "0192f0c2-0000-7000-8000-000000000005",
    "author": PERSON,
    "text": "The customer called twice.",
    "created_at": "2026-11-20T12:03:00Z",
}

LISTED = OpenApiExample("A task", value=TASK, response_only=True)
SHOWN = OpenApiExample("A task", value=DETAIL, response_only=True)
CLAIMED = OpenApiExample(
    "In hand", value=DETAIL | {"status": "claimed", "claimed_by": PERSON}, response_only=True
)
DECIDING = [
    OpenApiExample(
        "Approve",
        value={
            "action_id": "approve",
            "comment": "Within the limit.",
            "data": {"note": "Paid back the same day."},
        },
        request_only=True,
    ),
    OpenApiExample("Decided", value=DECIDED, response_only=True),
]
COMMENTING = [
    OpenApiExample("A remark", value={"text": "The customer called twice."}, request_only=True),
    OpenApiExample("Kept", value=COMMENT, response_only=True),
]
