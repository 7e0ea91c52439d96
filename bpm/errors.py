"""Reasons a task says no. All are 409: the request was fine, the task has moved on."""

from core.errors import DomainError


class TaskClaimed(DomainError):
    """Somebody else has taken the task in hand."""

    code = "task_claimed"


class TaskNotClaimed(DomainError):
    """Nobody holds the task, so nobody can give it back."""

    code = "task_not_claimed"


class TaskDecided(DomainError):
    code = "task_decided"


class TaskCancelled(DomainError):
    code = "task_cancelled"
