"""Wait: the run rests until a time has come or a signal was sent, or all of several.

    until: [{"type": "time", "seconds": 30} or {"type": "time", "at": "2030-01-01T08:00:00Z"},
            {"type": "signal", "name": "paid"}]
    mode: any (default) or all · timeout_seconds: leave by the exit `__timeout` after so long

Texts may hold references. Signals that were sent before the run came here count.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from workflows.engine.graph import SOURCE
from workflows.engine.pool import Pool
from workflows.engine.records import Wait
from workflows.engine.references import Ref
from workflows.nodes.base import (
    Config,
    NodeContext,
    NodeFailed,
    NodeKind,
    Outcome,
    StillWaiting,
    Waiting,
)
from workflows.nodes.fields import Text

TIMEOUT = "__timeout"
LONGEST = timedelta(days=3650)
MOST = 20


class Condition(Config):
    type: Text = "time"
    seconds: Any = None
    at: Text = ""
    name: Text = ""


class WaitConfig(Config):
    mode: Literal["any", "all"] = "any"
    until: Annotated[list[Condition], BeforeValidator(lambda value: value or [])] = Field(
        default_factory=list, max_length=MOST
    )
    timeout_seconds: Any = None


class WaitKind(NodeKind[WaitConfig]):
    name = "wait"
    config = WaitConfig
    branch = True
    mocked = True
    rests = True

    async def run(self, context: NodeContext, config: WaitConfig) -> Outcome | Waiting:
        at = datetime.now(UTC)
        times = [_time(row, context.pool, at) for row in config.until if row.type == "time"]
        names = [_name(row, context.pool) for row in config.until if row.type == "signal"]
        if not times and not names:
            raise _wrong("it waits for nothing")
        timeout = _after(config.timeout_seconds, context.pool, at)
        data: dict[str, Any] = {
            "mode": config.mode,
            "times": [time.isoformat() for time in sorted(times)],
            "signals": list(dict.fromkeys(names)),
            "received": {},
            "timeout": timeout.isoformat() if timeout else None,
        }
        return Waiting(_wait(context, data, at), inputs={"until": _shown(data)})

    async def resume(
        self, context: NodeContext, config: WaitConfig, wait: Wait, payload: Mapping[str, Any]
    ) -> Outcome:
        data, at = dict(wait.data), datetime.now(UTC)
        came = dict(payload.get("signals") or {})
        data["received"] = {**data["received"], **came}
        data["signals"] = [name for name in data["signals"] if name not in came]
        passed = [time for time in data["times"] if datetime.fromisoformat(time) <= at]
        data["times"] = [time for time in data["times"] if time not in passed]
        enough = bool(came or passed)
        if data["mode"] == "all":
            enough = not data["signals"] and not data["times"]
        if enough:
            return _outcome(data, SOURCE)
        if data["timeout"] and datetime.fromisoformat(data["timeout"]) <= at:
            return _outcome(data, TIMEOUT)
        raise StillWaiting(_wait(context, data, wait.created_at or at))

    def mock(self, context: NodeContext, config: WaitConfig, reads: tuple[Ref, ...]) -> Outcome:
        """It comes to pass at once."""
        names = [_name(row, context.pool) for row in config.until if row.type == "signal"]
        return _outcome({"received": {name: {} for name in names}, "times": []}, SOURCE)

    def outputs(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return frozenset({"signals", "signal", "timed_out"})

    def handles(self, data: Mapping[str, Any]) -> frozenset[str] | None:
        return frozenset({SOURCE, TIMEOUT})


def _wait(context: NodeContext, data: dict[str, Any], since: datetime) -> Wait:
    ends = [*data["times"], *([data["timeout"]] if data["timeout"] else [])]
    due = min(map(datetime.fromisoformat, ends), default=None)
    kind = "signal" if data["signals"] else "timer"
    return Wait(context.node.id, context.iteration, kind, context.key, due, data, since)


def _outcome(data: dict[str, Any], handle: str) -> Outcome:
    received = data["received"]
    last = next(reversed(received.values()), None) if received else None
    outputs = {"signals": received, "signal": last, "timed_out": handle == TIMEOUT}
    return Outcome(outputs=outputs, handle=handle, inputs={"until": _shown(data)})


def _shown(data: dict[str, Any]) -> dict[str, Any]:
    return {key: data[key] for key in ("mode", "times", "signals", "timeout") if key in data}


def _name(row: Condition, pool: Pool) -> str:
    name = pool.text(row.name).strip()
    if not name or len(name) > 100:
        raise _wrong("a signal needs a name of at most 100 characters")
    return name


def _time(row: Condition, pool: Pool, at: datetime) -> datetime:
    if not row.at:
        due = _after(row.seconds, pool, at)
        return due or at
    try:
        due = datetime.fromisoformat(pool.text(row.at).strip())
    except ValueError:
        raise _wrong(f"{row.at!r} is no time") from None
    due = due if due.tzinfo else due.replace(tzinfo=UTC)
    return min(due.astimezone(UTC), at + LONGEST)


def _after(seconds: Any, pool: Pool, at: datetime) -> datetime | None:
    if seconds in (None, ""):
        return None
    try:
        number = float(pool.text(seconds) if isinstance(seconds, str) else seconds)
        return at + timedelta(seconds=min(max(number, 0), LONGEST.total_seconds()))
    except (TypeError, ValueError, OverflowError):
        raise _wrong(f"{seconds!r} is no number of seconds") from None


def _wrong(why: str) -> NodeFailed:
    return NodeFailed(f"The wait cannot begin: {why}", code="invalid_wait", retryable=False)


KIND = WaitKind()
