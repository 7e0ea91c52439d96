"""What else happens when somebody signs up: upper rooms register here, in their `apps.py`."""

from collections.abc import Callable

from accounts.models import User

Step = Callable[[User, str | None], None]
_steps: list[Step] = []


def on_signup(step: Step) -> None:
    """`step(user, organization_name)` runs in the transaction that creates the user.

    The name is "" where none was given, and None for somebody who came by an invitation and needs
    no organization of their own.
    """
    if step not in _steps:
        _steps.append(step)


def run_signup_steps(user: User, organization_name: str | None) -> None:
    for step in _steps:
        step(user, organization_name)
