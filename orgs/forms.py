"""What people type on the pages of orgs."""

from django import forms
from django.utils.translation import gettext_lazy as _

from orgs.models import Role


class OrganizationForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=120)


class OriginsForm(forms.Form):
    origins = forms.CharField(
        label=_("Allowed origins"),
        required=False,
        max_length=6000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=_(
            "Web pages of these addresses may call the API with a key or token of this "
            "organization. One a line, for example https://app.example.com."
        ),
    )

    def origins_given(self) -> list[str]:
        return str(self.cleaned_data["origins"]).split()


class MemberForm(forms.Form):
    email = forms.EmailField(label=_("E-mail address"))
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.MEMBER)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)
