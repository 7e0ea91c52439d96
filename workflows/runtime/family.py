"""Runs that other runs started: how the parent learns that one is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import IntegrityError, close_old_connections, transaction

from core.jsonsafe import clean
from workflows.models import Run, RunWait, Signal, Step
from workflows.runtime.telling import wake

CHILD_WAIT = "child"
"""The kind of a parent's wait for a run it started; its key is that run's public id."""
AT_ONCE = 1000


def tell_parent(run_pk: int) -> bool:
    """Answer the parent's node with what became of a run that is over; True if it was news.

    May be repeated, and called for any run: without a parent, before its end, to a parent that is
    over or has the node behind it, nothing happens. The answer is a signal with
    `{"state", "outputs", "error", "run"}`.
    """
    child = Run.objects.filter(pk=run_pk, parent__isnull=False).first()
    if child is None or not child.finished:
        return False
    try:
        return _deliver(child)
    except IntegrityError:  # somebody else told it at the same moment
        return False


@transaction.atomic
def _deliver(child: Run) -> bool:
    parent = Run.objects.select_for_update().filter(pk=child.parent_id).first()
    delivery = f"child:{child.public_id}"
    if parent is None or parent.finished or _behind(parent, child):
        return False
    if Signal.objects.filter(delivery_id=delivery).exists():
        return False
    Signal.objects.create(
        organization_id=parent.organization_id,
        run=parent,
        node_id=child.parent_node,
        iteration=child.parent_iteration,
        payload=clean(answer_of(child)),
        delivery_id=delivery,
    )
    wake(parent)
    return True


def answer_of(child: Run) -> dict[str, Any]:
    return {
        "state": child.state,
        "outputs": child.outputs,
        "error": child.error,
        "run": str(child.public_id),
    }


def _behind(parent: Run, child: Run) -> bool:
    """Whether the parent's node no longer asks for this run: it settled, or waits for another."""
    place = {"run": parent, "node_id": child.parent_node, "iteration": child.parent_iteration}
    if Step.objects.filter(**place).exists():
        return True
    waits = RunWait.objects.filter(**place, kind=CHILD_WAIT)
    return waits.exclude(key=str(child.public_id)).exists()


def tell_parents() -> None:
    """The net: parents that still wait for a run that is over."""
    try:
        for keys in _awaited():
            over = Run.objects.filter(public_id__in=keys).exclude(state__in=Run.LIVE)
            for pk in list(over.values_list("pk", flat=True)):
                tell_parent(pk)
    finally:
        close_old_connections()


def _awaited() -> Iterator[list[str]]:
    """Ids of runs that are waited for, in portions."""
    waits = RunWait.objects.filter(kind=CHILD_WAIT, run__state=Run.State.WAITING)
    after = 0
    while rows := list(
        waits.filter(pk__gt=after).order_by("pk").values_list("pk", "key")[:AT_ONCE]
    ):
        after = rows[-1][0]
        yield [key for _, key in rows]


def forsaken() -> list[int]:
    """Parents that are over while runs they would have cancelled with them are still live."""
    children = Run.objects.filter(parent__isnull=False, ended_at=None, state__in=Run.LIVE)
    children = children.filter(parent_close=Run.ParentClose.CANCEL)
    over = Run.objects.exclude(state__in=Run.LIVE).filter(
        pk__in=children.order_by().values("parent")[:AT_ONCE]
    )
    return list(over.values_list("pk", flat=True))
