"""People, how their programs stay signed in, and what happened to their accounts."""

from accounts.models.people import User, UserManager
from accounts.models.security import SecurityEvent
from accounts.models.tokens import TokenFamily

__all__ = ["SecurityEvent", "TokenFamily", "User", "UserManager"]
