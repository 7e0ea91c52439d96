"""What orgs records."""

from django.utils.translation import gettext_lazy as _

from audit.events import register, register_refusal

register("orgs.organization.founded", _("Organization founded"))
register("orgs.organization.changed", _("Organization changed"))
register("orgs.organization.closing", _("Organization's end announced"), at=str, reason=str)
register("orgs.organization.kept", _("Organization kept"))
register("orgs.organization.closed", _("Organization closed"))
register("orgs.organization.erased", _("Organization erased"))
register("orgs.ownership.transferred", _("Ownership handed over"), user=str, by=str)
register("orgs.invitation.created", _("Invitation sent"), role=str, teams=list)
register("orgs.invitation.resent", _("Invitation sent again"))
register("orgs.invitation.revoked", _("Invitation taken back"))
register("orgs.invitation.accepted", _("Invitation accepted"), role=str)
register("orgs.invitation.declined", _("Invitation declined"))
register("orgs.team.created", _("Team made"))
register("orgs.team.changed", _("Team changed"))
register("orgs.team.deleted", _("Team deleted"), members=int)
register("orgs.team.member_added", _("Team joined"), user=str, email=str, lead=bool)
register("orgs.team.member_removed", _("Team left"), user=str, email=str)
register("orgs.team.lead_changed", _("Team lead changed"), user=str, email=str, lead=bool)
register("orgs.project.created", _("Project made"), restricted=bool)
register("orgs.project.changed", _("Project changed"))
register("orgs.project.archived", _("Project archived"))
register("orgs.project.unarchived", _("Project brought back"))
register("orgs.project.deleted", _("Project deleted"))
register("orgs.organization.origins_changed", _("Allowed origins changed"), before=list, after=list)
register("orgs.runs.retention_changed", _("Retention of runs changed"))
register("orgs.audit.retention_changed", _("Audit retention changed"))
register("orgs.member.added", _("Member added"), user=str, role=str, connection=str)
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

_CONNECTION = {
    "name": str,
    "issuer": str,
    "client_id": str,
    "scopes": str,
    "role_claim": str,
    "role_map": dict,
    "default_role": str,
    "enforced": bool,
    "max_age_hours": int,
}
register("orgs.sso.created", _("Sign-on set up"), **_CONNECTION)
register("orgs.sso.updated", _("Sign-on changed"))
register("orgs.sso.enabled", _("Sign-on switched on"))
register("orgs.sso.disabled", _("Sign-on switched off"))
register("orgs.sso.deleted", _("Sign-on deleted"), people=int, **_CONNECTION)
register("orgs.sso.domain_added", _("Sign-on domain named"), connection=str, domain=str)
register("orgs.sso.domain_verified", _("Sign-on domain proven"), connection=str, domain=str)
register("orgs.sso.domain_confirmed", _("Sign-on domain confirmed"), connection=str, domain=str)
register("orgs.sso.domain_removed", _("Sign-on domain removed"), connection=str, domain=str)
register("orgs.sso.signed_in", _("Signed in by sign-on"), user=str, role=str)
register("orgs.sso.linked", _("Sign-on identity linked"), subject=str)
register("orgs.sso.released", _("Sign-on identity released"), user=str, subject=str)
register("orgs.sso.address_changed", _("Address changed by sign-on"))
register_refusal("orgs.sso.refused", _("Sign-on refused"), reason=str, subject=str)
