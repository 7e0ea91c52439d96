"""What orgs records."""

from django.utils.translation import gettext_lazy as _

from audit.events import register

register("orgs.organization.founded", _("Organization founded"))
register("orgs.organization.renamed", _("Organization renamed"), before=str, after=str)
register("orgs.organization.origins_changed", _("Allowed origins changed"), before=list, after=list)
register("orgs.audit.retention_changed", _("Audit retention changed"))
register("orgs.organization.origins_changed", _("Allowed origins changed"), before=list, after=list)
register("orgs.member.added", _("Member added"), user=str, role=str)
register("orgs.member.role_changed", _("Role changed"), user=str, before=str, after=str)
register("orgs.member.removed", _("Member removed"), user=str, role=str)
register("orgs.key.created", _("API key created"), prefix=str, scopes=list)
register("orgs.key.changed", _("API key changed"), prefix=str, scopes=list)
register("orgs.key.rotated", _("API key rotated"), prefix=str, scopes=list, replaces=str, ends=str)
register("orgs.key.revoked", _("API key revoked"), prefix=str, scopes=list)
register("orgs.keys.revoked", _("API keys revoked"), count=int, by=dict, prefixes=list)
register("orgs.key.reminded", _("Reminded of an API key that expires"), user=str)
register("orgs.grant.given", _("Access granted"), user=str, team=str, right=str)
register("orgs.grant.revoked", _("Access taken back"), user=str, team=str, right=str)
register("orgs.support.started", _("Support entered"), operator=str, level=str, minutes=int)
register("orgs.support.ended", _("Support left"), operator=str, level=str)
register("console.*.added", _("Added in the operator console"), fields=list)
register("console.*.changed", _("Changed in the operator console"), fields=list)
register("console.*.deleted", _("Deleted in the operator console"), fields=list)
