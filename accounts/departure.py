"""What else happens when somebody closes their account: upper rooms register in their `apps.py`.

A step comes in two halves. `check` raises a DomainError when the person cannot go yet (an owner
whose organization would have none) and changes nothing; `carry_out` runs after every check has
passed, in the transaction that closes the account, and may lock what it needs.
"""

from collections.abc import Callable
from dataclasses import dataclass

from accounts.models import User

Step = Callable[[User], None]


@dataclass(frozen=True, slots=True)
class Departure:
    check: Step
    carry_out: Step


_steps: list[Departure] = []


def on_departure(check: Step, carry_out: Step) -> None:
    step = Departure(check, carry_out)
    if step not in _steps:
        _steps.append(step)


def check_departure(user: User) -> None:
    for step in _steps:
        step.check(user)


def carry_out_departure(user: User) -> None:
    for step in _steps:
        step.carry_out(user)
