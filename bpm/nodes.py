"""The node behind which a person is waited for. Subclasses of viewflow's, nothing patched."""

from typing import Any

from django.utils.timezone import now
from viewflow.workflow import flow, lock
from viewflow.workflow.activation import Activation, has_manage_permission
from viewflow.workflow.nodes.view import ViewActivation
from viewflow.workflow.status import STATUS

from bpm.models import HumanTask

LOCK = lock.SelectForUpdateLock(nowait=False, attempts=1)
"""Every flow carries it: under viewflow's default two people at once both open the next stage."""


class HumanActivation(ViewActivation):
    """One viewflow task a stage. Who may act and who decided live in our tables.

    viewflow's owner stays empty: deleting a user would take the task's history along.
    """

    @Activation.status.transition(source=STATUS.NEW, target=STATUS.STARTED)
    def begin(self) -> None:
        self.task.started = now()

    @Activation.status.transition(
        source=[STATUS.NEW, STATUS.STARTED],
        target=STATUS.CANCELED,
        permission=has_manage_permission,
    )
    def cancel(self) -> None:
        at = now()
        self.task.finished = at
        self.task.save()
        HumanTask.objects.filter(task=self.task).update(
            status=HumanTask.Status.CANCELLED, closed_at=at, updated_at=at
        )


class HumanNode(flow.View):
    """A stage. Its `onCreate` hook opens the `HumanTask`."""

    activation_class = HumanActivation

    def __init__(self, **options: Any) -> None:
        super().__init__(None, **options)

    def can_assign(self, user: Any, task: Any) -> bool:
        """Nobody acts through viewflow itself: its checks know neither tenant nor candidate."""
        return False

    can_unassign = can_assign
    can_execute = can_assign
