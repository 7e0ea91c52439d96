"""Letters of orgs."""

from celery import shared_task
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils.translation import gettext, override

from orgs.models import Membership, Role, SupportAccess


@shared_task
def tell_of_support(stay_id: str) -> None:
    """Tell every owner that an operator came in, why and for how long."""
    stay = SupportAccess.objects.select_related("organization", "operator").get(pk=stay_id)
    owners = Membership.objects.of(stay.organization_id).filter(
        role=Role.OWNER, user__is_active=True
    )
    with override(settings.LANGUAGE_CODE):
        subject = gettext("Support has entered %(name)s") % {"name": stay.organization.name}
        text = render_to_string("orgs/mail/support.txt", {"stay": stay})
        for address in owners.values_list("user__email", flat=True):
            send_mail(subject, text, None, [address])
