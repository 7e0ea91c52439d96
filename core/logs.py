"""Log lines: one JSON object each, stamped with the trace id, secrets taken out.

Modules log with `logging.getLogger(__name__)` or `structlog.get_logger()`; both end here. What
looks like a secret is replaced by key name and by pattern, in messages, extras and tracebacks.
Imported by the settings module, so nothing here may touch settings on import.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from core.trace import peek_trace_id

REDACTED = "[redacted]"
_MAX_DEPTH = 8
_SENSITIVE = (
    r"password|passwd|passphrase|passcode|secret|token(?!s)|authorization|api[_-]?key|apikey"
    r"|cookie|credential|private[_-]?key|session[_-]?(?:id|key)|csrf|bearer|pepper|otp[_-]?code"
)
_SENSITIVE_NAME = re.compile(_SENSITIVE, re.IGNORECASE)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END|\Z)", re.DOTALL), REDACTED),
    (re.compile(r"\blw_[A-Za-z0-9]{4,}_[A-Za-z0-9_-]{8,}"), REDACTED),
    (re.compile(r"\b[spr]k[-_](?:[A-Za-z0-9]+[-_])*[A-Za-z0-9_-]{8,}"), REDACTED),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]{8,}"), REDACTED),
    (re.compile(r"\b(?:gh[opsur]|github_pat|glpat|xox[abeprs])[-_][A-Za-z0-9_-]{10,}"), REDACTED),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), REDACTED),
    (re.compile(r"\bAIza[A-Za-z0-9_-]{30,}"), REDACTED),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){1,3}"), REDACTED),
    (
        re.compile(r"\b(bearer|basic|digest)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
        rf"\1 {REDACTED}",
    ),
    (re.compile(r"(://)[^\s/:@\"']*:[^\s/@\"']+@"), rf"\1{REDACTED}@"),
    (
        re.compile(
            r"\b((?:set-)?cookie|(?:proxy-)?authorization)(\s*:\s*)(?![\s\"'])[^\r\n\"']+",
            re.IGNORECASE,
        ),
        rf"\1\2{REDACTED}",
    ),
    (
        re.compile(
            rf"([\w.-]*(?:{_SENSITIVE})[\w-]*[\"']?\s*[=:]\s*)"
            r"(?!\s*[\[{(]|\s*None\b|\s*null\b|\s*true\b|\s*false\b)"
            r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s\"'&,;)}\]]+)",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
)


def redact_text(text: str) -> str:
    """The text without what has the form of a key, a token or a `password=…` pair."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact(value: Any, *, secret: bool = False, depth: int = 0) -> Any:
    """A JSON-safe copy without secrets. Numbers stay: `prompt_tokens` is a count.

    `secret`: every text inside is one, because a key above says so.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth > _MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {
            str(key): redact(inner, secret=secret or is_secret_name(str(key)), depth=depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(inner, secret=secret, depth=depth + 1) for inner in value]
    return REDACTED if secret else redact_text(_text(value))


def is_secret_name(name: str) -> bool:
    """Whether a key, field or header of this name holds something nobody may read."""
    return _SENSITIVE_NAME.search(name) is not None


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a log line must not fail for what it mentions
        return f"<{type(value).__name__}>"


def _stamp(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    record = event["_record"]
    stamped: EventDict = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
    }
    if trace_id := event.get("trace_id") or peek_trace_id():
        stamped["trace_id"] = trace_id
    stamped["event"] = event.pop("event", "")
    stamped.update(event)
    return stamped


def _redact_event(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    return redact(event)


def _console(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """One line for people: `12:00:00.000 warning llm.gateway Upstream refused. model=x`."""
    clock = event.pop("time")[11:23]
    head = f"{clock} {event.pop('level'):<8} {event.pop('logger')} {event.pop('event')}"
    trace = event.pop("exception", "")
    pairs = "".join(f" {key}={value!r}" for key, value in event.items())
    return f"{head}{pairs}" + (f"\n{trace}" if trace else "")


def _processors(fmt: str) -> list[Processor]:
    json_lines: list[Processor] = [
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    return [
        _stamp,
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _redact_event,
        *([_console] if fmt == "console" else json_lines),
    ]


def logging_config(level: str, fmt: str) -> dict[str, Any]:
    """The `LOGGING` dictionary; `fmt` is "json" or "console". Everything goes to stderr."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [structlog.stdlib.ExtraAdder()],
                "processors": _processors(fmt),
            }
        },
        "filters": {"not_twice": {"()": "core.denials.NotTwice"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {
            name: {"handlers": [], "propagate": True}
            for name in ("django", "django.server", "uvicorn", "uvicorn.error", "uvicorn.access")
        }
        | {name: {"filters": ["not_twice"]} for name in ("django.request", "django.security.csrf")},
    }


def configure_structlog() -> None:
    """Send `structlog.get_logger()` through the standard library's handlers."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
