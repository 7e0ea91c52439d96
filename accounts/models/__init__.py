"""People, how their programs stay signed in, what happened to their accounts, letters to them."""

from accounts.models.letters import Letter
from accounts.models.people import User, UserManager
from accounts.models.security import SecurityEvent
from accounts.models.tokens import TokenFamily

__all__ = ["Letter", "SecurityEvent", "TokenFamily", "User", "UserManager"]
