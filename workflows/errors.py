"""Reasons workflows says no."""

from http import HTTPStatus

from core.errors import Conflict, DomainError, InvalidInput, PermissionRefused


class ImportRefused(InvalidInput):
    """The file has faults; `detail.report` names every one. Nothing was stored."""

    code = "import_refused"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class FileTooLarge(InvalidInput):
    code = "file_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnboundTools(Conflict):
    """A version with connectors that lead nowhere cannot be published."""

    code = "unbound_tools"


class NotPublished(Conflict):
    """The workflow has no published version, and the caller may not run drafts."""

    code = "not_published"


class InvalidRunInput(InvalidInput):
    """An input is missing or of the wrong type; `detail.fields` says which."""

    code = "invalid_run_input"


class ValueTooLarge(InvalidInput):
    """What a run is given is larger than what one may hold; `detail.size`, `detail.limit`."""

    code = "value_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class RunStateConflict(Conflict):
    """The run's state takes no such command; `detail.state`, `detail.command`."""

    code = "run_state_conflict"


class RunFinished(RunStateConflict):
    """The run is over; nothing can be done to it."""

    code = "run_finished"


class NodeStateConflict(Conflict):
    """The node does not stand as this needs; `detail.node`, `detail.state`."""

    code = "node_state_conflict"


class ResetImpossible(Conflict):
    """What the run had done by that event is not there any more; `detail.nodes`."""

    code = "reset_impossible"


class TooManySignals(Conflict):
    """More signals wait to be taken than a run may hold; `detail.most`."""

    code = "too_many_signals"


class BulkFinished(Conflict):
    """The bulk command is over already; `detail.state`."""

    code = "bulk_finished"


class TooManyBulks(Conflict):
    """As many bulk commands of the organization are under way as may be; `detail.most`."""

    code = "too_many_bulks"


class TooDeep(Conflict):
    """Runs that start runs stand too deep above each other; `detail.most`."""

    code = "too_deep"


class ConcurrencyConflict(Conflict):
    """Another run has the concurrency key, and the workflow's policy is not to start then."""

    code = "concurrency_conflict"


class LimitTaken(Conflict):
    """There is a rate limit for this kind or connector already."""

    code = "limit_taken"


class InvalidTrigger(InvalidInput):
    """A trigger's settings do not fit together; `detail.field` says which."""

    code = "invalid_trigger"


class InvalidSchedule(InvalidTrigger):
    """The times of a schedule cannot be read, or never come."""

    code = "invalid_schedule"


class TooManyTriggers(Conflict):
    """A workflow has at most `detail.most`."""

    code = "too_many_triggers"


class TriggerOwnerGone(PermissionRefused):
    """The person or key a trigger acts for may not act any more."""

    code = "trigger_owner_gone"


class TriggerDisabled(Conflict):
    code = "trigger_disabled"


class HookRefused(DomainError):
    """A delivery that is not believed. It says no more: whoever forges one learns nothing."""

    code = "hook_refused"
    status = HTTPStatus.UNAUTHORIZED


class HookUnreadable(InvalidInput):
    """The body of a delivery is neither JSON nor a form, or nested too deep."""

    code = "hook_unreadable"


class HookTooLarge(InvalidInput):
    code = "hook_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class HookRateLimited(DomainError):
    """More deliveries than a webhook takes; `detail.retry_after` seconds."""

    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS


class RunNotFinished(DomainError):
    """An answer was awaited for as long as that is allowed; the run goes on."""

    code = "run_not_finished"
    status = HTTPStatus.GATEWAY_TIMEOUT


class RunEndedBadly(DomainError):
    """An answer was awaited and the run did not succeed."""

    code = "run_not_successful"
    status = HTTPStatus.BAD_GATEWAY
