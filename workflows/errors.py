"""Reasons workflows says no."""

from http import HTTPStatus

from core.errors import Conflict, InvalidInput


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
