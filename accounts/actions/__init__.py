"""Every write of accounts that is ours; allauth's flows do the rest (see `accounts.adapter`)."""

from accounts.actions.closing import close_account
from accounts.actions.factors import reset_factors
from accounts.actions.people import mute_notification, save_preferences, vouch_for_address
from accounts.actions.sessions import end_other_sessions, end_session

__all__ = [
    "close_account",
    "end_other_sessions",
    "end_session",
    "mute_notification",
    "reset_factors",
    "save_preferences",
    "vouch_for_address",
]
