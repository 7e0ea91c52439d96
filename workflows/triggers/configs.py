"""The settings of each kind of trigger: what is stored, with what may be left out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from workflows.errors import InvalidTrigger
from workflows.models import Run, Trigger
from workflows.triggers.mapping import check_path
from workflows.triggers.occurrences import Rule, cron_rule, interval_rule

SHORTEST_INTERVAL = 5
LONGEST_INTERVAL = 366 * 24 * 3600
LONGEST_JITTER = 3600
MOST_CATCH_UP = 100
LONGEST_TOLERANCE = 3600
LONGEST_WINDOW = 24 * 3600
LONGEST_WAIT = 60
MOST_MAPPED = 100
ENDED = tuple(state for state in Run.State if state not in Run.LIVE)

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,100}$")]
Path = Annotated[str, Field(max_length=300)]


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScheduleSettings(Settings):
    """`anchor` is from when an interval without a start counts; it is set, not given."""

    cron: str = Field(default="", max_length=200)
    every_seconds: int | None = Field(default=None, ge=SHORTEST_INTERVAL, le=LONGEST_INTERVAL)
    time_zone: str = Field(default="UTC", max_length=60)
    start_at: Moment | None = None
    end_at: Moment | None = None
    catch_up: Literal["none", "last", "all"] = "none"
    catch_up_most: int = Field(default=10, ge=1, le=MOST_CATCH_UP)
    overlap: Literal["skip", "queue", "cancel", "allow"] = "skip"
    jitter_seconds: int = Field(default=0, ge=0, le=LONGEST_JITTER)
    anchor: Moment | None = None

    def rule(self) -> Rule:
        """Raises InvalidSchedule."""
        if self.cron:
            return cron_rule(self.cron, self.time_zone, self.start_at, self.end_at)
        anchor = self.start_at or self.anchor
        if self.every_seconds is None or anchor is None:
            raise InvalidTrigger("A schedule has a cron line or an interval.", field="cron")
        return interval_rule(self.every_seconds, anchor, self.end_at)


class Mapped(Settings):
    roots: ClassVar[tuple[str, ...]] = ()

    mapping: dict[str, Path] = Field(default_factory=dict, max_length=MOST_MAPPED)
    query_from: Path = ""

    def check(self) -> None:
        for name, path in self.mapping.items():
            check_path(path, self.roots, name)
        if self.query_from:
            check_path(self.query_from, self.roots, "query_from")


class WebhookSettings(Mapped):
    roots: ClassVar[tuple[str, ...]] = ("body", "headers", "query")

    scheme: Literal["none", "github", "stripe", "slack", "hmac"] = "none"
    header: HeaderName = "X-Signature"
    algorithm: Literal["sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = Field(default="", max_length=40)
    timestamp_header: HeaderName = ""
    tolerance_seconds: int = Field(default=300, ge=1, le=LONGEST_TOLERANCE)
    delivery_header: HeaderName = ""
    window_seconds: int = Field(default=300, ge=0, le=LONGEST_WINDOW)
    answer: Literal["at-once", "awaited"] = "at-once"
    wait_seconds: int = Field(default=20, ge=1, le=LONGEST_WAIT)
    ip_allow: list[str] = Field(default_factory=list)


class RunEndedSettings(Mapped):
    roots: ClassVar[tuple[str, ...]] = ("outputs", "inputs", "run", "error")

    states: list[Literal[ENDED]] = Field(  # type: ignore[valid-type]  # the states that are ends
        default_factory=lambda: [Run.State.SUCCEEDED.value, Run.State.PARTIAL.value], min_length=1
    )


KINDS: dict[str, type[Settings]] = {
    Trigger.Kind.SCHEDULE: ScheduleSettings,
    Trigger.Kind.WEBHOOK: WebhookSettings,
    Trigger.Kind.RUN_ENDED: RunEndedSettings,
}


def read_settings(kind: str, given: dict[str, Any]) -> Any:
    """The settings of a `kind` of trigger. Raises InvalidTrigger with `fields: {name: reason}`."""
    try:
        return KINDS[kind].model_validate(given)
    except ValidationError as error:
        fields = {
            ".".join(str(part) for part in each["loc"]): each["msg"] for each in error.errors()
        }
        raise InvalidTrigger("Some settings are not valid.", fields=fields) from None


def schedule_of(trigger: Trigger) -> ScheduleSettings:
    return ScheduleSettings.model_validate(trigger.config)


def webhook_of(trigger: Trigger) -> WebhookSettings:
    return WebhookSettings.model_validate(trigger.config)


def run_ended_of(trigger: Trigger) -> RunEndedSettings:
    return RunEndedSettings.model_validate(trigger.config)
