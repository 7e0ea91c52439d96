"""The built-in provider: works without a key, always says the same, and says what it is."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from billing.models import Price
from llm.models import OFFLINE_MODEL, Model, Provider
from llm.tokens import estimate, estimate_prompt

LABEL = "[offline model]"
PROVIDER_NAME = "Offline demonstration"
INPUT_PRICE = 150_000_000
OUTPUT_PRICE = 600_000_000
"""Nanos per 1,000,000 tokens: small, so that money moves in a demonstration too."""

_CHOICE = re.compile(
    r"(?:one|exactly one|a single one) (?:word )?(?:of|from)\b[^:\n]{0,60}:\s*([^\n.;]+)"
    r"|(?:从以下|以下|下列)[^::\n]{0,30}[::]\s*([^\n。;]+)",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"\s*(?:,|、|,|\||/|\bor\b|或)\s*")
_HINTS = {
    "billing": "invoice bill charge charged refund payment pay amount price 发票 退款 付款 账单",
    "refund": "refund money back return charged twice 退款 退货",
    "technical": "error bug crash fail broken login password install 错误 故障 登录",
    "bug": "error crash fail broken exception 错误 故障",
    "sales": "buy quote offer pricing plan upgrade order 购买 报价",
    "complaint": "angry unacceptable disappointed complain terrible 投诉 失望",
    "delivery": "parcel shipping delivery package arrive late 快递 物流",
    "urgent": "urgent immediately asap now 紧急 马上",
    "positive": "great thanks love excellent good 好 感谢",
    "negative": "bad terrible hate awful poor 差 糟糕",
}


def ensure_offline_model(organization_id: UUID) -> None:
    """Give an organization the offline provider and its model the first time; callers may race."""
    if Provider.objects.of(organization_id).filter(kind=Provider.Kind.OFFLINE).exists():
        return
    Price.objects.get_or_create(
        organization=None,
        model=OFFLINE_MODEL,
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        defaults={"input": INPUT_PRICE, "cached_input": INPUT_PRICE, "output": OUTPUT_PRICE},
    )
    provider, _ = Provider.objects.get_or_create(
        organization_id=organization_id,
        name=PROVIDER_NAME,
        defaults={"kind": Provider.Kind.OFFLINE},
    )
    Model.objects.get_or_create(
        organization_id=organization_id,
        name=OFFLINE_MODEL,
        defaults={"provider": provider, "context_window": 32_000, "max_output_tokens": 1_024},
    )


def write_answer(body: dict[str, Any]) -> tuple[str, str, dict[str, int]]:
    """(text, finish reason, usage) for a request in OpenAI's form; a pure function of it."""
    messages = [m for m in body.get("messages") or () if isinstance(m, dict)]
    text = _text_for(messages, body.get("response_format"))
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    reason = "stop"
    if limit and estimate(text) > limit:
        text, reason = text.encode()[: 4 * limit].decode(errors="ignore"), "length"
    prompt, completion = estimate_prompt(body), estimate(text)
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return text, reason, usage


def _text_for(messages: list[dict[str, Any]], response_format: Any) -> str:
    asked = "\n".join(_content(m) for m in messages)
    request = next((_content(m) for m in reversed(messages) if m.get("role") == "user"), asked)
    if options := _options(asked):
        return _pick(options, _CHOICE.sub(" ", request) or request)
    quote = " ".join(request.split())
    quote = quote if len(quote) <= 160 else f"{quote[:160]}…"
    if isinstance(response_format, dict) and str(response_format.get("type", "")).startswith(
        "json"
    ):
        return json.dumps({"note": LABEL, "request": quote}, ensure_ascii=False)
    return (
        f"{LABEL} Thank you for your message. This is a draft written without a language model. "
        f"You asked: “{quote}” Connect a provider to get a real answer."
    )


def _content(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(p.get("text", "")) for p in content if isinstance(p, dict))
    return content if isinstance(content, str) else ""


def _options(text: str) -> list[str]:
    """The words a prompt asks to choose from: "answer with one of: a, b, c"."""
    match = _CHOICE.search(text)
    if match is None:
        return []
    parts = (part.strip(" \t\"'`“”‘’*()[]") for part in _SPLIT.split(match[1] or match[2] or ""))
    options = [part for part in parts if part and len(part.split()) <= 4]
    return options if len(options) > 1 else []


def _pick(options: list[str], request: str) -> str:
    """The option whose own words, or hints known for them, occur most in the request."""
    words = request.lower()

    def score(option: str) -> int:
        own = sum(3 for word in re.split(r"[\s_-]+", option.lower()) if word and word in words)
        hints = " ".join(_HINTS.get(word, "") for word in re.split(r"[\s_-]+", option.lower()))
        return own + sum(1 for hint in hints.split() if hint in words)

    best = max(options, key=score)
    if score(best):
        return best
    fallback = {"other", "others", "general", "unknown", "none", "其他"}
    return next((option for option in options if option.lower() in fallback), options[0])
