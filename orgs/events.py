"""What orgs records."""

from django.utils.translation import gettext_lazy as _

from audit.events import register

register("orgs.organization.founded", _("Organization founded"))
register("orgs.organization.renamed", _("Organization renamed"), before=str, after=str)
register("orgs.organization.origins_changed", _("Allowed origins changed"), before=list, after=list)
register("orgs.audit.retention_changed", _("Audit retention changed"))
register("orgs.member.added", _("Member added"), user=str, role=str)
register("orgs.member.role_changed", _("Role changed"), user=str, before=str, after=str)
register("orgs.member.removed", _("Member removed"), user=str, role=str)
register("orgs.key.created", _("API key created"), prefix=str, scopes=list)
register("orgs.key.revoked", _("API key revoked"), prefix=str, scopes=list)
register("orgs.grant.given", _("Access granted"), user=str, right=str)
register("orgs.grant.revoked", _("Access taken back"), user=str, right=str)
register("console.*.added", _("Added in the operator console"), fields=list)
register("console.*.changed", _("Changed in the operator console"), fields=list)
register("console.*.deleted", _("Deleted in the operator console"), fields=list)
