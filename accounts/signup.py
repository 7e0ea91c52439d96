"""What else happens when somebody signs up: upper rooms register here, in their `apps.py`."""

from collections.abc import Callable

from accounts.models import User

_steps: list[Callable[[User, str], None]] = []


def on_signup(step: Callable[[User, str], None]) -> None:
    """`step(user, organization_name)` runs in the transaction that creates the user."""
    if step not in _steps:
        _steps.append(step)


def run_signup_steps(user: User, organization_name: str) -> None:
    for step in _steps:
        step(user, organization_name)
