"""Counting tokens without a tokenizer: a stated rule of thumb, never a claim of exactness.

An estimate (4 bytes of UTF-8 a token) charges where a provider reports nothing; a ceiling (3 bytes,
and more per message) sizes holds so that real counts stay below it for ordinary text.
"""

import json
from collections.abc import Iterator
from typing import Any

MEDIA_TOKENS = 2_000
"""Set aside for an image, a sound or a file in a message, whose bytes say nothing about tokens."""


_OF_MESSAGE = ("tool_calls", "name")
_OF_BODY = ("tools", "functions", "response_format")


def estimate(text: str) -> int:
    return -(-_bytes(text) // 4)


def estimate_prompt(body: dict[str, Any]) -> int:
    return measure_prompt(body)[0]


def measure_prompt(body: dict[str, Any]) -> tuple[int, int]:
    """(estimate, ceiling) of a request's prompt tokens."""
    sizes = list(_sizes(body))
    messages = len(body.get("messages") or ())
    likely = sum(-(-size // 4) for size in sizes) + 4 * messages
    return likely, sum(-(-size // 3) for size in sizes) + 8 * messages + 8


def _sizes(body: dict[str, Any]) -> Iterator[int]:
    """Bytes of everything a provider counts as prompt."""
    for message in body.get("messages") or ():
        if isinstance(message, dict):
            yield from _content_sizes(message.get("content"))
            yield from (_json_size(message[key]) for key in _OF_MESSAGE if key in message)
    yield from (_json_size(body[key]) for key in _OF_BODY if key in body)


def _content_sizes(content: Any) -> Iterator[int]:
    if isinstance(content, str):
        yield _bytes(content)
    elif isinstance(content, list):
        for part in content:
            text = part.get("text") if isinstance(part, dict) else part
            yield _bytes(text) if isinstance(text, str) else 3 * MEDIA_TOKENS


def _json_size(value: Any) -> int:
    return _bytes(json.dumps(value, ensure_ascii=False))


def _bytes(text: str) -> int:
    return len(text.encode(errors="replace"))
