"""What the inbox page shows: a box of tasks, and one task with what the actor may do to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from accounts.models import User
from bpm.actions import may_take_away
from bpm.candidates import principals_of
from bpm.forms import Place, lay_out
from bpm.models import HumanTask, HumanTaskQuerySet
from bpm.subjects import find_subject
from core.errors import NotFound
from orgs.access import Actor, can

TABS: Final[Mapping[str, StrOrPromise]] = {
    "open": _("Open"),
    "mine": _("Mine"),
    "done": _("Done"),
}
STEP = 50
MOST = 500


def count_waiting(actor: Actor) -> int:
    """The number beside the navigation entry."""
    return HumanTask.objects.inbox_of(actor).count()


@dataclass(frozen=True)
class Box:
    """One tab of the inbox, as long as has been asked for."""

    actor: Actor
    tab: str = "open"
    length: int = STEP

    @cached_property
    def found(self) -> HumanTaskQuerySet:
        tasks = HumanTask.objects
        if self.tab == "mine":
            return tasks.claimed_by(self.actor).urgent_first()
        if self.tab == "done":
            return tasks.done_by(self.actor).order_by("-closed_at", "-pk")
        return tasks.inbox_of(self.actor).urgent_first()

    @cached_property
    def _read(self) -> list[HumanTask]:
        return list(self.found.with_people()[: self.length + 1])

    @property
    def tasks(self) -> list[HumanTask]:
        return self._read[: self.length]

    @property
    def next_length(self) -> int:
        """How long the box becomes when the reader asks for more; 0 when this is all."""
        more = len(self._read) > self.length and self.length < MOST
        return min(self.length + STEP, MOST) if more else 0

    @cached_property
    def waiting(self) -> int:
        return count_waiting(self.actor)

    def after(self, task: HumanTask) -> UUID | None:
        """The task to open when `task` is done: the next below, else the one above."""
        keys = [other.pk for other in self.tasks]
        if task.pk not in keys:
            return keys[0] if keys else None
        place = keys.index(task.pk)
        below = keys[place + 1 :] or keys[:place][::-1]
        return below[0] if below else None


@dataclass(frozen=True)
class Remark:
    """One line of a task's history."""

    at: datetime
    who: User
    text: str
    action: str = ""
    style: str = ""
    answers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Desk:
    """A task laid out for one person; `given` and `faults` repeat what a refused form held."""

    actor: Actor
    task: HumanTask
    given: Mapping[str, Any] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    comment: str = ""

    @cached_property
    def is_candidate(self) -> bool:
        named = {candidate.principal for candidate in self.task.candidates.all()}
        in_person = self.actor.user_id is not None and can(self.actor, "task.decide", self.task)
        return in_person and not named.isdisjoint(principals_of(self.actor))

    @property
    def may_decide(self) -> bool:
        free = self.task.claimed_by_id in (None, self.actor.user_id)
        return self.is_candidate and free and not self.task.is_closed

    @property
    def may_claim(self) -> bool:
        return self.may_decide and self.task.status == HumanTask.Status.OPEN

    @property
    def may_release(self) -> bool:
        if may_take_away(self.actor, self.task):
            return True
        return self.may_decide and self.task.status == HumanTask.Status.CLAIMED

    @property
    def is_overdue(self) -> bool:
        due = self.task.due_at
        return due is not None and not self.task.is_closed and due < now()

    @property
    def kind_label(self) -> StrOrPromise:
        subject = find_subject(self.task.kind)
        return (subject and subject.label) or self.task.kind

    @property
    def subject_url(self) -> str:
        subject = find_subject(self.task.kind)
        return subject.url(self.task) if subject and subject.url else ""

    @cached_property
    def places(self) -> list[tuple[Place, Any, str]]:
        """Form in reading order: text or input, with its value and fault."""
        return [(place, self._value(place), self._fault(place)) for place in self._laid_out]

    @cached_property
    def _laid_out(self) -> list[Place]:
        return lay_out(self.task.form)

    def _value(self, place: Place) -> Any:
        if place.field is None:
            return ""
        value = self.given.get(place.field["name"], place.field["default"])
        return "" if value is None else value

    def _fault(self, place: Place) -> str:
        return self.faults.get(place.field["name"], "") if place.field else ""

    @cached_property
    def history(self) -> list[Remark]:
        """Decisions and comments, oldest first."""
        styles = {action["id"]: action["style"] for action in self.task.actions}
        said = [Remark(row.created_at, row.author, row.text) for row in self.task.comments.all()]
        decided = [
            Remark(
                at=row.created_at,
                who=row.actor,
                text=row.comment,
                action=self.task.title_of(row.action_id),
                style=styles.get(row.action_id, ""),
                answers=row.data,
            )
            for row in self.task.decisions.all()
        ]
        return sorted([*said, *decided], key=lambda remark: remark.at)


def read_task(actor: Actor, task_id: UUID | str) -> HumanTask:
    """One task of the actor's organization with all the page shows; NotFound otherwise."""
    tasks = HumanTask.objects.visible_to(actor).with_people().with_history()
    if task := tasks.filter(pk=task_id).first():
        return task
    raise NotFound(str(_("There is no such task.")))
