"""Putting an answer together, and counting what of it was delivered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from llm.gateway.shapes import Call, TokenUsage
from llm.tokens import estimate

_SANE = 1_000_000_000  # a report of more tokens than this is a fault, not a bill


@dataclass(slots=True)
class Assembly:
    """Grows with each event of a stream, or takes a whole answer at once."""

    text: str = ""
    reasoning: str = ""
    others: str = ""
    """What further choices (`n` > 1) said: paid for, but not the answer."""
    finish_reason: str = ""
    model: str = ""
    tool_calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    reported: TokenUsage | None = None
    error: dict[str, Any] | None = None
    _texts: list[str] = field(default_factory=list)

    def add(self, data: dict[str, Any]) -> None:
        """Take one chunk or one whole completion."""
        if isinstance(data.get("error"), dict):
            self.error = data["error"]
        self.model = self.model or str(data.get("model") or "")
        self.reported = read_usage(data.get("usage")) or self.reported
        for choice in data.get("choices") or ():
            if isinstance(choice, dict):
                self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> None:
        part = choice.get("delta") or choice.get("message") or {}
        text = content_of(part)
        if choice.get("index"):
            self.others += text
            return
        self.text += text
        self.reasoning += str(part.get("reasoning_content") or part.get("reasoning") or "")
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        for position, call in enumerate(part.get("tool_calls") or ()):
            self._tool_call(call.get("index", position), call)

    def _tool_call(self, index: int, part: dict[str, Any]) -> None:
        known = self.tool_calls.setdefault(
            index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        function = part.get("function") or {}
        known["id"] = part.get("id") or known["id"]
        known["function"]["name"] += function.get("name") or ""
        known["function"]["arguments"] += function.get("arguments") or ""

    @property
    def delivered(self) -> bool:
        return bool(self.text or self.reasoning or self.others or self.tool_calls)

    def usage(self, call: Call) -> TokenUsage:
        """The provider's own count, else an estimate of what was delivered."""
        if self.reported is not None:
            return self.reported
        arguments = "".join(t["function"]["arguments"] for t in self.tool_calls.values())
        written = estimate(self.text + self.reasoning + self.others + arguments)
        return TokenUsage(call.prompt_estimate, written, 0, "estimated")

    def message(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "reasoning": self.reasoning,
            "tool_calls": [self.tool_calls[index] for index in sorted(self.tool_calls)],
            "finish_reason": self.finish_reason,
            "model": self.model,
        }


def content_of(part: dict[str, Any]) -> str:
    """Text of a message or delta; content may also be a list of typed parts."""
    content = part.get("content")
    if isinstance(content, list):
        return "".join(str(p.get("text") or "") for p in content if isinstance(p, dict))
    return content if isinstance(content, str) else ""


def read_usage(usage: Any) -> TokenUsage | None:
    """OpenAI's usage object; None where it is missing or makes no sense. Zero is a count."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    cached = _count(cached) or _count(usage.get("prompt_cache_hit_tokens")) or 0
    return TokenUsage(prompt, completion, min(cached, prompt), "provider")


def _count(value: Any) -> int | None:
    sane = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _SANE
    return value if sane else None
