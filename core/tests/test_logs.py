"""Log lines: their form, and that no secret gets into one."""

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from core.logs import REDACTED, configure_structlog, logging_config, redact, redact_text
from core.trace import tracing

CANARY = "c4n4ry-V4lue-9f8e7d6c5b4a"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + CANARY

# fmt: off
SECRET_NAMES = [
    "password", "new_password", "passwd", "passphrase", "secret", "client_secret", "clientSecret",
    "SECRET_KEYS", "token", "access_token", "refreshToken", "csrfmiddlewaretoken", "bearer",
    "authorization", "Authorization", "proxy-authorization", "api_key", "apiKey", "API-KEY",
    "x-api-key", "cookie", "Set-Cookie", "credential", "credentials", "private_key", "session_id",
    "sessionKey",
]
# fmt: on


class Lines:
    """What was logged through the product's own configuration."""

    def __init__(self, fmt: str) -> None:
        self.stream = io.StringIO()
        config = logging_config("DEBUG", fmt)
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(
            logging.config.DictConfigurator(config).configure_formatter(
                dict(config["formatters"]["line"])
            )
        )

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def last(self) -> dict[str, Any]:
        return json.loads(self.text.splitlines()[-1])


def _attached(fmt: str) -> Iterator[Lines]:
    lines = Lines(fmt)
    logger = logging.getLogger("loomwork.tests")
    logger.addHandler(lines.handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield lines
    logger.removeHandler(lines.handler)
    logger.propagate = True


@pytest.fixture
def lines() -> Iterator[Lines]:
    yield from _attached("json")


@pytest.fixture
def console() -> Iterator[Lines]:
    yield from _attached("console")


log = logging.getLogger("loomwork.tests")


def test_a_line_is_one_json_object_with_time_level_logger_and_trace(lines: Lines) -> None:
    with tracing("a" * 32):
        log.warning("Upstream %s refused.\nTwice.", "x", extra={"status": 503, "run": {"id": 7}})
    assert lines.text.count("\n") == 1
    line = lines.last
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "loomwork.tests",
        "trace_id": "a" * 32,
        "message": "Upstream x refused.\nTwice.",
        "status": 503,
        "run": {"id": 7},
    }


def test_both_ways_of_logging_end_in_the_same_line(lines: Lines) -> None:
    configure_structlog()
    structlog.get_logger("loomwork.tests").info("Paid.", amount=12, api_key=CANARY)
    assert lines.last | {"time": ""} == {
        "time": "",
        "level": "info",
        "logger": "loomwork.tests",
        "message": "Paid.",
        "amount": 12,
        "api_key": REDACTED,
    }


@pytest.mark.parametrize("key", SECRET_NAMES)
def test_what_a_secret_key_names_is_taken_out(lines: Lines, key: str) -> None:
    log.info("Called.", extra={key.replace("-", "_"): CANARY, "deep": {"list": [{key: [CANARY]}]}})
    log.info("Headers %s", {key: CANARY})
    log.info("Set %s=%s and %s: '%s'", key, CANARY, key, CANARY)
    log.info(json.dumps({key: CANARY, "after": "kept"}))
    assert CANARY not in lines.text
    assert lines.text.count(REDACTED) >= 5
    assert "kept" in lines.text


@pytest.mark.parametrize(
    "text",
    [
        f"lw_abcd1234_{CANARY}",
        f"sk-{CANARY}",
        f"sk-proj-{CANARY}",
        f"sk-ant-api03-{CANARY}",
        f"sk_live_{CANARY}",
        f"whsec_{CANARY}",
        f"ghp_{CANARY}",
        f"Bearer {CANARY}",
        f"authorization: bearer {CANARY}",
        f"Authorization: Custom a {CANARY}",
        f"Basic {CANARY}",
        f"Cookie: theme=dark; sid={CANARY}",
        JWT,
        f"postgres://user:{CANARY}@db/loomwork",
        f"https://host/path?a=1&api_key={CANARY}&b=2",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----",
        f"password = {CANARY}",
        f'{{"password": "{CANARY} \\" {CANARY}"}}',
    ],
)
def test_what_looks_like_a_secret_is_taken_out_of_any_text(lines: Lines, text: str) -> None:
    log.error(text)
    log.error("Saw %s", text, extra={"answer": {"body": text}, "parts": [text]})
    assert CANARY not in lines.text


def test_tracebacks_and_objects_are_searched_too(lines: Lines, console: Lines) -> None:
    class Call:
        def __str__(self) -> str:
            return f"Call(token={CANARY!r})"

    def fail() -> None:
        raise RuntimeError(f"refused: Bearer {CANARY}")

    for logger in (log, structlog.get_logger("loomwork.tests")):
        try:
            fail()
        except RuntimeError:
            logger.exception("Failed.", extra={"call": Call()}, stack_info=True)
    for output in (lines.text, console.text):
        assert CANARY not in output
        assert output.count("RuntimeError: refused") == 2
    assert lines.last["exception"].startswith("Traceback")


def test_counts_and_ordinary_words_are_kept() -> None:
    kept = {
        "prompt_tokens": 12,
        "total_tokens": 99,
        "token_count": 3,
        "message": "The author keyed in 3 tokens: fine. See https://host/a?b=c#d",
        "risk-assessment": "task-list sk-short",
        "none": None,
        "authorized": True,
    }
    assert redact(kept) == kept
    assert redact_text("usage: {'prompt_tokens': 12, 'completion_tokens': 5}").count("12") == 1


def test_deep_or_broken_values_do_not_stop_a_line(lines: Lines) -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError("no text")

    loop: dict[str, Any] = {}
    loop["self"] = loop
    log.info("Kept.", extra={"loop": loop, "broken": Broken(), "odd": {1: b"x"}})
    assert lines.last["message"] == "Kept."
    assert lines.last["broken"] == "<Broken>"


def test_the_console_form_is_for_people(console: Lines) -> None:
    log.warning("Slow.", extra={"ms": 12, "password": CANARY})
    assert console.text.endswith(f"warning  loomwork.tests Slow. ms=12 password='{REDACTED}'\n")
