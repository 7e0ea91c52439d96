"""Why a sign-in through an organization was refused."""

from typing import ClassVar

from django.utils.translation import gettext_lazy as _

from core.errors import PermissionRefused


class SsoRefused(PermissionRefused):
    """The provider's word is not enough. The text is for the person who tries to sign in."""

    code = "sso_refused"
    text: ClassVar = _("This sign-in could not be verified.")

    def __init__(self, **detail: str) -> None:
        super().__init__(str(self.text), **detail)


class SsoClosed(SsoRefused):
    code = "sso_closed"
    text = _("This organization's sign-in is switched off.")


class SsoNoAddress(SsoRefused):
    code = "sso_no_address"
    text = _("Your organization's provider named no e-mail address.")


class SsoUnverifiedAddress(SsoRefused):
    code = "sso_unverified_address"
    text = _("Your organization's provider says that your e-mail address is not verified.")


class SsoForeignDomain(SsoRefused):
    """The address is of a domain that the connection has not proven."""

    code = "sso_foreign_domain"
    text = _("Your e-mail address is not of a domain that this organization has proven.")


class SsoIdentityChanged(SsoRefused):
    """The account is linked to another subject of the same provider."""

    code = "sso_identity_changed"
    text = _(
        "Your account is linked to another identity of your organization."
        " An administrator has to release it first."
    )


class SsoNotForOperators(SsoRefused):
    code = "sso_not_for_operators"
    text = _("Operators of this installation sign in with their password.")


class SsoDisabledPerson(SsoRefused):
    code = "sso_disabled_person"
    text = _("This account is disabled.")


class SsoStale(SsoRefused):
    """The provider asked the person longer ago than the connection allows."""

    code = "sso_stale"
    text = _("Your organization's provider has not asked for a long time who you are. Try again.")


class SsoBrowserOnly(SsoRefused):
    """The redirect flow keeps its state in a browser's session; a program has none."""

    code = "sso_browser_only"
    text = _("Programs bring an ID token; the redirect is for pages.")


class SsoOnlyToSignIn(SsoRefused):
    """allauth's other uses of a provider: connecting to the account that is signed in."""

    code = "sso_only_to_sign_in"
    text = _("An organization's provider is for signing in alone.")
