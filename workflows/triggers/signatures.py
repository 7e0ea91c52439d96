"""Whether a delivery comes from whom it says: the signature schemes, on the raw bytes.

GitHub: docs.github.com/webhooks, "Validating webhook deliveries". Stripe: docs.stripe.com/webhooks,
"Verify webhook signatures manually". Slack: api.slack.com, "Verifying requests from Slack". The
generic one signs the body, or `<timestamp>.<body>` where a header of its own carries the time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence

from workflows.triggers.configs import WebhookSettings

Headers = Mapping[str, str]
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


def believed(
    settings: WebhookSettings, headers: Headers, body: bytes, secrets: Sequence[str]
) -> bool:
    """Whether one of `secrets` signed `body`, and recently where the scheme carries a time.

    Every secret is tried, whichever fits: the time this takes tells nothing.
    """
    if settings.scheme == "none":
        return True
    return SCHEMES[settings.scheme](settings, headers, body, [key for key in secrets if key])


def _github(settings: WebhookSettings, headers: Headers, body: bytes, keys: Sequence[str]) -> bool:
    given = headers.get("X-Hub-Signature-256", "")
    return _fits(keys, body, [given.removeprefix("sha256=")]) and given.startswith("sha256=")


def _stripe(settings: WebhookSettings, headers: Headers, body: bytes, keys: Sequence[str]) -> bool:
    parts = [part.strip().partition("=") for part in headers.get("Stripe-Signature", "").split(",")]
    times = [value for name, _, value in parts if name == "t"]
    given = [value for name, _, value in parts if name == "v1"][:10]
    if len(times) != 1 or not _recent(times[0], settings.tolerance_seconds):
        return False
    return _fits(keys, times[0].encode() + b"." + body, given)


def _slack(settings: WebhookSettings, headers: Headers, body: bytes, keys: Sequence[str]) -> bool:
    at, given = headers.get("X-Slack-Request-Timestamp", ""), headers.get("X-Slack-Signature", "")
    if not _recent(at, settings.tolerance_seconds) or not given.startswith("v0="):
        return False
    return _fits(keys, b"v0:" + at.encode() + b":" + body, [given.removeprefix("v0=")])


def _generic(settings: WebhookSettings, headers: Headers, body: bytes, keys: Sequence[str]) -> bool:
    given = headers.get(settings.header, "")
    if settings.timestamp_header:
        at = headers.get(settings.timestamp_header, "")
        if not _recent(at, settings.tolerance_seconds):
            return False
        body = at.encode() + b"." + body
    if not given.startswith(settings.prefix):
        return False
    given = given.removeprefix(settings.prefix).strip()
    return _fits(keys, body, [given], settings.algorithm, settings.encoding)


SCHEMES: dict[str, Callable[[WebhookSettings, Headers, bytes, Sequence[str]], bool]] = {
    "github": _github,
    "stripe": _stripe,
    "slack": _slack,
    "hmac": _generic,
}


def _recent(text: str, tolerance: int) -> bool:
    """Seconds since the epoch, at most `tolerance` away from now in either direction."""
    return bool(_SECONDS.fullmatch(text)) and abs(time.time() - int(text)) <= tolerance


def _fits(
    keys: Sequence[str],
    message: bytes,
    given: Sequence[str],
    algorithm: str = "sha256",
    encoding: str = "hex",
) -> bool:
    fits = False
    for key in keys:
        mac = hmac.new(key.encode(), message, getattr(hashlib, algorithm)).digest()
        text = mac.hex() if encoding == "hex" else base64.b64encode(mac).decode()
        for each in given:
            shown = each.lower() if encoding == "hex" else each
            fits |= hmac.compare_digest(text.encode(), shown.encode("utf-8", "replace"))
    return fits
