"""What billing records. Amounts are nanos."""

from django.utils.translation import gettext_lazy as _

from audit.events import register

register("billing.wallet.topped_up", _("Wallet topped up"), amount=int, ref=str, balance=int)
register(
    "billing.wallet.adjusted", _("Wallet adjusted"), amount=int, ref=str, reason=str, balance=int
)
register("billing.capture.refunded", _("Call refunded"), amount=int, hold=str, ref=str, balance=int)
register("billing.hold.released", _("Hold released"), amount=int, ref=str)
register(
    "billing.price.set",
    _("Price set"),
    input=int,
    cached_input=int,
    output=int,
    per_call=int,
    valid_from=str,
)
