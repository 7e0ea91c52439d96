"""What people type: the questions we add to allauth's sign-up, and the personal centre."""

from typing import Any
from zoneinfo import available_timezones

from allauth.core import context
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.addresses import expected_signup
from accounts.models import User
from accounts.notifications import notification_kinds
from accounts.passwords import check_words


class SignupDetails(forms.Form):
    name = forms.CharField(label=_("Your name"), max_length=120)
    organization = forms.CharField(
        label=_("Organization"),
        max_length=120,
        required=False,
        help_text=_("You can rename it later."),
    )

    field_order = ("name", "organization", "email", "password1", "password2")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if context.request is not None and expected_signup(context.request):
            del self.fields["organization"]  # an invitation leads to one that is there

    def clean(self) -> dict[str, Any] | None:
        """Allauth asks the password's validators with the address alone; here is the rest."""
        cleaned = super().clean()
        for field in ("password1", "password"):
            if password := self.cleaned_data.get(field):
                said = [self.cleaned_data.get(each) or "" for each in ("name", "organization")]
                try:
                    check_words(password, said)
                except ValidationError as error:
                    self.add_error(field, error)
        return cleaned

    def signup(self, request: HttpRequest, user: Any) -> None:
        """Called by allauth after saving; the adapter has stored everything by then."""


class ProfileForm(forms.Form):
    name = forms.CharField(label=_("Your name"), max_length=120)
    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=[("", _("As the browser asks")), *settings.LANGUAGES],
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"), required=False, help_text=_("Times on pages are shown in it.")
    )

    def __init__(self, data: Any = None, *, user: User) -> None:
        names = ("name", "language", "time_zone")
        super().__init__(data, initial={name: getattr(user, name) for name in names})
        zones = [(name, name.replace("_", " ")) for name in sorted(available_timezones())]
        self.fields["time_zone"].choices = [("", "UTC"), *zones]  # type: ignore[attr-defined]


class NotificationsForm(forms.Form):
    """One box a kind; a ticked one is wanted."""

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data)
        for kind in notification_kinds():
            self.fields[kind.name] = forms.BooleanField(
                label=kind.label,
                help_text=kind.help_text,
                required=False,
                initial=kind.name not in user.muted,
            )

    def muted(self) -> list[str]:
        return [name for name, wanted in self.cleaned_data.items() if not wanted]
