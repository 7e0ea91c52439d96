"""Entity tags (RFC 9110, 8.8.3): a digest of the JSON that stands for a thing.

Strong: the same tag means the same answer, whatever row a change was in. It is taken of the
compact form, so that an indented answer carries the same tag.
"""

from __future__ import annotations

import hashlib
import re
from http import HTTPStatus
from typing import Any

from rest_framework.renderers import JSONRenderer

from core.errors import DomainError

_TAGS = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class PreconditionFailed(DomainError):
    """The thing was changed since the caller read it; nothing was done."""

    code = "precondition_failed"
    status = HTTPStatus.PRECONDITION_FAILED


def tag_of(data: Any) -> str:
    """The tag of an answer's data, in its quotes."""
    rendered: bytes = JSONRenderer().render(data)
    return f'"{hashlib.sha256(rendered).hexdigest()[:32]}"'


def matches(header: str, tag: str) -> bool:
    """`If-Match`: strong comparison, `*` is any."""
    return header.strip() == "*" or tag in [
        value for weak, value in _TAGS.findall(header) if not weak
    ]


def seen_already(header: str, tag: str) -> bool:
    """`If-None-Match`: weak comparison, `*` is any."""
    return header.strip() == "*" or tag in [value for _, value in _TAGS.findall(header)]
