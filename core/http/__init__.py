"""Outgoing HTTP. Nothing else in this project opens a connection to an address a person chose.

`check_url` judges text, `client_session` is for long-lived use, `send` for one call.
"""

from core.http.errors import (
    OutgoingError,
    OutgoingRefused,
    OutgoingTimeout,
    OutgoingTooLarge,
    OutgoingUnreachable,
)
from core.http.sending import Response, send
from core.http.session import client_session
from core.http.urls import check_url

__all__ = [
    "OutgoingError",
    "OutgoingRefused",
    "OutgoingTimeout",
    "OutgoingTooLarge",
    "OutgoingUnreachable",
    "Response",
    "check_url",
    "client_session",
    "send",
]
